//! Many devices.

use std::cell::RefCell;
use std::collections::HashSet;
use std::io::{IsTerminal as _, Write};
use std::path::Path;
use std::sync::Arc;

use aws_iot_provision::fleet::{
    self, Candidate, Counts, DoneBefore, EntryError, Intake, Manifest, NameTemplate, Origin, Report, Row,
    Stop,
};
use aws_iot_provision::{Device, Progress, Purpose, Settings, ThingName};
use device_identity::Requirements;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use super::args::{DEFAULT_POLICY, DeviceArgs};
use super::intake::intake;
use super::{config, plan_file, report};
use crate::account::{Account, DeviceList, runtime};
use crate::exit::Exit;
use crate::files::beside;
use crate::terminal::say;

/// The devices of a list, and whether some are expected that are not in it; they are told.
fn devices<'a>(
    args: &'a DeviceArgs,
    intake: &'a Intake,
    manifest: &'a Manifest,
    list: &Path,
) -> (impl Iterator<Item = Candidate> + 'a, bool) {
    let (never_came, candidates) = intake.candidates(manifest);
    for device in &never_came {
        say!("{device} is expected, and is not in {}", list.display());
    }
    let named = args.config.device_config.is_some();
    let candidates = candidates.map(move |candidate| if named { with_key(candidate) } else { candidate });
    (candidates, !never_came.is_empty())
}

/// The configuration names the key: where none is known, the device is refused before anything is registered.
fn with_key(mut candidate: Candidate) -> Candidate {
    if let Ok(device) = &mut candidate.result {
        match config::key_of(device.key.as_ref(), &device.certificate) {
            Ok(key) => device.key = Some(key),
            Err(error) => candidate.result = Err(EntryError::Key { reason: error.to_string() }),
        }
    }
    candidate
}

/// Where each device of a list stands, and its name, for commands that work on what is registered.
pub(crate) fn names(
    list: &Path,
    template: Option<NameTemplate>,
) -> anyhow::Result<Vec<(String, anyhow::Result<ThingName>)>> {
    let settings = Arc::new(Settings::new(DEFAULT_POLICY.parse()?));
    let intake = Intake { requirements: Requirements::default(), expectations: None, template, settings };
    let manifest = Manifest::read(list)?;
    let names = intake.candidates(&manifest).1.map(|candidate| {
        let name = match (candidate.result, &candidate.thing) {
            (Ok(device), _) => Ok(device.thing),
            // Such as an expired certificate: its thing may be known all the same.
            (Err(_), Some(name)) => name.parse().map_err(anyhow::Error::from),
            (Err(error), None) => Err(error.into()),
        };
        (candidate.source, name)
    });
    Ok(names.collect())
}

pub(super) fn apply(args: &DeviceArgs, list: &Path, out: &mut impl Write) -> anyhow::Result<Exit> {
    let intake = intake(args)?;
    let manifest = Manifest::read(list)?;
    let (candidates, missing) = devices(args, &intake, &manifest, list);
    config::check(&args.config, true)?;
    let base = args.fleet_args.report.clone().unwrap_or_else(|| beside(list, "report"));
    runtime()?.block_on(async {
        let account = Account::connect_paced(&args.aws, args.fleet_args.pace.rate).await?;
        let settings = intake.settings.describe();
        let origin = Origin { account: account.id.clone(), region: account.region.clone(), settings };
        let done_before = match &args.fleet_args.resume {
            Some(path) => DoneBefore::read(path, &origin)?,
            None => DoneBefore::default(),
        };
        let mut list = DeviceList::begin(&account, args.json, out)?;
        let report = RefCell::new(Report::create(&base, origin)?);
        let (stop, mut counts, bar) = (Stop::default(), Counts::default(), Bar::new(manifest.len()));
        let work = async |candidate: Candidate| {
            let device = candidate.result.as_ref().ok();
            let row = fleet::register(&account.provisioner, &candidate, &done_before, &stop, |progress| {
                if let (Progress::Done(step), Some(device)) = (progress, device)
                    && step.is_change()
                {
                    report.borrow().step(device, step);
                }
            });
            let row = row.await;
            // Also of devices that an earlier run registered: it may have been told to write elsewhere, or nothing.
            if let (Some(device), Some(endpoint)) = (device, &row.endpoint) {
                write_config(args, device, endpoint)?;
            }
            anyhow::Ok(row)
        };
        fleet::in_order(candidates, args.fleet_args.pace.concurrency.into(), work, |row| {
            let row = row?;
            counts.add(row.result);
            bar.show(&row, &counts);
            report.borrow_mut().row(&row)?;
            anyhow::Ok(list.add(|| json!(row), out)?)
        })
        .await?;
        bar.end();
        if !args.json {
            writeln!(out, "report: {0}.csv, results: {0}.jsonl", base.display())?;
        }
        let exit = end(&counts, args, list, out)?;
        Ok(if missing { Exit::Incomplete } else { exit })
    })
}

/// What comes after the devices.
pub(super) fn end(
    counts: &Counts,
    args: &DeviceArgs,
    list: DeviceList,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let complete = counts.bad() == 0;
    let summary = counts.summary();
    list.end(&[("summary", json!(summary)), ("complete", json!(complete))], &summary, out)?;
    if let (Some(directory), false) = (&args.config.device_config, args.json) {
        let directory = directory.display();
        writeln!(
            out,
            "next: copy {directory}/THING.toml to each device, and there: pubsub --config THING.toml"
        )?;
    }
    if !complete && !args.json {
        writeln!(out, "for the others: correct what is reported, and run the same command again")?;
    }
    out.flush()?;
    Ok(if complete { Exit::Good } else { Exit::Incomplete })
}

pub(super) fn write_config(args: &DeviceArgs, device: &Device, endpoint: &str) -> anyhow::Result<()> {
    let Some(directory) = &args.config.device_config else { return Ok(()) };
    config::write(&directory.join(format!("{}.toml", device.thing)), &args.config, device, endpoint)
}

/// The exit code, and whether anything is to change.
pub(super) fn plan(
    args: &DeviceArgs,
    list: &Path,
    keep: Option<&Path>,
    out: &mut impl Write,
) -> anyhow::Result<(Exit, bool)> {
    let intake = intake(args)?;
    let manifest = Manifest::read(list)?;
    let (candidates, missing) = devices(args, &intake, &manifest, list);
    let mut file = keep.map(plan_file::Writer::create).transpose()?;
    runtime()?.block_on(async {
        let account = Account::connect_paced(&args.aws, args.fleet_args.pace.rate).await?;
        let mut list = DeviceList::begin(&account, args.json, out)?;
        let (mut total, mut changed, mut bad) = (0, 0, 0);
        let mut warned = HashSet::new();
        let work = async |candidate: Candidate| {
            let planned = match &candidate.result {
                Ok(device) => {
                    let purpose = Purpose::Register(Box::new(device.clone()));
                    account.provisioner.plan(purpose).await.map_err(anyhow::Error::from)
                }
                Err(error) => Err(anyhow::anyhow!("{}", error.in_full())),
            };
            (candidate, planned)
        };
        let concurrency = args.fleet_args.pace.concurrency.into();
        fleet::in_order(candidates, concurrency, work, |(candidate, planned)| {
            total += 1;
            let object = match (planned, &candidate.result) {
                (Ok(plan), Ok(device)) => {
                    changed += usize::from(plan.changes_anything());
                    plan.warnings.iter().for_each(|warning| warn_once(&mut warned, warning));
                    if let Some(file) = &mut file {
                        file.add(&plan)?;
                    }
                    if !args.json {
                        writeln!(out, "{} as {}", candidate.source, device.thing)?;
                        report::plan(out, device, &plan)?;
                        writeln!(out)?;
                    }
                    report::plan_json(&candidate.source, device, &plan)
                }
                (planned, _) => {
                    bad += 1;
                    let error = planned.err().map(|error| format!("{error:#}")).unwrap_or_default();
                    say!("{}: {error}", candidate.source);
                    json!({"source": candidate.source, "error": error})
                }
            };
            anyhow::Ok(list.add(|| object, out)?)
        })
        .await?;
        if let Some(file) = file {
            file.finish()?;
        }
        let unchanged = total - changed - bad;
        let line = format!(
            "{total} devices: {changed} to register or change, {unchanged} unchanged, {bad} refused; nothing was written"
        );
        list.end(&[("changes", json!(changed > 0))], &line, out)?;
        Ok((if bad == 0 && !missing { Exit::Good } else { Exit::Incomplete }, changed > 0))
    })
}

/// Most devices have the same to be warned of.
fn warn_once(warned: &mut HashSet<String>, warning: &str) {
    /// Ours: a list of a million shall not fill the memory with warnings.
    const MOST: usize = 1000;
    if warned.len() < MOST && warned.insert(warning.to_owned()) {
        say!("warning: {warning}");
    }
}

/// How far it is: on a terminal a bar, and a line for each device that went wrong; elsewhere a line for each.
pub(super) struct Bar {
    bar: ProgressBar,
    on_terminal: bool,
    total: usize,
    warned: RefCell<HashSet<String>>,
}

impl Bar {
    pub(super) fn new(total: usize) -> Self {
        let on_terminal = std::io::stderr().is_terminal();
        let target = if on_terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(total as u64), target);
        if let Ok(style) =
            ProgressStyle::with_template("[{bar:30}] {pos}/{len}, {msg}, {elapsed}, {eta} to go")
        {
            bar.set_style(style.progress_chars("#> "));
        }
        Self { bar, on_terminal, total, warned: RefCell::default() }
    }

    pub(super) fn show(&self, row: &Row, counts: &Counts) {
        for warning in &row.warnings {
            self.bar.suspend(|| warn_once(&mut self.warned.borrow_mut(), warning));
        }
        let name = if row.thing.is_empty() { &row.source } else { &row.thing };
        let error = row.error.as_deref().map(|error| format!(": {error}")).unwrap_or_default();
        let line = format!("{name} {}{error}", row.result.words());
        if !self.on_terminal {
            say!("{}/{} {line}", counts.total(), self.total);
            return;
        }
        if !error.is_empty() {
            self.bar.suspend(|| say!("{line}"));
        }
        self.bar.set_message(format!("{} bad", counts.bad()));
        self.bar.set_position(counts.total() as u64);
    }

    pub(super) fn end(&self) {
        self.bar.abandon();
    }
}
