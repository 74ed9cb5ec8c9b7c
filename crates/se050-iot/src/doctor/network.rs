//! The way to the endpoint: its name, and its port.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::checklist::Problem;
use super::messages::{Text, device as words, text};

/// A resolver asks several servers, 5 s each (resolv.conf(5), `timeout`).
const RESOLVING: Duration = Duration::from_secs(15);
/// Long enough for a slow line: TCP repeats its SYN after 1 s and 3 s.
const CONNECTING: Duration = Duration::from_secs(5);
/// How many addresses of a family are tried: one may be down.
const MOST: usize = 2;

/// The endpoint's addresses.
pub(super) fn resolve(endpoint: &str) -> Result<(Vec<IpAddr>, Text), Problem> {
    let failed = |reason: Text| {
        let cause = text!(words::NAME_UNKNOWN, endpoint = endpoint).with_text("reason", reason);
        Problem::new(cause, text!(words::CHECK_NAME, endpoint = endpoint))
    };
    let of_system = |error: std::io::Error| failed(text!(words::SYSTEM_ERROR, error = error));
    let (sender, receiver) = mpsc::channel();
    let name = endpoint.to_owned();
    // The resolver cannot be interrupted. Its thread ends with the process at the latest.
    let started = thread::Builder::new().spawn(move || {
        let found = (name.as_str(), 0).to_socket_addrs().map(Iterator::collect::<Vec<_>>);
        // Nobody may wait for it any more.
        let _ = sender.send(found);
    });
    started.map_err(of_system)?;
    let found = receiver.recv_timeout(RESOLVING);
    let found = found.map_err(|_| failed(text!(words::NO_ANSWER_WITHIN, seconds = RESOLVING.as_secs())))?;
    let mut addresses: Vec<IpAddr> = found.map_err(of_system)?.iter().map(SocketAddr::ip).collect();
    addresses.dedup();
    if addresses.is_empty() {
        return Err(failed(text!(words::NO_ADDRESS)));
    }
    let finding =
        by_family(|v6| of_family(&addresses, v6).map(ToString::to_string).collect::<Vec<_>>().join(" "));
    Ok((addresses, finding))
}

/// Whether that port takes a connection, by IPv4 and by IPv6. One of them is enough: many networks have no IPv6. Returns the first
/// address that took one.
pub(super) fn connect(addresses: &[IpAddr], port: u16) -> Result<(IpAddr, Text), Problem> {
    let mut connected = None;
    let mut answers = Vec::new();
    let mut kind = ErrorKind::Other;
    let finding = by_family(|v6| {
        let mut of_this_family = Vec::new();
        for address in of_family(addresses, v6).take(MOST) {
            match TcpStream::connect_timeout(&SocketAddr::new(*address, port), CONNECTING) {
                Ok(_) => {
                    connected.get_or_insert(*address);
                    return format!("{address}");
                }
                Err(error) => {
                    of_this_family.push(format!("{address}: {error}"));
                    kind = error.kind();
                }
            }
        }
        answers.extend(of_this_family.clone());
        of_this_family.join(", ")
    });
    if let Some(address) = connected {
        return Ok((address, finding));
    }
    let answers = answers.join("; ");
    Err(match kind {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Problem::new(
            text!(words::PORT_SILENT, port = port, answers = answers),
            text!(words::OPEN_FIREWALL),
        ),
        ErrorKind::ConnectionRefused => {
            Problem::new(text!(words::PORT_CLOSED, port = port, answers = answers), text!(words::CHECK_PORT))
        }
        _ => Problem::new(
            text!(words::PORT_UNREACHABLE, port = port, answers = answers),
            text!(words::CHECK_NETWORK),
        ),
    })
}

fn of_family(addresses: &[IpAddr], v6: bool) -> impl Iterator<Item = &IpAddr> {
    addresses.iter().filter(move |address| address.is_ipv6() == v6)
}

/// What is to be said of each family.
fn by_family(mut say: impl FnMut(bool) -> String) -> Text {
    let mut said = |v6| Some(say(v6)).filter(|said| !said.is_empty()).unwrap_or_else(|| "-".to_owned());
    text!(words::BY_FAMILY, v4 = said(false), v6 = said(true))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};

    use super::super::messages::Language;
    use super::*;

    #[test]
    fn each_family_is_told_and_one_is_enough() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let both = [IpAddr::from(Ipv6Addr::LOCALHOST), IpAddr::from(Ipv4Addr::LOCALHOST)];
        let (address, told) = connect(&both, port).unwrap();
        let told = told.in_language(Language::English);
        assert_eq!(address, both[1]);
        // What IPv6 answers is the system's business.
        assert!(told.starts_with("IPv4 127.0.0.1; IPv6 ::1: "), "{told}");
        let told = connect(&both[1..], port).unwrap().1.in_language(Language::English);
        assert_eq!(told, "IPv4 127.0.0.1; IPv6 -");
        drop(listener);
        let told = connect(&both, port).unwrap_err().cause.in_language(Language::English);
        assert!(told.contains("127.0.0.1: ") && told.contains("::1: "), "{told}");
    }
}
