//! What is told before the chip is opened.

use se050_key::ByteOrder;
use se050_sim::Version;

use crate::bench::{builder, on_each_version};

#[test]
fn what_is_told_before_the_chip_is_opened_costs_it_nothing() {
    on_each_version(|chip, version| {
        let preflight = builder(chip).preflight().unwrap();
        let token = &preflight.token;
        assert_eq!((token.module.as_path(), token.slot_id), (chip.module().as_path(), 1));
        let (expected, order) = match version {
            Version::V3_3 => ((3, 3), ByteOrder::BigEndian),
            Version::V4_2 => ((4, 2), ByteOrder::LittleEndian),
            Version::V4_3 => ((4, 3), ByteOrder::LittleEndian),
            _ => ((4, 7), ByteOrder::BigEndian),
        };
        assert_eq!((token.firmware_version, token.label_byte_order()), (expected, Some(order)));
        assert!(preflight.lock_file.is_some() && preflight.locked_by.is_none());
        assert!(preflight.bus.is_none(), "a simulated chip is on no bus");
        let open = builder(chip).open().unwrap();
        assert_eq!((open.info(), chip.calls().unwrap().of("C_OpenSession")), (token, 1));
        assert_eq!(
            builder(chip).preflight().unwrap().locked_by.and_then(|holder| holder.pid()),
            Some(std::process::id())
        );
    });
}
