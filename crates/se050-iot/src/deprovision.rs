//! `se050-iot deprovision`: takes a registration back.

use std::io::{self, BufRead as _, IsTerminal as _, Write};

use anyhow::Context as _;
use aws_iot_provision::{Change, PolicyName, Provisioner, Removal, ThingName, aws_client_config};
use clap::Args;
use serde_json::json;

use crate::aws_args::AwsArgs;
use crate::exit::Exit;
use crate::json;
use crate::provision::{DEFAULT_POLICY, change_json, runtime};

/// What `se050-iot deprovision` is told.
#[derive(Args)]
pub(crate) struct DeprovisionArgs {
    /// The device's name in AWS IoT
    #[arg(long, value_name = "NAME")]
    thing_name: ThingName,
    /// The policy that was made for it; it goes when it is as this program makes it, and nothing else has it
    #[arg(long, value_name = "NAME", default_value = DEFAULT_POLICY)]
    policy_name: PolicyName,
    /// Leave the policy in any case
    #[arg(long)]
    keep_policy: bool,
    /// Take away also what this program did not make
    #[arg(long)]
    force: bool,
    /// Only show what would be taken away
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    aws: AwsArgs,
}

pub(crate) fn run(args: DeprovisionArgs, out: &mut impl Write) -> anyhow::Result<Exit> {
    let runtime = runtime()?;
    let config = runtime.block_on(aws_client_config(&args.aws.options()))?;
    let provisioner = Provisioner::new(&config)?;
    let removal = Removal {
        thing: args.thing_name.clone(),
        policy: args.policy_name,
        keep_policy: args.keep_policy,
        force: args.force,
    };
    let plan = runtime.block_on(provisioner.plan_removal(removal))?;
    let changes = plan.changes();
    if changes.is_empty() || args.dry_run {
        report(out, &args.thing_name, &changes, args.json, false)?;
        return Ok(Exit::Good);
    }
    if !args.yes && !agreed(&changes)? {
        eprintln!("nothing was changed; --yes takes it away without asking");
        return Ok(Exit::Declined);
    }
    let mut done = Vec::new();
    runtime.block_on(provisioner.remove(&plan, |change| done.push(change.clone())))?;
    report(out, &args.thing_name, &done, args.json, true)?;
    Ok(Exit::Good)
}

/// Asks on standard error; anything but yes is no, and so is nobody there.
fn agreed(changes: &[Change]) -> anyhow::Result<bool> {
    for change in changes {
        eprintln!("{change}");
    }
    if !io::stdin().is_terminal() {
        return Ok(false);
    }
    eprint!("Take this away? [y/N] ");
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).context("cannot read the answer")?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

fn report(
    out: &mut impl Write,
    thing: &ThingName,
    changes: &[Change],
    as_json: bool,
    done: bool,
) -> anyhow::Result<()> {
    if as_json {
        let steps: Vec<_> = changes.iter().map(change_json).collect();
        return Ok(json::print(out, &json!({"thingName": thing.as_str(), "done": done, "steps": steps}))?);
    }
    for change in changes {
        writeln!(out, "{change}")?;
    }
    let summary = match (changes.is_empty(), done) {
        (true, _) => "nothing of it is there",
        (false, true) => "taken back",
        (false, false) => "nothing was changed",
    };
    Ok(writeln!(out, "thing {thing}: {summary}")?)
}
