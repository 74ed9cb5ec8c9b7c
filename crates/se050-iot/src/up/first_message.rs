//! The first message: sent with the chip's key, and received again.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::anyhow;
use aws_iot_mqtt::{DisconnectReason, Error, QoS, ReasonCode, Reconnect};
use se050_device::Device;

use crate::terminal::say;

/// How long a device is tried that was registered just now: AWS IoT Core's control plane is eventually consistent, and takes some
/// seconds until each front end knows a certificate, a policy, an attachment.
const FRESH: Duration = Duration::from_secs(60);
/// How long one is tried that was registered before: by a run that was interrupted a moment ago, perhaps.
const KNOWN: Duration = Duration::from_secs(15);
/// Between two attempts. AWS IoT Core takes one CONNECT a second of a client id ("AWS IoT Core message broker and protocol limits
/// and quotas").
const PAUSE: Duration = Duration::from_secs(2);
/// How long one attempt may take to connect, and each of its requests.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long the message may take to come back.
const RETURN: Duration = Duration::from_secs(10);

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
    let builder = device
        .client()
        .reconnect(Reconnect::never())
        .connect_timeout(PATIENCE)
        .connect_deadline(Duration::ZERO)
        .operation_timeout(PATIENCE)
        .drain_timeout(Duration::from_secs(2));
    let client = builder.connect().await?;
    let mut messages = client.subscribe(topic.to_owned(), QoS::AtLeastOnce).await?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let payload = format!("se050-iot up {} {}", std::process::id(), now.as_nanos());
    client.publish(topic.to_owned(), QoS::AtLeastOnce, payload.clone()).await?;
    // Others may publish to the topic, too.
    let ours = async {
        while let Some(message) = messages.next().await {
            if message.payload == payload {
                return true;
            }
        }
        false
    };
    let back = tokio::time::timeout(RETURN, ours).await;
    // The message is what counts.
    let _ = client.disconnect(DisconnectReason::Normal).await;
    match back {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(Failure::NotBack),
    }
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
