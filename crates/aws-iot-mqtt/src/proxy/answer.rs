//! What a proxy answers to the request for a tunnel, and what to try where it refuses.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::error::Printable;

/// Longest head of a proxy's answer, in bytes: Squid and nginx send less than 1 KiB.
const LONGEST_HEAD: usize = 16 * 1024;

/// Sends the request and reads the head of the answer.
pub(super) async fn ask(socket: &mut TcpStream, request: &str) -> io::Result<String> {
    socket.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    while !(answer.ends_with(b"\r\n\r\n") || answer.ends_with(b"\n\n")) {
        if answer.len() >= LONGEST_HEAD {
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

/// Why the proxy opens no tunnel, and what to try; `None` where it does.
pub(super) fn refusal(answer: &str, with_credentials: bool) -> Option<String> {
    let Some(head) = Head::parse(answer) else {
        return Some("its answer is not HTTP: is it the proxy's port?".to_owned());
    };
    let (status, line) = (head.status, Printable(head.line));
    let schemes = head.authentication_schemes();
    Some(match status {
        200..=299 if answer.ends_with("\n\r\n") || answer.ends_with("\n\n") => return None,
        200..=299 => format!("it closed the connection in the middle of its answer '{line}'"),
        407 if !schemes.is_empty() && !schemes.iter().any(|scheme| scheme.eq_ignore_ascii_case("basic")) => {
            format!(
                "it asks for a name and a password by {} (407), and only Basic is supported here: allow this device without \
                 them, or run a local proxy that logs in to this one (such as cntlm)",
                Printable(&schemes.join(" or "))
            )
        }
        // tinyproxy answers 401 where RFC 9110 wants 407.
        401 | 407 if with_credentials => format!("it refuses the name or the password ({status})"),
        407 => {
            "it asks for a name and a password (407): give them as http://USER:PASSWORD@HOST:PORT".to_owned()
        }
        403 => "it does not allow that (403): many proxies open tunnels to port 443 only, so try that port"
            .to_owned(),
        400 | 404 | 405 | 501 => {
            format!(
                "it answers '{line}': it is probably a web server and not a proxy; is it the proxy's port?"
            )
        }
        502..=504 => format!("it answers '{line}': the proxy itself does not reach the endpoint"),
        _ => format!("it answers '{line}'"),
    })
}

/// What a proxy answers. No error carries a control character to a terminal.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(answer: &[u8]) {
    let text = String::from_utf8_lossy(answer);
    let refusals = [true, false].map(|with_credentials| refusal(&text, with_credentials));
    for words in refusals.into_iter().flatten() {
        assert!(!words.contains(char::is_control), "{words:?}");
    }
}

/// The head of an HTTP response (RFC 9112, section 4): the status line and the header fields. A line may end with LF alone.
struct Head<'a> {
    status: u16,
    /// The status line.
    line: &'a str,
    fields: &'a str,
}

impl<'a> Head<'a> {
    /// `None` where `text` does not begin with a status line.
    fn parse(text: &'a str) -> Option<Self> {
        let (line, fields) = text.split_once('\n').unwrap_or((text, ""));
        let line = line.trim_end();
        let mut words = line.split_ascii_whitespace();
        words.next().filter(|version| version.starts_with("HTTP/1."))?;
        let status = words.next().filter(|status| status.len() == 3)?.parse().ok()?;
        Some(Self { status, line, fields })
    }

    /// The names of the authentication schemes that a proxy offers (RFC 9110, section 11.6.1): `Proxy-Authenticate: Negotiate`,
    /// `Proxy-Authenticate: Digest realm="x", nonce="y", Basic realm="x"`.
    fn authentication_schemes(&self) -> Vec<&'a str> {
        let fields = self.fields.lines().filter_map(|line| line.split_once(':'));
        let offers = fields.filter(|(name, _)| name.trim().eq_ignore_ascii_case("proxy-authenticate"));
        let challenges = offers.flat_map(|(_, value)| value.split(','));
        // The rest are parameters: NAME=VALUE.
        challenges
            .filter_map(|part| part.split_whitespace().next())
            .filter(|word| !word.contains('='))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_lines() {
        for (text, expected) in [
            (
                "HTTP/1.1 200 Connection established\r\n\r\n",
                Some((200, "HTTP/1.1 200 Connection established")),
            ),
            ("HTTP/1.0 403 Forbidden\n\n", Some((403, "HTTP/1.0 403 Forbidden"))),
            ("HTTP/1.1 407", Some((407, "HTTP/1.1 407"))),
            ("HTTP/1.1 4", None),
            ("HTTP/1.1", None),
            ("SSH-2.0-OpenSSH_9.2\r\n", None),
            ("", None),
        ] {
            let head = Head::parse(text);
            assert_eq!(head.map(|head| (head.status, head.line)), expected, "{text:?}");
        }
    }

    #[test]
    fn schemes_that_a_proxy_offers() {
        for (fields, expected) in [
            ("Proxy-Authenticate: NTLM\r\nproxy-authenticate: Negotiate\r\n", &["NTLM", "Negotiate"][..]),
            (
                "Proxy-Authenticate: Digest realm=\"a b\", nonce=\"1\", Basic realm=\"x\"\n",
                &["Digest", "Basic"],
            ),
            ("WWW-Authenticate: Basic\r\n", &[]),
            ("", &[]),
        ] {
            let text = format!("HTTP/1.1 407 Proxy Authentication Required\r\n{fields}\r\n");
            assert_eq!(Head::parse(&text).unwrap().authentication_schemes(), expected, "{fields}");
        }
    }
}
