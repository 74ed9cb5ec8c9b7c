//! A port where nobody listens, and ports for programs that cannot choose one themselves.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::{Ipv4Addr, TcpListener};

/// Nobody listens there: TCPMUX (RFC 1078), which no system runs. A port that was free a moment ago may be given to another test.
pub const CLOSED_PORT: u16 = 1;

/// Below the ports that Linux gives to whoever asks for any (`net.ipv4.ip_local_port_range`: from 32768), so that nobody takes one of
/// these by chance.
const CHOSEN: std::ops::Range<u16> = 10_000..32_768;

/// A port of 127.0.0.1 that is free now, for a program that is told its port. Only another caller of this function may take it before.
///
/// # Panics
/// When no port is free.
pub fn unused_port() -> u16 {
    let random = RandomState::new().build_hasher().finish();
    let count = u64::from(CHOSEN.end - CHOSEN.start);
    (0..count)
        .filter_map(|number| u16::try_from(random.wrapping_add(number) % count).ok())
        .map(|offset| CHOSEN.start + offset)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("a free port")
}
