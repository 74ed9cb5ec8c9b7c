//! Links between documents, and between the two languages.

use std::path::Path;

use crate::console::{Block, blocks};
use crate::{documents, in_english, read, root};

#[test]
fn every_link_leads_somewhere() {
    for document in documents() {
        let text = read(&document);
        let place = root().join(&document);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next()) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() { place.clone() } else { place.parent().unwrap().join(file) };
            assert!(file.exists(), "{document}: the link {target} leads to no file");
            let is_there = heading.is_empty() || headings(&file).any(|anchor| anchor == heading);
            assert!(is_there, "{document}: the link {target} leads to no heading");
        }
    }
}

/// The anchors of a document's headings, as GitHub makes them.
fn headings(file: &Path) -> impl Iterator<Item = String> {
    let text = std::fs::read_to_string(file).unwrap();
    let headings: Vec<String> = text
        .lines()
        .filter_map(|line| Some(line.trim_start_matches('#').strip_prefix(' ')?.to_lowercase()))
        .collect();
    headings.into_iter().map(|heading| {
        let kept =
            heading.trim().chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
        kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
    })
}

/// So a reader of the Japanese guide types the same, and it is run once.
#[test]
fn both_languages_show_the_same_blocks() {
    for document in documents() {
        let Some(english) = in_english(&document) else { continue };
        let blocks = |document: &str| {
            let blocks = blocks(&read(document)).unwrap_or_else(|error| panic!("{document}: {error}"));
            blocks.into_iter().map(|block| Block { line: 0, ..block }).collect::<Vec<_>>()
        };
        assert_eq!(blocks(&document), blocks(&english), "{document} is not {english}");
    }
}

/// Code in a document is code that is built: `<!-- from: FILE -->` above a block names where it stands.
#[test]
fn quoted_code_stands_in_the_file_it_is_from() {
    let mut quoted = 0;
    for document in documents() {
        let place = root().join(&document);
        let text = read(&document);
        for part in text.split("<!-- from: ").skip(1) {
            let (file, rest) = part.split_once(" -->\n```").unwrap();
            let code = rest.split_once('\n').unwrap().1.split("\n```").next().unwrap();
            let source = std::fs::read_to_string(place.parent().unwrap().join(file)).unwrap();
            assert!(source.contains(code), "{document}: this is not in {file}:\n{code}");
            quoted += 1;
        }
    }
    assert!(quoted > 0);
}

/// A test that a document names is there: `a_name_with_underscores`.
#[test]
fn every_test_that_a_document_names_exists() {
    let mut sources = String::new();
    for directory in ["crates", "examples", "xtask"] {
        collect_sources(&root().join(directory), &mut sources);
    }
    for document in documents().iter().filter(|document| document.starts_with("docs/")) {
        let text = read(document);
        for code in text.split('`').skip(1).step_by(2) {
            let is_name = code
                .chars()
                .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_');
            if is_name && code.matches('_').count() > 3 {
                assert!(
                    sources.contains(&format!("fn {code}(")),
                    "{document} names {code}, which is no test"
                );
            }
        }
    }
}

fn collect_sources(directory: &Path, sources: &mut String) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            collect_sources(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
}
