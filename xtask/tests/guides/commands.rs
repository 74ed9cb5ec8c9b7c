//! Every command line of every document is run. Those of the Japanese documents are the English ones' (`links.rs`).

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::Mutex;

use crate::console::{Block, blocks};
use crate::workshop::{Workshop, is_installed};
use crate::{documents, in_english, read};

/// How many documents are gone through side by side: their commands wait for each other more than they compute.
const AT_ONCE: usize = 4;
/// Names one document, for whoever writes it: `DOCUMENT=docs/factory.md cargo test -p xtask --test guides commands`.
const ONE: &str = "DOCUMENT";

#[test]
fn every_command_of_every_document_does_what_is_shown() {
    let one = std::env::var(ONE).ok();
    let documents = documents().into_iter().filter(|document| in_english(document).is_none());
    let documents = documents.filter(|document| one.as_ref().is_none_or(|one| one == document));
    let documents = Mutex::new(documents);
    let wrong = Mutex::new(String::new());
    let missing = Mutex::new(BTreeSet::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(document) = documents.lock().unwrap().next() else { break };
                    wrong.lock().unwrap().push_str(&run(&document, &missing));
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    let missing = missing.into_inner().unwrap();
    if !missing.is_empty() {
        test_peers::skip(&format!("commands that need other programs were left out: {missing:?}"));
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// What of the document is not as it says.
fn run(document: &str, missing: &Mutex<BTreeSet<String>>) -> String {
    let blocks = match blocks(&read(document)) {
        Ok(blocks) => blocks,
        Err(error) => return format!("\n{document}, {error}\n"),
    };
    let mut workshop = None;
    let mut run = 0;
    let mut left_out = Vec::new();
    let mut wrong = String::new();
    for block in &blocks {
        if let Some(reason) = reason_against(block, missing) {
            left_out.push(format!("\n  line {}: {reason}", block.line));
            continue;
        }
        let result = workshop.get_or_insert_with(Workshop::new).run(block);
        run += block.commands.len();
        if let Err(error) = result {
            wrong.push_str(&format!("\n{document}, line {}\n{error}\n", block.line));
        }
    }
    if !blocks.is_empty() {
        // Written past the test harness, which shows nothing of a test that passes.
        let (mut out, blocks) = (std::io::stderr(), left_out.len());
        let _ = writeln!(out, "{document}: {run} commands run, {blocks} blocks not{}", left_out.concat());
    }
    wrong
}

fn reason_against(block: &Block, missing: &Mutex<BTreeSet<String>>) -> Option<String> {
    if block.not_run.is_some() {
        return block.not_run.clone();
    }
    let program = block.needs.iter().find(|program| !is_installed(program))?;
    missing.lock().unwrap().insert(program.clone());
    Some(format!("{program} is not installed, or not to be started (--fast)"))
}
