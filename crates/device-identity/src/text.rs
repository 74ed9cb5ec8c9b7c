//! Text from files, as it may be shown.

/// The text with control characters and marks that turn the direction of writing as `\u{1b}`: a file must not steer the
/// terminal of whoever reads about it (CWE-150).
pub(crate) fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_harmless(c) { shown.push(c) } else { shown.extend(c.escape_unicode()) }
    }
    shown
}

/// Whether the text can be shown as it is.
pub(crate) fn is_printable(text: &str) -> bool {
    text.chars().all(is_harmless)
}

fn is_harmless(c: char) -> bool {
    // Unicode Standard Annex 9, "Bidirectional Algorithm", explicit formatting characters.
    !c.is_control() && !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
