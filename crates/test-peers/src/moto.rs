//! moto: AWS's APIs in Python, written by others. From the private virtual environment that `cargo xtask test` makes.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// A running moto server with nothing in it; it ends with this value.
pub struct Moto {
    child: Child,
    url: String,
    directory: TempDir,
}

impl Moto {
    /// Starts moto on a free port, or gives `None` after writing down the skip.
    pub fn start() -> Option<Self> {
        let program = crate::venv_program("moto_server")?;
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut child = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", "0"])
            .env("PYTHONUNBUFFERED", "1")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("moto starts");
        let mut lines = BufReader::new(child.stderr.take().expect("its standard error")).lines();
        let url = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| Some(line.split_once("Running on ")?.1.split_whitespace().next()?.to_owned()))
            .expect("moto says where it listens");
        // Read to the end, so that moto never waits for us.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Some(Self { child, url, directory })
    }

    /// The address of the control plane.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The environment for an AWS client: fake credentials, this server, and nothing of the user's own configuration.
    pub fn environment(&self) -> Vec<(String, String)> {
        let nowhere = |name: &str| self.directory.path().join(name).display().to_string();
        [
            ("AWS_ENDPOINT_URL", self.url.clone()),
            ("AWS_ACCESS_KEY_ID", "testing".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "testing".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_DEFAULT_REGION", "us-east-1".to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("AWS_CONFIG_FILE", nowhere("config")),
            ("AWS_SHARED_CREDENTIALS_FILE", nowhere("credentials")),
            ("NO_PROXY", "localhost,127.0.0.1".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
