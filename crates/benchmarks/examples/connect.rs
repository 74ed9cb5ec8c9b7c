//! Connects with a key in a token, and disconnects: the whole life of a short program.
//!
//! Prints `connected`; with `--hold` it then stays connected until standard input closes.

use std::io::Read as _;
use std::process::ExitCode;

use aws_iot_mqtt::DisconnectReason;
use clap::Parser;
use se050_device::DeviceArgs;

#[derive(Parser)]
struct Args {
    #[command(flatten)]
    device: DeviceArgs,
    /// Stay connected until standard input closes
    #[arg(long)]
    hold: bool,
}

fn main() -> ExitCode {
    se050_device::exit(run(&Args::parse()))
}

fn run(args: &Args) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
        let device = args.device.open()?;
        let client = device.client().connect().await.map_err(|error| device.explained(error))?;
        println!("connected");
        if args.hold {
            std::io::stdin().read_to_end(&mut Vec::new())?;
        }
        client.disconnect(DisconnectReason::Normal).await?;
        Ok(())
    })
}
