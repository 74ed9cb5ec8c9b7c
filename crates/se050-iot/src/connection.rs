//! What the commands that connect share: arguments, the connection, and the exit status of its errors.

use std::time::Duration;

use anyhow::bail;
use aws_iot_mqtt::{Builder, Client, Error, Event, Events, QoS, ReasonCode, Verdict};
use se050_device::{Device, verdict};
use tokio::time::Instant;

use crate::terminal::say;

/// As [`Builder::connect_deadline`] has it: until when further attempts begin.
const CONNECT_DEADLINE: Duration = Duration::from_secs(15);
/// 100 years. A clock cannot count on for as long as a `Duration` can say.
const LONGEST_SECONDS: f64 = 100.0 * 365.0 * 86_400.0;
/// EX_UNAVAILABLE of sysexits.h: there is no connection to the server.
const UNAVAILABLE: u8 = 69;
/// EX_NOPERM of sysexits.h: the server refuses this device, or what it asks for.
const NO_PERMISSION: u8 = 77;

/// A connection that stands, and what happens to it.
pub(crate) struct Connection {
    pub(crate) client: Client,
    pub(crate) events: Events,
    is_verbose: bool,
}

impl Connection {
    /// Connects; an error that may pass is tried again for 15 s.
    pub(crate) async fn open(builder: Builder, device: &Device, is_verbose: bool) -> anyhow::Result<Self> {
        let deadline = Instant::now() + CONNECT_DEADLINE;
        let client = builder.start()?;
        let events = client.events();
        let mut connection = Self { client, events, is_verbose };
        loop {
            match connection.events.next().await {
                Some(event @ Event::Connected { .. }) => {
                    connection.show(&event);
                    return Ok(connection);
                }
                Some(Event::ConnectFailed { error, retry_in }) => {
                    let next = retry_in.map(|delay| Instant::now() + delay);
                    if is_permanent(&error) || next.is_none_or(|next| next > deadline) {
                        // It would go on trying.
                        drop(connection);
                        return Err(device.explained(error));
                    }
                    connection.show(&Event::ConnectFailed { error, retry_in });
                }
                Some(Event::GaveUp { error }) => return Err(device.explained(error)),
                Some(event) => connection.show(&event),
                None => bail!("the connection was closed before it stood"),
            }
        }
    }

    /// Shows what the user has to know of the connection, on standard error; with `-v` everything.
    pub(crate) fn show(&self, event: &Event) {
        match event {
            Event::Connected { .. } | Event::Resumed if !self.is_verbose => {}
            // They are told by whoever asked for it, or at the end.
            Event::PublishRefused { .. }
            | Event::MessageDropped { .. }
            | Event::SubscriptionLost { .. }
            | Event::GaveUp { .. }
            | Event::Closed { .. } => {}
            _ => say!("{event}"),
        }
    }

    /// Why the client has ended by itself.
    pub(crate) async fn ended(&self, device: &Device) -> anyhow::Error {
        match self.client.closed().await {
            Err(error) => device.explained(error),
            Ok(()) => Error::Closed.into(),
        }
    }
}

/// Whether another attempt would fail in the same way.
fn is_permanent(error: &Error) -> bool {
    match error {
        // The client itself ends where no further attempt can succeed.
        Error::Signer { source, .. } => verdict(&**source) != Verdict::Transient,
        _ => error.verdict() == Verdict::Permanent,
    }
}

/// The QoS by its number.
pub(crate) fn qos(text: &str) -> Result<QoS, String> {
    match text {
        "0" => Ok(QoS::AtMostOnce),
        "1" => Ok(QoS::AtLeastOnce),
        "2" => {
            Err("AWS IoT Core knows no QoS 2: take 1, and let the receiver drop what comes twice".to_owned())
        }
        _ => Err("0 or 1".to_owned()),
    }
}

/// A number of seconds, such as 10 or 0.5.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    if seconds > LONGEST_SECONDS {
        return Err("longer than 100 years".to_owned());
    }
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

/// `NAME=VALUE`; the value may be empty.
pub(crate) fn name_and_value(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    pair.map(|(name, value)| (name.to_owned(), value.to_owned())).ok_or_else(|| "write NAME=VALUE".to_owned())
}

/// The status with which the command ends because of this error.
pub(crate) fn exit_status(error: &anyhow::Error) -> u8 {
    let status = se050_device::exit_status(error);
    match error.chain().find_map(|cause| cause.downcast_ref::<Error>()) {
        Some(mqtt) if status == 1 => of_connection(mqtt),
        _ => status,
    }
}

fn of_connection(error: &Error) -> u8 {
    let is_denied = |reason: ReasonCode| matches!(reason.code(), 0x87 | 0x8A | 0x8C);
    match error {
        Error::CertificateRefused { .. } | Error::ClosedAfterConnect { .. } => NO_PERMISSION,
        Error::ConnectRefused { reason, .. }
        | Error::Disconnected { reason, .. }
        | Error::PublishRefused { reason, .. }
        | Error::SubscribeRefused { reason, .. }
            if is_denied(*reason) =>
        {
            NO_PERMISSION
        }
        // AWS IoT Core may close the connection over what the policy does not allow.
        Error::Unanswerable { last, .. } => match &**last {
            Error::Lost { .. } => NO_PERMISSION,
            last => of_connection(last),
        },
        Error::Resolve { .. }
        | Error::Unreachable { .. }
        | Error::Proxy { .. }
        | Error::ConnectTimeout { .. }
        | Error::KeepAlive { .. }
        | Error::Lost { .. } => UNAVAILABLE,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_that_no_clock_can_wait_for_are_refused() {
        assert_eq!(seconds("0.5").unwrap(), Duration::from_millis(500));
        assert!(Instant::now().checked_add(seconds("3153600000").unwrap()).is_some());
        for wrong in ["1e19", "3153600001", "1e400", "inf", "-1", "nan", ""] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
