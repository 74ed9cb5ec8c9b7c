//! From a label to an object id, as NXP's `LabelToKeyId` does it.

use cryptoki_sys::{CK_RV, CKR_ARGUMENTS_BAD};
use sha2::{Digest as _, Sha512};

/// Case-sensitive: `SSS:` is a label like any other.
const PREFIX: &[u8] = b"sss:";

/// The id that a label names. In versions 4.0 to 4.3 the hex digits are the id's bytes in reverse.
pub(super) fn object_id(label: &[u8]) -> Result<u32, CK_RV> {
    let Some(digits) = label.strip_prefix(PREFIX) else {
        // No error for a misspelt label: it names some id that no object has.
        let [.., a, b, c, d]: [u8; 64] = Sha512::digest(label).into();
        return Ok(u32::from_be_bytes([a, b, c, d]));
    };
    match hexadecimal(digits) {
        0 => Err(CKR_ARGUMENTS_BAD),
        value => Ok((value as u32).swap_bytes()),
    }
}

/// The label that names an id, as `CKA_LABEL` gives it back.
pub(super) fn of(id: u32) -> String {
    format!("sss:{:08X}", id.swap_bytes())
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
        let named: &[(&str, &str, Result<u32, CK_RV>)] = &[
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
            assert_eq!(object_id(label.as_bytes()), *expected, "{case}");
        }
    }

    #[test]
    fn other_labels_are_hashed() {
        // The end of `printf device | sha512sum`.
        assert_eq!(object_id(b"device"), Ok(HASH_OF_DEVICE));
        assert_ne!(object_id(b"SSS:100100F0"), Ok(0xF000_0110));
    }

    const HASH_OF_DEVICE: u32 = 0xc5a993fb;

    #[test]
    fn a_label_names_its_own_id() {
        assert_eq!(of(0xF000_0110), "sss:100100F0");
        assert_eq!(object_id(of(0xF000_0101).as_bytes()), Ok(0xF000_0101));
    }
}
