//! `se050-iot doctor`: everything between the chip and AWS, in order, and what to do about what fails.

mod checklist;
mod chip;
mod clock;
mod cloud;
mod messages;
mod network;
mod server;

use std::fs::File;
use std::time::SystemTime;

use anyhow::Context as _;
use aws_iot_mqtt::Topic;
use clap::Args;
use se050_device::DeviceArgs;
use se050_key::Selector;

use crate::exit::Exit;
use crate::terminal::{Escaping, say};
use checklist::{Checklist, Problem};

/// What `se050-iot doctor` is told.
#[derive(Args)]
pub(crate) struct DoctorArgs {
    /// Check the chip: module, bus, key, certificate, signature
    #[arg(long)]
    chip: bool,
    /// Check the cloud: clock, name, port, TLS, certificate, client id, policy. It connects as the device, and puts a program that
    /// is connected under the same client id out of its connection
    #[arg(long)]
    cloud: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// The topic to publish and subscribe to [default: PREFIX/doctor, with the configuration's topic prefix or the client id]
    #[arg(long)]
    topic: Option<Topic>,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Without `--chip` and `--cloud`, the chip is checked, and the cloud where an endpoint is known.
pub(crate) fn run(args: &DoctorArgs, out: &mut Escaping<File>) -> anyhow::Result<Exit> {
    let mut list = Checklist::new(out, args.json);
    let mut chip_failed = false;
    let settings = list.run("configuration", || {
        let settings = args.device.options().settings();
        let settings = settings.map_err(|error| {
            Problem::new(format!("{error:#}"), "correct the file, or name another: --config FILE")
        })?;
        let wants_cloud = args.cloud && settings.endpoint.is_none();
        if wants_cloud {
            return Err(Problem::new("no endpoint is given", "--config device.toml, or --endpoint HOST"));
        }
        let endpoint = settings.endpoint.clone().unwrap_or_else(|| "no endpoint: the chip alone".to_owned());
        Ok((settings, endpoint))
    });
    if let Some(settings) = settings {
        let key =
            settings.key.clone().map_or_else(|| crate::chip::FIRST_FACTORY_KEY.parse::<Selector>(), Ok)?;
        let chip = args.chip || !args.cloud;
        let identity = if chip {
            chip::check(&mut list, &settings, &key)
        } else {
            let identity = list.run("key", || chip::identity(&settings, &key));
            if let Some((_, certificate)) = &identity {
                clock::check_dates(&mut list, "certificate-dates", certificate, SystemTime::now());
            }
            identity
        };
        chip_failed = identity.is_none();
        if args.cloud || (!args.chip && settings.endpoint.is_some()) {
            cloud::check(&mut list, settings, identity, args.topic.as_ref())?;
        }
    }
    let good = list.finish().context("cannot write to standard output")?;
    let log = if chip_failed { se050_device::module_log() } else { String::new() };
    if !log.is_empty() {
        say!("{}", log.trim_start());
    }
    Ok(if good { Exit::Good } else { Exit::Unwell })
}
