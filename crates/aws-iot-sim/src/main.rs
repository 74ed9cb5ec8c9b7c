//! `aws-iot-sim`: runs the simulator until it is told to stop.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::process::ExitCode;

use aws_iot_sim::{AwsIotSim, Error, Injection};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

/// A local AWS IoT Core for development and tests: control plane and MQTT 5 broker in one process.
#[derive(Debug, Parser)]
#[command(name = "aws-iot-sim")]
struct Arguments {
    /// Directory for the CA certificate and aws-iot-sim.json; a temporary one if not given.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Port of the MQTT broker (AWS: 8883); 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value_t = 8883)]
    port: u16,
    /// Port of the control plane; 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    control_port: u16,
    /// Port of the credential provider (AWS: 443); 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    credentials_port: u16,
    /// Account id of the simulated account.
    #[arg(long, value_name = "ID", default_value = "123456789012")]
    account: String,
    /// Fault that is on from the start, such as withhold=puback or close-after-connect,times=5; may be repeated.
    #[arg(long = "fault", value_name = "FAULT")]
    faults: Vec<Injection>,
}

fn main() -> ExitCode {
    let colours = io::stderr().is_terminal();
    tracing_subscriber::fmt().with_writer(io::stderr).with_target(false).with_ansi(colours).init();
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", in_full(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    // Before the announcement: who reads it may stop the program at once.
    let signals = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut interrupt, mut terminate) = {
        let _context = signals.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    let sim = start(arguments)?;
    announce(&sim);
    signals.block_on(async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    });
    tracing::info!("stopped");
    Ok(())
}

fn start(arguments: Arguments) -> Result<AwsIotSim, Error> {
    let mut builder = AwsIotSim::builder()
        .port(arguments.port)
        .control_port(arguments.control_port)
        .credentials_port(arguments.credentials_port)
        .account(arguments.account);
    if let Some(directory) = arguments.dir {
        builder = builder.directory(directory);
    }
    arguments.faults.into_iter().fold(builder, aws_iot_sim::Builder::fault).start()
}

fn announce(sim: &AwsIotSim) {
    println!(
        "A local AWS IoT Core is running. It is for development: its keys and its account are throwaways."
    );
    println!();
    println!("  MQTT endpoint   {}  port {}", sim.endpoint(), sim.port());
    println!("  credentials     {}  port {}", sim.endpoint(), sim.credentials_port());
    println!("  CA file         {}", sim.ca_file().display());
    println!("  control plane   {}", sim.control_plane_url());
    println!("  all of it       {}", sim.directory().join("aws-iot-sim.json").display());
    println!();
    println!("To turn the AWS CLI or an AWS SDK to it, in another terminal:");
    println!();
    for (name, value) in sim.environment() {
        println!("  export {name}={}", quoted(&value));
    }
    println!();
    println!("Next: register a device there, for example with");
    println!();
    println!("  se050-iot provision --certificate device_cert.pem --thing-name my-device");
    println!();
    println!(
        "and connect to the MQTT endpoint by its name. Who is refused, and why, is told here. Ctrl-C stops."
    );
}

/// The word as a POSIX shell wants it: the names of files may have spaces.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/=+,@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// An error with its causes, in one line.
fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
