//! Measures this project beside what users would take instead, and writes the tables: `cargo xtask bench` builds and starts it.

mod chip;
mod connecting;
mod footprint;
mod instructions;
mod peers;
mod plot;
mod process;
mod provisioning;
mod publishing;
mod recovery;
mod report;
mod rounds;
mod stall;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use peers::Programs;
use table::Table;

#[derive(Parser)]
struct Args {
    /// Where cargo has built the programs (release)
    #[arg(long)]
    programs: PathBuf,
    /// Where cargo has built them in the profile `dist`
    #[arg(long)]
    dist: PathBuf,
    /// A Python that has awsiotsdk and boto3
    #[arg(long)]
    python: PathBuf,
    /// Where `cargo xtask cross` has put the device's programs
    #[arg(long)]
    device: PathBuf,
    /// Where `cargo xtask image` has put the container image
    #[arg(long)]
    image: PathBuf,
    /// Write the tables to this file (Markdown)
    #[arg(long)]
    report: Option<PathBuf>,
    /// How often each is run
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Only these parts
    #[arg(long = "only", value_enum)]
    only: Vec<Part>,
}

/// A part of the report, in its order.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Connecting,
    Memory,
    Chip,
    Publishing,
    Durable,
    Recovery,
    Stall,
    Footprint,
    Provisioning,
    ManyDevices,
    Instructions,
}

fn main() -> ExitCode {
    match measure(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(args: &Args) -> anyhow::Result<()> {
    let programs =
        Programs { directory: args.programs.clone(), dist: args.dist.clone(), python: args.python.clone() };
    let parts = if args.only.is_empty() { Part::value_variants() } else { &args.only };
    let mut text = report::head(&programs, args.rounds);
    // Written by hand: a profile is read by a person, once.
    let profile = if args.only.is_empty() { include_str!("../profile.md") } else { "" };
    for part in parts {
        let table = run(*part, &programs, args)?;
        text.push_str(&table.to_string());
        text.push('\n');
        // After each part, so that a run which is stopped leaves what it has.
        if let Some(file) = &args.report {
            std::fs::write(file, format!("{text}{profile}"))
                .with_context(|| format!("cannot write {}", file.display()))?;
        }
    }
    Ok(())
}

fn run(part: Part, programs: &Programs, args: &Args) -> anyhow::Result<Table> {
    match part {
        Part::Connecting => connecting::connecting(programs, args.rounds),
        Part::Memory => connecting::memory(programs),
        Part::Chip => chip::chip_work(programs, args.rounds),
        Part::Publishing => publishing::publishing(programs, args.rounds, args.report.as_deref()),
        Part::Durable => publishing::durable(programs, args.rounds),
        Part::Recovery => recovery::recovery(programs, args.rounds),
        Part::Footprint => footprint::footprint(programs, &args.device, &args.image),
        Part::Provisioning => provisioning::beside_boto3(programs, args.rounds),
        Part::ManyDevices => provisioning::many(programs),
        Part::Stall => stall::stall(programs),
        Part::Instructions => instructions::instructions(programs),
    }
}
