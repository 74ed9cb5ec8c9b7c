//! What an operation costs on the bus. Measured on NXP's modules, except where it says estimated.

use crate::Version;

/// Commands to the chip, and temporary objects in its memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cost {
    pub(super) apdus: u32,
    pub(super) nvm_objects: u32,
}

impl Cost {
    /// The end of the first C_OpenSession, after three frames that are no commands.
    pub(super) const OPEN: Self = Self::apdus(1);
    pub(super) const RANDOM: Self = Self::apdus(1);
    /// By label or by id.
    pub(super) const FIND: Self = Self::apdus(2);
    /// The value of a certificate.
    pub(super) const READ_VALUE: Self = Self::apdus(5);
    /// A modulus, an exponent; the point of an EC key is taken to cost as much.
    pub(super) const READ_KEY: Self = Self::apdus(4);
    /// The class of what is not a key is found by reading all of it and parsing.
    pub(super) const CLASS_OF_BINARY: Self = Self::apdus(14);
    /// Any other attribute that the chip is asked for; estimated.
    pub(super) const ATTRIBUTE: Self = Self::apdus(2);
    /// Hashing a message on the chip: PKCS#1 v1.5 of a message against that of a DigestInfo.
    const HASH: Self = Self { apdus: 3, nvm_objects: 1 };

    const fn apdus(apdus: u32) -> Self {
        Self { apdus, nvm_objects: 0 }
    }

    /// An enumeration's first step: the list of ids, and a look at each; estimated.
    pub(super) fn enumeration(objects: usize) -> Self {
        Self::apdus(1 + 2 * u32::try_from(objects).unwrap_or(u32::MAX / 4))
    }

    /// A search by a label; that hashing one costs as much as hashing a message is estimated.
    pub(super) fn find_label(version: Version, hashed: bool) -> Self {
        if hashed && version.hashes_labels_on_chip() { Self::FIND.plus(Self::HASH) } else { Self::FIND }
    }

    pub(super) fn ecdsa(version: Version, hashes: bool) -> Self {
        Self::apdus(4).with_hash(version, hashes)
    }

    pub(super) fn rsa_pkcs(version: Version, hashes: bool) -> Self {
        let apdus = if version == Version::V4_7 { 6 } else { 7 };
        Self::apdus(apdus).with_hash(version, hashes)
    }

    /// Where the chip hashes, it makes PSS's mask in small pieces: 50 commands for 2048 bits, 90 for 4096.
    pub(super) fn rsa_pss(version: Version, modulus: u32, hashes: bool) -> Self {
        if version.hashes_on_chip() {
            Self { apdus: 10 + 40 * modulus / 256, nvm_objects: 2 }.with_hash(version, hashes)
        } else {
            Self::apdus(4)
        }
    }

    fn with_hash(self, version: Version, hashes: bool) -> Self {
        if hashes && version.hashes_on_chip() { self.plus(Self::HASH) } else { self }
    }

    fn plus(self, other: Self) -> Self {
        Self { apdus: self.apdus + other.apdus, nvm_objects: self.nvm_objects + other.nvm_objects }
    }
}
