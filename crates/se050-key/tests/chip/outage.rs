//! A chip that goes away, and comes back or does not.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use se050_key::{Error, OwnerState, Scheme, SessionState, Token};
use se050_sim::{Chip, Fault, Version};

use crate::bench::{
    EC_KEY, NEVER, RSA_KEY, builder, calls, new_chip, on_each_version, open, selector, until_settled,
};

/// Looks at the chip with every request.
const AT_ONCE: Duration = Duration::ZERO;
/// Looks at the chip soon, and often.
const SOON: Duration = Duration::from_millis(1);

fn opened(chip: &Chip) -> u64 {
    calls(chip, "C_OpenSession")
}

#[test]
fn an_absent_chip_is_called_away_and_left_in_peace() {
    on_each_version(|chip, _| {
        let token = open(chip);
        let (key, _) = token.identity(&selector(RSA_KEY)).unwrap();
        chip.set_fault(Fault::Absent).unwrap();
        let error = key.sign(Scheme::RsaPkcs1Sha256, b"a message").unwrap_err();
        // Not "no such key", which is what CKR_KEY_HANDLE_INVALID seems to say.
        assert!(
            matches!(error, Error::ChipAway { source: Some(_), .. }) && error.is_transient(),
            "{error:?}"
        );
        let before = chip.calls().unwrap();
        for _ in 0..20 {
            let error = key.sign(Scheme::RsaPkcs1Sha256, b"a message").unwrap_err();
            assert!(matches!(error, Error::ChipAway { .. }), "{error:?}");
        }
        let after = chip.calls().unwrap();
        for (function, calls) in after.functions() {
            assert_eq!(calls, before.of(function), "{function}");
        }
        assert_eq!(token.report().unwrap().session, SessionState::ChipAway);
        assert_eq!(opened(chip), 1);
    });
}

#[test]
fn a_chip_that_comes_back_is_used_again_and_no_opening_was_spent_on_its_absence() {
    on_each_version(|chip, version| {
        let token = builder(chip).back_off(AT_ONCE).open().unwrap();
        let (key, _) = token.identity(&selector(RSA_KEY)).unwrap();
        for _ in 0..3 {
            chip.set_fault(Fault::Absent).unwrap();
            for _ in 0..4 {
                let error = key.sign(Scheme::RsaPkcs1Sha256, b"a message").unwrap_err();
                assert!(matches!(error, Error::ChipAway { .. }), "{error:?}");
            }
            chip.set_fault(Fault::None).unwrap();
            key.sign(Scheme::RsaPkcs1Sha256, b"a message").unwrap();
        }
        assert_eq!(token.report().unwrap().failed_openings.0, 0);
        // Up to 4.3 the session is wedged, and another is opened when the chip is back.
        assert_eq!(opened(chip), if version == Version::V4_7 { 1 } else { 4 });
    });
}

#[test]
fn a_chip_that_was_power_cycled_gets_a_new_session_in_the_end() {
    on_each_version(|chip, _| {
        let token = builder(chip).back_off(SOON).open().unwrap();
        let (key, _) = token.identity(&selector(EC_KEY)).unwrap();
        for session in 2..4 {
            chip.power_cycle().unwrap();
            until_settled(|| key.sign(Scheme::EcdsaP256Sha256, b"a message")).unwrap();
            assert_eq!(opened(chip), session);
        }
        assert_eq!(token.report().unwrap().failed_openings.0, 0);
    });
}

#[test]
fn a_chip_that_never_comes_back_costs_two_openings_and_then_the_process() {
    on_each_version(|chip, _| {
        let token = builder(chip).back_off(SOON).open().unwrap();
        let (key, _) = token.identity(&selector(RSA_KEY)).unwrap();
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
        assert_eq!(token.report().unwrap().session, SessionState::RestartNeeded);
        drop((key, token));
        assert!(builder(chip).open().err().unwrap().needs_restart());
        assert_eq!(opened(chip), 3);
    });
}

#[test]
fn a_chip_that_is_absent_from_the_start_may_be_asked_for_twice() {
    on_each_version(|chip, _| {
        chip.set_fault(Fault::Absent).unwrap();
        let first = builder(chip).open().err().unwrap();
        assert!(
            matches!(first, Error::Call { .. }) && first.to_string().contains("EX_SSS_BOOT"),
            "{first:?}"
        );
        for _ in 0..3 {
            assert!(builder(chip).open().err().unwrap().needs_restart());
        }
        assert_eq!((opened(chip), calls(chip, "C_CloseSession")), (2, 0));
    });
    // One failure leaves room for a success.
    let (chip, _directory) = new_chip();
    chip.set_fault(Fault::Absent).unwrap();
    assert!(builder(&chip).open().is_err());
    chip.set_fault(Fault::None).unwrap();
    open(&chip).identity(&selector(EC_KEY)).unwrap();
}

#[test]
fn a_module_that_somebody_else_in_the_process_uses_or_has_used_up() {
    on_each_version(|chip, version| {
        // Initialised by another, and left so to it.
        let other = Pkcs11::new(chip.module()).unwrap();
        other.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).unwrap();
        open(chip).identity(&selector(EC_KEY)).unwrap();
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
fn a_chip_that_dies_in_mid_operation_is_called_away() {
    on_each_version(|chip, _| {
        chip.set_time_scale(0.001).unwrap();
        let token = builder(chip).back_off(AT_ONCE).open().unwrap();
        let (key, _) = token.identity(&selector(EC_KEY)).unwrap();
        chip.set_fault(Fault::DiesAfter(0)).unwrap();
        let error = key.sign(Scheme::EcdsaP256Sha256, b"a message").unwrap_err();
        assert!(matches!(error, Error::ChipAway { .. }), "{error:?}");
        chip.set_fault(Fault::None).unwrap();
        // It forgot the session, so there is one opening to wait for.
        until_settled(|| key.sign(Scheme::EcdsaP256Sha256, b"a message")).unwrap();
        assert_eq!(token.report().unwrap().failed_openings.0, 0);
    });
}

#[test]
fn another_process_that_used_the_chip_in_between_is_survived() {
    on_each_version(|chip, _| {
        let token = builder(chip).back_off(SOON).open().unwrap();
        let (key, _) = token.identity(&selector(EC_KEY)).unwrap();
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
                let (key, _) = until_settled(|| token.identity(&selector(label))).unwrap();
                while !done.load(Ordering::Acquire) {
                    match key.sign(scheme, b"a message") {
                        Ok(_) | Err(Error::ChipAway { .. } | Error::Call { .. }) => {}
                        Err(other) => panic!("{other:?}"),
                    }
                }
            });
        }
        let (key, _) = token.identity(&selector(EC_KEY)).unwrap();
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
    assert_eq!(token.state(), OwnerState::Idle);
    assert_eq!(token.report().unwrap().failed_openings.0, 0);
}

#[test]
fn a_chip_away_at_the_first_request_does_not_end_the_process() {
    let (chip, _directory) = new_chip();
    let token = Token::builder(chip.module()).back_off(NEVER).open().unwrap();
    chip.set_fault(Fault::Absent).unwrap();
    for label in [RSA_KEY, EC_KEY] {
        let error = token.identity(&selector(label)).unwrap_err();
        assert!(matches!(error, Error::ChipAway { .. }), "{error:?}");
    }
    assert_eq!(opened(&chip), 1);
}
