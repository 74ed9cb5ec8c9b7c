//! What the tests work with: chips in directories of their own, and this program as its own child.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use se050_key::{Error, Selector, Token, TokenBuilder};
use se050_sim::{Chip, Version};
use tempfile::TempDir;

pub(crate) const RSA_KEY: &str = "sss:100100F0";
pub(crate) const RSA_KEY_ID: u32 = 0xF000_0110;
pub(crate) const RSA_CERTIFICATE: u32 = 0xF000_0111;
pub(crate) const EC_KEY: &str = "sss:000100F0";

/// Longer than any test takes.
pub(crate) const NEVER: Duration = Duration::from_secs(3600);

/// A new chip of the version that an Armadillo has, in a directory of the test's own.
pub(crate) fn new_chip() -> (Chip, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let chip = Chip::create(&directory.path().join("chip")).unwrap();
    // Its log belongs on standard output as NXP's does; here it would only be in the way.
    chip.set_log_to_stdout(false).unwrap();
    // Where the real module crashes, so does this one: nothing here may come near it.
    chip.set_crashes(true).unwrap();
    (chip, directory)
}

/// A new chip for each version of NXP's module.
pub(crate) fn on_each_version(test: impl Fn(&Chip, Version)) {
    let (chip, directory) = new_chip();
    for (number, version) in Version::ALL.into_iter().enumerate() {
        let copy = chip.duplicate(&directory.path().join(number.to_string())).unwrap();
        copy.set_version(version).unwrap();
        eprintln!("module {version:?}");
        test(&copy, version);
    }
}

/// As most tests open it: a chip that does not answer is not looked for again by itself.
pub(crate) fn builder(chip: &Chip) -> TokenBuilder {
    Token::builder(chip.module()).back_off(NEVER)
}

pub(crate) fn open(chip: &Chip) -> Token {
    builder(chip).open().unwrap()
}

pub(crate) fn selector(text: &str) -> Selector {
    text.parse().unwrap()
}

/// How often a function was called since.
pub(crate) fn calls(chip: &Chip, function: &str) -> u64 {
    chip.calls().unwrap().of(function)
}

/// How many openings have failed, where one session is open: all others that were opened are closed.
pub(crate) fn failed_openings(chip: &Chip) -> u64 {
    calls(chip, "C_OpenSession") - calls(chip, "C_CloseSession") - 1
}

/// Asks until the answer is given, or gives up the test.
pub(crate) fn eventually<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "it never happened");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Asks until something other than "the chip does not answer" comes.
pub(crate) fn until_settled<T>(mut ask: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
    eventually(|| match ask() {
        Err(Error::ChipUnreachable { .. }) => None,
        settled => Some(settled),
    })
}

/// The environment variable that tells this program that it is a test's child.
const CHILD: &str = "SE050_KEY_TEST_CHILD";

/// What the child was told, in the child.
pub(crate) fn child_argument() -> Option<String> {
    std::env::var(CHILD).ok()
}

/// This program again, running only the test of that name, which finds [`child_argument`].
pub(crate) fn child(test: &str, argument: &str) -> Command {
    let mut command = test_peers::this_program();
    command.args([test, "--exact", "--nocapture", "--test-threads=1"]).env(CHILD, argument);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    command
}
