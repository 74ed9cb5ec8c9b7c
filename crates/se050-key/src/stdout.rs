//! Keeping a program's output clean of the lines that NXP's module prints.
//!
//! The module writes its log to file descriptor 1. A program that prints a certificate or JSON there calls
//! [`set_aside`] once, at the start of `main`. The library itself never touches the descriptor.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the process was started without a standard output (`>&-`).
static WAS_CLOSED: AtomicBool = AtomicBool::new(false);

/// Runs before Rust's runtime. That opens /dev/null in place of a closed standard output, so that every write succeeds and
/// nobody learns that a certificate was lost. Afterwards the descriptor looks like the one that daemon(3) leaves on purpose.
// SAFETY: the section holds pointers to functions that the C library calls at start-up; this one only makes a system call
// and stores a flag.
#[used]
#[unsafe(link_section = ".init_array")]
static LOOK_FIRST: extern "C" fn() = look;

extern "C" fn look() {
    let stdout = rustix::stdio::stdout();
    WAS_CLOSED.store(rustix::io::fcntl_getfd(stdout).is_err(), Ordering::Relaxed);
}

/// Moves the process's standard output aside and returns it; what the module prints goes to standard error from now on.
/// Where the process was started without a standard output (`>&-`), each write to the file fails with EBADF.
///
/// # Errors
/// When the operating system refuses to duplicate a descriptor.
pub fn set_aside() -> io::Result<File> {
    // Keeps the linker from leaving the look at the start out.
    std::hint::black_box(&LOOK_FIRST);
    let aside = if WAS_CLOSED.load(Ordering::Relaxed) {
        // Opened for reading, so that a write fails as it would on the closed descriptor.
        OwnedFd::from(File::open("/dev/null")?)
    } else {
        rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?
    };
    rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
    crate::module_log::line_buffered();
    Ok(File::from(aside))
}
