//! The codes with which AWS IoT refuses a request.

use std::fmt;

macro_rules! codes {
    ($(#[$doc:meta])* $name:ident: $wire:ty { $($(#[$variant_doc:meta])* $variant:ident = $value:literal,)+ } other $other:ty) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
            /// A code that AWS's page does not list.
            Other($other),
        }

        impl From<$wire> for $name {
            fn from(code: $wire) -> Self {
                match code {
                    $($value => Self::$variant,)+
                    other => Self::Other(other.into()),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$variant => $value.fmt(f),)+
                    Self::Other(code) => code.fmt(f),
                }
            }
        }
    };
}

codes! {
    /// Why the Device Shadow service refuses a request (AWS IoT developer guide, "Device Shadow error messages").
    ShadowErrorCode: u64 {
        /// The request is not valid.
        BadRequest = 400,
        /// The request is not authorized.
        Unauthorized = 401,
        /// The request is forbidden.
        Forbidden = 403,
        /// There is no such thing, or no such shadow.
        NotFound = 404,
        /// The version in the request is not the shadow's.
        Conflict = 409,
        /// The document is larger than the service takes.
        PayloadTooLarge = 413,
        /// The document is not UTF-8.
        UnsupportedMediaType = 415,
        /// More than ten requests of this device were unanswered.
        TooManyRequests = 429,
        /// The service failed.
        Internal = 500,
    } other u64
}

codes! {
    /// Why AWS IoT Jobs or AWS IoT commands refuses a request (AWS IoT developer guide, "Jobs MQTT API", `ErrorCode`; AWS's
    /// device SDKs have the same list for commands. "AWS IoT commands troubleshooting" adds `DataConflict`.)
    RejectedErrorCode: &str {
        /// The topic belongs to no operation.
        InvalidTopic = "InvalidTopic",
        /// The request is not JSON in UTF-8.
        InvalidJson = "InvalidJson",
        /// The request is not valid; the message says why.
        InvalidRequest = "InvalidRequest",
        /// The execution cannot go from its status to the requested one.
        InvalidStateTransition = "InvalidStateTransition",
        /// There is no such execution.
        ResourceNotFound = "ResourceNotFound",
        /// The expected version is not the execution's.
        VersionMismatch = "VersionMismatch",
        /// The service failed.
        InternalError = "InternalError",
        /// The request was throttled.
        RequestThrottled = "RequestThrottled",
        /// The execution is at its end.
        TerminalStateReached = "TerminalStateReached",
        /// Another update of the same execution is under way.
        DataConflict = "DataConflict",
    } other String
}

impl ShadowErrorCode {
    /// Whether the same request may succeed later.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self, Self::TooManyRequests | Self::Internal)
    }
}

impl RejectedErrorCode {
    /// Whether the execution has a status that does not change any more.
    pub(crate) fn is_at_end(&self) -> bool {
        matches!(self, Self::InvalidStateTransition | Self::TerminalStateReached)
    }

    /// Whether the same request may succeed later.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self, Self::InternalError | Self::RequestThrottled | Self::DataConflict)
    }
}
