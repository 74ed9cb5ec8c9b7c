use std::path::{Path, PathBuf};

use device_identity::{CheckError, FileError};

use crate::error::Error;
use crate::input_error::InputError;

/// A file of the run as a whole cannot be used. Nothing was registered because of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the fields are what the message names")]
pub enum FleetError {
    /// It cannot be read or written.
    #[error("cannot {doing} {}", path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: IoError,
    },
    /// A line of it makes no sense.
    #[error("{}, line {line}: {reason}", path.display())]
    Line {
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        reason: String,
    },
    /// It is a device's own file, or no list at all.
    #[error("{} is {found}, not a list of devices; for one device give it with --certificate", path.display())]
    NotAList { path: PathBuf, found: &'static str },
    /// There is nothing in it.
    #[error("{} names no device; give a directory of bundles, or a list in CSV, a JSON array or JSON lines", path.display())]
    Empty { path: PathBuf },
    /// A template without a placeholder that tells devices apart.
    #[error(
        "thing name template {template:?} is not usable; it needs {{serial}} or {{certificate}}, such as \"gw-{{serial}}\""
    )]
    Template { template: String },
    /// A file that would be written over holds something else.
    #[error("{} exists and is not {wanted}, and is left as it is; name another file", path.display())]
    NotOurs { path: PathBuf, wanted: &'static str },
}

impl FleetError {
    /// For what the system says when that is done to the file.
    pub(super) fn io(doing: &'static str, path: &Path) -> impl Fn(std::io::Error) -> Self {
        move |source| Self::Io { doing, path: path.to_owned(), source: IoError(source) }
    }
}

/// Why a file could not be read or written, in the system's words.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct IoError(#[from] pub(crate) std::io::Error);

/// Why one device of a fleet was not registered. The others are not concerned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the fields are what the message names")]
pub enum EntryError {
    /// Its line in the list makes no sense.
    #[error("its line makes no sense: {reason}; wanted are file, and thing_name or serial")]
    Line { reason: String },
    /// It is the certificate of an authority, among those of devices.
    #[error(
        "certificate {id} ({subject}) is not a device's: it says that it is a certificate authority, and {reason}; leave it out, \
         or give a bundle with the proof that a device has its key"
    )]
    Authority { id: String, subject: String, reason: &'static str },
    /// Its file is no identity.
    #[error(transparent)]
    File(#[from] FileError),
    /// Its identity must not be registered.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// Which key of the chip it uses is not known.
    #[error("{reason}")]
    Key { reason: String },
    /// Its name is not allowed.
    #[error(transparent)]
    Name(#[from] InputError),
    /// It has no name.
    #[error(
        "no thing name: nothing names the thing, not the proof either; give --thing-name NAME, or for many a template such as \"gw-{{serial}}\" or a column thing_name"
    )]
    NoName,
    /// The template needs a serial number, and there is none.
    #[error(
        "no serial number for the thing name: neither the list nor the proof has one; give a column serial"
    )]
    NoSerial,
    /// The list says one device, the proof another.
    #[error(
        "the list says {listed}, but the device signed {signed}; find out which of the two devices this file came from"
    )]
    SubjectDiffers { listed: String, signed: String },
    /// The expectation says another certificate.
    #[error(
        "{who} is expected to have certificate {expected}, but this is {found}: the wrong chip is in the box, or the list is wrong"
    )]
    NotExpected { who: String, expected: String, found: String },
    /// The expectation does not know the device.
    #[error("{who} is not in the list of expected devices; find out where it came from")]
    Unexpected { who: String },
    /// The same certificate stands under several things, or the same thing has several certificates.
    #[error("{what} stands in {others} too; only one of them can be right, and none was registered")]
    Conflict { what: String, others: String },
    /// The same line again.
    #[error("the same device stands in {first} already; this entry was left out")]
    Duplicate { first: String },
    /// AWS did not do it.
    #[error(transparent)]
    Aws(#[from] Error),
    /// The run ended before its turn.
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
