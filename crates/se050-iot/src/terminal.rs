//! What reaches the operator's terminal. Names and texts come from bundles, lists and AWS: whatever they hold, they must not
//! steer the terminal (CWE-150).

use std::borrow::Cow;
use std::io::{self, Write};

/// The text with control characters, but for line ends and tabs, and marks that turn the direction of writing as `\u{1b}`.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_harmless) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_harmless(c) { shown.push(c) } else { shown.extend(c.escape_unicode()) }
    }
    Cow::Owned(shown)
}

fn is_harmless(c: char) -> bool {
    // Unicode Standard Annex 9, "Bidirectional Algorithm", explicit formatting characters.
    matches!(c, '\n' | '\t')
        || !(c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
}

/// A line on standard error. Where that cannot be written to, there is nobody to tell.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), "{}", $crate::terminal::escaped(&format!($($text)*)));
    }};
}
pub(crate) use say;

/// An error with its causes in one line, without what a cause repeats.
pub(crate) fn sentence(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        source = cause.source();
    }
    text
}

/// Standard output with everything that is written to it escaped. What the commands print is text: PEM, JSON, lines.
pub(crate) struct Escaping<W>(pub(crate) W);

impl<W: Write> Write for Escaping<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Each call has whole characters: `write!` passes on pieces of text.
        self.0.write_all(escaped(&String::from_utf8_lossy(bytes)).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_steer_a_terminal_is_written_out() {
        for (text, shown) in [
            ("plain 基板 é\n\t", "plain 基板 é\n\t"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("a\rb", "a\\u{d}b"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("\u{202e}txt", "\\u{202e}txt"),
        ] {
            assert_eq!(escaped(text), shown);
            let mut out = Escaping(Vec::new());
            write!(out, "{text}").unwrap();
            assert_eq!(String::from_utf8(out.0).unwrap(), shown);
        }
    }
}
