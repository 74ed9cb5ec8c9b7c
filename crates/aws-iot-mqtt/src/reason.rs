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

    pub(crate) fn is_error(self) -> bool {
        self.0 >= 0x80
    }

    /// In CONNACK: version, client id, credentials, policy, ban, authentication method.
    pub(crate) fn refuses_client(self) -> bool {
        matches!(self.0, 0x84..=0x87 | 0x8A | 0x8C)
    }

    /// In DISCONNECT (MQTT 5, section 3.14.2.1): another client with the same id; or what this client sent, which is malformed,
    /// against the protocol, denied, too much, too large, or has a topic, a payload format or a QoS that is not accepted.
    pub(crate) fn blames_client(self) -> bool {
        matches!(self.0, 0x81 | 0x82 | 0x87 | 0x8E | 0x90 | 0x93..=0x97 | 0x99..=0x9B)
    }

    /// In DISCONNECT: the server hung up because of one packet.
    pub(crate) fn names_request(self) -> bool {
        matches!(self.0, 0x81 | 0x82 | 0x87 | 0x8F..=0x95 | 0x99..=0x9B)
    }

    // What to try, as the end of an error message.

    pub(crate) fn connect_hint(self) -> &'static str {
        match self.0 {
            0x86 | 0x87 => {
                "a policy attached to the certificate has to allow iot:Connect on \
                 arn:aws:iot:REGION:ACCOUNT:client/CLIENT_ID; a policy with ${iot:Connection.Thing.ThingName} wants the thing's \
                 name as the client id (--client-id THING)"
            }
            0x84 => "the server does not speak MQTT 5",
            0x85 => "give another client id (at most 128 bytes)",
            0x88 | 0x89 => "try again later",
            0x8A => "ask whoever runs the server why this client id or certificate is banned",
            0x9C | 0x9D => {
                "ask for the endpoint's name again: `aws iot describe-endpoint --endpoint-type iot:Data-ATS`"
            }
            0x97 | 0x9F => "connect less often: AWS IoT Core takes one CONNECT a second for each client id",
            _ => "see the MQTT 5 reason code",
        }
    }

    pub(crate) fn disconnect_hint(self) -> &'static str {
        match self.0 {
            0x8E => "; another client has connected with this id: each device needs an id of its own",
            0x87 => "; the policy does not allow what was sent last (iot:Publish, iot:Subscribe)",
            0x93 | 0x96 | 0x97 => "; send less at a time",
            0x95 => "; a packet was larger than it takes (128 KiB of payload)",
            0x8D => "; it heard nothing for one and a half keep-alive times",
            0x9C | 0x9D => {
                "; ask for the endpoint's name again: `aws iot describe-endpoint --endpoint-type iot:Data-ATS`"
            }
            0x98 => "; an operator has ended it, or the certificate or its policy was changed",
            _ => "",
        }
    }

    pub(crate) fn publish_hint(self) -> &'static str {
        match self {
            Self::NOT_AUTHORIZED => {
                "; the policy has to allow iot:Publish on arn:aws:iot:REGION:ACCOUNT:topic/TOPIC, and iot:RetainPublish if \
                 the message is to be retained"
            }
            _ => "",
        }
    }

    pub(crate) fn subscribe_hint(self) -> &'static str {
        match self {
            Self::NOT_AUTHORIZED | Self::UNSPECIFIED_ERROR => {
                "; the policy has to allow iot:Subscribe on arn:aws:iot:REGION:ACCOUNT:topicfilter/FILTER \
                 (topicfilter, not topic)"
            }
            _ => "",
        }
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
