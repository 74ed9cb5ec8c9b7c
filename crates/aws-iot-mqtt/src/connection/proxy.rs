//! The way through an HTTP proxy.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::dial;
use crate::{Error, Proxy};

/// Longest answer of a proxy, in bytes: some send a page along with a refusal.
const ANSWER: usize = 16 * 1024;

/// Connects to the proxy, and asks it for a tunnel to `target`, a host with its port.
pub(super) async fn tunnel(proxy: &Proxy, target: &str) -> Result<TcpStream, Error> {
    let failed = |why: String| Error::Proxy { proxy: proxy.to_string(), endpoint: target.to_owned(), why };
    let unreachable = |error: Error| failed(format!("it cannot be reached: {error}"));
    let addresses = dial::resolve(proxy.host(), proxy.port()).await.map_err(unreachable)?;
    let mut socket = dial::dial(addresses, &proxy.to_string()).await.map_err(unreachable)?;
    let answer = ask(&mut socket, &proxy.request(target)).await;
    let answer = answer.map_err(|error| failed(format!("it does not answer as a proxy does ({error})")))?;
    match status(&answer) {
        Some(200..=299) => Ok(socket),
        Some(407) if proxy.has_credentials() => {
            Err(failed("it refuses the name or the password (407)".to_owned()))
        }
        Some(407) => Err(failed(
            "it asks for a name and a password (407): give them as http://USER:PASSWORD@HOST:PORT".to_owned(),
        )),
        Some(code @ (403 | 405)) => Err(failed(format!(
            "it does not allow that ({code}): many proxies open tunnels to port 443 only, so try that port"
        ))),
        Some(code) => {
            Err(failed(format!("it answers {}", answer.lines().next().unwrap_or(&code.to_string()))))
        }
        None => Err(failed("its answer is not HTTP: is it the proxy's port?".to_owned())),
    }
}

/// Sends the request and reads the head of the answer: behind it comes nothing before we say something.
async fn ask(socket: &mut TcpStream, request: &str) -> io::Result<String> {
    socket.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() >= ANSWER {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its answer is too long"));
        }
        // Byte by byte, so that nothing of the tunnel is read: it is a few hundred bytes, once a connection.
        match socket.read_u8().await {
            Ok(byte) => answer.push(byte),
            Err(error) if answer.is_empty() => return Err(error),
            Err(_) => break,
        }
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn status(answer: &str) -> Option<u16> {
    let mut words = answer.lines().next()?.split_ascii_whitespace();
    words.next().filter(|version| version.starts_with("HTTP/1."))?;
    words.next()?.parse().ok()
}
