//! Many devices: what they are (manifest), which of them may be registered (candidates), what came of it (report).
//! Nothing here keeps the devices: a run needs as much memory for a million of them as for ten.

mod candidate;
mod error;
mod expectation;
mod manifest;
mod report;
mod resume;
mod run;
mod template;

pub use candidate::{Candidate, Intake};
pub use error::{EntryError, FleetError, IoError};
pub use expectation::Expectations;
pub use manifest::{Entry, read_manifest};
pub use report::{Counts, Origin, Report, Row, RowResult};
pub use resume::DoneBefore;
pub use run::{Stop, apply, in_order, register};
pub use template::NameTemplate;
