//! Many devices: what they are (manifest), which of them may be registered (candidates), what has been done (journal),
//! what came of it (report).

mod bulk;
mod candidate;
mod error;
mod expectation;
mod journal;
mod manifest;
mod report;
mod run;
mod template;

pub use bulk::{BulkFiles, bulk_files};
pub use candidate::{Candidate, Intake};
pub use error::{EntryError, FleetError, IoError};
pub use expectation::Expectations;
pub use journal::{Done, Journal};
pub use manifest::{Entry, read_manifest};
pub use report::{Report, Row, RowResult};
pub use run::{Progress, run};
pub use template::NameTemplate;
