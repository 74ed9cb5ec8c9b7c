//! `se050-iot policy apply`: a policy says something else, for all that have it.

use std::io::Write;
use std::path::PathBuf;

use aws_iot_provision::{PolicyChange, PolicyName, Purpose, Rights};
use clap::Args;
use serde_json::json;
use similar::TextDiff;

use crate::account::{Account, agreed, runtime, steps_json, warn_of};
use crate::aws_args::AwsArgs;
use crate::exit::Exit;
use crate::json;
use crate::policy::{GRANT_OPTIONS, GrantArgs};
use crate::provision::{DEFAULT_POLICY, read_policy};

/// What `se050-iot policy apply` is told.
#[derive(Args)]
pub(crate) struct PolicyApplyArgs {
    /// The policy; made if there is none of that name
    #[arg(long, value_name = "NAME", default_value = DEFAULT_POLICY)]
    policy_name: PolicyName,
    /// A policy document of your own; without it, each thing gets only its own topics
    #[arg(long, value_name = "FILE", conflicts_with_all = GRANT_OPTIONS)]
    policy_file: Option<PathBuf>,
    #[command(flatten)]
    grants: GrantArgs,
    /// Where the policy has five versions, as many as AWS keeps: delete the oldest
    #[arg(long)]
    delete_oldest_version: bool,
    /// Only show the difference
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

pub(crate) fn run(args: PolicyApplyArgs, out: &mut impl Write) -> anyhow::Result<Exit> {
    let rights = match &args.policy_file {
        Some(path) => Rights::Document(read_policy(path)?),
        None => Rights::Least(args.grants.grants()?),
    };
    let policy = args.policy_name;
    let change = PolicyChange { policy, rights, delete_oldest_version: args.delete_oldest_version };
    runtime()?.block_on(async {
        let account = Account::connect(&args.aws).await?;
        if !args.json {
            account.print(out)?;
        }
        let plan = account.provisioner.plan(Purpose::ChangePolicy(change.clone())).await?;
        let before = account.provisioner.get_policy(&change.policy).await?;
        let before = before.as_deref().map(pretty).unwrap_or_default();
        let after = pretty(change.rights.document(&plan.scope)?.as_str());
        let diff = TextDiff::from_lines(&before, &after);
        let diff = diff.unified_diff().header("in force", "wanted").to_string();
        warn_of(&plan);
        // Where standard output is one JSON object, the question and what it is about go to standard error.
        let show: &mut dyn Write = if args.json { &mut std::io::stderr() } else { out };
        write!(show, "{diff}")?;
        plan.steps.iter().try_for_each(|step| writeln!(show, "{step}"))?;
        let mut steps = plan.steps.clone();
        let apply = plan.changes_anything() && !args.dry_run;
        if apply {
            if !args.yes && !agreed("Change this policy?")? {
                return Ok(Exit::Declined);
            }
            steps = account.provisioner.apply(&plan, |_| {}).await?.steps;
        }
        if args.json {
            let (policy, steps) = (change.policy.as_str(), steps_json(&steps));
            let object = json!({"policyName": policy, "done": apply, "diff": diff, "steps": steps});
            json::print(out, &account.json(object))?;
        } else {
            let summary = match (plan.changes_anything(), apply) {
                (false, _) => "is as it should be",
                (true, true) => "is changed",
                (true, false) => "would be changed; nothing was written",
            };
            writeln!(out, "policy {} {summary}", change.policy)?;
        }
        Ok(Exit::Good)
    })
}

/// Two documents in the same dress can be compared line by line.
fn pretty(document: &str) -> String {
    match serde_json::from_str::<serde_json::Value>(document) {
        Ok(value) => format!("{value:#}\n"),
        Err(_) => format!("{document}\n"),
    }
}
