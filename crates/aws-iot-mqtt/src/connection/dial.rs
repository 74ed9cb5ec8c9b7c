//! From a name to a TCP connection.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::debug;

use crate::{Cause, Error};

/// How long one address is tried alone before the next one is tried beside it (RFC 8305, section 8). An IPv6 address
/// that leads nowhere then costs a quarter of a second, and not the whole connect timeout.
const STAGGER: Duration = Duration::from_millis(250);

/// The endpoint's addresses, of both families in turn.
pub(super) async fn resolve(endpoint: &str, port: u16) -> Result<Vec<SocketAddr>, Error> {
    let failed = |error| Error::Resolve { endpoint: endpoint.to_owned(), source: Cause::new(error) };
    let found: Vec<SocketAddr> = lookup_host((endpoint, port)).await.map_err(failed)?.collect();
    if found.is_empty() {
        return Err(failed(io::Error::new(io::ErrorKind::NotFound, "the name has no address")));
    }
    Ok(in_turn(found))
}

/// Connects to the address that answers first.
pub(super) async fn dial(addresses: Vec<SocketAddr>, server: &str) -> Result<TcpStream, Error> {
    let mut waiting = addresses.into_iter().peekable();
    // Dropped with the winner in hand, which ends the attempts that are still under way.
    let mut attempts = JoinSet::new();
    let mut answers: Vec<String> = Vec::new();
    let mut last = None;
    loop {
        if let Some(address) = waiting.next() {
            attempts.spawn(async move { (address, TcpStream::connect(address).await) });
        }
        let finished = tokio::select! {
            finished = attempts.join_next() => finished,
            () = sleep(STAGGER), if waiting.peek().is_some() => continue,
        };
        match finished {
            Some(Ok((address, Ok(socket)))) => {
                debug!(%address, "TCP connection");
                // Without it each small packet may wait 40 ms for the acknowledgement of the one before.
                if let Err(error) = socket.set_nodelay(true) {
                    debug!(%error, "TCP_NODELAY");
                }
                return Ok(socket);
            }
            Some(Ok((address, Err(error)))) => {
                answers.push(format!("{} ({})", address.ip(), error.kind()));
                last = Some(error);
            }
            Some(Err(ended)) => last = Some(io::Error::other(ended)),
            None => {
                let source = last.unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into());
                return Err(Error::Unreachable {
                    endpoint: server.to_owned(),
                    tried: answers.join(", "),
                    source: Cause::new(source),
                });
            }
        }
    }
}

/// The resolver's order, but for the families, which alternate (RFC 8305, section 4).
fn in_turn(found: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = found.first().is_some_and(SocketAddr::is_ipv6);
    let count = found.len();
    let (first, second): (Vec<_>, Vec<_>) = found.into_iter().partition(|a| a.is_ipv6() == first_is_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    (0..count).flat_map(|_| [first.next(), second.next()]).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_alternate_and_nothing_is_lost() {
        let addresses = |texts: &[&str]| -> Vec<SocketAddr> {
            texts.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 8883)).collect()
        };
        for (found, expected) in [
            (&["::1", "::2", "::3", "10.0.0.1"][..], &["::1", "10.0.0.1", "::2", "::3"][..]),
            (&["10.0.0.1", "::1", "10.0.0.2"], &["10.0.0.1", "::1", "10.0.0.2"]),
            (&["10.0.0.1"], &["10.0.0.1"]),
            (&[], &[]),
        ] {
            assert_eq!(in_turn(addresses(found)), addresses(expected));
        }
    }
}
