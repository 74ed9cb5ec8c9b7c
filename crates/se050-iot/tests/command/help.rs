//! What `--help` says, as it was when somebody last read it through.

use std::fmt::Write as _;
use std::path::Path;

use crate::support::Operator;

/// To take what `--help` says now: `SE050_IOT_HELP=write cargo test -p se050-iot --test command help::`.
const RENEW: &str = "SE050_IOT_HELP";

#[test]
fn the_help_of_each_command_is_the_one_that_was_read() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/command/help.txt");
    let mut all = String::new();
    let programs = Operator::new(Vec::new());
    add(&programs, &mut Vec::new(), &mut all);
    if std::env::var(RENEW).is_ok_and(|value| value == "write") {
        std::fs::write(&file, &all).unwrap();
    }
    let known = std::fs::read_to_string(&file).unwrap_or_default();
    let different = all.lines().zip(known.lines()).find(|(now, then)| now != then);
    assert!(
        all == known,
        "{} is no longer what --help says (first at {different:?}): read the new one, then set {RENEW}=write and run this again",
        file.display()
    );
}

/// The help of a command and of those below it.
fn add(programs: &Operator, words: &mut Vec<String>, all: &mut String) {
    let arguments: Vec<&str> = words.iter().map(String::as_str).chain(["--help"]).collect();
    let help = programs.good(&arguments);
    writeln!(all, "$ se050-iot {}\n{help}", arguments.join(" ")).unwrap();
    let commands =
        help.split_once("Commands:\n").map(|(_, rest)| rest.split("\n\n").next().unwrap_or_default());
    // A line of a description that goes on is indented further.
    let names = commands.unwrap_or_default().lines().filter(|line| !line.starts_with("   "));
    for name in names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help") {
        words.push(name.to_owned());
        add(programs, words, all);
        words.pop();
    }
}
