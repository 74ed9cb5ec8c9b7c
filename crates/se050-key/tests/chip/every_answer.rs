//! Each error code of PKCS#11 as the answer of each function that the key provider calls: once, and for as long as it lasts.
//! What may pass is got over, what stays is an error, and no session is lost.

use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use cryptoki_sys::CK_RV;
use se050_key::{Error, Scheme, Token};
use se050_sim::{Chip, Fault, Version};

use crate::bench::{RSA_KEY, calls, eventually, new_chip, selector};

/// The functions that are called again and again, on a session that stands.
const ON_A_SESSION: [&str; 7] = [
    "C_FindObjectsInit",
    "C_FindObjects",
    "C_FindObjectsFinal",
    "C_GetAttributeValue",
    "C_SignInit",
    "C_Sign",
    "C_GenerateRandom",
];
/// Those that open the chip.
const OPENING: [&str; 5] =
    ["C_Initialize", "C_GetSlotList", "C_GetTokenInfo", "C_OpenSession", "C_GetSessionInfo"];
/// The codes of PKCS#11 2.40, section 2.1 of the header pkcs11t.h.
const CODES: &[CK_RV] = &[
    0x01,
    0x02,
    0x03,
    0x05,
    0x06,
    0x07,
    0x08,
    0x09,
    0x0A,
    0x10,
    0x11,
    0x12,
    0x13,
    0x1B,
    0x20,
    0x21,
    0x30,
    0x31,
    0x32,
    0x40,
    0x41,
    0x50,
    0x51,
    0x54,
    0x60,
    0x62,
    0x63,
    0x64,
    0x65,
    0x66,
    0x67,
    0x68,
    0x69,
    0x6A,
    0x70,
    0x71,
    0x82,
    0x90,
    0x91,
    0xA0,
    0xA1,
    0xA2,
    0xA3,
    0xA4,
    0xB0,
    0xB1,
    0xB3,
    0xB4,
    0xB5,
    0xB6,
    0xB7,
    0xB8,
    0xC0,
    0xC1,
    0xD0,
    0xD1,
    0xE0,
    0xE1,
    0xE2,
    0xF0,
    0xF1,
    0xF2,
    0x100,
    0x101,
    0x102,
    0x103,
    0x104,
    0x105,
    0x110,
    0x112,
    0x113,
    0x114,
    0x115,
    0x120,
    0x121,
    0x130,
    0x140,
    0x141,
    0x150,
    0x160,
    0x170,
    0x180,
    0x190,
    0x191,
    0x1A0,
    0x1A1,
    0x1B0,
    0x1B1,
    0x1B2,
    0x1B3,
    0x1B4,
    0x1B5,
    0x1B6,
    0x1B7,
    0x1B8,
    0x1B9,
    0x1BA,
    0x1BB,
    0x200,
    0x8000_0000,
    0x8000_0005,
    0xFFFF_FFFF,
];
/// The short form's: no memory, a failed function, a failed device, a removed token, a lost session, a vendor's own.
const FEW: &[CK_RV] = &[0x02, 0x06, 0x30, 0x32, 0xB3, 0x8000_0005];

/// Longest that a request may take, whatever the chip answers.
const BOUND: Duration = Duration::from_secs(60);

fn codes() -> &'static [CK_RV] {
    if std::env::var_os("ABUSE").is_some() { CODES } else { FEW }
}

/// The work in a thread of its own, so that a deadlock is a failed test.
fn bounded<T: Send + 'static>(case: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, waits) = mpsc::channel();
    thread::spawn(move || done.send(work()));
    waits.recv_timeout(BOUND).unwrap_or_else(|error| panic!("{case}: no answer: {error}"))
}

/// Finds key and certificate, and signs.
fn work(token: &Token) -> Result<(), Error> {
    let (key, _) = token.identity(&selector(RSA_KEY), None)?;
    key.sign(Scheme::RsaPkcs1Sha256, b"a message").map(drop)
}

fn judged(case: &str, result: &Result<(), Error>) {
    let Err(error) = result else { return };
    let words = error.to_string();
    assert!(words.len() > 20, "{case}: {words}");
    // Each error says which of the two it is; a call that failed says which call it was.
    let _ = error.is_transient();
    if let Error::Call { source, .. } = error {
        let source = source.to_string();
        assert!(
            source.contains("C_") && (source.contains("CKR_") || source.contains("0x")),
            "{case}: {source}"
        );
    }
}

/// How the work went with a fault, and after it.
struct Outcome {
    succeeded: bool,
    /// The module has nothing left that this process could open: a new process is told to be needed.
    used_up: bool,
}

/// Works with a fault; then without, until that succeeds or until only a new process could.
fn with(
    (chip, version): (&Chip, Version),
    fault: Fault,
    work: impl Fn() -> Result<(), Error> + Clone + Send + 'static,
) -> Outcome {
    let case = format!("module {version}, {fault}");
    chip.set_fault(fault).unwrap();
    let result = bounded(&case, work.clone());
    judged(&case, &result);
    chip.set_fault(Fault::None).unwrap();
    let used_up = bounded(&case, move || {
        eventually(|| match work() {
            Ok(()) => Some(false),
            Err(error) => error.needs_restart().then_some(true),
        })
    });
    Outcome { succeeded: result.is_ok(), used_up }
}

/// Every function, once and for good, on each version of the module.
fn sweep(what: &str, functions: &[&'static str], opens_each_time: bool) {
    let (chip, directory) = new_chip();
    thread::scope(|scope| {
        for version in Version::ALL {
            let (chip, directory) = (&chip, directory.path().join(version.to_string()));
            scope.spawn(move || sweep_version(what, functions, opens_each_time, (chip, version), &directory));
        }
    });
}

/// Whenever only a new process could go on, the module is loaded from another file: it then is as in a new process.
fn sweep_version(
    what: &str,
    functions: &[&'static str],
    opens_each_time: bool,
    (first, version): (&Chip, Version),
    directory: &Path,
) {
    let (mut succeeded, mut failed, mut processes) = (0, 0, 0);
    let faults = functions.iter().flat_map(|&function| {
        let both = |&answer| [Fault::FailNext { function, answer }, Fault::FailEach { function, answer }];
        codes().iter().flat_map(both)
    });
    let mut process: Option<(Chip, Option<Token>)> = None;
    for fault in faults {
        let (chip, token) = process.take().unwrap_or_else(|| {
            processes += 1;
            let chip = first.duplicate(&directory.join(processes.to_string())).unwrap();
            chip.set_version(version).unwrap();
            let token = (!opens_each_time).then(|| open(&chip.module()).unwrap());
            (chip, token)
        });
        let (module, for_work) = (chip.module(), token.clone());
        let outcome = with((&chip, version), fault, move || match &for_work {
            Some(token) => work(token),
            None => work(&open(&module)?),
        });
        if outcome.succeeded {
            succeeded += 1
        } else {
            failed += 1
        }
        if !outcome.used_up {
            let open = calls(&chip, "C_OpenSession") - calls(&chip, "C_CloseSession");
            assert!(opens_each_time || open == 1, "{version}: a session is lost");
            process = Some((chip, token));
        }
    }
    assert!(succeeded > 0 && failed > 0, "{version}: {succeeded} {failed}");
    println!(
        "figure: chip, module {version}, {what}: {} answers, {succeeded} got over, {failed} told as errors, \
         {processes} processes",
        succeeded + failed
    );
}

fn open(module: &Path) -> Result<Token, Error> {
    Token::builder(module).back_off(Duration::from_millis(1)).open()
}

#[test]
fn each_code_from_each_function_of_an_open_session() {
    sweep("open session", &ON_A_SESSION, false);
}

#[test]
fn each_code_from_each_function_that_opens_the_chip() {
    sweep("opening", &OPENING, true);
}
