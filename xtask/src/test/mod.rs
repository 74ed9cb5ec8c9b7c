//! `cargo xtask test`: everything that has to hold before a change lands. CI runs exactly this, with `--cross`.

use std::process::{Command, ExitCode};
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, anyhow};
use clap::Args;

use crate::command::run_shown;
use crate::cross::{self, Programs, Smoke};
use crate::image;
use crate::root::{self, cargo, targets};

mod count;
mod dependencies;
mod harness;
pub(crate) mod programs;
pub(crate) mod python;

pub(crate) use count::{Counts, Tests, side_by_side};
use harness::Place;
pub(crate) use harness::{AT_ONCE, test_programs};

/// The priority of what computes while the tests run.
const NICE: i32 = 10;

/// The exit status when something that the tests need cannot be installed although this machine should be able to.
const CANNOT_INSTALL: u8 = 3;

/// What is checked before the tests: a name, and cargo's arguments.
const CHECKS: [(&str, &str); 5] = [
    ("formatting", "fmt --all --check"),
    ("clippy", "clippy --workspace --all-targets --locked -- -D warnings"),
    // All packages at once, examples among the targets, and indicatif, which changes a feature that tokio depends on: so the dependencies
    // are those of the run above, and are not checked once more. `cargo xtask cross` builds it with the device's features alone.
    (
        "clippy, device build of se050-iot",
        "clippy --workspace --no-default-features --features rustls-se050/ring,benchmarks/durable,se050-iot/indicatif --lib --bins --examples --locked -- \
         -D warnings",
    ),
    // The durable outbox is in both of the above.
    ("clippy, device build of pubsub", "clippy -p pubsub --locked -- -D warnings"),
    // All at once: the tests beside the crates start the programs, which are built here as well.
    ("building the tests", "test --no-run --workspace --locked"),
];
/// What is checked beside the tests. Where an example is named, cargo takes the features of the development dependencies, too, as clippy has
/// done: without them this would check the AWS SDK once more.
const DOCS: [&str; 7] = ["doc", "--quiet", "--workspace", "--no-deps", "--locked", "--lib", "--examples"];
/// The test programs.
const PROGRAMS: [&str; 3] = ["test", "--workspace", "--locked"];
/// The examples in the documentation.
const EXAMPLES: [&str; 5] = ["test", "--workspace", "--locked", "--no-fail-fast", "--doc"];

#[derive(Args)]
pub(crate) struct TestOptions {
    /// Only what needs no other program: nothing is installed, and tests that start one are skipped
    #[arg(long)]
    fast: bool,
    /// Then build for the device (`cargo xtask cross`), run that under an emulator, and check the container image
    #[arg(long, conflicts_with = "fast")]
    cross: bool,
    #[command(flatten)]
    options: cross::ToolchainOptions,
}

pub(crate) fn run(options: &TestOptions) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    for (name, arguments) in CHECKS {
        println!("== {name}");
        let status = cargo().args(arguments.split(' ')).status();
        if !status.with_context(|| format!("{name}: cargo does not start"))?.success() {
            eprintln!("\n{name}: failed. To see it alone: cargo {arguments}");
            return Ok(ExitCode::FAILURE);
        }
    }
    println!("== unit tests");
    let programs = test_programs(cargo().args(PROGRAMS), &[])?.into_iter().map(|(place, mut program)| {
        environment(&mut program.command, options.fast);
        (place, program)
    });
    let (inside, others): (Vec<_>, Vec<_>) = programs.partition(|(place, _)| *place == Place::Inside);
    let run = |tests: Vec<(Place, Tests)>| {
        side_by_side(tests.into_iter().map(|(_, tests)| tests).collect(), AT_ONCE)
    };
    let mut counts = run(inside)?;
    if !options.fast {
        println!("== what the other tests need");
        let of_the_image = if options.cross { image::NEEDED.as_slice() } else { &[] };
        if let Err(error) = programs::install_missing(&[programs::NEEDED, of_the_image].concat()) {
            eprintln!("\n{error:#}");
            return Ok(ExitCode::from(CANNOT_INSTALL));
        }
    }
    let (counts_beside, device) = thread::scope(|scope| {
        let beside = scope.spawn(|| beside(options));
        if !options.fast {
            python::install_all();
            dependencies::check(&mut counts);
        }
        println!("== all other tests");
        counts.add(run(others)?);
        beside.join().map_err(|_| anyhow!("the thread that builds has panicked"))?
    })?;
    counts.add(counts_beside);
    if let Some(device) = device {
        match device.and_then(on_the_emulator) {
            Ok(on_the_emulator) => counts.add(on_the_emulator),
            Err(error) => {
                println!("FAILED: the device's programs: {error:#}");
                counts.failed += 1;
            }
        }
    }
    counts.print_skips();
    println!("{:.0} s in all", started.elapsed().as_secs_f32());
    Ok(counts.conclude())
}

/// What computes: it runs beside the tests, which mostly wait, and gives way to them. The device's programs come with it, or why not.
fn beside(options: &TestOptions) -> anyhow::Result<(Counts, Option<anyhow::Result<Smoke>>)> {
    // Of this thread and what it starts. Where that fails, it takes longer.
    let _ = rustix::process::setpriority_process(None, NICE);
    let mut counts = Counts::default();
    counts.check("docs", || run_shown(&mut documentation()?));
    let mut examples = cargo();
    environment(examples.args(EXAMPLES), options.fast);
    counts.add(side_by_side(vec![Tests { name: "documentation".into(), command: examples }], 1)?);
    let device = options.cross.then(|| cross::build_for_emulator(&options.options, Programs::OfTheDevice));
    Ok((counts, device))
}

fn on_the_emulator(device: Smoke) -> anyhow::Result<Counts> {
    let mut counts = device.run()?;
    let Smoke { artifacts, tests, .. } = device;
    thread::scope(|scope| {
        let image = scope.spawn(|| image::check_on_the_emulator(&artifacts));
        counts.add(side_by_side(tests, AT_ONCE)?);
        counts.add(image.join().map_err(|_| anyhow!("the thread that checks the image has panicked"))??);
        Ok(counts)
    })
}

/// The libraries, and the programs of packages without one: cargo documents no two things of one name.
fn documentation() -> anyhow::Result<Command> {
    let mut command = cargo();
    command.args(DOCS).env("RUSTDOCFLAGS", "-D warnings");
    for package in root::packages()? {
        if ["lib", "cdylib"].iter().all(|kind| targets(&package, kind).is_empty()) {
            command.args(targets(&package, "bin").iter().flat_map(|name| ["--bin", name]));
        }
    }
    Ok(command)
}

fn environment(tests: &mut Command, fast: bool) {
    if std::env::var_os("RUST_TEST_THREADS").is_none() {
        // Most of a test's time is waiting for another process.
        let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        tests.env("RUST_TEST_THREADS", (2 * cores).to_string());
    }
    if fast {
        tests.env("TEST_WITHOUT_PEERS", "1");
    }
}
