use std::borrow::Cow;

/// The text as a cell of a CSV file that a spreadsheet does not take for a formula (OWASP, "CSV Injection"). Reading a list
/// takes the apostrophe off again.
pub fn spreadsheet_cell(text: &str) -> Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}
