//! TLS.

use rustls::CipherSuite;

use crate::connection::Silence;
use crate::credentials::HOST;
use crate::device::Role;
use crate::judge::Judge;
use crate::packet::{self, Packet};
use crate::verdict::Finding;

/// The payload of AWS's largest message: 128 KiB ("AWS IoT Core message broker and protocol limits"), in records of 16 KiB.
const LARGE: usize = 128 * 1024;

/// The suites that AWS IoT Core lists, by their code points (IANA): "Transport security in AWS IoT Core", all security policies.
const LISTED: [u16; 22] = [
    // TLS 1.3: AES-128-GCM, AES-256-GCM, ChaCha20-Poly1305.
    0x1301, 0x1302, 0x1303,
    // TLS 1.2, ECDHE with RSA: AES-128-GCM, AES-128-CBC-SHA256, AES-128-CBC-SHA, AES-256-GCM, AES-256-CBC-SHA384, AES-256-CBC-SHA.
    0xc02f, 0xc027, 0xc013, 0xc030, 0xc028, 0xc014, // The same with ECDSA.
    0xc02b, 0xc023, 0xc009, 0xc02c, 0xc024, 0xc00a, // The same with RSA alone.
    0x009c, 0x003c, 0x002f, 0x009d, 0x003d, 0x0035, // A signal, not a suite (RFC 5746).
    0x00ff,
];

/// Whether the handshake is completed.
pub(super) fn connect(judge: &mut Judge<'_>) -> anyhow::Result<Finding> {
    judge.start(Role::Publisher)?;
    let attempt = judge.attempt()?;
    let named = attempt.hello.and_then(|hello| hello.server_name).as_deref() == Some(HOST);
    Ok(match attempt.connection {
        // Without the server name AWS does not know which account is meant.
        Ok(connection) => Finding::pass(connection.agreed()).warn_if(!named, "no server name (SNI)"),
        Err(how) => Finding::fail(format!("no handshake: {how}")),
    })
}

/// 128 KiB in records of the largest size.
pub(super) fn maximum_size_fragments(judge: &mut Judge<'_>) -> anyhow::Result<Finding> {
    super::subscribing::payload_of(judge, LARGE)
}

/// Which suites the ClientHello offers.
pub(super) fn cipher_suites(judge: &mut Judge<'_>) -> anyhow::Result<Finding> {
    judge.start(Role::Publisher)?;
    let attempt = judge.attempt()?;
    let Some(hello) = attempt.hello else { return Ok(Finding::fail("no ClientHello")) };
    // GREASE values (RFC 8701) name no suite.
    let grease = |suite: &CipherSuite| u16::from(*suite) & 0x0f0f == 0x0a0a;
    let (listed, others): (Vec<_>, Vec<_>) = hello
        .suites
        .into_iter()
        .filter(|suite| !grease(suite))
        .partition(|suite| LISTED.contains(&u16::from(*suite)));
    if listed.is_empty() {
        return Ok(Finding::fail(format!("none of AWS's suites: {others:?}")));
    }
    let finding = Finding::pass(format!("{} of AWS's suites", listed.len()));
    Ok(finding.warn_if(!others.is_empty(), &format!("also {others:?}, which AWS does not list")))
}

/// The server's certificate is not to be accepted: an alert, and no CONNECT.
pub(super) fn refused(judge: &mut Judge<'_>) -> anyhow::Result<Finding> {
    judge.start(Role::Publisher)?;
    let until = judge.until();
    let end = match judge.attempt()?.connection {
        // TLS 1.2: the server's side ends after the device's Finished, so nothing comes here that the device refused.
        Ok(mut connection) => match connection.next(until) {
            Ok(Packet::Connect(_)) => {
                let _ = connection.send(&packet::connack(connection.level(), false));
                return Ok(Finding::fail("the device sent CONNECT to a server that it must not trust"));
            }
            Ok(other) => return Ok(Finding::fail(format!("the device sent {other:?}"))),
            Err(end) => end,
        },
        Err(end) => end,
    };
    Ok(match end {
        Silence::Alert(alert) => Finding::pass(format!("alert {alert:?}")),
        Silence::Closed => Finding::warn("closed without an alert"),
        other => Finding::fail(other.to_string()),
    })
}
