//! A program's standard output, kept clean of what NXP's module prints there.
//!
//! The module logs to file descriptor 1 on every run, with WARN lines also when all is well. A program that prints a certificate or
//! JSON calls [`set_aside`] once, at the start of `main`; the library itself never touches the descriptor. [`keep_log`] puts a pipe
//! there. A thread moves what comes out of it into a ring buffer, which [`log_lines`] reads. A crash of the module ends the whole
//! process, so that nobody can read the buffer any more: therefore a signal handler writes it to standard error first.

use std::fs::File;
use std::io::{self, PipeReader, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use libc::{c_int, c_void, siginfo_t};
use rustix::fs::{OFlags, fcntl_setfl};

/// How much of the log is kept, in bytes: about 200 lines.
const KEPT: usize = 16 * 1024;
/// The signals of a crash.
const CRASHES: [c_int; 5] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGABRT];
/// The most that [`log_lines`] waits for the thread that reads the pipe.
const CAUGHT_UP: Duration = Duration::from_secs(1);
const CRASHED: &[u8] = b"this program crashed, probably in its PKCS#11 module, whose last log lines are:\n";

/// Atomic, since the signal handler reads it while the thread may be writing.
static RING: [AtomicU8; KEPT] = [const { AtomicU8::new(0) }; KEPT];
/// How many bytes were written to the ring so far.
static WRITTEN: AtomicUsize = AtomicUsize::new(0);
/// The reading end of the pipe, for the signal handler; -1 before there is one.
static PIPE: AtomicI32 = AtomicI32::new(-1);
/// What the signals did before, in the order of [`CRASHES`].
static BEFORE: [OnceLock<libc::sigaction>; CRASHES.len()] = [const { OnceLock::new() }; CRASHES.len()];
/// How many marks have come through the pipe: what was written before a mark is in the ring.
static MARKS: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());
/// No module logs it.
const MARK: u8 = 0;

unsafe extern "C" {
    /// The C library's standard output, through which the module prints.
    static stdout: *mut libc::FILE;
}

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
    let flags = rustix::io::fcntl_getfd(rustix::stdio::stdout());
    WAS_CLOSED.store(flags.is_err(), Ordering::Relaxed);
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
    // The C library writes out each line: into a file or a pipe, it would keep some KiB back, and a crash would lose them.
    // SAFETY: `stdout` is the C library's own stream, and nothing has used it yet; without a buffer of ours, the C library
    // uses its own.
    unsafe { libc::setvbuf(stdout, null_mut(), libc::_IOLBF, 1024) };
    Ok(File::from(aside))
}

/// Keeps what the module prints to file descriptor 1 aside from now on. Call it after
/// [`set_aside`] and before the module is loaded, at most once in a process.
///
/// # Errors
/// The operating system gives no pipe or no thread.
pub fn keep_log() -> io::Result<()> {
    let (reader, writer) = io::pipe()?;
    // The module shall never wait for the thread: what does not fit into the pipe is dropped.
    fcntl_setfl(&writer, OFlags::NONBLOCK)?;
    PIPE.store(reader.as_raw_fd(), Ordering::Release);
    std::thread::Builder::new().name("module-log".to_owned()).spawn(move || collect(reader))?;
    for (signal, before) in CRASHES.into_iter().zip(&BEFORE) {
        catch(signal, before)?;
    }
    rustix::stdio::dup2_stdout(&writer)?;
    Ok(())
}

/// The last lines of the module's log, without colours. Empty without [`keep_log`].
pub fn log_lines() -> Vec<String> {
    if PIPE.load(Ordering::Acquire) < 0 {
        return Vec::new();
    }
    let (marks, came) = &MARKS;
    let marks = marks.lock().unwrap_or_else(PoisonError::into_inner);
    let wanted = *marks + 1;
    // Where the pipe is full, the thread has enough to do: then what it has by then is shown.
    let mut pipe = io::stdout().lock();
    if pipe.write_all(&[MARK]).and_then(|()| pipe.flush()).is_ok() {
        // The end of the wait is not an error: what has come is shown.
        drop(came.wait_timeout_while(marks, CAUGHT_UP, |marks| *marks < wanted));
    }
    let written = WRITTEN.load(Ordering::Acquire);
    let kept: Vec<u8> = (written.saturating_sub(KEPT)..written).map(byte).collect();
    let text = String::from_utf8_lossy(&kept);
    // The first line of a full ring has lost its beginning.
    text.lines().skip(usize::from(written > KEPT)).map(plain).collect()
}

fn byte(position: usize) -> u8 {
    RING.get(position % KEPT).map_or(0, |byte| byte.load(Ordering::Relaxed))
}

/// Moves what the module prints into the ring.
fn collect(mut reader: PipeReader) {
    let mut buffer = [0_u8; 1024];
    // The process itself holds the writing end, as a rule until it ends.
    while let Ok(length @ 1..) = reader.read(&mut buffer) {
        for byte in buffer.iter().take(length) {
            if *byte == MARK {
                let (marks, came) = &MARKS;
                *marks.lock().unwrap_or_else(PoisonError::into_inner) += 1;
                came.notify_all();
                continue;
            }
            let written = WRITTEN.load(Ordering::Relaxed);
            if let Some(place) = RING.get(written % KEPT) {
                place.store(*byte, Ordering::Relaxed);
            }
            WRITTEN.store(written.wrapping_add(1), Ordering::Release);
        }
    }
}

/// The line without colours (`ESC [ ... m`), and without anything else that steers a terminal.
fn plain(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        if c == '\u{1b}' {
            rest.by_ref().find(|c| c.is_ascii_alphabetic());
        } else if !c.is_control() || c == '\t' {
            plain.push(c);
        }
    }
    plain
}

fn catch(signal: c_int, before: &OnceLock<libc::sigaction>) -> io::Result<()> {
    let mut previous = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: all members of a sigaction may be zero.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    let handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) = crashed;
    action.sa_sigaction = handler as usize;
    // Rust gives each thread a stack for signals.
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: both point to a sigaction; the handler makes only calls that signal handlers may make (signal-safety(7)).
    if unsafe { libc::sigaction(signal, &action, previous.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call above has filled it.
    let _ = before.set(unsafe { previous.assume_init() });
    Ok(())
}

/// Writes the kept log to standard error, and hands on to what the signal did before.
extern "C" fn crashed(signal: c_int, info: *mut siginfo_t, _context: *mut c_void) {
    // The thread that reads the pipe goes on meanwhile.
    let pause = libc::timespec { tv_sec: 0, tv_nsec: 50_000_000 };
    // SAFETY: a pointer to a time, and none to store the rest in.
    unsafe { libc::nanosleep(&pause, null_mut()) };
    let written = WRITTEN.load(Ordering::Acquire);
    if written > 0 {
        write_error(CRASHED);
    }
    let mut buffer = [0_u8; 256];
    let mut position = written.saturating_sub(KEPT);
    while position < written {
        let length = buffer.len().min(written - position);
        for place in buffer.iter_mut().take(length) {
            *place = byte(position);
            position += 1;
        }
        write_error(buffer.get(..length).unwrap_or_default());
    }
    let before = CRASHES.iter().position(|one| *one == signal).and_then(|index| BEFORE.get(index)?.get());
    // SAFETY: the sigaction of before is the kernel's own answer; `info` is the kernel's, too.
    unsafe {
        libc::sigaction(signal, before.map_or(null_mut(), std::ptr::from_ref), null_mut());
        // A fault happens again when this returns. A signal that somebody sent has to be sent again.
        if (*info).si_code <= 0 {
            libc::raise(signal);
        }
    }
}

fn write_error(bytes: &[u8]) {
    // SAFETY: the pointer and the length are of one slice. Where nobody reads standard error, nothing can be done.
    let _ = unsafe { libc::write(libc::STDERR_FILENO, bytes.as_ptr().cast(), bytes.len()) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_shown_without_what_steers_a_terminal() {
        assert_eq!(
            plain("\u{1b}[0;33mApp   :WARN :Invalid conn_ctx\u{1b}[0m"),
            "App   :WARN :Invalid conn_ctx"
        );
        assert_eq!(plain("a\u{7}\tb\u{1b}"), "a\tb");
    }
}
