//! What servers do that they should not, and what the user is told.

use std::error::Error as _;
use std::io::{Read as _, Write as _};
use std::pin::pin;
use std::sync::mpsc;
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use aws_iot_mqtt::DisconnectReason::Normal;
use aws_iot_mqtt::{
    Client, DisconnectReason, Error, Event, Proxy, Publication, QoS, ReasonCode, Reconnect, Stage, Verdict,
};
use rustls::version::TLS13;
use test_peers::Pki;

use crate::support::proxy::proxy_to;
use crate::support::server::{Script, Scripted, plain, read_packet, read_to_end, welcome};
use crate::support::{BOTH_VERSIONS, PATIENCE, block_on, client, lasting, tls};

/// For ports where nothing depends on who the client is.
fn anybody(port: u16) -> aws_iot_mqtt::Builder {
    let pki = Pki::new();
    client(port, "device-1", tls(&pki.client("device-1"), &pki.ca_pem(), BOTH_VERSIONS))
}

fn device(server: &Scripted) -> aws_iot_mqtt::Builder {
    client(server.port, "device-1", tls(&server.device, &server.ca_pem, BOTH_VERSIONS))
}

#[test]
fn a_port_that_speaks_no_tls() {
    let port = plain(|mut socket| {
        socket.read_exact(&mut [0; 5]).unwrap();
        socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    });
    let error = block_on(anybody(port).connect()).unwrap_err();
    assert!(error.to_string().contains("does not speak TLS"), "{error:?}");
    assert_eq!(error.verdict(), Verdict::Permanent);
}

#[test]
fn a_port_that_hangs_up_on_a_tls_greeting() {
    let port = plain(|mut socket| {
        socket.read_exact(&mut [0; 5]).unwrap();
    });
    let error = block_on(anybody(port).connect()).unwrap_err();
    assert!(matches!(error, Error::Tls { .. }), "{error:?}");
    assert!(error.to_string().contains("is it the TLS port"), "{error}");
}

#[test]
fn a_port_that_says_nothing_costs_the_connect_timeout_and_no_more() {
    let port = plain(|mut socket| {
        let _ = socket.read_to_end(&mut Vec::new());
    });
    let builder = anybody(port).connect_timeout(Duration::from_secs(5));
    let error = block_on(builder.connect()).unwrap_err();
    assert!(matches!(error, Error::ConnectTimeout { stage: Stage::Tls, .. }), "{error:?}");
}

#[test]
fn a_server_that_hangs_up_after_connect() {
    let server = Scripted::start(|stream| {
        let (packet, _) = read_packet(stream);
        assert_eq!(packet, 0x10, "CONNECT");
    });
    let error = block_on(device(&server).connect()).unwrap_err();
    assert!(matches!(error, Error::ClosedAfterConnect { .. }), "{error:?}");
    let words = error.to_string();
    assert!(words.contains("iot:Connect") && words.contains("'device-1'"), "{words}");
}

#[test]
fn a_server_that_never_answers_connect() {
    let server = Scripted::start(|stream| drop(read_to_end(stream)));
    let error = block_on(device(&server).connect()).unwrap_err();
    assert!(matches!(error, Error::ConnectTimeout { stage: Stage::Mqtt, .. }), "{error:?}");
    assert!(error.to_string().contains("within 10 s"), "counted apart from the handshake: {error}");
}

#[test]
fn a_session_that_is_taken_over_is_told_so_to_everybody() {
    let server = Scripted::broker(|stream| {
        stream.write_all(&[0xE0, 1, 0x8E]).unwrap();
        read_to_end(stream);
    });
    block_on(async {
        let client = device(&server).connect().await.unwrap();
        let error = client.closed().await.unwrap_err();
        let taken_over = ReasonCode::SESSION_TAKEN_OVER;
        assert!(matches!(&error, Error::Disconnected { reason, .. } if *reason == taken_over), "{error:?}");
        assert!(error.to_string().contains("another client has connected with this id"), "{error}");
        // Whoever comes later learns the same reason.
        let late = client.publish("t", QoS::AtLeastOnce, "x").await.unwrap_err();
        assert_eq!(late.to_string(), error.to_string());
    });
}

#[test]
fn a_connection_that_breaks_answers_everybody_who_waits() {
    let server = Scripted::broker(|stream| {
        assert_eq!(read_packet(stream).0 >> 4, 3, "PUBLISH");
    });
    block_on(async {
        let client = device(&server).connect().await.unwrap();
        let error = client.publish("some/topic", QoS::AtLeastOnce, "x").await.unwrap_err();
        assert!(matches!(error, Error::Lost { .. }), "{error:?}");
        assert!(error.to_string().contains("the message to 'some/topic'"), "{error}");
        assert!(error.source().is_some());
        assert_eq!(client.disconnect(Normal).await.unwrap_err().to_string(), error.to_string());
    });
}

#[test]
fn garbage_in_mid_session_is_an_error_and_the_server_is_told() {
    let (told, tells) = mpsc::channel();
    let server = Scripted::broker(move |stream| {
        stream.write_all(&[0xFF; 20]).unwrap();
        told.send(read_to_end(stream)).unwrap();
    });
    block_on(async {
        let client = device(&server).connect().await.unwrap();
        let error = client.closed().await.unwrap_err();
        assert!(matches!(error, Error::Protocol { .. }), "{error:?}");
    });
    assert_eq!(tells.recv_timeout(PATIENCE).unwrap(), [0xE0, 1, 0x81], "DISCONNECT: malformed packet");
}

#[test]
fn after_garbage_the_client_connects_again_and_what_was_under_way_goes_through() {
    let server = Scripted::in_turn(vec![
        Box::new(|stream| {
            welcome(stream);
            assert_eq!(read_packet(stream).0, 0x32, "PUBLISH");
            stream.write_all(&[0xFF; 20]).unwrap();
            assert_eq!(read_to_end(stream), [0xE0, 1, 0x81], "DISCONNECT: malformed packet");
        }),
        Box::new(|stream| {
            welcome(stream);
            let (first, body) = read_packet(stream);
            assert_eq!(first, 0x32, "PUBLISH, and no duplicate: the session is a new one");
            // Its packet id is behind the topic of one letter.
            stream.write_all(&[0x40, 2, body[3], body[4]]).unwrap();
            read_to_end(stream);
        }),
    ]);
    block_on(async {
        let tls = tls(&server.device, &server.ca_pem, BOTH_VERSIONS);
        let client = lasting(server.port, "device-1", tls).connect().await.unwrap();
        let mut events = client.events();
        client.publish("t", QoS::AtLeastOnce, "x").await.unwrap();
        assert!(matches!(events.next().await, Some(Event::Connected { .. })));
        let broke = events.next().await;
        assert!(
            matches!(broke, Some(Event::Disconnected { error: Error::Protocol { .. }, retry_in: Some(_) })),
            "{broke:?}"
        );
        assert!(matches!(events.next().await, Some(Event::Connected { .. })));
        client.disconnect(Normal).await.unwrap();
    });
}

#[test]
fn a_packet_larger_than_this_client_takes_is_refused_by_its_header() {
    let (told, tells) = mpsc::channel();
    let server = Scripted::broker(move |stream| {
        // A message of 2 MiB, of which no more than this comes.
        stream.write_all(&[0x30, 0x80, 0x80, 0x80, 0x01]).unwrap();
        told.send(read_to_end(stream)).unwrap();
    });
    block_on(async {
        let client = device(&server).connect().await.unwrap();
        let error = client.closed().await.unwrap_err();
        assert!(matches!(error, Error::Protocol { .. }), "{error:?}");
        let source = error.source().unwrap().to_string();
        assert!(source.contains("more than the 149504 that this client said it takes"), "{source}");
    });
    assert_eq!(tells.recv_timeout(PATIENCE).unwrap(), [0xE0, 1, 0x95], "DISCONNECT: packet too large");
}

#[test]
fn disconnect_waits_for_acknowledgements_that_are_on_their_way() {
    let (arrived, arrives) = mpsc::channel();
    let (let_go, waits) = mpsc::channel();
    let server = Scripted::broker(move |stream| {
        read_packet(stream);
        arrived.send(()).unwrap();
        waits.recv().unwrap();
        stream.write_all(&[0x40, 2, 0, 1]).unwrap();
        assert_eq!(read_packet(stream), (0xE0, vec![]), "DISCONNECT, behind the acknowledgement");
    });
    let client = block_on(device(&server).connect()).unwrap();
    let publisher = client.clone();
    let publishing = thread::spawn(move || block_on(publisher.publish("t", QoS::AtLeastOnce, "x")));
    arrives.recv_timeout(PATIENCE).unwrap();

    let mut disconnecting = pin!(client.disconnect(Normal));
    let mut context = Context::from_waker(Waker::noop());
    assert!(disconnecting.as_mut().poll(&mut context).is_pending());
    let_go.send(()).unwrap();
    block_on(disconnecting).unwrap();
    publishing.join().unwrap().unwrap();
}

#[test]
fn disconnect_waits_no_longer_than_its_bound_and_the_server_is_told_all_the_same() {
    let (told, tells) = mpsc::channel();
    let server = Scripted::broker(move |stream| {
        assert_eq!(read_packet(stream).0 >> 4, 3, "PUBLISH");
        told.send(Vec::new()).unwrap();
        told.send(read_to_end(stream)).unwrap();
    });
    block_on(async {
        let builder = device(&server).drain_timeout(Duration::from_millis(100));
        let client = builder.connect().await.unwrap();
        let mut events = client.events();
        let receipt = client.try_publish(Publication::new("t", QoS::AtLeastOnce, "x").unwrap()).unwrap();
        assert_eq!(tells.recv_timeout(PATIENCE).unwrap(), [0; 0], "the message has arrived");
        let error = client.disconnect(DisconnectReason::WithWill).await.unwrap_err();
        assert!(matches!(error, Error::NotDrained { messages: 1, .. }), "{error:?}");
        assert!(matches!(receipt.await, Err(Error::NotDrained { .. })));
        assert!(matches!(events.next().await, Some(Event::Connected { .. })));
        assert!(matches!(events.next().await, Some(Event::Closed { undelivered: 1 })));
        assert!(events.next().await.is_none());
    });
    assert_eq!(tells.recv_timeout(PATIENCE).unwrap(), [0xE0, 1, 0x04], "DISCONNECT with will message");
}

#[test]
fn the_server_name_goes_out_in_sni_and_alpn_only_on_port_443() {
    for (port_443, alpn) in [(false, None), (true, Some(b"x-amzn-mqtt-ca".to_vec()))] {
        let (told, tells) = mpsc::channel();
        let server = Scripted::broker(move |stream| {
            let name = stream.conn.server_name().map(str::to_owned);
            told.send((name, stream.conn.alpn_protocol().map(<[u8]>::to_vec))).unwrap();
            read_to_end(stream);
        });
        // A test may not listen on port 443: a proxy takes the client elsewhere.
        let (proxy, _asks) = proxy_to(Some(server.port), "HTTP/1.1 200 OK\r\n\r\n");
        let builder = if port_443 {
            device(&server).port(443).proxy(Proxy::new("127.0.0.1", proxy))
        } else {
            device(&server)
        };
        let client = block_on(builder.connect()).unwrap();
        assert_eq!(tells.recv_timeout(PATIENCE).unwrap(), (Some("localhost".to_owned()), alpn));
        block_on(client.disconnect(Normal)).unwrap();
    }
}

#[test]
fn connect_tries_again_within_its_deadline_where_the_fault_may_pass() {
    let closes = || -> Script { Box::new(|stream| drop(read_packet(stream))) };
    let server = Scripted::in_turn(vec![
        closes(),
        closes(),
        Box::new(|stream| {
            welcome(stream);
            read_to_end(stream);
        }),
    ]);
    let tls = tls(&server.device, &server.ca_pem, BOTH_VERSIONS);
    let client = block_on(lasting(server.port, "device-1", tls.clone()).connect()).unwrap();
    assert_eq!(client.statistics().failed_attempts, 2);
    block_on(client.disconnect(Normal)).unwrap();

    let server = Scripted::in_turn((0..3).map(|_| closes()).collect());
    let tls = self::tls(&server.device, &server.ca_pem, BOTH_VERSIONS);
    let builder = lasting(server.port, "device-1", tls).connect_deadline(Duration::ZERO);
    let error = block_on(builder.connect()).unwrap_err();
    assert!(matches!(error, Error::ClosedAfterConnect { .. }), "{error:?}");
}

#[test]
fn the_end_during_a_pause_connects_at_once_and_delivers_what_is_left() {
    let server = Scripted::in_turn(vec![
        Box::new(|stream| drop(read_packet(stream))),
        Box::new(|stream| {
            welcome(stream);
            let (first, body) = read_packet(stream);
            assert_eq!(first, 0x32, "PUBLISH");
            // Its packet id is behind the topic of one letter.
            stream.write_all(&[0x40, 2, body[3], body[4]]).unwrap();
            read_to_end(stream);
        }),
    ]);
    let tls = tls(&server.device, &server.ca_pem, BOTH_VERSIONS);
    let hour = Duration::from_secs(3600);
    let reconnect = Reconnect::new().delays(hour, hour);
    let client = lasting(server.port, "device-1", tls).reconnect(reconnect).start().unwrap();
    block_on(async {
        let mut events = client.events();
        let receipt = client.try_publish(Publication::new("t", QoS::AtLeastOnce, "x").unwrap()).unwrap();
        while !matches!(events.next().await, Some(Event::ConnectFailed { retry_in: Some(_), .. })) {}
        client.disconnect(Normal).await.unwrap();
        receipt.await.unwrap();
    });
}

#[test]
fn what_is_no_endpoint_and_what_is_over_the_limit_is_told_before_anything_is_sent() {
    let pki = Pki::new();
    let tls = tls(&pki.client("device-1"), &pki.ca_pem(), &[&TLS13]);
    for endpoint in ["mqtts://host", "host:8883", "", "host/path"] {
        let error = block_on(Client::builder(endpoint, "device-1", tls.clone()).connect()).unwrap_err();
        assert!(matches!(error, Error::InvalidEndpoint { .. }), "{endpoint}: {error:?}");
    }
    let error = block_on(Client::builder("localhost", "", tls.clone()).connect()).unwrap_err();
    assert!(matches!(error, Error::Limit { .. }), "{error:?}");
    let builder = Client::builder("localhost", "device-1", tls).keep_alive(Duration::from_secs(5));
    let error = block_on(builder.connect()).unwrap_err();
    assert!(error.to_string().contains("AWS IoT Core allows 30 to 1200"), "{error}");
}
