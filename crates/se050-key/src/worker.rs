//! The thread that makes every call of the module, one for each module and process.
//!
//! The chip serves one command at a time, NXP's module has no reliable locking, and a hung I2C transfer blocks a call for
//! seconds to minutes. So one thread makes every call, and callers wait for it with a limit. The limit is on the chip's silence,
//! not on the time in the queue: two hundred requests may take as long as they need, while the chip answers.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::module::canonical;
use crate::recovery::Recovery;
use crate::{Error, TokenBuilder, TokenInfo};

/// How long dropping the last handle waits for the session to be closed: a little longer than a hung call (3.5 s on NXP's 4.x).
const CLOSING: Duration = Duration::from_secs(4);
const OPENING: &str = "opening the token";

/// Every module that this process ever opened.
static MODULES: LazyLock<Mutex<HashMap<PathBuf, Arc<Mutex<Registered>>>>> = LazyLock::new(Mutex::default);

type Job = Box<dyn FnOnce(&mut Recovery) + Send>;

/// A module's worker. The lock around it is held while the worker starts, so that nobody starts a second one.
#[derive(Default)]
struct Registered {
    worker: Weak<Worker>,
    /// Of the thread that was started last.
    watchdog: Option<Arc<Watchdog>>,
}

/// Sends requests to the worker thread. The thread ends when the last `Arc` of this value is dropped.
pub(crate) struct Worker {
    /// `None` only while this value is dropped.
    jobs: Option<Sender<Job>>,
    watchdog: Arc<Watchdog>,
    info: TokenInfo,
    /// Those with which the token was opened.
    options: TokenBuilder,
}

impl Worker {
    /// The worker of the module that the options name: the one that is there, else a new one.
    pub(crate) fn of(options: TokenBuilder) -> Result<Arc<Self>, Error> {
        let registered = {
            let mut modules = MODULES.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(modules.entry(canonical(&options.module)).or_default())
        };
        let mut registered = registered.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = registered.watchdog.as_ref().filter(|last| !last.has_ended()) {
            last.check_process()?;
            if let Some(worker) = registered.worker.upgrade() {
                return match worker.contradiction(&options) {
                    None => Ok(worker),
                    Some(what) => Err(Error::AlreadyOpen { module: options.module, what }),
                };
            }
            // The thread is still closing its session, or hangs in an opening whose caller gave up.
            last.check_answers(OPENING)?;
            if !last.wait_for_end(options.deadline) {
                return Err(Error::Hanging {
                    doing: OPENING,
                    silent_for: last.lock().silent_since.elapsed(),
                });
            }
        }
        let watchdog = Arc::new(Watchdog::new(options.deadline));
        registered.watchdog = Some(Arc::clone(&watchdog));
        let worker = Arc::new(Self::start(options, watchdog)?);
        registered.worker = Arc::downgrade(&worker);
        Ok(worker)
    }

    /// Starts the thread, which opens the session. The watchdog tells when it has ended, even where this gives up on it.
    fn start(options: TokenBuilder, watchdog: Arc<Watchdog>) -> Result<Self, Error> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let (opened_sender, opened) = mpsc::channel();
        let (thread_options, thread_watchdog) = (options.clone(), Arc::clone(&watchdog));
        let thread = std::thread::Builder::new().name("se050-key".into()).spawn(move || {
            // Dropped last, also after a panic.
            let ending = Ending(thread_watchdog);
            let mut recovery = match Recovery::open(thread_options, Arc::clone(&ending.0)) {
                Ok(recovery) => recovery,
                Err(error) => {
                    // The caller may have given up.
                    let _ = opened_sender.send(Err(error));
                    return;
                }
            };
            ending.0.idle();
            if opened_sender.send(Ok(recovery.token().clone())).is_ok() {
                serve(&queue, &mut recovery, &ending.0);
            }
            ending.0.begin();
        });
        if thread.is_err() {
            watchdog.end();
            return Err(Error::WorkerGone { doing: OPENING });
        }
        let info = watchdog.wait(&opened, OPENING)??;
        Ok(Self { jobs: Some(jobs), watchdog, info, options })
    }

    pub(crate) fn info(&self) -> &TokenInfo {
        &self.info
    }

    /// The option in which these differ from those with which the token is open.
    fn contradiction(&self, options: &TokenBuilder) -> Option<&'static str> {
        let open = &self.options;
        let differs = [
            ("token", options.wanted.mismatch(&self.info).is_some()),
            ("PIN", self.info.login_required && options.pin.is_some() && options.pin != open.pin),
            ("deadline", options.deadline != open.deadline),
            ("back-off", options.back_off != open.back_off),
            ("lock file", options.lock_file != open.lock_file),
        ];
        differs.into_iter().find_map(|(what, differs)| differs.then_some(what))
    }

    /// Has the thread do something with the chip, and waits for it.
    pub(crate) fn call<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&mut Recovery) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.watchdog.check_process()?;
        self.watchdog.check_answers(doing)?;
        let (reply, answer) = mpsc::channel();
        // Dropped when the caller does not wait any more.
        let caller = Arc::new(());
        let waiting = Arc::downgrade(&caller);
        let job: Job = Box::new(move |recovery| {
            // A request whose caller has given up is not begun.
            if waiting.strong_count() > 0 {
                let _ = reply.send(work(recovery));
            }
        });
        let sent = self.jobs.as_ref().and_then(|jobs| jobs.send(job).ok());
        sent.ok_or(Error::WorkerGone { doing })?;
        self.watchdog.wait(&answer, doing)?
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.jobs = None;
        // Wait until the session is closed, so that the process does not end before. A forked child has no such thread.
        if self.watchdog.check_process().is_ok() {
            self.watchdog.wait_for_end(CLOSING);
        }
    }
}

/// Serves requests. Between them, it looks for a chip that does not answer.
fn serve(queue: &Receiver<Job>, recovery: &mut Recovery, watchdog: &Watchdog) {
    loop {
        let job = match queue.try_recv() {
            Ok(job) => Ok(job),
            Err(TryRecvError::Disconnected) => return,
            Err(TryRecvError::Empty) => {
                watchdog.idle();
                match recovery.next_look() {
                    Some(time) => queue.recv_timeout(time.saturating_duration_since(Instant::now())),
                    None => queue.recv().map_err(|_| RecvTimeoutError::Disconnected),
                }
            }
        };
        watchdog.begin();
        match job {
            Ok(job) => job(recovery),
            Err(RecvTimeoutError::Timeout) => recovery.look(),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Says that the thread has ended when it is dropped, after a panic, too.
struct Ending(Arc<Watchdog>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// What the worker thread is doing, and since when the chip has been silent. Written by the thread, read by those who wait for it.
pub(crate) struct Watchdog {
    watch: Mutex<Watch>,
    ended: Condvar,
    /// How long the chip may be silent.
    deadline: Duration,
    /// The process that started the thread: a forked child has the handle, but not the thread.
    process: u32,
}

struct Watch {
    ended: bool,
    /// Whether the thread waits for the chip, or is about to.
    is_busy: bool,
    /// When the chip answered last, or the thread began to wait for it.
    ///
    /// While the thread is busy, only a successful call restarts the time: neither a failed call nor the next request does.
    silent_since: Instant,
}

impl Watchdog {
    fn new(deadline: Duration) -> Self {
        let watch = Mutex::new(Watch { ended: false, is_busy: true, silent_since: Instant::now() });
        Self { watch, ended: Condvar::new(), deadline, process: std::process::id() }
    }

    fn check_process(&self) -> Result<(), Error> {
        if self.process == std::process::id() { Ok(()) } else { Err(Error::Forked) }
    }

    /// A request, or a look at the chip, is begun.
    fn begin(&self) {
        let mut watch = self.lock();
        if !watch.is_busy {
            (watch.is_busy, watch.silent_since) = (true, Instant::now());
        }
    }

    /// A call of the module succeeded.
    pub(crate) fn answered(&self) {
        self.lock().silent_since = Instant::now();
    }

    /// Nothing is left to do.
    fn idle(&self) {
        self.lock().is_busy = false;
    }

    /// The thread is about to end; its session is closed.
    fn end(&self) {
        let mut watch = self.lock();
        (watch.ended, watch.is_busy) = (true, false);
        self.ended.notify_all();
    }

    fn has_ended(&self) -> bool {
        self.lock().ended
    }

    /// Whether the thread ended within that time.
    fn wait_for_end(&self, time: Duration) -> bool {
        let waited = self.ended.wait_timeout_while(self.lock(), time, |watch| !watch.ended);
        waited.unwrap_or_else(PoisonError::into_inner).0.ended
    }

    /// Waits for the thread's answer. The time limit starts anew whenever the chip answers any request.
    fn wait<T>(&self, answer: &Receiver<T>, doing: &'static str) -> Result<T, Error> {
        let mut since = Instant::now();
        loop {
            since = since.max(self.lock().silent_since);
            match answer.recv_timeout(self.deadline.saturating_sub(since.elapsed())) {
                Ok(result) => return Ok(result),
                Err(RecvTimeoutError::Disconnected) => return Err(Error::WorkerGone { doing }),
                Err(RecvTimeoutError::Timeout) if self.lock().silent_since > since => {}
                Err(RecvTimeoutError::Timeout) => {
                    return Err(Error::Timeout { doing, deadline: self.deadline });
                }
            }
        }
    }

    /// Refuses what would have to wait for a chip that has been silent for too long.
    fn check_answers(&self, doing: &'static str) -> Result<(), Error> {
        let watch = self.lock();
        let silent_for = watch.silent_since.elapsed();
        let hangs = watch.is_busy && silent_for >= self.deadline;
        if hangs { Err(Error::Hanging { doing, silent_for }) } else { Ok(()) }
    }

    /// A thread that panicked left consistent values: each is written in one step.
    fn lock(&self) -> MutexGuard<'_, Watch> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_ends_the_chips_silence() {
        let watchdog = Watchdog::new(Duration::ZERO);
        let hangs = || watchdog.check_answers("signing").is_err();
        let silent_since = || watchdog.lock().silent_since;
        watchdog.idle();
        assert!(!hangs());
        watchdog.begin();
        let since = silent_since();
        // A call failed, and the next request came: the chip is as silent as before.
        watchdog.begin();
        assert_eq!(silent_since(), since);
        assert!(hangs());
        watchdog.answered();
        assert!(silent_since() > since);
        watchdog.idle();
        assert!(!hangs());
        watchdog.end();
        assert!(watchdog.has_ended());
    }
}
