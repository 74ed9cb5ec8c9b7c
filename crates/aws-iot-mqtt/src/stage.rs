//! How far a connection got before its time was over.

use std::fmt;

/// How far a connection got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// The name is being resolved.
    Resolve,
    /// A TCP connection is being made.
    Tcp,
    /// The proxy is reached, or asked for a tunnel.
    Proxy,
    /// The TLS handshake is under way: the device's signature is made here.
    Tls,
    /// CONNECT was sent, CONNACK has not come.
    Mqtt,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "resolving the name (is a DNS server reached?)",
            Self::Tcp => "the TCP connection (does a firewall swallow it?)",
            Self::Proxy => "the proxy (is it reached, and does it answer?)",
            Self::Tls => "the TLS handshake (does the key's chip answer, and is it the TLS port?)",
            Self::Mqtt => "waiting for the answer to CONNECT",
        })
    }
}
