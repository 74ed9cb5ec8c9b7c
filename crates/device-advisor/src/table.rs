//! Runs cases side by side, and shows a row a case.

use std::sync::Mutex;
use std::thread;

use crate::cases::{CASES, Case};
use crate::credentials::Credentials;
use crate::device::Device;
use crate::verdict::{Finding, Verdict};

/// How many short cases run at a time; those that take minutes mostly wait, and run beside them all.
const AT_A_TIME: usize = 4;

/// One case's finding.
pub struct Row {
    /// The case.
    pub case: &'static Case,
    /// What was found.
    pub finding: Finding,
}

/// All rows of a device.
pub struct Table {
    /// The device.
    pub device: String,
    /// In the order of [`CASES`].
    pub rows: Vec<Row>,
}

/// Runs those cases that `wanted` names on the device. Each finding is printed as soon as it is there.
///
/// # Errors
/// The credentials cannot be made.
pub fn run(device: &Device, wanted: impl Fn(&Case) -> bool) -> anyhow::Result<Table> {
    let credentials = Credentials::new()?;
    let (long, short): (Vec<&'static Case>, Vec<_>) =
        CASES.iter().filter(|case| wanted(case)).partition(|case| case.long);
    let short = Mutex::new(short.into_iter());
    let rows = Mutex::new(Vec::new());
    let one = |case: &'static Case| {
        let finding = case.judge(device, &credentials);
        println!("{}  {:<18}  {}  {}", device.name, finding.verdict.to_string(), case.id, finding.evidence);
        if let Ok(mut rows) = rows.lock() {
            rows.push(Row { case, finding });
        }
    };
    thread::scope(|scope| {
        for case in long {
            scope.spawn(|| one(case));
        }
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some(case) = short.lock().ok().and_then(|mut cases| cases.next()) {
                    one(case);
                }
            });
        }
    });
    let mut rows = rows.into_inner().unwrap_or_default();
    let place = |id: &str| CASES.iter().position(|case| case.id == id);
    rows.sort_by_key(|row| place(row.case.id));
    Ok(Table { device: device.name.clone(), rows })
}

impl Table {
    /// How many rows have that verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.rows.iter().filter(|row| row.finding.verdict == verdict).count()
    }

    /// Whether every case needed for qualification passes without a warning, and none fails.
    pub fn qualifies(&self) -> bool {
        self.count(Verdict::Fail) == 0
            && self.rows.iter().all(|row| !row.case.qualification || row.finding.verdict == Verdict::Pass)
    }
}

/// Several devices' tables in Markdown: the verdicts side by side, then each device's evidence.
pub fn side_by_side(tables: &[Table]) -> String {
    let mut text = String::from("| case | Q |");
    for table in tables {
        text += &format!(" {} |", table.device);
    }
    text += &format!("\n|---|---|{}\n", "---|".repeat(tables.len()));
    // All devices have the same rows.
    for row in tables.first().into_iter().flat_map(|table| &table.rows) {
        text += &format!("| {} | {} |", row.case.id, if row.case.qualification { "Q" } else { "" });
        for table in tables {
            let verdict = table.rows.iter().find(|other| other.case.id == row.case.id);
            text += &format!(" {} |", verdict.map(|row| row.finding.verdict.to_string()).unwrap_or_default());
        }
        text += "\n";
    }
    for table in tables {
        text += &format!(
            "\n### {}: {} PASS, {} PASS_WITH_WARNINGS, {} FAIL, {} not applicable\n\n",
            table.device,
            table.count(Verdict::Pass),
            table.count(Verdict::PassWithWarnings),
            table.count(Verdict::Fail),
            table.count(Verdict::NotApplicable)
        );
        for Row { case, finding } in &table.rows {
            let evidence = finding.evidence.replace('\n', " ");
            text += &format!("- {}: {}: {evidence}\n", case.id, finding.verdict);
        }
    }
    text
}
