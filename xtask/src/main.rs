//! The project's own commands: `cargo xtask demo`, `test`, `abuse`, `advisor`, `bench`, `cross`, `completions` and `image`.

use std::process::ExitCode;

use clap::Parser;

mod abuse;
mod advisor;
mod bench;
mod command;
mod completions;
mod cross;
mod debian;
mod demo;
mod files;
mod image;
mod root;
mod test;

/// The project's own commands.
#[derive(Parser)]
enum Command {
    /// From the bare chip to the first message, on a simulated chip and a local AWS IoT Core
    Demo,
    /// Everything that has to hold: formatting, clippy, docs, invariants, all tests
    Test(test::TestOptions),
    /// The programs for the device (aarch64, musl, able to load a PKCS#11 module), checked
    Cross {
        #[command(flatten)]
        options: cross::ToolchainOptions,
        /// Then run them under an emulator: on a simulated chip, against a local AWS IoT Core
        #[arg(long)]
        smoke: bool,
    },
    /// Shell completions and manual pages of `se050-iot` for the device, into target/device/share
    Completions,
    /// The long forms of the tests that kill, cut, fill and wear: some forty minutes, with figures
    Abuse(abuse::AbuseOptions),
    /// AWS's qualification cases (Device Advisor) on our programs, AWS's SDK and bare rumqttc
    Advisor(advisor::AdvisorOptions),
    /// This project measured beside AWS's SDK, bare rumqttc, mosquitto's C client, boto3 and the AWS CLI
    Bench(bench::BenchOptions),
    /// The programs as a container image for podman on the device, made without a daemon
    Image(image::ImageOptions),
}

fn main() -> ExitCode {
    let result = match Command::parse() {
        Command::Demo => demo::run(),
        Command::Test(options) => test::run(&options),
        Command::Cross { options, smoke } => cross::run(&options, smoke),
        Command::Completions => completions::run(),
        Command::Abuse(options) => abuse::run(&options),
        Command::Advisor(options) => advisor::run(&options),
        Command::Bench(options) => bench::run(&options),
        Command::Image(options) => image::run(&options),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_in_order() {
        super::Command::command().debug_assert();
    }
}
