use std::fs;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn pin_file(mode: u32) -> (tempfile::TempDir, std::path::PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pin");
    fs::write(&path, "1234\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    (directory, path)
}

#[test]
fn a_file_that_others_may_read_is_refused() {
    for mode in [0o640, 0o604, 0o660] {
        let (_directory, path) = pin_file(mode);
        let error = Pin::from_file(&path).unwrap_err();
        assert!(std::error::Error::source(&error).unwrap().to_string().contains("chmod 600"), "{error}");
    }
}

#[test]
fn a_pin_is_read_without_its_line_end_and_never_printed() {
    let (_directory, path) = pin_file(0o600);
    let pin = Pin::from_file(&path).unwrap();
    assert_eq!(pin.as_bytes(), b"1234");
    assert_eq!(format!("{pin:?}"), "Pin(..)");
    assert_eq!(Pin::new("56".to_owned()).as_bytes(), b"56");
}

#[test]
fn a_pin_comes_through_a_pipe_that_stays_open() {
    let (reader, mut writer) = io::pipe().unwrap();
    writer.write_all(b"9876\n").unwrap();
    let source = format!("fd:{}", reader.as_raw_fd());
    assert_eq!(Pin::from_source(&source).unwrap().as_bytes(), b"9876");
    drop(writer);
}

#[test]
fn a_pin_source_is_a_file_a_descriptor_or_a_variable() {
    let (_directory, path) = pin_file(0o600);
    let path = path.to_str().unwrap();
    for source in [path.to_owned(), format!("file:{path}"), format!("file://{path}")] {
        assert_eq!(Pin::from_source(&source).unwrap().as_bytes(), b"1234", "{source}");
    }
    for source in ["|echo 1234", "fd:one", "env:SE050_NO_SUCH_VARIABLE", "pin.txt", ""] {
        assert!(matches!(Pin::from_source(source), Err(Error::PinSource { .. })), "{source}");
    }
}

#[test]
fn what_is_too_long_for_a_pin_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pin");
    fs::write(&path, "1".repeat(LONGEST)).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(Pin::from_file(&path).is_err());
}
