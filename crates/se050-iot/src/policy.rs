//! `se050-iot policy`: the policy that devices get, without asking AWS.

use std::io::Write;

use aws_iot_provision::{ArnScope, PolicyDocument, operator_iam_policy};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::json;
use crate::provision::GrantArgs;

#[derive(Subcommand)]
pub(crate) enum PolicyCommand {
    /// Prints the policy that `provision` gives to devices, to be read or changed.
    Generate(GenerateArgs),
    /// Changes a policy, for all that have it: shows the difference and how many they are, and asks.
    Apply(crate::policy_apply::PolicyApplyArgs),
}

#[derive(Args)]
pub(crate) struct GenerateArgs {
    #[command(flatten)]
    grants: GrantArgs,
    #[command(flatten)]
    scope: ScopeArgs,
    /// Print the policy with its size as one JSON object
    #[arg(long)]
    json: bool,
}

/// Where the policy is to count. For the operator's IAM policy, wildcards do as well.
#[derive(Args)]
pub(crate) struct ScopeArgs {
    /// The AWS account: 12 digits
    #[arg(long, value_name = "ID")]
    account: String,
    /// AWS region
    #[arg(long)]
    region: String,
    /// aws-cn in China, aws-us-gov in GovCloud
    #[arg(long, default_value = "aws")]
    partition: String,
}

pub(crate) fn run(command: PolicyCommand, out: &mut impl Write) -> anyhow::Result<Exit> {
    match command {
        PolicyCommand::Generate(args) => generate(args, out).map(|()| Exit::Good),
        PolicyCommand::Apply(args) => crate::policy_apply::run(args, out),
    }
}

fn generate(args: GenerateArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let GenerateArgs { grants, scope, json } = args;
    let scope = ArnScope::new(&scope.partition, &scope.region, &scope.account);
    let document = grants.grants()?.document(&scope);
    if !json {
        return Ok(writeln!(out, "{}", document.as_str())?);
    }
    let object = json!({
        "policyDocument": serde_json::from_str::<Value>(document.as_str())?,
        "characters": document.characters(),
        "charactersAllowed": PolicyDocument::MAX_CHARACTERS,
    });
    Ok(json::print(out, &object)?)
}

/// The operator's own IAM policy, good for every account and region until it is narrowed.
pub(crate) fn print_operator_policy(out: &mut impl Write) -> anyhow::Result<()> {
    Ok(writeln!(out, "{}", operator_iam_policy(&ArnScope::new("*", "*", "*")))?)
}
