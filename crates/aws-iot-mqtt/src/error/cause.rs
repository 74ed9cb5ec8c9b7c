//! The cause of an error, without the type of another crate in our public API.

use std::error::Error as StdError;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::hint::Printable;
use crate::Error;

/// The cause of an [`Error`]. [`std::error::Error::source`] gives the original error, ready for a downcast.
///
/// Shared, because one lost connection fails every call that waits for an answer on it.
#[derive(Debug, Clone)]
pub struct Cause(Arc<dyn StdError + Send + Sync>);

impl Cause {
    pub(crate) fn new(error: impl StdError + Send + Sync + 'static) -> Self {
        Self(Arc::new(error))
    }

    pub(crate) fn shared(error: Arc<dyn StdError + Send + Sync>) -> Self {
        Self(error)
    }
}

// `Cause` itself is no `Error`: thiserror then takes the target of `Deref` as the source, so that a chain of causes does
// not show the same line twice.
impl Deref for Cause {
    type Target = dyn StdError + Send + Sync;

    fn deref(&self) -> &Self::Target {
        self.0.as_ref()
    }
}

/// An error with its causes, on one line: `the connection was lost: the server broke the MQTT 5 protocol: ...`. For logs and
/// for people. Made by [`Error::report`].
#[derive(Debug)]
pub struct Report<'a>(&'a Error);

impl Error {
    /// This error and everything behind it, on one line. [`Display`](fmt::Display) of the error itself leaves the causes out, since
    /// [`source`](std::error::Error::source) gives them.
    pub fn report(&self) -> Report<'_> {
        Report(self)
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.0.to_string();
        Printable(&said).fmt(f)?;
        let mut next = self.0.source();
        while let Some(cause) = next {
            let words = cause.to_string();
            // Some errors repeat their cause's words.
            if !said.contains(&words) {
                write!(f, ": {}", Printable(&words))?;
                said = words;
            }
            next = cause.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_report_names_every_cause_once() {
        let cause = nested("packet", Some(nested("topic is not UTF-8", None)));
        let error = Error::Protocol { source: Cause::new(cause) };
        assert_eq!(
            error.report().to_string(),
            "the server broke the MQTT 5 protocol: packet: topic is not UTF-8"
        );
        let repeated = nested("packet: nothing there", Some(nested("nothing there", None)));
        let error = Error::Protocol { source: Cause::new(io::Error::other(repeated)) };
        assert_eq!(error.report().to_string(), "the server broke the MQTT 5 protocol: packet: nothing there");
    }

    #[test]
    fn control_characters_of_others_stay_out_of_the_log() {
        let topic = Error::InvalidTopic { topic: "a\0b\u{1b}[2Jも".to_owned(), why: "x" };
        assert_eq!(topic.to_string(), "'a\\u{0}b\\u{1b}[2Jも' is not a topic to publish to: x");
        let error = Error::Protocol { source: Cause::new(nested("two\nlines", None)) };
        assert_eq!(error.report().to_string(), "the server broke the MQTT 5 protocol: two\\nlines");
    }

    #[derive(Debug)]
    struct Nested(&'static str, Option<Box<Self>>);

    fn nested(words: &'static str, source: Option<Nested>) -> Nested {
        Nested(words, source.map(Box::new))
    }

    impl fmt::Display for Nested {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl StdError for Nested {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            self.1.as_deref().map(|source| source as _)
        }
    }
}
