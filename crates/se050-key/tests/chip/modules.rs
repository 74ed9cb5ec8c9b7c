//! Modules that cannot be loaded: each is an error, and none the end of the process.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use se050_key::{Error, Token};

use crate::bench::new_chip;

fn refused(module: &Path) -> String {
    let error = Token::open(module).err().unwrap();
    assert!(matches!(error, Error::LoadModule { .. }), "{error:?}");
    assert!(error.to_string().contains(module.to_str().unwrap()), "{error}");
    error.to_string()
}

fn compile(cc: &Path, source: &str, library: &Path) {
    let mut compiler = Command::new(cc);
    compiler.args(["-shared", "-fPIC", "-x", "c", "-", "-o"]).arg(library).stdin(Stdio::piped());
    let mut running = compiler.spawn().unwrap();
    running.stdin.take().unwrap().write_all(source.as_bytes()).unwrap();
    assert!(running.wait().unwrap().success());
}

#[test]
fn what_is_no_module_for_this_machine_is_told_before_it_is_loaded() {
    let (chip, directory) = new_chip();
    let module = fs::read(chip.module()).unwrap();
    let file = directory.path().join("module.so");
    // e_machine (ELF header, bytes 18 and 19), and e_ident[EI_CLASS], byte 4.
    let with = |at: usize, value: u8| {
        let mut bytes = module.clone();
        bytes[at] = value;
        bytes
    };
    let (other_class, bits) = if usize::BITS == 64 { (1, "32-bit") } else { (2, "64-bit") };
    for (name, bytes, says) in [
        ("another processor", with(18, 0xF3), "riscv"),
        ("another width", with(4, other_class), bits),
        ("cut short", module[..module.len() / 10].to_vec(), "cut short"),
        ("only a header", module[..64].to_vec(), "cut short"),
        ("text", b"not a module".to_vec(), "no ELF file"),
        ("empty", Vec::new(), "no ELF file"),
    ] {
        fs::write(&file, bytes).unwrap();
        let said = refused(&file);
        assert!(said.contains(says), "{name}: {said}");
    }
    assert!(refused(&directory.path().join("missing.so")).contains("No such file"));
    assert!(refused(directory.path()).contains("directory"));
}

#[test]
fn a_missing_symbol_is_named_and_does_not_end_the_process() {
    let Some(cc) = test_peers::c_compiler() else { return };
    let directory = tempfile::tempdir().unwrap();
    let module = directory.path().join("module.so");
    let source = "int only_the_vendor_has_this(void);\n\
                  unsigned long C_GetFunctionList(void **list) { return (unsigned long)only_the_vendor_has_this(); }\n";
    compile(&cc, source, &module);
    let said = refused(&module);
    assert!(said.contains("only_the_vendor_has_this"), "{said}");
}

#[test]
fn a_library_that_is_no_module_is_told_by_the_function_that_it_lacks() {
    let Some(cc) = test_peers::c_compiler() else { return };
    let directory = tempfile::tempdir().unwrap();
    let library = directory.path().join("library.so");
    compile(&cc, "int nothing;\n", &library);
    let said = refused(&library);
    assert!(said.contains("C_GetFunctionList"), "{said}");
}
