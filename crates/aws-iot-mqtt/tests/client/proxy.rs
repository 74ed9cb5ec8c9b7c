//! Through an HTTP proxy, and what is said when it does not help.

use aws_iot_mqtt::DisconnectReason::Normal;
use aws_iot_mqtt::{Builder, Client, Error, Proxy, QoS, Reconnect};

use test_peers::Tinyproxy;

use crate::support::cloud::{ALLOW_ALL, Cloud};
use crate::support::proxy::proxy;
use crate::support::server::plain;
use crate::support::{block_on, client};

#[test]
fn the_tunnel_carries_the_connection_and_the_credentials_are_shown_to_the_proxy() {
    let cloud = Cloud::new(ALLOW_ALL);
    let (port, asks) = proxy("HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n");
    let proxy = Proxy::new("127.0.0.1", port).credentials("Aladdin", "open sesame");
    block_on(async {
        let client = cloud.client("device-1").proxy(proxy).connect().await.unwrap();
        client.publish("t", QoS::AtLeastOnce, "through").await.unwrap();
        client.disconnect(Normal).await.unwrap();
    });
    let request = asks.recv().unwrap();
    assert_eq!(request[0], format!("CONNECT localhost:{} HTTP/1.1", cloud.sim.port()));
    assert!(request.contains(&"Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==".to_owned()));
}

#[test]
fn a_proxy_that_nobody_here_wrote() {
    let cloud = Cloud::new(ALLOW_ALL);
    let Some(proxy) = Tinyproxy::start(cloud.sim.port()) else { return };
    let at = || Proxy::new("127.0.0.1", proxy.port());
    block_on(async {
        let with = at().credentials(Tinyproxy::USER, Tinyproxy::PASSWORD);
        let client = cloud.client("device-1").proxy(with.clone()).connect().await.unwrap();
        client.publish("t", QoS::AtLeastOnce, "through").await.unwrap();
        client.disconnect(Normal).await.unwrap();

        let refused = async |builder: Builder| builder.connect().await.unwrap_err().to_string();
        let nobody = refused(cloud.client("device-1").proxy(at())).await;
        assert!(nobody.contains("asks for a name and a password (407)"), "{nobody}");
        let wrong = refused(cloud.client("device-1").proxy(at().credentials("device", "wrong"))).await;
        assert!(wrong.contains("refuses the name or the password"), "{wrong}");
        let other_port = refused(client_on(8883, &cloud).proxy(with)).await;
        assert!(other_port.contains("does not allow that (403)"), "{other_port}");
    });
}

fn client_on(port: u16, cloud: &Cloud) -> Builder {
    client(port, "device-1", cloud.tls())
}

#[test]
fn refusals_and_nonsense() {
    for (head, expected) in [
        ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "asks for a name and a password (407)"),
        ("HTTP/1.0 403 Forbidden\r\n\r\n", "try that port"),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", "it answers 'HTTP/1.1 502 Bad Gateway'"),
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n", "not HTTP"),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", "the proxy itself does not reach the endpoint"),
        ("HTTP/1.1 400 Bad Request\r\n\r\n", "probably a web server and not a proxy"),
        ("HTTP/1.1 405 Method Not Allowed\r\n\r\n", "probably a web server and not a proxy"),
        ("HTTP/1.1 200 Connection esta", "in the middle of its answer 'HTTP/1.1 200 Connection esta'"),
        (
            "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n",
            "asks for a name and a password (407)",
        ),
        ("HTTP/1.1 407 No\nProxy-Authenticate: NTLM\n\n", "by NTLM (407), and only Basic is supported"),
        ("\x15\x03\x01\x00\x02\x02\x46", "not HTTP"),
        ("", "does not answer as a proxy does"),
    ] {
        let tls = Cloud::new(ALLOW_ALL).tls();
        let (port, _asks) = proxy(head);
        let builder = client(8883, "device-1", tls).proxy(Proxy::new("127.0.0.1", port));
        let error = block_on(builder.connect()).unwrap_err();
        assert!(matches!(error, Error::Proxy { .. }), "{error:?}");
        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.to_string().contains("localhost:8883"), "{error}");
    }
}

#[test]
fn a_proxy_that_ends_its_lines_with_lf_alone_opens_the_tunnel() {
    let cloud = Cloud::new(ALLOW_ALL);
    let (port, _asks) = proxy("HTTP/1.0 200 OK\nVia: test\n\n");
    block_on(async {
        let client = cloud.client("device-1").proxy(Proxy::new("127.0.0.1", port)).connect().await.unwrap();
        client.publish("t", QoS::AtLeastOnce, "through").await.unwrap();
        client.disconnect(Normal).await.unwrap();
    });
}

#[test]
fn an_ipv6_endpoint_stands_in_brackets() {
    let (port, asks) = proxy("HTTP/1.1 403 Forbidden\r\n\r\n");
    let proxy = Proxy::new("127.0.0.1", port);
    let builder = Client::builder("2001:db8::1", "device-1", Cloud::new(ALLOW_ALL).tls()).proxy(proxy);
    let error = block_on(builder.reconnect(Reconnect::never()).connect()).unwrap_err();
    assert!(error.to_string().contains("[2001:db8::1]:8883"), "{error}");
    let request = asks.recv().unwrap();
    assert_eq!(request[..2], ["CONNECT [2001:db8::1]:8883 HTTP/1.1", "Host: [2001:db8::1]:8883"]);
}

#[test]
fn another_way_to_log_in_is_not_called_a_wrong_password() {
    for offers in ["Negotiate\r\nProxy-Authenticate: NTLM", "Digest realm=\"x\", nonce=\"y\""] {
        let head = format!("HTTP/1.1 407 Authentication Required\r\nProxy-Authenticate: {offers}\r\n\r\n");
        let (port, _asks) = proxy(head.leak());
        let with = Proxy::new("127.0.0.1", port).credentials("Aladdin", "secret");
        let builder = client(8883, "device-1", Cloud::new(ALLOW_ALL).tls()).proxy(with);
        let words = block_on(builder.connect()).unwrap_err().to_string();
        assert!(words.contains("only Basic is supported") && !words.contains("refuses"), "{words}");
    }
}

#[test]
fn wrong_credentials_and_a_proxy_that_is_not_there() {
    let tls = Cloud::new(ALLOW_ALL).tls();
    let (port, _asks) = proxy("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
    let with = Proxy::new("127.0.0.1", port).credentials("Aladdin", "secret");
    let error = block_on(client(8883, "device-1", tls.clone()).proxy(with).connect()).unwrap_err();
    assert!(error.to_string().contains("refuses the name or the password"), "{error}");
    assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");

    let nobody = Proxy::new("127.0.0.1", plain(drop));
    let error = block_on(client(8883, "device-1", tls).proxy(nobody).connect()).unwrap_err();
    assert!(matches!(error, Error::Proxy { .. }), "{error:?}");
}
