//! Runs the device's programs under an emulator: on a simulated chip whose PKCS#11 module is built for the device, too, against
//! a local AWS IoT Core on this PC.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

use super::artifacts::{Artifact, OPERATOR, Programs, check};
use super::device::Device;
use super::elf::Role;
use super::emulator::Emulator;
use super::toolchain::Toolchain;
use super::workshop;
use crate::command::Step;
use crate::demo::{self, Chip, Cloud, KEY_LABEL, build_programs, typed};
use crate::files::empty_directory;
use crate::root::{shown, target};
use crate::test::{Counts, Tests, test_programs};

const THING: &str = "emulated-device";
/// The crates next to the chip: their tests run on the device's processor, too.
const TESTED: [&str; 6] = ["--lib", "--tests", "-p", "se050-key", "-p", "rustls-se050"];
/// The durable outbox: a C library and a processor have their own ways with files.
const DURABLE: [&str; 5] = ["--lib", "-p", "aws-iot-mqtt", "--features", "durable"];

/// The simulated chip of the last run, whose module is the device's.
pub(crate) fn smoke_chip(device: &Device) -> Option<PathBuf> {
    Some(directory(device).join("chip")).filter(|chip| chip.join("libsss_pkcs11.so").exists())
}

fn directory(device: &Device) -> PathBuf {
    device.directory(workshop(), "smoke")
}

/// Everything that runs under the emulator, built.
pub(crate) struct Smoke {
    pub(crate) artifacts: Vec<Artifact>,
    /// The tests to be run on the device's processor.
    pub(crate) tests: Vec<Tests>,
    emulator: Emulator,
    /// The simulated chip's module, built for the device.
    module: PathBuf,
    /// This PC's programs.
    programs: PathBuf,
    directory: PathBuf,
}

impl Smoke {
    /// Builds what is not among the device's programs. It takes most of the time.
    ///
    /// With [`Programs::OfTheDevice`], this PC's programs are those that the tests have built: building them again would build the AWS
    /// SDK once more, with other features.
    pub(super) fn build(
        toolchain: &Toolchain,
        artifacts: Vec<Artifact>,
        which: Programs,
    ) -> anyhow::Result<Self> {
        let emulator = Emulator::prepare(toolchain.device)?;
        let mut tests = tests_for_the_device(toolchain, &emulator, &TESTED)?;
        // The tests depend on it, so it is built with them.
        let module = target().join(toolchain.device.triple).join("debug/deps/libse050_sim.so");
        check(&module, Role::Module, toolchain.device)?;
        let mut programs = target().join("debug");
        if which == Programs::All {
            for mut durable in tests_for_the_device(toolchain, &emulator, &DURABLE)? {
                durable.command.arg("outbox::durable");
                tests.push(durable);
            }
            programs = build_programs()?;
        }
        Ok(Self { artifacts, tests, emulator, module, programs, directory: directory(toolchain.device) })
    }

    /// Runs the device's programs.
    pub(crate) fn run(&self) -> anyhow::Result<Counts> {
        println!("== the device's programs under qemu");
        empty_directory(&self.directory)?;
        let mut counts = Counts::default();
        counts.check("every program starts", || self.every_program_starts());
        counts.check("from the chip to the cloud and back, signatures made in the device's module", || {
            self.chip_to_cloud()
        });
        let up = "up: from the simulated chip to the first message, with the operator's half";
        if self.artifacts.iter().any(|artifact| artifact.name == OPERATOR) {
            counts.check(up, || self.up());
        } else {
            counts.skips.push(format!(
                "{up}: building the AWS SDK for the device takes minutes; cargo xtask cross --smoke does it"
            ));
            counts.skips.push(
                "the durable outbox's tests on the device's processor: they take a minute; cargo xtask cross --smoke runs them"
                    .to_owned(),
            );
        }
        counts.check("a module for glibc is refused, and the error says so", || self.glibc_module());
        Ok(counts)
    }

    fn every_program_starts(&self) -> anyhow::Result<()> {
        for artifact in &self.artifacts {
            let output = self.emulator.program(&artifact.file).arg("--help").output()?;
            let said = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "{} --help ended with {}: {said}", artifact.name, output.status);
            println!("      {} starts", artifact.name);
        }
        Ok(())
    }

    fn chip_to_cloud(&self) -> anyhow::Result<()> {
        let chip = self.chip("chip")?;
        let cloud = Cloud::start(&self.programs, &self.directory.join("aws"))?;
        let certificate = shown(&self.directory.join("device_cert.pem"));
        typed::run(self.export(&chip.module())?.args(["--output", &certificate]))?;
        let mut provision = typed::program(&self.programs.join("se050-iot"));
        provision.args(["provision", "--certificate", &certificate, "--thing-name", THING]);
        typed::run(provision.envs(cloud.aws_environment()))?;
        let before = chip.signatures()?;
        let mut pubsub = self.device("pubsub")?;
        pubsub.args(["--endpoint", &cloud.says("endpoint"), "--pkcs11-lib", &shown(&chip.module())]);
        pubsub.args(["--key-label", KEY_LABEL, "--client-id", THING]);
        demo::exchange_messages(cloud.trusted_by(&mut pubsub), &cloud)?;
        let made = chip.signatures()? - before;
        ensure!(made == 1, "a connection takes one signature of the chip, the device's module made {made}");
        Ok(())
    }

    /// A chip and an account of its own, and one command.
    fn up(&self) -> anyhow::Result<()> {
        let chip = self.chip("chip-up")?;
        let cloud = Cloud::start(&self.programs, &self.directory.join("aws-up"))?;
        let config = self.directory.join("device.toml");
        for (run, expected) in [("first", "+ thing"), ("second", "Nothing was changed")] {
            let output = demo::up(self.device(OPERATOR)?, THING, &config, &chip.module(), &cloud)?;
            ensure!(
                output.contains(expected) && output.contains("sent and received"),
                "the {run} `up` did not say {expected:?} and that the message came back; aws-iot-sim's log is {}",
                cloud.log_file.display()
            );
        }
        Ok(())
    }

    fn glibc_module(&self) -> anyhow::Result<()> {
        let mut export = self.export(&self.emulator.glibc_module()?)?;
        export.args(["--output", &shown(&self.directory.join("never.pem"))]);
        typed::show(&export);
        let output = export.output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        println!("      | {}", said.trim_end());
        ensure!(!output.status.success(), "it was loaded");
        ensure!(said.contains("another C library"), "the error does not mention the C library");
        Ok(())
    }

    /// A chip is a directory: the device's module, put in place of this PC's, finds the same keys.
    fn chip(&self, name: &str) -> anyhow::Result<Chip> {
        let chip = Chip::new(&self.programs, self.directory.join(name))?;
        fs::copy(&self.module, chip.module()).context("putting the device's module into the chip")?;
        Ok(chip)
    }

    fn export(&self, module: &Path) -> anyhow::Result<Command> {
        let mut export = self.device("se050-iot")?;
        export.args(["cert", "export", "--pkcs11-lib", &shown(module), "--key-label", KEY_LABEL]);
        Ok(export)
    }

    fn device(&self, name: &str) -> anyhow::Result<Command> {
        let artifact = self.artifacts.iter().find(|artifact| artifact.name == name);
        Ok(self.emulator.program(&artifact.with_context(|| format!("{name} was not built"))?.file))
    }
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
    let mut tests: Vec<Tests> =
        test_programs(&mut command, &runner)?.into_iter().map(|(_, tests)| tests).collect();
    for tests in &mut tests {
        // For a test that starts its own program once more: this PC's kernel cannot.
        tests.command.env("TEST_RUNNER", runner.join("\n"));
    }
    step.done();
    Ok(tests)
}
