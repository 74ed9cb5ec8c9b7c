//! The cloud half: from the clock to a message there and back.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use aws_iot_mqtt::{
    Builder, Client, DisconnectReason, Error, Proxy, QoS, ReasonCode, Reconnect, Stage, Subscription, Topic,
};
use se050_device::{Device, DeviceSettings, verdict};

use super::checklist::{Checklist, Problem, sentence};
use super::chip::Identity;
use super::server::Recorder;
use super::{clock, network};

/// How long a connection and an answer may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long a message may take that was sent to ourselves.
const ROUND_TRIP: Duration = Duration::from_secs(10);
/// How long the connection is watched: another client with the same id comes back after a second or so.
const WATCHED: Duration = Duration::from_secs(3);
/// AWS IoT Core takes one CONNECT a second of a client id ("AWS IoT Core message broker and protocol limits and quotas").
const BETWEEN_CONNECTS: Duration = Duration::from_millis(1100);

const CONNECTION: [&str; 3] = ["tls", "device-certificate", "connect"];
const MESSAGES: [&str; 4] = ["subscribe", "publish", "receive", "client-id"];

/// Makes all checks of the connection. `identity` is `None` where the device has no usable key and certificate.
pub(super) fn check(
    list: &mut Checklist<'_>,
    settings: DeviceSettings,
    identity: Option<Identity>,
    topic: Option<&Topic>,
) -> anyhow::Result<()> {
    let endpoint = settings.endpoint()?.to_owned();
    let clock = clock::check(list, SystemTime::now());
    let proxied = match Proxy::from_environment(&endpoint) {
        Ok(proxy) => proxy.is_some(),
        Err(error) => {
            let next = "correct the environment variable, or leave it out: HTTPS_PROXY=http://HOST:PORT";
            list.add("proxy", Duration::ZERO, Err(Problem::new(error.report().to_string(), next)));
            skip(list, &["name", "tcp"], "the proxy's address is wrong");
            skip(list, &[&CONNECTION[..], &MESSAGES[..]].concat(), "the proxy's address is wrong");
            return Ok(());
        }
    };
    let way = if proxied {
        skip_good(list, "the proxy finds the endpoint");
        Some(())
    } else {
        list.add("proxy", Duration::ZERO, Ok("none in the environment".to_owned()));
        way_to(list, &endpoint, settings.port)
    };
    let because = match (way, clock, &identity) {
        (None, ..) => "the endpoint is not reached",
        (_, None, _) => "the clock is wrong, by which certificates are checked",
        (.., None) => "the device has no usable key and certificate",
        (Some(()), Some(()), Some(_)) => "",
    };
    let Some((key, certificate)) = identity.filter(|_| because.is_empty()) else {
        skip(list, &[&CONNECTION[..], &MESSAGES[..]].concat(), because);
        return Ok(());
    };
    let prepared = settings.roots().and_then(|roots| {
        let device = settings.device(key, certificate)?;
        let (recorder, tls) = Recorder::added_to(device.tls(), roots)?;
        Ok((device, recorder, tls))
    });
    let (device, recorder, tls) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            let [tls, later @ ..] = CONNECTION;
            let problem = Problem::new(
                sentence(error.as_ref()),
                "name a file with CA certificates in PEM: --ca-file FILE",
            );
            list.add(tls, Duration::ZERO, Err(problem));
            skip(list, &[&later[..], &MESSAGES[..]].concat(), "TLS cannot be set up");
            return Ok(());
        }
    };
    let builder = Client::builder(device.endpoint(), device.client_id(), Arc::new(tls))
        .port(device.port())
        .proxy_from_environment()
        .classify_signer_errors(verdict)
        .reconnect(Reconnect::never())
        .connect_timeout(PATIENCE)
        .connect_deadline(Duration::ZERO)
        .operation_timeout(PATIENCE)
        .drain_timeout(Duration::from_secs(2));
    let topic = topic.map_or_else(|| format!("{}/doctor", device.topic_prefix()), ToString::to_string);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    runtime.block_on(async {
        let started = Instant::now();
        let connected = builder.clone().connect().await;
        tell_connection(list, &device, &recorder, proxied, started, connected.as_ref().err());
        match connected {
            Ok(client) => messages(list, &device, Session { builder, client }, &topic).await,
            Err(_) => skip(list, &MESSAGES, "there is no connection"),
        }
    });
    Ok(())
}

/// Name and port.
fn way_to(list: &mut Checklist<'_>, endpoint: &str, port: u16) -> Option<()> {
    let Some(addresses) = list.run("name", || network::resolve(endpoint)) else {
        list.skip("tcp", "the endpoint has no address");
        return None;
    };
    let way =
        list.run(format!("tcp-{port}"), || network::connect(&addresses, port).map(|finding| ((), finding)));
    // The port that the device could use instead.
    let other = match port {
        8883 => 443,
        443 => 8883,
        _ => return way,
    };
    list.run(format!("tcp-{other}"), || match (network::connect(&addresses, other), way) {
        (Ok(finding), Some(())) => Ok(((), finding)),
        (Ok(finding), None) => Ok(((), format!("{finding}: use this port, with --port {other}"))),
        (Err(problem), Some(())) => {
            let next = format!("nothing, as long as port {port} is reached");
            Err(Problem::new(problem.cause, next).into_warning())
        }
        (Err(problem), None) => Err(problem.into_warning()),
    });
    way
}

/// How far a connection came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum FailedAt {
    Network,
    Tls,
    Certificate,
    Mqtt,
}

fn failed_at(error: &Error) -> FailedAt {
    match error {
        Error::ServerNotTrusted { .. }
        | Error::Clock { .. }
        | Error::ClockOrCertificate { .. }
        | Error::NotTls { .. }
        | Error::Tls { .. }
        | Error::ConnectTimeout { stage: Stage::Tls, .. } => FailedAt::Tls,
        Error::CertificateRefused { .. } | Error::Signer { .. } => FailedAt::Certificate,
        Error::Resolve { .. }
        | Error::Unreachable { .. }
        | Error::Proxy { .. }
        | Error::InvalidProxy { .. }
        | Error::InvalidEndpoint { .. }
        | Error::ConnectTimeout { stage: Stage::Resolve | Stage::Tcp | Stage::Proxy, .. } => {
            FailedAt::Network
        }
        _ => FailedAt::Mqtt,
    }
}

/// Tells what one attempt to connect says of TLS, certificate and CONNECT.
fn tell_connection(
    list: &mut Checklist<'_>,
    device: &Device,
    recorder: &Recorder,
    proxied: bool,
    started: Instant,
    error: Option<&Error>,
) {
    let total = started.elapsed();
    let shown = recorder.shown();
    let problem = |error: &Error, next: String| {
        // With what the refusal has to do with this device's certificate.
        let explained = device.explained(error.clone());
        Problem::new(sentence(explained.as_ref()), next)
    };
    let failed = error.map(|error| (failed_at(error), error));
    if let Some((FailedAt::Network, error)) = failed {
        let next = "check HTTPS_PROXY and the proxy's rules: it has to open tunnels to the endpoint's port (often 443 only: --port 443)";
        list.add(if proxied { "proxy" } else { "connection" }, total, Err(problem(error, next.into())));
        skip(list, &CONNECTION, "the endpoint is not reached");
        return;
    }
    if proxied {
        list.add("proxy", total, Ok("it makes connections to the endpoint".to_owned()));
    }
    let issuer = shown.as_ref().map(|shown| shown.issuer.clone());
    let until_verified = shown.map_or(total, |shown| shown.at.saturating_duration_since(started));
    let good = [
        format!("the server's certificate is signed by {}", issuer.clone().unwrap_or_default()),
        format!("accepted: {}", device.certificate().fingerprint()),
        format!("accepted as client id {}", device.client_id()),
    ];
    let steps = [FailedAt::Tls, FailedAt::Certificate, FailedAt::Mqtt];
    for ((name, step), finding) in CONNECTION.into_iter().zip(steps).zip(good) {
        let time = if step == FailedAt::Tls { until_verified } else { total };
        match failed {
            Some((at, _)) if at < step => list.skip(name, "the step before failed"),
            Some((at, error)) if at == step => {
                let mut problem = problem(error, next_of(error, device));
                if let (FailedAt::Tls, Some(issuer)) = (step, &issuer) {
                    problem.cause.push_str(&format!(" (its certificate is signed by {issuer})"));
                }
                list.add(name, total, Err(problem));
            }
            _ => list.add(name, time, Ok(finding)),
        }
    }
}

fn next_of(error: &Error, device: &Device) -> String {
    let (certificate, client_id) = (device.certificate().fingerprint(), device.client_id());
    match error {
        Error::Clock { .. } | Error::ClockOrCertificate { .. } => "check the clock: date -u".to_owned(),
        Error::ServerNotTrusted { .. } => {
            "if a firewall decrypts TLS, exempt the endpoint from it; for a server of your own, name its CA: --ca-file FILE".to_owned()
        }
        Error::CertificateRefused { .. } => format!(
            "aws iot describe-certificate --certificate-id {certificate} tells whether it is registered and ACTIVE in this account and \
             region; se050-iot provision registers it"
        ),
        Error::Signer { .. } => "se050-iot doctor --chip".to_owned(),
        Error::ClosedAfterConnect { .. } | Error::ConnectRefused { .. } => format!(
            "aws iot list-attached-policies --target CERTIFICATE_ARN; the policy has to allow iot:Connect on client/{client_id} (--client-id)"
        ),
        _ => "check --endpoint and --port, and run this again".to_owned(),
    }
}

/// A connection, made again where the server ended it over what was asked.
struct Session {
    builder: Builder,
    client: Client,
}

impl Session {
    async fn client(&mut self) -> Result<Client, Error> {
        if let Ok(Err(error)) = tokio::time::timeout(Duration::ZERO, self.client.closed()).await {
            // The other client would be put out of its connection again.
            if is_taken_over(&error) {
                return Err(error);
            }
            tokio::time::sleep(BETWEEN_CONNECTS).await;
            self.client = self.builder.clone().connect().await?;
        }
        Ok(self.client.clone())
    }
}

/// Subscribe, publish, receive on one topic of the device. Nothing of it stays at the broker: neither session nor message.
async fn messages(list: &mut Checklist<'_>, device: &Device, mut session: Session, topic: &str) {
    let [subscribe, publish, receive, client_id] = MESSAGES;
    let mut taken = None;
    let mut note = |error: &Error| {
        if is_taken_over(error) {
            taken = Some(error.clone());
        }
    };
    let started = Instant::now();
    let subscribed: Result<Subscription, Error> = match session.client().await {
        Ok(client) => client.subscribe(topic.to_owned(), QoS::AtLeastOnce).await,
        Err(error) => Err(error),
    };
    let result = subscribed.as_ref().map(|_| format!("allowed: {topic}")).map_err(|error| {
        note(error);
        refused(error, "iot:Subscribe", &format!("topicfilter/{topic}"))
    });
    list.add(subscribe, started.elapsed(), result);

    let started = Instant::now();
    let published = match session.client().await {
        Ok(client) => client.publish(topic.to_owned(), QoS::AtLeastOnce, "se050-iot doctor").await,
        Err(error) => Err(error),
    };
    let result = published.as_ref().map(|()| format!("allowed: {topic}")).map_err(|error| {
        note(error);
        refused(error, "iot:Publish", &format!("topic/{topic}"))
    });
    list.add(publish, started.elapsed(), result);

    match (subscribed, published) {
        (Ok(mut messages), Ok(())) => {
            let started = Instant::now();
            let result = match tokio::time::timeout(ROUND_TRIP, messages.next()).await {
                Ok(Some(_)) => Ok("the message came back".to_owned()),
                Ok(None) => Err(Problem::new("the subscription ended", "run this again")),
                Err(_) => Err(Problem::new(
                    format!(
                        "the message did not come back within {} s: most likely the policy does not allow iot:Receive",
                        ROUND_TRIP.as_secs()
                    ),
                    allow("iot:Receive", &format!("topic/{topic}")),
                )),
            };
            list.add(receive, started.elapsed(), result);
        }
        _ => list.skip(receive, "subscribe or publish failed"),
    }
    let started = Instant::now();
    if taken.is_none()
        && let Ok(client) = session.client().await
        && let Ok(Err(error)) = tokio::time::timeout(WATCHED, client.closed()).await
        && is_taken_over(&error)
    {
        taken = Some(error);
    }
    let id = device.client_id();
    let result = match taken {
        None => Ok(format!("nobody else connected as {id}, for {} s", WATCHED.as_secs())),
        Some(error) => Err(Problem::new(
            format!("another client connected as {id}: {}", error.report()),
            "stop the other program that uses this client id, or give this device its own: --client-id",
        )),
    };
    list.add(client_id, started.elapsed(), result);
    // The checks are done; what the server says to the end changes nothing.
    let _ = session.client.disconnect(DisconnectReason::Normal).await;
}

fn is_taken_over(error: &Error) -> bool {
    matches!(error, Error::Disconnected { reason, .. } if *reason == ReasonCode::SESSION_TAKEN_OVER)
}

fn refused(error: &Error, action: &str, resource: &str) -> Problem {
    let next = match error {
        // The last three may be refusals: AWS IoT Core may end the connection over one.
        Error::SubscribeRefused { .. }
        | Error::PublishRefused { .. }
        | Error::Unanswerable { .. }
        | Error::Disconnected { .. }
        | Error::Lost { .. } => allow(action, resource),
        _ => "run this again; if it stays, the connection or the account's limits are the likeliest reasons"
            .to_owned(),
    };
    Problem::new(error.report().to_string(), next)
}

fn allow(action: &str, resource: &str) -> String {
    format!(
        "allow {action} on {resource} in the policy of the certificate, or try a topic that is allowed: --topic TOPIC"
    )
}

fn skip(list: &mut Checklist<'_>, names: &[&'static str], because: &str) {
    for name in names {
        list.skip(*name, because);
    }
}

/// With a proxy, name and port are its business.
fn skip_good(list: &mut Checklist<'_>, because: &str) {
    for name in ["name", "tcp"] {
        list.add(name, Duration::ZERO, Ok(because.to_owned()));
    }
}
