use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use device_identity::Identity;

use super::error::FleetError;
use super::table::{Row, Table};

/// What a list may call the device's file.
const FILE_COLUMNS: [&str; 3] = ["file", "bundle", "certificate"];

/// The other columns that a list may have.
const COLUMNS: [&str; 5] = ["thing_name", "serial", "nonce", "thing_type", "groups"];

/// What the columns begin with that give a thing its attributes.
const ATTRIBUTE: &str = "attribute.";

/// For errors about columns.
const WANTED: &str =
    "wanted are file, and thing_name or serial; possible are nonce, thing_type, groups and attribute.NAME";

/// What separates the groups of a device.
const GROUP_SEPARATOR: char = '|';

/// One device of a fleet, as the list names it. Nothing is checked yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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
    /// The nonce that was issued for this device.
    pub nonce: Option<String>,
    /// The thing's own type.
    pub thing_type: Option<String>,
    /// Groups for this thing alone.
    pub groups: Vec<String>,
    /// Attributes for this thing alone.
    pub attributes: BTreeMap<String, String>,
    /// Why its line makes no sense; nothing else of it counts then.
    pub unusable: Option<String>,
}

impl Entry {
    /// A device that is no line of a list.
    pub fn of_file(file: &Path, thing_name: Option<String>) -> Self {
        Self { source: file.display().to_string(), file: file.to_owned(), thing_name, ..Self::default() }
    }

    fn of_row(list: &Path, row: Row) -> Self {
        let source = at_line(list, row.line);
        match row.cells.and_then(|mut cells| Ok((file(&mut cells)?, cells))) {
            Ok((file, mut cells)) => Self {
                source,
                file: list.parent().unwrap_or(Path::new("")).join(file),
                thing_name: cells.remove("thing_name"),
                serial: cells.remove("serial"),
                nonce: cells.remove("nonce"),
                thing_type: cells.remove("thing_type"),
                groups: cells.remove("groups").map(|groups| split_groups(&groups)).unwrap_or_default(),
                attributes: cells.into_iter().filter_map(attribute).collect(),
                unusable: None,
            },
            Err(reason) => Self { source, unusable: Some(reason), ..Self::default() },
        }
    }
}

/// The devices of a directory or of a list.
#[derive(Debug)]
pub struct Manifest(Source);

#[derive(Debug)]
enum Source {
    Files(Vec<PathBuf>),
    List(PathBuf, Table),
}

impl Manifest {
    /// A directory (its `*.json`, `*.pem`, `*.crt`, `*.cer` and `*.der`), or a list: CSV with a header, a JSON array or JSON
    /// lines, with `file` (relative to the list), and `thing_name` or `serial` if wanted. A line that makes no sense is an entry
    /// that cannot be used: it does not stop the others.
    ///
    /// # Errors
    /// When the list cannot be read, its header makes no sense, or it is empty.
    pub fn read(path: &Path) -> Result<Self, FleetError> {
        if path.is_dir() {
            let files = Identity::files_in(path).map_err(FleetError::io("list", path))?;
            if files.is_empty() {
                return Err(FleetError::Empty { path: path.to_owned() });
            }
            return Ok(Self(Source::Files(files)));
        }
        let table = Table::read(path, is_known, WANTED)?;
        // Otherwise each line of the list would be told as a mistake of its own.
        if let Some((line, header)) = table.header()
            && !header.iter().any(|name| FILE_COLUMNS.contains(&name.as_str()))
        {
            let reason = format!("no column file; {WANTED}");
            return Err(FleetError::Line { path: path.to_owned(), line, reason });
        }
        Ok(Self(Source::List(path.to_owned(), table)))
    }

    /// How many devices there are.
    #[allow(clippy::len_without_is_empty, reason = "there is no manifest without devices")]
    pub fn len(&self) -> usize {
        match &self.0 {
            Source::Files(files) => files.len(),
            Source::List(_, table) => table.lines().len(),
        }
    }

    /// Each device when its turn comes.
    pub(super) fn entries(&self) -> Box<dyn Iterator<Item = Entry> + '_> {
        match &self.0 {
            Source::Files(files) => Box::new(files.iter().map(|file| Entry::of_file(file, None))),
            Source::List(path, table) => Box::new(table.rows().map(|row| Entry::of_row(path, row))),
        }
    }

    /// Where the device at that place stands.
    pub(super) fn source(&self, place: usize) -> String {
        match &self.0 {
            Source::Files(files) => files.get(place).map(|file| file.display().to_string()),
            Source::List(path, table) => table.lines().get(place).map(|line| at_line(path, *line)),
        }
        .unwrap_or_default()
    }
}

fn at_line(list: &Path, line: impl std::fmt::Display) -> String {
    format!("{}:{line}", list.display())
}

fn is_known(column: &str) -> bool {
    FILE_COLUMNS.contains(&column)
        || COLUMNS.contains(&column)
        || column.strip_prefix(ATTRIBUTE).is_some_and(|name| !name.is_empty())
}

fn file(cells: &mut HashMap<String, String>) -> Result<String, String> {
    let mut files = FILE_COLUMNS.iter().filter_map(|column| cells.remove(*column));
    match (files.next(), files.next()) {
        (Some(file), None) => Ok(file),
        (None, _) => Err("it names no file".to_owned()),
        (Some(_), Some(_)) => Err("it names two files".to_owned()),
    }
}

fn split_groups(groups: &str) -> Vec<String> {
    let groups = groups.split(GROUP_SEPARATOR).map(str::trim).filter(|group| !group.is_empty());
    groups.map(str::to_owned).collect()
}

fn attribute((column, value): (String, String)) -> Option<(String, String)> {
    Some((column.strip_prefix(ATTRIBUTE)?.to_owned(), value))
}
