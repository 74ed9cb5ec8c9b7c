//! `se050-iot provision`: registers devices with AWS IoT Core. The operator's side; the chip is not needed.

mod args;
mod bulk;
mod config;
mod fleet;
mod intake;
mod one;
mod progress;
mod report;

use std::io::Write;

use anyhow::Context as _;
use clap::Subcommand;

pub(crate) use args::DEFAULT_POLICY;
pub(crate) use report::change_json;

use crate::exit::Exit;
use crate::policy::print_operator_policy;
use args::DeviceArgs;

const AFTER_HELP: &str = "\
Without `plan` or `apply` it is `apply`. Needs the device's bundle (`se050-iot identity export`) or certificate (`se050-iot cert \
export`), and the operator's AWS credentials, found as the AWS CLI finds them (environment, profile, SSO, role); not the \
chip. Safe to repeat: what is there as it should be is left as it is.";

/// What `se050-iot provision` is told.
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct ProvisionArgs {
    #[command(subcommand)]
    command: Option<ProvisionCommand>,
    /// Print the least IAM policy that the operator needs, and do nothing else
    #[arg(long, exclusive = true)]
    print_iam_policy: bool,
    #[command(flatten)]
    apply: DeviceArgs,
}

#[derive(Subcommand)]
enum ProvisionCommand {
    /// Shows what would be made and changed; writes nothing.
    Plan(DeviceArgs),
    /// Registers.
    Apply(DeviceArgs),
}

/// Registers, or shows what would be done; results go to `out`, progress and warnings to standard error.
pub(crate) fn run(args: ProvisionArgs, out: &mut impl Write) -> anyhow::Result<Exit> {
    if args.print_iam_policy {
        return print_operator_policy(out).map(|()| Exit::Good);
    }
    let (args, apply) = match args.command {
        Some(ProvisionCommand::Plan(args)) => (args, false),
        Some(ProvisionCommand::Apply(args)) => (args, true),
        None => (args.apply, true),
    };
    match &args.fleet {
        Some(list) => fleet::run(&args, list, apply, out),
        None => one::run(&args, apply, out),
    }
}

/// Single-threaded: the time goes into waiting for answers.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the I/O runtime")
}
