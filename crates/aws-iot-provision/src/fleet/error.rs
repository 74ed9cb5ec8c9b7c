use std::path::{Path, PathBuf};

use device_identity::{CheckError, FileError};

use crate::error::InputError;

/// A file of the run as a whole cannot be used. Nothing was registered because of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each message says what its variant is, and names its fields")]
pub enum FleetError {
    #[error("cannot {doing} {}", path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{}, line {line}: {reason}", path.display())]
    Line {
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        reason: String,
    },
    #[error("{} is {found}, not a list of devices; for one device give it with --certificate", path.display())]
    NotAList { path: PathBuf, found: &'static str },
    #[error("{} names no device; give a directory of bundles, or a list in CSV, a JSON array or JSON lines", path.display())]
    Empty { path: PathBuf },
    #[error(
        "thing name template {template:?} is not usable; it needs {{serial}} or {{certificate}}, such as \"gw-{{serial}}\""
    )]
    Template { template: String },
    #[error("{} exists and is not {wanted}, and is left as it is; name another file", path.display())]
    NotOurs { path: PathBuf, wanted: &'static str },
}

impl FleetError {
    /// For what the system says when that is done to the file.
    pub(super) fn io(doing: &'static str, path: &Path) -> impl Fn(std::io::Error) -> Self {
        move |source| Self::Io { doing, path: path.to_owned(), source }
    }
}

/// Why one device of a fleet was not registered. The others are not concerned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each message says what its variant is, and names its fields")]
pub enum EntryError {
    #[error("its line makes no sense: {reason}; wanted are file, and thing_name or serial")]
    Line { reason: String },
    #[error(
        "certificate {id} ({subject}) is not a device's: it says that it is a certificate authority, and {reason}; leave it out, \
         or give a bundle with the proof that a device has its key"
    )]
    Authority { id: String, subject: String, reason: &'static str },
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Check(#[from] CheckError),
    #[error("{reason}")]
    Key { reason: String },
    #[error(transparent)]
    Name(#[from] InputError),
    #[error(
        "no thing name: nothing names the thing, not the proof either; give --thing-name NAME, or for many a template such as \"gw-{{serial}}\" or a column thing_name"
    )]
    NoName,
    #[error(
        "no serial number for the thing name: neither the list nor the proof has one; give a column serial"
    )]
    NoSerial,
    #[error(
        "the list says {listed}, but the device signed {signed}; find out which of the two devices this file came from"
    )]
    SubjectDiffers { listed: String, signed: String },
    #[error(
        "{who} is expected to have certificate {expected}, but this is {found}: the wrong chip is in the box, or the list is wrong"
    )]
    NotExpected { who: String, expected: String, found: String },
    #[error("{who} is not in the list of expected devices; find out where it came from")]
    Unexpected { who: String },
    #[error("{what} stands in {others} too; only one of them can be right, and none was registered")]
    Conflict { what: String, others: String },
    #[error("the same device stands in {first} already; this entry was left out")]
    Duplicate { first: String },
    #[error("not tried, since the run stopped: {because}")]
    NotTried { because: String },
}

impl EntryError {
    /// With its causes, in one line.
    pub fn in_full(&self) -> String {
        one_line(self)
    }
}

pub(crate) fn one_line(error: &dyn std::error::Error) -> String {
    let chain = std::iter::successors(Some(error), |&error| error.source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ").replace('\n', " ")
}
