//! Many devices through AWS's own bulk registration: nothing is registered here.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::Context as _;
use aws_iot_provision::fleet::{Candidate, Intake, bulk_files};
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::files::write_whole;
use crate::json;
use crate::terminal::say;

pub(super) fn write(
    directory: &Path,
    intake: &Intake,
    candidates: &[Candidate],
    as_json: bool,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let good: Vec<_> = candidates.iter().filter_map(|candidate| candidate.result.as_ref().ok()).collect();
    let files = bulk_files(&intake.settings, good.iter().map(|(device, _)| device));
    fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    for (name, content) in [
        ("template.json", &files.template),
        ("parameters.jsonl", &files.parameters),
        ("start.sh", &files.commands),
    ] {
        write_whole(&directory.join(name), content.as_bytes())?;
    }
    let mut left_out: Vec<Value> = Vec::new();
    for candidate in candidates {
        if let Err(error) = &candidate.result {
            say!("{}: left out: {}", candidate.source, error.in_full());
            left_out.push(json!({"source": candidate.source, "error": error.in_full()}));
        }
    }
    let exit = if left_out.is_empty() { Exit::Good } else { Exit::Incomplete };
    if as_json {
        let directory = directory.display().to_string();
        let object = json!({"directory": directory, "devices": good.len(), "leftOut": left_out});
        json::print(out, &object)?;
    } else {
        writeln!(out, "{} devices in {}; nothing is registered yet", good.len(), directory.display())?;
        writeln!(out, "next: read {}, and run it", directory.join("start.sh").display())?;
    }
    Ok(exit)
}
