//! The local AWS IoT Core of the demo: a process of its own that ends with the demo.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::typed;
use crate::files::{make_directory, read};
use crate::root::shown;

/// Starting takes a fraction of a second; on a busy machine a few.
const STARTING: Duration = Duration::from_secs(30);

pub(crate) struct Cloud {
    child: Child,
    pub(crate) log_file: PathBuf,
    /// What aws-iot-sim says of itself: addresses, files, and the variables for an AWS client.
    pub(crate) description_file: PathBuf,
    description: Value,
}

impl Cloud {
    pub(crate) fn start(programs: &Path, directory: &Path) -> anyhow::Result<Self> {
        make_directory(directory)?;
        let log_file = directory.join("aws-iot-sim.log");
        let log = File::create(&log_file).with_context(|| format!("cannot write {}", log_file.display()))?;
        let mut command = typed::program(&programs.join("aws-iot-sim"));
        command.args(["--port", "0", "--dir"]).arg(directory).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().context("aws-iot-sim does not start")?;
        let description_file = directory.join("aws-iot-sim.json");
        let mut cloud = Self { child, log_file, description_file, description: Value::Null };
        cloud.description =
            cloud.wait().with_context(|| format!("aws-iot-sim says more in {}", cloud.log_file.display()))?;
        println!(
            "      endpoint {} port {}, control plane {}",
            cloud.says("endpoint"),
            cloud.says("port"),
            cloud.says("controlPlaneUrl")
        );
        Ok(cloud)
    }

    /// The description that aws-iot-sim writes once it listens.
    fn wait(&mut self) -> anyhow::Result<Value> {
        let started = Instant::now();
        while started.elapsed() < STARTING {
            if self.description_file.exists() {
                return serde_json::from_slice(&read(&self.description_file)?).context("aws-iot-sim.json");
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("aws-iot-sim ended with {status}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("aws-iot-sim was not ready within {} s", STARTING.as_secs())
    }

    /// A text or number of the description; `null` where it is missing, and the program that gets it says so.
    pub(crate) fn says(&self, name: &str) -> String {
        let value = self.description.get(name).unwrap_or(&Value::Null);
        value.as_str().map_or_else(|| value.to_string(), str::to_owned)
    }

    /// Tells the program where the broker listens and whom it trusts.
    pub(crate) fn trusted_by<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let ca_file = self.says("caFile");
        command.args(["--port", &self.says("port"), "--ca-file", &shown(Path::new(&ca_file))])
    }

    /// The variables that lead an AWS client here, and nowhere else.
    pub(crate) fn aws_environment(&self) -> impl Iterator<Item = (&String, &str)> {
        let variables = self.description.get("environment").and_then(Value::as_object).into_iter().flatten();
        variables.filter_map(|(name, value)| Some((name, value.as_str()?)))
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
