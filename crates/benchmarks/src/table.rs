//! A table of the report.

use std::fmt;

/// Rows of text below a heading.
pub(crate) struct Table {
    title: String,
    /// What was run, and what a reader has to know.
    note: String,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
    remarks: Vec<String>,
}

impl Table {
    pub(crate) fn new(title: &str, note: &str, columns: &[&str]) -> Self {
        println!("{title} ...");
        let columns = columns.iter().map(|column| (*column).to_owned()).collect();
        Self {
            title: title.to_owned(),
            note: note.to_owned(),
            columns,
            rows: Vec::new(),
            remarks: Vec::new(),
        }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells: Vec<String> = cells.into_iter().collect();
        println!("  {}", cells.join(" | "));
        self.rows.push(cells);
    }

    /// What is to be said of the rows: made from them, so that it is true of each run.
    pub(crate) fn remark(&mut self, text: String) {
        println!("  {text}");
        self.remarks.push(text);
    }
}

/// In Markdown.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## {}\n\n{}\n", self.title, self.note)?;
        writeln!(f, "| {} |", self.columns.join(" | "))?;
        writeln!(f, "|{}", "---|".repeat(self.columns.len()))?;
        for row in &self.rows {
            writeln!(f, "| {} |", row.join(" | "))?;
        }
        if !self.remarks.is_empty() {
            writeln!(f)?;
        }
        self.remarks.iter().try_for_each(|remark| writeln!(f, "- {remark}"))
    }
}

/// One of the aims, and whether this run reaches it.
pub(crate) fn aim(what: &str, reached: bool) -> String {
    format!("Aim: {what}. {}", if reached { "Reached." } else { "**Missed.**" })
}
