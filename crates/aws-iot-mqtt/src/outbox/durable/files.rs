//! The store's directory: its files, and which process has it.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::failed;
use crate::Error;

/// The file that is locked, and says by whom.
const LOCK: &str = "lock";

/// One directory and its files. Tests put a file system behind it that loses, tears and reorders what was not synced.
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

    /// Reads until the buffer is full or the file ends. Returns how many bytes.
    fn read_all_at(&self, file: &Self::File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.read_at(file, offset + filled as u64, rest) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    /// Writes all of it.
    fn write_all_at(&self, file: &Self::File, mut offset: u64, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.write_at(file, offset, bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => {
                    offset += count as u64;
                    bytes = bytes.get(count..).unwrap_or_default();
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
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

/// The directory, for this user alone, and its name on stable storage.
pub(super) fn make_directory(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty());
    sync_directory(parent.unwrap_or(Path::new(".")))
}

/// A new file's name is on stable storage only after this.
fn sync_directory(directory: &Path) -> io::Result<()> {
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

/// Held as long as it lives. It ends with the process, however that ends.
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    pub(super) fn take(directory: &Path) -> Result<Self, Error> {
        let failed = |error| failed(directory, "be locked", error);
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(directory.join(LOCK)).or_else(|error| match error.kind() {
            // The disk is read-only or full: whoever goes on in memory has the store to itself all the same. Where the file
            // does not exist, the directory is locked.
            ErrorKind::ReadOnlyFilesystem | ErrorKind::StorageFull => {
                File::open(directory.join(LOCK)).or_else(|_| File::open(directory))
            }
            _ => Err(error),
        });
        let mut file = file.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::OutboxInUse {
                    directory: directory.display().to_string(),
                    owner: read(&mut file),
                });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        // For people: without it the lock holds just as well, and a full disk must not keep the program from starting.
        let told =
            file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(me().as_bytes()));
        if let Err(error) = told {
            tracing::debug!(%error, "the lock file does not tell who has the store");
        }
        Ok(Self { _file: file })
    }

    /// Whether anybody ever had it.
    pub(super) fn exists(directory: &Path) -> bool {
        directory.join(LOCK).exists()
    }

    /// Who has the store.
    pub(super) fn owner(directory: &Path) -> Option<String> {
        let mut file = File::open(directory.join(LOCK)).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => Some(read(&mut file)),
            Ok(()) | Err(TryLockError::Error(_)) => None,
        }
    }
}

fn me() -> String {
    let program = std::env::current_exe().ok();
    let program = program.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy());
    // Containers number their processes each for itself, and their host name tells which one it is.
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let program = program.as_deref().unwrap_or("unknown program");
    format!("process {} ({program}) on host '{}'", std::process::id(), host.trim())
}

fn read(file: &mut File) -> String {
    let mut text = String::new();
    // Not ours, so not more than a line of it.
    match file.take(300).read_to_string(&mut text) {
        Ok(_) if !text.is_empty() => text,
        _ => "another process".to_owned(),
    }
}
