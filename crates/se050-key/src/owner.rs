//! The thread that owns the module and its one session.
//!
//! The chip serves one command at a time, NXP's module does no locking that can be relied on, and a hung I2C
//! transfer blocks the call for seconds to minutes: so one thread makes every call, and whoever wants something of
//! it waits no longer than a bound. The bound is on the chip's silence, not on the place in the queue: two hundred
//! honest requests take as long as they take.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::link::Link;
use crate::pulse::{OwnerState, Pulse};
use crate::token::TokenBuilder;
use crate::{Error, TokenInfo};

/// How long the last handle waits for the session to be closed: about a chip's hang (3.5 s on NXP's 4.x).
const CLOSING: Duration = Duration::from_secs(4);

type Job = Box<dyn FnOnce(&mut Link) + Send>;

/// The way to the owner thread. The thread ends with the last of it.
pub(crate) struct Owner {
    /// `None` only while this value is dropped. Behind a lock only because a `Sender` is not meant to be shared.
    jobs: Option<Mutex<Sender<Job>>>,
    pulse: Arc<Pulse>,
    info: TokenInfo,
    deadline: Duration,
    /// The process that started the thread: a forked child has the handle, but not the thread.
    process: u32,
}

impl Owner {
    /// Starts the thread, which opens the session. `pulse` tells when it has ended, even where this gives up on it.
    pub(crate) fn start(options: TokenBuilder, pulse: &Arc<Pulse>) -> Result<Self, Error> {
        const OPENING: &str = "opening the token";
        let deadline = options.deadline;
        let (jobs, queue) = mpsc::channel::<Job>();
        let (opened_sender, opened) = mpsc::channel();
        let thread_pulse = Arc::clone(pulse);
        let thread = std::thread::Builder::new().name("se050-key".into()).spawn(move || {
            // Dropped last, whatever happens here.
            let pulse = Ending(thread_pulse);
            let mut link = match Link::open(options, Arc::clone(&pulse.0)) {
                Ok(link) => link,
                Err(error) => {
                    // Nobody may wait for it any more.
                    let _ = opened_sender.send(Err(error));
                    return;
                }
            };
            pulse.0.rest();
            if opened_sender.send(Ok(link.token().clone())).is_ok() {
                serve(&queue, &mut link, &pulse.0);
            }
            pulse.0.begin();
        });
        if thread.is_err() {
            pulse.end();
            return Err(Error::OwnerGone { doing: OPENING });
        }
        let info = wait(&opened, pulse, deadline, OPENING)??;
        let process = std::process::id();
        Ok(Self { jobs: Some(Mutex::new(jobs)), pulse: Arc::clone(pulse), info, deadline, process })
    }

    pub(crate) fn info(&self) -> &TokenInfo {
        &self.info
    }

    pub(crate) fn state(&self) -> OwnerState {
        self.pulse.state(self.deadline)
    }

    /// Has the thread do something with the chip, and waits for it.
    pub(crate) fn call<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&mut Link) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        if self.process != std::process::id() {
            return Err(Error::Forked);
        }
        if matches!(self.state(), OwnerState::Hanging { .. }) {
            return Err(Error::Hanging { doing });
        }
        let (reply, answer) = mpsc::channel();
        let wanted = Wanted(Arc::new(AtomicBool::new(true)));
        let (still_wanted, pulse) = (Arc::clone(&wanted.0), Arc::clone(&self.pulse));
        let job: Job = Box::new(move |link| {
            // Who has given up shall not cost the chip a signature later.
            if still_wanted.load(Ordering::Acquire) {
                let result = work(link);
                // Before the caller can look.
                pulse.rest();
                let _ = reply.send(result);
            }
        });
        let jobs = self.jobs.as_ref().and_then(|jobs| jobs.lock().ok()).ok_or(Error::OwnerGone { doing })?;
        jobs.send(job).map_err(|_| Error::OwnerGone { doing })?;
        drop(jobs);
        wait(&answer, &self.pulse, self.deadline, doing)?
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.jobs = None;
        // The chip is to be released before the process ends, if it answers. A forked child has no such thread.
        if self.process == std::process::id() {
            self.pulse.wait_for_end(CLOSING);
        }
    }
}

/// Does what is asked for, and lets go of the chip when nobody asked for long enough.
fn serve(queue: &Receiver<Job>, link: &mut Link, pulse: &Pulse) {
    loop {
        let job = match link.release_after() {
            Some(idle) => queue.recv_timeout(idle),
            None => queue.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        pulse.begin();
        match job {
            Ok(job) => job(link),
            Err(RecvTimeoutError::Timeout) => link.release(),
            Err(RecvTimeoutError::Disconnected) => return,
        }
        pulse.rest();
    }
}

/// Waits for the answer as long as the chip gives signs of life.
fn wait<T>(answer: &Receiver<T>, pulse: &Pulse, deadline: Duration, doing: &'static str) -> Result<T, Error> {
    let mut since = Instant::now();
    loop {
        since = since.max(pulse.last());
        match answer.recv_timeout(deadline.saturating_sub(since.elapsed())) {
            Ok(result) => return Ok(result),
            Err(RecvTimeoutError::Disconnected) => return Err(Error::OwnerGone { doing }),
            Err(RecvTimeoutError::Timeout) if pulse.last() > since => {}
            Err(RecvTimeoutError::Timeout) => return Err(Error::Timeout { doing, deadline }),
        }
    }
}

/// Says that the thread has ended when it is dropped, after a panic, too.
struct Ending(Arc<Pulse>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// The caller still waits.
struct Wanted(Arc<AtomicBool>);

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_used_across_a_fork() {
        let (jobs, _queue) = mpsc::channel();
        let info = TokenInfo::default();
        let owner = Owner {
            jobs: Some(Mutex::new(jobs)),
            pulse: Arc::new(Pulse::new()),
            info,
            deadline: Duration::from_secs(1),
            // A parent's.
            process: std::process::id() + 1,
        };
        assert!(matches!(owner.call("signing", |_| Ok(())), Err(Error::Forked)));
    }
}
