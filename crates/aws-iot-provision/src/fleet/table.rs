//! A list as a table with named columns: CSV, a JSON array, or JSON lines. The content tells which, not the file's name.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;
use serde_json::value::RawValue;

use super::error::FleetError;
use super::text;

/// What CSV may be separated by: Excel writes a semicolon where the comma is the decimal sign.
const SEPARATORS: [u8; 3] = [b',', b';', b'\t'];

/// A list. Its text is kept, and each row is read when its turn comes: a list may have a million.
#[derive(Debug)]
pub(super) struct Table {
    text: String,
    format: Format,
    is_known: fn(&str) -> bool,
    /// Where each row begins, counted from 1 as an editor does: blank lines and comments count.
    lines: Vec<u32>,
}

#[derive(Debug)]
enum Format {
    CommaSeparated(Header),
    JsonArray,
    JsonLines,
}

/// The columns of a CSV file.
#[derive(Debug)]
struct Header {
    /// Where they are named.
    line: usize,
    names: Vec<String>,
    separator: u8,
}

/// One row, or what is wrong with it.
pub(super) struct Row {
    pub(super) line: usize,
    /// The values that are not empty, by column.
    pub(super) cells: Result<HashMap<String, String>, String>,
}

/// A list that cannot be, with the line that is wrong.
type Wrong = (usize, String);

impl Table {
    /// Reads a list. `is_known` tells whether a column means something; `wanted` says in words which do.
    pub(super) fn read(path: &Path, is_known: fn(&str) -> bool, wanted: &str) -> Result<Self, FleetError> {
        let text = text::read(path)?;
        if let Some(found) = other_file(&text) {
            return Err(FleetError::NotAList { path: path.to_owned(), found });
        }
        let wrong = |(line, reason): Wrong| FleetError::Line {
            path: path.to_owned(),
            line,
            reason: format!("{reason}; {wanted}"),
        };
        let format = match text.trim_start().chars().next() {
            Some('[') => json_array(&text).map(|_| Format::JsonArray).map_err(wrong)?,
            Some('{') => Format::JsonLines,
            _ => Format::CommaSeparated(Header::of(&text, is_known).map_err(wrong)?),
        };
        let mut table = Self { text, format, is_known, lines: Vec::new() };
        table.lines = table.rows().map(|row| u32::try_from(row.line).unwrap_or(u32::MAX)).collect();
        if table.lines.is_empty() { Err(FleetError::Empty { path: path.to_owned() }) } else { Ok(table) }
    }

    /// The columns of a CSV file, with the line where they are named.
    pub(super) fn header(&self) -> Option<(usize, &[String])> {
        match &self.format {
            Format::CommaSeparated(header) => Some((header.line, &header.names)),
            _ => None,
        }
    }

    /// Where each row begins.
    pub(super) fn lines(&self) -> &[u32] {
        &self.lines
    }

    /// The rows in their order.
    pub(super) fn rows(&self) -> impl Iterator<Item = Row> {
        let rows: Box<dyn Iterator<Item = Row>> = match &self.format {
            Format::CommaSeparated(header) => Box::new(comma_separated(&self.text, header)),
            // Without error, since `read` has been through it.
            Format::JsonArray => Box::new(json_array(&self.text).into_iter().flatten()),
            Format::JsonLines => Box::new(json_lines(&self.text)),
        };
        rows.map(|row| self.with_known_columns(row))
    }

    fn with_known_columns(&self, mut row: Row) -> Row {
        let unknown =
            row.cells.as_ref().ok().and_then(|cells| cells.keys().find(|name| !(self.is_known)(name)));
        if let Some(unknown) = unknown {
            row.cells = Err(format!("unknown member {unknown:?}"));
        }
        row
    }
}

/// A device's own file, given in place of a list.
fn other_file(text: &str) -> Option<&'static str> {
    let text = text.trim_start();
    if text.starts_with("-----BEGIN ") {
        return Some("PEM");
    }
    let object: Value = serde_json::from_str(text).ok()?;
    object.get("format").and(object.get("certificates")).map(|_| "one identity bundle")
}

impl Header {
    fn of(text: &str, is_known: fn(&str) -> bool) -> Result<Self, Wrong> {
        let mut separator = None;
        for (line, record) in records(text) {
            // The line with which Excel is told the separator.
            if let (None, [b's', b'e', b'p', b'=', byte]) = (separator, record.as_bytes()) {
                separator = Some(*byte);
                continue;
            }
            let separator = separator.unwrap_or_else(|| separator_of(&record));
            let mut names = fields(&record, separator).map_err(|reason| (line, reason))?;
            while names.last().is_some_and(String::is_empty) {
                names.pop();
            }
            let names: Vec<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
            for (index, name) in names.iter().enumerate() {
                if !is_known(name) {
                    return Err((line, format!("unknown column {name:?}")));
                }
                if names.iter().take(index).any(|other| other == name) {
                    return Err((line, format!("the column {name:?} is there twice")));
                }
            }
            return Ok(Self { line, names, separator });
        }
        Ok(Self { line: 0, names: Vec::new(), separator: b',' })
    }
}

/// The rows of a CSV file. The csv crate reads each record; which lines a record has is found here, because its
/// `Position::line` is wrong after CRLF, blank lines and comments (rust-csv issues 208 and 395).
fn comma_separated(text: &str, header: &Header) -> impl Iterator<Item = Row> {
    let behind_header = records(text).skip_while(|(line, _)| *line <= header.line);
    behind_header.filter_map(|(line, record)| {
        let cells = fields(&record, header.separator).and_then(|fields| named(&header.names, fields));
        // A row without a value is what Excel writes below the last one.
        if cells.as_ref().is_ok_and(HashMap::is_empty) { None } else { Some(Row { line, cells }) }
    })
}

/// The records with the lines where they begin. A line end within quotes does not end a record.
fn records(text: &str) -> impl Iterator<Item = (usize, String)> {
    let mut lines = text.lines().zip(1..);
    std::iter::from_fn(move || {
        let (first, number) =
            lines.by_ref().find(|(line, _)| !line.trim().is_empty() && !line.starts_with('#'))?;
        let mut record = first.to_owned();
        let mut open = is_open(first);
        while open {
            let Some((line, _)) = lines.next() else { break };
            record.push('\n');
            record.push_str(line);
            open ^= is_open(line);
        }
        Some((number, record))
    })
}

/// Whether a quotation mark is opened and not closed.
fn is_open(record: &str) -> bool {
    record.bytes().filter(|&byte| byte == b'"').count() % 2 == 1
}

fn separator_of(header: &str) -> u8 {
    let count = |separator: u8| header.bytes().filter(|&byte| byte == separator).count();
    // Of several that stand there equally often, max_by_key takes the last.
    SEPARATORS.into_iter().rev().max_by_key(|&separator| count(separator)).unwrap_or(b',')
}

fn fields(record: &str, separator: u8) -> Result<Vec<String>, String> {
    if is_open(record) {
        return Err("a quotation mark is opened and not closed".to_owned());
    }
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(separator)
        .trim(csv::Trim::All)
        .has_headers(false)
        .flexible(true)
        .buffer_capacity(record.len().clamp(1, 4096))
        .from_reader(record.as_bytes());
    let record = reader.records().next().transpose().map_err(|error| error.to_string())?;
    Ok(record.unwrap_or_default().iter().map(from_spreadsheet).collect())
}

/// The text as a cell of a CSV file that a spreadsheet does not take for a formula (OWASP, "CSV Injection"). Reading a list
/// takes the apostrophe off again.
pub(super) fn spreadsheet_cell(text: &str) -> Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// Without that apostrophe.
fn from_spreadsheet(cell: &str) -> String {
    match cell.strip_prefix('\'') {
        Some(rest) if rest.starts_with(['=', '+', '-', '@']) => rest.to_owned(),
        _ => cell.to_owned(),
    }
}

fn named(header: &[String], mut fields: Vec<String>) -> Result<HashMap<String, String>, String> {
    let named = header.len();
    // Trailing separators name nothing.
    while fields.len() > named && fields.last().is_some_and(String::is_empty) {
        fields.pop();
    }
    let blank = fields.iter().all(String::is_empty);
    if fields.len() != named && !blank {
        return Err(format!("the row has {} fields, and the header names {named}", fields.len()));
    }
    let cells = header.iter().cloned().zip(fields).filter(|(_, value)| !value.is_empty());
    cells.map(|(name, value)| is_whole(&name, &value).map(|()| (name, value))).collect()
}

/// Excel turns long numbers into `1.23457E+11`, and the digits are gone.
fn is_whole(column: &str, value: &str) -> Result<(), String> {
    let is_rounded = value.split_once("E+").is_some_and(|(mantissa, exponent)| {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        mantissa.split_once('.').is_some_and(|(whole, part)| digits(whole) && digits(part))
            && digits(exponent)
    });
    if is_rounded {
        return Err(format!(
            "{column} {value:?} is a number that a spreadsheet rounded; format the column as text and enter it again"
        ));
    }
    Ok(())
}

/// The elements of an array, each with the line where it begins.
fn json_array(text: &str) -> Result<impl Iterator<Item = Row>, Wrong> {
    let elements: Vec<&RawValue> =
        serde_json::from_str(text).map_err(|error| (error.line(), error.to_string()))?;
    let (mut line, mut rest) = (1, text);
    Ok(elements.into_iter().map(move |element| {
        // Each is a part of the text, behind the one before.
        let at = element.get().as_ptr().addr().saturating_sub(rest.as_ptr().addr());
        let (before, behind) = rest.split_at_checked(at).unwrap_or((rest, ""));
        line += before.bytes().filter(|&byte| byte == b'\n').count();
        rest = behind;
        let value = serde_json::from_str(element.get()).map_err(|error: serde_json::Error| error.to_string());
        Row { line, cells: value.and_then(members) }
    }))
}

fn json_lines(text: &str) -> impl Iterator<Item = Row> {
    let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
    let cells = |text| serde_json::from_str(text).map_err(|error| error.to_string()).and_then(members);
    lines.map(move |(text, line)| Row { line, cells: cells(text) })
}

fn members(object: Value) -> Result<HashMap<String, String>, String> {
    let Value::Object(members) = object else { return Err("it is not an object".to_owned()) };
    let members = members.into_iter().filter_map(|(name, value)| {
        let value = match value {
            Value::Null => return None,
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            other => return Some(Err(format!("{name} is {other}, and has to be a text"))),
        };
        (!value.is_empty()).then_some(Ok((name.to_ascii_lowercase(), value)))
    });
    members.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The line of each row, with the value in column `a`.
    fn read(content: &[u8]) -> Result<Vec<(usize, String)>, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("list.txt");
        std::fs::write(&path, content).unwrap();
        let table = Table::read(&path, |name| ["a", "b"].contains(&name), "wanted are a and b")
            .map_err(|error| error.to_string())?;
        let row = |row: Row| {
            let cells =
                row.cells.unwrap_or_else(|reason| HashMap::from([("a".to_owned(), format!("! {reason}"))]));
            (row.line, cells.get("a").cloned().unwrap_or_default())
        };
        Ok(table.rows().map(row).collect())
    }

    #[test]
    fn each_form_of_a_list_gives_its_values_and_its_lines() {
        for (name, content, lines) in [
            ("plain", "a,b\nx,1\ny,2\n", [2, 3]),
            ("Windows", "a,b\r\nx,1\r\ny,2\r\n", [2, 3]),
            ("no line end at the end", "a,b\nx,1\ny,2", [2, 3]),
            ("byte order mark", "\u{feff}a,b\nx,1\ny,2\n", [2, 3]),
            ("blank lines and comments", "# list\n\na,b\n\nx,1\n# box 2\n\r\ny,2\n", [5, 8]),
            ("semicolons", "a;b\nx;1\ny;2\n", [2, 3]),
            ("tabs", "a\tb\r\nx\t1\r\ny\t2\r\n", [2, 3]),
            ("Excel's first line", "sep=;\r\na;b\r\nx;1\r\ny;2\r\n", [3, 4]),
            ("trailing separators", "a,b,,\nx,1,,\ny,2,,\n,,,\n", [2, 3]),
            ("quotes", "\"a\",\"b\"\n\"x\",\"1\"\n\"y\",\"2\"\n", [2, 3]),
            ("a line end in quotes", "a,b\nx,\"1\n1\"\ny,2\n", [2, 4]),
            ("spaces and capitals", " A , B \n x , 1 \n y , 2 \n", [2, 3]),
            ("one column", "a\nx\ny\n", [2, 3]),
            ("JSON lines", "{\"a\": \"x\"}\n\n{\"a\": \"y\", \"b\": 2}\n", [1, 3]),
            ("JSON array", "[\n {\"a\": \"x\"},\n {\"a\": \"y\",\n \"b\": null}\n]\n", [2, 3]),
        ] {
            let found = read(content.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
            let wanted: Vec<(usize, String)> =
                lines.into_iter().zip(["x".to_owned(), "y".to_owned()]).collect();
            assert_eq!(found, wanted, "{name}");
        }
    }

    #[test]
    fn a_list_that_cannot_be_is_told_by_its_line() {
        for (name, content, says) in [
            ("column", "\r\na,c\r\nx,1\r\n", "list.txt, line 2: unknown column \"c\"; wanted are a and b"),
            ("column twice", "a,a\nx,1\n", "line 1: the column \"a\" is there twice"),
            ("broken array", "[\n{\"a\": \"x\"},\n{\"a\" \"y\"}]", "line 3: "),
            ("empty", "", "names no device"),
            ("header alone", "a,b\n", "names no device"),
            ("a certificate", "-----BEGIN CERTIFICATE-----\n", "PEM"),
            ("a bundle", "{\"format\": \"x\",\n \"certificates\": []}", "one identity bundle"),
        ] {
            let error = read(content.as_bytes()).unwrap_err();
            assert!(error.contains(says), "{name}: {error}");
        }
    }

    #[test]
    fn a_row_that_cannot_be_does_not_stop_the_others() {
        for (name, content, says) in [
            ("too many fields", "a,b\nx,1,2\ny,1\n", "the row has 3 fields, and the header names 2"),
            ("too few fields", "a,b\nx\ny,1\n", "the row has 1 fields"),
            ("rounded", "a,b\n1.23457E+11,1\ny,2\n", "rounded"),
            ("unknown member", "{\"c\": 1}\n{\"a\": \"y\"}\n", "unknown member \"c\""),
            ("broken", "{\"a\": \n{\"a\": \"y\"}\n", "EOF"),
            ("no text", "{\"a\": []}\n{\"a\": \"y\"}\n", "has to be a text"),
        ] {
            let rows = read(content.as_bytes()).unwrap();
            assert!(rows[0].1.starts_with("! ") && rows[0].1.contains(says), "{name}: {rows:?}");
            assert_eq!(rows[1].1, "y", "{name}");
        }
        let rows = read(b"a,b\nx,\"1\ny,2\n").unwrap();
        assert_eq!((rows.len(), rows[0].0), (1, 2));
        assert!(rows[0].1.contains("not closed"), "{rows:?}");
    }

    /// Each line was counted again with every line below it, so that a list of this length took most of an hour.
    #[test]
    fn an_open_quotation_mark_in_front_of_a_long_list_is_told() {
        let list = format!("a,b\n\"x,1\n{}", "y,2\n".repeat(200_000));
        let rows = read(list.as_bytes()).unwrap();
        assert_eq!(rows, [(2, "! a quotation mark is opened and not closed".to_owned())]);
    }
}
