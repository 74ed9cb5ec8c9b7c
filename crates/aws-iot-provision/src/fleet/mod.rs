//! Many devices: what they are (manifest), which of them may be registered (candidates), what has been done (journal),
//! what came of it (report).

mod bulk;
mod candidate;
mod conflict;
mod error;
mod expectation;
mod intake;
mod journal;
mod manifest;
mod report;
mod run;
mod spreadsheet;
mod table;
mod template;
mod text;

pub use bulk::{BulkFiles, bulk_files};
pub use candidate::{Candidate, Candidates};
pub use error::{EntryError, FleetError, IoError};
pub use expectation::Expectations;
pub use intake::Intake;
pub use journal::{Done, Journal};
pub use manifest::{Entry, read_manifest};
pub use report::{Report, Row, RowResult};
pub use run::{Progress, run};
pub use spreadsheet::spreadsheet_cell;
pub use template::NameTemplate;
