//! One connection, and a message on it that the device sends to itself.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_iot_mqtt::{Builder, Reconnect, Subscription};

/// How long a connection may take, and each request on it.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long what is not acknowledged yet is waited for when the connection ends.
const DRAINING: Duration = Duration::from_secs(2);
/// How long the message may take to come back.
pub(crate) const RETURN: Duration = Duration::from_secs(10);

/// A client that tries once, so that the first failure is the one that is told.
pub(crate) fn one_attempt(builder: Builder) -> Builder {
    builder
        .reconnect(Reconnect::never())
        .connect_timeout(PATIENCE)
        .connect_deadline(Duration::ZERO)
        .operation_timeout(PATIENCE)
        .drain_timeout(DRAINING)
}

/// What no other message has. `command` is the word of the command line that sends it.
pub(crate) fn payload(command: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("se050-iot {command} {} {}", std::process::id(), now.as_nanos())
}

/// Whether the message with that payload came; `Some(false)` where the subscription ended before, `None` after [`RETURN`].
pub(crate) async fn comes_back(messages: &mut Subscription, payload: &str) -> Option<bool> {
    let ours = async {
        // Others may publish to the topic, too.
        while let Some(message) = messages.next().await {
            if message.payload == payload {
                return true;
            }
        }
        false
    };
    tokio::time::timeout(RETURN, ours).await.ok()
}
