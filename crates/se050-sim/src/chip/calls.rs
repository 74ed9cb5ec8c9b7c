//! The count of calls: one line a call, appended to `calls` in the chip's directory.
//!
//! Appending one short line with one write is atomic on Linux, so the count is right with any number of threads and
//! processes, and without a lock that a killed process could leave behind.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use crate::Error;

/// The line for one use of a private key. No C function has a blank in its name.
const SIGNATURE: &str = "chip signature";

/// How often each C function of the module was called, and how often the chip used a private key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calls {
    counts: BTreeMap<String, u64>,
}

impl Calls {
    /// How often that C function was called, for example `calls.of("C_Sign")`.
    #[must_use]
    pub fn of(&self, function: &str) -> u64 {
        self.counts.get(function).copied().unwrap_or_default()
    }

    /// How often the chip used a private key. A `C_Sign` that only asks for the length is counted too: the chip
    /// computes the whole signature for it.
    #[must_use]
    pub fn signatures(&self) -> u64 {
        self.of(SIGNATURE)
    }

    /// Each C function that was called, with its count, by name.
    pub fn functions(&self) -> impl Iterator<Item = (&str, u64)> {
        self.counts.iter().filter(|(name, _)| *name != SIGNATURE).map(|(name, count)| (name.as_str(), *count))
    }

    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(Error::file("read", path)(error)),
        };
        let mut counts = BTreeMap::new();
        for line in text.lines() {
            *counts.entry(line.to_owned()).or_default() += 1;
        }
        Ok(Self { counts })
    }
}

/// The module's side: writes the lines.
#[derive(Debug)]
pub(crate) struct Counter(File);

impl Counter {
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let file = OpenOptions::new().append(true).create(true).open(path);
        file.map(Self).map_err(Error::file("write", path))
    }

    pub(crate) fn call(&self, function: &str) -> io::Result<()> {
        (&self.0).write_all(format!("{function}\n").as_bytes())
    }

    pub(crate) fn signature(&self) -> io::Result<()> {
        self.call(SIGNATURE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_writers_lose_no_call() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("calls");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    // A file each, as processes have.
                    let counter = Counter::open(&path).unwrap();
                    for _ in 0..500 {
                        counter.call("C_Sign").unwrap();
                        counter.signature().unwrap();
                    }
                });
            }
        });
        let calls = Calls::read(&path).unwrap();
        assert_eq!((calls.of("C_Sign"), calls.signatures(), calls.of("C_Login")), (4000, 4000, 0));
        assert_eq!(calls.functions().collect::<Vec<_>>(), [("C_Sign", 4000)]);
    }
}
