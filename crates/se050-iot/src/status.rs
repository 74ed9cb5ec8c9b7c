//! `se050-iot status`, `activate` and `deactivate`: what AWS has of a device, and whether it is let in.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use aws_iot_provision::fleet::{self, NameTemplate};
use aws_iot_provision::{
    Attachment, CertificateId, CertificateState, Purpose, Status, StatusChange, ThingName, ThingState,
};
use clap::Args;
use serde_json::{Value, json};

use crate::account::{Account, DeviceList, runtime, steps_json};
use crate::aws_args::AwsArgs;
use crate::exit::Exit;
use crate::json;
use crate::provision::{PaceArgs, names};
use crate::terminal::say;

/// What `se050-iot status` is told.
#[derive(Args)]
#[command(group = clap::ArgGroup::new("which").required(true).args(["thing_name", "fleet"]).multiple(true))]
pub(crate) struct StatusArgs {
    /// The device's name in AWS IoT; for many, the template with which they were registered, such as gw-{serial}
    #[arg(long, value_name = "NAME")]
    thing_name: Option<String>,
    /// Many devices: the directory or list with which they were registered
    #[arg(long, value_name = "PATH")]
    fleet: Option<PathBuf>,
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pace: PaceArgs,
    #[command(flatten)]
    aws: AwsArgs,
}

/// What `se050-iot activate` and `deactivate` are told.
#[derive(Args)]
#[command(group = clap::ArgGroup::new("which").required(true).args(["thing_name", "certificate_id"]).multiple(true))]
pub(crate) struct ActivationArgs {
    /// The device's name in AWS IoT
    #[arg(long, value_name = "NAME")]
    thing_name: Option<ThingName>,
    /// The certificate, where the thing has several or none is meant
    #[arg(long, value_name = "ID")]
    certificate_id: Option<CertificateId>,
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    aws: AwsArgs,
}

pub(crate) fn run(args: StatusArgs, out: &mut impl Write) -> anyhow::Result<Exit> {
    runtime()?.block_on(async {
        match (&args.fleet, &args.thing_name) {
            (Some(list), template) => many(&args, list, template.as_deref(), out).await,
            (None, Some(name)) => one(&args, &name.parse()?, out).await,
            (None, None) => anyhow::bail!("say which device: --thing-name NAME or --fleet PATH"),
        }
    })
}

async fn one(args: &StatusArgs, name: &ThingName, out: &mut impl Write) -> anyhow::Result<Exit> {
    let account = Account::connect(&args.aws).await?;
    let state = account.provisioner.status(name).await?;
    let endpoint = account.provisioner.endpoint().await?;
    if args.json {
        let mut object = state_json(name, state.as_ref());
        if let Some(members) = object.as_object_mut() {
            members.insert("endpoint".to_owned(), json!(endpoint));
        }
        json::print(out, &account.json(object))?;
    } else {
        account.print(out)?;
        match &state {
            Some(state) => print(out, state)?,
            None => writeln!(out, "thing        {name}: not registered")?,
        }
        writeln!(out, "endpoint     {endpoint}")?;
    }
    Ok(exit_of(state.as_ref()))
}

fn print(out: &mut impl Write, state: &ThingState) -> std::io::Result<()> {
    let ThingState { name, thing_type, attributes, groups, certificates, .. } = state;
    let of_type = thing_type.as_ref().map(|of_type| format!(", type {of_type}")).unwrap_or_default();
    writeln!(out, "thing        {name}{of_type}")?;
    for (name, value) in attributes {
        writeln!(out, "attribute    {name} = {value}")?;
    }
    for (group, policies) in groups {
        writeln!(out, "group        {}", group_in_words(group, policies))?;
    }
    for certificate in certificates {
        writeln!(out, "certificate  {}", in_words(name, certificate))?;
    }
    if certificates.is_empty() {
        writeln!(out, "certificate  none")?;
    }
    Ok(())
}

fn group_in_words(group: &str, policies: &[String]) -> String {
    if policies.is_empty() { group.to_owned() } else { format!("{group}, policy {}", policies.join(", ")) }
}

fn in_words(thing: &ThingName, certificate: &CertificateState) -> String {
    let CertificateState { id, status, policies, .. } = certificate;
    let how = match certificate.attachment_to(thing) {
        Some(Attachment::Exclusive) => ", exclusive",
        Some(Attachment::Shared) => ", shared",
        _ => "",
    };
    let policies =
        if policies.is_empty() { "no policy".to_owned() } else { format!("policy {}", policies.join(", ")) };
    format!("{id}, {status}{how}, {policies}")
}

fn state_json(name: &ThingName, state: Option<&ThingState>) -> Value {
    let Some(state) = state else {
        return json!({"thingName": name.as_str(), "registered": false, "letsIn": false});
    };
    let certificate = |each: &CertificateState| {
        let how = each.attachment_to(name);
        json!({"certificateId": each.id, "status": each.status, "attachment": how, "policies": each.policies})
    };
    let groups: Vec<&str> = state.groups.iter().map(|(group, _)| group.as_str()).collect();
    let with_policies = state.groups.iter().filter(|(_, policies)| !policies.is_empty()).cloned();
    json!({
        "thingName": name.as_str(),
        "thingType": state.thing_type,
        "attributes": state.attributes,
        "groups": groups,
        "groupPolicies": with_policies.collect::<BTreeMap<_, _>>(),
        "certificates": state.certificates.iter().map(certificate).collect::<Vec<_>>(),
        "registered": true,
        "letsIn": state.lets_in(),
    })
}

fn exit_of(state: Option<&ThingState>) -> Exit {
    if state.is_some_and(ThingState::lets_in) { Exit::Good } else { Exit::Incomplete }
}

async fn many(
    args: &StatusArgs,
    list: &Path,
    template: Option<&str>,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let template: Option<NameTemplate> = template.map(str::parse).transpose()?;
    let names = names(list, template)?;
    let account = Account::connect_paced(&args.aws, args.pace.rate).await?;
    let mut list = DeviceList::begin(&account, args.json, out)?;
    let ask = async |(source, name): (String, anyhow::Result<ThingName>)| {
        let state = match name {
            Ok(name) => {
                let state = account.provisioner.status(&name).await;
                state.map(|state| (name, state)).map_err(anyhow::Error::from)
            }
            Err(error) => Err(error),
        };
        (source, state)
    };
    let (mut total, mut good) = (0, 0);
    fleet::in_order(names, args.pace.concurrency.into(), ask, |(source, state)| {
        total += 1;
        good += usize::from(state.as_ref().is_ok_and(|(_, state)| exit_of(state.as_ref()) == Exit::Good));
        if args.json {
            let object = || match &state {
                Ok((name, state)) => state_json(name, state.as_ref()),
                Err(error) => json!({"source": source, "error": format!("{error:#}")}),
            };
            return anyhow::Ok(list.add(object, out)?);
        }
        match state {
            Err(error) => say!("{source}: {error:#}"),
            Ok((name, None)) => writeln!(out, "{name}: not registered")?,
            Ok((name, Some(state))) => {
                let certificates = state.certificates.iter();
                let mut told: Vec<String> = certificates.map(|each| in_words(&name, each)).collect();
                if told.is_empty() {
                    told.push("no certificate".to_owned());
                }
                let groups = state.groups.iter().filter(|(_, policies)| !policies.is_empty());
                told.extend(
                    groups.map(|(group, policies)| format!("group {}", group_in_words(group, policies))),
                );
                writeln!(out, "{name}: {}", told.join("; "))?;
            }
        }
        Ok(())
    })
    .await?;
    let line = format!("{total} devices: {good} can connect, {} cannot", total - good);
    list.end(&[("complete", json!(good == total))], &line, out)?;
    Ok(if good == total { Exit::Good } else { Exit::Incomplete })
}

pub(crate) fn set(args: ActivationArgs, status: Status, out: &mut impl Write) -> anyhow::Result<Exit> {
    runtime()?.block_on(async {
        let account = Account::connect(&args.aws).await?;
        let purpose = StatusChange { thing: args.thing_name, certificate: args.certificate_id, status };
        let applied = account.provisioner.run(Purpose::ChangeStatus(purpose), |_| {}).await?;
        if args.json {
            let object = json!({"status": status.as_str(), "steps": steps_json(&applied.steps)});
            json::print(out, &account.json(object))?;
        } else {
            account.print(out)?;
            applied.steps.iter().try_for_each(|step| writeln!(out, "{step}"))?;
        }
        Ok(Exit::Good)
    })
}
