//! The operator's half: what the account says of the device.

use std::time::{Duration, Instant};

use aws_iot_provision::{
    Attachment, Authorization, CertificateId, CertificateState, ConnectionState, Decision, Error, Provisioner,
};
use se050_device::DeviceSettings;
use se050_key::Certificate;

use super::checklist::{Checklist, Problem};
use super::messages::{Text, device, operator as words, text};
use super::{DoctorArgs, chip};
use crate::account::{Account, runtime};
use crate::terminal::sentence;

const ACCOUNT: &str = "account";
const REGISTERED: &str = "registered";
const THING: &str = "thing";
const POLICIES: &str = "policies";
const LAST_CONNECTION: &str = "last-connection";

/// What names credentials, as the AWS CLI finds them. The metadata of an EC2 instance is asked only where `--operator` is given: on
/// a device, that would be a wait of seconds for an address that nobody has.
const VARIABLES: [&str; 5] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
];
/// The AWS CLI's files: the variable that names another one, and where it is in the home directory.
const FILES: [(&str, &str); 2] =
    [("AWS_CONFIG_FILE", ".aws/config"), ("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials")];

/// Whom the questions are about.
struct Subject {
    id: CertificateId,
    client_id: String,
    topic: String,
    /// Of the commands that are told.
    options: String,
}

/// Asks the account where `--operator` or `--account` says so; otherwise, where `offered`, if credentials are configured.
pub(super) fn check(
    list: &mut Checklist<'_>,
    args: &DoctorArgs,
    settings: &DeviceSettings,
    certificate: Option<&Certificate>,
    offered: bool,
) -> anyhow::Result<()> {
    let insisted = args.operator || args.aws.account.is_some();
    if !insisted && !offered {
        return Ok(());
    }
    if !insisted && !credentials_are_configured() {
        list.leave_out(ACCOUNT, text!(words::NO_CREDENTIALS));
        return Ok(());
    }
    runtime()?.block_on(async {
        let started = Instant::now();
        let account = match Account::connect(&args.aws).await {
            Ok(account) => account,
            Err(error) if insisted => {
                let cause = text!(words::ACCOUNT_UNUSABLE, error = sentence(error.as_ref()));
                list.add(
                    ACCOUNT,
                    started.elapsed(),
                    Err(Problem::new(cause, text!(words::CHECK_CREDENTIALS))),
                );
                list.skip_all(
                    &[REGISTERED, THING, POLICIES, LAST_CONNECTION],
                    &text!(words::ACCOUNT_NOT_KNOWN),
                );
                return Ok(());
            }
            Err(error) => {
                list.leave_out(ACCOUNT, text!(words::CREDENTIALS_UNUSABLE, error = sentence(error.as_ref())));
                return Ok(());
            }
        };
        list.add(
            ACCOUNT,
            started.elapsed(),
            Ok(text!(words::ACCOUNT, account = account.id, region = account.region)),
        );
        let from_file = match (certificate, &settings.certificate_file) {
            (None, Some(file)) => list.run("certificate-file", || {
                let certificate = Certificate::from_file(file).map_err(|error| chip::problem(&error))?;
                let (subject, id) = (certificate.subject().to_owned(), certificate.fingerprint());
                Ok((certificate, text!(device::CERTIFICATE, subject = subject, id = id)))
            }),
            _ => None,
        };
        let Some(certificate) = certificate.or(from_file.as_ref()) else {
            list.skip_all(
                &[REGISTERED, THING, POLICIES, LAST_CONNECTION],
                &text!(words::NO_CERTIFICATE_TO_ASK_ABOUT),
            );
            return Ok(());
        };
        let client_id = settings.client_id_of(certificate);
        let prefix = settings.topic_prefix.as_ref().unwrap_or(&client_id);
        let topic = args.topic.as_ref().map_or_else(|| format!("{prefix}/doctor"), ToString::to_string);
        let (id, options) = (certificate.fingerprint().parse()?, args.command_options());
        let subject = Subject { id, client_id, topic, options };
        registration(list, &account, &subject).await;
        last_connection(list, &account, &subject).await;
        Ok(())
    })
}

fn credentials_are_configured() -> bool {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    VARIABLES.iter().any(|name| set(name).is_some())
        || FILES.iter().any(|(variable, file)| match set(variable) {
            Some(path) => std::path::Path::new(&path).exists(),
            None => std::env::home_dir().is_some_and(|home| home.join(file).exists()),
        })
}

async fn registration(list: &mut Checklist<'_>, account: &Account, subject: &Subject) {
    let started = Instant::now();
    let id = &subject.id;
    let (state, groups) = match access(&account.provisioner, id).await {
        Ok(Some(found)) => found,
        Ok(None) => {
            // Only to tell which account was meant.
            let endpoint = account.provisioner.endpoint().await.unwrap_or_else(|_| "?".to_owned());
            let cause = text!(
                words::NOT_REGISTERED,
                id = id,
                account = account.id,
                region = account.region,
                endpoint = endpoint
            );
            list.add(REGISTERED, started.elapsed(), Err(Problem::new(cause, text!(words::REGISTER))));
            list.skip_all(&[THING, POLICIES], &text!(words::NOT_REGISTERED_HERE));
            return;
        }
        Err(error) => {
            list.add(REGISTERED, started.elapsed(), Err(failed_call(&error)));
            list.skip_all(&[THING, POLICIES], &text!(device::STEP_BEFORE_FAILED));
            return;
        }
    };
    list.add(REGISTERED, started.elapsed(), status(&state, &subject.options));
    let arn = match account.provisioner.scope().await {
        Ok(scope) => scope.arn(&format!("cert/{id}")),
        Err(_) => id.to_string(),
    };
    list.add(THING, Duration::ZERO, thing(subject, &arn, &state));
    let policies = policies(&arn, &state, &groups, &subject.options);
    let has_policies = policies.is_ok();
    list.add(POLICIES, Duration::ZERO, policies);
    if has_policies {
        authorizations(list, account, subject).await;
    }
}

/// The certificate, and the groups of its things with their policies.
type Access = (CertificateState, Vec<(String, Vec<String>)>);

async fn access(provisioner: &Provisioner, id: &CertificateId) -> Result<Option<Access>, Error> {
    let Some(state) = provisioner.certificate(id).await? else { return Ok(None) };
    let mut groups = Vec::new();
    // A name that AWS gave is a name.
    for thing in state.things.iter().filter_map(|(name, _)| name.parse().ok()) {
        groups.extend(provisioner.groups_of(&thing).await?);
    }
    Ok(Some((state, groups)))
}

fn status(state: &CertificateState, options: &str) -> Result<Text, Problem> {
    let id = &state.id;
    match state.status.as_str() {
        "ACTIVE" => Ok(text!(words::REGISTERED, id = id)),
        "INACTIVE" => Err(Problem::new(
            text!(words::INACTIVE, id = id),
            text!(words::ACTIVATE, id = id, options = options),
        )),
        status => Err(Problem::new(
            text!(words::OTHER_STATUS, id = id, status = status),
            text!(words::REPLACE_CERTIFICATE),
        )),
    }
}

fn thing(subject: &Subject, arn: &str, state: &CertificateState) -> Result<Text, Problem> {
    let Subject { client_id, options, .. } = subject;
    let names: Vec<&str> = state.things.iter().map(|(name, _)| name.as_str()).collect();
    let exclusive = state.things.iter().any(|(_, how)| *how == Some(Attachment::Exclusive));
    let things = names.join(", ");
    if names.is_empty() {
        let next = text!(words::ATTACH_THING, client_id = client_id, arn = arn, options = options);
        return Err(Problem::new(text!(words::ON_NO_THING), next));
    }
    // AWS IoT Core developer guide, "Thing policy variables": exclusively attached, the client id does not matter.
    if exclusive || names.contains(&client_id.as_str()) {
        return Ok(text!(words::ON_THING, things = things));
    }
    let cause = text!(words::OTHER_THING, things = things, client_id = client_id);
    Err(Problem::new(cause, text!(words::USE_THING_NAME)).into_warning())
}

fn policies(
    arn: &str,
    state: &CertificateState,
    groups: &[(String, Vec<String>)],
    options: &str,
) -> Result<Text, Problem> {
    let by_group = groups.iter().filter(|(_, policies)| !policies.is_empty());
    let by_group = by_group.map(|(group, policies)| format!("{} (thing group {group})", policies.join(", ")));
    let all: Vec<String> = state.policies.iter().cloned().chain(by_group).collect();
    if all.is_empty() {
        let next = text!(words::ATTACH_POLICY, arn = arn, options = options);
        return Err(Problem::new(text!(words::NO_POLICY), next));
    }
    Ok(text!(words::POLICIES, policies = all.join(", ")))
}

/// Decided by AWS itself, with all policies, variables and conditions. Where the call is missing, that is a warning.
async fn authorizations(list: &mut Checklist<'_>, account: &Account, subject: &Subject) {
    let Subject { id, client_id, topic, .. } = subject;
    let started = Instant::now();
    let decided = match account.provisioner.authorizations(id, client_id, topic).await {
        Ok(decided) => decided,
        Err(error) => {
            list.add("authorized", started.elapsed(), Err(failed_call(&error).into_warning()));
            return;
        }
    };
    for Authorization { action: name, resource, decision, .. } in decided {
        let check = match name {
            "iot:Connect" => "authorized-connect",
            "iot:Subscribe" => "authorized-subscribe",
            "iot:Publish" => "authorized-publish",
            _ => "authorized-receive",
        };
        let result = match decision {
            Decision::Allowed => Ok(text!(words::AUTHORIZED, action = name, resource = resource)),
            Decision::Denied => Err(Problem::new(
                text!(words::DENIED, action = name, resource = resource),
                text!(words::REMOVE_DENIAL, action = name, resource = resource),
            )),
            _ => Err(Problem::new(
                text!(words::NOT_AUTHORIZED, action = name, resource = resource),
                text!(words::ALLOW, action = name, resource = resource),
            )),
        };
        list.add(check, started.elapsed(), result);
    }
}

/// Before this run connects as the device itself.
async fn last_connection(list: &mut Checklist<'_>, account: &Account, subject: &Subject) {
    let client_id = &subject.client_id;
    let started = Instant::now();
    let result = match account.provisioner.connection(client_id).await {
        Ok(ConnectionState::Connected) => Ok(text!(words::CONNECTED_NOW, client_id = client_id)),
        Ok(ConnectionState::Disconnected { reason }) => disconnected(client_id, reason.as_deref()),
        Ok(_) => Ok(text!(words::CONNECTION_UNKNOWN, client_id = client_id)),
        Err(error) => Err(failed_call(&error).into_warning()),
    };
    list.add(LAST_CONNECTION, started.elapsed(), result);
}

/// The reasons are those of the lifecycle events (AWS IoT Core developer guide, "Lifecycle events").
fn disconnected(client_id: &str, reason: Option<&str>) -> Result<Text, Problem> {
    let finding = Text::new(&words::DISCONNECTED).with("client_id", client_id);
    let Some(reason) = reason else { return Ok(finding.with_text("reason", text!(words::REASON_UNKNOWN))) };
    let finding = finding.with("reason", reason);
    let next = match reason {
        "DUPLICATE_CLIENTID" => text!(words::REASON_DUPLICATE),
        "AUTH_ERROR" | "FORBIDDEN_ACCESS" => text!(words::REASON_FORBIDDEN),
        "CONNECTION_LOST" | "MQTT_KEEP_ALIVE_TIMEOUT" => text!(words::REASON_LINE),
        "THROTTLED" => text!(words::REASON_THROTTLED),
        "CLIENT_ERROR" => text!(words::REASON_CLIENT),
        _ => return Ok(finding),
    };
    Err(Problem::new(finding, next).into_warning())
}

fn failed_call(error: &Error) -> Problem {
    Problem::new(text!(words::CALL_FAILED, error = sentence(error)), text!(words::GRANT_OPERATOR))
}
