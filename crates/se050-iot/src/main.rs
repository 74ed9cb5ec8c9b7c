#![doc = include_str!("../README.md")]

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod cert;
mod chip;
#[cfg(feature = "provision")]
mod deprovision;
mod enroll;
mod exit;
#[cfg(feature = "provision")]
mod policy;
#[cfg(feature = "provision")]
mod provision;

use exit::Exit;

/// From the chip to AWS IoT Core: reads the device's certificate from its SE050, and registers the device.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The certificate in the chip.
    #[command(subcommand)]
    Cert(cert::CertCommand),
    /// Writes the device's identity bundle: certificate, and a proof signed by the chip.
    Enroll(enroll::EnrollArgs),
    /// Registers a device, or a fleet, with AWS IoT Core: thing, policy, certificate, attachments, endpoint.
    #[cfg(feature = "provision")]
    Provision(Box<provision::ProvisionArgs>),
    /// Takes a registration back: certificate, thing, and the policy when nothing else has it.
    #[cfg(feature = "provision")]
    Deprovision(deprovision::DeprovisionArgs),
    /// The policy that devices get.
    #[cfg(feature = "provision")]
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    // NXP's module prints its log to standard output, where a certificate or JSON is wanted.
    let ended = se050_key::stdout::set_aside()
        .map_err(anyhow::Error::from)
        .and_then(|mut out| run(cli.command, &mut out));
    match ended {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("Error: {error:?}");
            ExitCode::from(se050_key::Error::exit_status(error.as_ref()))
        }
    }
}

fn run(command: Command, out: &mut impl Write) -> anyhow::Result<Exit> {
    match command {
        Command::Cert(command) => cert::run(command, out).map(|()| Exit::Good),
        Command::Enroll(args) => enroll::run(args, out).map(|()| Exit::Good),
        #[cfg(feature = "provision")]
        Command::Provision(args) => provision::run(*args, out),
        #[cfg(feature = "provision")]
        Command::Deprovision(args) => deprovision::run(args, out),
        #[cfg(feature = "provision")]
        Command::Policy(command) => policy::run(command, out).map(|()| Exit::Good),
    }
}
