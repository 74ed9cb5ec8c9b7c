//! One device.

use std::io::Write;
use std::path::Path;

use anyhow::Context as _;
use aws_iot_provision::fleet::Entry;
use aws_iot_provision::{Provisioner, aws_client_config};

use super::args::DeviceArgs;
use super::intake::intake;
use super::{config, report, runtime};
use crate::exit::Exit;
use crate::json;
use crate::terminal::say;

pub(super) fn run(args: &DeviceArgs, apply: bool, out: &mut impl Write) -> anyhow::Result<Exit> {
    let Some(file) = &args.certificate else { anyhow::bail!("say what to register: --certificate FILE") };
    let intake = intake(args)?;
    let named = args.thing_name.clone().filter(|_| intake.template.is_none());
    let candidate = intake.take(&Entry::of_file(standard_input_or(file), named));
    let (device, checked) = match candidate.result {
        Ok(taken) => taken,
        Err(error) => {
            let error = anyhow::Error::from(error).context(format!("{} is refused", file.display()));
            say!("Error: {error:?}");
            return Ok(Exit::Refused);
        }
    };
    let key = match &args.config.device_config {
        Some(_) => Some(config::key_of(candidate.key.as_ref(), device.certificate())?),
        None => candidate.key,
    };
    let runtime = runtime()?;
    let provisioner = Provisioner::new(&runtime.block_on(aws_client_config(&args.aws.options()))?)?;
    if !apply {
        let plan = runtime.block_on(provisioner.plan(&device))?;
        if args.json {
            json::print(out, &report::plan_json(&candidate.source, &device, &checked, &plan))?;
        } else {
            report::plan(out, &checked, &plan)?;
        }
        return Ok(Exit::Good);
    }

    let mut printed = Ok(());
    let provisioned = runtime.block_on(provisioner.apply_with(&device, |change| {
        if !args.json && printed.is_ok() {
            printed = report::change(out, change);
        }
    }))?;
    let config = args.config.device_config.as_deref();
    if let (Some(path), Some(key)) = (config, &key) {
        let (thing, endpoint) = (provisioned.thing.as_str(), provisioned.endpoint.as_str());
        config::write(path, &args.config, &intake.settings, thing, endpoint, key)?;
    }
    printed
        .and_then(|()| {
            if args.json {
                json::print(out, &report::json(&provisioned, &checked))
            } else {
                let on_the_device =
                    report::command_on_the_device(&provisioned, key.as_ref(), device.certificate(), config);
                report::text(out, &provisioned, &checked, &on_the_device, args.aws.is_local())
            }
        })
        .context("cannot print the result; the device is registered")?;
    Ok(Exit::Good)
}

fn standard_input_or(path: &Path) -> &Path {
    if path == Path::new("-") { Path::new("/dev/stdin") } else { path }
}
