//! The file that is appended to, which this process has made itself. After an error nothing is written any more: what the kernel
//! has kept of the file is not known.
//!
//! What is appended is kept in memory until it is synced. In the file, the file system would write it at times of its own (btrfs:
//! each 30 s), and with it each time a copy of its metadata, which is many times as much.

use std::io::{self, Read as _};

use super::files::{Files, ReadAt};
use super::segment::name;

/// Most bytes that are kept in memory.
const MOST: usize = 256 * 1024;

pub(super) struct Appender<T> {
    file: Option<T>,
    /// The segment's.
    id: u64,
    /// What was appended and is not in the file, and where in the file it belongs.
    buffer: Vec<u8>,
    begin: u64,
    /// A call has failed: nothing is written before the log was opened again.
    failed: bool,
    /// Something was written and not synced.
    dirty: bool,
    /// A file was made, and its name was not synced.
    names_changed: bool,
}

impl<T> Appender<T> {
    pub(super) fn new() -> Self {
        Self {
            file: None,
            id: 0,
            buffer: Vec::new(),
            begin: 0,
            failed: false,
            dirty: false,
            names_changed: false,
        }
    }

    /// Whether there is a file.
    pub(super) fn is_open(&self) -> bool {
        self.file.is_some()
    }

    /// An error when a call has failed before.
    pub(super) fn check(&self) -> io::Result<()> {
        if self.failed { Err(failed()) } else { Ok(()) }
    }

    /// Makes a file, and appends to that from now on.
    pub(super) fn begin<F: Files<File = T>>(&mut self, files: &F, id: u64) -> io::Result<()> {
        self.check()?;
        let file = files.open_to_write(&name(id));
        self.id = id;
        self.file = Some(self.failing(file)?);
        self.names_changed = true;
        Ok(())
    }

    /// Appends. `offset` is the end of the file, with what was appended before.
    pub(super) fn append<F: Files<File = T>>(
        &mut self,
        files: &F,
        offset: u64,
        bytes: &[u8],
    ) -> io::Result<()> {
        if self.file.is_none() {
            return Err(failed());
        }
        if self.buffer.is_empty() {
            self.begin = offset;
        }
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() < MOST { Ok(()) } else { self.write(files) }
    }

    /// Writes what was appended into the file.
    pub(super) fn write<F: Files<File = T>>(&mut self, files: &F) -> io::Result<()> {
        if !self.buffer.is_empty() {
            let file = self.file.as_ref().ok_or_else(failed)?;
            let written = files.write_all_at(file, self.begin, &self.buffer);
            self.failing(written)?;
            self.buffer.clear();
            self.dirty = true;
        }
        Ok(())
    }

    /// To read the segment `id` with what was appended to it.
    pub(super) fn source<'a, F>(&'a self, files: &'a F, id: u64) -> Appended<'a, F> {
        let begin = if self.id == id && !self.buffer.is_empty() { self.begin } else { u64::MAX };
        Appended { files, begin, bytes: &self.buffer }
    }

    /// Returns when everything that was appended is on stable storage, the file's name as well.
    pub(super) fn sync<F: Files<File = T>>(&mut self, files: &F) -> io::Result<()> {
        self.write(files)?;
        if self.dirty {
            let synced = self.file.as_ref().map_or_else(|| Err(failed()), |file| files.sync(file));
            self.failing(synced)?;
            self.dirty = false;
        }
        if self.names_changed {
            self.failing(files.sync_directory())?;
            self.names_changed = false;
        }
        Ok(())
    }

    /// Notes whether the call has failed.
    pub(super) fn failing<R>(&mut self, result: io::Result<R>) -> io::Result<R> {
        if result.is_err() {
            self.failed = true;
            self.file = None;
        }
        result
    }
}

/// A segment, with what is not in its file yet.
pub(super) struct Appended<'a, F> {
    files: &'a F,
    begin: u64,
    bytes: &'a [u8],
}

impl<F: Files> ReadAt<F::File> for Appended<'_, F> {
    fn read_at(&self, file: &F::File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        match self.begin.checked_sub(offset).filter(|in_file| *in_file > 0) {
            Some(in_file) => {
                let most = buffer.len().min(usize::try_from(in_file).unwrap_or(usize::MAX));
                self.files.read_at(file, offset, buffer.get_mut(..most).unwrap_or_default())
            }
            None => {
                let at = usize::try_from(offset - self.begin).unwrap_or(usize::MAX);
                self.bytes.get(at..).unwrap_or_default().read(buffer)
            }
        }
    }
}

fn failed() -> io::Error {
    io::Error::other("the store has failed before and was not opened again yet")
}
