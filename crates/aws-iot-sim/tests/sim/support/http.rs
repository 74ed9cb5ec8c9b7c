//! One HTTP request at a time, by hand, so that the test sees what is on the wire.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use aws_iot_sim::AwsIotSim;
use serde_json::Value;

/// A signature's credential scope; the simulator does not verify more.
pub(crate) const AUTHORIZATION: &str =
    "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261122/us-east-1/iot/aws4_request, Signature=0";

/// An answer of the control plane.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The `x-amzn-errortype` header, or nothing.
    pub(crate) error: String,
    pub(crate) body: Value,
}

/// The answer is AWS's exception of that name and status, with a message.
#[track_caller]
pub(crate) fn refused(answer: &Answer, status: u16, error: &str) {
    assert_eq!((answer.status, answer.error.as_str()), (status, error), "{answer:?}");
    assert!(answer.body["message"].is_string(), "{answer:?}");
}

/// The answer is a success.
#[track_caller]
pub(crate) fn done(answer: &Answer) {
    assert_eq!((answer.status, answer.error.as_str()), (200, ""), "{answer:?}");
}

/// Sends a signed request with a JSON body (or none).
pub(crate) fn call(sim: &AwsIotSim, method: &str, path: &str, body: Option<&Value>) -> Answer {
    request(sim, method, path, &[("Authorization", AUTHORIZATION)], body)
}

/// Sends a request with exactly these headers.
pub(crate) fn request(
    sim: &AwsIotSim,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&Value>,
) -> Answer {
    let body = body.map(Value::to_string).unwrap_or_default();
    let (head, body) = exchange(sim, method, path, headers, &body);
    let error = head.lines().find_map(|line| line.strip_prefix("x-amzn-errortype: "));
    Answer {
        status: status(&head),
        error: error.unwrap_or_default().to_owned(),
        body: serde_json::from_str(&body).unwrap_or(Value::Null),
    }
}

/// Sends a request without a signature or a body. Returns status and body.
pub(crate) fn text(sim: &AwsIotSim, method: &str, path: &str) -> (u16, String) {
    let (head, body) = exchange(sim, method, path, &[], "");
    (status(&head), body)
}

fn exchange(
    sim: &AwsIotSim,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (String, String) {
    let address = sim.control_plane_url().strip_prefix("http://").expect("plain HTTP");
    let mut stream = TcpStream::connect(address).expect("the control plane listens");
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    stream.write_all(text.as_bytes()).expect("the request is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the answer is read");

    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    (head.to_owned(), body.to_owned())
}

fn status(head: &str) -> u16 {
    head.split(' ').nth(1).expect("a status line").parse().expect("a status")
}
