//! A chip that hangs, and a chip that is merely slow.

use std::time::Duration;

use se050_key::{Error, Scheme, Token};
use se050_sim::Fault;

use crate::bench::{EC_KEY, NEVER, RSA_KEY, builder, calls, eventually, new_chip, on_each_version, selector};

/// On a busy machine and under an emulator, an opening fits in.
const SHORT: Duration = Duration::from_secs(2);

#[test]
fn callers_give_up_on_a_mute_chip_and_later_ones_fail_at_once() {
    on_each_version(|chip, _| {
        // The pause after the outage is none: the test shall see the chip as soon as it is back.
        let token = builder(chip).back_off(Duration::ZERO).deadline(SHORT).open().unwrap();
        let (key, _) = token.identity(&selector(RSA_KEY), None).unwrap();
        chip.set_fault(Fault::Mute).unwrap();
        let error = key.sign(Scheme::RsaPkcs1Sha256, b"a message").unwrap_err();
        assert!(matches!(error, Error::Timeout { .. }), "{error:?}");
        let signed = calls(chip, "C_SignInit");
        for _ in 0..50 {
            let error = key.sign(Scheme::RsaPkcs1Sha256, b"a message").unwrap_err();
            assert!(matches!(error, Error::Hanging { .. }) && error.is_transient(), "{error:?}");
        }
        // The same thread: a second opening does not get around it.
        let second = builder(chip).back_off(Duration::ZERO).deadline(SHORT).open().unwrap();
        assert!(matches!(second.key(&selector(EC_KEY), None), Err(Error::Hanging { .. })));
        assert_eq!(calls(chip, "C_SignInit"), signed);

        chip.set_fault(Fault::None).unwrap();
        eventually(|| key.sign(Scheme::RsaPkcs1Sha256, b"a message").ok());
        assert_eq!(crate::bench::failed_openings(chip), 0);
    });
}

#[test]
fn who_gave_up_costs_the_chip_no_signature_later() {
    let (chip, _directory) = new_chip();
    let token = builder(&chip).deadline(SHORT).open().unwrap();
    let (key, _) = token.identity(&selector(RSA_KEY), None).unwrap();
    chip.set_fault(Fault::Held).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let error = key.sign(Scheme::RsaPkcs1Sha256, b"a message").unwrap_err();
                assert!(matches!(error, Error::Timeout { .. } | Error::Hanging { .. }), "{error:?}");
            });
        }
    });
    chip.set_fault(Fault::None).unwrap();
    // Until the request that was begun has ended, this one is not begun.
    eventually(|| key.sign(Scheme::RsaPkcs1Sha256, b"a message").ok());
    assert_eq!(chip.calls().unwrap().signatures(), 2, "the one that was begun, and the last");
}

#[test]
fn an_opening_that_hangs_is_given_up_and_not_begun_twice() {
    let (chip, _directory) = new_chip();
    chip.set_fault(Fault::Held).unwrap();
    let open = || Token::builder(chip.module()).deadline(SHORT).back_off(NEVER).open();
    assert!(matches!(open().err().unwrap(), Error::Timeout { .. }));
    assert!(matches!(open().err().unwrap(), Error::Hanging { .. }));
    assert_eq!(calls(&chip, "C_OpenSession"), 1);
    chip.set_fault(Fault::None).unwrap();
    eventually(|| open().ok()).identity(&selector(EC_KEY), None).unwrap();
}

#[test]
fn twenty_four_threads_wait_for_a_slow_chip_longer_than_its_deadline() {
    let (chip, _directory) = new_chip();
    // Each answer comes well within the deadline; twenty-four of them, for which each thread has to wait, do not.
    let token = builder(&chip).deadline(Duration::from_secs(2)).open().unwrap();
    let (key, _) = token.identity(&selector(EC_KEY), None).unwrap();
    chip.set_fault(Fault::Slow(Duration::from_millis(100))).unwrap();
    let key = &key;
    std::thread::scope(|scope| {
        for number in 0..24_u8 {
            scope.spawn(move || {
                for round in 0..2 {
                    key.sign(Scheme::EcdsaP256Sha256, &[number, round]).unwrap();
                }
            });
        }
    });
    assert_eq!(calls(&chip, "C_OpenSession"), 1);
    // One thread makes every call, so no two of them are ever in the module.
    let calls = chip.calls().unwrap();
    assert_eq!((calls.overlaps(), calls.threads()), (0, 1));
}

#[test]
fn a_token_is_opened_while_its_last_handle_goes() {
    let (chip, _directory) = new_chip();
    let mut token = builder(&chip).open().unwrap();
    for _ in 0..30 {
        let last = token;
        token = std::thread::scope(|scope| {
            scope.spawn(move || drop(last));
            builder(&chip).open().unwrap()
        });
        token.key(&selector(EC_KEY), None).unwrap();
    }
}
