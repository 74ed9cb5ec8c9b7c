//! Each error code of PKCS#11 as the answer of each function that the key provider calls: once, and for as long as it lasts.
//! What may pass is got over, what stays is an error, and no session is lost.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

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
const CODES: &[u64] = &[
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
const FEW: &[u64] = &[0x02, 0x06, 0x30, 0x32, 0xB3, 0x8000_0005];

/// Longest that a request may take, whatever the chip answers.
const BOUND: Duration = Duration::from_secs(60);

fn codes() -> &'static [u64] {
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

/// Returns whether the work succeeded in spite of the fault.
fn with(chip: &Chip, token: &Token, fault: Fault) -> bool {
    let case = fault.to_string();
    chip.set_fault(fault).unwrap();
    let for_work = token.clone();
    let result = bounded(&case, move || work(&for_work));
    judged(&case, &result);
    chip.set_fault(Fault::None).unwrap();
    // The fault is gone, and so is what it did.
    let for_work = token.clone();
    bounded(&case, move || eventually(|| work(&for_work).ok()));
    result.is_ok()
}

#[test]
fn each_code_from_each_function_of_an_open_session() {
    let (chip, _directory) = new_chip();
    // A failed opening costs nothing with this version, so that one process can have them all.
    chip.set_version(Version::V3_3).unwrap();
    let token = Token::builder(chip.module()).back_off(Duration::from_millis(1)).open().unwrap();
    let (mut cured, mut failed) = (0, 0);
    for function in ON_A_SESSION {
        for &answer in codes() {
            for fault in [Fault::FailNext { function, answer }, Fault::FailEach { function, answer }] {
                if with(&chip, &token, fault) { cured += 1 } else { failed += 1 }
            }
        }
    }
    let open = calls(&chip, "C_OpenSession") - calls(&chip, "C_CloseSession");
    assert_eq!(open, 1, "a session is lost");
    assert!(cured > 0 && failed > 0, "{cured} {failed}");
    println!(
        "figure: chip, open session: {} answers, {cured} got over, {failed} told as errors",
        cured + failed
    );
}

#[test]
fn each_code_from_each_function_that_opens_the_chip() {
    let (chip, directory) = new_chip();
    let (mut cured, mut failed) = (0, 0);
    for (number, function) in OPENING.into_iter().enumerate() {
        // A module of its own: what one process may spend belongs to it.
        let chip = chip.duplicate(&directory.path().join(number.to_string())).unwrap();
        chip.set_version(Version::V3_3).unwrap();
        for &answer in codes() {
            for fault in [Fault::FailNext { function, answer }, Fault::FailEach { function, answer }] {
                let case = fault.to_string();
                chip.set_fault(fault).unwrap();
                let module = chip.module().to_owned();
                let open = move || {
                    let token = Token::builder(&module).back_off(Duration::from_millis(1)).open()?;
                    work(&token)
                };
                let result = bounded(&case, open.clone());
                judged(&case, &result);
                if result.is_ok() {
                    cured += 1
                } else {
                    failed += 1
                }
                chip.set_fault(Fault::None).unwrap();
                bounded(&case, move || eventually(|| open().ok()));
            }
        }
    }
    println!("figure: chip, opening: {} answers, {cured} got over, {failed} told as errors", cured + failed);
}
