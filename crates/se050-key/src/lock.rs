//! The lock that keeps cooperating processes off each other's bus.
//!
//! The kernel lets several processes open one I2C device, and NXP's module arbitrates nothing: a second process
//! that opens or closes the chip breaks the first one's session.

use std::fmt;
use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use ring::digest;

use crate::Error;
use crate::bus::Bus;
use crate::module::canonical;
use crate::public_key::hex;

/// The environment variable that names another lock file.
const VARIABLE: &str = "SE050_LOCK_FILE";
/// Every user of the bus must be able to lock the file, whoever created it. It holds nothing but a process id.
const MODE: u32 = 0o666;

/// The chip's lock, held by this process until this value is dropped, or the process ends.
#[derive(Debug)]
#[must_use = "the lock is released when it is dropped"]
pub struct ChipLock {
    path: PathBuf,
    /// Kept open: the lock is on the open file.
    file: File,
    /// The file was created by this library, so it is removed with the lock.
    ours_to_remove: bool,
}

/// Where the lock file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LockFile {
    pub(crate) path: PathBuf,
    removed: bool,
}

/// The process that holds the chip's lock, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder(Option<u32>);

impl Holder {
    /// Its process id, if it has written it down and a process with that id runs here. A process in another container has an
    /// id of its own, under which there may be another process here.
    pub fn pid(self) -> Option<u32> {
        self.0
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(pid) => write!(f, "process {pid}"),
            None => f.write_str("another process (perhaps in another container)"),
        }
    }
}

impl LockFile {
    /// The one that was asked for, else that of the environment, else the bus's own.
    pub(crate) fn of(chosen: Option<&Path>, bus: &Bus, module: &Path) -> Self {
        let variable = || std::env::var_os(VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
        if let Some(path) = chosen.map(Path::to_owned).or_else(variable) {
            return Self { path, removed: false };
        }
        let name = bus.name().unwrap_or_else(|| {
            let path = canonical(module);
            let hash = digest::digest(&digest::SHA256, path.as_os_str().as_encoded_bytes());
            format!("{:.16}", hex(hash.as_ref()))
        });
        let directory =
            ["/run/lock", "/tmp"].into_iter().find(|path| Path::new(path).is_dir()).unwrap_or("/tmp");
        // Simulated chips come and go, and their lock files with them; a bus stays.
        Self { path: format!("{directory}/se050-{name}.lock").into(), removed: bus.name().is_none() }
    }

    /// Takes the lock, or says who has it.
    pub(crate) fn take(&self) -> Result<ChipLock, Error> {
        let unusable = |source| Error::LockFile { path: self.path.clone(), source };
        loop {
            let mut file = self.open().map_err(unusable)?;
            match file.try_lock() {
                // Its last holder may have removed it between our opening and our lock.
                Ok(()) if !self.is_still(&file) => {}
                Ok(()) => {
                    // The process id is only information. A full disk or a read-only file is no reason not to use the chip.
                    if let Err(error) = write_holder(&mut file) {
                        tracing::debug!(path = %self.path.display(), %error, "the lock file does not say who holds it");
                    }
                    return Ok(ChipLock { path: self.path.clone(), file, ours_to_remove: self.removed });
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::Busy { lock: self.path.clone(), holder: holder(&mut file) });
                }
                Err(TryLockError::Error(error)) => return Err(unusable(error)),
            }
        }
    }

    /// The process that has the lock, if another has it.
    pub(crate) fn other_holder(&self) -> Option<Holder> {
        match self.take() {
            Err(Error::Busy { holder, .. }) => Some(holder),
            _ => None,
        }
    }

    /// Opens the file, or creates it. O_CREAT is not used on an existing file: in /tmp, even root may not use it on another
    /// user's file (sysctl fs.protected_regular). Read access is enough for a lock.
    fn open(&self) -> io::Result<File> {
        let no_link = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0);
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(no_link);
        let file = match options.clone().write(true).open(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                options.clone().write(true).create(true).truncate(false).mode(MODE).open(&self.path)
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) =>
            {
                options.open(&self.path).map_err(|_| error)
            }
            opened => opened,
        }?;
        // The umask removed bits from the mode, or an older version created the file. Only the owner can change it. A file that
        // holds more than a process id is not a lock file of ours, and keeps its mode.
        let metadata = file.metadata()?;
        if metadata.permissions().mode() & MODE != MODE && metadata.len() <= 16 {
            let _ = file.set_permissions(Permissions::from_mode(MODE));
        }
        Ok(file)
    }

    fn is_still(&self, file: &File) -> bool {
        let inode = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
        let ours = file.metadata().map(inode).ok();
        ours.is_some() && ours == std::fs::metadata(&self.path).map(inode).ok()
    }
}

impl Drop for ChipLock {
    fn drop(&mut self) {
        if self.ours_to_remove {
            // It is still locked: a process that opened it before notices that it is gone (`is_still`).
            let _ = std::fs::remove_file(&self.path);
        }
        // A process that another thread is about to start has a copy of the file until it calls exec, which would keep the lock.
        let _ = self.file.unlock();
    }
}

/// The process whose id is in the file. An id without a running process was left by an earlier holder.
fn holder(file: &mut File) -> Holder {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.take(32).read_to_string(&mut text));
    let pid = read.ok().and_then(|_| text.trim().parse::<u32>().ok());
    Holder(pid.filter(|pid| Path::new("/proc").join(pid.to_string()).exists()))
}

fn write_holder(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock_file(directory: &Path, removed: bool) -> LockFile {
        LockFile { path: directory.join("bus.lock"), removed }
    }

    #[test]
    fn the_second_hears_who_is_first_and_gets_the_lock_afterwards() {
        let directory = tempfile::tempdir().unwrap();
        for removed in [false, true] {
            let file = lock_file(directory.path(), removed);
            let first = file.take().unwrap();
            let Err(Error::Busy { holder, .. }) = file.take() else { panic!() };
            assert_eq!(holder.to_string(), format!("process {}", std::process::id()));
            assert_eq!(file.other_holder(), Some(holder));
            drop(first);
            assert_eq!(file.path.exists(), !removed);
            assert_eq!(file.other_holder(), None);
            drop(file.take().unwrap());
        }
    }

    #[test]
    fn a_process_that_has_ended_is_not_named() {
        let directory = tempfile::tempdir().unwrap();
        let file = lock_file(directory.path(), false);
        let _first = file.take().unwrap();
        // What an earlier holder left, where the present one may not write. No process has an id over 2^22.
        std::fs::write(&file.path, "4294967295\n").unwrap();
        let Err(Error::Busy { holder, .. }) = file.take() else { panic!() };
        assert_eq!(holder.pid(), None, "{holder}");
    }

    #[test]
    fn a_full_disk_does_not_keep_anybody_from_the_chip() {
        // Whatever is written there fails with ENOSPC.
        let file = LockFile { path: "/dev/full".into(), removed: false };
        if !file.path.exists() {
            return;
        }
        let mode = std::fs::metadata(&file.path).unwrap().permissions().mode() & 0o777;
        drop(file.take().unwrap());
        assert_eq!(std::fs::metadata(&file.path).unwrap().permissions().mode() & 0o777, mode);
    }

    #[test]
    fn everybody_may_use_the_file_whatever_the_umask_was() {
        let directory = tempfile::tempdir().unwrap();
        let file = lock_file(directory.path(), false);
        std::fs::write(&file.path, "").unwrap();
        std::fs::set_permissions(&file.path, Permissions::from_mode(0o600)).unwrap();
        drop(file.take().unwrap());
        assert_eq!(std::fs::metadata(&file.path).unwrap().permissions().mode() & 0o777, 0o666);
    }

    #[test]
    fn a_link_in_place_of_the_file_is_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let file = lock_file(directory.path(), false);
        std::os::unix::fs::symlink(directory.path().join("elsewhere"), &file.path).unwrap();
        assert!(matches!(file.take(), Err(Error::LockFile { .. })));
    }

    #[test]
    fn each_bus_has_a_lock_of_its_own() {
        let bus = Bus::I2c { node: "/dev/i2c-1".into(), address: 0x48 };
        let of = |bus: &Bus, module: &str| LockFile::of(None, bus, Path::new(module)).path;
        assert_eq!(of(&bus, "/a.so"), of(&bus, "/b.so"));
        assert!(of(&bus, "/a.so").ends_with("se050-i2c-1.lock"));
        assert_ne!(of(&Bus::Unknown, "/a.so"), of(&Bus::Unknown, "/b.so"));
    }
}
