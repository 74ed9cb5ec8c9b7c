//! A terminal session as a picture: `<!-- recorded: FILE.svg -->` above a block of commands.
//!
//! `RECORD=1 cargo test -p xtask --test guides recording` runs the block and writes the picture. Otherwise the picture is held against the
//! block: what it shows is what the block shows, and the block is run by `commands.rs`.

use std::fmt::Write as _;
use std::path::Path;

use crate::console::{Block, blocks, matches};
use crate::workshop::Workshop;
use crate::{documents, in_english, read, root};

/// The width of a letter of a monospaced font of 13 pixels, in hundredths of a pixel.
const LETTER: usize = 783;
/// In pixels: the height of a line, and the margin.
const LINE: usize = 18;
const MARGIN: usize = 14;
/// Shorter ones are no certificate ids, checksums or the like.
const LONG_HEXADECIMAL: usize = 32;
/// What a reader sees without scrolling.
const COLUMNS: usize = 110;

#[test]
fn each_recording_shows_what_its_block_shows() {
    let mut recordings = 0;
    for document in documents().iter().filter(|document| in_english(document).is_none()) {
        let blocks = blocks(&read(document)).unwrap_or_else(|error| panic!("{document}: {error}"));
        for block in blocks {
            let Some(picture) = &block.recorded else { continue };
            recordings += 1;
            let picture = root().join(document).parent().unwrap().join(picture);
            if std::env::var_os("RECORD").is_some() {
                std::fs::write(&picture, draw(&record(&block))).unwrap();
            }
            let shown = shown(&block);
            let recorded = text(&picture);
            assert!(
                matches(&shown, &recorded),
                "{}: RECORD=1 makes it anew.\n--- block\n{}\n--- picture\n{}",
                picture.display(),
                shown.join("\n"),
                recorded.join("\n")
            );
        }
    }
    assert!(recordings > 0, "README.md has a recording");
}

fn shown(block: &Block) -> Vec<String> {
    let mut lines = Vec::new();
    for command in &block.commands {
        lines.extend(format!("$ {}", command.text).lines().map(str::to_owned));
        lines.extend(command.output.iter().cloned());
    }
    lines
}

/// What the commands print today.
fn record(block: &Block) -> Vec<String> {
    let mut workshop = Workshop::new();
    workshop.run(block).unwrap_or_else(|error| panic!("{error}"));
    let mut lines = Vec::new();
    for (command, output) in block.commands.iter().zip(workshop.printed(block.commands.len())) {
        lines.extend(format!("$ {}", command.text).lines().map(str::to_owned));
        lines.extend(output.iter().map(|line| shortened(line)));
    }
    lines
}

/// The line with its certificate ids cut short, and what is too long for the picture.
fn shortened(line: &str) -> String {
    let mut short = String::new();
    for word in line.split_inclusive(|letter: char| !letter.is_ascii_hexdigit()) {
        let digits = word.trim_end_matches(|letter: char| !letter.is_ascii_hexdigit());
        if digits.len() >= LONG_HEXADECIMAL {
            let _ = write!(short, "{}…{}", &digits[..8], &word[digits.len()..]);
        } else {
            short.push_str(word);
        }
    }
    if short.chars().count() > COLUMNS {
        short = short.chars().take(COLUMNS - 1).chain(['…']).collect();
    }
    short
}

fn draw(lines: &[String]) -> String {
    let columns = lines.iter().map(|line| line.chars().count()).max().unwrap_or_default();
    let width = columns * LETTER / 100 + 2 * MARGIN;
    let height = lines.len() * LINE + 2 * MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"#1b1f24\"/>\n\
         <g font-family=\"ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace\" font-size=\"13\" fill=\"#d0d7de\" xml:space=\"preserve\">\n"
    );
    for (number, line) in lines.iter().enumerate() {
        let y = MARGIN + (number + 1) * LINE - 5;
        let style = if line.starts_with("$ ") { " fill=\"#7ee787\" font-weight=\"bold\"" } else { "" };
        let _ = writeln!(svg, "<text x=\"{MARGIN}\" y=\"{y}\"{style}>{}</text>", escaped(line));
    }
    svg + "</g>\n</svg>\n"
}

/// The lines of a picture that [`draw`] has drawn.
fn text(picture: &Path) -> Vec<String> {
    let svg =
        std::fs::read_to_string(picture).unwrap_or_else(|error| panic!("{}: {error}", picture.display()));
    let texts = svg
        .lines()
        .filter_map(|line| line.strip_prefix("<text ")?.split_once('>')?.1.strip_suffix("</text>"));
    texts.map(|text| text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")).collect()
}

fn escaped(line: &str) -> String {
    line.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[test]
fn long_numbers_are_cut_short_and_nothing_else() {
    let id = "0123456789abcdef0123456789abcdef0123456789abcdef";
    assert_eq!(shortened(&format!("certificate {id}, ACTIVE")), "certificate 01234567…, ACTIVE");
    assert_eq!(shortened("account 123456789012 <a>"), "account 123456789012 <a>");
}
