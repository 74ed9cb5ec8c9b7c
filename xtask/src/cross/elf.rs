//! Reads from a program what decides whether it runs on the device, and whether a module can be loaded from it.

use anyhow::{Context as _, bail};
use object::read::elf::{Dyn as _, FileHeader, ProgramHeader as _};
use object::{Endianness, FileKind, elf};

use super::device::Device;

/// What an ELF file asks of the machine it runs on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Elf {
    pub(crate) machine: elf::Machine,
    /// The loader: `None` in a module, and in a static program.
    pub(crate) interpreter: Option<String>,
    /// The libraries that the loader loads with it.
    pub(crate) needed: Vec<String>,
}

/// The only library that a program or module may ask the device for: musl.
pub(crate) const LIBRARY: &str = "libc.so";

/// What the file is meant to be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Program,
    Module,
}

impl Elf {
    pub(crate) fn read(bytes: &[u8]) -> anyhow::Result<Self> {
        match FileKind::parse(bytes).context("no ELF file")? {
            FileKind::Elf64 => Self::read_as::<elf::FileHeader64<Endianness>>(bytes),
            FileKind::Elf32 => Self::read_as::<elf::FileHeader32<Endianness>>(bytes),
            kind => bail!("no ELF file but {kind:?}"),
        }
    }

    fn read_as<Header: FileHeader<Endian = Endianness>>(bytes: &[u8]) -> anyhow::Result<Self> {
        let header = Header::parse(bytes)?;
        let endian = header.endian()?;
        let mut interpreter = None;
        for segment in header.program_headers(endian, bytes)? {
            if let Some(name) = segment.interpreter(endian, bytes)? {
                interpreter = Some(String::from_utf8_lossy(name).into_owned());
            }
        }
        let sections = header.sections(endian, bytes)?;
        let mut needed = Vec::new();
        if let Some((entries, link)) = sections.dynamic(endian, bytes)? {
            let strings = sections.strings(endian, bytes, link)?;
            for entry in entries.iter().filter(|entry| entry.tag(endian) == elf::DT_NEEDED) {
                needed.push(String::from_utf8_lossy(entry.string(endian, strings)?).into_owned());
            }
        }
        Ok(Self { machine: header.e_machine(endian), interpreter, needed })
    }

    /// What would keep it from working on the device, loading modules included: nothing, when all is well.
    pub(crate) fn faults(&self, role: Role, device: &Device) -> Vec<String> {
        let mut faults = Vec::new();
        if self.machine != device.machine {
            faults.push(format!("it is for another processor (ELF machine {})", self.machine.0));
        }
        match (role, self.interpreter.as_deref()) {
            (Role::Program, None) => faults.push(
                "it is static (it names no loader), and a static program cannot load the PKCS#11 module: crt-static is on, or the \
                 linker links musl statically (zig does unless it gets -dynamic)"
                    .into(),
            ),
            (Role::Program, Some(loader)) if loader != device.loader => {
                faults.push(format!("its loader is {loader}, the device's is {}", device.loader));
            }
            (Role::Module, Some(loader)) => faults.push(format!("it is a program (loader {loader}), not a module")),
            (Role::Program, Some(_)) | (Role::Module, None) => {}
        }
        if !self.needed.iter().any(|library| library == LIBRARY) {
            faults.push(format!("it needs no {LIBRARY}: musl is linked statically"));
        }
        let strangers = self.needed.iter().filter(|library| *library != LIBRARY);
        faults.extend(strangers.map(|library| format!("it needs {library}, which the device may not have")));
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cross::ARMADILLO_G4;

    fn elf(interpreter: Option<&str>, needed: &[&str]) -> Elf {
        Elf {
            machine: elf::EM_AARCH64,
            interpreter: interpreter.map(str::to_owned),
            needed: needed.iter().map(|&library| library.to_owned()).collect(),
        }
    }

    #[test]
    fn tells_what_runs_on_the_device_from_what_does_not() {
        let musl = Some("/lib/ld-musl-aarch64.so.1");
        let cases: [(&str, Role, Elf, &[&str]); 7] = [
            ("a program", Role::Program, elf(musl, &["libc.so"]), &[]),
            ("a module", Role::Module, elf(None, &["libc.so"]), &[]),
            ("a static-pie", Role::Program, elf(None, &[]), &["it is static", "linked statically"]),
            (
                "glibc",
                Role::Program,
                elf(Some("/lib/ld-linux-aarch64.so.1"), &["libc.so.6"]),
                &["its loader", "linked statically", "libc.so.6"],
            ),
            ("an unwinder", Role::Program, elf(musl, &["libgcc_s.so.1", "libc.so"]), &["libgcc_s.so.1"]),
            ("a program as module", Role::Module, elf(musl, &["libc.so"]), &["not a module"]),
            (
                "this PC",
                Role::Module,
                Elf { machine: elf::EM_X86_64, ..elf(None, &["libc.so"]) },
                &["another processor"],
            ),
        ];
        for (name, role, elf, expected) in cases {
            let faults = elf.faults(role, &ARMADILLO_G4);
            assert_eq!(faults.len(), expected.len(), "{name}: {faults:?}");
            for (fault, words) in faults.iter().zip(expected) {
                assert!(fault.contains(words), "{name}: {fault}");
            }
        }
    }

    #[cfg(target_env = "gnu")]
    #[test]
    fn reads_this_very_program() {
        let elf = Elf::read(&std::fs::read(std::env::current_exe().unwrap()).unwrap()).unwrap();
        assert!(elf.interpreter.unwrap().starts_with("/lib"));
        assert!(elf.needed.iter().any(|library| library.starts_with("libc.")), "{:?}", elf.needed);
    }

    #[test]
    fn what_is_no_elf_file_is_an_error() {
        for bytes in [&b""[..], b"#!/bin/sh\n", b"\x7fELF", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0"] {
            assert!(Elf::read(bytes).is_err());
        }
    }
}
