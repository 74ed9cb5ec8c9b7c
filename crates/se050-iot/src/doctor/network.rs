//! The way to the endpoint: its name, and its port.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::checklist::Problem;

/// A resolver asks several servers, 5 s each (resolv.conf(5), `timeout`).
const RESOLVING: Duration = Duration::from_secs(15);
/// Long enough for a slow line: TCP repeats its SYN after 1 s and 3 s.
const CONNECTING: Duration = Duration::from_secs(5);
/// How many addresses of a family are tried: one may be down.
const MOST: usize = 2;

/// The endpoint's addresses.
pub(super) fn resolve(endpoint: &str) -> Result<(Vec<IpAddr>, String), Problem> {
    let failed = |reason: String| {
        let next = format!(
            "nslookup {endpoint}; check the spelling against `aws iot describe-endpoint --endpoint-type iot:Data-ATS`, and the DNS \
             server in /etc/resolv.conf"
        );
        Problem::new(format!("the name {endpoint} cannot be resolved: {reason}"), next)
    };
    let (sender, receiver) = mpsc::channel();
    let name = endpoint.to_owned();
    // The resolver cannot be interrupted. Its thread ends with the process at the latest.
    let started = thread::Builder::new().spawn(move || {
        let found = (name.as_str(), 0).to_socket_addrs().map(Iterator::collect::<Vec<_>>);
        // Nobody may wait for it any more.
        let _ = sender.send(found);
    });
    started.map_err(|error| failed(error.to_string()))?;
    let found = receiver.recv_timeout(RESOLVING);
    let found = found.map_err(|_| failed(format!("no answer within {} s", RESOLVING.as_secs())))?;
    let mut addresses: Vec<IpAddr> =
        found.map_err(|error| failed(error.to_string()))?.iter().map(SocketAddr::ip).collect();
    addresses.dedup();
    let of_family = |v6: bool| -> String {
        let all: Vec<_> =
            addresses.iter().filter(|address| address.is_ipv6() == v6).map(ToString::to_string).collect();
        if all.is_empty() { "none".to_owned() } else { all.join(" ") }
    };
    let finding = format!("IPv4 {}; IPv6 {}", of_family(false), of_family(true));
    if addresses.is_empty() { Err(failed("it has no address".to_owned())) } else { Ok((addresses, finding)) }
}

/// Whether that port takes a connection, at one of the addresses.
pub(super) fn connect(addresses: &[IpAddr], port: u16) -> Result<String, Problem> {
    let family = |v6: bool| addresses.iter().filter(move |address| address.is_ipv6() == v6).take(MOST);
    let mut answers = Vec::new();
    let mut kind = ErrorKind::Other;
    for address in family(false).chain(family(true)) {
        match TcpStream::connect_timeout(&SocketAddr::new(*address, port), CONNECTING) {
            Ok(_) => return Ok(format!("connected to {address}")),
            Err(error) => {
                answers.push(format!("{address}: {error}"));
                kind = error.kind();
            }
        }
    }
    let answers = answers.join("; ");
    Err(match kind {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Problem::new(
            format!("no answer on port {port} ({answers}); probably a firewall drops the packets"),
            "open outgoing TCP 8883 or 443 in the firewall; --port 443 uses the other one; HTTPS_PROXY names a proxy",
        ),
        ErrorKind::ConnectionRefused => Problem::new(
            format!(
                "port {port} is closed ({answers}): probably a wrong endpoint or port, or a firewall refuses"
            ),
            "check --endpoint and --port; --port 443 uses the port that most firewalls let through",
        ),
        _ => Problem::new(
            format!("no connection to port {port} ({answers})"),
            "check that the device's network is up, with a default route: ip addr; ip route",
        ),
    })
}
