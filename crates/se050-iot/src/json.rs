use std::io::{self, Write};
use std::path::PathBuf;

use serde_json::Value;

/// The one object that `--json` promises: one line on standard output, and nothing else there.
pub(crate) fn print(out: &mut impl Write, object: &Value) -> io::Result<()> {
    writeln!(out, "{object}")?;
    out.flush()
}

/// A file's name as JSON can say it: a name need not be Unicode.
pub(crate) fn file(path: Option<&PathBuf>) -> Option<String> {
    path.map(|path| path.display().to_string())
}
