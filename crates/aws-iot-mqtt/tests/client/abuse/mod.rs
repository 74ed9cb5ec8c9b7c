//! Killing, cutting, filling, for as long as it takes. Each test has a short form, which is part of the tests, and a long one for
//! `cargo xtask abuse`, which sets `ABUSE` and shows the figures that are printed here.

mod endless;
mod killed;
mod mounted;
mod network;
mod process;
mod strace;
mod wear;

use std::sync::Mutex;

pub(crate) use self::mounted::Mounted;

/// How much of it.
fn scale<T>(short: T, long: T) -> T {
    if std::env::var_os("ABUSE").is_some() { long } else { short }
}

/// A figure for whoever runs the long form.
fn figure(text: &str) {
    println!("figure: {text}");
}

/// Random numbers, the same in each run.
struct Random(Mutex<u64>);

impl Random {
    fn new(seed: u64) -> Self {
        Self(Mutex::new(seed))
    }

    fn below(&self, limit: u64) -> u64 {
        let mut state = self.0.lock().unwrap();
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 33) % limit
    }
}
