use std::path::PathBuf;

use device_identity::{CheckError, FileError};

use crate::error::Error;
use crate::input_error::InputError;

/// A file of the run as a whole cannot be used. Nothing was registered because of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FleetError {
    /// It cannot be read or written.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: IoError,
    },
    /// A line of it makes no sense.
    #[error("{}, line {line}: {reason}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong, and what is wanted.
        reason: String,
    },
    /// It is a device's own file, or no list at all.
    #[error("{} is {found}, not a list of devices; for one device give it with --certificate", path.display())]
    NotAList {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: &'static str,
    },
    /// There is nothing in it.
    #[error("{} names no device; give a directory of bundles, or a list in CSV, a JSON array or JSON lines", path.display())]
    Empty {
        /// The file or directory.
        path: PathBuf,
    },
    /// A template without a placeholder that tells devices apart.
    #[error(
        "thing name template {template:?} is not usable; it needs {{serial}} or {{certificate}}, such as \"gw-{{serial}}\""
    )]
    Template {
        /// The template as given.
        template: String,
    },
    /// A file that would be written over holds something else.
    #[error("{} exists and is not {wanted}, and is left as it is; name another file", path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
        /// What would be written over.
        wanted: &'static str,
    },
}

/// Why a file could not be read or written, in the system's words.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct IoError(#[from] pub(crate) std::io::Error);

/// Why one device of a fleet was not registered. The others are not concerned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// Its line in the list makes no sense.
    #[error("its line makes no sense: {reason}; wanted are file, and thing_name or serial")]
    Line {
        /// What is wrong.
        reason: String,
    },
    /// It is the certificate of an authority, among those of devices.
    #[error(
        "certificate {id} ({subject}) is not a device's: it says that it is a certificate authority, and {reason}; leave it out, \
         or give a bundle with the proof that a device has its key"
    )]
    Authority {
        /// The certificate's SHA-256.
        id: String,
        /// Its subject.
        subject: String,
        /// What gives it away.
        reason: &'static str,
    },
    /// Its file is no identity.
    #[error(transparent)]
    File(#[from] FileError),
    /// Its identity must not be registered.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// Which key of the chip it uses is not known.
    #[error("{reason}")]
    Key {
        /// What is missing, and what to do.
        reason: String,
    },
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
    SubjectDiffers {
        /// What the list says.
        listed: String,
        /// What the proof says.
        signed: String,
    },
    /// The expectation says another certificate.
    #[error(
        "{who} is expected to have certificate {expected}, but this is {found}: the wrong chip is in the box, or the list is wrong"
    )]
    NotExpected {
        /// Which device.
        who: String,
        /// The certificate in the list of expectations.
        expected: String,
        /// The certificate that came.
        found: String,
    },
    /// The expectation does not know the device.
    #[error("{who} is not in the list of expected devices; find out where it came from")]
    Unexpected {
        /// Which device.
        who: String,
    },
    /// The same certificate stands under several things, or the same thing has several certificates.
    #[error("{what} stands in {others} too; only one of them can be right, and none was registered")]
    Conflict {
        /// What stands there twice.
        what: String,
        /// Where else.
        others: String,
    },
    /// The same line again.
    #[error("the same device stands in {first} already; this entry was left out")]
    Duplicate {
        /// Where it stands first.
        first: String,
    },
    /// AWS did not do it.
    #[error(transparent)]
    Aws(#[from] Error),
    /// The run ended before its turn.
    #[error("not tried, since the run stopped: {because}")]
    NotTried {
        /// Why the run stopped.
        because: String,
    },
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
