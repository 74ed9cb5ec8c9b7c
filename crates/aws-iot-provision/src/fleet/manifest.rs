use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::error::{FleetError, IoError};

/// What counts as a device's file in a directory.
const ENDINGS: [&str; 5] = ["json", "pem", "crt", "cer", "der"];

/// What a list may call the device's file.
const FILE_COLUMNS: [&str; 3] = ["file", "bundle", "certificate"];

/// All columns that a list may have.
const COLUMNS: [&str; 5] = ["file", "bundle", "certificate", "thing_name", "serial"];

/// One device of a fleet, as the list names it. Nothing is checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// Where it stands: `fleet.csv:3`, or the file itself.
    pub source: String,
    /// The bundle or certificate.
    pub file: PathBuf,
    /// The thing's name, where the list gives one.
    pub thing_name: Option<String>,
    /// The serial number, where the list gives one.
    pub serial: Option<String>,
    /// Why its line makes no sense; nothing else of it counts then.
    pub unusable: Option<String>,
}

impl Entry {
    /// A device that is no line of a list.
    pub fn of_file(file: &Path, thing_name: Option<String>) -> Self {
        Self {
            source: file.display().to_string(),
            file: file.to_owned(),
            thing_name,
            serial: None,
            unusable: None,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(alias = "bundle", alias = "certificate")]
    file: PathBuf,
    #[serde(default)]
    thing_name: Option<String>,
    #[serde(default)]
    serial: Option<String>,
}

/// The devices of a directory (its `*.json`, `*.pem`, `*.crt`, `*.cer` and `*.der`), or of a list: CSV with a header
/// (`*.csv`), or else JSON lines, with `file` (relative to the list), and `thing_name` or `serial` if wanted. A line that
/// makes no sense is an entry that cannot be used: it does not stop the others.
///
/// # Errors
/// When the list cannot be read, its header makes no sense, or it is empty.
pub fn read_manifest(path: &Path) -> Result<Vec<Entry>, FleetError> {
    let entries = if path.is_dir() {
        directory(path)?
    } else if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv")) {
        comma_separated(path)?
    } else {
        json_lines(path)?
    };
    if entries.is_empty() { Err(FleetError::Empty { path: path.to_owned() }) } else { Ok(entries) }
}

fn directory(path: &Path) -> Result<Vec<Entry>, FleetError> {
    let failed = |source| FleetError::Io { doing: "list", path: path.to_owned(), source: IoError(source) };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        let ending = file.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        if ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)) {
            files.push(file);
        }
    }
    // The same order in each run, for people who read reports.
    files.sort();
    Ok(files.into_iter().map(|file| Entry::of_file(&file, None)).collect())
}

fn comma_separated(path: &Path) -> Result<Vec<Entry>, FleetError> {
    let mut reader =
        csv::ReaderBuilder::new().trim(csv::Trim::All).comment(Some(b'#')).from_reader(open(path)?);
    let header = reader.headers().map_err(|error| unusable(path, 1, &error))?.clone();
    check_header(path, &header)?;
    let mut entries = Vec::new();
    for record in reader.records() {
        let place = match &record {
            Ok(record) => record.position(),
            Err(error) => error.position(),
        };
        let number = place.map_or(0, |place| usize::try_from(place.line()).unwrap_or(usize::MAX));
        entries.push(match record.and_then(|record| record.deserialize(Some(&header))) {
            Ok(line) => entry(path, number, line),
            Err(error) if error.is_io_error() => return Err(unusable(path, number, &error)),
            Err(error) => bad(path, number, &error),
        });
    }
    Ok(entries)
}

/// Otherwise each line of the list would be told as a mistake of its own.
fn check_header(path: &Path, header: &csv::StringRecord) -> Result<(), FleetError> {
    let unknown = header.iter().find(|name| !COLUMNS.contains(name));
    match unknown {
        Some(unknown) => Err(unusable(path, 1, &format!("unknown column {unknown:?}"))),
        None if header.iter().any(|name| FILE_COLUMNS.contains(&name)) => Ok(()),
        None => Err(unusable(path, 1, &"no column file")),
    }
}

fn json_lines(path: &Path) -> Result<Vec<Entry>, FleetError> {
    let mut entries = Vec::new();
    for (line, number) in open(path)?.split(b'\n').zip(1..) {
        let failed =
            |source| FleetError::Io { doing: "read", path: path.to_owned(), source: IoError(source) };
        let line = line.map_err(failed)?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        entries.push(match serde_json::from_slice(&line) {
            Ok(line) => entry(path, number, line),
            Err(error) => bad(path, number, &error),
        });
    }
    Ok(entries)
}

fn open(path: &Path) -> Result<BufReader<File>, FleetError> {
    let failed = |source| FleetError::Io { doing: "read", path: path.to_owned(), source: IoError(source) };
    File::open(path).map(BufReader::new).map_err(failed)
}

fn entry(path: &Path, number: usize, line: Line) -> Entry {
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    Entry {
        source: format!("{}:{number}", path.display()),
        file: path.parent().unwrap_or(Path::new("")).join(line.file),
        thing_name: given(line.thing_name),
        serial: given(line.serial),
        unusable: None,
    }
}

fn bad(path: &Path, number: usize, error: &dyn fmt::Display) -> Entry {
    Entry {
        source: format!("{}:{number}", path.display()),
        file: PathBuf::new(),
        thing_name: None,
        serial: None,
        unusable: Some(error.to_string()),
    }
}

fn unusable(path: &Path, line: usize, error: &dyn fmt::Display) -> FleetError {
    let reason = format!("{error}; wanted are file, and thing_name or serial");
    FleetError::Line { path: path.to_owned(), line, reason }
}
