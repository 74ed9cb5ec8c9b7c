//! `se050-sim`: makes simulated chips, and shows what their clients did.

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use se050_sim::{Calls, Chip};

const USAGE: &str = "\
usage: se050-sim new DIR             make a simulated SE050 in DIR
       se050-sim calls DIR [--json]  show how often its clients called each function

For development only: the keys of a simulated chip are files in DIR.";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["new", directory] => new(Path::new(directory)),
        ["calls", directory] => calls(Path::new(directory)).map(|calls| show(&calls)),
        ["calls", directory, "--json"] | ["calls", "--json", directory] => {
            calls(Path::new(directory)).and_then(|calls| show_json(&calls))
        }
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

fn new(directory: &Path) -> Result<(), Box<dyn Error>> {
    let chip = Chip::create(directory)?;
    println!("simulated SE050: {}", chip.directory().display());
    println!("PKCS#11 module:  {}", chip.module().display());
    Ok(())
}

fn calls(directory: &Path) -> Result<Calls, Box<dyn Error>> {
    Ok(Chip::open(directory)?.calls()?)
}

fn show(calls: &Calls) {
    for (function, count) in calls.functions() {
        println!("{count:8}  {function}");
    }
    println!("{:8}  chip signatures", calls.signatures());
}

fn show_json(calls: &Calls) -> Result<(), Box<dyn Error>> {
    let functions: serde_json::Map<_, _> =
        calls.functions().map(|(function, count)| (function.to_owned(), count.into())).collect();
    let answer = serde_json::json!({ "functions": functions, "chip_signatures": calls.signatures() });
    println!("{}", serde_json::to_string_pretty(&answer)?);
    Ok(())
}

fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
