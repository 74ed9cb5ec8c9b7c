use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::FleetError;
use super::run::{Row, RowResult};
use super::table::spreadsheet_cell;
use crate::device::Device;
use crate::step::Step;

/// The header of the table.
const COLUMNS: [&str; 7] = ["source", "thing", "certificate", "result", "identity", "done", "error"];

/// Where a result comes from: one counts for the same only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The AWS account.
    pub account: String,
    /// The region.
    pub region: String,
    /// What devices get, in one line ([`Settings::describe`](crate::Settings::describe)).
    pub settings: String,
}

/// The report of a run, written while it goes: a table (CSV) with a line for each device, in the order of the list, and the
/// results as JSON lines: one for each step as it is done, and one for each device.
#[derive(Debug)]
pub struct Report {
    table_path: PathBuf,
    table: csv::Writer<File>,
    lines_path: PathBuf,
    lines: File,
    origin: Origin,
}

impl Report {
    /// Begins `BASE.csv` anew and goes on writing at the end of `BASE.jsonl`.
    ///
    /// # Errors
    /// When they cannot be written, or are there with something else in them.
    pub fn create(base: &Path, origin: Origin) -> Result<Self, FleetError> {
        let (table_path, lines_path) = (with_ending(base, "csv"), with_ending(base, "jsonl"));
        let header = COLUMNS.join(",");
        if begins(&table_path)?.is_some_and(|line| line != header) {
            return Err(FleetError::NotOurs { path: table_path, wanted: "the report of an earlier run" });
        }
        let is_result = |line: &str| serde_json::from_str::<Origin>(line).is_ok();
        if begins(&lines_path)?.is_some_and(|line| !is_result(&line)) {
            return Err(FleetError::NotOurs { path: lines_path, wanted: "a results file" });
        }
        let lines = OpenOptions::new().append(true).create(true).open(&lines_path);
        let lines = lines.map_err(not_written(&lines_path))?;
        let table = File::create(&table_path).map_err(not_written(&table_path))?;
        let mut report =
            Self { table: csv::Writer::from_writer(table), table_path, lines, lines_path, origin };
        report.end_cut_line().map_err(not_written(&report.lines_path))?;
        report.write_table(COLUMNS.map(str::to_owned))?;
        Ok(report)
    }

    /// Writes down a step that was done. What cannot be written shows with the device's own line.
    pub fn step(&self, device: &Device, step: &Step) {
        let described = step.describe();
        let line = json!({
            "account": self.origin.account, "region": self.origin.region, "settings": self.origin.settings,
            "thingName": device.thing.as_str(), "certificateId": device.certificate.fingerprint(),
            "step": described.kind, "name": described.name, "outcome": described.outcome,
            "note": described.note,
        });
        if let Err(error) = self.write_line(&line) {
            tracing::warn!(%error, "a step was not written down");
        }
    }

    /// Writes down what came of a device.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn row(&mut self, row: &Row) -> Result<(), FleetError> {
        let mut line = json!(row);
        if let (Some(line), Value::Object(origin)) = (line.as_object_mut(), json!(self.origin)) {
            line.extend(origin);
        }
        self.write_line(&line).map_err(not_written(&self.lines_path))?;
        let text = |member: &str| line.get(member).and_then(Value::as_str).unwrap_or_default().to_owned();
        let [source, thing, certificate] = ["source", "thingName", "certificateId"].map(text);
        let [result, identity, error] = ["result", "identity", "error"].map(text);
        self.write_table([source, thing, certificate, result, identity, row.done.join("; "), error])
    }

    /// One write a line, so that a line is whole or cut off at the end.
    fn write_line(&self, line: &Value) -> io::Result<()> {
        (&self.lines).write_all(format!("{line}\n").as_bytes())
    }

    /// A run that was killed may have left half a line.
    fn end_cut_line(&self) -> io::Result<()> {
        let length = self.lines.metadata()?.len();
        if length == 0 {
            return Ok(());
        }
        let mut end = [0];
        let mut file = File::open(&self.lines_path)?;
        io::Seek::seek(&mut file, io::SeekFrom::Start(length - 1))?;
        file.read_exact(&mut end)?;
        if end == *b"\n" { Ok(()) } else { (&self.lines).write_all(b"\n") }
    }

    fn write_table(&mut self, cells: [String; 7]) -> Result<(), FleetError> {
        let cells = cells.map(|cell| spreadsheet_cell(&cell).into_owned());
        let written =
            self.table.write_record(cells).map_err(io::Error::from).and_then(|()| self.table.flush());
        written.map_err(not_written(&self.table_path))
    }
}

fn not_written(path: &Path) -> impl Fn(io::Error) -> FleetError {
    FleetError::io("write the report", path)
}

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

    pub(crate) fn has(&self, thing: &str, certificate: &str) -> bool {
        !self.devices.is_empty() && self.devices.contains(&(thing.to_owned(), certificate.to_owned()))
    }
}

/// The first line of a file that is there and not empty. Anything but a file, such as a pipe, is an error.
fn begins(path: &Path) -> Result<Option<String>, FleetError> {
    let failed = FleetError::io("read", path);
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
        Ok(metadata) if !metadata.is_file() => {
            return Err(FleetError::NotOurs { path: path.to_owned(), wanted: "a file" });
        }
        Ok(metadata) if metadata.len() == 0 => return Ok(None),
        Ok(_) => {}
    }
    // A report's line has some hundred characters; this only bounds a mistake.
    let mut line = Vec::new();
    let file = File::open(path).map_err(&failed)?;
    BufReader::new(file.take(1 << 20)).read_until(b'\n', &mut line).map_err(&failed)?;
    Ok(Some(String::from_utf8_lossy(&line).trim_end().to_owned()))
}

fn with_ending(base: &Path, ending: &str) -> PathBuf {
    let mut name = base.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}
