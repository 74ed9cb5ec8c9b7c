//! Through an HTTP proxy, and what is said when it does not help.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failing test may panic"
)]

mod support;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;

use aws_iot_mqtt::{Error, Proxy, QoS};
use aws_iot_sim::AwsIotSim;
use support::server::plain;
use support::{BOTH_VERSIONS, block_on, client, tls};
use test_peers::Pki;

const ALLOW_ALL: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}"#;

/// A proxy for one connection, which answers with that head; opens the tunnel if it says 200. Tells what it was asked.
fn proxy(head: &'static str) -> (u16, mpsc::Receiver<Vec<String>>) {
    let (asked, asks) = mpsc::channel();
    let port = plain(move |mut client| {
        let reader = BufReader::new(client.try_clone().unwrap());
        let request: Vec<String> =
            reader.lines().map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
        let target = request[0].split(' ').nth(1).unwrap_or_default().replace("localhost", "127.0.0.1");
        asked.send(request).unwrap();
        client.write_all(head.as_bytes()).unwrap();
        if head.contains(" 200 ") {
            let server = TcpStream::connect(target).unwrap();
            let (mut from_server, mut to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            thread::spawn(move || std::io::copy(&mut from_server, &mut to_client));
            let (mut from_client, mut to_server) = (client, server);
            let _ = std::io::copy(&mut from_client, &mut to_server);
        }
    });
    (port, asks)
}

fn sim() -> (AwsIotSim, rustls::ClientConfig) {
    let sim = AwsIotSim::start().unwrap();
    let device = Pki::new().client("device-1");
    sim.admit(&device.certificate_pem, "device-1", ALLOW_ALL).unwrap();
    let tls = tls(&device, sim.ca_pem(), BOTH_VERSIONS);
    (sim, tls)
}

#[test]
fn the_tunnel_carries_the_connection_and_the_credentials_are_shown_to_the_proxy() {
    let (sim, tls) = sim();
    let (port, asks) = proxy("HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n");
    let proxy = Proxy::new("127.0.0.1", port).credentials("Aladdin", "open sesame");
    block_on(async {
        let client = client(sim.port(), "device-1", tls).proxy(proxy).connect().await.unwrap();
        client.publish("t", QoS::AtLeastOnce, "through").await.unwrap();
        client.disconnect().await.unwrap();
    });
    let request = asks.recv().unwrap();
    assert_eq!(request[0], format!("CONNECT localhost:{} HTTP/1.1", sim.port()));
    assert!(request.contains(&"Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==".to_owned()));
}

#[test]
fn refusals_and_nonsense() {
    for (head, expected) in [
        ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "asks for a name and a password (407)"),
        ("HTTP/1.0 403 Forbidden\r\n\r\n", "try that port"),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", "it answers HTTP/1.1 502 Bad Gateway"),
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n", "not HTTP"),
        ("", "does not answer as a proxy does"),
    ] {
        let (_sim, tls) = sim();
        let (port, _asks) = proxy(head);
        let builder = client(8883, "device-1", tls).proxy(Proxy::new("127.0.0.1", port));
        let error = block_on(builder.connect()).unwrap_err();
        assert!(matches!(error, Error::Proxy { .. }), "{error:?}");
        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.to_string().contains("localhost:8883"), "{error}");
    }
}

#[test]
fn wrong_credentials_and_a_proxy_that_is_not_there() {
    let (_sim, tls) = sim();
    let (port, _asks) = proxy("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
    let with = Proxy::new("127.0.0.1", port).credentials("Aladdin", "secret");
    let error = block_on(client(8883, "device-1", tls.clone()).proxy(with).connect()).unwrap_err();
    assert!(error.to_string().contains("refuses the name or the password"), "{error}");
    assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");

    let nobody = Proxy::new("127.0.0.1", plain(drop));
    let error = block_on(client(8883, "device-1", tls).proxy(nobody).connect()).unwrap_err();
    assert!(matches!(error, Error::Proxy { .. }), "{error:?}");
}
