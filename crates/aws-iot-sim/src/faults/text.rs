//! The text form of faults.

use std::fmt;
use std::str::FromStr;

use super::{Answer, ApiRefusal, Fault, Injection};

/// A text that names no fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no fault: use close-on-deny, withhold=ANSWER, throttle, quota-exceeded, close-after-connect, \
     slow-link=BYTES_PER_SECOND, session-present=true|false, connect-rate, refuse=OPERATION:REFUSAL or \
     eventual-consistency=TIMES, and ,times=N after it for the next N occasions only \
     (ANSWER: {answers}; REFUSAL: {refusals})",
    answers = names(ANSWERS),
    refusals = names(REFUSALS)
)]
pub struct UnknownFault(String);

const ANSWERS: &[(&str, Answer)] = &[
    ("connack", Answer::Connack),
    ("puback", Answer::Puback),
    ("suback", Answer::Suback),
    ("unsuback", Answer::Unsuback),
    ("pingresp", Answer::Pingresp),
];

const REFUSALS: &[(&str, ApiRefusal)] = &[
    ("missing-allow", ApiRefusal::MissingAllow),
    ("explicit-deny", ApiRefusal::ExplicitDeny),
    ("service-control-policy", ApiRefusal::ServiceControlPolicy),
    ("unknown-operation", ApiRefusal::UnknownOperation),
    ("throttling", ApiRefusal::Throttling),
    ("not-found", ApiRefusal::NotFound),
    ("internal-failure", ApiRefusal::InternalFailure),
];

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
        parse(name, value).ok_or_else(|| UnknownFault(text.to_owned()))
    }
}

impl FromStr for Injection {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        let Some((fault, times)) = text.split_once(",times=") else {
            return Ok(text.parse::<Fault>()?.into());
        };
        let times = times.parse().map_err(|_| UnknownFault(text.to_owned()))?;
        Ok(fault.parse::<Fault>()?.times(times))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CloseOnDeny => f.write_str("close-on-deny"),
            Self::Withhold(answer) => write!(f, "withhold={}", name_of(ANSWERS, answer)),
            Self::Throttle => f.write_str("throttle"),
            Self::QuotaExceeded => f.write_str("quota-exceeded"),
            Self::CloseAfterConnect => f.write_str("close-after-connect"),
            Self::SlowLink { bytes_per_second } => write!(f, "slow-link={bytes_per_second}"),
            Self::SessionPresent(present) => write!(f, "session-present={present}"),
            Self::ConnectRate => f.write_str("connect-rate"),
            Self::Refuse { operation, refusal } => {
                write!(f, "refuse={operation}:{}", name_of(REFUSALS, refusal))
            }
            Self::EventualConsistency { times } => write!(f, "eventual-consistency={times}"),
        }
    }
}

impl fmt::Display for Injection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fault.fmt(f)?;
        self.times.map_or(Ok(()), |times| write!(f, ",times={times}"))
    }
}

fn parse(name: &str, value: Option<&str>) -> Option<Fault> {
    Some(match (name, value) {
        ("close-on-deny", None) => Fault::CloseOnDeny,
        ("withhold", Some(answer)) => Fault::Withhold(find(ANSWERS, answer)?),
        ("throttle", None) => Fault::Throttle,
        ("quota-exceeded", None) => Fault::QuotaExceeded,
        ("close-after-connect", None) => Fault::CloseAfterConnect,
        ("slow-link", Some(bytes)) => {
            Fault::SlowLink { bytes_per_second: bytes.parse().ok().filter(|bytes| *bytes > 0)? }
        }
        ("session-present", Some(present)) => Fault::SessionPresent(present.parse().ok()?),
        ("connect-rate", None) => Fault::ConnectRate,
        ("refuse", Some(what)) => {
            let (operation, refusal) = what.split_once(':')?;
            Fault::Refuse { operation: operation.to_owned(), refusal: find(REFUSALS, refusal)? }
        }
        ("eventual-consistency", Some(times)) => Fault::EventualConsistency { times: times.parse().ok()? },
        _ => return None,
    })
}

fn find<T: Copy>(table: &[(&str, T)], name: &str) -> Option<T> {
    table.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

fn name_of<T: PartialEq>(table: &[(&'static str, T)], value: &T) -> &'static str {
    table.iter().find(|(_, known)| known == value).map_or("", |(name, _)| name)
}

fn names<T>(table: &[(&str, T)]) -> String {
    table.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_form_is_read_as_it_is_written() {
        let texts = [
            "close-on-deny",
            "withhold=connack",
            "withhold=puback",
            "withhold=suback",
            "withhold=unsuback",
            "withhold=pingresp",
            "throttle",
            "quota-exceeded",
            "close-after-connect,times=5",
            "slow-link=8192",
            "session-present=true",
            "session-present=false",
            "connect-rate",
            "refuse=CreateThing:explicit-deny",
            "refuse=*:throttling,times=2",
            "refuse=ListPrincipalThingsV2:unknown-operation",
            "eventual-consistency=2",
        ];
        for text in texts {
            assert_eq!(text.parse::<Injection>().unwrap().to_string(), text);
        }
        let wrong = [
            "",
            "close",
            "withhold",
            "withhold=pubrec",
            "slow-link=0",
            "slow-link=-1",
            "throttle=1",
            "refuse=CreateThing",
            "refuse=CreateThing:maybe",
            "throttle,times=x",
            "session-present=perhaps",
        ];
        for text in wrong {
            let error = text.parse::<Injection>().unwrap_err().to_string();
            assert!(error.contains("unsuback") && error.contains("service-control-policy"), "{error}");
        }
    }
}
