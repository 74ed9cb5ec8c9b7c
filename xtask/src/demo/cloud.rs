//! The local AWS IoT Core of the demo: a process of its own that ends with the demo.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::step::{self, Program};

/// Starting takes a fraction of a second; on a busy machine a few.
const STARTING: Duration = Duration::from_secs(30);

pub(crate) struct Cloud {
    child: Child,
    log_file: PathBuf,
    description_file: PathBuf,
    endpoint: String,
    port: u16,
    ca_file: PathBuf,
    aws_environment: Vec<(String, String)>,
}

impl Cloud {
    pub(crate) fn start(program: &Program, directory: &Path) -> anyhow::Result<Self> {
        let started = Instant::now();
        fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let log_file = directory.join("aws-iot-sim.log");
        let log = File::create(&log_file).with_context(|| format!("cannot write {}", log_file.display()))?;
        let mut command = program.command();
        command
            .args(["--port", "0", "--dir"])
            .arg(directory)
            .stdout(log.try_clone()?)
            .stderr(log)
            .stdin(Stdio::null());
        let mut child = command.spawn().context("aws-iot-sim does not start")?;
        let description_file = directory.join("aws-iot-sim.json");
        let description = match wait_for(&mut child, &description_file) {
            Ok(description) => description,
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(error.context(format!("aws-iot-sim says more in {}", log_file.display())));
            }
        };
        let cloud = Self::described(child, log_file, description_file, &description)?;
        println!(
            "      endpoint {} port {}, control plane {}",
            cloud.endpoint,
            cloud.port,
            text(&description, "controlPlaneUrl")?
        );
        step::done(started);
        Ok(cloud)
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn ca_file(&self) -> &Path {
        &self.ca_file
    }

    /// What aws-iot-sim says of itself: addresses, files, and the variables for an AWS client.
    pub(crate) fn description_file(&self) -> &Path {
        &self.description_file
    }

    pub(crate) fn log_file(&self) -> &Path {
        &self.log_file
    }

    /// The variables that lead an AWS client here, and nowhere else.
    pub(crate) fn aws_environment(&self) -> &[(String, String)] {
        &self.aws_environment
    }

    fn described(
        child: Child,
        log_file: PathBuf,
        description_file: PathBuf,
        description: &Value,
    ) -> anyhow::Result<Self> {
        let variables = description
            .get("environment")
            .and_then(Value::as_object)
            .context("aws-iot-sim.json has no environment")?;
        Ok(Self {
            child,
            log_file,
            description_file,
            endpoint: text(description, "endpoint")?.to_owned(),
            port: description
                .get("port")
                .and_then(Value::as_u64)
                .and_then(|port| port.try_into().ok())
                .context("aws-iot-sim.json has no port")?,
            ca_file: text(description, "caFile")?.into(),
            aws_environment: variables
                .iter()
                .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
                .collect(),
        })
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The description that aws-iot-sim writes once it listens.
fn wait_for(child: &mut Child, file: &Path) -> anyhow::Result<Value> {
    let started = Instant::now();
    while started.elapsed() < STARTING {
        if file.exists() {
            return serde_json::from_slice(&fs::read(file)?).context("aws-iot-sim.json");
        }
        if let Some(status) = child.try_wait()? {
            bail!("aws-iot-sim ended with {status}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    bail!("aws-iot-sim was not ready within {} s", STARTING.as_secs())
}

fn text<'a>(description: &'a Value, name: &str) -> anyhow::Result<&'a str> {
    description.get(name).and_then(Value::as_str).with_context(|| format!("aws-iot-sim.json has no {name}"))
}
