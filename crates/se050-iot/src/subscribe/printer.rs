//! Standard output on a thread of its own: a reader that is slow, or gone, holds up neither the connection nor a signal.

use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
use std::thread;

use anyhow::Context as _;
use aws_iot_mqtt::Message;
use rustix::event::{PollFd, PollFlags, poll};
use tokio::sync::mpsc;

use crate::terminal::escaped;

pub(super) struct Printer {
    to_print: mpsc::Sender<(Vec<u8>, Message)>,
    printed: mpsc::Receiver<io::Result<Message>>,
    /// Tells when nobody reads standard output any more.
    gone: mpsc::Receiver<()>,
    is_idle: bool,
}

/// What became of a message.
pub(super) enum Printed {
    Message(Message),
    /// Whoever read standard output has closed it (`| head -1`).
    ReaderGone,
}

impl Printer {
    pub(super) fn start(mut out: File) -> io::Result<Self> {
        let (to_print, mut bytes) = mpsc::channel::<(Vec<u8>, Message)>(1);
        let (done, printed) = mpsc::channel(1);
        let (tell, gone) = mpsc::channel(1);
        let watched = out.try_clone()?;
        let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| {
            // Both end with the process: a write to a reader that does not read cannot be called back.
            thread::Builder::new().name(name.to_owned()).spawn(run).map(drop)
        };
        spawn(
            "print",
            Box::new(move || {
                let is_terminal = out.is_terminal();
                while let Some((bytes, message)) = bytes.blocking_recv() {
                    let written = if is_terminal {
                        // What others publish shall not steer the terminal.
                        out.write_all(escaped(&String::from_utf8_lossy(&bytes)).as_bytes())
                    } else {
                        out.write_all(&bytes)
                    };
                    if done.blocking_send(written.map(|()| message)).is_err() {
                        return;
                    }
                }
            }),
        )?;
        spawn(
            "reader-gone",
            Box::new(move || {
                // Without a wanted event, poll(2) tells only errors: for a pipe, that its reader is gone.
                let mut watched = [PollFd::new(&watched, PollFlags::empty())];
                loop {
                    match poll(&mut watched, None) {
                        Err(rustix::io::Errno::INTR) => {}
                        // Where it cannot be watched, the next message finds out.
                        Err(_) => return,
                        Ok(_) => break,
                    }
                }
                let is_gone =
                    watched.iter().any(|fd| fd.revents().intersects(PollFlags::ERR | PollFlags::HUP));
                if is_gone {
                    // The command may be at its end already.
                    let _ = tell.try_send(());
                }
            }),
        )?;
        Ok(Self { to_print, printed, gone, is_idle: true })
    }

    /// Whether the last message is printed.
    pub(super) fn is_idle(&self) -> bool {
        self.is_idle
    }

    /// Prints a message. [`Self::next`] has the answer.
    pub(super) fn print(&mut self, bytes: Vec<u8>, message: Message) {
        // There is room: one message is printed at a time. Where the thread is gone, `next` finds out.
        let _ = self.to_print.try_send((bytes, message));
        self.is_idle = false;
    }

    /// Waits until the message is printed, or until nobody reads standard output any more, where that can be watched.
    ///
    /// # Errors
    /// Standard output cannot be written to.
    pub(super) async fn next(&mut self) -> anyhow::Result<Printed> {
        let result = tokio::select! {
            biased;
            printed = self.printed.recv() => printed.context("the thread that prints has ended")?,
            Some(()) = self.gone.recv() => return Ok(Printed::ReaderGone),
        };
        self.is_idle = true;
        match result {
            Ok(message) => Ok(Printed::Message(message)),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Printed::ReaderGone),
            Err(error) => Err(error).context("cannot write to standard output"),
        }
    }
}
