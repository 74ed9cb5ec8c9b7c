//! Two processes and one chip.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Stdio};

use se050_key::{Error, Scheme, Token};
use se050_sim::Chip;

use crate::bench::{EC_KEY, builder, calls, child, child_argument, new_chip, open, selector};

/// The line by which a child says that it has the chip.
const READY: &str = "the child has the chip";

/// The child's part: opens the token, says so, and holds it until its standard input ends.
fn hold_the_chip(module: &str) {
    let token = Token::open(module).unwrap();
    token.identity(&selector(EC_KEY), None).unwrap();
    println!("{READY}");
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

fn start_holder(test: &str, chip: &Chip) -> Child {
    let mut holder = child(test, chip.module().to_str().unwrap()).spawn().unwrap();
    let mut lines = BufReader::new(holder.stdout.as_mut().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains(READY)), "the child did not open the chip");
    holder
}

#[test]
fn the_second_process_hears_who_has_the_chip_and_gets_it_afterwards() {
    if let Some(module) = child_argument() {
        return hold_the_chip(&module);
    }
    let (chip, _directory) = new_chip();
    // As on the real bus: two processes at one chip break each other's sessions.
    chip.set_processes_disturb(true).unwrap();
    let mut holder =
        start_holder("processes::the_second_process_hears_who_has_the_chip_and_gets_it_afterwards", &chip);
    let opened = calls(&chip, "C_OpenSession");
    match builder(&chip).open().err().unwrap() {
        Error::Busy { holder: named, .. } => assert_eq!(named.pid(), Some(holder.id())),
        other => panic!("{other:?}"),
    }
    assert_eq!(calls(&chip, "C_OpenSession"), opened, "the chip was touched");
    // However it ends, its lock ends with it.
    holder.kill().unwrap();
    holder.wait().unwrap();
    let (key, _) = open(&chip).identity(&selector(EC_KEY), None).unwrap();
    key.sign(Scheme::EcdsaP256Sha256, b"a message").unwrap();
}

#[test]
fn a_bus_that_is_missing_costs_no_opening() {
    const PORT: &str = "EX_SSS_BOOT_SSS_PORT";
    if let Some(module) = child_argument() {
        for _ in 0..4 {
            match Token::open(&module).err().unwrap() {
                error @ Error::BusMissing { .. } => assert!(error.to_string().contains(PORT), "{error}"),
                other => panic!("{other:?}"),
            }
        }
        return;
    }
    let (chip, directory) = new_chip();
    let mut command =
        child("processes::a_bus_that_is_missing_costs_no_opening", chip.module().to_str().unwrap());
    command.env(PORT, "/dev/i2c-977:0x48").env("SE050_LOCK_FILE", directory.path().join("lock"));
    assert!(command.output().unwrap().status.success());
    assert_eq!(calls(&chip, "C_OpenSession"), 0);
    assert!(directory.path().join("lock").exists(), "the lock file of the environment was not used");
}

#[test]
fn the_library_leaves_standard_output_alone_and_a_program_can_move_it_aside() {
    if let Some(module) = child_argument() {
        use std::io::Write as _;
        let mut out = se050_key::stdout::set_aside().unwrap();
        Token::open(module).unwrap().identity(&selector(EC_KEY), None).unwrap();
        writeln!(out, "{READY}").unwrap();
        return;
    }
    let (chip, _directory) = new_chip();
    chip.set_log_to_stdout(true).unwrap();
    let test = "processes::the_library_leaves_standard_output_alone_and_a_program_can_move_it_aside";
    let output = child(test, chip.module().to_str().unwrap()).stderr(Stdio::piped()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    // What the test harness prints itself comes before and goes the same way afterwards.
    assert!(text.contains(READY) && !text.contains("Communication channel"), "{text}");
}

#[test]
fn nothing_is_used_across_a_fork() {
    if let Some(module) = child_argument() {
        let token = Token::open(&module).unwrap();
        let (key, _) = token.identity(&selector(EC_KEY), None).unwrap();
        match fork::fork().unwrap() {
            fork::Fork::Child => {
                let forked = [
                    key.sign(Scheme::EcdsaP256Sha256, b"a message").err(),
                    token.key(&selector(EC_KEY), None).err(),
                    Token::open(&module).err(),
                ];
                let refused = forked.iter().all(|error| matches!(error, Some(Error::Forked)));
                // The handles go without waiting for a thread that is not there.
                drop((key, token));
                std::process::exit(if refused { 42 } else { 1 });
            }
            fork::Fork::Parent(child) => {
                let status = fork::waitpid(child).unwrap();
                assert!(fork::WIFEXITED(status) && fork::WEXITSTATUS(status) == 42, "{status:#x}");
                key.sign(Scheme::EcdsaP256Sha256, b"a message").unwrap();
            }
        }
        return;
    }
    let (chip, _directory) = new_chip();
    let mut command = child("processes::nothing_is_used_across_a_fork", chip.module().to_str().unwrap());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
