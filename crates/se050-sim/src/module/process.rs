//! What the module does to its process besides answering: lines on standard output, crashes, hangs.

use std::io::{self, Write as _};
use std::path::Path;
use std::thread;

use cryptoki_sys::{CK_RV, CKR_VENDOR_DEFINED};

use crate::Error;

/// What the simulated module answers where the real one would crash, or hang for ever: no other cause has it.
/// [`Chip::set_crashes`](crate::Chip::set_crashes) makes it do so indeed.
pub const WOULD_CRASH: u64 = 0x8E05_DEAD;

const ANSWER: CK_RV = WOULD_CRASH as CK_RV;
const _: () = assert!(ANSWER & CKR_VENDOR_DEFINED != 0);

/// Ends the process, or says that the real module would have.
pub(super) fn crash(crashes: bool, what: &str) -> CK_RV {
    eprintln!("se050-sim: the real module crashes here: {what}");
    if crashes {
        std::process::abort();
    }
    ANSWER
}

/// Hangs for ever, or says that the real module would have.
pub(super) fn hang(crashes: bool, what: &str) -> CK_RV {
    eprintln!("se050-sim: the real module hangs here for ever: {what}");
    if crashes {
        loop {
            thread::park();
        }
    }
    ANSWER
}

/// The lines that NXP's module writes to standard output, colours included, when the chip is opened. A client cannot turn them off.
pub(super) fn chip_opened(directory: &Path) {
    let from =
        format!("Using PortName='simulated:{}' (se050-sim, for development only)", directory.display());
    write(&[
        line(WARN, "App", "WARN ", "Invalid conn_ctx"),
        line(INFO, "App", "INFO ", &from),
        line(INFO, "sss", "INFO ", "atr (Len=35)"),
        line(WARN, "sss", "WARN ", "Communication channel is Plain."),
        line(WARN, "sss", "WARN ", "!!!Not recommended for production use.!!!"),
    ]);
}

pub(super) fn chip_not_answering() {
    write(&[
        line(ERROR, "App", "ERROR", "sss_session_open failed"),
        line(ERROR, "App", "ERROR", "Session Open Failed"),
    ]);
}

pub(super) fn no_chip_here() {
    eprintln!("se050-sim: this module lies in no simulated chip's directory; make one with `se050-sim new`");
}

/// What only a simulated chip suffers goes to standard error, where the real module writes nothing.
pub(super) fn error(error: &Error) {
    eprintln!("se050-sim: {error}");
}

const INFO: &str = "\x1b[0;32m";
const WARN: &str = "\x1b[0;33m";
const ERROR: &str = "\x1b[0;31m";

fn line(colour: &str, component: &str, level: &str, text: &str) -> String {
    format!("{colour}{component:<6}:{level}:{text}\x1b[0m\n")
}

fn write(lines: &[String]) {
    let mut out = io::stdout().lock();
    // A client whose standard output is closed must not notice.
    let _ = out.write_all(lines.concat().as_bytes()).and_then(|()| out.flush());
}
