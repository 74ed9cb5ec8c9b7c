//! The documents hold what they show: every command line is run, on a simulated chip and a local AWS IoT Core, every message of the
//! project is explained, every link leads somewhere.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod commands;
mod console;
mod links;
mod messages;
mod recording;
mod workshop;

use std::path::{Path, PathBuf};

/// The project's root.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The project's documents, each by its path from the root. What changed once is no document of today's commands.
fn documents() -> Vec<String> {
    let mut found = Vec::new();
    collect(&root(), &mut found);
    found.retain(|file| file != "CHANGELOG.md");
    found.sort();
    found
}

/// The English document that a Japanese one says the same as.
fn in_english(document: &str) -> Option<String> {
    let name = document.strip_prefix("docs/ja/").map(|name| format!("docs/{name}"));
    name.or_else(|| Some(format!("{}.md", document.strip_suffix(".ja.md")?)))
}

fn collect(directory: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            collect(&path, found);
        } else if name.ends_with(".md") {
            found.push(path.strip_prefix(root()).unwrap().to_string_lossy().into_owned());
        }
    }
}

fn read(document: &str) -> String {
    std::fs::read_to_string(root().join(document)).unwrap_or_else(|error| panic!("{document}: {error}"))
}
