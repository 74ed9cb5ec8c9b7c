use std::process::ExitCode;

use se050_device::StopSignal;

/// How the command ended, for scripts. 2 is a wrong command line (clap's own), 1 and 75 are errors
/// ([`se050_key::Error::exit_status`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything is as it was asked for.
    Good,
    /// `doctor`: something that was checked is not well; the output says what.
    Unwell,
    /// An identity or a policy was refused; nothing was asked of AWS.
    Refused,
    /// `pub`, `sub`: the time that was given is over (27, as mosquitto_sub has it).
    TimedOut,
    /// `pub`, `sub`: a signal ended it before all was done (128 and the signal's number, as shells have it).
    Stopped(StopSignal),
    /// `plan --detailed-exitcode`: something is to change (2, as `terraform plan` has it).
    #[cfg(feature = "provision")]
    Changes,
    /// Some devices are not registered; the output says which.
    #[cfg(feature = "provision")]
    Incomplete,
    /// The question was not answered with yes; nothing was changed.
    #[cfg(feature = "provision")]
    Declined,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Good => 0,
            Exit::Unwell => 1,
            #[cfg(feature = "provision")]
            Exit::Changes => 2,
            Exit::Refused => 3,
            Exit::TimedOut => 27,
            Exit::Stopped(StopSignal::Interrupt) => 130,
            Exit::Stopped(StopSignal::Terminate) => 143,
            #[cfg(feature = "provision")]
            Exit::Incomplete => 4,
            #[cfg(feature = "provision")]
            Exit::Declined => 5,
        })
    }
}
