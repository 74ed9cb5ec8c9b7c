//! Runs the device's programs under an emulator: on a simulated chip whose PKCS#11 module is built for the device, too, against
//! a local AWS IoT Core on this PC.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use super::artifacts::{Artifact, check};
use super::device::Device;
use super::elf::Role;
use super::emulator::Emulator;
use super::toolchain::Toolchain;
use super::{build, workshop};
use crate::command::run_shown;
use crate::demo::cloud::Cloud;
use crate::demo::step::Program;
use crate::root::{cargo, target};
use crate::step::Step;
use crate::test::{Counts, Tests, test_programs};

const MESSAGES: u32 = 10;
/// Cloud connection key 0 of the chip, RSA-2048.
const KEY_LABEL: &str = "sss:100100F0";
const THING: &str = "emulated-device";
/// The crates next to the chip: their tests run on the device's processor, too.
const TESTED: [&str; 6] = ["--lib", "--tests", "-p", "se050-key", "-p", "rustls-se050"];
/// The durable outbox: a C library and a processor have their own ways with files.
const DURABLE: [&str; 5] = ["--lib", "-p", "aws-iot-mqtt", "--features", "durable"];

/// The simulated chip of the last run, whose module is the device's.
pub(crate) fn smoke_chip(device: &Device) -> Option<PathBuf> {
    Some(directory(device).join("chip")).filter(|chip| chip.join("libsss_pkcs11.so").exists())
}

/// Whether this PC's programs are there already. After `cargo test --workspace`, building them would build the AWS SDK again, with
/// other features.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ThisPc {
    ToBeBuilt,
    BuiltByTests,
}

/// Everything that runs under the emulator, built.
pub(crate) struct Smoke {
    pub(crate) artifacts: Vec<Artifact>,
    emulator: Emulator,
    /// The simulated chip's module, built for the device.
    module: PathBuf,
    /// The tests of [`TESTED`] and, where there is time, [`DURABLE`], built for the device.
    tests: Vec<Tests>,
    this_pc: ThisPc,
    /// This PC's programs.
    programs: PathBuf,
    directory: PathBuf,
}

impl Smoke {
    /// Builds what is not among the device's programs. It takes most of the time.
    pub(super) fn build(
        toolchain: &Toolchain,
        artifacts: Vec<Artifact>,
        this_pc: ThisPc,
    ) -> anyhow::Result<Self> {
        let emulator = Emulator::prepare(toolchain.device)?;
        let module = build::simulated_module(toolchain)?;
        check(&module, Role::Module, toolchain)?;
        let mut tests = tests_for_the_device(toolchain, &emulator, &TESTED)?;
        if this_pc == ThisPc::ToBeBuilt {
            for mut durable in tests_for_the_device(toolchain, &emulator, &DURABLE)? {
                durable.command.arg("outbox::durable");
                tests.push(durable);
            }
            let step = Step::begin("this PC's side", "building aws-iot-sim, se050-sim, se050-iot");
            let packages = ["-p", "se050-sim", "-p", "aws-iot-sim", "-p", "se050-iot", "-p", "pubsub"];
            run_shown(cargo().args(["build", "--quiet", "--locked"]).args(packages))?;
            step.done();
        }
        let directory = directory(toolchain.device);
        Ok(Self { artifacts, emulator, module, tests, this_pc, programs: target().join("debug"), directory })
    }

    /// Runs the device's programs.
    pub(crate) fn run(&self) -> anyhow::Result<Counts> {
        println!("== the device's programs under qemu");
        if self.directory.exists() {
            fs::remove_dir_all(&self.directory)
                .with_context(|| format!("cannot empty {}", self.directory.display()))?;
        }
        fs::create_dir_all(&self.directory)
            .with_context(|| format!("cannot make {}", self.directory.display()))?;
        let mut counts = Counts::default();
        counts.check("every program starts", || self.every_program_starts());
        counts.check("from the chip to the cloud and back, signatures made in the device's module", || {
            self.chip_to_cloud()
        });
        let up = "up: from the simulated chip to the first message, with the operator's half";
        if self.artifacts.iter().any(|artifact| artifact.name == build::OPERATOR) {
            counts.check(up, || self.up());
        } else {
            counts.skips.push(format!(
                "{up}: building the AWS SDK for the device takes minutes; cargo xtask cross --smoke does it"
            ));
        }
        counts.check("a module for glibc is refused, and the error says so", || self.glibc_module());
        if self.this_pc == ThisPc::BuiltByTests {
            counts.skips.push(
                "the durable outbox's tests on the device's processor: they take a minute; cargo xtask cross --smoke runs them"
                    .to_owned(),
            );
        }
        Ok(counts)
    }

    /// The tests to be run on the device's processor.
    pub(crate) fn take_tests(&mut self) -> Vec<Tests> {
        std::mem::take(&mut self.tests)
    }

    fn every_program_starts(&self) -> anyhow::Result<()> {
        for artifact in &self.artifacts {
            let output = self.emulator.program(&artifact.file).arg("--help").command().output()?;
            let said = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "{} --help ended with {}: {said}", artifact.name, output.status);
            println!("      {} starts", artifact.name);
        }
        Ok(())
    }

    fn chip_to_cloud(&self) -> anyhow::Result<()> {
        let chip = self.directory.join("chip");
        self.host("se050-sim").arg("new").path(&chip).run()?;
        // The chip is a directory: the device's module, put in place of this PC's, finds the same keys.
        let module = chip.join("libsss_pkcs11.so");
        fs::copy(&self.module, &module).context("putting the device's module into the chip")?;
        let cloud = Cloud::start(&self.host("aws-iot-sim"), &self.directory.join("aws"))?;
        let certificate = self.directory.join("device_cert.pem");
        self.device("se050-iot")?
            .args(["cert", "export", "--pkcs11-lib"])
            .path(&module)
            .args(["--key-label", KEY_LABEL, "--output"])
            .path(&certificate)
            .run()?;
        self.host("se050-iot")
            .args(["provision", "--certificate"])
            .path(&certificate)
            .args(["--thing-name", THING])
            .environment(cloud.aws_environment())
            .run()?;
        let before = self.signatures(&chip)?;
        let output = self
            .device("pubsub")?
            .args(["--endpoint", cloud.endpoint(), "--port", &cloud.port().to_string(), "--ca-file"])
            .path(cloud.ca_file())
            .arg("--pkcs11-lib")
            .path(&module)
            .args(["--key-label", KEY_LABEL, "--client-id", THING, "--count", &MESSAGES.to_string()])
            .run()?;
        let expected = format!("sent {MESSAGES}, received {MESSAGES}");
        ensure!(
            output.contains("connected to") && output.contains(&expected),
            "pubsub did not say {expected:?}; aws-iot-sim's log is {}",
            cloud.log_file().display()
        );
        let made = self.signatures(&chip)? - before;
        ensure!(made == 1, "a connection takes one signature of the chip, the device's module made {made}");
        Ok(())
    }

    /// A chip and an account of its own, and one command.
    fn up(&self) -> anyhow::Result<()> {
        let chip = self.directory.join("chip-up");
        self.host("se050-sim").arg("new").path(&chip).run()?;
        let module = chip.join("libsss_pkcs11.so");
        fs::copy(&self.module, &module).context("putting the device's module into the chip")?;
        let cloud = Cloud::start(&self.host("aws-iot-sim"), &self.directory.join("aws-up"))?;
        let up = || {
            let program = self.device(build::OPERATOR)?.args(["up", "--thing", THING, "--config"]);
            program
                .path(&self.directory.join("device.toml"))
                .args(["--key-label", KEY_LABEL, "--pkcs11-lib"])
                .path(&module)
                .args(["--port", &cloud.port().to_string(), "--ca-file"])
                .path(cloud.ca_file())
                .environment(cloud.aws_environment())
                .run()
        };
        for (run, expected) in [("first", "+ thing"), ("second", "Nothing was changed")] {
            let output = up()?;
            ensure!(
                output.contains(expected) && output.contains("sent and received"),
                "the {run} `up` did not say {expected:?} and that the message came back; aws-iot-sim's log is {}",
                cloud.log_file().display()
            );
        }
        Ok(())
    }

    fn glibc_module(&self) -> anyhow::Result<()> {
        let module = self.emulator.glibc_module()?;
        let program = self
            .device("se050-iot")?
            .args(["cert", "export", "--pkcs11-lib"])
            .path(&module)
            .args(["--key-label", KEY_LABEL, "--output"])
            .path(&self.directory.join("never.pem"));
        program.show();
        let output = program.command().output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        println!("      | {}", said.trim_end());
        ensure!(!output.status.success(), "it was loaded");
        ensure!(said.contains("another C library"), "the error does not mention the C library");
        Ok(())
    }

    fn signatures(&self, chip: &Path) -> anyhow::Result<u64> {
        let output = self.host("se050-sim").arg("calls").path(chip).arg("--json").run()?;
        let calls: serde_json::Value = serde_json::from_str(&output).context("se050-sim calls --json")?;
        calls
            .get("chip_signatures")
            .and_then(serde_json::Value::as_u64)
            .context("the signatures are not counted")
    }

    fn host(&self, name: &str) -> Program {
        Program::new(self.programs.join(name))
    }

    fn device(&self, name: &str) -> anyhow::Result<Program> {
        let artifact = self.artifacts.iter().find(|artifact| artifact.name == name);
        Ok(self.emulator.program(&artifact.with_context(|| format!("{name} was not built"))?.file))
    }
}

fn directory(device: &Device) -> PathBuf {
    device.directory(workshop(), "smoke")
}

/// The crates' own tests. Documentation tests are left to this PC: rustdoc knows no other library.
fn tests_for_the_device(
    toolchain: &Toolchain,
    emulator: &Emulator,
    tested: &[&str],
) -> anyhow::Result<Vec<Tests>> {
    let step = Step::begin("tests", format!("building them: {}", tested.join(" ")));
    let mut command = toolchain.cargo();
    command.args(["test", "--quiet", "--locked", "--target", toolchain.device.triple]);
    // Emulated and unoptimised, a signature takes so long that a test's deadline may pass.
    command.args(["--config", "profile.dev.opt-level=1"]);
    command.args(tested);
    let runner = emulator.runner();
    let mut tests = test_programs(&mut command, &runner)?;
    for tests in &mut tests {
        // For a test that starts its own program once more: this PC's kernel cannot.
        tests.command.env("TEST_RUNNER", runner.join("\n"));
    }
    step.done();
    Ok(tests)
}
