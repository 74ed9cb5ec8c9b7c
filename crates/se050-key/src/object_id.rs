//! The 32-bit id under which the SE050 keeps an object.

use std::fmt;
use std::str::FromStr;

use crate::Error;

/// The 32-bit id of an object in the SE050, e.g. `0xF0000110`.
///
/// Parses from `0xF0000110` and `F0000110`. A label such as `sss:100100F0` may mean two ids, depending on the version of
/// NXP's module: see [`Selector`](crate::Selector).
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

    /// The label by which NXP's module shows the object: `sss:` and eight digits, in the byte order of its version.
    pub fn label(self, order: ByteOrder) -> String {
        let digits = if order == ByteOrder::LittleEndian { self.0.swap_bytes() } else { self.0 };
        format!("{LABEL_PREFIX}{digits:08X}")
    }

    /// The id of the certificate that belongs to this key, if it is one of NXP's factory keys of variant C.
    ///
    /// Each of them has its certificate in the object that follows it: see [`FactoryKey`].
    pub fn factory_certificate(self) -> Option<Self> {
        FactoryKey::ALL.iter().find(|known| known.key == self).map(|known| known.certificate)
    }

    /// The ids that a label may mean: none for a label that is no object id, one for an id or a factory key's name, two
    /// for `sss:` and eight digits, Armadillo's byte order first.
    ///
    /// A text that begins like an id has to be one. NXP's module takes fewer and more digits as well, and finds
    /// another object or none.
    pub(crate) fn candidates(label: &str) -> Result<Vec<Self>, Error> {
        let begins_with =
            |prefix: &str| label.get(..prefix.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(prefix));
        if begins_with(LABEL_PREFIX) {
            let digits = label.strip_prefix(LABEL_PREFIX).unwrap_or_default();
            let id = from_digits(digits).ok_or_else(|| not_an_id(label))?;
            return Ok(Self(id.0.swap_bytes()).with_byte_swapped());
        }
        if begins_with("0x") {
            return Ok(vec![label.parse()?]);
        }
        let id = FactoryKey::object_named(label).or_else(|| label.parse().ok());
        Ok(id.into_iter().collect())
    }

    /// The ids that a CKA_ID may mean: the four bytes came lowest first up to module 4.6, and highest first from 4.7 on.
    pub(crate) fn candidates_of_cka_id(id: &[u8]) -> Vec<Self> {
        let id = <[u8; 4]>::try_from(id).map(|bytes| Self(u32::from_le_bytes(bytes)));
        id.map(Self::with_byte_swapped).unwrap_or_default()
    }

    fn with_byte_swapped(self) -> Vec<Self> {
        let mut ids = vec![self, Self(self.0.swap_bytes())];
        ids.dedup();
        ids
    }
}

/// The byte order in which NXP's module writes an object id into a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteOrder {
    /// `sss:100100F0` for 0xF0000110: NXP's module 4.0 to 4.3.
    LittleEndian,
    /// `sss:F0000110` for 0xF0000110: up to 3.3, and from 4.4 on.
    BigEndian,
}

impl fmt::Display for ByteOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LittleEndian => "lowest byte first (sss:100100F0)",
            Self::BigEndian => "highest byte first (sss:F0000110)",
        })
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
        from_digits(text.strip_prefix("0x").unwrap_or(text)).ok_or_else(|| not_an_id(text))
    }
}

/// Exactly eight hexadecimal digits, and not 0: the SE050 has no object 0.
fn from_digits(digits: &str) -> Option<ObjectId> {
    let exact = digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let value = exact.then(|| u32::from_str_radix(digits, 16).ok()).flatten()?;
    (value != 0).then_some(ObjectId(value))
}

fn not_an_id(text: &str) -> Error {
    let reason = "an object id is 0x and eight hexadecimal digits (0xF0000110), or the label that the module shows, sss: and eight \
                  digits (sss:100100F0)";
    Error::InvalidSelector { text: text.to_owned(), reason: reason.to_owned() }
}

/// A key that NXP made in the chip, with its certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FactoryKey {
    /// The name under which a [`Selector`](crate::Selector) knows it; its certificate's has `-cert` behind it.
    pub name: &'static str,
    /// The key pair.
    pub key: ObjectId,
    /// Its certificate.
    pub certificate: ObjectId,
}

/// Source: NXP's middleware documentation, table 3.17 (key-id-range.html), and `sss/ex/inc/ex_sss_objid.h` of 04.03.00. NXP
/// calls number 0 "device" and number 1 "gateway". Not every chip carries every key.
const FACTORY_KEYS: [FactoryKey; 6] = [
    factory_key("cloud-connection-0-ecc256", 0xF000_0100),
    factory_key("cloud-connection-1-ecc256", 0xF000_0102),
    factory_key("cloud-connection-0-rsa2048", 0xF000_0110),
    factory_key("cloud-connection-1-rsa2048", 0xF000_0112),
    factory_key("cloud-connection-0-rsa4096", 0xF000_0120),
    factory_key("cloud-connection-1-rsa4096", 0xF000_0122),
];

impl FactoryKey {
    /// All of them.
    pub const ALL: &'static [Self] = &FACTORY_KEYS;

    /// The object that such a name means: the key's name, or the certificate's, which ends in `-cert`.
    pub(crate) fn object_named(name: &str) -> Option<ObjectId> {
        let key_name = name.strip_suffix("-cert");
        let known = Self::ALL.iter().find(|known| known.name == key_name.unwrap_or(name))?;
        Some(if key_name.is_some() { known.certificate } else { known.key })
    }
}

/// The certificate is the object after the key, for all of them.
const fn factory_key(name: &'static str, key: u32) -> FactoryKey {
    FactoryKey { name, key: ObjectId::new(key), certificate: ObjectId::new(key + 1) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: ObjectId = ObjectId::new(0xF000_0110);
    const SWAPPED: ObjectId = ObjectId::new(0x1001_00F0);

    #[test]
    fn a_label_means_one_id_or_two_or_none() {
        let cases: [(&str, &[ObjectId]); 9] = [
            ("0xF0000110", &[KEY]),
            ("F0000110", &[KEY]),
            ("f0000110", &[KEY]),
            ("cloud-connection-0-rsa2048", &[KEY]),
            ("cloud-connection-0-rsa2048-cert", &[ObjectId::new(0xF000_0111)]),
            ("sss:100100F0", &[KEY, SWAPPED]),
            ("sss:F0000110", &[SWAPPED, KEY]),
            ("sss:01000001", &[ObjectId::new(0x0100_0001)]),
            ("my key", &[]),
        ];
        for (label, expected) in cases {
            assert_eq!(ObjectId::candidates(label).unwrap(), expected, "{label}");
        }
        assert_eq!(ObjectId::candidates_of_cka_id(&[0x10, 0x01, 0x00, 0xF0]), [KEY, SWAPPED]);
        assert_eq!(ObjectId::candidates_of_cka_id(&[1]), []);
    }

    #[test]
    fn what_the_module_would_silently_read_as_another_object_is_refused() {
        for text in [
            "sss:",
            "sss:100100F",
            "sss:1100100F0",
            "sss:100100F0zz",
            "SSS:100100F0",
            "sss:0x100100F0",
            "0x0",
            "0XF0000110",
            "sss:00000000",
            "sss:+00100F0",
            "0xF000011",
            "sss:\u{e9}",
        ] {
            let error = ObjectId::candidates(text).unwrap_err();
            assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
        }
    }

    #[test]
    fn writes_both_byte_orders() {
        assert_eq!(KEY.label(ByteOrder::LittleEndian), "sss:100100F0");
        assert_eq!(KEY.label(ByteOrder::BigEndian), "sss:F0000110");
        assert_eq!(KEY.to_string(), "0xF0000110");
    }

    proptest! {
        #[test]
        fn every_id_is_among_the_candidates_of_every_form_of_it(value in 1_u32..) {
            let id = ObjectId::new(value);
            prop_assert_eq!(id.to_string().parse::<ObjectId>().unwrap(), id);
            for label in [id.to_string(), id.label(ByteOrder::LittleEndian), id.label(ByteOrder::BigEndian)] {
                prop_assert!(ObjectId::candidates(&label).unwrap().contains(&id), "{}", label);
            }
        }

        #[test]
        fn no_text_panics_and_only_eight_digits_are_an_id(text in "(sss:|0x|SSS:)?\\PC{0,12}") {
            if ObjectId::candidates(&text).is_ok_and(|ids| !ids.is_empty()) {
                let digits = text.trim_start_matches("sss:").trim_start_matches("0x");
                prop_assert_eq!(digits.len(), 8);
                prop_assert!(digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
            }
        }
    }

    #[test]
    fn knows_the_certificates_of_the_factory_keys_only() {
        assert_eq!(KEY.factory_certificate(), Some(ObjectId::new(0xF000_0111)));
        assert_eq!(ObjectId::new(0xF000_0111).factory_certificate(), None);
        assert_eq!(ObjectId::new(0x1000).factory_certificate(), None);
    }

    #[test]
    fn names_mean_keys_and_certificates() {
        assert_eq!(FactoryKey::object_named("cloud-connection-0-rsa2048"), Some(ObjectId::new(0xF000_0110)));
        assert_eq!(
            FactoryKey::object_named("cloud-connection-1-ecc256-cert"),
            Some(ObjectId::new(0xF000_0103))
        );
        assert_eq!(FactoryKey::object_named("cloud-connection-2-rsa2048"), None);
    }
}
