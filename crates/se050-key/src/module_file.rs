//! What a PKCS#11 module's file is, before it is loaded: the loader ends the process over a truncated one (SIGBUS).

use std::fs::File;
use std::path::Path;

use object::elf::{self, FileHeader64};
use object::read::ReadCache;
use object::read::elf::{Dyn as _, FileHeader as _, ProgramHeader as _};
use object::{Endianness, FileKind};

/// A PKCS#11 module's file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModuleFile {
    /// The C library for which it was built: `libc.so.6` is glibc, `libc.musl-aarch64.so.1` is musl. `None` where it names
    /// none, or where the loader is to find the file.
    pub c_library: Option<String>,
}

impl ModuleFile {
    /// Looks at the file: whether it is whole, and for this processor. A name without a slash is left to the loader.
    ///
    /// # Errors
    /// In words, when no such file can be loaded here.
    pub fn inspect(path: &Path) -> Result<Self, String> {
        if !path.as_os_str().as_encoded_bytes().contains(&b'/') {
            return Ok(Self::default());
        }
        let metadata = std::fs::metadata(path).map_err(|error| error.to_string())?;
        if !metadata.is_file() {
            return Err("it is a directory, or no regular file".to_owned());
        }
        let length = metadata.len();
        let data = &ReadCache::new(File::open(path).map_err(|error| error.to_string())?);
        let damaged = |error: object::Error| format!("it is no shared library, or cut short: {error}");
        match FileKind::parse(data) {
            Ok(FileKind::Elf64) => {}
            Ok(FileKind::Elf32) => return Err("it is built for a 32-bit processor".to_owned()),
            _ => return Err("it is no shared library (no ELF file)".to_owned()),
        }
        let header = FileHeader64::<Endianness>::parse(data).map_err(damaged)?;
        let endian = header.endian().map_err(damaged)?;
        let machine = header.e_machine(endian);
        if machine != this_machine() {
            let (theirs, ours) = (machine_name(machine), std::env::consts::ARCH);
            return Err(format!("it is built for another processor ({theirs}; this one is {ours})"));
        }
        let whole = header.program_headers(endian, data).map_err(damaged)?.iter().all(|segment| {
            let end = segment.p_offset(endian).checked_add(segment.p_filesz(endian));
            segment.p_type(endian) != elf::PT_LOAD || end.is_some_and(|end| end <= length)
        });
        if !whole {
            return Err(format!("it is cut short: {length} bytes are not all of it"));
        }
        Ok(Self { c_library: c_library(header, endian, data) })
    }

    /// What the loader said, with what is known about the file.
    pub(crate) fn explain(&self, loader_said: String) -> String {
        let ours = if cfg!(target_env = "musl") { "musl" } else { "glibc" };
        match self.c_library.as_deref() {
            Some(library) if library.contains("musl") != (ours == "musl") => {
                format!(
                    "{loader_said}; it is built for another C library: it needs {library}, and this program is built for {ours}"
                )
            }
            _ => loader_said,
        }
    }
}

/// The entry of the dynamic section that names the C library.
fn c_library(
    header: &FileHeader64<Endianness>,
    endian: Endianness,
    data: &ReadCache<File>,
) -> Option<String> {
    let sections = header.sections(endian, data).ok()?;
    let (entries, strings) = sections.dynamic(endian, data).ok()??;
    let strings = sections.strings(endian, data, strings).ok()?;
    let needed = entries.iter().filter(|entry| entry.d_tag(endian) == elf::DT_NEEDED);
    let names = needed.filter_map(|entry| entry.string(endian, strings).ok());
    let mut names = names.map(|name| String::from_utf8_lossy(name).into_owned());
    names.find(|name| name.starts_with("libc."))
}

const fn this_machine() -> elf::Machine {
    if cfg!(target_arch = "x86_64") {
        elf::EM_X86_64
    } else if cfg!(target_arch = "aarch64") {
        elf::EM_AARCH64
    } else {
        elf::EM_NONE
    }
}

fn machine_name(machine: elf::Machine) -> String {
    match machine {
        elf::EM_X86_64 => "x86_64".to_owned(),
        elf::EM_AARCH64 => "aarch64".to_owned(),
        elf::EM_ARM => "arm".to_owned(),
        elf::EM_RISCV => "riscv".to_owned(),
        other => format!("ELF machine {}", other.0),
    }
}
