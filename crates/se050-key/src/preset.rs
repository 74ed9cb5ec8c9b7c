//! The objects that NXP puts into an SE050 of variant C for connections to a cloud.

use crate::ObjectId;

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
        let key = |name: &str| Self::ALL.iter().find(|preset| preset.name == name);
        match name.strip_suffix("-cert") {
            Some(key_name) => key(key_name).map(|preset| preset.certificate),
            None => key(name).map(|preset| preset.key),
        }
    }
}

/// The certificate is the object after the key, for all of them.
const fn factory_key(name: &'static str, key: u32) -> FactoryKey {
    FactoryKey { name, key: ObjectId::new(key), certificate: ObjectId::new(key + 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

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
