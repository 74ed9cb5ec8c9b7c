#![doc = include_str!("../README.md")]

use std::backtrace::BacktraceStatus;
use std::fs::File;
use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[cfg(feature = "provision")]
mod account;
#[cfg(feature = "provision")]
mod aws_args;
mod cert;
mod chip;
mod claim;
mod commands;
#[cfg(feature = "completions")]
mod completions;
mod connection;
mod credentials;
mod doctor;
mod duration;
mod exit;
mod files;
mod handler;
mod identity;
mod jobs;
mod json;
mod objects;
mod outbox;
#[cfg(feature = "provision")]
mod policy;
#[cfg(feature = "provision")]
mod policy_apply;
#[cfg(feature = "provision")]
mod policy_setup;
#[cfg(feature = "provision")]
mod provision;
mod publish;
#[cfg(feature = "provision")]
mod remove;
mod round_trip;
mod serve;
mod service;
mod shadow;
mod shell;
#[cfg(feature = "provision")]
mod status;
mod subscribe;
mod terminal;
#[cfg(feature = "provision")]
mod up;

use exit::Exit;
use terminal::Escaping;

const AFTER_HELP: &str = "\
In this order:
  on the device            se050-iot identity export --serial 00C0A1 --output 00C0A1.json
  on the operator's side   se050-iot provision plan --certificate 00C0A1.json --thing-name gw-00C0A1
                           se050-iot provision --certificate 00C0A1.json --thing-name gw-00C0A1 --device-config device.toml
  on the device            se050-iot doctor --config device.toml
                           se050-iot sub --config device.toml -v
                           se050-iot pub --config device.toml -t gw-00C0A1/state -m hello
With the operator's credentials on the device itself, all of this is one command: se050-iot up --thing gw-00C0A1

Exit codes: 0 good; 1 not done, standard error says why; 2 wrong command line; 3 an identity or a policy was refused; 4 a device, or some of a
fleet, are not registered; 5 the question was not answered with yes; 27 the time is over (pub, sub); 69 no connection to the server (pub,
sub, up); 75 start this process again; 77 the server refused it (pub, sub, up); 130, 143 a signal ended it (pub, sub).";

/// From the chip to AWS IoT Core: checks the device, reads its certificate from its SE050, and registers the device.
#[derive(Parser)]
#[command(version, after_help = AFTER_HELP)]
struct Cli {
    /// Show the PKCS#11 module's own log, too; with RUST_BACKTRACE=1 also where in the program an error arose
    #[arg(long, short, global = true)]
    verbose: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Checks everything between the chip and AWS IoT Core, and says what to do about what fails.
    Doctor(Box<doctor::DoctorArgs>),
    /// Lists the factory's keys and certificates in the chip, and which of them are there.
    Objects(objects::ObjectsArgs),
    /// Reads the certificate in the chip.
    #[command(subcommand)]
    Cert(cert::CertCommand),
    /// The device's identity: certificate, and a proof signed by the chip. Needs no network.
    #[command(subcommand)]
    Identity(identity::IdentityCommand),
    /// Publishes messages with the chip's key, as mosquitto_pub does.
    Pub(Box<publish::PubArgs>),
    /// Subscribes with the chip's key and prints what comes, as mosquitto_sub does.
    Sub(Box<subscribe::SubArgs>),
    /// Shows and changes the thing's device shadow: its desired and its reported state, which AWS IoT keeps.
    #[command(subcommand)]
    Shadow(shadow::ShadowCommand),
    /// Runs the thing's jobs, one after another.
    #[command(subcommand)]
    Jobs(jobs::JobsCommand),
    /// Runs the commands that operators send to the thing, each once.
    #[command(subcommand)]
    Commands(commands::CommandsCommand),
    /// Prints temporary AWS credentials for the device, as the AWS CLI and SDKs read them (credential_process).
    Credentials(Box<credentials::CredentialsArgs>),
    /// Gets a certificate from AWS IoT for the key in the chip, with a claim certificate; or a new one before it expires.
    Claim(Box<claim::ClaimArgs>),
    /// The old name of `identity export`.
    #[command(hide = true)]
    Enroll(identity::ExportArgs),
    /// Holds the chip for applications that load p11-kit's client module, several at once.
    Serve(serve::ServeArgs),
    /// From the chip to the first message on one machine: registers this device, writes its configuration, sends one message.
    #[cfg(feature = "provision")]
    Up(Box<up::UpArgs>),
    /// Messages that a program keeps on the disk until the server has them: how many, which, and why some were set aside.
    #[command(subcommand)]
    Outbox(outbox::OutboxCommand),
    /// Registers a device, or a fleet, with AWS IoT Core: thing, policy, certificate, attachments, endpoint.
    #[cfg(feature = "provision")]
    Provision(Box<provision::ProvisionArgs>),
    /// Shows what AWS IoT Core has of a device, or of a fleet.
    #[cfg(feature = "provision")]
    Status(status::StatusArgs),
    /// Removes a device from AWS IoT Core: certificate, thing, and the policy when nothing else has it.
    #[cfg(feature = "provision")]
    #[command(alias = "deprovision")]
    Remove(remove::RemoveArgs),
    /// Makes a device's certificate ACTIVE: the device gets in.
    #[cfg(feature = "provision")]
    Activate(status::ActivationArgs),
    /// Makes a device's certificate INACTIVE: the device is kept out, and can be let in again.
    #[cfg(feature = "provision")]
    Deactivate(status::ActivationArgs),
    /// Prints and checks policies, of devices and of the operator; changes the devices' in the account.
    #[cfg(feature = "provision")]
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// Prints the completions of a shell, or writes them with the manual pages into a directory.
    #[cfg(feature = "completions")]
    Completions(completions::CompletionsArgs),
}

impl Command {
    /// For `sub`, `-v` is what it is for mosquitto_sub; there, `-d` stands for it.
    fn is_verbose(&self, verbose: bool) -> bool {
        match self {
            Self::Sub(args) => args.debug,
            _ => verbose,
        }
    }

    /// What decides on the status after an error.
    fn exit_status(&self) -> fn(&anyhow::Error) -> u8 {
        match self {
            Self::Pub(_) | Self::Sub(_) => connection::exit_status,
            #[cfg(feature = "provision")]
            Self::Up(_) => connection::exit_status,
            _ => se050_device::exit_status,
        }
    }
}

fn main() -> ExitCode {
    // NXP's module prints its log to standard output, where a certificate or JSON is wanted.
    let mut out = match se050_key::stdout::set_aside() {
        Ok(out) => Escaping(out),
        Err(error) => {
            return failed(error, "cannot use standard output");
        }
    };
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // --help and --version are an answer, which has to arrive.
        Err(answer) if !answer.use_stderr() => {
            let written = out.write_all(answer.render().to_string().as_bytes());
            return match written {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => failed(error, "cannot write to standard output"),
            };
        }
        Err(error) => error.exit(),
    };
    let verbose = cli.command.is_verbose(cli.verbose);
    let status_of = cli.command.exit_status();
    if !verbose && let Err(error) = se050_key::stdout::keep_log() {
        return failed(error, "cannot keep the PKCS#11 module's log aside");
    }
    match run(cli.command, verbose, &mut out) {
        Ok(exit) => exit.into(),
        Err(error) => {
            tell(&error, verbose);
            status_of(&error).into()
        }
    }
}

/// Tells the error once, with its causes, and with the module's log where the chip failed.
fn tell(error: &anyhow::Error, verbose: bool) {
    if error.downcast_ref::<identity::Told>().is_none() {
        terminal::say!("Error: {}{}", se050_device::chain(error), se050_device::failure_log(error));
        if verbose && error.backtrace().status() == BacktraceStatus::Captured {
            terminal::say!("\n{}", error.backtrace());
        }
    }
}

/// Without standard output, there is nothing that a command could do.
fn failed(error: impl Into<anyhow::Error>, doing: &'static str) -> ExitCode {
    tell(&error.into().context(doing), false);
    ExitCode::FAILURE
}

fn run(command: Command, verbose: bool, out: &mut Escaping<File>) -> anyhow::Result<Exit> {
    match command {
        Command::Doctor(args) => doctor::run(&args, out),
        Command::Objects(args) => objects::run(&args, out).map(|()| Exit::Good),
        Command::Cert(command) => cert::run(command, out).map(|()| Exit::Good),
        Command::Identity(command) => identity::run(command, out),
        Command::Pub(args) => publish::run(&args, verbose),
        Command::Sub(args) => subscribe::run(&args, out),
        Command::Shadow(command) => shadow::run(&command, verbose, out),
        Command::Jobs(command) => jobs::run(&command, verbose, out),
        Command::Commands(command) => commands::run(&command, verbose),
        Command::Credentials(args) => credentials::run(&args, out).map(|()| Exit::Good),
        Command::Claim(args) => claim::run(&args),
        Command::Enroll(args) => identity::export(args, out).map(|()| Exit::Good),
        Command::Outbox(command) => outbox::run(command, out).map(|()| Exit::Good),
        Command::Serve(args) => serve::run(&args, verbose, out).map(|()| Exit::Good),
        #[cfg(feature = "provision")]
        Command::Up(args) => up::run(&args, out),
        #[cfg(feature = "provision")]
        Command::Provision(args) => provision::run(*args, out),
        #[cfg(feature = "provision")]
        Command::Status(args) => status::run(args, out),
        #[cfg(feature = "provision")]
        Command::Remove(args) => remove::run(args, out),
        #[cfg(feature = "provision")]
        Command::Activate(args) => status::set(args, aws_iot_provision::Status::Active, out),
        #[cfg(feature = "provision")]
        Command::Deactivate(args) => status::set(args, aws_iot_provision::Status::Inactive, out),
        #[cfg(feature = "provision")]
        Command::Policy(command) => policy::run(command, out),
        #[cfg(feature = "completions")]
        Command::Completions(args) => {
            completions::run(&args, <Cli as clap::CommandFactory>::command(), out).map(|()| Exit::Good)
        }
    }
}
