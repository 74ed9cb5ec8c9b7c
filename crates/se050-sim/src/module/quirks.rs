//! What differs from version to version of NXP's module. It is asked here, by the name of the quirk, and nowhere else.

use std::time::Duration;

use cryptoki_sys::*;

use crate::Version;

/// What a version does with CKA_ID in a search.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum IdInSearch {
    /// Not looked at: everything is found.
    Ignored,
    /// The id as the machine's 32-bit number.
    Native,
    /// The id's bytes as they are written.
    BigEndian,
}

/// How a search without label and id goes through the objects.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Enumeration {
    /// As many as there is room for.
    Plain,
    /// One object a call, however much room there is.
    OneByOne,
    /// As many objects as there is room for are taken, and only then it is looked which of them fit.
    FilteredAfterwards,
}

/// How r and s are taken out of the chip's DER.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum RawEcdsa {
    /// A number that lost its leading zero byte loses another one: 62 bytes, of no use.
    LosesTwo,
    /// A number that lost its leading zero byte stays short: 63 bytes.
    LosesOne,
}

impl RawEcdsa {
    /// By how much a signature is shorter in which one number begins with a zero byte.
    pub(super) fn bytes_lost(self) -> usize {
        match self {
            Self::LosesTwo => 2,
            Self::LosesOne => 1,
        }
    }
}

impl Version {
    /// Whether the hex digits of a label are the id's bytes in reverse.
    pub(super) fn labels_are_little_endian(self) -> bool {
        matches!(self, Self::V4_2 | Self::V4_3)
    }

    /// What C_FindObjects answers to a label that names the id zero: an error, or nothing found.
    pub(super) fn refuses_label_zero(self) -> bool {
        self != Self::V3_3
    }

    pub(super) fn id_in_search(self) -> IdInSearch {
        match self {
            Self::V3_3 => IdInSearch::Ignored,
            Self::V4_2 | Self::V4_3 => IdInSearch::Native,
            Self::V4_7 => IdInSearch::BigEndian,
        }
    }

    /// CKA_ID as it is read back.
    pub(super) fn id_bytes(self, id: u32) -> [u8; 4] {
        if self == Self::V4_7 { id.to_be_bytes() } else { id.to_ne_bytes() }
    }

    /// C_FindObjects' answer to an id that no object has.
    pub(super) fn missing_id(self) -> CK_RV {
        if self == Self::V4_7 { CKR_FUNCTION_FAILED } else { CKR_OK }
    }

    pub(super) fn enumeration(self) -> Enumeration {
        match self {
            Self::V3_3 => Enumeration::Plain,
            Self::V4_2 | Self::V4_3 => Enumeration::OneByOne,
            Self::V4_7 => Enumeration::FilteredAfterwards,
        }
    }

    /// The room for handles that an enumeration asks for: on 4.3 a check is the wrong way round.
    pub(super) fn room_wanted(self) -> usize {
        if self == Self::V4_3 { 200 } else { 1 }
    }

    /// Whether an enumeration without a class lists each key pair twice, as a private and as a public key.
    pub(super) fn lists_pairs_twice(self) -> bool {
        self == Self::V4_3
    }

    /// Whether a key pair is found as a public key, too.
    pub(super) fn finds_public_keys(self) -> bool {
        matches!(self, Self::V4_3 | Self::V4_7)
    }

    /// Whether the upper half of an enumerated handle is whatever was in memory before.
    pub(super) fn leaves_garbage_in_handles(self) -> bool {
        self != Self::V4_7
    }

    /// The object's id in its handle: the low 32 bits. Up to 4.3 the others are not looked at.
    pub(super) fn object_id(self, handle: CK_OBJECT_HANDLE) -> Option<u32> {
        if self == Self::V4_7 { u32::try_from(handle).ok() } else { Some(handle as u32) }
    }

    /// Whether a running search lets attributes be read only of what it has found. Before it has found anything, this
    /// follows a null pointer.
    pub(super) fn reads_attributes_from_the_search(self) -> bool {
        matches!(self, Self::V4_2 | Self::V4_3)
    }

    /// Whether enumerating without the chip leaves the module's lock taken, for ever.
    pub(super) fn loses_its_lock(self) -> bool {
        self == Self::V4_7
    }

    /// Whether a session's handle is the address of its memory, which is used unseen.
    pub(super) fn session_handles_are_pointers(self) -> bool {
        self == Self::V3_3
    }

    /// Whether a C_OpenSession that does not reach the chip takes one of the three places for good, and writes a
    /// handle for it.
    pub(super) fn leaks_failed_opens(self) -> bool {
        self != Self::V3_3
    }

    /// Whether one session too many closes the chip under the others.
    pub(super) fn fourth_session_closes_the_chip(self) -> bool {
        self == Self::V4_7
    }

    pub(super) fn closes_all_sessions(self) -> bool {
        self == Self::V4_7
    }

    /// Whether C_GetSlotList is refused before C_Initialize, and a slot's id is looked at wherever one is given.
    pub(super) fn checks_slots(self) -> bool {
        self == Self::V4_7
    }

    /// C_OpenSession's answer to a slot that is not there.
    pub(super) fn no_such_slot(self) -> CK_RV {
        if self == Self::V4_7 { CKR_SLOT_ID_INVALID } else { CKR_ARGUMENTS_BAD }
    }

    /// Whether C_Initialize looks at its flags; else it looks at its reserved pointer.
    pub(super) fn checks_initialize_flags(self) -> bool {
        self != Self::V4_7
    }

    /// Whether the chip can be asked only between C_Initialize and C_Finalize. The lock goes with the latter.
    pub(super) fn needs_its_lock(self) -> bool {
        self == Self::V4_7
    }

    /// Whether a session ends for the process that opened it when a child uses it after a fork: the frames on the bus
    /// are numbered.
    pub(super) fn loses_its_session_to_a_child(self) -> bool {
        self == Self::V4_7
    }

    /// Whether the texts of C_GetInfo are blank, and a NUL lies in the padding of C_GetSlotInfo's.
    pub(super) fn forgets_its_texts(self) -> bool {
        self != Self::V4_7
    }

    /// Whether the mechanism list's length is told in bytes.
    pub(super) fn counts_mechanisms_in_bytes(self) -> bool {
        self != Self::V4_7
    }

    /// Whether an operation that goes on keeps the session from beginning another one.
    pub(super) fn wedges(self) -> bool {
        self != Self::V4_7
    }

    /// Whether a buffer that is too small learns the length that is needed.
    pub(crate) fn tells_needed_length(self) -> bool {
        self != Self::V4_7
    }

    /// Whether the mechanisms that hash a message work: 4.3 hashes with a session that it never opens.
    pub(super) fn can_hash(self) -> bool {
        self != Self::V4_3
    }

    /// Whether the chip is asked to hash a label that is not an `sss:` one.
    pub(super) fn hashes_labels_on_chip(self) -> bool {
        self != Self::V4_7
    }

    /// Whether hashes are computed on the chip, digest by digest.
    pub(super) fn hashes_on_chip(self) -> bool {
        matches!(self, Self::V3_3 | Self::V4_2)
    }

    /// Whether CKM_ECDSA_SHA224 to CKM_ECDSA_SHA512 are there.
    pub(super) fn has_ecdsa_sha2(self) -> bool {
        self == Self::V4_7
    }

    /// C_Sign's answer when CKM_RSA_PKCS_PSS came without parameters.
    pub(super) fn missing_pss_parameters(self) -> CK_RV {
        if self == Self::V4_7 { CKR_MECHANISM_INVALID } else { CKR_ARGUMENTS_BAD }
    }

    /// C_Sign's answer to CKM_RSA_PKCS when the key's size cannot be read: no such key, or no chip.
    pub(super) fn rsa_key_unreadable(self) -> CK_RV {
        if self == Self::V4_7 { CKR_FUNCTION_FAILED } else { CKR_KEY_HANDLE_INVALID }
    }

    pub(super) fn raw_ecdsa(self) -> RawEcdsa {
        if self == Self::V4_7 { RawEcdsa::LosesOne } else { RawEcdsa::LosesTwo }
    }

    /// Whether CKA_EC_PARAMS can be read from an SE050.
    pub(super) fn reads_ec_params(self) -> bool {
        self != Self::V4_7
    }

    pub(super) fn has_object_size(self) -> bool {
        self == Self::V4_7
    }

    /// How long the module waits for a chip that acknowledges and does not answer.
    pub(super) fn gives_up_after(self) -> Duration {
        if self == Self::V4_7 { Duration::from_secs(145) } else { Duration::from_millis(3500) }
    }

    /// How long it waits for one that dies in the middle of an operation.
    pub(super) fn gives_up_a_dying_chip_after(self) -> Duration {
        if self == Self::V4_7 { Duration::from_secs(36) } else { Duration::from_millis(1150) }
    }

    /// Whether a chip that dies in the middle of a signature leaves the session wedged.
    pub(super) fn wedges_when_the_chip_dies(self) -> bool {
        matches!(self, Self::V4_2 | Self::V4_3)
    }
}
