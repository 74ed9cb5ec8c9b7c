use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::error::{FleetError, IoError};

const VERSION: u64 = 1;

/// What has been done so far, on disk: one JSON line for each device, appended and synced before the next is counted.
/// A run that was killed goes on from it.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    // Locked as long as it is open: two runs with one journal would each skip what the other only began.
    file: File,
    done: HashMap<(String, String), Done>,
}

/// What a run did for a device, as far as a later run needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Done {
    /// What was changed, line by line as a plan writes it.
    pub changes: Vec<String>,
    /// The host name where the device connects.
    pub endpoint: String,
}

#[derive(Serialize, Deserialize)]
struct Head {
    journal: u64,
    settings: String,
}

#[derive(Serialize, Deserialize)]
struct Line {
    thing: String,
    certificate: String,
    result: LineResult,
    /// Seconds since 1970.
    time: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    done: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum LineResult {
    Done,
    Failed,
}

impl Journal {
    /// Opens a journal, or begins one. `settings` says what the run does: a journal is good for the same only.
    ///
    /// # Errors
    /// When it cannot be read or written, is another run's, or in use.
    pub fn open(path: &Path, settings: &str) -> Result<Self, FleetError> {
        let failed =
            |doing| move |source| FleetError::Io { doing, path: path.to_owned(), source: IoError(source) };
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        let mut file = options.open(path).map_err(failed("open the journal"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(FleetError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(failed("lock the journal")(source)),
        }
        let text = read_whole_lines(&mut file).map_err(failed("read the journal"))?;
        let mut journal = Self { path: path.to_owned(), file, done: HashMap::new() };
        let mut lines = text.lines().zip(1..);
        match lines.next() {
            None => {
                let head = Head { journal: VERSION, settings: settings.to_owned() };
                journal.append(&head)?;
                sync_directory_of(path).map_err(failed("make the journal"))?;
            }
            Some((line, number)) => journal.check_head(line, number, settings)?,
        }
        for (line, number) in lines {
            let line: Line = serde_json::from_str(line).map_err(|e| journal.unusable(number, &e))?;
            if let (LineResult::Done, Some(endpoint)) = (line.result, line.endpoint) {
                let done = Done { changes: line.done, endpoint };
                journal.done.insert((line.thing, line.certificate), done);
            }
        }
        Ok(journal)
    }

    /// What was done for that device, if it is done.
    pub fn done(&self, thing: &str, certificate: &str) -> Option<&Done> {
        self.done.get(&(thing.to_owned(), certificate.to_owned()))
    }

    pub(crate) fn record(
        &mut self,
        thing: &str,
        certificate: &str,
        result: Result<&Done, &str>,
    ) -> Result<(), FleetError> {
        self.append(&Line {
            thing: thing.to_owned(),
            certificate: certificate.to_owned(),
            result: if result.is_ok() { LineResult::Done } else { LineResult::Failed },
            time: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            done: result.map(|done| done.changes.clone()).unwrap_or_default(),
            endpoint: result.ok().map(|done| done.endpoint.clone()),
            error: result.err().map(str::to_owned),
        })
    }

    fn check_head(&self, line: &str, number: usize, settings: &str) -> Result<(), FleetError> {
        let head: Head = serde_json::from_str(line).map_err(|error| self.unusable(number, &error))?;
        if head.journal == VERSION && head.settings == settings {
            return Ok(());
        }
        Err(FleetError::OtherRun { path: self.path.clone(), found: head.settings })
    }

    /// One write and one sync a line: a line is whole on disk, or cut off at the end of the file.
    fn append(&mut self, line: &impl Serialize) -> Result<(), FleetError> {
        let written = serde_json::to_vec(line).map_err(io::Error::from).and_then(|mut line| {
            line.push(b'\n');
            self.file.write_all(&line)?;
            self.file.sync_data()
        });
        let failed = |source| FleetError::Io {
            doing: "write the journal",
            path: self.path.clone(),
            source: IoError(source),
        };
        written.map_err(failed)
    }

    fn unusable(&self, line: usize, error: &dyn std::error::Error) -> FleetError {
        let reason = format!("{error}; this is no journal, or it was changed: take another --journal");
        FleetError::Line { path: self.path.clone(), line, reason }
    }
}

/// What is in the file, without a last line that was cut off when a run was killed; that one is cut from the file too.
fn read_whole_lines(file: &mut File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.read_to_end(&mut bytes)?;
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    if whole < bytes.len() {
        bytes.truncate(whole);
        file.set_len(whole as u64)?;
    }
    String::from_utf8(bytes).map_err(io::Error::other)
}

/// A new file's name is on disk only when its directory is.
fn sync_directory_of(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_recorded_is_there_after_a_kill_in_the_middle_of_a_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        let mut journal = Journal::open(&path, "s").unwrap();
        let done = Done { changes: vec!["+ thing a".to_owned()], endpoint: "e".to_owned() };
        journal.record("a", "1", Ok(&done)).unwrap();
        journal.record("b", "2", Err("no answer")).unwrap();
        drop(journal);
        let before = std::fs::read(&path).unwrap();
        std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"thing\":\"c").unwrap();

        let journal = Journal::open(&path, "s").unwrap();
        assert_eq!(journal.done("a", "1"), Some(&done));
        assert_eq!(
            (journal.done("a", "9"), journal.done("b", "2"), journal.done("c", "")),
            (None, None, None)
        );
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    #[test]
    fn a_journal_that_is_not_ours_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        let journal = Journal::open(&path, "s").unwrap();
        assert!(matches!(Journal::open(&path, "s"), Err(FleetError::InUse { .. })));
        drop(journal);
        assert!(matches!(Journal::open(&path, "other"), Err(FleetError::OtherRun { .. })));
        std::fs::write(&path, "shopping list\n").unwrap();
        assert!(matches!(Journal::open(&path, "s"), Err(FleetError::Line { line: 1, .. })));
    }
}
