//! `se050-iot remove`: removes devices from AWS IoT Core.

use std::io::Write;
use std::path::{Path, PathBuf};

use aws_iot_provision::fleet::{self, NameTemplate};
use aws_iot_provision::{Plan, PolicyName, Progress, Purpose, Removal, Step, ThingName};
use clap::Args;
use serde_json::json;

use crate::account::{Account, agreed, runtime, steps_json, warn_of};
use crate::aws_args::AwsArgs;
use crate::exit::Exit;
use crate::json;
use crate::provision::{DEFAULT_POLICY, PaceArgs, PlanFile, apply_all, names};
use crate::terminal::say;

/// What `se050-iot remove` is told.
#[derive(Args)]
#[command(group = clap::ArgGroup::new("which").required(true).args(["thing_name", "fleet"]).multiple(true))]
pub(crate) struct RemoveArgs {
    /// The device's name in AWS IoT; for many, the template with which they were registered, such as gw-{serial}
    #[arg(long, value_name = "NAME")]
    thing_name: Option<String>,
    /// Many devices: the directory or list with which they were registered
    #[arg(long, value_name = "PATH")]
    fleet: Option<PathBuf>,
    /// The policy that was made for it; it is removed when it is as this program makes it, and nothing else has it
    #[arg(long, value_name = "NAME", default_value = DEFAULT_POLICY)]
    policy_name: PolicyName,
    /// Keep the policy in any case
    #[arg(long)]
    keep_policy: bool,
    /// Remove also what this program did not make
    #[arg(long)]
    force: bool,
    /// Only show what would be removed
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pace: PaceArgs,
    #[command(flatten)]
    aws: AwsArgs,
}

impl RemoveArgs {
    fn policy(&self) -> Option<PolicyName> {
        (!self.keep_policy).then(|| self.policy_name.clone())
    }
}

pub(crate) fn run(args: RemoveArgs, out: &mut impl Write) -> anyhow::Result<Exit> {
    runtime()?.block_on(async {
        match (&args.fleet, &args.thing_name) {
            (Some(list), template) => many(&args, list, template.as_deref(), out).await,
            (None, Some(name)) => one(&args, name.parse()?, out).await,
            (None, None) => anyhow::bail!("say what to remove: --thing-name NAME or --fleet PATH"),
        }
    })
}

async fn one(args: &RemoveArgs, thing: ThingName, out: &mut impl Write) -> anyhow::Result<Exit> {
    let account = Account::connect(&args.aws).await?;
    let removal = Removal { thing: Some(thing.clone()), policy: args.policy(), force: args.force };
    if !args.json {
        account.print(out)?;
    }
    let plan = account.provisioner.plan(Purpose::Remove(removal)).await?;
    warn_of(&plan);
    let apply = plan.changes_anything() && !args.dry_run;
    let mut steps = plan.steps.clone();
    if apply {
        if !args.yes {
            plan.steps.iter().for_each(|step| say!("{step}"));
            if !agreed("Remove all of this?")? {
                return Ok(Exit::Declined);
            }
        }
        steps = account.provisioner.apply(&plan, |_| {}).await?.steps;
    }
    if args.json {
        let steps = steps_json(&steps);
        let object =
            json!({"thingName": thing.as_str(), "done": apply, "warnings": plan.warnings, "steps": steps});
        json::print(out, &account.json(object))?;
        return Ok(Exit::Good);
    }
    steps.iter().try_for_each(|step| writeln!(out, "{step}"))?;
    let summary = match (plan.changes_anything(), apply) {
        (false, _) => "there is nothing to remove",
        (true, true) => "removed",
        (true, false) => "nothing was changed",
    };
    writeln!(out, "thing {thing}: {summary}")?;
    Ok(Exit::Good)
}

/// The plans are kept in a file while the question is asked: what was shown is what is done.
async fn many(
    args: &RemoveArgs,
    list: &Path,
    template: Option<&str>,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let template: Option<NameTemplate> = template.map(str::parse).transpose()?;
    let names = names(list, template)?;
    let account = Account::connect_paced(&args.aws, args.pace.rate).await?;
    let kept = tempfile::tempdir()?;
    let path = kept.path().join("plan");
    let (mut file, mut bad) = (PlanFile::create(&path)?, 0);
    if !args.json {
        account.print(out)?;
    }
    let plan_one = async |(source, name): (String, anyhow::Result<ThingName>)| {
        let removal = |thing| Removal { thing: Some(thing), policy: None, force: args.force };
        let planned = match name {
            Ok(name) => account.provisioner.plan(Purpose::Remove(removal(name))).await.map_err(Into::into),
            Err(error) => Err(error),
        };
        (source, planned)
    };
    let mut count = 0;
    let concurrency = args.pace.concurrency.into();
    fleet::in_order(names, concurrency, plan_one, |(source, planned): (String, anyhow::Result<Plan>)| {
        match planned {
            Ok(plan) => {
                warn_of(&plan);
                if !args.json && !args.yes {
                    writeln!(out, "{source}")?;
                    plan.steps.iter().try_for_each(|step| writeln!(out, "{step}"))?;
                }
                if plan.changes_anything() {
                    count += 1;
                    file.add(&plan)?;
                }
            }
            Err(error) => {
                bad += 1;
                say!("{source}: {error:#}");
            }
        }
        anyhow::Ok(())
    })
    .await?;
    file.finish()?;
    if !args.json {
        writeln!(out, "{count} devices to remove, {bad} left out")?;
    }
    let left_out = if bad == 0 { Exit::Good } else { Exit::Incomplete };
    if count == 0 || args.dry_run {
        if args.json {
            json::print(out, &account.json(json!({"done": false, "devices": count, "leftOut": bad})))?;
        }
        return Ok(left_out);
    }
    if !args.yes && !agreed(&format!("Remove these {count} devices from account {}?", account.id))? {
        return Ok(Exit::Declined);
    }
    let counts = apply_all(&account, (&path, count), &args.pace, "device ", |_, _| Ok(())).await?;
    let policy = remove_policy(&account, args, counts.bad() == 0, out).await?;
    if args.json {
        let steps = steps_json(&policy);
        let object = json!({"done": true, "summary": counts.summary(), "leftOut": bad, "steps": steps});
        json::print(out, &account.json(object))?;
    } else {
        writeln!(out, "{}", counts.summary())?;
    }
    Ok(if counts.bad() == 0 { left_out } else { Exit::Incomplete })
}

/// The devices' policy goes after the last of them, where nothing else has it.
async fn remove_policy(
    account: &Account,
    args: &RemoveArgs,
    complete: bool,
    out: &mut impl Write,
) -> anyhow::Result<Vec<Step>> {
    if !complete || args.keep_policy {
        return Ok(Vec::new());
    }
    let removal = Removal { thing: None, policy: args.policy(), force: args.force };
    let mut printed = Ok(());
    let applied = account.provisioner.run(Purpose::Remove(removal), |progress| {
        if let (Progress::Done(step), false) = (progress, args.json) {
            printed = writeln!(out, "{step}");
        }
    });
    let applied = applied.await?;
    printed?;
    Ok(applied.steps)
}
