use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use serde::Deserialize;

use super::error::FleetError;
use super::report::Origin;
use super::row::RowResult;

/// Devices that a results file says are registered, for a run that shall not ask AWS about them again.
#[derive(Debug, Clone, Default)]
pub struct DoneBefore {
    /// Thing and certificate id.
    devices: HashSet<(String, String)>,
}

/// A line of a results file: of a device where it has a result, of a step otherwise.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    #[serde(flatten)]
    origin: Origin,
    thing_name: String,
    certificate_id: String,
    result: Option<RowResult>,
}

impl DoneBefore {
    /// Reads a results file. Lines of another account or region, or with other settings, do not count; the last line may have
    /// been cut off.
    ///
    /// # Errors
    /// When it cannot be read, or is no results file.
    pub fn read(path: &Path, origin: &Origin) -> Result<Self, FleetError> {
        let failed = FleetError::io("read the results", path);
        let mut devices = HashSet::new();
        let mut lines = BufReader::new(File::open(path).map_err(&failed)?).split(b'\n').zip(1..).peekable();
        while let Some((line, number)) = lines.next() {
            let line = line.map_err(&failed)?;
            let line: Line = match serde_json::from_slice(&line) {
                Ok(line) => line,
                Err(_) if number > 1 && lines.peek().is_none() => break,
                Err(error) => {
                    let reason =
                        format!("{error}; this is no results file (.jsonl) of `se050-iot provision`");
                    return Err(FleetError::Line { path: path.to_owned(), line: number, reason });
                }
            };
            let done = line.result.is_some_and(RowResult::is_good);
            if done && line.origin == *origin {
                devices.insert((line.thing_name, line.certificate_id));
            }
        }
        Ok(Self { devices })
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.devices.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.devices.is_empty()
    }

    pub(crate) fn has(&self, thing: &str, certificate: &str) -> bool {
        !self.devices.is_empty() && self.devices.contains(&(thing.to_owned(), certificate.to_owned()))
    }
}
