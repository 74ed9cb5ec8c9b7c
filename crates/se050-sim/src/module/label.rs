//! From a label to an object id, as NXP's `LabelToKeyId` does it.

use cryptoki_sys::CKR_ARGUMENTS_BAD;
use sha2::{Digest as _, Sha512};

use super::Answer;
use crate::Version;

/// Case-sensitive: `SSS:` is a label like any other.
const PREFIX: &[u8] = b"sss:";

/// The id that a label names, if any.
pub(super) fn object_id(label: &[u8], version: Version) -> Answer<Option<u32>> {
    let Some(digits) = label.strip_prefix(PREFIX) else {
        // No error for a misspelt label: it names some id that no object has.
        let [.., a, b, c, d]: [u8; 64] = Sha512::digest(label).into();
        return Ok(Some(u32::from_be_bytes([a, b, c, d])));
    };
    match hexadecimal(digits) {
        0 if version.refuses_label_zero() => Err(CKR_ARGUMENTS_BAD),
        0 => Ok(None),
        value => Ok(Some(in_order(value as u32, version))),
    }
}

/// The label that names an id, as `CKA_LABEL` gives it back.
pub(super) fn of(id: u32, version: Version) -> String {
    format!("sss:{:08X}", in_order(id, version))
}

/// Whether this label names the id by its hash.
pub(super) fn is_hashed(label: &[u8]) -> bool {
    !label.starts_with(PREFIX)
}

fn in_order(number: u32, version: Version) -> u32 {
    if version.labels_are_little_endian() { number.swap_bytes() } else { number }
}

/// C's `strtoul(text, NULL, 16)` with a 64-bit `unsigned long`: blanks, a sign and `0x` may come first, and what
/// follows the last digit is ignored.
fn hexadecimal(text: &[u8]) -> u64 {
    let blanks = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r')).count();
    let text = text.get(blanks..).unwrap_or_default();
    let (negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let text = match text {
        [b'0', b'x' | b'X', rest @ ..] if rest.first().is_some_and(u8::is_ascii_hexdigit) => rest,
        _ => text,
    };
    let digits = text.iter().map_while(|byte| char::from(*byte).to_digit(16));
    let value = digits.fold(0_u64, |value, digit| match value.checked_mul(16) {
        Some(shifted) => shifted | u64::from(digit),
        None => u64::MAX,
    });
    if negative { value.wrapping_neg() } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_name_ids_as_in_nxps_module() {
        let named: &[(&str, &str, Answer<u32>)] = &[
            ("reversed bytes", "sss:100100F0", Ok(0xF000_0110)),
            ("lower case", "sss:100100f0", Ok(0xF000_0110)),
            ("with 0x", "sss:0x100100F0", Ok(0xF000_0110)),
            ("leading blanks", "sss: \t100100F0", Ok(0xF000_0110)),
            ("rubbish behind", "sss:100100F0zz", Ok(0xF000_0110)),
            ("nine digits keep the low 32 bits", "sss:1100100F0", Ok(0xF000_0110)),
            ("seven digits are another id", "sss:100100F", Ok(0x0F10_0001)),
            ("too many digits saturate", "sss:11111111111111111", Ok(0xFFFF_FFFF)),
            ("a sign", "sss:-1", Ok(0xFFFF_FFFF)),
            ("zero", "sss:0", Err(CKR_ARGUMENTS_BAD)),
            ("no digits", "sss:", Err(CKR_ARGUMENTS_BAD)),
            ("no hex digits", "sss:xyz", Err(CKR_ARGUMENTS_BAD)),
        ];
        for (case, label, expected) in named {
            assert_eq!(object_id(label.as_bytes(), Version::V4_2), expected.map(Some), "{case}");
        }
    }

    #[test]
    fn versions_differ_in_byte_order_and_zero() {
        for version in [Version::V3_3, Version::V4_7] {
            assert_eq!(object_id(b"sss:F0000110", version), Ok(Some(0xF000_0110)), "{version}");
            assert_eq!(object_id(b"sss:100100F0", version), Ok(Some(0x1001_00F0)), "{version}");
        }
        assert_eq!(object_id(b"sss:100100F0", Version::V4_3), Ok(Some(0xF000_0110)));
        assert_eq!(object_id(b"sss:0", Version::V3_3), Ok(None));
        assert_eq!(object_id(b"sss:0", Version::V4_7), Err(CKR_ARGUMENTS_BAD));
    }

    #[test]
    fn other_labels_are_hashed() {
        // The end of `printf device | sha512sum`.
        assert_eq!(object_id(b"device", Version::V4_2), Ok(Some(0xC5A9_93FB)));
        assert_ne!(object_id(b"SSS:100100F0", Version::V4_2), Ok(Some(0xF000_0110)));
    }

    #[test]
    fn a_label_names_its_own_id() {
        assert_eq!(of(0xF000_0110, Version::V4_2), "sss:100100F0");
        assert_eq!(of(0xF000_0110, Version::V4_7), "sss:F0000110");
        for version in Version::ALL {
            assert_eq!(object_id(of(0xF000_0101, version).as_bytes(), version), Ok(Some(0xF000_0101)));
        }
    }
}
