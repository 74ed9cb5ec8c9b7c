//! What HTTP servers and proxies answer.

use crate::Error;

/// The head of an HTTP response (RFC 9112, section 4): the status line and the header fields. A line may end with LF alone.
pub(super) struct Head<'a> {
    pub(super) status: u16,
    /// The status line.
    pub(super) line: &'a str,
    fields: &'a str,
}

impl<'a> Head<'a> {
    /// `None` where `text` does not begin with a status line.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (line, fields) = text.split_once('\n').unwrap_or((text, ""));
        let line = line.trim_end();
        let mut words = line.split_ascii_whitespace();
        words.next().filter(|version| version.starts_with("HTTP/1."))?;
        let status = words.next().filter(|status| status.len() == 3)?.parse().ok()?;
        Some(Self { status, line, fields })
    }

    /// The names of the authentication schemes that a proxy offers (RFC 9110, section 11.6.1): `Proxy-Authenticate: Negotiate`,
    /// `Proxy-Authenticate: Digest realm="x", nonce="y", Basic realm="x"`.
    pub(super) fn authentication_schemes(&self) -> Vec<&'a str> {
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

/// Fails where the answer to CONNECT is HTTP: AWS IoT Core answers on port 443 like this where ALPN did not ask for MQTT.
pub(super) fn refuse_http(received: &[u8], endpoint: &str) -> Result<(), Error> {
    if !received.starts_with(b"HTTP/") {
        return Ok(());
    }
    let text = String::from_utf8_lossy(received);
    let answer =
        text.lines().next().unwrap_or_default().chars().filter(|c| !c.is_control()).take(100).collect();
    Err(Error::NotMqtt { endpoint: endpoint.to_owned(), answer })
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
