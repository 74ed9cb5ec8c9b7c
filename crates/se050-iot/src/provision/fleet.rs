//! Many devices.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::Context as _;
use aws_iot_provision::fleet::{self, Candidate, EntryError, Intake, Journal, Report, Row, RowResult};
use aws_iot_provision::{Plan, Provisioner, aws_client_config};
use serde_json::json;

use super::args::{DeviceArgs, FleetArgs};
use super::intake::intake;
use super::progress::ProgressBar;
use super::{bulk, config, report, runtime};
use crate::exit::Exit;
use crate::files::{beside, with_ending, write_whole};
use crate::json;
use crate::terminal::say;

/// How often one call is tried: with pauses that double, for about half a minute.
const ATTEMPTS: u32 = 10;

pub(super) fn run(args: &DeviceArgs, list: &Path, apply: bool, out: &mut impl Write) -> anyhow::Result<Exit> {
    let intake = intake(args)?;
    let candidates = intake.candidates(list)?;
    let never_came = candidates.never_came().to_vec();
    let mut candidates: Vec<Candidate> = candidates.collect();
    if args.config.device_config.is_some() {
        candidates.iter_mut().for_each(name_its_key);
    }
    for device in &never_came {
        say!("{device} is expected, and is not in {}", list.display());
    }
    if let Some(directory) = &args.fleet_args.bulk_template {
        return bulk::write(directory, &intake, &candidates, args.json, out);
    }
    let runtime = runtime()?;
    let provisioner = Provisioner::new(&runtime.block_on(aws_client_config(&args.aws.options()))?)?
        .paced(args.fleet_args.rate, ATTEMPTS);
    if !apply {
        let exit = runtime.block_on(plan(&provisioner, &candidates, args.json, out))?;
        return Ok(if never_came.is_empty() { exit } else { Exit::Incomplete });
    }
    if let Some(directory) = &args.config.device_config {
        fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    }
    let FleetArgs { journal, report, concurrency, .. } = &args.fleet_args;
    let journal_path = journal.clone().unwrap_or_else(|| beside(list, "journal"));
    let mut journal = Journal::open(&journal_path, &provisioner.describe(&intake.settings))?;
    let bar = ProgressBar::new();
    let mut unwritten = None;
    let fleet = fleet::run(&provisioner, &candidates, &mut journal, *concurrency, |row, progress| {
        bar.show(row, progress);
        if let Err(error) = write_config(args, &intake, row) {
            unwritten.get_or_insert(error);
        }
    });
    let done = runtime.block_on(fleet)?;
    let report = report.clone().unwrap_or_else(|| beside(list, "report"));
    write_report(&report, &done)?;
    if args.json {
        json::print(out, &done.to_json())?;
    } else {
        writeln!(out, "{}", done.summary())?;
        if done.count(RowResult::DoneBefore) > 0 {
            let journal = journal_path.display();
            writeln!(
                out,
                "done before is what {journal} says; with another --journal, all are looked at again"
            )?;
        }
        writeln!(out, "report: {0}.csv and {0}.json", report.display())?;
        if let Some(directory) = &args.config.device_config {
            let directory = directory.display();
            writeln!(
                out,
                "next: copy {directory}/THING.toml to each device, and there: pubsub --config THING.toml"
            )?;
        }
        if !done.is_complete() {
            writeln!(out, "for the others: mend what the report says, and run the same command again")?;
        }
    }
    let exit = if never_came.is_empty() { exit_of(&done) } else { Exit::Incomplete };
    unwritten.map_or(Ok(exit), Err)
}

/// The configuration names the key: where none is known, the device is refused before anything is registered.
fn name_its_key(candidate: &mut Candidate) {
    let Ok((device, _)) = &candidate.result else { return };
    match config::key_of(candidate.key.as_ref(), device.certificate()) {
        Ok(key) => candidate.key = Some(key),
        Err(error) => candidate.result = Err(EntryError::Key { reason: error.to_string() }),
    }
}

/// Also of devices that an earlier run registered: it may have been told to write elsewhere, or nothing.
fn write_config(args: &DeviceArgs, intake: &Intake, row: &Row) -> anyhow::Result<()> {
    let (Some(directory), Some(endpoint), Some(key)) = (&args.config.device_config, &row.endpoint, &row.key)
    else {
        return Ok(());
    };
    let path = directory.join(format!("{}.toml", row.thing));
    config::write(&path, &args.config, &intake.settings, &row.thing, endpoint, key)
}

async fn plan(
    provisioner: &Provisioner,
    candidates: &[Candidate],
    as_json: bool,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let (mut devices, mut changed, mut bad) = (Vec::new(), 0, 0);
    for candidate in candidates {
        match plan_of(provisioner, candidate).await {
            Ok(plan) => {
                changed += usize::from(plan.changes_anything());
                if let (Ok((device, checked)), true) = (&candidate.result, as_json) {
                    devices.push(report::plan_json(&candidate.source, device, checked, &plan));
                } else if let Ok((device, checked)) = &candidate.result {
                    writeln!(out, "{} as {}", candidate.source, device.thing())?;
                    report::plan(out, checked, &plan)?;
                    writeln!(out)?;
                }
            }
            Err(error) => {
                bad += 1;
                say!("{}: {error:#}", candidate.source);
                devices.push(json!({"source": candidate.source, "error": format!("{error:#}")}));
            }
        }
    }
    if as_json {
        json::print(out, &json!({"changes": changed > 0, "devices": devices}))?;
    } else {
        let total = candidates.len();
        let unchanged = total - changed - bad;
        writeln!(
            out,
            "{total} devices: {changed} to register or change, {unchanged} unchanged, {bad} refused; nothing was written"
        )?;
    }
    Ok(if bad == 0 { Exit::Good } else { Exit::Incomplete })
}

async fn plan_of(provisioner: &Provisioner, candidate: &Candidate) -> anyhow::Result<Plan> {
    match &candidate.result {
        Ok((device, _)) => Ok(provisioner.plan(device).await?),
        Err(error) => anyhow::bail!("{}", error.in_full()),
    }
}

fn write_report(path: &Path, report: &Report) -> anyhow::Result<()> {
    write_whole(&with_ending(path, "csv"), &report.to_csv()?)?;
    write_whole(&with_ending(path, "json"), format!("{:#}\n", report.to_json()).as_bytes())
}

fn exit_of(report: &Report) -> Exit {
    if report.is_complete() { Exit::Good } else { Exit::Incomplete }
}
