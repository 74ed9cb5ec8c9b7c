//! The cloud half, from the clock to CONNECT.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use aws_iot_mqtt::{Error, Stage, Topic};
use se050_device::{Device, DeviceSettings};

use super::checklist::{Checklist, Problem};
use super::chip::Identity;
use super::messages::{Text, device as words, text};
use super::server::Recorder;
use super::topics::{self, MESSAGES, Session};
use super::{clock, network, server_time};
use crate::round_trip;
use crate::terminal::sentence;

/// AWS IoT Core's ports ("Device communication protocols" in its developer guide).
const MQTT_PORT: u16 = 8883;
const HTTPS_PORT: u16 = 443;

const SERVER_TIME: &str = "server-time";
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
    let proxied = match settings.proxy_to(&endpoint) {
        Ok(proxy) => proxy.is_some(),
        Err(error) => {
            let cause = text!(words::PROXY_WRONG, error = error.report());
            list.add("proxy", Duration::ZERO, Err(Problem::new(cause, text!(words::CORRECT_PROXY))));
            let later = [&["name", "tcp"][..], &CONNECTION[..], &MESSAGES[..]].concat();
            list.skip_all(&later, &text!(words::PROXY_ADDRESS_WRONG));
            return Ok(());
        }
    };
    let way = if proxied {
        // With a proxy, name and port are its business.
        for name in ["name", "tcp"] {
            list.add(name, Duration::ZERO, Ok(text!(words::PROXY_FINDS)));
        }
        list.leave_out(SERVER_TIME, text!(words::PROXY_IN_BETWEEN));
        Some(())
    } else {
        list.add("proxy", Duration::ZERO, Ok(text!(words::PROXY_NONE)));
        way_to(list, &settings, &endpoint)
    };
    let (key, certificate) = match (way, clock, identity) {
        (Some(()), Some(()), Some(identity)) => identity,
        (way, clock, _) => {
            let because = match (way, clock) {
                (None, _) => text!(words::NOT_REACHED),
                (_, None) => text!(words::CLOCK_IS_WRONG),
                _ => text!(words::NO_IDENTITY),
            };
            list.skip_all(&[&CONNECTION[..], &MESSAGES[..]].concat(), &because);
            return Ok(());
        }
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
            let cause = text!(words::TLS_UNUSABLE, error = sentence(error.as_ref()));
            list.add(tls, Duration::ZERO, Err(Problem::new(cause, text!(words::NAME_CA_FILE))));
            list.skip_all(&[&later[..], &MESSAGES[..]].concat(), &text!(words::NO_TLS));
            return Ok(());
        }
    };
    let builder = round_trip::one_attempt(device.client_with(Arc::new(tls)));
    let topic = topic.map_or_else(|| format!("{}/doctor", device.topic_prefix()), ToString::to_string);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    runtime.block_on(async {
        let started = Instant::now();
        let connected = builder.clone().connect().await;
        tell_connection(list, &device, &recorder, proxied, started, connected.as_ref().err());
        match connected {
            Ok(client) => topics::check(list, &device, Session::new(builder, client), &topic).await,
            Err(_) => list.skip_all(&MESSAGES, &text!(words::NO_CONNECTION)),
        }
    });
    Ok(())
}

/// Name and port; and the server's own time, where it tells it.
fn way_to(list: &mut Checklist<'_>, settings: &DeviceSettings, endpoint: &str) -> Option<()> {
    let Some(addresses) = list.run("name", || network::resolve(endpoint)) else {
        list.skip("tcp", text!(words::ENDPOINT_HAS_NO_ADDRESS));
        return None;
    };
    let (way, https) = ports(list, &addresses, settings.port);
    let started = Instant::now();
    // Connecting again would wait again for what drops packets.
    let told = match https {
        Some(address) => settings
            .roots()
            .map_err(|error| sentence(error.as_ref()))
            .and_then(|roots| server_time::ask(endpoint, address, roots))
            .map_err(|reason| text!(words::SERVER_TELLS_NO_TIME, port = address.port(), reason = reason)),
        None => Err(text!(words::NO_CONNECTION)),
    };
    match told {
        Ok(server) => list.add(SERVER_TIME, started.elapsed(), clock::compare(server, SystemTime::now())),
        Err(reason) => list.leave_out(SERVER_TIME, reason),
    }
    way
}

/// Whether the configured port takes a connection, and where HTTPS does: AWS has it on 443, a server of the user's own may have all
/// on one port.
fn ports(list: &mut Checklist<'_>, addresses: &[IpAddr], port: u16) -> (Option<()>, Option<SocketAddr>) {
    let way = list.run(format!("tcp-{port}"), || network::connect(addresses, port));
    // The port that the device could use instead.
    let other = match port {
        MQTT_PORT => HTTPS_PORT,
        HTTPS_PORT => MQTT_PORT,
        _ => return (way.map(|_| ()), way.map(|address| SocketAddr::new(address, port))),
    };
    let instead = list.run(format!("tcp-{other}"), || match (network::connect(addresses, other), way) {
        (Ok(found), Some(_)) => Ok(found),
        (Ok((address, finding)), None) => {
            Ok((address, text!(words::USE_OTHER_PORT, port = other).with_text("finding", finding)))
        }
        (Err(problem), Some(_)) => {
            let next = text!(words::OTHER_PORT_NOT_NEEDED, port = port);
            Err(Problem::new(problem.cause, next).into_warning())
        }
        (Err(problem), None) => Err(problem.into_warning()),
    });
    let https = if other == HTTPS_PORT { instead } else { way };
    (way.map(|_| ()), https.map(|address| SocketAddr::new(address, HTTPS_PORT)))
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
    // With what the refusal has to do with this device's certificate.
    let cause = |error: &Error| sentence(device.explained(error.clone()).as_ref());
    let failed = error.map(|error| (failed_at(error), error));
    if let Some((FailedAt::Network, error)) = failed {
        let cause = text!(words::CONNECTION_FAILED, error = cause(error));
        let problem = Problem::new(cause, text!(words::PROXY_RULES));
        list.add(if proxied { "proxy" } else { "connection" }, total, Err(problem));
        list.skip_all(&CONNECTION, &text!(words::NOT_REACHED));
        return;
    }
    if proxied {
        list.add("proxy", total, Ok(text!(words::PROXY_WORKS)));
    }
    let issuer = shown.as_ref().map(|shown| shown.issuer.clone());
    let until_verified = shown.map_or(total, |shown| shown.at.saturating_duration_since(started));
    let good = [
        text!(words::TLS_GOOD, issuer = issuer.as_deref().unwrap_or_default()),
        text!(words::CERTIFICATE_ACCEPTED, id = device.certificate().fingerprint()),
        text!(words::CONNECT_ACCEPTED, client_id = device.client_id()),
    ];
    let steps = [FailedAt::Tls, FailedAt::Certificate, FailedAt::Mqtt];
    for ((name, step), finding) in CONNECTION.into_iter().zip(steps).zip(good) {
        let time = if step == FailedAt::Tls { until_verified } else { total };
        match failed {
            Some((at, _)) if at < step => list.skip(name, text!(words::STEP_BEFORE_FAILED)),
            Some((at, error)) if at == step => {
                let cause = match (step, &issuer) {
                    (FailedAt::Tls, Some(issuer)) => {
                        text!(words::CONNECTION_FAILED_ISSUER, error = cause(error), issuer = issuer)
                    }
                    _ => text!(words::CONNECTION_FAILED, error = cause(error)),
                };
                list.add(name, total, Err(Problem::new(cause, next_of(error, device))));
            }
            _ => list.add(name, time, Ok(finding)),
        }
    }
}

fn next_of(error: &Error, device: &Device) -> Text {
    let (certificate, client_id) = (device.certificate().fingerprint(), device.client_id());
    match error {
        Error::Clock { .. } => text!(words::CHECK_CLOCK),
        Error::ServerNotTrusted { .. } => text!(words::EXEMPT_ENDPOINT),
        Error::CertificateRefused { .. } => text!(words::CHECK_REGISTRATION, id = certificate),
        Error::Signer { .. } => text!(words::CHECK_CHIP),
        Error::ClosedAfterConnect { .. } | Error::ConnectRefused { .. } => {
            text!(words::CHECK_CONNECT_POLICY, client_id = client_id)
        }
        _ => text!(words::CHECK_ENDPOINT),
    }
}
