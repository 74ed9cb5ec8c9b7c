//! One process has the store.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::failed;
use crate::Error;

const NAME: &str = "lock";

/// Held as long as it lives. It ends with the process, however that ends.
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    pub(super) fn take(directory: &Path) -> Result<Self, Error> {
        let failed = |error| failed(directory, "be locked", error);
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(directory.join(NAME)).or_else(|error| match error.kind() {
            // The disk is read-only or full: whoever goes on in memory has the store to itself all the same. Where the file
            // does not exist, the directory is locked.
            ErrorKind::ReadOnlyFilesystem | ErrorKind::StorageFull => {
                File::open(directory.join(NAME)).or_else(|_| File::open(directory))
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
        directory.join(NAME).exists()
    }

    /// Who has the store.
    pub(super) fn owner(directory: &Path) -> Option<String> {
        let mut file = File::open(directory.join(NAME)).ok()?;
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
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
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
