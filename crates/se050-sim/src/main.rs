//! `se050-sim`: makes simulated chips, breaks them, and shows what their clients did.

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use se050_sim::{Calls, Chip, Latency, ShortEcdsa};
use serde_json::{Map, Value};

const USAGE: &str = "\
usage: se050-sim new DIR [--rsa-4096]       make a simulated SE050 in DIR; the RSA-4096 pairs take seconds
       se050-sim calls DIR [--json]         show how often its clients called each function, and what it cost
       se050-sim set DIR version VERSION    be NXP's module 3.3, 4.2, 4.3 or 4.7
       se050-sim set DIR fault FAULT        none, absent, mute, mute-for-a-while, dies-after:OPERATIONS,
                                            slow:MILLISECONDS, held,
                                            fail-next-sign:CKR, fail-next:FUNCTION:CKR, fail-each:FUNCTION:CKR,
                                            corrupt-signatures, corrupt-next-signature,
                                            corrupt-next-read
       se050-sim set DIR short-ecdsa RATE   natural, never, or N: the first signature and every Nth after it
       se050-sim set DIR latency WHICH      none, or published: take as long as NXP says that an SE050 takes
       se050-sim set DIR time-scale FACTOR  shorten the waits on a mute chip
       se050-sim set DIR log|crashes|processes-disturb on|off
       se050-sim power-cycle DIR            end all its sessions
       se050-sim disturb DIR                do what another process on the bus does

For development only: the keys of a simulated chip are files in DIR.";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["new", directory] => {
            Chip::create(Path::new(directory)).map(|chip| show_new(&chip)).map_err(Into::into)
        }
        ["new", directory, "--rsa-4096"] | ["new", "--rsa-4096", directory] => {
            Chip::create_with_rsa4096(Path::new(directory)).map(|chip| show_new(&chip)).map_err(Into::into)
        }
        ["calls", directory] => calls(directory).map(|calls| show(&calls)),
        ["calls", directory, "--json"] | ["calls", "--json", directory] => {
            calls(directory).and_then(|calls| show_json(&calls))
        }
        ["set", directory, what, value] => set(directory, what, value),
        ["power-cycle", directory] => open(directory).and_then(|chip| Ok(chip.power_cycle()?)),
        ["disturb", directory] => open(directory).and_then(|chip| Ok(chip.disturb()?)),
        ["-h" | "--help" | "help"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("se050-sim: {}", with_causes(&*error));
            ExitCode::FAILURE
        }
    }
}

fn open(directory: &str) -> Result<Chip, Box<dyn Error>> {
    Ok(Chip::open(Path::new(directory))?)
}

fn show_new(chip: &Chip) {
    println!("simulated SE050: {}", chip.directory().display());
    println!("PKCS#11 module:  {}", chip.module().display());
}

fn set(directory: &str, what: &str, value: &str) -> Result<(), Box<dyn Error>> {
    let chip = open(directory)?;
    match what {
        "version" => chip.set_version(value.parse()?)?,
        "fault" => chip.set_fault(value.parse()?)?,
        "short-ecdsa" => chip.set_short_ecdsa(match value {
            "natural" => ShortEcdsa::Natural,
            "never" => ShortEcdsa::Never,
            number => ShortEcdsa::OneIn(
                number.parse().map_err(|_| format!("{number:?} is none of natural, never, a number"))?,
            ),
        })?,
        "latency" => chip.set_latency(match value {
            "none" => Latency::default(),
            "published" => Latency::PUBLISHED,
            _ => return Err(format!("{value:?} is neither none nor published").into()),
        })?,
        "time-scale" => {
            chip.set_time_scale(value.parse().map_err(|_| format!("{value:?} is no number, such as 0.01"))?)?;
        }
        "log" => chip.set_log_to_stdout(on_or_off(value)?)?,
        "crashes" => chip.set_crashes(on_or_off(value)?)?,
        "processes-disturb" => chip.set_processes_disturb(on_or_off(value)?)?,
        _ => return Err(format!("{what:?} cannot be set; `se050-sim help` lists what can").into()),
    }
    Ok(())
}

fn on_or_off(value: &str) -> Result<bool, String> {
    match value {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(format!("{value:?} is neither on nor off")),
    }
}

fn calls(directory: &str) -> Result<Calls, Box<dyn Error>> {
    Ok(open(directory)?.calls()?)
}

/// What was counted besides the functions: for people, for programs, and how often.
fn totals(calls: &Calls) -> [(&'static str, &'static str, u64); 5] {
    [
        ("overlapping calls", "overlapping_calls", calls.overlaps()),
        ("threads of one process", "threads_of_one_process", calls.threads() as u64),
        ("APDUs", "apdus", calls.apdus()),
        ("NVM objects", "nvm_objects", calls.nvm_objects()),
        ("chip signatures", "chip_signatures", calls.signatures()),
    ]
}

fn show(calls: &Calls) {
    let totals = totals(calls).map(|(name, _, count)| (name, count));
    for (name, count) in calls.functions().chain(totals) {
        println!("{count:8}  {name}");
    }
}

fn show_json(calls: &Calls) -> Result<(), Box<dyn Error>> {
    let functions: Map<_, _> =
        calls.functions().map(|(function, count)| (function.to_owned(), count.into())).collect();
    let totals = totals(calls).map(|(_, name, count)| (name.to_owned(), count.into()));
    let functions = ("functions".to_owned(), Value::Object(functions));
    let answer: Map<_, Value> = std::iter::once(functions).chain(totals).collect();
    println!("{}", serde_json::to_string_pretty(&answer)?);
    Ok(())
}

fn with_causes(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |error| (*error).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
