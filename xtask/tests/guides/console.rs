//! Command lines in a document, and what they print.
//!
//! ````text
//! ```console
//! $ command                  run by bash; a line that ends with \ goes on in the next one
//! [device] $ command         likewise: where it is typed
//! what it prints             compared, where it is shown: standard output and standard error as they come
//! part … part                … stands for any text in a line, and alone in a line for any number of lines
//! ^C                         ends a command that does not end by itself, once it has printed what stands above
//! ```
//! ````
//!
//! The commands of a document run in one directory, one after the other, and share its variables (`export`). Each has to succeed.
//! A comment right above the block says what is different:
//!
//! ```text
//! <!-- not run: REASON -->     what takes hardware, a real account or minutes; the test counts these and prints the reason
//! <!-- exit status: 1 -->      what the block's last command ends with
//! <!-- needs: PROGRAM -->      skipped where that program is not installed
//! <!-- ports: 80 443 -->       free ports take the place of these, here and in the blocks below
//! <!-- typed: TEXT -->         a line that the block's commands read from standard input
//! <!-- recorded: FILE.svg -->  the block is a picture, too (recording.rs)
//! <!-- first: COMMAND -->      what the reader has done before, and does not want to read again; may be repeated
//! ```

/// A block of command lines.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Block {
    /// The line of the document in which it begins.
    pub(crate) line: usize,
    pub(crate) not_run: Option<String>,
    pub(crate) needs: Vec<String>,
    pub(crate) first: Vec<String>,
    pub(crate) ports: Vec<String>,
    pub(crate) recorded: Option<String>,
    pub(crate) typed: String,
    pub(crate) exit_status: i32,
    pub(crate) commands: Vec<Command>,
}

/// A command with what the document shows of its output.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) text: String,
    pub(crate) output: Vec<String>,
    pub(crate) interrupted: bool,
}

/// The blocks of a document.
///
/// # Errors
/// A comment or block that is not as it has to be, with its line.
pub(crate) fn blocks(document: &str) -> Result<Vec<Block>, String> {
    let mut blocks = Vec::new();
    let mut marks: Vec<&str> = Vec::new();
    let mut lines = document.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let trimmed = line.trim();
        if let Some(mark) = trimmed.strip_prefix("<!--").and_then(|rest| rest.strip_suffix("-->")) {
            marks.push(mark.trim());
            continue;
        }
        if let Some(language) = trimmed.strip_prefix("```") {
            let indent = line.len() - line.trim_start().len();
            let ticks = trimmed.len() - trimmed.trim_start_matches('`').len();
            let closing = "`".repeat(ticks);
            let body: Vec<&str> = lines
                .by_ref()
                .map(|(_, line)| line.get(indent..).unwrap_or_default())
                .take_while(|line| line.trim() != closing)
                .collect();
            if language == "console" {
                let wrong = |error| format!("line {}: {error}", number + 1);
                blocks.push(block(number + 1, &marks, &body).map_err(wrong)?);
            } else if ["sh", "bash", "shell", "zsh"].contains(&language)
                || body.iter().any(|line| prompted(line).is_some())
            {
                return Err(format!("line {}: command lines belong into a block `console`", number + 1));
            }
        }
        marks.clear();
    }
    Ok(blocks)
}

fn block(line: usize, marks: &[&str], body: &[&str]) -> Result<Block, String> {
    let mut block = Block { line, ..Block::default() };
    for mark in marks {
        match mark.split_once(':').map(|(name, value)| (name, value.trim())) {
            Some(("not run", reason)) if !reason.is_empty() => block.not_run = Some(reason.to_owned()),
            Some(("exit status", status)) => {
                block.exit_status = status.parse().map_err(|_| format!("{status:?} is no exit status"))?;
            }
            Some(("needs", program)) => block.needs.push(program.to_owned()),
            Some(("recorded", picture)) => block.recorded = Some(picture.to_owned()),
            Some(("typed", text)) => block.typed = format!("{text}\n"),
            Some(("ports", ports)) => block.ports.extend(ports.split(' ').map(str::to_owned)),
            Some(("first", command)) => block.first.push(command.to_owned()),
            _ => {}
        }
    }
    let mut continued = false;
    for line in body {
        if let Some(command) = block.commands.last_mut().filter(|_| continued) {
            command.text.push('\n');
            command.text.push_str(line);
            continued = line.ends_with('\\');
        } else if let Some(text) = prompted(line) {
            continued = text.ends_with('\\');
            block.commands.push(Command { text: text.to_owned(), output: Vec::new(), interrupted: false });
        } else if let Some(command) = block.commands.last_mut() {
            if *line == "^C" {
                command.interrupted = true;
            } else {
                command.output.push((*line).to_owned());
            }
        } else {
            return Err(format!("{line:?} stands before the first command"));
        }
    }
    if block.commands.is_empty() { Err("a block `console` without a command".to_owned()) } else { Ok(block) }
}

/// What stands behind the prompt.
fn prompted(line: &str) -> Option<&str> {
    let rest = match line.strip_prefix('[') {
        Some(place) => place.split_once(']')?.1.trim_start(),
        None => line,
    };
    rest.strip_prefix("$ ")
}

/// Whether the output is what is shown.
pub(crate) fn matches(shown: &[String], output: &[String]) -> bool {
    match shown.split_first() {
        None => output.is_empty(),
        Some((line, rest)) if line.trim() == "…" => {
            (0..=output.len()).any(|skipped| matches(rest, &output[skipped..]))
        }
        Some((line, rest)) => output
            .split_first()
            .is_some_and(|(printed, others)| line_matches(line, printed) && matches(rest, others)),
    }
}

/// Whether the line has the parts between the `…`, in their order.
fn line_matches(shown: &str, printed: &str) -> bool {
    let (shown, mut rest) = (shown.trim_end(), printed.trim_end());
    let parts: Vec<&str> = shown.split('…').collect();
    let [first, middle @ .., last] = parts.as_slice() else { return shown == rest };
    let Some(after) = rest.strip_prefix(first) else { return false };
    rest = after;
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[test]
fn a_block_is_commands_with_their_output() {
    let document = "<!-- exit status: 3 -->\n<!-- first: cd / -->\n```console\n[device] $ a \\\n  b\nout\n$ c\n^C\n```\n";
    let blocks = blocks(document).unwrap();
    let [block] = blocks.as_slice() else { panic!("{blocks:?}") };
    assert_eq!(
        (block.line, block.exit_status, block.first.as_slice()),
        (3, 3, ["cd /".to_owned()].as_slice())
    );
    let [first, second] = block.commands.as_slice() else { panic!("{block:?}") };
    assert_eq!((first.text.as_str(), first.output.as_slice()), ("a \\\n  b", ["out".to_owned()].as_slice()));
    assert!(second.interrupted && second.text == "c");
}

#[test]
fn what_nobody_would_run_is_refused() {
    for wrong in [
        "```text\n$ ls\n```",
        "```sh\nls\n```",
        "```console\nls\n```",
        "```console\n```",
        "<!-- exit status: x -->\n```console\n$ ls\n```",
    ] {
        assert!(blocks(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn three_dots_stand_for_what_differs() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    for (shown, output, good) in [
        ("a\nb", "a\nb", true),
        ("a\nb", "a", false),
        ("a … c", "a b c", true),
        ("a … c", "a b d", false),
        ("…\nz", "x\ny\nz", true),
        ("…", "", true),
        ("a\n…", "b\na", false),
        ("a…a", "a", false),
        ("", "", true),
    ] {
        assert_eq!(matches(&lines(shown), &lines(output)), good, "{shown:?} against {output:?}");
    }
}
