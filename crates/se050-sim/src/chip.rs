//! A simulated chip: a directory with its objects, its settings and its own copy of the module.

mod calls;
mod certificates;
mod controls;
mod factory;
mod fault;
mod settings;
mod store;

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

pub use calls::Calls;
pub(crate) use calls::{Counter, OVERLAP, SIGNATURE};
pub use fault::Fault;
pub(crate) use settings::Settings;
pub use settings::{Latency, ShortEcdsa, Version};
pub(crate) use store::{Object, Store};

use crate::Error;
use certificates::Authority;

/// A simulated SE050: the directory that a copy of the module takes its objects from.
///
/// ```no_run
/// let chip = se050_sim::Chip::create("/tmp/chip".as_ref())?;
/// println!("PKCS#11 module: {}", chip.module().display());
/// // ... a client signs ...
/// assert_eq!(chip.calls()?.signatures(), 1);
/// # Ok::<(), se050_sim::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Chip {
    directory: PathBuf,
}

impl Chip {
    /// Makes a new chip in `directory`: throwaway factory keys, certificates from a throwaway two-level CA,
    /// and a copy of the built module.
    ///
    /// The RSA-4096 pairs are left out, since making them takes seconds: [`Chip::create_with_rsa4096`] has them.
    ///
    /// # Errors
    /// [`Error::ChipExists`] when one is there already, [`Error::ModuleNotBuilt`] when the module is not found near
    /// the running program, and whatever keeps the files from being written.
    pub fn create(directory: &Path) -> Result<Self, Error> {
        Self::make(directory, false)
    }

    /// As [`Chip::create`], with the RSA-4096 pairs F0000120 and F0000122 too: all that variant C has for cloud
    /// connections. It takes several seconds; tests make one and [duplicate](Chip::duplicate) it.
    ///
    /// # Errors
    /// As [`Chip::create`].
    pub fn create_with_rsa4096(directory: &Path) -> Result<Self, Error> {
        Self::make(directory, true)
    }

    /// The chip in `directory`.
    ///
    /// # Errors
    /// [`Error::NoChip`] when there is none.
    pub fn open(directory: &Path) -> Result<Self, Error> {
        let chip = Self { directory: directory.to_owned() };
        if chip.settings_file().exists() { Ok(chip) } else { Err(Error::NoChip(chip.directory)) }
    }

    /// Another chip in `directory` with this one's objects and settings, its calls not yet counted.
    ///
    /// A loaded module's state belongs to its file, so tests that must not see each other's sessions take a copy
    /// each. That is much faster than a new chip, which needs new RSA keys.
    ///
    /// # Errors
    /// [`Error::ChipExists`] when `directory` holds a chip, and whatever keeps the files from being copied.
    pub fn duplicate(&self, directory: &Path) -> Result<Self, Error> {
        let copy = Self { directory: directory.to_owned() };
        if copy.settings_file().exists() {
            return Err(Error::ChipExists(copy.directory));
        }
        copy.make_directories()?;
        for folder in [OBJECTS, AUTHORITY] {
            let from = self.directory.join(folder);
            for entry in fs::read_dir(&from).map_err(Error::file("list", &from))? {
                let entry = entry.map_err(Error::file("list", &from))?;
                copy_file(&entry.path(), &copy.directory.join(folder).join(entry.file_name()))?;
            }
        }
        copy_file(&self.module(), &copy.module())?;
        copy_file(&self.settings_file(), &copy.settings_file())?;
        Ok(copy)
    }

    /// The chip's directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The PKCS#11 module that a client of this chip loads.
    #[must_use]
    pub fn module(&self) -> PathBuf {
        self.directory.join(MODULE)
    }

    /// The certificate with that object id, byte for byte as the chip stores it.
    ///
    /// # Errors
    /// [`Error::NoObject`] when no certificate is stored under that id.
    pub fn certificate(&self, id: u32) -> Result<Vec<u8>, Error> {
        match self.store().load(id)?.as_deref() {
            Some(Object::Binary(der)) => Ok(der.clone()),
            _ => Err(Error::NoObject { chip: self.directory.clone(), id }),
        }
    }

    /// Stores `der` under that object id, whatever it holds: tests store what a chip may hold.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn install_certificate(&self, id: u32, der: &[u8]) -> Result<(), Error> {
        self.store().put_binary(id, der)
    }

    /// Stores the private key (RSA or EC P-256, PKCS#8 in DER) under that object id.
    ///
    /// # Errors
    /// [`Error::Content`] for a key that the simulator cannot use, and when the file cannot be written.
    pub fn install_key(&self, id: u32, pkcs8: &[u8]) -> Result<(), Error> {
        self.store().put_key(id, pkcs8)
    }

    /// The certificates of the throwaway CA in PEM: intermediate, then root.
    ///
    /// # Errors
    /// When the files cannot be read.
    pub fn ca_pem(&self) -> Result<String, Error> {
        let mut chain = String::new();
        for file in [INTERMEDIATE_CERTIFICATE, ROOT_CERTIFICATE] {
            let path = self.directory.join(file);
            chain.push_str(&fs::read_to_string(&path).map_err(Error::file("read", &path))?);
        }
        Ok(chain)
    }

    /// How often each C function was called, and the private keys were used, by all clients so far.
    ///
    /// # Errors
    /// When the count cannot be read.
    pub fn calls(&self) -> Result<Calls, Error> {
        Calls::read(&self.calls_file())
    }

    pub(crate) fn settings(&self) -> Result<Settings, Error> {
        Settings::read(&self.settings_file())
    }

    pub(crate) fn store(&self) -> Store {
        Store::new(self.directory.join(OBJECTS))
    }

    pub(crate) fn counter(&self) -> Option<Counter> {
        Counter::open(&self.calls_file()).inspect_err(|error| eprintln!("se050-sim: {error}")).ok()
    }

    fn calls_file(&self) -> PathBuf {
        self.directory.join("calls")
    }

    /// Takes the bus: writes a name that nobody else has into the file `bus`, and returns it. Nothing arbitrates the real bus, and
    /// whoever opens or closes the chip breaks the session of who was there.
    pub(crate) fn take_bus(&self) -> Result<String, Error> {
        let owner = unique();
        write_whole(&self.bus_file(), owner.as_bytes())?;
        Ok(owner)
    }

    /// Who took the bus last; nothing when nobody has opened the chip where that counts.
    pub(crate) fn bus_owner(&self) -> String {
        fs::read_to_string(self.bus_file()).unwrap_or_default()
    }

    fn bus_file(&self) -> PathBuf {
        self.directory.join("bus")
    }

    fn settings_file(&self) -> PathBuf {
        self.directory.join("chip.json")
    }

    fn make(directory: &Path, rsa4096: bool) -> Result<Self, Error> {
        let chip = Self { directory: directory.to_owned() };
        if chip.settings_file().exists() {
            return Err(Error::ChipExists(chip.directory));
        }
        let module = built_module()?;
        chip.make_directories()?;

        let authority = Authority::new()?;
        let [root, intermediate] = authority.certificates();
        write_file(&chip.directory.join(ROOT_CERTIFICATE), to_pem(root).as_bytes())?;
        write_file(&chip.directory.join(INTERMEDIATE_CERTIFICATE), to_pem(intermediate).as_bytes())?;
        factory::provision(&chip.store(), &authority, rsa4096)?;

        copy_file(&module, &chip.module())?;
        // Last: a directory that a failure left incomplete is not taken for a chip.
        Settings::default().write(&chip.settings_file())?;
        Ok(chip)
    }

    fn make_directories(&self) -> Result<(), Error> {
        for folder in [OBJECTS, AUTHORITY] {
            let path = self.directory.join(folder);
            fs::create_dir_all(&path).map_err(Error::file("create", &path))?;
        }
        Ok(())
    }
}

/// The name that NXP's module has, so that paths in documents and tests look alike.
const MODULE: &str = "libsss_pkcs11.so";
const OBJECTS: &str = "objects";
const AUTHORITY: &str = "ca";
const ROOT_CERTIFICATE: &str = "ca/root.pem";
const INTERMEDIATE_CERTIFICATE: &str = "ca/intermediate.pem";

fn to_pem(der: &[u8]) -> String {
    pem::encode(&pem::Pem::new("CERTIFICATE", der))
}

fn write_file(path: &Path, content: &[u8]) -> Result<(), Error> {
    fs::write(path, content).map_err(Error::file("write", path))
}

/// Writes the file in one step, for readers that may come at any time: they see the old content or the new.
fn write_whole(path: &Path, content: &[u8]) -> Result<(), Error> {
    let part = path.with_extension(format!("{}.part", unique()));
    write_file(&part, content)?;
    fs::rename(&part, path).map_err(Error::file("write", path))
}

/// A name that nobody else makes. The counter's address is in it: two copies of the module in one process have two counters.
fn unique() -> String {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let place = std::ptr::from_ref(&MADE).addr();
    format!("{}-{place:x}-{}", process::id(), MADE.fetch_add(1, Ordering::Relaxed))
}

/// A real copy, never a link: the loader gives two modules separate state only when they are two files.
fn copy_file(from: &Path, to: &Path) -> Result<(), Error> {
    fs::copy(from, to).map(drop).map_err(Error::file("copy", from))
}

/// The newest built module near the running program.
///
/// Cargo puts it beside the programs (`target/debug`) when it is built for itself, and into `deps` when it is a
/// dependency; a test runs in `deps`, an example in `examples`. The newest is taken, since the other one may be left
/// from an earlier build.
fn built_module() -> Result<PathBuf, Error> {
    /// What cargo calls the module.
    const BUILT: &str = "libse050_sim.so";
    let program = std::env::current_exe().map_err(Error::file("find", Path::new("/proc/self/exe")))?;
    let directory = program.parent().unwrap_or(Path::new("/"));
    let mut looked = Vec::new();
    for near in [Some(directory), directory.parent()].into_iter().flatten() {
        looked.push(near.join(BUILT));
        looked.push(near.join("deps").join(BUILT));
    }
    let newest = looked.iter().filter_map(|path| Some((modified(path)?, path))).max_by_key(|(time, _)| *time);
    match newest {
        Some((_, path)) => Ok(path.clone()),
        None => Err(Error::ModuleNotBuilt { looked }),
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().ok()?.modified().ok()
}
