//! The name that a message is published under.

use crate::Error;

/// The longest text that MQTT can carry, in bytes (MQTT 5, section 1.5.4).
pub(crate) const MQTT_TEXT_BYTES: usize = 65_535;

/// A topic name: at least one character, no wildcards. Checked once, here.
///
/// How long and how deep a topic may be is the server's matter: see [`Limits`](crate::Limits).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Topic(String);

impl Topic {
    /// The topic as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

impl TryFrom<String> for Topic {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        let fault = if text.contains(['+', '#']) {
            Some("a topic to publish to has no wildcards ('+', '#')")
        } else {
            text_fault(&text)
        };
        match fault {
            None => Ok(Self(text)),
            Some(why) => Err(Error::InvalidTopic { topic: text, why }),
        }
    }
}

/// What `Topic` and `Filter`, which both are a checked text, have beside `TryFrom<String>`.
macro_rules! text_conversions {
    ($text:ident) => {
        impl TryFrom<&str> for $text {
            type Error = Error;

            fn try_from(text: &str) -> Result<Self, Error> {
                Self::try_from(text.to_owned())
            }
        }

        impl TryFrom<&String> for $text {
            type Error = Error;

            fn try_from(text: &String) -> Result<Self, Error> {
                Self::try_from(text.clone())
            }
        }

        impl From<&$text> for $text {
            fn from(text: &$text) -> Self {
                text.clone()
            }
        }

        impl std::str::FromStr for $text {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                Self::try_from(text)
            }
        }

        impl AsRef<str> for $text {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $text {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
pub(crate) use text_conversions;

text_conversions!(Topic);

/// What topics and filters have in common (MQTT 5, section 4.7.3).
pub(crate) fn text_fault(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        Some("it is empty")
    } else if text.len() > MQTT_TEXT_BYTES {
        Some("it is longer than the 65535 bytes that MQTT can carry")
    } else if text.contains('\0') {
        Some("it contains a NUL character")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_topic() {
        for good in ["a", "/", "sensors/1/temperature", "$aws/things/t/shadow/get", "a b", "日本"] {
            assert_eq!(good.parse::<Topic>().unwrap().as_str(), good);
        }
        let long = "x".repeat(MQTT_TEXT_BYTES + 1);
        for bad in ["", "a/+", "#", "a\0b", &long] {
            assert!(matches!(bad.parse::<Topic>(), Err(Error::InvalidTopic { .. })), "{bad:.20}");
        }
    }
}
