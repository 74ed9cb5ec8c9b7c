//! `se050-iot provision`: registers devices with AWS IoT Core. The operator's side; the chip is not needed.

mod args;
mod config;
mod fleet;
mod intake;
mod one;
mod plan_file;
mod report;

use std::io::Write;
use std::path::PathBuf;

use clap::Subcommand;

pub(crate) use args::{DEFAULT_POLICY, PaceArgs, SettingsArgs};
pub(crate) use fleet::names;
pub(crate) use intake::{read_policy, settings};
pub(crate) use plan_file::{Writer as PlanFile, apply_all};

use crate::exit::Exit;
use crate::policy::{GRANT_OPTIONS, print_operator_policy};
use args::DeviceArgs;

const AFTER_HELP: &str = "\
Without `plan` or `apply` it plans and applies at once. Needs the device's bundle (`se050-iot identity export`) or certificate \
(`se050-iot cert export`), and the operator's AWS credentials, found as the AWS CLI finds them (environment, profile, SSO, role); \
not the chip. Safe to repeat, also after an interruption: the account is asked, and what is there as it should be is left as it is.";

/// What `se050-iot provision` is told.
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(group = clap::ArgGroup::new("input").required(true))]
pub(crate) struct ProvisionArgs {
    #[command(subcommand)]
    command: Option<ProvisionCommand>,
    /// Print the least IAM policy that the operator needs, and do nothing else
    #[arg(long, exclusive = true, group = "input")]
    print_iam_policy: bool,
    #[command(flatten)]
    apply: DeviceArgs,
}

#[derive(Subcommand)]
enum ProvisionCommand {
    /// Shows what would be made and changed; writes nothing to AWS.
    Plan(PlanArgs),
    /// Registers: what a plan has (FILE, from `plan --out`), or plans and applies at once.
    Apply(ApplyArgs),
}

#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("input").required(true))]
struct PlanArgs {
    #[command(flatten)]
    device: DeviceArgs,
    /// Also write the plan to this file, for `provision apply FILE`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Exit with 0 where nothing is to change, with 2 where something is, and with 1 on an error
    #[arg(long)]
    detailed_exitcode: bool,
}

/// What a plan from a file has been made with, besides the grants.
const SETTINGS: [&str; 16] = [
    "thing_name",
    "nxp_ca",
    "nonce",
    "require_proof",
    "proof_max_age",
    "expect",
    "policy_name",
    "policy_file",
    "replace",
    "add",
    "detach_other_policies",
    "inactive",
    "shared",
    "thing_type",
    "attribute",
    "group",
];

#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("input").required(true))]
struct ApplyArgs {
    /// A plan from `provision plan --out FILE`: exactly that is done, in the account and region that it was made for
    #[arg(value_name = "FILE", group = "input", conflicts_with_all = SETTINGS, conflicts_with_all = GRANT_OPTIONS)]
    plan: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Registers, or shows what would be done; results go to `out`, progress and warnings to standard error.
pub(crate) fn run(args: ProvisionArgs, out: &mut impl Write) -> anyhow::Result<Exit> {
    if args.print_iam_policy {
        return print_operator_policy(out).map(|()| Exit::Good);
    }
    match args.command {
        Some(ProvisionCommand::Plan(args)) => {
            let (planned, changes) = match &args.device.fleet {
                Some(list) => fleet::plan(&args.device, list, args.out.as_deref(), out)?,
                None => one::plan(&args.device, args.out.as_deref(), out)?,
            };
            let exit = if args.detailed_exitcode && changes { Exit::Changes } else { Exit::Good };
            Ok(if planned == Exit::Good { exit } else { planned })
        }
        Some(ProvisionCommand::Apply(args)) => match &args.plan {
            Some(file) => plan_file::apply(file, &args.device, out),
            None => apply(&args.device, out),
        },
        None => apply(&args.apply, out),
    }
}

fn apply(args: &DeviceArgs, out: &mut impl Write) -> anyhow::Result<Exit> {
    if args.fleet_args.journal.is_some() {
        eprintln!("note: --journal does nothing any more: a repeated run asks the account what is done");
    }
    match &args.fleet {
        Some(list) => fleet::apply(args, list, out),
        None => one::apply(args, out),
    }
}
