//! Many devices: what they are (manifest), which of them may be registered (candidates), what came of it (report).
//! Of a list, its text is kept in memory, and about 70 bytes for each device.

mod candidate;
mod conflict;
mod error;
mod expectation;
mod intake;
mod manifest;
mod report;
mod row;
mod run;
mod table;
mod text;

pub use candidate::{Candidate, Candidates};
pub use error::{EntryError, FleetError, IoError};
pub use expectation::Expectations;
pub use intake::{Intake, NameTemplate};
pub use manifest::{Entry, Manifest};
pub use report::{DoneBefore, Origin, Report};
pub use row::{Counts, Row, RowResult};
pub use run::{Stop, apply, in_order, register};
pub use table::spreadsheet_cell;
