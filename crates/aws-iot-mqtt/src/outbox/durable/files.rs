//! The calls to the file system that the log makes. Tests put a file system behind them that loses, tears and reorders
//! what was not synced.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// One directory and its files.
pub(super) trait Files {
    type File;

    /// The names of the files.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Opens a file that exists, to read.
    fn open(&self, name: &str) -> io::Result<Self::File>;
    /// Opens a file to read and write, and creates it if it does not exist.
    fn open_to_write(&self, name: &str) -> io::Result<Self::File>;
    /// Its length in bytes.
    fn length(&self, file: &Self::File) -> io::Result<u64>;
    /// Reads at most `buffer.len()` bytes; 0 is the end of the file.
    fn read_at(&self, file: &Self::File, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
    /// Writes at most `bytes.len()` bytes.
    fn write_at(&self, file: &Self::File, offset: u64, bytes: &[u8]) -> io::Result<usize>;
    /// Cuts the file off.
    fn truncate(&self, file: &Self::File, length: u64) -> io::Result<()>;
    /// Returns when the file's content is on stable storage (fdatasync).
    fn sync(&self, file: &Self::File) -> io::Result<()>;
    /// Returns when the names of the files are on stable storage.
    fn sync_directory(&self) -> io::Result<()>;
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Writes all of it.
    fn write_all_at(&self, file: &Self::File, mut offset: u64, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.write_at(file, offset, bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    offset += count as u64;
                    bytes = bytes.get(count..).unwrap_or_default();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// What a file's bytes are read from.
pub(super) trait ReadAt<T> {
    /// Reads at most `buffer.len()` bytes; 0 is the end of the file.
    fn read_at(&self, file: &T, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
}

impl<F: Files> ReadAt<F::File> for F {
    fn read_at(&self, file: &F::File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        Files::read_at(self, file, offset, buffer)
    }
}

/// A directory of the operating system.
pub(super) struct Directory(pub(super) PathBuf);

impl Directory {
    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Files for Directory {
    type File = File;

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            // A directory of such a name is nothing of ours.
            if entry.file_type()?.is_file() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        Ok(names)
    }

    fn open(&self, name: &str) -> io::Result<File> {
        File::open(self.path(name))
    }

    fn open_to_write(&self, name: &str) -> io::Result<File> {
        // Messages are nobody else's business: they may hold what the device measures.
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600).open(self.path(name))
    }

    fn length(&self, file: &File) -> io::Result<u64> {
        file.metadata().map(|metadata| metadata.len())
    }

    fn read_at(&self, file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        file.read_at(buffer, offset)
    }

    fn write_at(&self, file: &File, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        file.write_at(bytes, offset)
    }

    fn truncate(&self, file: &File, length: u64) -> io::Result<()> {
        file.set_len(length)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn sync_directory(&self) -> io::Result<()> {
        sync_directory(&self.0)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }
}

/// A new file's name is on stable storage only after this.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Why what is in the directory probably does not survive a power failure; `None` where nothing speaks against it.
pub(super) fn volatile(directory: &Path) -> Option<&'static str> {
    // Linux, include/uapi/linux/magic.h.
    const TMPFS: u32 = 0x0102_1994;
    const RAMFS: u32 = 0x8584_58F6;
    const OVERLAYFS: u32 = 0x794C_7630;
    let kind = rustix::fs::statfs(directory).ok()?.f_type;
    // A signed number on some processors.
    match kind as u32 {
        TMPFS | RAMFS => {
            Some("the directory is in memory (tmpfs): what is in it is lost at the next power failure")
        }
        OVERLAYFS => Some(
            "the directory is part of the container or of a system in memory (overlay): what is in it is probably lost \
             with the container or at the next power failure; use a volume",
        ),
        _ => None,
    }
}
