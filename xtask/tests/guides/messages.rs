//! The troubleshooting guide explains every error message of the project, and every check of `doctor`.
//!
//! The guide names a message by its beginning, as code: `cannot load the PKCS#11 module …`. What a message fills in is `…`.

use std::collections::BTreeSet;
use std::path::Path;

use crate::console::{Block, blocks};
use crate::workshop::Workshop;
use crate::{read, root};

const GUIDES: [&str; 2] = ["docs/troubleshooting.md", "docs/ja/troubleshooting.md"];
/// The crates that ship.
const SHIPPED: [&str; 8] = [
    "crates/aws-iot-device",
    "crates/aws-iot-mqtt",
    "crates/aws-iot-provision",
    "crates/device-identity",
    "crates/rustls-se050",
    "crates/se050-device",
    "crates/se050-iot",
    "crates/se050-key",
];
/// The commands that build for a device. Left out is what the project checks in itself (`smoke.rs`, `check.rs`, `swu.rs`): only a
/// developer of the project sees that fail.
const BUILDING: [&str; 8] = [
    "debian.rs",
    "cross/artifacts.rs",
    "cross/emulator.rs",
    "cross/rustc.rs",
    "cross/standard_library.rs",
    "image/abos.rs",
    "image/mod.rs",
    "image/podman.rs",
];
/// A shorter beginning would fit anything.
const SHORTEST: usize = 8;

#[test]
fn every_error_message_is_in_the_troubleshooting_guide() {
    let mut messages = BTreeSet::new();
    for package in SHIPPED {
        collect(&root().join(package).join("src"), &mut messages);
    }
    for file in BUILDING {
        messages.extend(messages_of(&read(&format!("xtask/src/{file}")), &[BAIL, ANYHOW, ENSURE]));
    }
    assert!(messages.len() > 200, "the messages are written otherwise than this test knows: {messages:#?}");
    for guide in GUIDES {
        let text = read(guide);
        let named: Vec<&str> = code(&text).map(|code| code.trim_end_matches(['…', ' '])).collect();
        let explained = |message: &&String| {
            named.iter().any(|code| code.len() >= SHORTEST && code.contains(' ') && message.starts_with(code))
        };
        let missing: Vec<&String> = messages.iter().filter(|message| !explained(message)).collect();
        assert!(missing.is_empty(), "{guide} does not explain these messages: {missing:#?}");
    }
}

/// The text between backticks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
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

fn collect(directory: &Path, messages: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, messages);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            messages.extend(messages_of(&text, &[ERROR, BAIL, ANYHOW, ENSURE, CONTEXT]));
        }
    }
}

/// What stands before a message in the code.
const ERROR: &str = "#[error(";
const BAIL: &str = "bail!(";
const ANYHOW: &str = "anyhow!(";
const ENSURE: &str = "ensure!(";
/// Of `.context(` and `.with_context(`.
const CONTEXT: &str = "context(";

/// The messages in a source file. What is no message of its own is left out: another error alone, or the name of a file or option,
/// which says where the cause below it lies.
fn messages_of(source: &str, kinds: &[&str]) -> Vec<String> {
    let shipped = source.split("#[cfg(test)]").next().unwrap();
    let mut messages = Vec::new();
    for kind in kinds {
        for call in shipped.split(kind).skip(1) {
            let argument = if *kind == ENSURE { second_argument(call) } else { call };
            let argument = ["||", "{", "format!("].iter().fold(argument.trim_start(), |rest, before| {
                rest.strip_prefix(before).unwrap_or(rest).trim_start()
            });
            messages.extend(argument.strip_prefix('"').map(message));
        }
    }
    messages.retain(|message| {
        message.chars().filter(|letter| letter.is_alphabetic()).count() >= SHORTEST && message.contains(' ')
    });
    messages
}

/// What stands behind the first comma of a call's own arguments.
fn second_argument(call: &str) -> &str {
    let (mut depth, mut in_text, mut escaped) = (0, false, false);
    for (at, letter) in call.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => in_text = !in_text,
            _ if in_text => {}
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => return &call[at + 1..],
            _ => {}
        }
    }
    ""
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
                Some('n') => text.push(' '),
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
    // Inside code, which backticks surround, the guide cannot write any.
    text.retain(|letter| letter != '`');
    while text.contains("……") {
        text = text.replace("……", "…");
    }
    text
}

#[test]
fn a_message_is_read_as_it_is_printed() {
    assert_eq!(message("no {class} {}{x:?}, \\\n     \\\"{{a}}\\\": `try`\")]"), "no … …, \"{a}\": try");
}

#[test]
fn a_message_is_found_however_it_is_raised() {
    let source = r#"
        bail!("the first {name}"); anyhow::ensure!(is(a, "b,"), "the second"); Err(anyhow!(
            "the third"
        )).with_context(|| format!("the fourth {}", x)).context("the fifth")?;
        #[error("the sixth")] #[error(transparent)] .context(path) bail!("{}", error) .context("tls_version")
        #[cfg(test)] bail!("a test's");
    "#;
    let all = messages_of(source, &[BAIL, ENSURE, ANYHOW, CONTEXT, ERROR]);
    assert_eq!(all, ["the first …", "the second", "the third", "the fourth …", "the fifth", "the sixth"]);
}
