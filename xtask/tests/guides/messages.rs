//! The troubleshooting guide explains every error message of the project, and every check of `doctor`.
//!
//! The guide names a message by its beginning, as code: `cannot load the PKCS#11 module …`. What a message fills in is `…`.

use std::path::Path;

use crate::console::{Block, blocks};
use crate::workshop::Workshop;
use crate::{read, root};

const GUIDES: [&str; 2] = ["docs/troubleshooting.md", "docs/ja/troubleshooting.md"];
/// What no user sees.
const DEVELOPMENT: [&str; 5] = ["se050-sim", "aws-iot-sim", "benchmarks", "device-advisor", "test-peers"];
/// A shorter beginning would fit anything.
const SHORTEST: usize = 8;

#[test]
fn every_error_message_is_in_the_troubleshooting_guide() {
    let mut messages = Vec::new();
    for package in std::fs::read_dir(root().join("crates")).unwrap() {
        let package = package.unwrap().path();
        if !DEVELOPMENT.iter().any(|name| package.ends_with(name)) {
            collect(&package.join("src"), &mut messages);
        }
    }
    assert!(messages.len() > 100, "the messages are written otherwise than this test knows: {messages:#?}");
    for guide in GUIDES {
        let text = read(guide);
        let named: Vec<&str> =
            text.split('`').skip(1).step_by(2).map(|code| code.trim_end_matches(['…', ' '])).collect();
        let explained = |message: &&String| {
            named.iter().any(|code| code.len() >= SHORTEST && code.contains(' ') && message.starts_with(code))
        };
        let missing: Vec<&String> = messages.iter().filter(|message| !explained(message)).collect();
        assert!(missing.is_empty(), "{guide} does not explain these messages: {missing:#?}");
    }
}

#[test]
fn every_check_of_doctor_is_in_the_troubleshooting_guide() {
    let document = "<!-- first: se050-iot identity export --serial 1 --output 1.json && se050-iot provision --certificate 1.json \
                    --thing-name gw-1 --device-config device.toml -->\n\
                    ```console\n$ se050-iot doctor --json --config device.toml >doctor.json 2>/dev/null\n```\n";
    let mut workshop = Workshop::new();
    let blocks: Vec<Block> = blocks(document).unwrap();
    workshop.run(&blocks[0]).unwrap_or_else(|error| panic!("{error}"));
    let report: serde_json::Value = serde_json::from_slice(&workshop.read("doctor.json")).unwrap();
    let names =
        report["checks"].as_array().unwrap().iter().map(|check| check["name"].as_str().unwrap().to_owned());
    // The port is the local broker's here.
    let names: Vec<String> =
        names.filter(|name| !name.starts_with("tcp-")).chain(["tcp-8883".into()]).collect();
    assert!(names.len() > 15, "{names:?}");
    for guide in GUIDES {
        let text = read(guide);
        for name in &names {
            assert!(text.contains(&format!("`{name}`")), "{guide} does not explain the check {name}");
        }
    }
}

fn collect(directory: &Path, messages: &mut Vec<String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, messages);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let shipped = text.split("#[cfg(test)]").next().unwrap();
            let attributes = shipped.split("#[error(").skip(1).map(str::trim_start);
            let all = attributes.filter_map(|rest| rest.strip_prefix('"')).map(message);
            // What another error fills in has its line where that error is.
            let says_something = |message: &String| {
                message.chars().filter(|letter| letter.is_alphabetic()).count() >= SHORTEST
            };
            messages.extend(all.filter(says_something));
        }
    }
}

/// The text of a string literal, of which the opening quote is gone, with `…` for each placeholder.
fn message(literal: &str) -> String {
    let mut text = String::new();
    let mut letters = literal.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => break,
            '\\' => match letters.next() {
                // The literal goes on in the next line.
                Some('\n') => while letters.next_if(|letter| letter.is_whitespace()).is_some() {},
                Some(escaped) => text.push(escaped),
                None => {}
            },
            '{' if letters.next_if_eq(&'{').is_none() => {
                while letters.next().is_some_and(|letter| letter != '}') {}
                text.push('…');
            }
            '}' => {
                letters.next_if_eq(&'}');
                text.push('}');
            }
            other => text.push(other),
        }
    }
    while text.contains("……") {
        text = text.replace("……", "…");
    }
    text
}

#[test]
fn a_message_is_read_as_it_is_printed() {
    assert_eq!(message("no {class} {}{x:?}, \\\n     \\\"{{a}}\\\": try\")]"), "no … …, \"{a}\": try");
}
