//! A loaded and initialised PKCS#11 module, and the choice of its token.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use cryptoki_sys::CKF_TOKEN_INITIALIZED;
use object::read::ReadCache;
use object::{FileKind, Object as _, ObjectSection as _, ObjectSegment as _};

use crate::raw::RawModule;
use crate::{CallError, Error, Pkcs11Uri, TokenInfo};

/// The file name of p11-kit's client, which passes all calls on to a module in another process.
const REMOTE: &str = "p11-kit-client.so";

/// The module, initialised; finalised when this value and the last session are gone.
pub(crate) struct Module {
    path: PathBuf,
    pub(crate) raw: Rc<RawModule>,
}

impl Module {
    pub(crate) fn load(path: &Path) -> Result<Self, Error> {
        let failed = |reason| Error::LoadModule { path: path.to_owned(), reason };
        let file = ModuleFile::inspect(path).map_err(failed)?;
        let raw = RawModule::load(path).map_err(|reason| failed(file.explain(reason)))?;
        Ok(Self { path: path.to_owned(), raw })
    }

    /// Whether the module only passes the calls on to another process, which has the chip.
    pub(crate) fn is_remote(&self) -> bool {
        canonical(&self.path).file_name().is_some_and(|name| name == REMOTE)
    }

    /// The initialised tokens. No traffic with the chip.
    pub(crate) fn tokens(&self) -> Result<Vec<TokenInfo>, Error> {
        let mut tokens = Vec::new();
        for slot in self.raw.slots().map_err(listing_failed)? {
            let info = self.raw.token_info(slot).map_err(listing_failed)?;
            // A token that was never initialised (SoftHSM always offers one) has nothing to select.
            if info.flags & CKF_TOKEN_INITIALIZED != 0 {
                tokens.push(TokenInfo::new(&self.path, slot, &info));
            }
        }
        Ok(tokens)
    }

    /// The token that the URI names, or the only one. No traffic with the chip.
    pub(crate) fn single_token(&self, wanted: &Pkcs11Uri) -> Result<TokenInfo, Error> {
        let tokens = self.tokens()?;
        let labels: Vec<String> = tokens.iter().map(|info| format!("{:?}", info.label)).collect();
        let mut fitting: Vec<_> = tokens.into_iter().filter(|info| wanted.mismatch(info).is_none()).collect();
        match (fitting.pop(), fitting.is_empty()) {
            (Some(only), true) => Ok(only),
            (None, _) if labels.is_empty() && self.is_remote() => Err(Error::NoServer),
            (None, _) if labels.is_empty() => Err(self.no_single_token(
                "no initialised token".into(),
                "initialise one, or check the environment variable that leads the module to it",
            )),
            (None, _) => Err(self.no_single_token(
                format!("no token with {} (it has {})", wanted.describe_token(), labels.join(", ")),
                "check the token's label and slot, and each attribute of a PKCS#11 URI",
            )),
            (Some(_), false) => Err(self.no_single_token(
                format!("several tokens ({})", labels.join(", ")),
                "select one by its label or slot",
            )),
        }
    }

    fn no_single_token(&self, found: String, advice: &'static str) -> Error {
        Error::NoSingleToken { module: self.path.clone(), found, advice }
    }
}

fn listing_failed(source: CallError) -> Error {
    Error::Call {
        doing: "listing its tokens".into(),
        advice: "check that the module fits this machine",
        source,
    }
}

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
        match FileKind::parse(data) {
            Ok(FileKind::Elf64) if usize::BITS != 64 => Err("it is built for a 64-bit processor".to_owned()),
            Ok(FileKind::Elf32) if usize::BITS != 32 => Err("it is built for a 32-bit processor".to_owned()),
            Ok(FileKind::Elf64 | FileKind::Elf32) => Self::of(data, length),
            _ => Err("it is no shared library (no ELF file)".to_owned()),
        }
    }

    fn of(data: &ReadCache<File>, length: u64) -> Result<Self, String> {
        let damaged = |error: object::Error| format!("it is no shared library, or cut short: {error}");
        let file = object::File::parse(data).map_err(damaged)?;
        // Both name a processor in the same way, one of them with capitals: Aarch64.
        let (theirs, ours) = (format!("{:?}", file.architecture()).to_lowercase(), std::env::consts::ARCH);
        if theirs != ours {
            return Err(format!("it is built for another processor ({theirs}; this one is {ours})"));
        }
        let is_whole =
            |(offset, bytes): (u64, u64)| offset.checked_add(bytes).is_some_and(|end| end <= length);
        if !file.segments().all(|segment| is_whole(segment.file_range())) {
            return Err(format!("it is cut short: {length} bytes are not all of it"));
        }
        // The table of the dynamic section's names: symbols, and the libraries that the file needs.
        let names =
            file.section_by_name(".dynstr").and_then(|section| section.data().ok()).unwrap_or_default();
        let names = names.split(|byte| *byte == 0).map(String::from_utf8_lossy);
        Ok(Self { c_library: names.into_iter().find(|name| name.starts_with("libc.")).map(Into::into) })
    }

    /// In words, when the file was built for another C library than this program. The loader may take it all the same, where
    /// a compatibility library is installed (gcompat).
    pub fn other_c_library(&self) -> Option<String> {
        let ours = if cfg!(target_env = "musl") { "musl" } else { "glibc" };
        let library =
            self.c_library.as_deref().filter(|library| library.contains("musl") != (ours == "musl"))?;
        Some(format!(
            "it is built for another C library: it needs {library}, and this program is built for {ours}"
        ))
    }

    /// What the loader said, with what is known about the file.
    pub(crate) fn explain(&self, loader_said: String) -> String {
        match self.other_c_library() {
            Some(reason) => format!("{loader_said}; {reason}"),
            None => loader_said,
        }
    }
}

/// The file's canonical path, so that two paths to one file are equal. A bare name is left to the loader.
pub(crate) fn canonical(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}
