//! A list as a table with named columns: CSV, a JSON array, or JSON lines. The content tells which, not the file's name.

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;

use super::error::FleetError;
use super::text;

/// What CSV may be separated by: Excel writes a semicolon where the comma is the decimal sign.
const SEPARATORS: [u8; 3] = [b',', b';', b'\t'];

/// The rows of a list, in its order.
pub(super) struct Table {
    pub(super) rows: Vec<Row>,
    /// The columns of a CSV file, with the line where they are named.
    pub(super) header: Option<(usize, Vec<String>)>,
}

/// One row, or what is wrong with it.
pub(super) struct Row {
    /// Where it begins, counted from 1 as an editor does: blank lines and comments count.
    pub(super) line: usize,
    /// The values that are not empty, by column.
    pub(super) cells: Result<HashMap<String, String>, String>,
}

impl Table {
    /// Reads a list. `is_known` tells whether a column means something; `wanted` says in words which do.
    pub(super) fn read(
        path: &Path,
        is_known: impl Fn(&str) -> bool,
        wanted: &str,
    ) -> Result<Self, FleetError> {
        let text = text::read(path)?;
        let wrong = |line, reason: String| FleetError::Line {
            path: path.to_owned(),
            line,
            reason: format!("{reason}; {wanted}"),
        };
        if let Some(found) = other_file(&text) {
            return Err(FleetError::NotAList { path: path.to_owned(), found });
        }
        let table = match text.trim_start().chars().next() {
            Some('[') => json_array(&text).map(|rows| Self { rows, header: None }),
            Some('{') => Ok(Self { rows: json_lines(&text), header: None }),
            _ => comma_separated(&text, &is_known),
        };
        let mut table = table.map_err(|(line, reason)| wrong(line, reason))?;
        for row in &mut table.rows {
            let unknown = row.cells.as_ref().ok().and_then(|cells| cells.keys().find(|name| !is_known(name)));
            if let Some(unknown) = unknown {
                row.cells = Err(format!("unknown member {unknown:?}"));
            }
        }
        if table.rows.is_empty() { Err(FleetError::Empty { path: path.to_owned() }) } else { Ok(table) }
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

/// The records of a CSV file. The csv crate reads each of them; which lines a record has is found here, because its
/// `Position::line` is wrong after CRLF, blank lines and comments (rust-csv issues 208 and 395).
fn comma_separated(text: &str, is_known: &impl Fn(&str) -> bool) -> Result<Table, (usize, String)> {
    let mut records = records(text).into_iter().peekable();
    let mut separator = None;
    // The line with which Excel is told the separator.
    if let Some((_, first)) = records.peek()
        && let [b's', b'e', b'p', b'=', byte] = first.as_bytes()
    {
        separator = Some(*byte);
        records.next();
    }
    let Some((header_line, header)) = records.next() else {
        return Ok(Table { rows: Vec::new(), header: None });
    };
    let separator = separator.unwrap_or_else(|| separator_of(&header));
    let mut header = fields(&header, separator).map_err(|reason| (header_line, reason))?;
    while header.last().is_some_and(String::is_empty) {
        header.pop();
    }
    let header: Vec<String> = header.iter().map(|name| name.to_ascii_lowercase()).collect();
    for (index, name) in header.iter().enumerate() {
        if !is_known(name) {
            return Err((header_line, format!("unknown column {name:?}")));
        }
        if header.iter().take(index).any(|other| other == name) {
            return Err((header_line, format!("the column {name:?} stands there twice")));
        }
    }
    let rows = records.filter_map(|(line, record)| {
        let cells = fields(&record, separator).and_then(|fields| named(&header, fields));
        // A row without a value is what Excel writes below the last one.
        if cells.as_ref().is_ok_and(HashMap::is_empty) { None } else { Some(Row { line, cells }) }
    });
    let rows = rows.collect();
    Ok(Table { rows, header: Some((header_line, header)) })
}

/// The records with the lines where they begin. A line end within quotes does not end a record.
fn records(text: &str) -> Vec<(usize, String)> {
    let mut records = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (line, number) in text.lines().zip(1..) {
        let (begin, record) = match open.take() {
            Some((begin, before)) => (begin, before + "\n" + line),
            None if line.trim().is_empty() || line.starts_with('#') => continue,
            None => (number, line.to_owned()),
        };
        if record.matches('"').count() % 2 == 1 {
            open = Some((begin, record));
        } else {
            records.push((begin, record));
        }
    }
    records.extend(open);
    records
}

fn separator_of(header: &str) -> u8 {
    let count = |separator: u8| header.bytes().filter(|&byte| byte == separator).count();
    // Of several that stand there equally often, max_by_key takes the last.
    SEPARATORS.into_iter().rev().max_by_key(|&separator| count(separator)).unwrap_or(b',')
}

fn fields(record: &str, separator: u8) -> Result<Vec<String>, String> {
    if record.matches('"').count() % 2 == 1 {
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

/// Without the apostrophe that [`spreadsheet_cell`](super::spreadsheet_cell) sets before what would be a formula.
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

/// Element by element, so that each of them has its line.
fn json_array(text: &str) -> Result<Vec<Row>, (usize, String)> {
    let line_at = |offset: usize| 1 + text.get(..offset).map_or(0, |before| before.matches('\n').count());
    // Behind the bracket; white space and the commas between the elements are skipped below.
    let mut offset = text.find('[').map_or(0, |bracket| bracket + 1);
    let mut rows = Vec::new();
    let (mut line, mut counted) = (1, 0);
    loop {
        let rest = text.get(offset..).unwrap_or_default();
        let element = rest.trim_start();
        offset += rest.len() - element.len();
        line += text.get(counted..offset).map_or(0, |between| between.matches('\n').count());
        counted = offset;
        if element.starts_with(']') && rows.is_empty() {
            return Ok(rows);
        }
        let mut elements = serde_json::Deserializer::from_str(element).into_iter::<Value>();
        match elements.next() {
            Some(Ok(value)) => rows.push(Row { line, cells: members(value) }),
            Some(Err(error)) => return Err((line + error.line() - 1, error.to_string())),
            None => return Err((line, "the array has no end".to_owned())),
        }
        offset += elements.byte_offset();
        let rest = text.get(offset..).unwrap_or_default();
        let next = rest.trim_start();
        offset += rest.len() - next.len() + 1;
        match next.chars().next() {
            Some(',') => {}
            Some(']') => return Ok(rows),
            _ => {
                return Err((
                    line_at(offset.saturating_sub(1)),
                    "a comma or the end of the array is missing".to_owned(),
                ));
            }
        }
    }
}

fn json_lines(text: &str) -> Vec<Row> {
    let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
    let cells = |text| serde_json::from_str(text).map_err(|error| error.to_string()).and_then(members);
    lines.map(|(text, line)| Row { line, cells: cells(text) }).collect()
}

fn members(object: Value) -> Result<HashMap<String, String>, String> {
    let Value::Object(members) = object else { return Err("it is not an object".to_owned()) };
    let members = members.into_iter().filter_map(|(name, value)| {
        let value = match value {
            Value::Null => return None,
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            other => return Some(Err(format!("{name} is {other} where a text is wanted"))),
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
        Ok(table.rows.into_iter().map(row).collect())
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
            ("column twice", "a,a\nx,1\n", "line 1: the column \"a\" stands there twice"),
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
            ("no text", "{\"a\": []}\n{\"a\": \"y\"}\n", "where a text is wanted"),
        ] {
            let rows = read(content.as_bytes()).unwrap();
            assert!(rows[0].1.starts_with("! ") && rows[0].1.contains(says), "{name}: {rows:?}");
            assert_eq!(rows[1].1, "y", "{name}");
        }
        let rows = read(b"a,b\nx,\"1\ny,2\n").unwrap();
        assert_eq!((rows.len(), rows[0].0), (1, 2));
        assert!(rows[0].1.contains("not closed"), "{rows:?}");
    }
}
