//! The real AWS CLI, from the private virtual environment that `cargo xtask test` makes.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The AWS CLI, able to reach one control plane and nothing else.
pub struct AwsCli {
    program: PathBuf,
    environment: Vec<(String, String)>,
}

/// The AWS CLI with the environment of a local control plane (fake credentials, endpoint), or `None` after
/// writing down the skip.
pub fn aws_cli(environment: Vec<(String, String)>) -> Option<AwsCli> {
    let program = virtual_environment().join("bin/aws");
    if !program.is_file() {
        crate::skip(&format!("the AWS CLI is not at {} (cargo xtask test installs it)", program.display()));
        return None;
    }
    Some(AwsCli { program, environment })
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

/// Where `cargo xtask test` installs the Python programs: named by `TEST_VENV`, or in the workspace's target directory.
pub(crate) fn virtual_environment() -> PathBuf {
    if crate::skip::without_peers() {
        return PathBuf::from("nowhere (cargo xtask test --fast)");
    }
    std::env::var_os("TEST_VENV")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-venv"), PathBuf::from)
}
