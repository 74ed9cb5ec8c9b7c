//! MQTT 5's reason codes, and what each means on AWS IoT Core.

use std::fmt;

use rumqttc::v5::mqttbytes::v5::{
    ConnectReturnCode, DisconnectReasonCode, PubAckReason, SubscribeReasonCode, UnsubAckReason,
};

/// Why the server says no: a reason code of MQTT 5 (section 2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReasonCode(u8);

impl ReasonCode {
    /// The connection is closed in the ordinary way.
    pub const NORMAL_DISCONNECTION: Self = Self(0x00);
    /// The server does not say why.
    pub const UNSPECIFIED_ERROR: Self = Self(0x80);
    /// The client may not do that: on AWS IoT Core, its policy does not allow it.
    pub const NOT_AUTHORIZED: Self = Self(0x87);
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

impl From<DisconnectReasonCode> for ReasonCode {
    fn from(code: DisconnectReasonCode) -> Self {
        Self(code as u8)
    }
}

impl From<ConnectReturnCode> for ReasonCode {
    fn from(code: ConnectReturnCode) -> Self {
        use ConnectReturnCode as C;
        Self(match code {
            C::Success => 0x00,
            C::UnspecifiedError => 0x80,
            C::MalformedPacket => 0x81,
            C::ProtocolError => 0x82,
            C::ImplementationSpecificError => 0x83,
            C::RefusedProtocolVersion | C::UnsupportedProtocolVersion => 0x84,
            C::BadClientId | C::ClientIdentifierNotValid => 0x85,
            C::BadUserNamePassword => 0x86,
            C::NotAuthorized => 0x87,
            C::ServiceUnavailable | C::ServerUnavailable => 0x88,
            C::ServerBusy => 0x89,
            C::Banned => 0x8A,
            C::BadAuthenticationMethod => 0x8C,
            C::TopicNameInvalid => 0x90,
            C::PacketTooLarge => 0x95,
            C::QuotaExceeded => 0x97,
            C::PayloadFormatInvalid => 0x99,
            C::RetainNotSupported => 0x9A,
            C::QoSNotSupported => 0x9B,
            C::UseAnotherServer => 0x9C,
            C::ServerMoved => 0x9D,
            C::ConnectionRateExceeded => 0x9F,
        })
    }
}

impl From<PubAckReason> for ReasonCode {
    fn from(code: PubAckReason) -> Self {
        use PubAckReason as P;
        Self(match code {
            P::Success => 0x00,
            P::NoMatchingSubscribers => 0x10,
            P::UnspecifiedError => 0x80,
            P::ImplementationSpecificError => 0x83,
            P::NotAuthorized => 0x87,
            P::TopicNameInvalid => 0x90,
            P::PacketIdentifierInUse => 0x91,
            P::QuotaExceeded => 0x97,
            P::PayloadFormatInvalid => 0x99,
        })
    }
}

impl From<SubscribeReasonCode> for ReasonCode {
    fn from(code: SubscribeReasonCode) -> Self {
        use SubscribeReasonCode as S;
        Self(match code {
            S::Success(_) => 0x00,
            S::Failure | S::Unspecified => 0x80,
            S::ImplementationSpecific => 0x83,
            S::NotAuthorized => 0x87,
            S::TopicFilterInvalid => 0x8F,
            S::PkidInUse => 0x91,
            S::QuotaExceeded => 0x97,
            S::SharedSubscriptionsNotSupported => 0x9E,
            S::SubscriptionIdNotSupported => 0xA1,
            S::WildcardSubscriptionsNotSupported => 0xA2,
        })
    }
}

impl From<UnsubAckReason> for ReasonCode {
    fn from(code: UnsubAckReason) -> Self {
        use UnsubAckReason as U;
        Self(match code {
            U::Success => 0x00,
            U::NoSubscriptionExisted => 0x11,
            U::UnspecifiedError => 0x80,
            U::ImplementationSpecificError => 0x83,
            U::NotAuthorized => 0x87,
            U::TopicFilterInvalid => 0x8F,
            U::PacketIdentifierInUse => 0x91,
        })
    }
}
