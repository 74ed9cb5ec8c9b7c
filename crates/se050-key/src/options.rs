//! How a token is opened.

use std::path::PathBuf;
use std::time::Duration;

use crate::{Pin, Pkcs11Uri};

/// What [`TokenBuilder`](crate::TokenBuilder) was told.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) module: PathBuf,
    /// The token's attributes, as a URI has them.
    pub(crate) wanted: Pkcs11Uri,
    pub(crate) pin: Option<Pin>,
    pub(crate) deadline: Duration,
    pub(crate) back_off: Duration,
    pub(crate) lock_file: Option<PathBuf>,
}
