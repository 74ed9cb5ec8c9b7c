//! `cargo xtask demo`: the whole way, on a simulated chip and a local AWS IoT Core, with the commands that a user types.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context as _, ensure};

use crate::files::empty_directory;
use crate::root::{cargo_build, shown, target};

mod chip;
mod cloud;
pub(crate) mod typed;

pub(crate) use chip::Chip;
pub(crate) use cloud::Cloud;

/// How many messages are sent and have to come back.
const MESSAGES: u32 = 10;
/// `up` connects once, and `pubsub` once.
const CONNECTIONS: u64 = 2;
/// The key that the how-to of the Armadillo uses: cloud connection key 0, RSA-2048, object 0xF0000110.
pub(crate) const KEY_LABEL: &str = "sss:100100F0";
const THING: &str = "demo-device";

pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    announce(
        1,
        "build the simulated chip, the local AWS IoT Core, and the programs (some minutes the first time)",
    );
    let programs = build_programs().context("step 1, building the parts")?;
    println!("      the programs are in {}", shown(&programs));
    let directory = target().join("demo");
    empty_directory(&directory)?;
    announce(2, "a new chip: throwaway keys and certificates, behind a PKCS#11 module that behaves as NXP's");
    let chip = Chip::new(&programs, directory.join("chip")).context("step 2, the chip")?;
    announce(3, "a local AWS IoT Core on loopback: control plane and MQTT broker");
    let cloud = Cloud::start(&programs, &directory.join("aws")).context("step 3, the cloud")?;
    announce(
        4,
        "with the operator's credentials (fake ones, and no way to a real account): read the certificate from the chip, register the \
         device, write its configuration, connect with the chip's key, send and receive one message",
    );
    println!(
        "      (where the control plane is, and the credentials, stands in {})",
        shown(&cloud.description_file)
    );
    let config = directory.join("device.toml");
    let se050_iot = typed::program(&programs.join("se050-iot"));
    up(se050_iot, THING, &config, &chip.module(), &cloud)
        .context("step 4, from the chip to the first message")?;
    announce(
        5,
        "as the device from now on, which needs no credentials: subscribe, publish, receive, disconnect",
    );
    let mut pubsub = typed::program(&programs.join("pubsub"));
    exchange_messages(pubsub.args(["--config", &shown(&config)]), &cloud).context("step 5, messages")?;
    announce(6, "ask the chip how often its private keys were used");
    let signatures = chip.signatures().context("step 6, asking the chip")?;
    ensure!(
        signatures == CONNECTIONS,
        "{CONNECTIONS} connections take a signature of the chip each, and it made {signatures}: another key was used, or the chip is \
         asked too often"
    );
    println!("\n{:.1} s in all; everything is in {}", started.elapsed().as_secs_f32(), shown(&directory));
    println!("demo: ok, sent {MESSAGES}, received {MESSAGES}, chip signatures {signatures}");
    Ok(ExitCode::SUCCESS)
}

fn announce(number: u32, what: &str) {
    println!("\n[{number}/6] {what}");
}

/// Builds this PC's programs and returns where they are.
pub(crate) fn build_programs() -> anyhow::Result<PathBuf> {
    cargo_build(&["-p", "se050-sim", "-p", "aws-iot-sim", "-p", "se050-iot", "-p", "pubsub"])?;
    Ok(target().join("debug"))
}

/// `se050-iot up`: registers the chip's device and sends the first message. Returns what it prints.
pub(crate) fn up(
    mut se050_iot: Command,
    thing: &str,
    config: &Path,
    module: &Path,
    cloud: &Cloud,
) -> anyhow::Result<String> {
    se050_iot.args(["up", "--thing", thing, "--config", &shown(config), "--key-label", KEY_LABEL]);
    se050_iot.args(["--pkcs11-lib", &shown(module)]).envs(cloud.aws_environment());
    typed::run(cloud.trusted_by(&mut se050_iot))
}

/// Runs `pubsub`, and fails unless all messages were sent and came back.
pub(crate) fn exchange_messages(pubsub: &mut Command, cloud: &Cloud) -> anyhow::Result<()> {
    let output = typed::run(pubsub.args(["--count", &MESSAGES.to_string()]))?;
    let expected = format!("sent {MESSAGES}, received {MESSAGES}");
    ensure!(
        output.contains(&expected),
        "pubsub did not say {expected:?}: see what aws-iot-sim says, in {}",
        cloud.log_file.display()
    );
    Ok(())
}
