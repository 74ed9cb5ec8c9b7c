//! What `doctor` says, in each language. A message has all of its languages in one place, so that none can lack one: a new language
//! is a field of [`Message`], a case of [`Language`] and a text in each entry. `{name}` stands for a value.

pub(super) mod device;
#[cfg(feature = "provision")]
pub(super) mod operator;

use std::fmt;

/// The languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    English,
    Japanese,
}

impl Language {
    /// As POSIX has it: the first variable of these that is set and not empty counts (POSIX.1, "Environment Variables").
    pub(super) fn of_environment(variable: impl Fn(&str) -> Option<String>) -> Self {
        let names = ["LC_ALL", "LC_MESSAGES", "LANG"];
        let locale = names.into_iter().filter_map(variable).find(|value| !value.is_empty());
        match locale {
            Some(locale) if locale == "ja" || locale.starts_with("ja_") || locale.starts_with("ja.") => {
                Self::Japanese
            }
            _ => Self::English,
        }
    }
}

/// A message in each language.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    en: &'static str,
    ja: &'static str,
}

/// A message with its values.
#[derive(Debug, Clone)]
pub(super) struct Text {
    message: &'static Message,
    values: Vec<(&'static str, Value)>,
}

#[derive(Debug, Clone)]
enum Value {
    Plain(String),
    Text(Text),
}

impl Text {
    pub(super) fn new(message: &'static Message) -> Self {
        Self { message, values: Vec::new() }
    }

    /// With a value that is the same in each language: a name, an address, an error of the system.
    pub(super) fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        debug_assert!(self.message.en.contains(&format!("{{{name}}}")), "{name} in {:?}", self.message.en);
        self.values.push((name, Value::Plain(value.to_string())));
        self
    }

    /// With a value that is a message itself.
    pub(super) fn with_text(mut self, name: &'static str, value: Self) -> Self {
        self.values.push((name, Value::Text(value)));
        self
    }

    pub(super) fn in_language(&self, language: Language) -> String {
        let mut rest = match language {
            Language::English => self.message.en,
            Language::Japanese => self.message.ja,
        };
        let mut text = String::with_capacity(rest.len());
        // Values are not looked at again: they may hold braces.
        while let Some((before, name, after)) = placeholder(rest) {
            text.push_str(before);
            match self.values.iter().find(|(known, _)| *known == name) {
                Some((_, Value::Plain(value))) => text.push_str(value),
                Some((_, Value::Text(value))) => text.push_str(&value.in_language(language)),
                None => {}
            }
            rest = after;
        }
        text.push_str(rest);
        text
    }
}

/// What is before the first placeholder, its name, and what is behind it.
fn placeholder(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('{')?;
    let (name, after) = rest.split_once('}')?;
    Some((before, name, after))
}

/// A text from its message and values: `text!(words::BUS_CLOSED, node = path, error = error)`.
macro_rules! text {
    ($message:path $(, $name:ident = $value:expr)* $(,)?) => {
        $crate::doctor::messages::Text::new(&$message)$(.with(stringify!($name), &$value))*
    };
}
pub(super) use text;

/// The table: `NAME: "English", "Japanese";`
macro_rules! messages {
    ($($name:ident: $en:literal, $ja:literal;)*) => {
        $(pub(in crate::doctor) static $name: Message = Message { en: $en, ja: $ja };)*

        #[cfg(test)]
        pub(super) static ALL: &[(&str, &Message)] = &[$((stringify!($name), &$name)),*];
    };
}
use messages;

#[cfg(test)]
mod tests {
    use super::*;

    fn placeholders(mut text: &str) -> Vec<&str> {
        let mut names = Vec::new();
        while let Some((_, name, after)) = placeholder(text) {
            names.push(name);
            text = after;
        }
        names.sort_unstable();
        names.dedup();
        names
    }

    fn all() -> Vec<(&'static str, &'static Message)> {
        let mut all = device::ALL.to_vec();
        #[cfg(feature = "provision")]
        all.extend(operator::ALL);
        all
    }

    #[test]
    fn each_language_has_the_same_placeholders() {
        for (name, message) in all() {
            assert!(!message.en.is_empty() && !message.ja.is_empty(), "{name}");
            assert_eq!(placeholders(message.ja), placeholders(message.en), "{name}");
        }
    }

    /// What is more than a value is translated, and not copied.
    #[test]
    fn the_japanese_is_japanese() {
        let is_japanese = |c: char| matches!(c, '\u{3040}'..='\u{30ff}' | '\u{4e00}'..='\u{9fff}');
        for (name, message) in all() {
            let mut words = message.en.to_owned();
            for value in placeholders(message.en) {
                words = words.replace(&format!("{{{value}}}"), "");
            }
            let says_something = words.split_whitespace().count() > 2;
            assert!(!says_something || message.ja.contains(is_japanese), "{name}: {}", message.ja);
        }
    }

    #[test]
    fn the_language_is_that_of_the_first_variable_that_is_set() {
        for (variables, language) in [
            (&[][..], Language::English),
            (&[("LANG", "ja_JP.UTF-8")], Language::Japanese),
            (&[("LANG", "ja")], Language::Japanese),
            (&[("LANG", "C.UTF-8")], Language::English),
            (&[("LANG", "ja_JP.UTF-8"), ("LC_ALL", "C")], Language::English),
            (&[("LANG", "ja_JP.UTF-8"), ("LC_ALL", "")], Language::Japanese),
            (&[("LANG", "en_US.UTF-8"), ("LC_MESSAGES", "ja_JP.UTF-8")], Language::Japanese),
            (&[("LC_ALL", "en_US.UTF-8"), ("LC_MESSAGES", "ja_JP.UTF-8")], Language::English),
            (&[("LANG", "jam_JM")], Language::English),
        ] {
            let of = |name: &str| {
                variables.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned())
            };
            assert_eq!(Language::of_environment(of), language, "{variables:?}");
        }
    }

    #[test]
    fn values_stand_where_the_language_has_them_and_are_not_read_again() {
        let text = text!(device::BUS_CLOSED, node = "/dev/i2c-{error}", error = "no");
        assert_eq!(text.in_language(Language::English), "cannot open /dev/i2c-{error}: no");
        let text = Text::new(&device::NOT_CHECKED).with_text("why", text!(device::NO_KEY));
        assert_eq!(text.in_language(Language::English), "not checked: there is no key");
        assert_eq!(text.in_language(Language::Japanese), "未確認: 秘密鍵がないため");
    }
}
