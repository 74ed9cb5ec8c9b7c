//! `se050-iot serve`: one process that owns the chip, for applications that load p11-kit's client module.
//!
//! `p11-kit server` does not serve NXP's module: the module logs to standard output, where `p11-kit remote` speaks its
//! protocol; and it starts a process for each client, so that two clients disturb each other on the bus. This command uses
//! p11-kit's library for the protocol. One worker process has the module and serves all clients, one call at a time. When
//! the worker crashes or a call hangs, the command starts another one: clients connect to the same socket again.

#[allow(unsafe_code, reason = "PKCS#11's C interface")]
mod function_list;
#[allow(unsafe_code, reason = "p11-kit's C interface")]
mod p11_kit;
#[allow(unsafe_code, reason = "PKCS#11's C interface")]
mod shared_module;
mod worker;

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Args;
use rustix::fs::Mode;
use se050_key::{NXP_MODULE, Token};

/// The pause before a worker that ended at once is started again.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Args)]
pub(crate) struct ServeArgs {
    /// The Unix socket to listen on; only its owner can connect
    #[arg(long, value_name = "PATH")]
    socket: PathBuf,
    /// The PKCS#11 module to serve
    #[arg(long, alias = "pkcs11_lib", value_name = "FILE", default_value = NXP_MODULE)]
    pkcs11_lib: PathBuf,
    /// How long a call of the module may take before it is given up with the worker that made it
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    call_limit: u64,
    /// Be the worker: standard input is the socket. For the command's own use
    #[arg(long, hide = true)]
    worker: bool,
}

pub(crate) fn run(args: &ServeArgs, verbose: bool, out: &mut impl Write) -> anyhow::Result<()> {
    if args.worker {
        return worker::run(&args.pkcs11_lib, Duration::from_secs(args.call_limit));
    }
    let listener = listen(&args.socket)?;
    // For all workers, one after the other: a program with the module of its own would disturb them.
    let _lock = Token::builder(&args.pkcs11_lib).lock()?;
    writeln!(out, "P11_KIT_SERVER_ADDRESS=unix:path={}", args.socket.display())
        .context("cannot write to standard output")?;
    let this_program = std::env::current_exe().context("cannot find this program's own file")?;
    loop {
        let started = Instant::now();
        let listener = listener.try_clone().context("cannot hand the socket to the worker")?;
        let status = Command::new(&this_program)
            .args(["serve", "--worker", "--call-limit", &args.call_limit.to_string(), "--socket"])
            .arg(&args.socket)
            .arg("--pkcs11-lib")
            .arg(&args.pkcs11_lib)
            .args(verbose.then_some("--verbose"))
            .stdin(Stdio::from(OwnedFd::from(listener)))
            .status()
            .context("cannot start the worker")?;
        if status.code() == Some(worker::CANNOT_START) {
            bail!("the worker cannot serve {}; its error is above", args.pkcs11_lib.display());
        }
        crate::terminal::say!("se050-iot serve: the worker ended ({status}) and is started again");
        if started.elapsed() < PAUSE {
            thread::sleep(PAUSE);
        }
    }
}

/// Listens on the socket. A file that a server which was killed left there is replaced.
fn listen(socket: &Path) -> anyhow::Result<UnixListener> {
    match UnixStream::connect(socket) {
        Ok(_) => bail!("another server listens on {}; end it, or name another --socket", socket.display()),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused && is_socket(socket) => {
            std::fs::remove_file(socket)
                .with_context(|| format!("cannot remove the old socket {}", socket.display()))?;
        }
        Err(_) => {}
    }
    // Who can connect can sign: only the socket's owner.
    let before = rustix::process::umask(Mode::RWXG | Mode::RWXO);
    let listener = UnixListener::bind(socket);
    rustix::process::umask(before);
    listener.with_context(|| format!("cannot listen on {}; is its directory there?", socket.display()))
}

fn is_socket(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.file_type().is_socket())
}
