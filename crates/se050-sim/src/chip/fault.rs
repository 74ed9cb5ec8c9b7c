//! What can be wrong with a chip, or with the bus to it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Error;

/// What is wrong with the chip. It holds until another one is set; the module looks at each operation.
///
/// An operation is what goes over the bus: opening the chip with the first session, a search, an attribute that is
/// read from the chip, random numbers, a signature.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum Fault {
    /// `none`: the chip works.
    #[default]
    None,
    /// `absent`: no acknowledgement on the bus; every operation fails at once. The chip keeps its state, so that an
    /// open session can be used again when the fault is lifted.
    Absent,
    /// `mute`: the chip acknowledges and never answers; an operation blocks **until the fault is changed**, and
    /// then fails.
    Mute,
    /// `mute-for-a-while`: as `mute`, but the module gives up after the time that its version takes for it (3.5 s,
    /// or 145 s on 4.7; [`Chip::set_time_scale`](crate::Chip::set_time_scale) shortens it).
    MuteForAWhile,
    /// `dies-after:N`: N more operations in each process, then the chip dies in the middle of one and is absent.
    DiesAfter(u32),
    /// `power-cycled-after:N`: N more operations in each process, then the chip loses its power for a moment: the
    /// sessions that are open fail for good, new ones work. [`Chip::power_cycle`](crate::Chip::power_cycle) does it
    /// now, to all processes.
    PowerCycledAfter(u32),
    /// `slow:MILLISECONDS`: each operation takes that long.
    Slow(Duration),
    /// `held`: an operation waits **until the fault is changed**, and is then carried out.
    Held,
    /// `fail-next-sign:CKR`: the next `C_Sign` of a process fails with that answer. Once.
    FailNextSign(u64),
    /// `corrupt-signatures`: one bit of each signature is wrong.
    CorruptSignatures,
    /// `corrupt-next-signature`: one bit of the next signature of a process is wrong. Once.
    CorruptNextSignature,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Absent => f.write_str("absent"),
            Self::Mute => f.write_str("mute"),
            Self::MuteForAWhile => f.write_str("mute-for-a-while"),
            Self::DiesAfter(operations) => write!(f, "dies-after:{operations}"),
            Self::PowerCycledAfter(operations) => write!(f, "power-cycled-after:{operations}"),
            Self::Slow(delay) => write!(f, "slow:{}", delay.as_millis()),
            Self::Held => f.write_str("held"),
            Self::FailNextSign(answer) => write!(f, "fail-next-sign:{answer:#x}"),
            Self::CorruptSignatures => f.write_str("corrupt-signatures"),
            Self::CorruptNextSignature => f.write_str("corrupt-next-signature"),
        }
    }
}

impl FromStr for Fault {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        parse(text).ok_or_else(|| Error::UnknownFault(text.to_owned()))
    }
}

impl TryFrom<String> for Fault {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Fault> for String {
    fn from(fault: Fault) -> Self {
        fault.to_string()
    }
}

fn parse(text: &str) -> Option<Fault> {
    Some(match text.split_once(':') {
        None => match text {
            "none" => Fault::None,
            "absent" => Fault::Absent,
            "mute" => Fault::Mute,
            "mute-for-a-while" => Fault::MuteForAWhile,
            "held" => Fault::Held,
            "corrupt-signatures" => Fault::CorruptSignatures,
            "corrupt-next-signature" => Fault::CorruptNextSignature,
            _ => return None,
        },
        Some(("dies-after", operations)) => Fault::DiesAfter(operations.parse().ok()?),
        Some(("power-cycled-after", operations)) => Fault::PowerCycledAfter(operations.parse().ok()?),
        Some(("slow", delay)) => Fault::Slow(Duration::from_millis(delay.parse().ok()?)),
        Some(("fail-next-sign", answer)) => Fault::FailNextSign(match answer.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).ok()?,
            None => answer.parse().ok()?,
        }),
        Some(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_written_and_read_alike() {
        let faults = [
            Fault::None,
            Fault::Absent,
            Fault::Mute,
            Fault::MuteForAWhile,
            Fault::DiesAfter(3),
            Fault::PowerCycledAfter(0),
            Fault::Slow(Duration::from_millis(250)),
            Fault::Held,
            Fault::FailNextSign(0x30),
            Fault::CorruptSignatures,
            Fault::CorruptNextSignature,
        ];
        for fault in faults {
            assert_eq!(fault.to_string().parse::<Fault>().unwrap(), fault);
        }
        for wrong in
            ["", "gone", "slow", "slow:", "slow:1s", "dies-after:-1", "absent:1", "fail-next-sign:0x"]
        {
            assert!(wrong.parse::<Fault>().is_err(), "{wrong}");
        }
    }
}
