//! HTTP proxies: which one, and with what credentials.

use std::fmt;

use crate::Error;

/// Where a proxy listens when its address names no port: what Squid and most others do.
const DEFAULT_PORT: u16 = 3128;

/// An HTTP proxy that opens a tunnel to the endpoint (CONNECT). It sees the endpoint's name and encrypted bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    host: String,
    port: u16,
    /// Name and password, as HTTP wants them.
    credentials: Option<String>,
}

impl Proxy {
    /// A proxy that asks for no credentials.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port, credentials: None }
    }

    /// The name and the password to show it. It goes over the network as it is.
    #[must_use]
    pub fn credentials(mut self, user: &str, password: &str) -> Self {
        self.credentials = Some(base64(format!("{user}:{password}").as_bytes()));
        self
    }

    /// The proxy that the environment names for `endpoint`: `HTTPS_PROXY`, or `ALL_PROXY`, each also in small letters,
    /// as `http://USER:PASSWORD@HOST:PORT`, unless `NO_PROXY` excepts the endpoint. `None` where there is none.
    ///
    /// # Errors
    /// When a variable is set that cannot be read.
    pub fn from_environment(endpoint: &str) -> Result<Option<Self>, Error> {
        Self::from_lookup(endpoint, |name| std::env::var(name).ok())
    }

    fn from_lookup(endpoint: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, Error> {
        let first = |names: &[&str]| {
            let set = |name: &&str| variable(name).map(|text| ((*name).to_owned(), text));
            names.iter().find_map(set).filter(|(_, text)| !text.is_empty())
        };
        if first(&["NO_PROXY", "no_proxy"]).is_some_and(|(_, list)| is_excepted(endpoint, &list)) {
            return Ok(None);
        }
        first(&["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
            .map(|(place, text)| Self::parse(&text).map_err(|why| Error::InvalidProxy { place, why }))
            .transpose()
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        let rest = match text.split_once("://") {
            Some(("http", rest)) => rest,
            Some(_) => return Err("only http:// proxies are spoken to"),
            None => text,
        };
        let authority = rest.split('/').next().unwrap_or(rest);
        let (user_info, address) = match authority.rsplit_once('@') {
            Some((user_info, address)) => (Some(user_info), address),
            None => (None, authority),
        };
        let (host, port) = match address.rsplit_once(':').filter(|_| !address.ends_with(']')) {
            Some((host, port)) => (host, port.parse().map_err(|_| "its port is not a number up to 65535")?),
            None => (address, DEFAULT_PORT),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err("it has no host");
        }
        let proxy = Self::new(host, port);
        let Some(user_info) = user_info else { return Ok(proxy) };
        let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
        let decoded = |text| percent_decoded(text).ok_or("its name or password has a '%' that is no escape");
        Ok(proxy.credentials(&decoded(user)?, &decoded(password)?))
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// What asks for a tunnel to `target` (RFC 9110, section 9.3.6).
    pub(crate) fn request(&self, target: &str) -> String {
        let credentials = self.credentials.as_ref();
        let credentials =
            credentials.map_or(String::new(), |text| format!("Proxy-Authorization: Basic {text}\r\n"));
        format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{credentials}\r\n")
    }

    pub(crate) fn has_credentials(&self) -> bool {
        self.credentials.is_some()
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for Proxy {
    /// Without the credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

/// `NO_PROXY` as curl reads it: names with all that is below them, separated by commas, or `*`.
fn is_excepted(endpoint: &str, list: &str) -> bool {
    list.split(',').map(|entry| entry.trim().trim_start_matches('.')).filter(|entry| !entry.is_empty()).any(
        |entry| {
            let below = endpoint.strip_suffix(entry);
            entry == "*" || below.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        },
    )
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

/// Base64 (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |bits: u32| DIGITS.get((bits & 63) as usize).map_or('=', |digit| char::from(*digit));
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits =
            (0..3).fold(0, |bits, index| bits << 8 | u32::from(group.get(index).copied().unwrap_or(0)));
        let digits = [digit(bits >> 18), digit(bits >> 12), digit(bits >> 6), digit(bits)];
        text.extend(digits.iter().take(group.len() + 1));
        text.extend(std::iter::repeat_n('=', 3 - group.len()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(endpoint: &str, variables: &[(&str, &str)]) -> Result<Option<Proxy>, Error> {
        let find =
            |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        Proxy::from_lookup(endpoint, find)
    }

    #[test]
    fn what_the_environment_may_say() {
        let plain = |host: &str, port| Some(Proxy::new(host, port));
        for (variables, expected) in [
            (&[][..], None),
            (&[("HTTPS_PROXY", "")], None),
            (&[("HTTPS_PROXY", "http://proxy:8080")], plain("proxy", 8080)),
            (&[("https_proxy", "proxy:8080/")], plain("proxy", 8080)),
            (&[("ALL_PROXY", "http://proxy")], plain("proxy", 3128)),
            (&[("HTTPS_PROXY", "http://[::1]:8080")], plain("::1", 8080)),
            (
                &[("HTTPS_PROXY", "http://u:p%40s@proxy:1")],
                Some(Proxy::new("proxy", 1).credentials("u", "p@s")),
            ),
            (&[("HTTPS_PROXY", "http://a:1"), ("ALL_PROXY", "http://b:2")], plain("a", 1)),
            (&[("HTTPS_PROXY", "http://a:1"), ("NO_PROXY", "*")], None),
            (&[("HTTPS_PROXY", "http://a:1"), ("no_proxy", "local, .amazonaws.com")], None),
            (&[("HTTPS_PROXY", "http://a:1"), ("NO_PROXY", "zonaws.com")], plain("a", 1)),
        ] {
            assert_eq!(of("x.iot.eu.amazonaws.com", variables).unwrap(), expected, "{variables:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_without_the_password() {
        for text in [
            "socks5://u:secret@proxy",
            "http://u:secret@proxy:port",
            "http://u:secret@",
            "http://u:secret%g@p",
        ] {
            let words = of("host", &[("HTTPS_PROXY", text)]).unwrap_err().to_string();
            assert!(words.contains("HTTPS_PROXY") && !words.contains("secret"), "{words}");
        }
        let proxy = Proxy::new("proxy", 1).credentials("user", "secret");
        assert_eq!(format!("{proxy:?} {proxy}"), "Proxy(proxy:1) proxy:1");
    }

    #[test]
    fn credentials_are_written_as_http_wants_them() {
        // RFC 7617, section 2.
        let request = Proxy::new("proxy", 1).credentials("Aladdin", "open sesame").request("host:443");
        let expected = "CONNECT host:443 HTTP/1.1\r\nHost: host:443\r\n\
                        Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n";
        assert_eq!(request, expected);
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
