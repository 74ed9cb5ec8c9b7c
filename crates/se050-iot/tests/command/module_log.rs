//! The PKCS#11 module's own log: kept aside while all is well, shown when somebody asks or the chip fails, and not lost in a crash.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;

use se050_sim::{Chip, Fault};
use test_peers::{c_compiler, output_of};

use crate::support::{Operator, text};

/// A line of every run of NXP's module, also when all is well.
const WARNING: &str = "Invalid conn_ctx";

#[test]
fn it_is_shown_when_it_is_asked_for_or_when_the_chip_fails() {
    let device = Operator::new(Vec::new());
    let chip = Chip::create(&device.path("chip")).unwrap();
    let module = chip.module().display().to_string();
    let said = |arguments: &[&str]| {
        let output = device.run(&[arguments, &["--pkcs11-lib", &module]].concat());
        (output.status.code(), text(&output.stderr))
    };
    for command in [&["cert", "show"][..], &["objects", "--json"], &["doctor", "--chip"]] {
        assert_eq!(said(command), (Some(0), String::new()), "{command:?}");
        let (status, log) = said(&[command, &["-v"]].concat());
        assert!(status == Some(0) && log.contains(WARNING), "{command:?}: {log}");
    }
    // What is not the chip's fault needs no log of it.
    let (status, error) = said(&["cert", "show", "--key-label", "sss:01020304"]);
    assert!(status == Some(1) && !error.contains(WARNING), "{error}");
    chip.set_fault(Fault::Absent).unwrap();
    for (command, status) in [(&["cert", "show"][..], 75), (&["doctor", "--chip"], 1)] {
        let (ended, error) = said(command);
        assert_eq!(ended, Some(status), "{error}");
        assert!(error.contains("module's own log:\n    App   :ERROR:sss_session_open failed\n"), "{error}");
        assert!(!error.contains('\u{1b}'), "{error}");
    }
}

/// A module that prints with the C library, as NXP's does, and then does that.
fn module(device: &Operator, ending: &str) -> Option<String> {
    let compiler = c_compiler()?;
    let source = format!(
        "#include <stdio.h>\n#include <stdlib.h>\n\
         unsigned long C_GetFunctionList(void *list) {{\n\
         for (int i = 0; i < 1000; i++) printf(\"\\033[0;32mApp   :INFO :line %d\\033[0m\\n\", i);\n\
         printf(\"\\033[0;31mApp   :ERROR:the last words\\033[0m\\n\");\n{ending}\nreturn 5;\n}}\n"
    );
    device.write("module.c", source);
    let module = device.path("module.so").display().to_string();
    output_of(
        Command::new(compiler).args(["-shared", "-fPIC", "-O0", "-o", &module]).arg(device.path("module.c")),
    );
    Some(module)
}

#[test]
fn a_crash_of_the_module_does_not_take_its_last_lines_along() {
    for (ending, signal) in [("*(volatile int *)8 = 1;", 11), ("abort();", 6)] {
        let device = Operator::new(Vec::new());
        let Some(module) = module(&device, ending) else { return };
        let output = device.run(&["cert", "show", "--pkcs11-lib", &module]);
        assert_eq!(output.status.signal(), Some(signal), "{:?}", output.status);
        let said = text(&output.stderr);
        assert!(said.starts_with("this program crashed, probably in its PKCS#11 module"), "{said}");
        assert!(said.contains("line 999") && said.contains("the last words"), "{said}");
        assert!(!said.contains("line 0\u{1b}"), "there is no end to it: {} bytes", said.len());
    }
}

#[test]
fn a_module_that_fails_shows_its_last_lines_and_nothing_gets_among_the_output() {
    let device = Operator::new(Vec::new());
    let Some(module) = module(&device, "") else { return };
    let output = device.run(&["cert", "export", "--pkcs11-lib", &module]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), String::new()));
    let said = text(&output.stderr);
    assert!(said.starts_with("Error: ") && said.contains("    App   :ERROR:the last words"), "{said}");
}
