//! The real AWS CLI, from the private virtual environment that `cargo xtask test` makes.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;

/// The AWS CLI, able to reach one control plane and nothing else.
pub struct AwsCli {
    program: PathBuf,
    environment: Vec<(String, String)>,
}

/// The AWS CLI with the environment of a local control plane (fake credentials, endpoint), or `None` after
/// writing down the skip.
pub fn aws_cli(environment: Vec<(String, String)>) -> Option<AwsCli> {
    Some(AwsCli { program: crate::venv_program("aws")?, environment })
}

impl AwsCli {
    /// The command `aws ARGUMENTS`, with nothing of the caller's own environment but `PATH`.
    pub fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("LC_ALL", "C.UTF-8")
            .env("AWS_PAGER", "")
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}
