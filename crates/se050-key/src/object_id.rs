//! The 32-bit id under which the SE050 keeps an object.

use std::fmt;
use std::str::FromStr;

use crate::{Error, FactoryKey};

/// The 32-bit id of an object in the SE050, e.g. `0xF0000110`.
///
/// Parses from `0xF0000110`, from `F0000110`, and from the label that the module of the little-endian era (NXP's
/// plug-and-trust 4.0 to 4.3, the one of an Armadillo) gives the object: `sss:100100F0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId(u32);

/// The prefix of a label that means an object id. NXP's module compares it case-sensitively.
const LABEL_PREFIX: &str = "sss:";

impl ObjectId {
    /// The id with that value.
    pub const fn new(value: u32) -> Self {
        Self(value)
    }

    /// The value.
    pub const fn value(self) -> u32 {
        self.0
    }

    /// The label in the byte order of NXP's module 4.0 to 4.3: `sss:100100F0` for 0xF0000110.
    pub fn little_endian_label(self) -> String {
        format!("{LABEL_PREFIX}{:08X}", self.0.swap_bytes())
    }

    /// The label in the byte order of NXP's module up to 3.3 and from 4.4 on: `sss:F0000110`.
    pub fn big_endian_label(self) -> String {
        format!("{LABEL_PREFIX}{:08X}", self.0)
    }

    /// The id of the certificate that belongs to this key, if it is one of NXP's factory keys of variant C.
    ///
    /// Each of them has its certificate in the object that follows it: see [`FactoryKey`].
    pub fn factory_certificate(self) -> Option<Self> {
        FactoryKey::ALL.iter().find(|preset| preset.key == self).map(|preset| preset.certificate)
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:08X}", self.0)
    }
}

impl FromStr for ObjectId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (digits, is_label) = match text.strip_prefix(LABEL_PREFIX) {
            Some(digits) => (digits, true),
            None => (text.strip_prefix("0x").unwrap_or(text), false),
        };
        // Exactly eight digits: the module itself takes fewer and more, and finds another object or none.
        let value = (digits.len() == 8 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
            .then(|| u32::from_str_radix(digits, 16).ok())
            .flatten()
            .filter(|value| *value != 0)
            .ok_or_else(|| Error::NotAnObjectId { text: text.to_owned() })?;
        Ok(Self(if is_label { value.swap_bytes() } else { value }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parses_every_written_form_of_a_factory_key() {
        for text in ["0xF0000110", "F0000110", "f0000110", "sss:100100F0", "sss:100100f0"] {
            assert_eq!(text.parse::<ObjectId>().unwrap(), ObjectId::new(0xF000_0110), "{text}");
        }
    }

    #[test]
    fn refuses_what_the_module_would_silently_read_as_another_object() {
        for text in [
            "",
            "sss:",
            "sss:100100F",
            "sss:1100100F0",
            "sss:100100F0zz",
            "SSS:100100F0",
            "0x0",
            "sss:00000000",
            "+F000011",
        ] {
            let error = text.parse::<ObjectId>().unwrap_err();
            assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
        }
    }

    #[test]
    fn writes_both_byte_orders() {
        let id = ObjectId::new(0xF000_0110);
        assert_eq!(id.little_endian_label(), "sss:100100F0");
        assert_eq!(id.big_endian_label(), "sss:F0000110");
        assert_eq!(id.to_string(), "0xF0000110");
    }

    proptest! {
        #[test]
        fn every_id_comes_back_from_every_form_of_it(value in 1_u32..) {
            let id = ObjectId::new(value);
            for text in [id.to_string(), id.to_string()[2..].to_lowercase(), id.little_endian_label()] {
                prop_assert_eq!(text.parse::<ObjectId>().unwrap(), id);
            }
            let swapped = ObjectId::new(value.swap_bytes());
            prop_assert_eq!(id.big_endian_label(), swapped.little_endian_label());
        }

        #[test]
        fn no_text_panics_and_only_eight_digits_are_an_id(text in "(sss:|0x|SSS:)?\\PC{0,12}") {
            if text.parse::<ObjectId>().is_ok() {
                let digits = text.trim_start_matches("sss:").trim_start_matches("0x");
                prop_assert_eq!(digits.len(), 8);
                prop_assert!(digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
            }
        }
    }

    #[test]
    fn knows_the_certificates_of_the_factory_keys_only() {
        assert_eq!(ObjectId::new(0xF000_0110).factory_certificate(), Some(ObjectId::new(0xF000_0111)));
        assert_eq!(ObjectId::new(0xF000_0111).factory_certificate(), None);
        assert_eq!(ObjectId::new(0x1000).factory_certificate(), None);
    }
}
