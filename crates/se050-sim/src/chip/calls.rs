//! The count of calls: one line a call, appended to `calls` in the chip's directory.
//!
//! Appending one short line with one write is atomic on Linux, so the count is right with any number of threads and
//! processes, and without a lock that a killed process could leave behind.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::process;

use crate::Error;

/// The line for one use of a private key.
pub(crate) const SIGNATURE: &str = "signature";
/// The line for a call that came while another one ran.
pub(crate) const OVERLAP: &str = "overlap";
/// These lines go on with a number.
const APDUS: &str = "apdus";
const NVM_OBJECTS: &str = "nvm-objects";
/// These lines go on with a process and a thread.
const THREAD: &str = "thread";

/// How often each C function of the module was called, and what that made the chip do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calls {
    counts: BTreeMap<String, u64>,
    /// By process.
    threads: BTreeMap<String, BTreeSet<String>>,
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

    /// How many commands went over the bus to the chip and were answered: what a client's calls cost. One is a few
    /// milliseconds on a real chip's bus, a private-key operation some ten or hundred more.
    #[must_use]
    pub fn apdus(&self) -> u64 {
        self.of(APDUS)
    }

    /// How many temporary objects the module made in the chip's memory, which wears out: it does so to hash.
    #[must_use]
    pub fn nvm_objects(&self) -> u64 {
        self.of(NVM_OBJECTS)
    }

    /// How many calls came while another one of the same process ran. NXP's module wants none: it promises OS locking,
    /// and has none worth the name; on 4.7 two threads can lock each other out for ever.
    #[must_use]
    pub fn overlaps(&self) -> u64 {
        self.of(OVERLAP)
    }

    /// The largest number of threads of one process that called the module. With one, no call can meet another.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads.values().map(BTreeSet::len).max().unwrap_or_default()
    }

    /// Each C function that was called, with its count, by name.
    pub fn functions(&self) -> impl Iterator<Item = (&str, u64)> {
        let functions = self.counts.iter().filter(|(name, _)| name.starts_with("C_"));
        functions.map(|(name, count)| (name.as_str(), *count))
    }

    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(Error::file("read", path)(error)),
        };
        let mut calls = Self::default();
        for line in text.lines() {
            let (name, rest) = line.split_once(' ').unwrap_or((line, "1"));
            if name == THREAD {
                let (process, thread) = rest.split_once(' ').unwrap_or_default();
                calls.threads.entry(process.to_owned()).or_default().insert(thread.to_owned());
            } else {
                *calls.counts.entry(name.to_owned()).or_default() += rest.parse().unwrap_or(0);
            }
        }
        Ok(calls)
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

    /// A call of that C function, [`SIGNATURE`] or [`OVERLAP`].
    pub(crate) fn count(&self, name: &str) {
        self.write(name);
    }

    pub(crate) fn thread(&self, id: i32) {
        self.write(&format!("{THREAD} {} {id}", process::id()));
    }

    pub(crate) fn cost(&self, apdus: u32, nvm_objects: u32) {
        self.write(&format!("{APDUS} {apdus}\n{NVM_OBJECTS} {nvm_objects}"));
    }

    fn write(&self, line: &str) {
        if let Err(error) = (&self.0).write_all(format!("{line}\n").as_bytes()) {
            eprintln!("se050-sim: {line:?} was not counted: {error}");
        }
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
                        counter.count("C_Sign");
                        counter.count(SIGNATURE);
                        counter.cost(7, 0);
                    }
                });
            }
        });
        let calls = Calls::read(&path).unwrap();
        assert_eq!((calls.of("C_Sign"), calls.signatures(), calls.of("C_Login")), (4000, 4000, 0));
        assert_eq!((calls.apdus(), calls.nvm_objects()), (28_000, 0));
        assert_eq!(calls.functions().collect::<Vec<_>>(), [("C_Sign", 4000)]);
    }
}
