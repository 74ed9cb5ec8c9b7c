//! Who has the chip.

use std::fmt;

/// The process that holds the chip's lock, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder(Option<u32>);

impl Holder {
    /// Its process id, in the process namespace of that process: in another container it may name another process.
    pub fn pid(self) -> Option<u32> {
        self.0
    }
}

impl From<Option<u32>> for Holder {
    fn from(pid: Option<u32>) -> Self {
        Self(pid)
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(pid) => write!(f, "process {pid}"),
            None => f.write_str("another process"),
        }
    }
}
