//! Follows the thing's device shadow, with the key in the SE050: applies what is desired, and reports how the device is, until Ctrl-C or
//! SIGTERM. What was desired while the device was away is found when it is back.
//!
//! Needs a device that is registered (`se050-iot provision --shadow`) and NXP's PKCS#11 module, or any other token's.

use std::io::Write;
use std::process::ExitCode;

use aws_iot_device::Shadow;
use aws_iot_mqtt::DisconnectReason;
use clap::Parser;
use se050_device::{Device, DeviceArgs, LogArgs, Stop};
use serde::{Deserialize, Serialize};

/// Follows the shadow of a lamp.
#[derive(Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    log: LogArgs,
    /// The name of a named shadow; without it, the classic one
    #[arg(long)]
    name: Option<String>,
}

/// The device's state. Each member is optional: a change names only what changes.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Lamp {
    #[serde(skip_serializing_if = "Option::is_none")]
    on: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    brightness: Option<u8>,
}

impl Lamp {
    /// Where a real device would turn to its hardware; the brightness of this one ends at 100.
    fn apply(&mut self, wanted: &Self) {
        self.on = wanted.on.or(self.on);
        self.brightness = wanted.brightness.map(|brightness| brightness.min(100)).or(self.brightness);
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(args.log.level()).init();
    se050_device::exit(run(&args))
}

fn run(args: &Args) -> anyhow::Result<()> {
    // NXP's module prints its log to standard output; ours shall be readable.
    let out = args.log.standard_output()?;
    let device = args.device.open()?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(follow(args, &device, out))
}

async fn follow(args: &Args, device: &Device, mut out: impl Write) -> anyhow::Result<()> {
    let mut stop = Stop::new()?;
    let client = device.client().start()?;
    let thing = device.thing();
    let shadow = match &args.name {
        Some(name) => Shadow::named(&client, thing, name)?,
        None => Shadow::classic(&client, thing)?,
    };
    let mut sync = shadow.sync();
    let mut lamp = Lamp { on: Some(false), brightness: Some(50) };
    sync.report(&lamp)?;
    loop {
        tokio::select! {
            wanted = sync.next::<Lamp>() => match wanted {
                Ok(Some(wanted)) => {
                    lamp.apply(&wanted);
                    writeln!(out, "wanted {wanted:?}, is now {lamp:?}")?;
                    sync.report(&lamp)?;
                }
                Ok(None) => return Ok(client.closed().await?),
                // Somebody desires what this device does not know; the next change may be good.
                Err(error @ aws_iot_device::Error::State { .. }) => eprintln!("{error}"),
                Err(error) => return Err(error.into()),
            },
            _ = stop.asked() => break,
        }
    }
    Ok(client.disconnect(DisconnectReason::Normal).await?)
}
