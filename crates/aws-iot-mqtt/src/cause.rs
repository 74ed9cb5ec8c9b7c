//! What lies behind an error, without showing whose type it is.

use std::error::Error as StdError;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// The error underneath one of ours. [`std::error::Error::source`] gives the very error, ready for a downcast.
///
/// Shared, because one lost connection is told to everybody who waits for an answer on it.
#[derive(Clone)]
pub struct Cause(Arc<dyn StdError + Send + Sync>);

impl Cause {
    pub(crate) fn new(error: impl StdError + Send + Sync + 'static) -> Self {
        Self(Arc::new(error))
    }

    pub(crate) fn shared(error: Arc<dyn StdError + Send + Sync>) -> Self {
        Self(error)
    }
}

// No `Error` of its own: thiserror then takes the target of `Deref` as the source, and a chain of causes does not
// show the same line twice.
impl Deref for Cause {
    type Target = dyn StdError + Send + Sync;

    fn deref(&self) -> &Self::Target {
        self.0.as_ref()
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
