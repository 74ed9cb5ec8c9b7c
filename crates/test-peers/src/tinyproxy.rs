//! tinyproxy: an HTTP proxy that asks for a name and a password.

use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use tempfile::TempDir;

use crate::port::unused_port;
use crate::program::program;

/// How long a loaded machine may take to start it.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running proxy; it ends with this value.
pub struct Tinyproxy {
    child: Child,
    port: u16,
    _directory: TempDir,
}

impl Tinyproxy {
    /// The name that it wants.
    pub const USER: &'static str = "device";
    /// The password that it wants (its configuration takes letters, digits, '-', '.' and '_').
    pub const PASSWORD: &'static str = "pass-word";

    /// Starts a proxy that opens tunnels to that port alone, or gives `None` after writing down the skip.
    pub fn start(allowed_port: u16) -> Option<Self> {
        let tinyproxy = program("tinyproxy")?;
        (0..5).find_map(|_| Self::try_start(&tinyproxy, allowed_port)).or_else(|| panic!("no port to be had"))
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `None` when the port was taken by somebody else in the meantime.
    fn try_start(tinyproxy: &Path, allowed_port: u16) -> Option<Self> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let port = unused_port();
        let configuration = format!(
            "Port {port}\nListen 127.0.0.1\nMaxClients 20\nConnectPort {allowed_port}\nBasicAuth {} {}\n",
            Self::USER,
            Self::PASSWORD
        );
        let file = directory.path().join("tinyproxy.conf");
        fs::write(&file, configuration).expect("a file");
        let child = Command::new(tinyproxy)
            .arg("-d")
            .arg("-c")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("tinyproxy starts");
        let mut proxy = Self { child, port, _directory: directory };
        let began = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if proxy.child.try_wait().expect("its state").is_some() {
                return None;
            }
            assert!(began.elapsed() < PATIENCE, "tinyproxy does not listen");
            thread::sleep(Duration::from_millis(20));
        }
        Some(proxy)
    }
}

impl Drop for Tinyproxy {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
