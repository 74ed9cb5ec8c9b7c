//! `cargo xtask demo`: the whole way, on a simulated chip and a local AWS IoT Core, with the commands that a user types.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, ensure};

use crate::root::{cargo, root, target};

pub(crate) mod cloud;
pub(crate) mod step;

use cloud::Cloud;
use step::Program;

/// How many messages are sent and have to come back.
const MESSAGES: u32 = 10;
/// `up` connects once, and `pubsub` once.
const CONNECTIONS: u64 = 2;
/// The key that the how-to of the Armadillo uses: cloud connection key 0, RSA-2048, object 0xF0000110.
const KEY_LABEL: &str = "sss:100100F0";
const THING: &str = "demo-device";

pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let demo = Demo::prepare().context("step 1, building the parts")?;
    demo.make_chip().context("step 2, the chip")?;
    step::announce(3, "a local AWS IoT Core on loopback: control plane and MQTT broker");
    let cloud = Cloud::start(&demo.program("aws-iot-sim"), &demo.directory.join("aws"))
        .context("step 3, the cloud")?;
    demo.up(&cloud).context("step 4, from the chip to the first message")?;
    let (sent, received) = demo.pubsub().context("step 5, messages")?;
    let signatures = demo.chip_signatures().context("step 6, asking the chip")?;
    ensure!(
        (sent, received) == (MESSAGES, MESSAGES),
        "{MESSAGES} messages were to be sent and received, {sent} were sent and {received} received: see what \
         aws-iot-sim says, in {}",
        cloud.log_file().display(),
    );
    ensure!(
        signatures == CONNECTIONS,
        "{CONNECTIONS} connections take a signature of the chip each, and it made {signatures}: another key was used, or the chip is \
         asked too often"
    );
    println!(
        "\n{:.1} s in all; everything is in {}",
        started.elapsed().as_secs_f32(),
        shown(&demo.directory)
    );
    println!("demo: ok, sent {sent}, received {received}, chip signatures {signatures}");
    Ok(ExitCode::SUCCESS)
}

/// The programs, and the directory in which everything happens.
struct Demo {
    programs: PathBuf,
    directory: PathBuf,
}

impl Demo {
    fn prepare() -> anyhow::Result<Self> {
        step::announce(
            1,
            "build the simulated chip, the local AWS IoT Core, and the programs (some minutes the first time)",
        );
        let mut build = cargo();
        build.args([
            "build",
            "--locked",
            "-p",
            "se050-sim",
            "-p",
            "aws-iot-sim",
            "-p",
            "se050-iot",
            "-p",
            "pubsub",
        ]);
        let started = Instant::now();
        let status = build.status().context("cargo does not start")?;
        ensure!(
            status.success(),
            "cargo build failed; what it says is above. A C compiler is needed (Debian: apt-get install gcc)"
        );
        let programs = target().join("debug");
        println!("      the programs are in {}", shown(&programs));
        step::done(started);
        let directory = target().join("demo");
        if directory.exists() {
            fs::remove_dir_all(&directory)
                .with_context(|| format!("cannot empty {}", directory.display()))?;
        }
        fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
        Ok(Self { programs, directory })
    }

    fn make_chip(&self) -> anyhow::Result<()> {
        step::announce(
            2,
            "a new chip: throwaway keys and certificates, behind a PKCS#11 module that behaves as NXP's",
        );
        self.program("se050-sim").arg("new").path(&self.directory.join("chip")).run()?;
        Ok(())
    }

    fn up(&self, cloud: &Cloud) -> anyhow::Result<()> {
        step::announce(
            4,
            "with the operator's credentials (fake ones, and no way to a real account): read the certificate from the chip, register the \
             device, write its configuration, connect with the chip's key, send and receive one message",
        );
        println!(
            "      (where the control plane is, and the credentials, stands in {})",
            shown(cloud.description_file())
        );
        self.program("se050-iot")
            .args(["up", "--thing", THING, "--config"])
            .path(&self.config())
            .args(["--key-label", KEY_LABEL, "--pkcs11-lib"])
            .path(&self.module())
            .args(["--port", &cloud.port().to_string(), "--ca-file"])
            .path(cloud.ca_file())
            .environment(cloud.aws_environment())
            .run()?;
        Ok(())
    }

    /// How many messages were sent, and how many came back.
    fn pubsub(&self) -> anyhow::Result<(u32, u32)> {
        step::announce(
            5,
            "as the device from now on, which needs no credentials: subscribe, publish, receive, disconnect",
        );
        let output = self
            .program("pubsub")
            .arg("--config")
            .path(&self.config())
            .args(["--count", &MESSAGES.to_string()])
            .run()?;
        let counted = |word: &str| {
            let number = output
                .lines()
                .rev()
                .find_map(|line| line.split_once(word)?.1.split([' ', ',']).next()?.parse().ok());
            number.with_context(|| format!("pubsub did not say how many messages it {}", word.trim()))
        };
        Ok((counted("sent ")?, counted("received ")?))
    }

    fn chip_signatures(&self) -> anyhow::Result<u64> {
        step::announce(6, "ask the chip how often its private keys were used");
        let output = self.program("se050-sim").arg("calls").path(&self.directory.join("chip")).run()?;
        let count = output.lines().find_map(|line| line.strip_suffix("chip signatures")?.trim().parse().ok());
        count.context("se050-sim calls did not count the signatures")
    }

    fn program(&self, name: &str) -> Program {
        Program::new(self.programs.join(name))
    }

    fn module(&self) -> PathBuf {
        self.directory.join("chip/libsss_pkcs11.so")
    }

    fn config(&self) -> PathBuf {
        self.directory.join("device.toml")
    }
}

/// As seen from the project's root.
fn shown(path: &Path) -> impl std::fmt::Display {
    path.strip_prefix(root()).unwrap_or(path).display()
}
