//! The text of a list as people make it: with Excel, on Windows, in Japan.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::error::FleetError;

/// Largest list in bytes: more than a million devices. It bounds a mistake, such as a disk image given as a list.
const MAX_BYTES: u64 = 256 << 20;

/// The text of a list without its byte order mark.
pub(super) fn read(path: &Path) -> Result<String, FleetError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes));
    read.map_err(FleetError::io("read", path))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(FleetError::NotAList { path: path.to_owned(), found: "more than 256 MiB" });
    }
    decode(&bytes).map_err(|(line, reason)| FleetError::Line { path: path.to_owned(), line, reason })
}

/// The text, or the number of the first line that is no text with what it probably is.
fn decode(bytes: &[u8]) -> Result<String, (usize, String)> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err((1, format!("the file is in UTF-16 (\"Unicode text\"); {SAVE_AS_UTF8}")));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        let encoding =
            if is_shift_jis(bytes) { "probably Shift_JIS (Windows-31J)" } else { "an unknown encoding" };
        (line, format!("the text is not UTF-8 but {encoding}; {SAVE_AS_UTF8}"))
    })?;
    Ok(text.to_owned())
}

const SAVE_AS_UTF8: &str = "save it as UTF-8 (in Excel: \"CSV UTF-8 (comma delimited)\")";

/// Whether all bytes beyond ASCII are Shift_JIS: half-width katakana, or pairs of a lead and a trail byte (JIS X 0208,
/// appendix 1).
fn is_shift_jis(bytes: &[u8]) -> bool {
    let mut rest = bytes.iter();
    while let Some(&byte) = rest.next() {
        let fits = match byte {
            0x00..=0x7f | 0xa1..=0xdf => true,
            0x81..=0x9f | 0xe0..=0xfc => matches!(rest.next(), Some(0x40..=0x7e | 0x80..=0xfc)),
            _ => false,
        };
        if !fits {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoding_is_told_by_name_and_line() {
        for (name, bytes, line, says) in [
            // 基板 ("circuit board") in the second line.
            ("Shift_JIS", b"file\r\n# \x8a\xee\x94\xc2\r\n".as_slice(), 2, "probably Shift_JIS"),
            ("UTF-16", b"\xff\xfef\0i\0", 1, "UTF-16"),
            ("Latin-1", b"file\n\ncaf\xe9\n", 3, "unknown encoding"),
        ] {
            let (found, reason) = decode(bytes).unwrap_err();
            assert!(
                found == line && reason.contains(says) && reason.contains("CSV UTF-8"),
                "{name}: {reason}"
            );
        }
        assert_eq!(decode(b"\xef\xbb\xbffile\n").unwrap(), "file\n");
        assert_eq!(decode("基板".as_bytes()).unwrap(), "基板");
    }
}
