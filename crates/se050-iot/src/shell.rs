//! Words of the commands that are printed for people to run.

use std::borrow::Cow;

/// The word as a POSIX shell wants it: a PKCS#11 URI has semicolons, a file's name may have spaces.
pub(crate) fn quoted(word: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/=+,@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return Cow::Borrowed(word);
    }
    Cow::Owned(format!("'{}'", word.replace('\'', "'\\''")))
}
