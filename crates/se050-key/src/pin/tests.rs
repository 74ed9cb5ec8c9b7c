use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn pin_file(mode: u32, content: impl AsRef<[u8]>) -> (tempfile::TempDir, std::path::PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pin");
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    (directory, path)
}

/// The error's cause, in words.
fn refused(result: Result<Pin, Error>) -> String {
    std::error::Error::source(&result.unwrap_err()).unwrap().to_string()
}

#[test]
fn a_file_that_others_may_read_is_refused() {
    for mode in [0o640, 0o604, 0o660] {
        let (_directory, path) = pin_file(mode, "1234\n");
        assert!(refused(Pin::from_file(&path)).contains("chmod 600"), "{mode:o}");
    }
}

#[test]
fn a_pin_is_read_without_its_line_end_and_never_printed() {
    for content in ["1234", "1234\n", "1234\r\n", "1234\nsecond line\n", "\u{feff}1234\r\n"] {
        let (_directory, path) = pin_file(0o600, content);
        let pin = Pin::from_file(&path).unwrap();
        assert_eq!(pin.as_bytes(), b"1234", "{content:?}");
        assert_eq!(format!("{pin:?}"), "Pin(..)");
    }
    assert_eq!(Pin::new("56".to_owned()).unwrap().as_bytes(), b"56");
}

/// Fault 9: a token counts an empty PIN as a wrong one, so it never gets there.
#[test]
fn an_empty_pin_is_refused_before_any_attempt() {
    for content in ["", "\n", "\r\n", "\u{feff}", "\n1234\n"] {
        let (_directory, path) = pin_file(0o600, content);
        assert!(refused(Pin::from_file(&path)).contains("first line is empty"), "{content:?}");
    }
    assert!(Pin::new(String::new()).is_none());
}

#[test]
fn what_is_no_pin_is_refused() {
    let (_directory, path) = pin_file(0o600, "1".repeat(LONGEST));
    assert!(refused(Pin::from_file(&path)).contains("longer"));
    let (_directory, path) = pin_file(0o600, b"\xff\xfe1\x002\x00");
    assert!(refused(Pin::from_file(&path)).contains("UTF-8"));
}

#[test]
fn a_pin_source_is_a_file() {
    let (_directory, path) = pin_file(0o600, "1234\n");
    let path = path.to_str().unwrap();
    for source in [path.to_owned(), format!("file:{path}"), format!("file://{path}")] {
        assert_eq!(Pin::from_source(&source).unwrap().as_bytes(), b"1234", "{source}");
    }
    for source in ["|echo 1234", "fd:0", "env:PATH", "pin.txt", "file:pin.txt", ""] {
        assert!(refused(Pin::from_source(source)).contains("absolute path"), "{source}");
    }
}
