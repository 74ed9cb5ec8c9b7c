//! Connects with a key in a token, and disconnects: the whole life of a short program.
//!
//! Prints `connected`; with `--hold` it then stays connected until standard input closes. With `--twice` it connects once more,
//! with the token still open, and prints both times, in seconds.

use std::io::Read as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use aws_iot_mqtt::{Builder, Client, DisconnectReason};
use clap::Parser;
use rustls::client::Resumption;
use se050_device::{Device, DeviceArgs};

#[derive(Parser)]
struct Args {
    #[command(flatten)]
    device: DeviceArgs,
    /// Stay connected until standard input closes
    #[arg(long)]
    hold: bool,
    /// Connect once more, and print how long each took, from the program's start or the end of the connection before
    #[arg(long)]
    twice: bool,
}

fn main() -> ExitCode {
    se050_device::exit(run(&Args::parse()))
}

fn run(args: &Args) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
        let begun = Instant::now();
        let device = args.device.open()?;
        let client = connect(&device, device.client()).await?;
        let first = begun.elapsed();
        println!("connected");
        if args.hold {
            std::io::stdin().read_to_end(&mut Vec::new())?;
        }
        client.disconnect(DisconnectReason::Normal).await?;
        if args.twice {
            // Without the TLS session ticket of the first: a resumed session takes no signature.
            let mut tls = rustls::ClientConfig::clone(device.tls());
            tls.resumption = Resumption::disabled();
            let begun = Instant::now();
            let client = connect(&device, device.client_with(Arc::new(tls))).await?;
            println!("{} {}", first.as_secs_f64(), begun.elapsed().as_secs_f64());
            client.disconnect(DisconnectReason::Normal).await?;
        }
        Ok(())
    })
}

async fn connect(device: &Device, client: Builder) -> anyhow::Result<Client> {
    client.connect().await.map_err(|error| device.explained(error))
}
