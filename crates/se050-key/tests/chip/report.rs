//! The diagnosis.

use std::time::Duration;

use se050_key::{OwnerState, RsaPssCost, Scheme, SessionState};
use se050_sim::{Fault, Version};

use crate::bench::{EC_KEY, builder, new_chip, on_each_version, open, selector};

#[test]
fn the_report_says_what_there_is_in_every_version() {
    on_each_version(|chip, version| {
        let token = open(chip);
        let report = token.report().unwrap();
        assert_eq!(report.module, chip.module());
        assert_eq!((report.slot_id, report.session), (1, SessionState::Open));
        assert_eq!(report.token, *token.info());
        let expected = match version {
            Version::V3_3 => (3, 3),
            Version::V4_2 => (4, 2),
            Version::V4_3 => (4, 3),
            _ => (4, 7),
        };
        assert_eq!(report.token.firmware_version, expected);
        assert_eq!((report.sessions_opened, report.failed_openings), (1, (0, Some(2))));
        assert_eq!(report.lock.as_ref().unwrap().1, Some(std::process::id()));
        assert_eq!(report.bus, None, "a simulated chip is on no bus");
        assert!(report.failures.is_empty(), "{:?}", report.failures);

        let there: Vec<&str> = report
            .factory_objects
            .iter()
            .filter(|object| object.exists && !object.name.ends_with("-cert"))
            .map(|object| object.name.as_str())
            .collect();
        let expected = [
            "cloud-connection-0-ecc256",
            "cloud-connection-1-ecc256",
            "cloud-connection-0-rsa2048",
            "cloud-connection-1-rsa2048",
        ];
        assert_eq!(there, expected);
        assert_eq!(report.factory_objects.len(), 12);

        let cost = report.cost.unwrap();
        let slow = version <= Version::V4_2;
        assert_eq!(cost.rsa_pss == RsaPssCost::Slow, slow);
        assert_eq!(cost.to_string().contains("50 APDUs"), slow);
        // Nothing was enumerated, and no key used.
        assert_eq!(chip.calls().unwrap().signatures(), 0);
    });
}

#[test]
fn the_report_of_a_chip_that_is_away_is_partial() {
    on_each_version(|chip, _| {
        let token = builder(chip).back_off(Duration::ZERO).open().unwrap();
        chip.set_fault(Fault::Absent).unwrap();
        let report = token.report().unwrap();
        assert!(report.factory_objects.is_empty(), "{:?}", report.factory_objects);
        assert_eq!(report.session, SessionState::ChipAway);
        assert!(!report.failures.is_empty());
        assert_eq!(token.state(), OwnerState::Idle);
    });
}

#[test]
fn the_report_counts_new_sessions() {
    let (chip, _directory) = new_chip();
    let token = open(&chip);
    let (key, _) = token.identity(&selector(EC_KEY)).unwrap();
    chip.set_fault(Fault::FailNextSign(cryptoki_sys::CKR_FUNCTION_FAILED)).unwrap();
    key.sign(Scheme::EcdsaP256Sha256, b"a message").unwrap();
    assert_eq!(token.report().unwrap().sessions_opened, 2);
}
