//! The `se050-iot` command: the device's certificate, and its registration with AWS IoT Core.

use clap::{Parser, Subcommand};

mod cert;
#[cfg(feature = "provision")]
mod provision;

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
    /// Registers a device with AWS IoT Core: thing, policy, certificate, attachments, endpoint.
    #[cfg(feature = "provision")]
    Provision(provision::ProvisionArgs),
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    // NXP's module prints its log to standard output, where a certificate or JSON is wanted.
    let mut out = se050_key::stdout::set_aside()?;
    match cli.command {
        Command::Cert(command) => cert::run(command, &mut out),
        #[cfg(feature = "provision")]
        Command::Provision(args) => provision::run(args, &mut out),
    }
}
