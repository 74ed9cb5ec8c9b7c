//! Topic names and topic filters, with AWS IoT Core's limits and its two differences from the MQTT standard.

use crate::limits::{TOPIC_BYTES, TOPIC_SLASHES};

/// A topic that a message may be published to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicName(String);

/// A topic filter, with the name of its shared subscription where it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TopicFilter {
    text: String,
    group: Option<String>,
    levels: Vec<String>,
}

/// Why a topic or a filter cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TopicFault {
    #[error("it is empty, or has a NUL or a wildcard where none may be")]
    Syntax,
    #[error("it is longer than {TOPIC_BYTES} bytes")]
    TooLong,
    #[error("it has more than {TOPIC_SLASHES} slashes")]
    TooDeep,
    #[error("it begins with $, and topics of AWS's own begin with $aws/")]
    Reserved,
}

impl TopicName {
    /// Reads the topic of a publish.
    pub(crate) fn parse(text: &str) -> Result<Self, TopicFault> {
        if text.is_empty() || text.contains(['+', '#', '\0']) {
            return Err(TopicFault::Syntax);
        }
        if text.starts_with('$') && !is_aws(text) {
            return Err(TopicFault::Reserved);
        }
        check_limits(counted(text))?;
        Ok(Self(text.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is one of AWS's own topics: rules, shadows, jobs. None of them reaches subscribers as it stands.
    pub(super) fn is_reserved(&self) -> bool {
        is_aws(&self.0)
    }
}

impl TopicFilter {
    /// Reads a filter of a SUBSCRIBE, `$share/GROUP/FILTER` included.
    pub(super) fn parse(text: &str) -> Result<Self, TopicFault> {
        let (group, filter) = match text.strip_prefix("$share/") {
            Some(shared) => {
                let (group, filter) = shared.split_once('/').ok_or(TopicFault::Syntax)?;
                if group.is_empty() || group.contains(['+', '#']) {
                    return Err(TopicFault::Syntax);
                }
                (Some(group.to_owned()), filter)
            }
            None => (None, text),
        };
        let levels: Vec<String> = filter.split('/').map(str::to_owned).collect();
        let last = levels.len().saturating_sub(1);
        let well_formed = |(position, level): (usize, &String)| {
            (!level.contains('#') || (level == "#" && position == last))
                && (!level.contains('+') || level == "+")
        };
        if filter.is_empty() || filter.contains('\0') || !levels.iter().enumerate().all(well_formed) {
            return Err(TopicFault::Syntax);
        }
        check_limits(counted(filter))?;
        Ok(Self { text: text.to_owned(), group, levels })
    }

    /// The filter as it was sent.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// The name of the shared subscription.
    pub(super) fn group(&self) -> Option<&str> {
        self.group.as_deref()
    }

    /// Whether the filter covers the topic.
    pub(super) fn matches(&self, topic: &TopicName) -> bool {
        let mut topic_levels = topic.0.split('/');
        for (position, level) in self.levels.iter().enumerate() {
            // A wildcard in the first level does not reach topics that begin with $ (MQTT 5, section 4.7.2).
            if position == 0 && matches!(level.as_str(), "#" | "+") && topic.0.starts_with('$') {
                return false;
            }
            match (level.as_str(), topic_levels.next()) {
                // AWS differs from the standard: a/# does not cover a itself
                // (AWS IoT developer guide, "AWS IoT differences from MQTT specifications").
                ("#", next) => return next.is_some(),
                ("+", Some(_)) => {}
                (wanted, Some(actual)) if wanted == actual => {}
                _ => return false,
            }
        }
        topic_levels.next().is_none()
    }

    /// Whether retained messages are sent for it: AWS sends them only where the filter is the very topic
    /// (AWS IoT developer guide, "MQTT retained messages").
    pub(super) fn retained_topic(&self) -> Option<&str> {
        let exact = self.group.is_none() && !self.text.contains(['+', '#']);
        exact.then_some(self.text.as_str())
    }
}

fn is_aws(text: &str) -> bool {
    text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("$aws/"))
}

/// The part of a topic that the limits count: without the prefix of Basic Ingest, `$aws/rules/NAME/`, or of commands,
/// `$aws/commands/things/`.
fn counted(text: &str) -> &str {
    // AWS's own topics of commands have eight slashes (AWS IoT Core developer guide, "Reserved topics", commands).
    if let Some((_, topic)) = text.strip_prefix("$aws/commands/").and_then(|rest| rest.split_once('/')) {
        return topic;
    }
    let rule = text.get(..11).filter(|start| start.eq_ignore_ascii_case("$aws/rules/"));
    rule.and_then(|_| text.get(11..)).and_then(|rest| rest.split_once('/')).map_or(text, |(_, topic)| topic)
}

fn check_limits(text: &str) -> Result<(), TopicFault> {
    if text.len() > TOPIC_BYTES {
        return Err(TopicFault::TooLong);
    }
    if text.matches('/').count() > TOPIC_SLASHES {
        return Err(TopicFault::TooDeep);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_cover_topics() {
        let cases = [
            ("plain", "a/b", "a/b", true),
            ("case matters", "a/b", "a/B", false),
            ("plus is one level", "a/+/c", "a/b/c", true),
            ("plus is not two levels", "a/+", "a/b/c", false),
            ("plus is not none", "a/+", "a", false),
            ("plus may be empty", "a/+", "a/", true),
            ("hash is everything below", "a/#", "a/b/c", true),
            ("AWS differences page: sensor/# covers sensor/", "sensor/#", "sensor/", true),
            ("AWS differences page: sensor/# does not cover sensor", "sensor/#", "sensor", false),
            ("hash alone", "#", "a/b", true),
            ("hash alone does not reach $ topics", "#", "$aws/things/t/shadow/get", false),
            ("plus does not reach $ topics", "+/things", "$aws/things", false),
            ("$ topics by name", "$aws/things/+/shadow/get", "$aws/things/t/shadow/get", true),
            ("shared", "$share/g/a/+", "a/b", true),
        ];
        for (name, filter, topic, covers) in cases {
            let filter = TopicFilter::parse(filter).unwrap();
            let topic = TopicName::parse(topic).unwrap();
            assert_eq!(filter.matches(&topic), covers, "{name}");
        }
    }

    #[test]
    fn limits_and_syntax_of_topics() {
        let longest = "x".repeat(256);
        let too_long = "x".repeat(257);
        let ingest = format!("$aws/rules/my_rule/{longest}");
        let cases: &[(&str, &str, Option<TopicFault>)] = &[
            ("256 bytes", &longest, None),
            ("257 bytes", &too_long, Some(TopicFault::TooLong)),
            ("seven slashes", "1/2/3/4/5/6/7/8", None),
            ("eight slashes", "1/2/3/4/5/6/7/8/9", Some(TopicFault::TooDeep)),
            ("Basic Ingest prefix is not counted", &ingest, None),
            ("Basic Ingest with seven slashes", "$aws/rules/r/1/2/3/4/5/6/7/8", None),
            ("Basic Ingest with eight slashes", "$aws/rules/r/1/2/3/4/5/6/7/8/9", Some(TopicFault::TooDeep)),
            ("wildcard", "a/+", Some(TopicFault::Syntax)),
            ("empty", "", Some(TopicFault::Syntax)),
            ("NUL", "a\0", Some(TopicFault::Syntax)),
            ("dollar", "$mine/a", Some(TopicFault::Reserved)),
        ];
        for (name, topic, fault) in cases {
            assert_eq!(TopicName::parse(topic).err(), *fault, "{name}");
        }
    }

    #[test]
    fn syntax_of_filters() {
        let bad =
            ["", "a/#/b", "a#", "a+/b", "a/b+", "$share/g", "$share//a", "$share/+/a", "$share/g/", "a\0"];
        for filter in bad {
            assert_eq!(TopicFilter::parse(filter).err(), Some(TopicFault::Syntax), "{filter:?}");
        }
        assert_eq!(TopicFilter::parse("1/2/3/4/5/6/7/8/#").err(), Some(TopicFault::TooDeep));
        assert_eq!(TopicFilter::parse("$share/g/1/2/3/4/5/6/7/#").err(), None);
    }
}
