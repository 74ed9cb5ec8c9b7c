//! The cloud half, from the clock to CONNECT.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use aws_iot_mqtt::{Error, Reconnect, Stage, Topic};
use se050_device::{Device, DeviceSettings};

use super::checklist::{Checklist, Problem, sentence};
use super::chip::Identity;
use super::messages::{self, MESSAGES, Session};
use super::server::Recorder;
use super::{clock, network};

/// How long a connection and an answer may take.
const PATIENCE: Duration = Duration::from_secs(15);

const CONNECTION: [&str; 3] = ["tls", "device-certificate", "connect"];

/// Makes all checks of the connection. `identity` is `None` where the device has no usable key and certificate.
pub(super) fn check(
    list: &mut Checklist<'_>,
    settings: DeviceSettings,
    identity: Option<Identity>,
    topic: Option<&Topic>,
) -> anyhow::Result<()> {
    let endpoint = settings.endpoint()?.to_owned();
    let clock = clock::check(list, SystemTime::now());
    let proxied = match settings.proxy() {
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
    let builder = device
        .client_with(Arc::new(tls))
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
            Ok(client) => messages::check(list, &device, Session::new(builder, client), &topic).await,
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
