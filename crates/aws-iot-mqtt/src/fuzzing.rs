//! What a fuzzer calls where there is no public function: the server's packets, and records of the durable outbox behind their
//! checksum. They must not panic, whatever the bytes are. Not part of a build for use.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::BytesMut;

use crate::clock::Moment;
use crate::codec::decode;
use crate::connection::{Shared, refuse_http};
use crate::message_queue::{CAPACITY, WhenUnread, queue};
use crate::outbox::Entry;
use crate::session::{Command, ConnectOptions, Negotiated, Session, Subscriber};
use crate::{Limits, OutboxOptions, Publication, QoS, SubscribeOptions};

/// Packets that a server sends: as the answer to CONNECT, and to a session that has published and subscribed.
pub fn packets(bytes: &[u8]) {
    answer(bytes);
    let (shared, unrouted) = Shared::new(OutboxOptions::new(), Arc::new(Limits::aws_iot_core()));
    let mut session =
        Session::new(Arc::clone(&shared), "device".to_owned(), Duration::from_secs(60), unrouted);
    let mut now = Moment { instant: Instant::now(), wall: SystemTime::now() };
    session.connected(Negotiated::for_tests(), now);
    let mut streams = Vec::new();
    for filter in ["t/+", "$share/g/t/1"] {
        let Ok(options) = SubscribeOptions::new(filter, QoS::AtLeastOnce) else { return };
        let (writer, stream) = queue(Arc::clone(&shared.waker), CAPACITY, WhenUnread::Wait);
        streams.push(stream);
        let request = Subscriber::new(options, writer, None);
        session.command(Command::Subscribe(vec![request]), now);
    }
    for _ in 0..4 {
        let Ok(publication) = Publication::new("t/1", QoS::AtLeastOnce, "payload") else { return };
        let _ = shared.outbox.try_put(Entry::new(publication, now.wall).0);
    }
    session.send(now);
    session.written(session.output().len(), now);
    // In two pieces, as a network delivers them.
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let mut buffer = BytesMut::from(first);
    if let Err(error) = session.received(&mut buffer, now) {
        return session.disconnected(&error, now);
    }
    buffer.extend_from_slice(second);
    let result = session.received(&mut buffer, now);
    now.instant += Duration::from_secs(61);
    let result = result.and_then(|()| session.timer(now));
    session.written(session.output().len(), now);
    if let Err(error) = result {
        session.disconnected(&error, now);
    }
}

fn answer(bytes: &[u8]) {
    let options = ConnectOptions::new("device", Duration::from_secs(60));
    let limits = Limits::aws_iot_core();
    if let Ok(Some(packet)) = decode(&mut BytesMut::from(bytes), limits.maximum_packet_size) {
        let _ = Negotiated::from_answer(packet, "endpoint", &options, &limits);
    }
}

/// Answers of a proxy, and of a web server where MQTT was expected.
pub fn proxy(bytes: &[u8]) {
    crate::proxy::fuzz(bytes);
    if let Err(error) = refuse_http(bytes, "endpoint") {
        let words = error.to_string();
        assert!(!words.contains(char::is_control), "{words:?}");
    }
}

/// Bodies of the durable outbox's records. What is read is what was written.
#[cfg(feature = "durable")]
pub fn records(bytes: &[u8]) {
    crate::outbox::durable::fuzz(bytes);
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_packet_of_a_server_makes_it_panic() {
        test_peers::fuzz("packets", super::packets);
    }

    #[test]
    fn no_answer_of_a_proxy_makes_it_panic() {
        test_peers::fuzz("proxy", super::proxy);
    }

    #[cfg(feature = "durable")]
    #[test]
    fn no_record_makes_it_panic() {
        test_peers::fuzz("records", super::records);
    }
}
