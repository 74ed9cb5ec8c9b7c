//! The diagnosis.

use se050_key::{ByteOrder, Scheme};
use se050_sim::{Fault, Version};

use crate::bench::{EC_KEY, new_chip, on_each_version, open, selector};

#[test]
fn the_report_says_what_there_is_in_every_version() {
    on_each_version(|chip, version| {
        let token = open(chip);
        let before = chip.calls().unwrap();
        let report = token.report().unwrap();
        assert_eq!((report.token.module.as_path(), report.token.slot_id), (chip.module().as_path(), 1));
        assert_eq!(report.token, *token.info());
        let (expected, order) = match version {
            Version::V3_3 => ((3, 3), ByteOrder::BigEndian),
            Version::V4_2 => ((4, 2), ByteOrder::LittleEndian),
            Version::V4_3 => ((4, 3), ByteOrder::LittleEndian),
            _ => ((4, 7), ByteOrder::BigEndian),
        };
        assert_eq!((report.token.firmware_version, report.label_byte_order), (expected, Some(order)));
        // A failed opening costs 3.3 nothing.
        let budget = (version != Version::V3_3).then_some((0, 2));
        assert_eq!((report.sessions_opened, report.failed_openings), (1, budget));
        assert!(report.lock_file.is_some() && report.locked_by.is_none());
        assert_eq!(report.bus, None, "a simulated chip is on no bus");
        assert_eq!(chip.calls().unwrap().apdus(), before.apdus(), "the chip was asked");
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
