//! `se050-iot doctor`: everything between the chip and AWS, in order, and what to do about what fails.

mod checklist;
mod chip;
mod clock;
mod cloud;
mod messages;
mod network;
#[cfg(feature = "provision")]
mod operator;
mod server;
mod server_time;
mod topics;
mod verifier;

use std::fs::File;
use std::time::SystemTime;

use anyhow::Context as _;
use aws_iot_mqtt::Topic;
use clap::Args;
use se050_device::DeviceArgs;
use se050_key::Selector;

#[cfg(feature = "provision")]
use crate::aws_args::AwsArgs;
use crate::exit::Exit;
use crate::terminal::{Escaping, say};
use checklist::{Checklist, Problem};
use messages::{device as words, text};

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
    /// Check the account, with the operator's AWS credentials: certificate, thing, policies, last connection. Without a --chip, --cloud
    /// or --operator, it is checked where credentials are configured. Alone, it needs no chip: --cert FILE
    #[cfg(feature = "provision")]
    #[arg(long)]
    operator: bool,
    /// Print one JSON object, in English
    #[arg(long)]
    json: bool,
    /// The topic to publish and subscribe to [default: PREFIX/doctor, with the configuration's topic prefix or the client id]
    #[arg(long)]
    topic: Option<Topic>,
    #[command(flatten)]
    device: DeviceArgs,
    #[cfg(feature = "provision")]
    #[command(flatten)]
    aws: AwsArgs,
}

impl DoctorArgs {
    /// Whether the account is asked for.
    fn operator(&self) -> bool {
        #[cfg(feature = "provision")]
        return self.operator;
        #[cfg(not(feature = "provision"))]
        false
    }

    /// What follows the commands that are told, so that they reach the same account.
    fn command_options(&self) -> String {
        #[cfg(feature = "provision")]
        return self.aws.words();
        #[cfg(not(feature = "provision"))]
        String::new()
    }
}

/// Where no half is named, the chip is checked, and account and cloud where an endpoint is known.
pub(crate) fn run(args: &DoctorArgs, out: &mut Escaping<File>) -> anyhow::Result<Exit> {
    let mut list = Checklist::new(out, args.json);
    let mut chip_failed = false;
    let settings = list.run("configuration", || {
        let settings = args.device.options().settings().map_err(|error| {
            let cause = text!(words::CONFIGURATION_UNUSABLE, error = format!("{error:#}"));
            Problem::new(cause, text!(words::CORRECT_CONFIGURATION))
        })?;
        let finding = match &settings.endpoint {
            Some(endpoint) => text!(words::ENDPOINT, endpoint = endpoint),
            None if args.cloud => {
                return Err(Problem::new(text!(words::NO_ENDPOINT), text!(words::GIVE_ENDPOINT)));
            }
            None => text!(words::NO_ENDPOINT_ALONE),
        };
        Ok((settings, finding))
    });
    if let Some(settings) = settings {
        let all = !(args.chip || args.cloud || args.operator());
        let cloud = args.cloud || (all && settings.endpoint.is_some());
        let key =
            settings.key.clone().map_or_else(|| crate::chip::FIRST_FACTORY_KEY.parse::<Selector>(), Ok)?;
        let identity = if args.chip || all {
            chip::check(&mut list, &settings, &key)
        } else if args.cloud || settings.certificate_file.is_none() {
            let identity = list.run("key", || chip::identity(&settings, &key));
            if let Some((_, certificate)) = &identity {
                clock::check_dates(&mut list, "certificate-dates", certificate, SystemTime::now());
            }
            identity
        } else {
            // The account alone: the operator may have the certificate, and not the chip.
            None
        };
        chip_failed = identity.is_none() && (args.chip || all || args.cloud);
        #[cfg(feature = "provision")]
        operator::check(
            &mut list,
            args,
            &settings,
            identity.as_ref().map(|(_, certificate)| certificate),
            all && cloud,
        )?;
        if cloud {
            cloud::check(&mut list, settings, identity, args.topic.as_ref(), &args.command_options())?;
        }
    }
    let good = list.finish().context("cannot write to standard output")?;
    let log = if chip_failed { se050_device::module_log() } else { String::new() };
    if !log.is_empty() {
        say!("{}", log.trim_start());
    }
    Ok(if good { Exit::Good } else { Exit::Unwell })
}
