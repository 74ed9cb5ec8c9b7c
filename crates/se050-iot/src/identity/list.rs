use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context as _;
use clap::Args;
use device_identity::{Identity, Requirements, Subject};

use super::files;
use crate::exit::Exit;
use crate::terminal::say;

/// What `se050-iot identity list` is told.
#[derive(Args)]
pub(crate) struct ListArgs {
    /// Bundles, or directories of them
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print the list in CSV (serial,fingerprint) that `provision --expect` wants; send it another way than the bundles
    #[arg(long)]
    csv: bool,
}

/// A device as the list has it.
struct Row {
    subject: Subject,
    fingerprint: String,
}

/// Only devices whose proof holds stand in the list: it is to say which chip is in which box.
pub(crate) fn run(args: &ListArgs, out: &mut impl Write) -> anyhow::Result<Exit> {
    let mut rows: Vec<Row> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut exit = Exit::Good;
    for path in files(&args.files)? {
        let row = match row(&path) {
            Ok(row) => row,
            Err(error) => {
                say!("{}: left out: {error:#}", path.display());
                exit = Exit::Refused;
                continue;
            }
        };
        let place = *places.entry(row.subject.to_string()).or_insert(rows.len());
        match rows.get(place) {
            None => rows.push(row),
            // The same bundle again.
            Some(first) if first.fingerprint == row.fingerprint => {}
            Some(_) => {
                anyhow::bail!("{}: {} has another certificate in another file", path.display(), row.subject)
            }
        }
    }
    if args.csv {
        print_csv(&rows, out)?
    } else {
        print_lines(&rows, out)?
    }
    Ok(exit)
}

fn row(path: &Path) -> anyhow::Result<Row> {
    let identity = Identity::from_file(path)?;
    identity.check(&Requirements { proof_required: true, ..Requirements::default() }, SystemTime::now())?;
    let subject = identity.subject().context("it does not say which device it is of")?.clone();
    Ok(Row { subject, fingerprint: identity.certificate().fingerprint() })
}

fn print_lines(rows: &[Row], out: &mut impl Write) -> anyhow::Result<()> {
    let width = rows.iter().map(|row| row.subject.as_str().len()).max().unwrap_or_default();
    for Row { subject, fingerprint } in rows {
        writeln!(out, "{:6} {:width$} {fingerprint}", subject.kind(), subject.as_str())?;
    }
    Ok(())
}

/// The column `thing_name` stands there only where a device calls itself so.
fn print_csv(rows: &[Row], out: &mut impl Write) -> anyhow::Result<()> {
    let has_things = rows.iter().any(|row| matches!(row.subject, Subject::Thing(_)));
    writeln!(out, "serial,{}fingerprint", if has_things { "thing_name," } else { "" })?;
    for Row { subject, fingerprint } in rows {
        let name = cell(subject.as_str());
        match (subject, has_things) {
            (Subject::Thing(_), _) => writeln!(out, ",{name},{fingerprint}")?,
            (_, true) => writeln!(out, "{name},,{fingerprint}")?,
            (_, false) => writeln!(out, "{name},{fingerprint}")?,
        }
    }
    Ok(())
}

/// A cell of a CSV file (RFC 4180). The apostrophe keeps a spreadsheet from taking it for a formula, and `provision` takes it
/// off again.
fn cell(text: &str) -> String {
    let text = if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', ';', '"', '\t']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}
