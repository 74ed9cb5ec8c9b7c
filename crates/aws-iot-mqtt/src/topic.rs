//! Topic names, and topic filters for subscriptions.

use crate::Error;

/// The longest text that MQTT can carry, in bytes (MQTT 5, section 1.5.4).
pub(crate) const MQTT_TEXT_BYTES: usize = 65_535;
/// The prefix of a shared subscription: `$share/NAME/FILTER` (MQTT 5, section 4.8.2).
const SHARED: &str = "$share/";

/// A topic name: at least one character, no wildcards. Checked once, here.
///
/// How long and how deep a topic may be is the server's matter: see [`Limits`](crate::Limits).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Topic(String);

/// A topic filter, in which `+` stands for one level and a final `#` for all that follow. Checked once, here.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Filter(String);

/// A text that the function finds no fault with.
macro_rules! checked_text {
    ($text:ident, $fault:ident, $error:ident { $field:ident }) => {
        impl $text {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $text {
            type Error = Error;

            fn try_from(text: String) -> Result<Self, Error> {
                match $fault(&text) {
                    None => Ok(Self(text)),
                    Some(why) => Err(Error::$error { $field: text, why }),
                }
            }
        }

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

checked_text!(Topic, topic_fault, InvalidTopic { topic });
checked_text!(Filter, filter_fault, InvalidFilter { filter });

impl Topic {
    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

impl Filter {
    /// Whether messages of that topic belong to this filter.
    pub fn matches(&self, topic: &str) -> bool {
        let filter = self.topics();
        // Topics that begin with '$' are not meant by a filter that begins with a wildcard (MQTT 5, section 4.7.2).
        if topic.starts_with('$') && filter.starts_with(['+', '#']) {
            return false;
        }
        let mut names = topic.split('/');
        for level in filter.split('/') {
            if level == "#" {
                return true;
            }
            match names.next() {
                Some(name) if level == "+" || level == name => {}
                _ => return false,
            }
        }
        names.next().is_none()
    }

    /// The part that is compared with topics: without `$share/NAME/`.
    pub(crate) fn topics(&self) -> &str {
        topics_of(&self.0)
    }
}

/// What topics and filters have in common (MQTT 5, section 4.7.3).
fn text_fault(text: &str) -> Option<&'static str> {
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

fn topic_fault(text: &str) -> Option<&'static str> {
    if text.contains(['+', '#']) {
        return Some("a topic to publish to has no wildcards ('+', '#')");
    }
    text_fault(text)
}

fn topics_of(filter: &str) -> &str {
    filter.strip_prefix(SHARED).and_then(|rest| rest.split_once('/')).map_or(filter, |(_, topics)| topics)
}

fn filter_fault(text: &str) -> Option<&'static str> {
    if let Some(why) = text_fault(text) {
        return Some(why);
    }
    if let Some(rest) = text.strip_prefix(SHARED) {
        match rest.split_once('/') {
            Some((name, topics)) if !name.is_empty() && !name.contains(['+', '#']) && !topics.is_empty() => {}
            _ => return Some("a shared subscription is written $share/NAME/FILTER"),
        }
    }
    let topics = topics_of(text);
    if topics.split('/').any(|level| level.len() > 1 && level.contains(['+', '#'])) {
        return Some("a wildcard ('+' or '#') takes a whole level between slashes");
    }
    if topics.split('/').rev().skip(1).any(|level| level == "#") {
        return Some("'#' stands at the end only");
    }
    None
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

    #[test]
    fn what_is_a_filter() {
        for good in ["a", "#", "+", "a/#", "+/b/+", "/", "$aws/events/#", "$share/group/a/+"] {
            assert_eq!(good.parse::<Filter>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "a#",
            "a+",
            "#/a",
            "a/#/b",
            "a/b+/c",
            "\0",
            "$share/g",
            "$share//a",
            "$share/g+/a",
            "$share/g/",
        ] {
            assert!(matches!(bad.parse::<Filter>(), Err(Error::InvalidFilter { .. })), "{bad}");
        }
    }

    #[test]
    fn which_topics_match() {
        // The cases of MQTT 5, section 4.7.1 and 4.7.2.
        for (filter, topic, expected) in [
            ("sport/tennis/player1/#", "sport/tennis/player1", true),
            ("sport/tennis/player1/#", "sport/tennis/player1/ranking", true),
            ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true),
            ("sport/#", "sport", true),
            ("#", "any/thing", true),
            ("sport/tennis/+", "sport/tennis/player1", true),
            ("sport/tennis/+", "sport/tennis/player1/ranking", false),
            ("sport/+", "sport", false),
            ("sport/+", "sport/", true),
            ("+/+", "/finance", true),
            ("/+", "/finance", true),
            ("+", "/finance", false),
            ("#", "$SYS/uptime", false),
            ("+/monitor", "$SYS/monitor", false),
            ("$SYS/#", "$SYS/uptime", true),
            ("$SYS/+", "$SYS/uptime", true),
            ("a/b", "a/b", true),
            ("a/b", "a/B", false),
            ("a/b", "a/b/c", false),
            ("$share/group/a/+", "a/b", true),
            ("$share/group/#", "$SYS/uptime", false),
        ] {
            assert_eq!(filter.parse::<Filter>().unwrap().matches(topic), expected, "{filter} {topic}");
        }
    }
}
