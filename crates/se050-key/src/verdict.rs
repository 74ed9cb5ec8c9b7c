//! What an error means for who has to act on it.

use std::error::Error as StdError;

use crate::{CallError, Error};

/// The exit status by which a program tells its supervisor that only a new process can open the chip:
/// `EX_TEMPFAIL` of sysexits.h.
pub const RESTART_EXIT_STATUS: u8 = 75;

impl Error {
    /// Whether the same request may succeed later, without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::ChipAway { .. }
            | Self::Busy { .. }
            | Self::Timeout { .. }
            | Self::Hanging { .. }
            | Self::BadSignature { .. } => true,
            Self::Call { source, .. } => source.is_cured_by_a_new_session() || source.is_of_an_opening(),
            _ => false,
        }
    }

    /// Whether only a new process can open the chip again: see [`RESTART_EXIT_STATUS`].
    pub fn needs_restart(&self) -> bool {
        matches!(self, Self::RestartNeeded { .. })
    }

    /// The status with which a program ends because of this error, or of an error that this one caused:
    /// [`RESTART_EXIT_STATUS`] or 1.
    pub fn exit_status(error: &(dyn StdError + 'static)) -> u8 {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if error.downcast_ref::<Self>().is_some_and(Self::needs_restart) {
                return RESTART_EXIT_STATUS;
            }
            cause = error.source();
        }
        1
    }

    /// The chip may be away: NXP's module gives the same answers for a chip that does not answer as for other things.
    pub(crate) fn may_be_an_outage(&self) -> bool {
        matches!(self, Self::Call { .. } | Self::NotFound { .. } | Self::ChipAway { .. })
    }

    /// A new session may help, once the chip was found to answer.
    pub(crate) fn is_cured_by_a_new_session(&self) -> bool {
        matches!(self, Self::Call { source, .. } if source.is_cured_by_a_new_session())
    }

    pub(crate) fn into_call(self) -> Option<CallError> {
        match self {
            Self::Call { source, .. } => Some(source),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the connection failed")]
    struct Wrapped(#[source] Error);

    #[test]
    fn a_program_ends_with_a_status_of_its_own_when_only_a_restart_helps() {
        let needed = || Error::RestartNeeded { module: "m.so".into(), failures: 2, source: None };
        assert_eq!(Error::exit_status(&needed()), 75);
        assert_eq!(Error::exit_status(&Wrapped(needed())), 75);
        assert_eq!(Error::exit_status(&Wrapped(Error::Forked)), 1);
        assert!(needed().needs_restart() && !needed().is_transient());
    }
}
