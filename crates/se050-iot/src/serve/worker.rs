//! The worker: has the module, and a thread for each client.

use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Signal, getpid, kill_process};

use super::p11_kit::P11Kit;
use super::{function_list, shared_module};

/// The exit status of a worker that will never serve, clap's refusal aside.
pub(super) const CANNOT_START: i32 = 1;

/// How often a call's duration is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// Serves the clients of the socket that is standard input, until the process ends.
pub(super) fn run(module: &Path, call_limit: Duration) -> anyhow::Result<()> {
    // The chip must not be held by a worker without its server.
    rustix::process::set_parent_process_death_signal(Some(Signal::TERM))
        .context("cannot tie the worker to its server")?;
    let listener = std::io::stdin().as_fd().try_clone_to_owned().context("cannot take the socket")?;
    let listener = UnixListener::from(listener);
    let p11_kit = Arc::new(P11Kit::load()?);
    shared_module::load(module)?;
    thread::spawn(move || give_up_hung_calls(call_limit));
    loop {
        let client = match listener.accept() {
            Ok((client, _)) => client,
            Err(error) => {
                crate::terminal::say!("se050-iot serve: cannot accept a client: {error}");
                // Most likely there are too many open files; they become fewer.
                thread::sleep(LOOK);
                continue;
            }
        };
        let p11_kit = Arc::clone(&p11_kit);
        let started = thread::Builder::new().name("client".into()).spawn(move || serve(&p11_kit, &client));
        if let Err(error) = started {
            crate::terminal::say!("se050-iot serve: cannot start a thread for a client: {error}");
        }
    }
}

fn serve(p11_kit: &P11Kit, client: &UnixStream) {
    p11_kit.serve(function_list::functions(), client.as_raw_fd());
    // A failed C_OpenSession can leave one of NXP's three sessions taken for good. A new process has all three.
    if shared_module::client_left() {
        crate::terminal::say!(
            "se050-iot serve: C_OpenSession failed, and no session is open: a new worker begins"
        );
        end_at_once();
    }
}

/// Ends the process when a call takes too long: nothing else cancels it.
fn give_up_hung_calls(limit: Duration) {
    loop {
        thread::sleep(LOOK);
        if let Some(lasted) = shared_module::current_call_lasts()
            && lasted >= limit
        {
            crate::terminal::say!(
                "se050-iot serve: a call of the module has not returned for {} s",
                lasted.as_secs()
            );
            end_at_once();
        }
    }
}

/// Without the module's own clean-up, which would wait for a hung call.
fn end_at_once() {
    let _ = kill_process(getpid(), Signal::KILL);
}
