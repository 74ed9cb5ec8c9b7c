//! The codec's reason codes, one type for each packet, as ours.

use rumqttc::v5::mqttbytes::v5::{
    ConnectReturnCode, DisconnectReasonCode, PubAckReason, SubscribeReasonCode, UnsubAckReason,
};

use crate::ReasonCode;

/// A trait of our own, and not `From`: the codec's types stay out of the public API.
pub(crate) trait Reason {
    fn reason(self) -> ReasonCode;
}

impl Reason for DisconnectReasonCode {
    fn reason(self) -> ReasonCode {
        ReasonCode(self as u8)
    }
}

impl Reason for ConnectReturnCode {
    fn reason(self) -> ReasonCode {
        use ConnectReturnCode as C;
        ReasonCode(match self {
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

impl Reason for PubAckReason {
    fn reason(self) -> ReasonCode {
        use PubAckReason as P;
        ReasonCode(match self {
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

impl Reason for SubscribeReasonCode {
    fn reason(self) -> ReasonCode {
        use SubscribeReasonCode as S;
        ReasonCode(match self {
            S::Success(qos) => qos as u8,
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

impl Reason for UnsubAckReason {
    fn reason(self) -> ReasonCode {
        use UnsubAckReason as U;
        ReasonCode(match self {
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
