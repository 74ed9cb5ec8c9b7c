//! HTTP proxies: which one, with what credentials, and the request for a tunnel through it.

mod answer;

use std::ffi::OsString;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ipnet::IpNet;
use percent_encoding::percent_decode_str;
use tokio::net::TcpStream;

#[cfg(any(test, fuzzing))]
pub(crate) use self::answer::fuzz;
use self::answer::{ask, refusal};
use crate::Error;
use crate::connection::{dial, resolve};

/// Where a proxy listens when its address names no port: what Squid and most others do.
const DEFAULT_PORT: u16 = 3128;
/// The variables that name the proxy, in curl's order. `HTTP_PROXY` is for http:// addresses only.
const PROXY_VARIABLES: [&str; 4] = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];

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
        self.credentials = Some(BASE64_STANDARD.encode(format!("{user}:{password}")));
        self
    }

    /// The proxy that the environment names for `endpoint`, by curl's rules: the first of `https_proxy`, `HTTPS_PROXY`,
    /// `all_proxy` and `ALL_PROXY` that is not empty, as `http://USER:PASSWORD@HOST:PORT`, unless `no_proxy` or
    /// `NO_PROXY` excepts the endpoint. A port that is not named is 3128. `None` where there is no proxy.
    ///
    /// # Errors
    /// When a variable is set that cannot be read, or names a kind of proxy that is not supported (`https`, `socks5`).
    pub fn from_environment(endpoint: &str) -> Result<Option<Self>, Error> {
        Self::from_lookup(endpoint, |name| std::env::var_os(name))
    }

    fn from_lookup(
        endpoint: &str,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Option<Self>, Error> {
        let first = |names: &[&'static str]| {
            names.iter().find_map(|name| Some((*name, variable(name).filter(|value| !value.is_empty())?)))
        };
        if first(&["no_proxy", "NO_PROXY"])
            .is_some_and(|(_, list)| is_excepted(endpoint, &list.to_string_lossy()))
        {
            return Ok(None);
        }
        let Some((place, text)) = first(&PROXY_VARIABLES) else { return Ok(None) };
        let parsed = text.to_str().ok_or("it is not UTF-8").and_then(Self::parse);
        parsed.map(Some).map_err(|why| Error::InvalidProxy { place: place.to_owned(), why })
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        let rest = match text.trim().split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some((scheme, _)) if scheme.eq_ignore_ascii_case("https") => {
                return Err("a proxy that is itself reached over TLS (https://) is not supported");
            }
            Some(_) => return Err("only http:// proxies are supported, no SOCKS"),
            None => text.trim(),
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
        let decoded =
            |text| percent_decode_str(text).decode_utf8().map_err(|_| "its name or password is not UTF-8");
        Ok(proxy.credentials(&decoded(user)?, &decoded(password)?))
    }

    /// Opens a TCP connection through the proxy to a host and port, for other protocols than MQTT. It has no time limit
    /// of its own, and needs a tokio runtime.
    ///
    /// # Errors
    /// [`Error::Proxy`]: the proxy cannot be reached, or opens no tunnel.
    pub async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, Error> {
        let (proxy, endpoint) = (self.to_string(), host_and_port(host, port));
        let tunnel = async {
            let unreachable = |error: Error| format!("it cannot be reached: {error}");
            let addresses = resolve(&self.host, self.port).await.map_err(unreachable)?;
            let mut socket = dial(addresses, &proxy).await.map_err(unreachable)?;
            let answer = ask(&mut socket, &self.request(&endpoint)).await;
            let answer = answer.map_err(|error| format!("it does not answer as a proxy does ({error})"))?;
            refusal(&answer, self.credentials.is_some()).map_or(Ok(socket), Err)
        };
        tunnel.await.map_err(|why| Error::Proxy { proxy, endpoint, why })
    }

    /// What asks for a tunnel to `target` (RFC 9110, section 9.3.6).
    fn request(&self, target: &str) -> String {
        let credentials = self.credentials.as_ref();
        let credentials =
            credentials.map_or(String::new(), |text| format!("Proxy-Authorization: Basic {text}\r\n"));
        format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{credentials}\r\n")
    }
}

/// As the environment variables write it: `http://HOST:PORT`, `http://USER:PASSWORD@HOST:PORT`, or `HOST:PORT`.
impl FromStr for Proxy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        // The text itself may hold a password.
        Self::parse(text).map_err(|why| Error::InvalidProxy { place: "the text".to_owned(), why })
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&host_and_port(&self.host, self.port))
    }
}

impl fmt::Debug for Proxy {
    /// Without the credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

/// A host and its port as URLs and CONNECT write them: an IPv6 address stands in brackets.
pub(crate) fn host_and_port(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// `NO_PROXY` as curl reads it: names with all that is below them, addresses and networks (`10.0.0.0/8`), separated by
/// commas or spaces, or `*` alone.
fn is_excepted(endpoint: &str, list: &str) -> bool {
    if list.trim() == "*" {
        return true;
    }
    let host = endpoint.trim_end_matches('.').to_ascii_lowercase();
    let mut entries = list.split([',', ' ']).filter(|entry| !entry.is_empty());
    match host.parse() {
        Ok(address) => entries.any(|entry| is_in_network(address, entry)),
        Err(_) => entries.any(|entry| {
            let domain = entry.trim_matches('.').to_ascii_lowercase();
            let below = host.strip_suffix(&domain).filter(|_| !domain.is_empty());
            below.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        }),
    }
}

/// Whether `entry` is that address, or a network with it.
fn is_in_network(address: IpAddr, entry: &str) -> bool {
    let entry = entry.replace(['[', ']'], "");
    match entry.parse::<IpNet>() {
        Ok(network) => network.contains(&address),
        Err(_) => entry.parse() == Ok(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(endpoint: &str, variables: &[(&str, &str)]) -> Result<Option<Proxy>, Error> {
        let find = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).into());
        Proxy::from_lookup(endpoint, find)
    }

    #[test]
    fn what_the_environment_may_say() {
        let plain = |host: &str, port| Some(Proxy::new(host, port));
        for (variables, expected) in [
            (&[][..], None),
            (&[("HTTPS_PROXY", "")], None),
            (&[("https_proxy", ""), ("HTTPS_PROXY", ""), ("ALL_PROXY", "b:2")], plain("b", 2)),
            (&[("https_proxy", "a:1"), ("HTTPS_PROXY", "b:2")], plain("a", 1)),
            (&[("HTTP_PROXY", "http://a:1")], None),
            (&[("HTTPS_PROXY", "HTTP://proxy:8080")], plain("proxy", 8080)),
            (&[("all_proxy", "socks5://a:1"), ("HTTPS_PROXY", "a:1")], plain("a", 1)),
            (&[("HTTPS_PROXY", "a:1"), ("no_proxy", ""), ("NO_PROXY", "local,amazonaws.com")], None),
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
    fn exceptions_are_read_as_curl_reads_them() {
        for (endpoint, list, expected) in [
            ("a.example", "A.Example", true),
            ("A.example.", "a.example", true),
            ("a.example", "a.example.", true),
            ("b.a.example", ".a.example", true),
            ("ba.example", "a.example", false),
            ("a.example", "x y a.example", true),
            ("a.example", "*", true),
            ("a.example", "x,*", false),
            ("a.example", "*.example", false),
            ("a.example", ",, ,", false),
            ("a.example", ".", false),
            ("a.example", "10.0.0.0/8", false),
            ("10.1.2.3", "10.0.0.0/8", true),
            ("11.1.2.3", "10.0.0.0/8", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "2.3", false),
            ("10.1.2.3", "0.0.0.0/0", true),
            ("10.1.2.3", "10.0.0.0/33", false),
            ("10.1.2.3", "::/0", false),
            ("fd00::1", "fd00::/8", true),
            ("fd00::1", "[fd00::1]", true),
            ("fe80::1", "fd00::/8", false),
        ] {
            assert_eq!(is_excepted(endpoint, list), expected, "{endpoint} by {list:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_without_the_password() {
        for text in [
            "socks5://u:secret@proxy",
            "https://u:secret@proxy",
            "http://u:secret@proxy:port",
            "http://u:secret@",
            "http://u:secret%ff@p",
        ] {
            let words = of("host", &[("HTTPS_PROXY", text)]).unwrap_err().to_string();
            assert!(words.contains("HTTPS_PROXY") && !words.contains("secret"), "{words}");
        }
        let proxy = Proxy::new("proxy", 1).credentials("user", "secret");
        assert_eq!(format!("{proxy:?} {proxy}"), "Proxy(proxy:1) proxy:1");
        assert_eq!(Proxy::new("::1", 8080).to_string(), "[::1]:8080");
    }

    #[test]
    fn credentials_are_written_as_http_wants_them() {
        // RFC 7617, section 2.
        let request = Proxy::new("proxy", 1).credentials("Aladdin", "open sesame").request("host:443");
        let expected = "CONNECT host:443 HTTP/1.1\r\nHost: host:443\r\n\
                        Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n";
        assert_eq!(request, expected);
    }
}
