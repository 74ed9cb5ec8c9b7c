//! Any rustls program with a key in a PKCS#11 token: connects, sends a line, prints the answer and how the connection was made.
//!
//! `tls_client HOST PORT CA-FILE PKCS11-MODULE KEY-LABEL [auto|both|1.2|1.3]`; the PIN, if the token asks for one, in SE050_PIN.

use std::error::Error;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use rustls_se050::{ClientConfigBuilder, ClientIdentity, TlsVersions, roots_from_pem_file};
use se050_key::{Pin, Selector, Token};

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = se050_key::stdout::set_aside()?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [host, port, ca_file, module, label, more @ ..] = arguments.as_slice() else {
        return Err("usage: tls_client HOST PORT CA-FILE PKCS11-MODULE KEY-LABEL [auto|both|1.2|1.3]".into());
    };
    let versions = match more.first().map(String::as_str) {
        None | Some("auto") => TlsVersions::Auto,
        Some("both") => TlsVersions::Both,
        Some("1.2") => TlsVersions::Tls12,
        Some("1.3") => TlsVersions::Tls13,
        Some(other) => return Err(format!("{other} is none of auto, both, 1.2, 1.3").into()),
    };

    let selector: Selector = label.parse()?;
    let token = Token::builder(module).pin(Pin::find(None)?).select(&selector)?.open()?;
    let (key, certificate) = token.identity(&selector, None)?;
    let identity = ClientIdentity::new(key, &certificate)?;
    let config =
        ClientConfigBuilder::new(&identity, roots_from_pem_file(ca_file)?).tls_versions(versions).build()?;

    let connection =
        ClientConnection::new(Arc::new(config), ServerName::try_from(host.as_str())?.to_owned())?;
    let socket = TcpStream::connect((host.as_str(), port.parse()?))?;
    let mut stream = BufReader::new(StreamOwned::new(connection, socket));
    let mut answer = String::new();
    let sent = stream.get_mut().write_all(b"hello\n").and_then(|()| stream.read_line(&mut answer));
    if let Err(error) = sent {
        let explained = identity.explain(&error).map(|text| format!(": {text}")).unwrap_or_default();
        return Err(format!("the exchange with {host} failed: {error}{explained}").into());
    }
    writeln!(out, "{:?}: {}", stream.get_ref().conn.protocol_version(), answer.trim_end())?;
    Ok(())
}
