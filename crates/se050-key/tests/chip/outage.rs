//! A chip that does not answer, and comes back or does not.

use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use rustix::fs::{FlockOperation, flock};
use se050_key::{Error, Scheme, Token};
use se050_sim::{Chip, Fault, Version};

use crate::bench::{
    EC_KEY, NEVER, RSA_KEY, builder, calls, eventually, failed_openings, new_chip, on_each_version, open,
    selector, until_settled,
};

/// All that happens in an outage happens within 0.1 s.
const SOON: Duration = Duration::from_millis(1);

fn opened(chip: &Chip) -> u64 {
    calls(chip, "C_OpenSession")
}

#[test]
fn an_absent_chip_is_called_unreachable_and_left_in_peace() {
    on_each_version(|chip, version| {
        if version == Version::V3_3 {
            return; // Openings cost it nothing, so it is asked each time.
        }
        let token = open(chip);
        let (key, _) = token.identity(&selector(RSA_KEY), None).unwrap();
        chip.set_fault(Fault::Absent).unwrap();
        let error = key.sign(Scheme::RsaPkcs1Sha256, b"a message").unwrap_err();
        // Not "no such key", which is what CKR_KEY_HANDLE_INVALID seems to say.
        assert!(
            matches!(error, Error::ChipUnreachable { source: Some(_), .. }) && error.is_transient(),
            "{error:?}"
        );
        let before = chip.calls().unwrap();
        for _ in 0..20 {
            let error = key.sign(Scheme::RsaPkcs1Sha256, b"a message").unwrap_err();
            assert!(matches!(error, Error::ChipUnreachable { openings_left: Some(2), .. }), "{error:?}");
        }
        let after = chip.calls().unwrap();
        for (function, calls) in after.functions() {
            assert_eq!(calls, before.of(function), "{function}");
        }
        assert_eq!(opened(chip), 1);
    });
}

#[test]
fn a_request_waits_for_a_chip_that_was_lost_for_a_moment() {
    for fault in [Fault::Absent, Fault::DiesAfter(0)] {
        on_each_version(|chip, version| {
            if version == Version::V3_3 {
                return; // An opening costs it nothing, so it opens at once, and the request fails.
            }
            chip.set_time_scale(0.001).unwrap();
            // Opens without a sign of the chip after 4 s.
            let token = builder(chip).back_off(Duration::from_millis(500)).open().unwrap();
            let (key, _) = token.identity(&selector(RSA_KEY), None).unwrap();
            chip.set_fault(fault).unwrap();
            std::thread::scope(|scope| {
                let signature = scope.spawn(|| key.sign(Scheme::RsaPkcs1Sha256, b"a message"));
                eventually(|| (calls(chip, "C_GenerateRandom") > 0).then_some(()));
                chip.set_fault(Fault::None).unwrap();
                signature.join().unwrap().unwrap();
            });
            assert_eq!(failed_openings(chip), 0);
        });
    }
}

#[test]
fn a_power_cycled_chip_costs_no_request_and_no_failed_opening() {
    on_each_version(|chip, _| {
        let token = builder(chip).back_off(SOON).open().unwrap();
        let (key, _) = token.identity(&selector(EC_KEY), None).unwrap();
        for session in 2..4 {
            chip.power_cycle().unwrap();
            key.sign(Scheme::EcdsaP256Sha256, b"a message").unwrap();
            assert_eq!(opened(chip), session);
        }
        assert_eq!(failed_openings(chip), 0);
    });
}

#[test]
fn a_chip_that_never_comes_back_costs_two_openings_and_then_the_process() {
    on_each_version(|chip, version| {
        if version == Version::V3_3 {
            return; // See below.
        }
        let token = builder(chip).back_off(SOON).open().unwrap();
        let (key, _) = token.identity(&selector(RSA_KEY), None).unwrap();
        chip.set_fault(Fault::Absent).unwrap();
        let error = until_settled(|| key.sign(Scheme::RsaPkcs1Sha256, b"a message")).unwrap_err();
        assert!(error.needs_restart(), "{error:?}");
        assert_eq!(Error::exit_status(&error), 75);
        assert_eq!(opened(chip), 3, "one that succeeded, two that failed");
        // A handle from a failed opening was not closed: the simulated module would have ended this process.
        assert_eq!(calls(chip, "C_CloseSession"), 1);

        // The third would poison the module, so nobody tries, even when the chip is back.
        chip.set_fault(Fault::None).unwrap();
        for _ in 0..3 {
            assert!(key.sign(Scheme::RsaPkcs1Sha256, b"a message").unwrap_err().needs_restart());
        }
        drop((key, token));
        assert!(builder(chip).open().err().unwrap().needs_restart());
        assert_eq!(opened(chip), 3);
    });
}

#[test]
fn a_module_that_leaks_nothing_may_be_asked_as_often_as_one_likes() {
    let (chip, _directory) = new_chip();
    chip.set_version(Version::V3_3).unwrap();
    let token = builder(&chip).back_off(SOON).open().unwrap();
    let (key, _) = token.identity(&selector(RSA_KEY), None).unwrap();
    chip.set_fault(Fault::Absent).unwrap();
    eventually(|| {
        let error = key.sign(Scheme::RsaPkcs1Sha256, b"a message").unwrap_err();
        assert!(matches!(error, Error::ChipUnreachable { openings_left: None, .. }), "{error:?}");
        (opened(&chip) > 6).then_some(())
    });
    chip.set_fault(Fault::None).unwrap();
    until_settled(|| key.sign(Scheme::RsaPkcs1Sha256, b"a message")).unwrap();
}

#[test]
fn the_last_opening_is_announced_and_spent_late_by_the_worker_itself() {
    let (chip, directory) = new_chip();
    let lock = directory.path().join("lock");
    // The first opening after 0.4 s, the last 3 s after it.
    let token = builder(&chip).back_off(Duration::from_millis(50)).lock_file(&lock).open().unwrap();
    let (key, _) = token.identity(&selector(EC_KEY), None).unwrap();
    let is_free = || flock(File::open(&lock).unwrap(), FlockOperation::NonBlockingLockExclusive).is_ok();
    assert!(!is_free());
    chip.set_fault(Fault::Absent).unwrap();
    let error = key.sign(Scheme::EcdsaP256Sha256, b"a message").unwrap_err();
    assert!(matches!(error, Error::ChipUnreachable { openings_left: Some(1), .. }), "{error:?}");
    assert!(error.to_string().contains("started anew"), "{error}");
    assert_eq!((opened(&chip), calls(&chip, "C_CloseSession")), (2, 1));
    // Nobody is kept from a chip that this process does not have.
    assert!(is_free());
    chip.set_fault(Fault::None).unwrap();
    eventually(|| (opened(&chip) == 3).then_some(()));
    key.sign(Scheme::EcdsaP256Sha256, b"a message").unwrap();
    assert!(!is_free());
}

#[test]
fn a_process_that_begins_without_its_chip_ends_as_one_that_loses_it() {
    on_each_version(|chip, version| {
        chip.set_fault(Fault::Absent).unwrap();
        let first = builder(chip).open().err().unwrap();
        assert!(
            matches!(first, Error::ChipUnreachable { source: Some(_), .. })
                && first.to_string().contains("EX_SSS_BOOT")
                && Error::exit_status(&first) == 75,
            "{first:?}"
        );
        if version == Version::V3_3 {
            return;
        }
        // Nobody spends the last opening a moment later.
        for _ in 0..3 {
            let again = builder(chip).open().err().unwrap();
            assert!(matches!(again, Error::ChipUnreachable { openings_left: Some(1), .. }), "{again:?}");
        }
        assert_eq!((opened(chip), calls(chip, "C_CloseSession")), (1, 0));
        let last = builder(chip).back_off(SOON).open().err().unwrap();
        assert!(last.needs_restart(), "{last:?}");
        assert_eq!((opened(chip), calls(chip, "C_CloseSession")), (2, 0));
    });
    // One failure leaves room for a success.
    let (chip, _directory) = new_chip();
    chip.set_fault(Fault::Absent).unwrap();
    assert!(builder(&chip).back_off(SOON).open().is_err());
    chip.set_fault(Fault::None).unwrap();
    let token = builder(&chip).back_off(SOON).open().unwrap();
    token.identity(&selector(EC_KEY), None).unwrap();
}

#[test]
fn a_module_that_somebody_else_in_the_process_uses_or_has_used_up() {
    on_each_version(|chip, version| {
        // Initialised by another, and left so to it.
        let other = Pkcs11::new(chip.module()).unwrap();
        other.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).unwrap();
        open(chip).identity(&selector(EC_KEY), None).unwrap();
        assert_eq!(calls(chip, "C_Finalize"), 0);

        chip.set_fault(Fault::Absent).unwrap();
        let slot = other.get_slots_with_token().unwrap()[0];
        for _ in 0..3 {
            other.open_ro_session(slot).unwrap_err();
        }
        chip.set_fault(Fault::None).unwrap();
        let opened_again = builder(chip).open();
        if version == Version::V3_3 {
            // It leaks nothing.
            opened_again.unwrap();
        } else {
            // CKR_DEVICE_MEMORY: no second opening is needed to know.
            assert!(opened_again.err().unwrap().needs_restart());
        }
    });
}

#[test]
fn another_process_that_used_the_chip_in_between_is_survived() {
    on_each_version(|chip, _| {
        let token = builder(chip).back_off(SOON).open().unwrap();
        let (key, _) = token.identity(&selector(EC_KEY), None).unwrap();
        chip.disturb().unwrap();
        until_settled(|| key.sign(Scheme::EcdsaP256Sha256, b"a message")).unwrap();
        assert_eq!(opened(chip), 2);
    });
}

#[test]
fn the_chip_is_taken_away_and_given_back_under_twenty_four_threads() {
    let (chip, _directory) = new_chip();
    let token = builder(&chip).back_off(SOON).open().unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for number in 0..24 {
            let (token, done) = (token.clone(), &done);
            scope.spawn(move || {
                let label = if number % 2 == 0 { EC_KEY } else { RSA_KEY };
                let scheme = if number % 2 == 0 { Scheme::EcdsaP256Sha256 } else { Scheme::RsaPssSha256 };
                let (key, _) = until_settled(|| token.identity(&selector(label), None)).unwrap();
                while !done.load(Ordering::Acquire) {
                    match key.sign(scheme, b"a message") {
                        Ok(_) | Err(Error::ChipUnreachable { .. } | Error::Call { .. }) => {}
                        Err(other) => panic!("{other:?}"),
                    }
                }
            });
        }
        let (key, _) = token.identity(&selector(EC_KEY), None).unwrap();
        for _ in 0..3 {
            chip.set_fault(Fault::FailNextSign(cryptoki_sys::CKR_FUNCTION_FAILED)).unwrap();
            until_settled(|| key.sign(Scheme::EcdsaP256Sha256, b"a message")).ok();
            chip.power_cycle().unwrap();
            until_settled(|| key.sign(Scheme::EcdsaP256Sha256, b"a message")).ok();
        }
        chip.set_fault(Fault::None).unwrap();
        crate::bench::eventually(|| key.sign(Scheme::EcdsaP256Sha256, b"a message").ok());
        done.store(true, Ordering::Release);
    });
    assert_eq!(failed_openings(&chip), 0);
}

#[test]
fn a_chip_away_at_the_first_request_does_not_end_the_process() {
    let (chip, _directory) = new_chip();
    let token = Token::builder(chip.module()).back_off(NEVER).open().unwrap();
    chip.set_fault(Fault::Absent).unwrap();
    for label in [RSA_KEY, EC_KEY] {
        let error = token.identity(&selector(label), None).unwrap_err();
        assert!(matches!(error, Error::ChipUnreachable { .. }), "{error:?}");
    }
    assert_eq!(opened(&chip), 1);
}
