//! Many devices.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use aws_iot_provision::fleet::{self, Candidate, Intake, Journal, Report, bulk_files, read_manifest};
use aws_iot_provision::{Provisioner, aws_client_config};

use super::args::{DeviceArgs, FleetArgs};
use super::intake::intake;
use super::progress::ProgressBar;
use super::{config, report, runtime};
use crate::exit::Exit;

/// How often one call is tried: with pauses that double, for about half a minute.
const ATTEMPTS: u32 = 10;

pub(super) fn run(args: &DeviceArgs, list: &Path, apply: bool, out: &mut impl Write) -> anyhow::Result<Exit> {
    let intake = intake(args)?;
    let candidates = intake.take_all(&read_manifest(list)?);
    if let Some(directory) = &args.fleet_args.bulk_template {
        return write_bulk(directory, &intake, &candidates, out);
    }
    let runtime = runtime()?;
    let provisioner = runtime
        .block_on(async { Provisioner::new(&aws_client_config(&args.aws.options()).await) })?
        .paced(args.fleet_args.rate, ATTEMPTS);
    if !apply {
        return runtime.block_on(plan(&provisioner, &candidates, args.json, out));
    }
    if let Some(directory) = &args.config.device_config {
        fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    }
    let FleetArgs { journal, report, concurrency, .. } = &args.fleet_args;
    let journal = journal.clone().unwrap_or_else(|| beside(list, "journal"));
    let mut journal = Journal::open(&journal, &provisioner.describe(&intake.settings))?;
    let bar = ProgressBar::new();
    let mut unwritten = None;
    let fleet =
        fleet::run(&provisioner, &candidates, &mut journal, *concurrency, |row, provisioned, progress| {
            bar.show(row, progress);
            if let (Some(directory), Some(provisioned)) = (&args.config.device_config, provisioned) {
                let path = directory.join(format!("{}.toml", provisioned.thing));
                let candidate = candidates.iter().find(|candidate| candidate.source == row.source);
                let label = candidate.and_then(|candidate| candidate.key_label.as_deref());
                if let Err(error) = config::write(&path, &args.config, &intake.settings, provisioned, label) {
                    unwritten.get_or_insert(error);
                }
            }
        });
    let done = runtime.block_on(fleet)?;
    let report = report.clone().unwrap_or_else(|| beside(list, "report"));
    write_report(&report, &done)?;
    if args.json {
        writeln!(out, "{}", done.to_json())?;
    } else {
        writeln!(out, "{}", done.summary())?;
        writeln!(out, "report: {0}.csv and {0}.json", report.display())?;
    }
    unwritten.map_or(Ok(exit_of(&done)), Err)
}

async fn plan(
    provisioner: &Provisioner,
    candidates: &[Candidate],
    as_json: bool,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let mut exit = Exit::Good;
    for candidate in candidates {
        let (device, checked) = match &candidate.result {
            Ok(taken) => taken,
            Err(error) => {
                eprintln!("{}: {error}", candidate.source);
                exit = Exit::Incomplete;
                continue;
            }
        };
        match provisioner.plan(device).await {
            Ok(plan) => {
                if !as_json {
                    writeln!(out, "{} as {}", candidate.source, device.thing())?;
                }
                report::plan(out, as_json, device, checked, &plan)?;
            }
            Err(error) => {
                eprintln!("{}: {:#}", candidate.source, anyhow::Error::from(error));
                exit = Exit::Incomplete;
            }
        }
    }
    Ok(exit)
}

fn write_bulk(
    directory: &Path,
    intake: &Intake,
    candidates: &[Candidate],
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let good: Vec<_> = candidates.iter().filter_map(|candidate| candidate.result.as_ref().ok()).collect();
    let files = bulk_files(&intake.settings, good.iter().map(|(device, _)| device));
    fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    for (name, content) in [
        ("template.json", &files.template),
        ("parameters.jsonl", &files.parameters),
        ("start.sh", &files.commands),
    ] {
        write_whole(&directory.join(name), content.as_bytes())?;
    }
    let mut exit = Exit::Good;
    for candidate in candidates {
        if let Err(error) = &candidate.result {
            eprintln!("{}: left out: {error}", candidate.source);
            exit = Exit::Incomplete;
        }
    }
    writeln!(out, "{} devices: {}; read start.sh there", good.len(), directory.display())?;
    Ok(exit)
}

fn write_report(path: &Path, report: &Report) -> anyhow::Result<()> {
    write_whole(&with_ending(path, "csv"), &report.to_csv()?)?;
    write_whole(&with_ending(path, "json"), format!("{:#}\n", report.to_json()).as_bytes())
}

/// Under its name only when it is whole.
fn write_whole(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let partial = with_ending(path, "partial");
    let written = fs::write(&partial, content).and_then(|()| fs::rename(&partial, path));
    written.with_context(|| format!("cannot write {}", path.display()))
}

fn beside(list: &Path, ending: &str) -> PathBuf {
    // `fleet/` means the directory itself, so that its journal does not land in it.
    with_ending(&list.components().collect::<PathBuf>(), ending)
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

fn exit_of(report: &Report) -> Exit {
    if report.is_complete() { Exit::Good } else { Exit::Incomplete }
}
