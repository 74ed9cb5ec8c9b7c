//! What is asked for has to arrive, or the command fails; an error is told once.

use std::fs::OpenOptions;
use std::process::{Command, Stdio};

use se050_sim::Chip;

use crate::support::{Operator, terminal, text};

/// Commands that write to standard output.
fn commands(module: &str) -> Vec<Vec<String>> {
    let with = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    vec![
        with(&["--help"]),
        with(&["--version"]),
        with(&["cert", "export", "--help"]),
        with(&["cert", "export", "--pkcs11-lib", module]),
        with(&["cert", "export", "--pkcs11-lib", module, "--format", "der"]),
        with(&["cert", "export", "--pkcs11-lib", module, "--json"]),
        with(&["cert", "show", "--pkcs11-lib", module]),
        with(&["objects", "--pkcs11-lib", module]),
        with(&["objects", "--pkcs11-lib", module, "--json"]),
        with(&["doctor", "--chip", "--pkcs11-lib", module]),
        with(&["doctor", "--chip", "--pkcs11-lib", module, "--json"]),
    ]
}

#[test]
fn a_closed_output_a_full_disk_and_a_closed_pipe_are_errors() {
    let device = Operator::new(Vec::new());
    let chip = Chip::create(&device.path("chip")).unwrap();
    let module = chip.module().display().to_string();
    for arguments in commands(&module) {
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let program = |redirection: &str| {
            let mut shell = Command::new("sh");
            shell.args(["-c", &format!("exec \"$0\" \"$@\" {redirection}"), env!("CARGO_BIN_EXE_se050-iot")]);
            shell.args(&words).current_dir(device.path(""));
            shell
        };
        let closed = program(">&-").output().unwrap();
        let full = program(">/dev/full").output().unwrap();
        let mut broken = program("");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let broken = broken.stdout(writer).stderr(Stdio::piped()).output().unwrap();
        for (name, output, says) in [
            ("closed", closed, "Bad file descriptor"),
            ("full disk", full, "No space left on device"),
            ("closed pipe", broken, "Broken pipe"),
        ] {
            let errors = text(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{name}: {words:?}: {errors}");
            assert!(
                errors.contains(says) && errors.contains("standard output"),
                "{name}: {words:?}: {errors}"
            );
            assert!(!errors.contains("panicked"), "{name}: {words:?}: {errors}");
        }
        let good = program(">/dev/null").output().unwrap();
        assert!(good.status.success(), "{words:?}: {}", text(&good.stderr));
    }
}

#[test]
fn a_file_that_cannot_be_written_whole_is_not_left_behind_and_a_device_is_not_replaced() {
    use std::os::unix::fs::FileTypeExt as _;
    let device = Operator::new(Vec::new());
    let chip = Chip::create(&device.path("chip")).unwrap();
    let module = chip.module().display().to_string();
    let export = ["cert", "export", "--pkcs11-lib", &module, "--output"];
    let error = device.fails(1, &[&export[..], &["/dev/full"]].concat());
    assert!(error.contains("/dev/full") && error.contains("No space left"), "{error}");
    assert!(std::fs::metadata("/dev/full").unwrap().file_type().is_char_device());
    let error = device.fails(1, &[&export[..], &["nowhere/device.pem"]].concat());
    assert!(error.contains("nowhere/device.pem"), "{error}");
    // The descriptor that was moved aside is written to by this name, too.
    assert!(device.run(&[&export[..], &["/dev/stdout"]].concat()).status.success());
}

#[test]
fn nobody_at_standard_error_is_no_crash() {
    let device = Operator::new(Vec::new());
    for stderr in [Some(OpenOptions::new().write(true).open("/dev/full").unwrap()), None] {
        let mut command = device.command(&["cert", "export", "--pkcs11-lib", "/nowhere.so"]);
        match stderr {
            Some(full) => command.stderr(full),
            None => {
                let (reader, writer) = std::io::pipe().unwrap();
                drop(reader);
                command.stderr(writer)
            }
        };
        assert_eq!(command.stdout(Stdio::null()).status().unwrap().code(), Some(1));
    }
}

#[test]
fn an_error_is_told_once_and_without_a_backtrace() {
    let device = Operator::new(Vec::new());
    for (variable, value) in
        [("RUST_BACKTRACE", "0"), ("RUST_BACKTRACE", "1"), ("RUST_LIB_BACKTRACE", "full")]
    {
        let run = |more: &[&str]| {
            let arguments = [&["cert", "export", "--pkcs11-lib", "/nowhere.so"], more].concat();
            let output = device.command(&arguments).env(variable, value).output().unwrap();
            assert_eq!(output.status.code(), Some(1));
            text(&output.stderr)
        };
        let error = run(&[]);
        assert_eq!(error.matches("/nowhere.so").count(), 1, "{error}");
        assert_eq!(error.matches("No such file").count(), 1, "{error}");
        assert!(error.starts_with("Error: ") && error.lines().count() <= 5, "{error}");
        // Only who asks for it gets it.
        assert_eq!(run(&["-v"]).lines().count() > 5, value != "0");
    }
}

#[test]
fn colour_is_for_terminals_whose_user_wants_it() {
    let device = Operator::new(Vec::new());
    let chip = Chip::create(&device.path("chip")).unwrap();
    let module = chip.module().display().to_string();
    let seen = |no_color: Option<&str>| {
        let mut command = device.command(&["doctor", "--chip", "--pkcs11-lib", &module]);
        command.envs(no_color.map(|value| ("NO_COLOR", value)));
        terminal::output_at_a_terminal(&mut command)
    };
    assert!(seen(None).contains("\u{1b}[32m[ ok ]"), "{}", seen(None));
    assert!(seen(Some("")).contains('\u{1b}'), "an empty NO_COLOR says nothing");
    assert!(!seen(Some("1")).contains('\u{1b}'));
    let piped = device.command(&["doctor", "--chip", "--pkcs11-lib", &module]).output().unwrap();
    assert!(!text(&piped.stdout).contains('\u{1b}'));
}
