//! What can be wrong with a chip, or with the bus to it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use cryptoki_sys::CK_RV;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::Error;

/// What is wrong with the chip. It holds until another one is set; the module looks at each operation.
///
/// An operation is what goes over the bus: opening the chip with the first session, a search, an attribute that is
/// read from the chip, random numbers, a signature.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
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
    FailNextSign(CK_RV),
    /// `fail-next:FUNCTION:CKR`: the next call of that C function fails with that answer, in each process once. The module
    /// does nothing else.
    FailNext {
        /// The C function, for example `C_FindObjectsInit`.
        function: &'static str,
        /// What it answers.
        answer: CK_RV,
    },
    /// `fail-each:FUNCTION:CKR`: as `fail-next`, with each call.
    FailEach {
        /// The C function, for example `C_FindObjectsInit`.
        function: &'static str,
        /// What it answers.
        answer: CK_RV,
    },
    /// `corrupt-signatures`: one bit of each signature is wrong.
    CorruptSignatures,
    /// `corrupt-next-signature`: one bit of the next signature of a process is wrong. Once.
    CorruptNextSignature,
    /// `corrupt-next-read`: one bit of the next value that a process reads from the chip is wrong: a certificate, a modulus, an
    /// exponent, a point. Once.
    CorruptNextRead,
}

/// The faults that are a name and nothing else.
const PLAIN: [(&str, Fault); 8] = [
    ("none", Fault::None),
    ("absent", Fault::Absent),
    ("mute", Fault::Mute),
    ("mute-for-a-while", Fault::MuteForAWhile),
    ("held", Fault::Held),
    ("corrupt-signatures", Fault::CorruptSignatures),
    ("corrupt-next-signature", Fault::CorruptNextSignature),
    ("corrupt-next-read", Fault::CorruptNextRead),
];

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DiesAfter(operations) => write!(f, "dies-after:{operations}"),
            Self::PowerCycledAfter(operations) => write!(f, "power-cycled-after:{operations}"),
            Self::Slow(delay) => write!(f, "slow:{}", delay.as_millis()),
            Self::FailNextSign(answer) => write!(f, "fail-next-sign:{answer:#x}"),
            Self::FailNext { function, answer } => write!(f, "fail-next:{function}:{answer:#x}"),
            Self::FailEach { function, answer } => write!(f, "fail-each:{function}:{answer:#x}"),
            plain => {
                f.write_str(PLAIN.into_iter().find(|(_, fault)| fault == plain).map_or("?", |(name, _)| name))
            }
        }
    }
}

impl FromStr for Fault {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        parse(text).ok_or_else(|| Error::UnknownFault(text.to_owned()))
    }
}

impl Serialize for Fault {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fault {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

fn parse(text: &str) -> Option<Fault> {
    Some(match text.split_once(':') {
        None => PLAIN.into_iter().find(|(name, _)| *name == text)?.1,
        Some(("dies-after", operations)) => Fault::DiesAfter(operations.parse().ok()?),
        Some(("power-cycled-after", operations)) => Fault::PowerCycledAfter(operations.parse().ok()?),
        Some(("slow", delay)) => Fault::Slow(Duration::from_millis(delay.parse().ok()?)),
        Some(("fail-next-sign", answer)) => Fault::FailNextSign(number(answer)?),
        Some((which @ ("fail-next" | "fail-each"), call)) => {
            let (function, answer) = call.split_once(':')?;
            let function = FUNCTIONS.into_iter().find(|name| *name == function)?;
            let answer = number(answer)?;
            if which == "fail-next" {
                Fault::FailNext { function, answer }
            } else {
                Fault::FailEach { function, answer }
            }
        }
        Some(_) => return None,
    })
}

fn number(answer: &str) -> Option<CK_RV> {
    match answer.strip_prefix("0x") {
        Some(digits) => CK_RV::from_str_radix(digits, 16).ok(),
        None => answer.parse().ok(),
    }
}

/// The functions that can be made to fail: those that the module has.
const FUNCTIONS: [&str; 23] = [
    "C_Initialize",
    "C_Finalize",
    "C_GetInfo",
    "C_GetSlotList",
    "C_GetSlotInfo",
    "C_GetTokenInfo",
    "C_GetMechanismList",
    "C_GetMechanismInfo",
    "C_OpenSession",
    "C_CloseSession",
    "C_CloseAllSessions",
    "C_GetSessionInfo",
    "C_Login",
    "C_Logout",
    "C_GetObjectSize",
    "C_GetAttributeValue",
    "C_FindObjectsInit",
    "C_FindObjects",
    "C_FindObjectsFinal",
    "C_SignInit",
    "C_Sign",
    "C_SeedRandom",
    "C_GenerateRandom",
];

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
            Fault::FailNext { function: "C_FindObjects", answer: 0x30 },
            Fault::FailEach { function: "C_Login", answer: 0xA0 },
            Fault::CorruptSignatures,
            Fault::CorruptNextSignature,
            Fault::CorruptNextRead,
        ];
        for fault in faults {
            assert_eq!(fault.to_string().parse::<Fault>().unwrap(), fault);
        }
        for wrong in [
            "",
            "gone",
            "slow",
            "slow:",
            "slow:1s",
            "dies-after:-1",
            "absent:1",
            "fail-next-sign:0x",
            "fail-next:C_Foo:1",
        ] {
            assert!(wrong.parse::<Fault>().is_err(), "{wrong}");
        }
    }
}
