//! Faults that a test switches on and off while the simulator runs.

mod active;
mod text;

pub(crate) use active::ActiveFaults;
pub use text::UnknownFault;

/// Something that goes wrong on purpose. Each has a text form (`close-on-deny`, `withhold=puback`, ...) for the
/// command line and for `/faults` on the control plane's port.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// `close-on-deny`: a PUBLISH or SUBSCRIBE that the policy denies closes the connection, without PUBACK, SUBACK or
    /// DISCONNECT. AWS IoT Core may answer so instead of with reason code 0x87.
    CloseOnDeny,
    /// `withhold=puback` (or `connack`, `suback`, `unsuback`, `pingresp`): this answer is not sent. The request is
    /// carried out all the same.
    Withhold(Answer),
    /// `throttle`: a PUBLISH is neither taken nor acknowledged, and the connection stays up.
    Throttle,
    /// `quota-exceeded`: a QoS 1 PUBLISH is not taken and gets PUBACK 0x97, a QoS 0 PUBLISH is dropped.
    QuotaExceeded,
    /// `close-after-connect`: the connection is closed after CONNECT, without CONNACK.
    CloseAfterConnect,
    /// `slow-link=8192`: each direction of each connection carries no more than that.
    SlowLink {
        /// Bytes of MQTT a second, at least 1.
        bytes_per_second: u32,
    },
    /// `session-present=true`: what CONNACK says of the session, whatever is true.
    SessionPresent(bool),
    /// `connect-rate`: a second CONNECT of a client id within one second is refused with 0x97. AWS IoT Core has this
    /// quota ("Connect requests per second per client ID"); it is off by default, because tests reconnect at once.
    ConnectRate,
    /// `refuse=CreateThing:explicit-deny`: an operation of the control plane is refused.
    Refuse {
        /// The operation's name in the AWS API; `*` means every operation.
        operation: String,
        /// The answer.
        refusal: ApiRefusal,
    },
    /// `eventual-consistency=2`: the first calls of AttachThingPrincipal, AttachPolicy and AddThingToThingGroup for the
    /// same pair are answered with ResourceNotFoundException, as AWS may do right after a creation.
    EventualConsistency {
        /// How many calls for each pair.
        times: u32,
    },
}

/// An answer of the broker that a fault withholds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The answer to CONNECT.
    Connack,
    /// The answer to PUBLISH at QoS 1.
    Puback,
    /// The answer to SUBSCRIBE.
    Suback,
    /// The answer to UNSUBSCRIBE.
    Unsuback,
    /// The answer to PINGREQ.
    Pingresp,
}

/// How an operation of the control plane is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiRefusal {
    /// `missing-allow`: AccessDeniedException, because no policy of the user allows the action.
    MissingAllow,
    /// `explicit-deny`: AccessDeniedException, because a policy of the user denies the action.
    ExplicitDeny,
    /// `service-control-policy`: AccessDeniedException, because the organization denies the action.
    ServiceControlPolicy,
    /// `unknown-operation`: UnknownOperationException, as a partition answers that does not have the operation yet.
    UnknownOperation,
    /// `throttling`: ThrottlingException.
    Throttling,
    /// `not-found`: ResourceNotFoundException.
    NotFound,
    /// `internal-failure`: InternalFailureException.
    InternalFailure,
}

/// A fault, and how often it strikes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Injection {
    pub(crate) fault: Fault,
    /// `None` means until it is cleared.
    pub(crate) times: Option<u32>,
}

impl Fault {
    /// This fault for the next `times` occasions only. Text form: `close-after-connect,times=5`.
    ///
    /// `slow-link` and `eventual-consistency` count nothing and take no number.
    #[must_use]
    pub fn times(self, times: u32) -> Injection {
        Injection { fault: self, times: Some(times) }
    }

    /// Whether one replaces the other, so that both cannot be on at once.
    fn is_same_kind(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Withhold(one), Self::Withhold(other)) => one == other,
            (Self::Refuse { operation: one, .. }, Self::Refuse { operation: other, .. }) => one == other,
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

impl From<Fault> for Injection {
    fn from(fault: Fault) -> Self {
        Self { fault, times: None }
    }
}
