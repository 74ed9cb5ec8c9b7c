//! The file that is appended to, which this process has made itself. After an error nothing is written any more: what the kernel
//! has kept of the file is not known.

use std::io;

use super::files::Files;

pub(super) struct Appender<T> {
    file: Option<T>,
    /// A call has failed: nothing is written before the log was opened again.
    failed: bool,
    /// Something was written and not synced.
    dirty: bool,
    /// A file was made, and its name was not synced.
    names_changed: bool,
}

impl<T> Appender<T> {
    pub(super) fn new() -> Self {
        Self { file: None, failed: false, dirty: false, names_changed: false }
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
    pub(super) fn begin<F: Files<File = T>>(&mut self, files: &F, name: &str) -> io::Result<()> {
        self.check()?;
        let file = files.open_to_write(name);
        self.file = Some(self.failing(file)?);
        self.names_changed = true;
        Ok(())
    }

    pub(super) fn write<F: Files<File = T>>(
        &mut self,
        files: &F,
        offset: u64,
        bytes: &[u8],
    ) -> io::Result<()> {
        let file = self.file.as_ref().ok_or_else(failed)?;
        let written = files.write_all_at(file, offset, bytes);
        self.failing(written)?;
        self.dirty = true;
        Ok(())
    }

    /// Returns when everything that was written is on stable storage, the file's name as well.
    pub(super) fn sync<F: Files<File = T>>(&mut self, files: &F) -> io::Result<()> {
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

fn failed() -> io::Error {
    io::Error::other("the store has failed before and was not opened again yet")
}
