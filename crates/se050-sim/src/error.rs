//! What can go wrong with a simulated chip's directory.

use std::io;
use std::path::{Path, PathBuf};

/// An error of a simulated chip's directory: making it, reading it, counting its calls.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message shows what each field is")]
#[non_exhaustive]
pub enum Error {
    /// A new chip was asked for where one is.
    #[error("{} already holds a simulated chip; name another directory, or remove this one first", .0.display())]
    ChipExists(PathBuf),
    /// The directory holds no chip.
    #[error("{} holds no simulated chip; make one with `se050-sim new`", .0.display())]
    NoChip(PathBuf),
    /// The module that a new chip needs a copy of was not built.
    #[error("the simulated module is in none of {}; build it with `cargo build -p se050-sim`", list(looked))]
    ModuleNotBuilt { looked: Vec<PathBuf> },
    /// The chip holds no object with that id.
    #[error("the simulated chip in {} holds no object {id:08X}", chip.display())]
    NoObject { chip: PathBuf, id: u32 },
    /// A version of NXP's module that is not simulated.
    #[error("the simulated chip has no module version {0}; there are 3.3, 4.2, 4.3 and 4.7")]
    UnknownVersion(String),
    /// A fault that the simulator does not know.
    #[error(
        "the simulated chip cannot have the fault {0:?}; there are none, absent, mute, mute-for-a-while, \
         dies-after:OPERATIONS, slow:MILLISECONDS, held, fail-next-sign:CKR, \
         fail-next:FUNCTION:CKR, fail-each:FUNCTION:CKR, corrupt-signatures, corrupt-next-signature, corrupt-next-read"
    )]
    UnknownFault(String),
    /// A file or directory could not be read or written.
    #[error("the simulated chip cannot {doing} {}", path.display())]
    File { doing: &'static str, path: PathBuf, source: io::Error },
    /// A file does not hold what it should.
    #[error("the simulated chip cannot use {}; `se050-sim new` shows how a chip's files look", path.display())]
    Content { path: PathBuf, source: BoxedError },
    /// A key or a certificate could not be made.
    #[error("the simulated factory cannot make {what}")]
    Factory { what: &'static str, source: BoxedError },
}

impl Error {
    pub(crate) fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { doing, path, source }
    }

    pub(crate) fn content<E: Into<BoxedError>>(path: &Path) -> impl FnOnce(E) -> Self {
        let path = path.to_owned();
        move |source| Self::Content { path, source: source.into() }
    }

    pub(crate) fn factory<E: Into<BoxedError>>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::Factory { what, source: source.into() }
    }
}

/// Whatever a library gave as the reason.
pub(crate) type BoxedError = Box<dyn std::error::Error + Send + Sync>;

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}
