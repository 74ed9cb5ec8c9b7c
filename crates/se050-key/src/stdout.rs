//! Keeping a program's output clean of the lines that NXP's module prints.
//!
//! The module writes its log to file descriptor 1. A program that prints a certificate or JSON there calls
//! [`set_aside`] once, at the start of `main`. The library itself never touches the descriptor.

use std::fs::File;
use std::io;

/// Moves the process's standard output aside and returns it; what the module prints goes to standard error from now on.
///
/// # Errors
/// When the operating system refuses to duplicate a descriptor.
pub fn set_aside() -> io::Result<File> {
    let aside = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?;
    rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
    Ok(File::from(aside))
}
