//! The thread that owns the module and its one session.
//!
//! The chip serves one command at a time, NXP's module does no locking that can be relied on, and a hung I2C
//! transfer blocks the call for seconds to minutes: so one thread makes every call, and whoever wants something of
//! it waits no longer than a bound.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use crate::session::Session;
use crate::token::TokenBuilder;
use crate::{Error, TokenInfo};

/// How long the last handle waits for the session to be closed: about a chip's hang (3.5 s on NXP's 4.x).
const CLOSING: Duration = Duration::from_secs(4);

type Job = Box<dyn FnOnce(&Session) + Send>;

/// The way to the owner thread. The thread ends with the last of it.
pub(crate) struct Owner {
    /// `None` only while this value is dropped.
    jobs: Option<mpsc::Sender<Job>>,
    /// Closed by the thread when the session is closed.
    ended: Mutex<mpsc::Receiver<()>>,
    /// A request was given up on, and the module has not returned from it yet.
    hanging: Arc<AtomicBool>,
    deadline: Duration,
}

impl Owner {
    /// Starts the thread, which opens the session.
    pub(crate) fn start(options: TokenBuilder) -> Result<(Self, TokenInfo), Error> {
        const OPENING: &str = "opening the token";
        let deadline = options.deadline;
        let (jobs, queue) = mpsc::channel::<Job>();
        let (opened_sender, opened) = mpsc::channel();
        let (ended_sender, ended) = mpsc::channel();
        let thread = std::thread::Builder::new().name("se050-key".into()).spawn(move || {
            let session = match Session::open(&options) {
                Ok(session) => session,
                Err(error) => {
                    // Nobody may wait for it any more.
                    let _ = opened_sender.send(Err(error));
                    return;
                }
            };
            if opened_sender.send(Ok(session.token().clone())).is_ok() {
                for job in queue {
                    job(&session);
                }
            }
            drop(session);
            drop(ended_sender);
        });
        if thread.is_err() {
            return Err(Error::OwnerGone { doing: OPENING });
        }
        let token = received(opened.recv_timeout(deadline), OPENING, deadline)??;
        Ok((Self { jobs: Some(jobs), ended: Mutex::new(ended), hanging: Arc::default(), deadline }, token))
    }

    /// Has the thread do something with the session, and waits for it.
    pub(crate) fn call<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Session) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        if self.hanging.load(Ordering::Acquire) {
            return Err(Error::Hanging { doing });
        }
        let (reply, answer) = mpsc::channel();
        let hanging = Arc::clone(&self.hanging);
        let job: Job = Box::new(move |session| {
            let result = work(session);
            hanging.store(false, Ordering::Release);
            // The caller may have given up.
            let _ = reply.send(result);
        });
        let jobs = self.jobs.as_ref().ok_or(Error::OwnerGone { doing })?;
        jobs.send(job).map_err(|_| Error::OwnerGone { doing })?;
        let result = received(answer.recv_timeout(self.deadline), doing, self.deadline);
        if let Err(Error::Timeout { .. }) = result {
            self.hanging.store(true, Ordering::Release);
        }
        result?
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.jobs = None;
        // The chip is to be released before the process ends, if it answers.
        if let Ok(ended) = self.ended.lock() {
            let _ = ended.recv_timeout(CLOSING);
        }
    }
}

fn received<T>(
    answer: Result<T, mpsc::RecvTimeoutError>,
    doing: &'static str,
    deadline: Duration,
) -> Result<T, Error> {
    answer.map_err(|error| match error {
        mpsc::RecvTimeoutError::Timeout => Error::Timeout { doing, deadline },
        mpsc::RecvTimeoutError::Disconnected => Error::OwnerGone { doing },
    })
}
