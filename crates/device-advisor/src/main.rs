//! Runs AWS's Device Advisor cases on a device's programs.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use device_advisor::{CASES, Device};

/// Runs AWS's Device Advisor cases on a device's programs. In the commands, {host} {port} {ca} {cert} {key} {client_id} {topic} {config}
/// {chip} are replaced.
#[derive(Parser)]
struct Args {
    /// The device's name in the table
    #[arg(long, default_value = "device")]
    name: String,
    /// The command line of the program that publishes (split at blanks)
    #[arg(long, value_name = "COMMAND")]
    publisher: String,
    /// The command line of the program that subscribes; without it, the same
    #[arg(long, value_name = "COMMAND")]
    subscriber: Option<String>,
    /// A text file in which the same is replaced, and which the programs find at {config}
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A directory that each case gets a copy of, at {chip}
    #[arg(long, value_name = "DIR")]
    chip: Option<PathBuf>,
    /// Only these cases (a part of the name is enough); may be given several times
    #[arg(long = "case", value_name = "ID")]
    cases: Vec<String>,
    /// Only the cases that take seconds
    #[arg(long)]
    short: bool,
    /// Where to write the table (Markdown)
    #[arg(long, value_name = "FILE")]
    table: Option<PathBuf>,
    /// List the cases
    #[arg(long)]
    list: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    if args.list {
        for case in CASES {
            println!("{}{}", case.id, if case.qualification { "  (qualification)" } else { "" });
        }
        return Ok(ExitCode::SUCCESS);
    }
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let config = args.config.as_ref().map(std::fs::read_to_string).transpose().context("--config")?;
    let device = Device {
        name: args.name,
        subscriber: words(args.subscriber.as_ref().unwrap_or(&args.publisher)),
        publisher: words(&args.publisher),
        config,
        chip: args.chip,
    };
    let table = device_advisor::run(&device, |case| {
        (args.cases.is_empty() || args.cases.iter().any(|part| case.id.contains(part.as_str())))
            && !(args.short && case.long)
    })?;
    println!("\n{table}");
    if let Some(file) = &args.table {
        std::fs::write(file, table.to_string())
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(if table.qualifies() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
