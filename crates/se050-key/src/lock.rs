//! The lock that keeps cooperating processes off each other's bus.
//!
//! The kernel lets several processes open one I2C device, and NXP's module arbitrates nothing: a second process
//! that opens or closes the chip breaks the first one's session.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ring::digest;
use rustix::fs::{FlockOperation, flock};

use crate::Error;
use crate::bus::Bus;
use crate::public_key::hex;

/// The environment variable that names another lock file.
const VARIABLE: &str = "SE050_LOCK_FILE";
/// How long to wait before a lock that another holds is tried again.
const AGAIN: Duration = Duration::from_millis(50);

/// The lock, held. Let go with this value, or with the process, however that ends.
#[derive(Debug)]
pub(crate) struct BusLock {
    path: PathBuf,
    /// Kept open: the lock is on the open file.
    _file: File,
    /// A file that nobody else put there.
    ours_to_remove: bool,
}

/// Where the lock file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LockFile {
    pub(crate) path: PathBuf,
    removed: bool,
}

impl LockFile {
    /// The one that was asked for, else that of the environment, else the bus's own.
    pub(crate) fn of(chosen: Option<&Path>, bus: &Bus, module: &Path) -> Self {
        let variable = || std::env::var_os(VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
        if let Some(path) = chosen.map(Path::to_owned).or_else(variable) {
            return Self { path, removed: false };
        }
        let name = bus.name().unwrap_or_else(|| {
            let path = crate::registry::canonical(module);
            let hash = digest::digest(&digest::SHA256, path.as_os_str().as_encoded_bytes());
            format!("{:.16}", hex(hash.as_ref()))
        });
        let directory =
            ["/run/lock", "/tmp"].into_iter().find(|path| Path::new(path).is_dir()).unwrap_or("/tmp");
        // A simulated chip's goes with it; a bus stays.
        Self { path: format!("{directory}/se050-{name}.lock").into(), removed: *bus == Bus::Unknown }
    }

    /// Takes the lock, or says who has it. `waiting` is called as long as it waits.
    pub(crate) fn take(&self, patience: Duration, waiting: impl Fn()) -> Result<BusLock, Error> {
        let failed = |source| Error::LockFile { path: self.path.clone(), source };
        let begun = Instant::now();
        loop {
            let (mut file, writable) = self.open().map_err(failed)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                // Its last holder may have removed it between our opening and our lock.
                Ok(()) if !self.is_still(&file) => {}
                Ok(()) => {
                    if writable {
                        write_holder(&mut file).map_err(failed)?;
                    }
                    return Ok(BusLock {
                        path: self.path.clone(),
                        _file: file,
                        ours_to_remove: self.removed,
                    });
                }
                Err(rustix::io::Errno::WOULDBLOCK) if begun.elapsed() < patience => {
                    waiting();
                    std::thread::sleep(AGAIN);
                }
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    return Err(Error::Busy { lock: self.path.clone(), holder: holder(&mut file).into() });
                }
                Err(errno) => return Err(failed(errno.into())),
            }
        }
    }

    /// The process that has the lock, if another has it and wrote itself down.
    pub(crate) fn other_holder(&self) -> Option<u32> {
        match self.take(Duration::ZERO, || ()) {
            Err(Error::Busy { holder, .. }) => holder.pid(),
            _ => None,
        }
    }

    /// For a lock, reading is enough: another user's program may have made the file.
    fn open(&self) -> io::Result<(File, bool)> {
        let no_link = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o644).custom_flags(no_link);
        match options.open(&self.path) {
            Ok(file) => Ok((file, true)),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let file = OpenOptions::new().read(true).custom_flags(no_link).open(&self.path);
                file.map(|file| (file, false)).map_err(|_| error)
            }
            Err(error) => Err(error),
        }
    }

    fn is_still(&self, file: &File) -> bool {
        let inode = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
        let ours = file.metadata().map(inode).ok();
        ours.is_some() && ours == std::fs::metadata(&self.path).map(inode).ok()
    }
}

impl Drop for BusLock {
    fn drop(&mut self) {
        if self.ours_to_remove {
            // While it is still locked: whoever opened it before looks again.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// The process that wrote itself into the file, as its own process namespace counts.
fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn write_holder(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_hears_who_is_first_and_gets_the_lock_afterwards() {
        let directory = tempfile::tempdir().unwrap();
        for removed in [false, true] {
            let file = LockFile { path: directory.path().join("bus.lock"), removed };
            let first = file.take(Duration::ZERO, || ()).unwrap();
            let error = file.take(Duration::ZERO, || ()).unwrap_err().to_string();
            assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
            assert_eq!(file.other_holder(), Some(std::process::id()));
            drop(first);
            assert_eq!(file.path.exists(), !removed);
            assert_eq!(file.other_holder(), None);
            file.take(Duration::ZERO, || ()).unwrap();
        }
    }

    #[test]
    fn the_patient_one_gets_the_lock_when_it_is_let_go() {
        let directory = tempfile::tempdir().unwrap();
        let file = LockFile { path: directory.path().join("bus.lock"), removed: true };
        let first = file.take(Duration::ZERO, || ()).unwrap();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| file.take(Duration::from_secs(60), || ()).map(drop));
            drop(first);
            second.join().unwrap().unwrap();
        });
    }

    #[test]
    fn a_link_in_place_of_the_file_is_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("bus.lock");
        std::os::unix::fs::symlink(directory.path().join("elsewhere"), &path).unwrap();
        assert!(matches!(
            LockFile { path, removed: false }.take(Duration::ZERO, || ()),
            Err(Error::LockFile { .. })
        ));
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
