//! The first message: sent with the chip's key, and received again.

use std::time::{Duration, Instant};

use anyhow::anyhow;
use aws_iot_mqtt::{DisconnectReason, Error, QoS, ReasonCode};
use se050_device::Device;

use crate::round_trip::{self, RETURN};
use crate::terminal::say;

/// How long a device is tried that was registered just now: AWS IoT Core's control plane is eventually consistent, and takes some
/// seconds until each front end knows a certificate, a policy, an attachment.
const FRESH: Duration = Duration::from_secs(60);
/// How long one is tried that was registered before: by a run that was interrupted a moment ago, perhaps.
const KNOWN: Duration = Duration::from_secs(15);
/// Between two attempts. AWS IoT Core takes one CONNECT a second of a client id ("AWS IoT Core message broker and protocol limits
/// and quotas").
const PAUSE: Duration = Duration::from_secs(2);

/// Why an attempt failed.
enum Failure {
    Mqtt(Error),
    NotBack,
}

/// Connects, subscribes, publishes, receives, disconnects. What a registration that is not known everywhere yet may cause is tried
/// again.
pub(super) async fn send(device: &Device, topic: &str, fresh: bool) -> anyhow::Result<()> {
    let (started, until) = (Instant::now(), if fresh { FRESH } else { KNOWN });
    let mut attempts = 0_u32;
    loop {
        attempts += 1;
        let Err(failure) = attempt(device, topic).await else { return Ok(()) };
        if !failure.may_pass() || started.elapsed() + PAUSE >= until {
            let error = match failure {
                Failure::Mqtt(error) => device.explained(error),
                Failure::NotBack => anyhow!(
                    "the message to {topic} did not come back within {} s: most likely the policy does not allow iot:Receive on \
                     topic/{topic}",
                    RETURN.as_secs()
                ),
            };
            return Err(match attempts {
                1 => error,
                _ => error.context(format!("tried {attempts} times in {} s", started.elapsed().as_secs())),
            });
        }
        if attempts == 1 {
            say!(
                "not let in yet; trying for up to {} s, since AWS may take a while to know a registration everywhere",
                until.as_secs()
            );
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn attempt(device: &Device, topic: &str) -> Result<(), Failure> {
    let client = round_trip::one_attempt(device.client()).connect().await?;
    let mut messages = client.subscribe(topic.to_owned(), QoS::AtLeastOnce).await?;
    let payload = round_trip::payload("up");
    client.publish(topic.to_owned(), QoS::AtLeastOnce, payload.clone()).await?;
    let back = round_trip::comes_back(&mut messages, &payload).await;
    // The message is what counts.
    let _ = client.disconnect(DisconnectReason::Normal).await;
    if back == Some(true) { Ok(()) } else { Err(Failure::NotBack) }
}

impl Failure {
    /// Whether a registration that becomes known, or a network that comes back, may mend it.
    fn may_pass(&self) -> bool {
        match self {
            Self::NotBack => true,
            Self::Mqtt(Error::Disconnected { reason, .. }) => *reason != ReasonCode::SESSION_TAKEN_OVER,
            Self::Mqtt(error) => matches!(
                error,
                Error::CertificateRefused { .. }
                    | Error::ClosedAfterConnect { .. }
                    | Error::ConnectRefused { .. }
                    | Error::SubscribeRefused { .. }
                    | Error::PublishRefused { .. }
                    | Error::Lost { .. }
                    | Error::Unreachable { .. }
                    | Error::Resolve { .. }
                    | Error::ConnectTimeout { .. }
            ),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Mqtt(error)
    }
}
