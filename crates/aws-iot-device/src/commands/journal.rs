//! Which commands have begun, and what became of them: a file that survives a crash.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::CommandResult;
use crate::Error;
use crate::error::Cause;

/// How long a command is remembered. AWS IoT keeps a session, and with it a command to be delivered again, for 7 days at most.
const REMEMBERED: Duration = Duration::from_secs(8 * 24 * 3600);
/// After how many lines the file is written anew, without those that are outdated.
const LINES: usize = 1000;

/// What is known of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Entry {
    /// It runs, or ran when the program ended.
    Begun,
    /// It has ended so, and AWS IoT may not know it.
    Ended(CommandResult),
    /// AWS IoT knows how it has ended.
    Reported,
}

#[derive(Serialize, Deserialize)]
struct Line {
    execution: String,
    /// Seconds since 1970.
    at: u64,
    entry: Entry,
}

/// By execution; with the time in seconds since 1970.
type Entries = BTreeMap<String, (u64, Entry)>;

#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    entries: Entries,
    /// How many lines were written since the file was written anew.
    appended: usize,
    /// Keeps other processes away while this value lives.
    lock: File,
}

impl Drop for Journal {
    fn drop(&mut self) {
        // A process that another thread is about to start has a copy of the file until it calls exec, which would keep the lock.
        let _ = self.lock.unlock();
    }
}

impl Journal {
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        Self::read(path).map_err(|error| Error::Journal { path: path.to_owned(), source: Cause::new(error) })
    }

    fn read(path: &Path) -> io::Result<Self> {
        let lock = options().open(beside(path, "lock"))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => io::Error::other("another process has it open"),
            TryLockError::Error(error) => error,
        })?;
        let text = match std::fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            text => text?,
        };
        let mut entries = parse(&text)?;
        let file = write_all(path, &mut entries)?;
        Ok(Self { path: path.to_owned(), file, entries, appended: 0, lock })
    }

    pub(super) fn get(&self, execution: &str) -> Option<&Entry> {
        self.entries.get(execution).map(|(_, entry)| entry)
    }

    /// The commands of which AWS IoT does not know the end.
    pub(super) fn unreported(&self) -> Vec<(String, Entry)> {
        let all = self.entries.iter().map(|(execution, (_, entry))| (execution.clone(), entry.clone()));
        all.filter(|(_, entry)| *entry != Entry::Reported).collect()
    }

    /// Writes an entry, and returns when it is on the disk.
    pub(super) fn write(&mut self, execution: &str, entry: Entry) -> Result<(), Error> {
        self.append(execution, entry)
            .map_err(|error| Error::Journal { path: self.path.clone(), source: Cause::new(error) })
    }

    fn append(&mut self, execution: &str, entry: Entry) -> io::Result<()> {
        let before = self.entries.insert(execution.to_owned(), (now(), entry.clone()));
        let written = self.append_line(&Line { execution: execution.to_owned(), at: now(), entry });
        if written.is_err() {
            // As if it had not been asked for: half a line is mended by writing all anew.
            match before {
                Some(before) => self.entries.insert(execution.to_owned(), before),
                None => self.entries.remove(execution),
            };
            self.appended = LINES;
        }
        written
    }

    fn append_line(&mut self, line: &Line) -> io::Result<()> {
        if self.appended >= LINES {
            self.file = write_all(&self.path, &mut self.entries)?;
            self.appended = 0;
            return Ok(());
        }
        self.file.write_all(&bytes(line)?)?;
        self.appended += 1;
        self.file.sync_data()
    }
}

/// What is in the file.
fn parse(text: &[u8]) -> io::Result<Entries> {
    let mut entries = Entries::new();
    let mut lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).peekable();
    while let Some(line) = lines.next() {
        match serde_json::from_slice::<Line>(line) {
            Ok(line) => drop(entries.insert(line.execution, (line.at, line.entry))),
            // Power failed while it was written: its command had not begun.
            Err(_) if lines.peek().is_none() => {}
            Err(error) => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("it holds a line that is not of this program ({error}): move the file away"),
                ));
            }
        }
    }
    Ok(entries)
}

/// What is written is read again as the same.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(text: &[u8]) {
    let Ok(entries) = parse(text) else { return };
    let mut again = Vec::new();
    for (execution, (at, entry)) in &entries {
        let line = Line { execution: execution.clone(), at: *at, entry: entry.clone() };
        again.extend(bytes(&line).unwrap_or_default());
    }
    assert_eq!(parse(&again).ok(), Some(entries));
}

/// Writes the entries that are remembered into a new file, which takes the old one's place.
fn write_all(path: &Path, entries: &mut Entries) -> io::Result<File> {
    let oldest = now().saturating_sub(REMEMBERED.as_secs());
    entries.retain(|_, (at, entry)| *at >= oldest || *entry != Entry::Reported);
    let new = beside(path, "new");
    let mut file = options().truncate(true).open(&new)?;
    for (execution, (at, entry)) in entries.iter() {
        file.write_all(&bytes(&Line { execution: execution.clone(), at: *at, entry: entry.clone() })?)?;
    }
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()?;
    Ok(file)
}

fn bytes(line: &Line) -> io::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(line)?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true).write(true).truncate(false);
    options
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_although_the_last_line_is_torn() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        let mut journal = Journal::open(&path).unwrap();
        assert!(Journal::open(&path).unwrap_err().to_string().contains("journal"), "another process has it");
        journal.write("a", Entry::Begun).unwrap();
        journal.write("b", Entry::Begun).unwrap();
        journal.write("b", Entry::Ended(CommandResult::succeeded())).unwrap();
        journal.write("c", Entry::Begun).unwrap();
        journal.write("c", Entry::Reported).unwrap();
        drop(journal);
        let mut torn = OpenOptions::new().append(true).open(&path).unwrap();
        torn.write_all(br#"{"execution":"d","at":17"#).unwrap();
        let journal = Journal::open(&path).unwrap();
        let left =
            [("a".to_owned(), Entry::Begun), ("b".to_owned(), Entry::Ended(CommandResult::succeeded()))];
        assert_eq!(journal.unreported(), left);
        assert_eq!(journal.get("d"), None);
        drop(journal);
        std::fs::write(&path, "nonsense\n{}\n").unwrap();
        assert!(Journal::open(&path).is_err());
    }

    #[test]
    fn the_file_does_not_grow_for_ever_and_forgets_only_what_aws_iot_has_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        let old = now() - REMEMBERED.as_secs() - 60;
        let lines = [
            Line { execution: "unreported".to_owned(), at: old, entry: Entry::Begun },
            Line { execution: "reported".to_owned(), at: old, entry: Entry::Reported },
        ];
        std::fs::write(&path, lines.map(|line| bytes(&line).unwrap()).concat()).unwrap();
        let mut journal = Journal::open(&path).unwrap();
        assert_eq!((journal.get("unreported"), journal.get("reported")), (Some(&Entry::Begun), None));
        journal.appended = LINES - 2;
        for execution in ["x", "y", "z"] {
            journal.write(execution, Entry::Begun).unwrap();
        }
        drop(journal);
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 4);
        assert_eq!(Journal::open(&path).unwrap().unreported().len(), 4);
    }
}
