//! One device.

use std::io::Write;
use std::path::Path;

use anyhow::Context as _;
use aws_iot_provision::fleet::Entry;
use aws_iot_provision::{Device, Plan, Progress, Purpose};

use super::args::DeviceArgs;
use super::intake::intake;
use super::{config, plan_file, report};
use crate::account::{Account, runtime, warn_of};
use crate::exit::Exit;
use crate::json;
use crate::terminal::say;

/// The exit code, and whether anything is to change.
pub(super) fn plan(
    args: &DeviceArgs,
    keep: Option<&Path>,
    out: &mut impl Write,
) -> anyhow::Result<(Exit, bool)> {
    let Some((source, device)) = take(args)? else { return Ok((Exit::Refused, false)) };
    let file = keep.map(plan_file::Writer::create).transpose()?;
    runtime()?.block_on(async {
        let account = Account::connect(&args.aws).await?;
        let plan = account.provisioner.plan(Purpose::Register(Box::new(device.clone()))).await?;
        warn_of(&plan);
        if args.json {
            json::print(out, &account.json(report::plan_json(&source, &device, &plan)))?;
        } else {
            account.print(out)?;
            report::plan(out, &device, &plan)?;
        }
        if let Some(mut file) = file {
            file.add(&plan)?;
            file.finish()?;
        }
        Ok((Exit::Good, plan.changes_anything()))
    })
}

pub(super) fn apply(args: &DeviceArgs, out: &mut impl Write) -> anyhow::Result<Exit> {
    let Some((_, device)) = take(args)? else { return Ok(Exit::Refused) };
    config::check(&args.config, false)?;
    runtime()?.block_on(async {
        let account = Account::connect(&args.aws).await?;
        run(&account, args, &Purpose::Register(Box::new(device)), None, out).await
    })
}

/// Does what a plan has that was shown, or plans and does it at once; prints each step as it is done.
pub(super) async fn run(
    account: &Account,
    args: &DeviceArgs,
    purpose: &Purpose,
    shown: Option<&Plan>,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    if !args.json {
        account.print(out)?;
    }
    let mut printed = Ok(());
    let on_progress = |progress: Progress<'_>| match progress {
        Progress::Done(step) if !args.json && printed.is_ok() => printed = report::step(out, step),
        Progress::Planned(plan) => warn_of(plan),
        _ => {}
    };
    let applied = match shown {
        Some(plan) => account.provisioner.apply(plan, on_progress).await?,
        None => account.provisioner.run(purpose.clone(), on_progress).await?,
    };
    printed.context(match shown {
        Some(_) => "cannot print what was done; the plan is applied",
        None => "cannot print what was done; the device is registered",
    })?;
    if let Purpose::Register(device) = purpose {
        report::registered(account, args, device, &applied, out)?;
    }
    Ok(Exit::Good)
}

/// The device, or `None` after saying why it is refused.
fn take(args: &DeviceArgs) -> anyhow::Result<Option<(String, Device)>> {
    let Some(file) = &args.certificate else { anyhow::bail!("say what to register: --certificate FILE") };
    let intake = intake(args)?;
    let named = args.thing_name.clone().filter(|_| intake.template.is_none());
    let candidate = intake.take(&Entry::of_file(standard_input_or(file), named));
    match candidate.result {
        Ok(mut device) => {
            if args.config.device_config.is_some() {
                device.key = Some(config::key_of(device.key.as_ref(), &device.certificate)?);
            }
            Ok(Some((candidate.source, device)))
        }
        Err(error) => {
            let error = anyhow::Error::from(error).context(format!("{} is refused", file.display()));
            say!("Error: {}", se050_device::chain(&error));
            Ok(None)
        }
    }
}

fn standard_input_or(path: &Path) -> &Path {
    if path == Path::new("-") { Path::new("/dev/stdin") } else { path }
}
