//! Which topics a subscription wants.

use crate::Error;
use crate::topic::{text_conversions, text_fault};

/// The prefix of a shared subscription: `$share/NAME/FILTER` (MQTT 5, section 4.8.2).
const SHARED: &str = "$share/";

/// A topic filter, in which `+` stands for one level and a final `#` for all that follow. Checked once, here.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Filter(String);

impl Filter {
    /// The filter as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

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

impl TryFrom<String> for Filter {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        match fault(&text) {
            None => Ok(Self(text)),
            Some(why) => Err(Error::InvalidFilter { filter: text, why }),
        }
    }
}

text_conversions!(Filter);

fn topics_of(filter: &str) -> &str {
    filter.strip_prefix(SHARED).and_then(|rest| rest.split_once('/')).map_or(filter, |(_, topics)| topics)
}

fn fault(text: &str) -> Option<&'static str> {
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
