//! The project's own commands: `cargo xtask demo` and `cargo xtask test`.

use std::process::ExitCode;

use clap::Parser;

mod demo;
mod root;
mod test;

/// The project's own commands.
#[derive(Parser)]
enum Command {
    /// From the bare chip to the first message, on a simulated chip and a local AWS IoT Core
    Demo,
    /// Everything that has to hold: formatting, clippy, docs, invariants, all tests
    Test,
}

fn main() -> ExitCode {
    let result = match Command::parse() {
        Command::Demo => demo::run(),
        Command::Test => test::run(),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}
