//! A clock of its own for a program: a preloaded library answers in place of the C library.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const SOURCE: &str = r#"
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t clock, struct timespec *now) {
    const char *seconds = getenv("TEST_CLOCK");
    if (clock != CLOCK_REALTIME || !seconds) return syscall(SYS_clock_gettime, clock, now);
    now->tv_sec = atoll(seconds);
    now->tv_nsec = 0;
    return 0;
}
"#;

pub(crate) struct ClockShim {
    library: PathBuf,
}

impl ClockShim {
    /// `None` after writing down the skip, where there is no C compiler.
    pub(crate) fn build(directory: &Path) -> Option<Self> {
        let library = directory.join("libclock_shim.so");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-D_GNU_SOURCE", "-x", "c", "-", "-o"]).arg(&library);
        let Ok(mut running) = compiler.stdin(Stdio::piped()).spawn() else {
            test_peers::skip("there is no C compiler");
            return None;
        };
        running.stdin.take().unwrap().write_all(SOURCE.as_bytes()).unwrap();
        assert!(running.wait().unwrap().success());
        Some(Self { library })
    }

    /// The environment in which a program takes that for the time, in seconds since 1970.
    pub(crate) fn environment(&self, seconds: i64) -> Vec<(&'static str, String)> {
        vec![("LD_PRELOAD", self.library.display().to_string()), ("TEST_CLOCK", seconds.to_string())]
    }
}
