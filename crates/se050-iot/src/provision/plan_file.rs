//! Plans in a file: a line of JSON for each device.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use aws_iot_provision::fleet::{self, Counts, Row, Stop};
use aws_iot_provision::{Plan, Purpose};
use serde_json::json;

use super::args::{DeviceArgs, PaceArgs};
use super::fleet::{Bar, end, write_config};
use super::{config, one};
use crate::account::{Account, DeviceList, runtime};
use crate::exit::Exit;

/// Writes plans to a file that appears when all of them are in it.
pub(crate) struct Writer {
    file: File,
    partial: PathBuf,
    path: PathBuf,
}

impl Writer {
    /// Refuses to write over what is no plan.
    pub(crate) fn create(path: &Path) -> anyhow::Result<Self> {
        if path.exists() {
            anyhow::ensure!(path.is_file(), "{} is no file; name another --out", path.display());
            let empty = path.metadata().is_ok_and(|metadata| metadata.len() == 0);
            let is_plan =
                empty || read(path).is_ok_and(|mut plans| plans.next().is_none_or(|plan| plan.is_ok()));
            anyhow::ensure!(
                is_plan,
                "{} exists and is no plan, and is left as it is; name another --out",
                path.display()
            );
        }
        let partial = crate::files::with_ending(path, "partial");
        let file = File::create(&partial).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { file, partial, path: path.to_owned() })
    }

    pub(crate) fn add(&mut self, plan: &Plan) -> anyhow::Result<()> {
        writeln!(self.file, "{}", serde_json::to_string(plan)?)
            .with_context(|| format!("cannot write {}", self.path.display()))
    }

    pub(crate) fn finish(self) -> anyhow::Result<()> {
        std::fs::rename(&self.partial, &self.path)
            .with_context(|| format!("cannot write {}", self.path.display()))
    }
}

/// What was not finished goes.
impl Drop for Writer {
    fn drop(&mut self) {
        // After `finish`, there is none of that name.
        let _ = std::fs::remove_file(&self.partial);
    }
}

/// The plans in a file, with their line numbers, one after the other.
fn read(path: &Path) -> anyhow::Result<impl Iterator<Item = anyhow::Result<(usize, Plan)>>> {
    let name = path.display().to_string();
    let file = File::open(path).with_context(|| format!("cannot read the plan from {name}"))?;
    Ok(BufReader::new(file).lines().zip(1..).map(move |(line, number)| {
        let line = line.with_context(|| format!("cannot read the plan from {name}"))?;
        let plan = serde_json::from_str::<Plan>(&line);
        Ok((
            number,
            plan.with_context(|| format!("{name}, line {number}: no plan from `provision plan --out`"))?,
        ))
    }))
}

/// Does what the plans have.
pub(super) fn apply(file: &Path, args: &DeviceArgs, out: &mut impl Write) -> anyhow::Result<Exit> {
    // Read once before anything is done: a file that is cut off, or none of these, is told first.
    let (mut count, mut first) = (0, None);
    for plan in read(file)? {
        let (_, plan) = plan?;
        count += 1;
        first.get_or_insert(plan);
    }
    let Some(first) = first else { anyhow::bail!("{} has no plan in it", file.display()) };
    config::check(&args.config, count > 1)?;
    runtime()?.block_on(async {
        if count == 1 {
            let account = Account::connect(&args.aws).await?;
            one::run(&account, args, &first.purpose, Some(&first), out).await
        } else {
            let account = Account::connect_paced(&args.aws, args.fleet_args.pace.rate).await?;
            many(&account, file, count, args, out).await
        }
    })
}

async fn many(
    account: &Account,
    file: &Path,
    count: usize,
    args: &DeviceArgs,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let mut list = DeviceList::begin(account, args.json, out)?;
    let (place, pace) = (format!("{}:", file.display()), &args.fleet_args.pace);
    let counts = apply_all(account, (file, count), pace, &place, |plan, row| {
        if let (Purpose::Register(device), Some(endpoint)) = (&plan.purpose, &row.endpoint) {
            write_config(args, device, endpoint)?;
        }
        Ok(list.add(|| json!(row), out)?)
    });
    end(&counts.await?, args, list, out)
}

/// Applies the plans of a file, so many in all, and tells each with what came of it. `place` stands before the number of its line.
pub(crate) async fn apply_all(
    account: &Account,
    (file, count): (&Path, usize),
    pace: &PaceArgs,
    place: &str,
    mut on_row: impl FnMut(&Plan, &Row) -> anyhow::Result<()>,
) -> anyhow::Result<Counts> {
    let (stop, mut counts, bar) = (Stop::default(), Counts::default(), Bar::new(count));
    let work = async |plan: anyhow::Result<(usize, Plan)>| {
        let (number, plan) = plan?;
        let row = fleet::apply(&account.provisioner, &plan, &format!("{place}{number}"), &stop).await;
        anyhow::Ok((plan, row))
    };
    fleet::in_order(read(file)?, pace.concurrency.into(), work, |done| {
        let (plan, row) = done?;
        counts.add(row.result);
        bar.show(&row, &counts);
        on_row(&plan, &row)
    })
    .await?;
    bar.end();
    Ok(counts)
}
