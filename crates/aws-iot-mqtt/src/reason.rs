//! MQTT 5's reason codes, and what each means on AWS IoT Core.

use std::fmt;

/// Why the server says no: a reason code of MQTT 5 (section 2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReasonCode(pub(crate) u8);

impl ReasonCode {
    /// The connection is closed in the ordinary way.
    pub const NORMAL_DISCONNECTION: Self = Self(0x00);
    /// The server does not say why.
    pub const UNSPECIFIED_ERROR: Self = Self(0x80);
    /// The client may not do that: on AWS IoT Core, its policy does not allow it.
    pub const NOT_AUTHORIZED: Self = Self(0x87);
    /// The packet id is in use already.
    pub const PACKET_IDENTIFIER_IN_USE: Self = Self(0x91);
    /// A quota is exceeded for now.
    pub const QUOTA_EXCEEDED: Self = Self(0x97);
    /// Another connection with the same client id has taken this one's place.
    pub const SESSION_TAKEN_OVER: Self = Self(0x8E);

    /// The code as a number.
    pub fn code(self) -> u8 {
        self.0
    }

    fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            0x00 => "normal disconnection",
            0x04 => "disconnect with will message",
            0x80 => "unspecified error",
            0x81 => "malformed packet",
            0x82 => "protocol error",
            0x83 => "implementation specific error",
            0x84 => "unsupported protocol version",
            0x85 => "client identifier not valid",
            0x86 => "bad user name or password",
            0x87 => "not authorized",
            0x88 => "server unavailable",
            0x89 => "server busy",
            0x8A => "banned",
            0x8B => "server shutting down",
            0x8C => "bad authentication method",
            0x8D => "keep alive timeout",
            0x8E => "session taken over",
            0x8F => "topic filter invalid",
            0x90 => "topic name invalid",
            0x91 => "packet identifier in use",
            0x93 => "receive maximum exceeded",
            0x94 => "topic alias invalid",
            0x95 => "packet too large",
            0x96 => "message rate too high",
            0x97 => "quota exceeded",
            0x98 => "administrative action",
            0x99 => "payload format invalid",
            0x9A => "retain not supported",
            0x9B => "QoS not supported",
            0x9C => "use another server",
            0x9D => "server moved",
            0x9E => "shared subscriptions not supported",
            0x9F => "connection rate exceeded",
            0xA0 => "maximum connect time",
            0xA1 => "subscription identifiers not supported",
            0xA2 => "wildcard subscriptions not supported",
            _ => return None,
        })
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (0x{:02x})", self.name().unwrap_or("unknown reason"), self.0)
    }
}
