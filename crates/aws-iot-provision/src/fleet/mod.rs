//! Many devices: what they are (manifest), which of them may be registered (candidates), what came of it (report).
//! Of a list, its text is kept in memory, and about 50 bytes for each device.

mod conflict;
mod error;
mod expectation;
mod intake;
mod manifest;
mod report;
mod run;
mod table;
mod text;

pub use error::{EntryError, FleetError};
pub use expectation::Expectations;
pub use intake::{Candidate, Intake, NameTemplate};
pub use manifest::{Entry, Manifest};
pub use report::{DoneBefore, Origin, Report};
pub use run::{Counts, Row, RowResult, Stop, apply, in_order, register};
