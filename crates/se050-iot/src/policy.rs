//! `se050-iot policy`: the policies of devices and operators, without asking AWS.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Context as _;
use aws_iot_provision::{
    ArnScope, Grants, InputError, PolicyDocument, PolicyName, RoleAlias, TemplateName, operator_iam_policy,
};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::aws_args::words;
use crate::exit::Exit;
use crate::provision::DEFAULT_POLICY;
use crate::{json, policy_setup};

/// The provisioning template's name where none is given: the one of the devices' policy.
const DEFAULT_TEMPLATE: &str = DEFAULT_POLICY;

#[derive(Subcommand)]
pub(crate) enum PolicyCommand {
    /// Prints the policy that `provision` gives to devices, to be read or changed.
    #[command(alias = "generate")]
    Device(DeviceArgs),
    /// Prints the policy of a claim certificate: fleet provisioning with one template, and nothing else.
    Claim(ClaimArgs),
    /// Prints the least IAM policy that the operator needs.
    Operator(OperatorArgs),
    /// Checks a policy document for devices: what AWS refuses, and what it takes although it does not do what it seems to.
    Lint(LintArgs),
    /// Changes a policy, for all that have it: shows the difference and how many they are, and asks.
    Apply(crate::policy_apply::PolicyApplyArgs),
}

#[derive(Args)]
pub(crate) struct DeviceArgs {
    #[command(flatten)]
    grants: GrantArgs,
    /// The AWS account: 12 digits
    #[arg(long, value_name = "ID")]
    account: String,
    /// AWS region
    #[arg(long)]
    region: String,
    /// The name under which devices get the policy, for the commands that set up fleet provisioning
    #[arg(long, value_name = "NAME", default_value = DEFAULT_POLICY)]
    policy_name: PolicyName,
    /// Profile in ~/.aws/config, for those commands
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// It follows from the region; another one is refused
    #[arg(long, hide = true)]
    partition: Option<String>,
    /// Print the policy with its size as one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct ClaimArgs {
    /// The provisioning template
    #[arg(long, value_name = "NAME", default_value = DEFAULT_TEMPLATE)]
    template: TemplateName,
    /// The AWS account: 12 digits
    #[arg(long, value_name = "ID")]
    account: String,
    /// AWS region
    #[arg(long)]
    region: String,
}

#[derive(Args)]
pub(crate) struct OperatorArgs {
    /// The AWS account: 12 digits; without it and --region, the policy is good for each of them
    #[arg(long, value_name = "ID", requires = "region")]
    account: Option<String>,
    /// AWS region
    #[arg(long, requires = "account")]
    region: Option<String>,
}

#[derive(Args)]
pub(crate) struct LintArgs {
    /// The policy document (JSON)
    file: PathBuf,
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
}

/// The options of [`GrantArgs`], for what conflicts with each of them.
pub(crate) const GRANT_OPTIONS: [&str; 6] =
    ["shadow", "jobs", "commands", "provisioning", "credentials", "topic_prefix"];

/// What devices may do beyond connecting.
#[derive(Args)]
pub(crate) struct GrantArgs {
    /// Also allow the thing's own shadows
    #[arg(long)]
    shadow: bool,
    /// Also allow the thing's own jobs
    #[arg(long)]
    jobs: bool,
    /// Also allow the commands that are sent to the thing
    #[arg(long)]
    commands: bool,
    /// Also allow fleet provisioning with this template, so that the device can renew its certificate
    #[arg(long, value_name = "TEMPLATE", num_args = 0..=1, default_missing_value = DEFAULT_TEMPLATE)]
    provisioning: Option<TemplateName>,
    /// Also allow temporary AWS credentials for the role of this alias
    #[arg(long, value_name = "ROLE_ALIAS")]
    credentials: Option<RoleAlias>,
    /// What the device's own topics begin with; {thing} stands for its name
    #[arg(long, value_name = "PREFIX", default_value = "{thing}")]
    topic_prefix: String,
}

impl GrantArgs {
    pub(crate) fn grants(&self) -> Result<Grants, InputError> {
        let mut grants = Grants::default().with_topic_prefix(&self.topic_prefix)?;
        (grants.shadow, grants.jobs, grants.commands) = (self.shadow, self.jobs, self.commands);
        grants.provisioning.clone_from(&self.provisioning);
        grants.credentials.clone_from(&self.credentials);
        Ok(grants)
    }
}

pub(crate) fn run(command: PolicyCommand, out: &mut impl Write) -> anyhow::Result<Exit> {
    match command {
        PolicyCommand::Device(args) => device(&args, out)?,
        PolicyCommand::Claim(args) => claim(&args, out)?,
        PolicyCommand::Operator(args) => operator(&args, out)?,
        PolicyCommand::Lint(args) => return lint(&args, out),
        PolicyCommand::Apply(args) => return crate::policy_apply::run(args, out),
    }
    Ok(Exit::Good)
}

fn device(args: &DeviceArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let scope = ArnScope::for_account(&args.region, &args.account)?;
    if let Some(partition) = args.partition.as_deref().filter(|partition| *partition != scope.partition()) {
        anyhow::bail!(
            "the region {} is in the partition {}, not in {partition}; leave --partition out",
            args.region,
            scope.partition()
        );
    }
    let grants = args.grants.grants()?;
    let document = grants.document(&scope)?;
    let options = words(&[("profile", args.profile.as_deref())]);
    let commands = policy_setup::commands(&scope, &grants, &args.policy_name, &options);
    if !args.json {
        writeln!(out, "{}", document.as_str())?;
        policy_setup::tell(&commands);
        return Ok(());
    }
    let object = json!({
        "policyDocument": serde_json::from_str::<Value>(document.as_str())?,
        "characters": document.characters(),
        "charactersAllowed": PolicyDocument::MAX_CHARACTERS,
        "accountCommands": commands,
    });
    Ok(json::print(out, &object)?)
}

fn claim(args: &ClaimArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let scope = ArnScope::for_account(&args.region, &args.account)?;
    Ok(writeln!(out, "{}", Grants::claim_document(&args.template, &scope)?.as_str())?)
}

fn operator(args: &OperatorArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let scope = match (&args.region, &args.account) {
        (Some(region), Some(account)) => ArnScope::for_account(region, account)?,
        _ => ArnScope::everywhere(),
    };
    Ok(writeln!(out, "{}", operator_iam_policy(&scope))?)
}

fn lint(args: &LintArgs, out: &mut impl Write) -> anyhow::Result<Exit> {
    let file = args.file.display();
    let text =
        fs::read_to_string(&args.file).with_context(|| format!("cannot read the policy from {file}"))?;
    let document =
        PolicyDocument::from_json(&text).with_context(|| format!("AWS would refuse the policy in {file}"))?;
    let findings = document.findings();
    if args.json {
        let characters = document.characters();
        json::print(
            out,
            &json!({"good": findings.is_empty(), "characters": characters, "findings": findings}),
        )?;
    } else {
        for finding in &findings {
            writeln!(out, "{file}: {finding}")?;
        }
        if findings.is_empty() {
            writeln!(out, "{file}: nothing found")?;
        }
    }
    Ok(if findings.is_empty() { Exit::Good } else { Exit::Refused })
}

/// The operator's own IAM policy, good for every account and region until it is narrowed.
pub(crate) fn print_operator_policy(out: &mut impl Write) -> anyhow::Result<()> {
    operator(&OperatorArgs { account: None, region: None }, out)
}
