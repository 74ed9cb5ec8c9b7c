//! From a name to a TCP connection.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::debug;

use crate::error::no_route;
use crate::{Cause, Error};

/// How long one address is tried alone before the next one is tried in parallel (RFC 8305, section 8). An IPv6 address that
/// does not answer then costs a quarter of a second, and not the whole connect timeout.
const STAGGER: Duration = Duration::from_millis(250);

/// Most bytes that the kernel takes beyond what the network takes: a ping waits behind them, 8 s on a line of 8 KiB/s. With a
/// quarter of it, the session's thread is woken for each message of 16 KiB.
#[cfg(target_os = "linux")]
const UNSENT_BYTES: u32 = 64 * 1024;

/// The endpoint's addresses, IPv6 and IPv4 alternating.
pub(crate) async fn resolve(endpoint: &str, port: u16) -> Result<Vec<SocketAddr>, Error> {
    let failed = |error| Error::Resolve { endpoint: endpoint.to_owned(), source: Cause::new(error) };
    let found: Vec<SocketAddr> = lookup_host((endpoint, port)).await.map_err(failed)?.collect();
    if found.is_empty() {
        return Err(failed(io::Error::new(io::ErrorKind::NotFound, "the name has no address")));
    }
    Ok(alternate_families(found))
}

/// Connects to the address that answers first.
pub(crate) async fn dial(addresses: Vec<SocketAddr>, server: &str) -> Result<TcpStream, Error> {
    let mut waiting = addresses.into_iter().peekable();
    // Dropped on return, which ends the attempts that are still under way.
    let mut attempts = JoinSet::new();
    let mut answers: Vec<String> = Vec::new();
    let mut cause: Option<io::Error> = None;
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
                if let Err(error) = set_options(&socket) {
                    debug!(%error, "TCP_NODELAY, TCP_NOTSENT_LOWAT");
                }
                return Ok(socket);
            }
            Some(Ok((address, Err(error)))) => {
                answers.push(format!("{} ({})", address.ip(), error.kind()));
                // "No route" says least: it is often IPv6 on a network without IPv6.
                if cause.as_ref().is_none_or(|cause| no_route(cause.kind())) {
                    cause = Some(error);
                }
            }
            Some(Err(ended)) => cause = Some(io::Error::other(ended)),
            None => {
                let source = cause.unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into());
                return Err(Error::Unreachable {
                    endpoint: server.to_owned(),
                    tried: answers.join(", "),
                    source: Cause::new(source),
                });
            }
        }
    }
}

fn set_options(socket: &TcpStream) -> io::Result<()> {
    // Without it each small packet may wait 40 ms for the acknowledgement of the one before.
    socket.set_nodelay(true)?;
    #[cfg(target_os = "linux")]
    socket2::SockRef::from(socket).set_tcp_notsent_lowat(UNSENT_BYTES)?;
    Ok(())
}

/// Keeps the resolver's order within each family, and alternates the families (RFC 8305, section 4).
fn alternate_families(found: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = found.first().is_some_and(SocketAddr::is_ipv6);
    let count = found.len();
    let (first, second): (Vec<_>, Vec<_>) = found.into_iter().partition(|a| a.is_ipv6() == first_is_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    (0..count).flat_map(|_| [first.next(), second.next()]).flatten().collect()
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use tokio::net::{TcpListener, TcpSocket};
    use tokio::time::Instant;

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
            assert_eq!(alternate_families(addresses(found)), addresses(expected));
        }
    }

    /// An address that swallows connections: a listener that accepts none, with its queue full. On IPv6 where the
    /// machine has it.
    async fn black_hole() -> (TcpListener, TcpStream, SocketAddr) {
        let bound = |ip: IpAddr| {
            let socket = if ip.is_ipv6() { TcpSocket::new_v6()? } else { TcpSocket::new_v4()? };
            socket.bind((ip, 0).into()).map(|()| socket)
        };
        let socket =
            bound(Ipv6Addr::LOCALHOST.into()).or_else(|_| bound(Ipv4Addr::LOCALHOST.into())).unwrap();
        let listener = socket.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let only_one = TcpStream::connect(address).await.unwrap();
        (listener, only_one, address)
    }

    // The clock stands still while there is anything to do, and jumps to the next timer when there is not.
    #[tokio::test(start_paused = true)]
    async fn an_address_that_swallows_connections_costs_one_stagger_and_not_the_connect_timeout() {
        let (_listener, _only_one, dead) = black_hole().await;
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let alive = server.local_addr().unwrap();
        let began = Instant::now();
        let socket = dial(vec![dead, alive], "host:8883").await.unwrap();
        assert_eq!(socket.peer_addr().unwrap(), alive);
        assert_eq!(began.elapsed(), STAGGER, "by the clock that only timers move");
        assert!(socket.nodelay().unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn many_dead_addresses_are_tried_beside_each_other() {
        let (_listener, _only_one, dead) = black_hole().await;
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let alive = server.local_addr().unwrap();
        let began = Instant::now();
        let socket = dial(vec![dead, dead, dead, alive], "host:8883").await.unwrap();
        assert_eq!((socket.peer_addr().unwrap(), began.elapsed()), (alive, 3 * STAGGER));
    }

    /// The kernel would take megabytes ahead of a ping otherwise.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_server_that_reads_slowly_leaves_little_in_the_kernel_ahead_of_a_ping() {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let listener = socket.listen(1).unwrap();
        let client = dial(vec![listener.local_addr().unwrap()], "host:8883").await.unwrap();
        let (_never_read, _) = listener.accept().await.unwrap();
        let (mut taken, chunk) = (0, [0; 16 * 1024]);
        client.writable().await.unwrap();
        while let Ok(count) = client.try_write(&chunk) {
            taken += count;
            assert!(taken < 256 * 1024, "{taken} bytes");
        }
        assert!(taken > 0);
    }

    #[tokio::test]
    async fn every_address_and_its_answer_is_told_and_the_most_telling_one_is_the_cause() {
        let refused = {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            listener.local_addr().unwrap()
        };
        // A group is nobody's address, so no system has a route for a connection to it.
        let no_route = SocketAddr::new(Ipv4Addr::new(224, 0, 0, 1).into(), 8883);
        for addresses in [[refused, no_route], [no_route, refused]] {
            let error = dial(addresses.into(), "host:8883").await.unwrap_err();
            let words = error.to_string();
            for part in
                ["host:8883", "127.0.0.1 (connection refused)", "224.0.0.1 (network unreachable)", "port"]
            {
                assert!(words.contains(part), "{part} in {words}");
            }
        }
        let words = dial(vec![no_route], "host:8883").await.unwrap_err().to_string();
        assert!(words.contains("no route") && words.contains("default gateway"), "{words}");
    }
}
