//! What an error means for who has to act on it.

use std::error::Error as StdError;

use crate::Error;

/// The exit status by which a program tells its supervisor to start it anew, since the chip did not answer:
/// `EX_TEMPFAIL` of sysexits.h.
pub const RESTART_EXIT_STATUS: u8 = 75;

impl Error {
    /// Whether the same request may succeed later, without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::ChipUnreachable { .. }
            | Self::NoServer
            | Self::Busy { .. }
            | Self::Timeout { .. }
            | Self::Hanging { .. }
            | Self::BadSignature { .. } => true,
            Self::Call { source, .. } => source.is_cured_by_a_new_session(),
            _ => false,
        }
    }

    /// Whether only a new process can open the chip again: see [`RESTART_EXIT_STATUS`].
    pub fn needs_restart(&self) -> bool {
        matches!(self, Self::RestartNeeded { .. })
    }

    /// Whether [`Error::needs_restart`] may come next, some ten seconds from now at the earliest: the time to save what a
    /// new process is to find.
    pub fn restart_may_follow(&self) -> bool {
        matches!(self, Self::ChipUnreachable { openings_left: Some(0 | 1), .. })
    }

    /// The status with which a program ends because of this error, or of an error that this one caused:
    /// [`RESTART_EXIT_STATUS`] where the chip did not answer, so that a new process may find it; else 1.
    pub fn exit_status(error: &(dyn StdError + 'static)) -> u8 {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if error.downcast_ref::<Self>().is_some_and(Self::is_cured_by_a_new_process) {
                return RESTART_EXIT_STATUS;
            }
            cause = error.source();
        }
        1
    }

    fn is_cured_by_a_new_process(&self) -> bool {
        matches!(
            self,
            Self::RestartNeeded { .. }
                | Self::ChipUnreachable { .. }
                | Self::NoServer
                | Self::Timeout { .. }
                | Self::Hanging { .. }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the connection failed")]
    struct Wrapped(#[source] Error);

    #[test]
    fn a_program_that_ends_for_want_of_the_chip_has_a_status_of_its_own() {
        let needed = || Error::RestartNeeded { module: "m.so".into(), failures: 2, source: None };
        assert_eq!(Error::exit_status(&needed()), 75);
        assert_eq!(Error::exit_status(&Wrapped(needed())), 75);
        assert_eq!(Error::exit_status(&Wrapped(Error::Forked)), 1);
        assert!(needed().needs_restart() && !needed().is_transient());
        let unreachable = |openings_left| Error::ChipUnreachable {
            token: "t".into(),
            silent_for: std::time::Duration::from_millis(999),
            openings_left,
            source: None,
        };
        assert_eq!(Error::exit_status(&unreachable(Some(2))), 75);
        assert!(unreachable(None).to_string().contains("for 1.0 s now"));
        for (left, ahead) in [(None, false), (Some(2), false), (Some(1), true), (Some(0), true)] {
            assert_eq!(unreachable(left).restart_may_follow(), ahead);
            assert_eq!(unreachable(left).to_string().contains("started anew"), ahead);
            assert!(unreachable(left).is_transient());
        }
    }
}
