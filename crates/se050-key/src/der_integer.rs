//! Unsigned big-endian integers to DER, as ECDSA signatures and RSA public keys need them.

use der::Encode as _;
use der::asn1::UintRef;

/// `ECDSA-Sig-Value ::= SEQUENCE { r INTEGER, s INTEGER }` (RFC 3279, section 2.2.3) from PKCS#11's r||s, both halves of equal length.
pub(crate) fn ecdsa_signature(r_and_s: &[u8]) -> Result<Vec<u8>, der::Error> {
    let (r, s) = r_and_s.split_at(r_and_s.len() / 2);
    sequence_of_two(r, s)
}

/// `RSAPublicKey ::= SEQUENCE { modulus INTEGER, publicExponent INTEGER }` (RFC 8017, appendix A.1.1).
pub(crate) fn rsa_public_key(modulus: &[u8], exponent: &[u8]) -> Result<Vec<u8>, der::Error> {
    sequence_of_two(modulus, exponent)
}

fn sequence_of_two(first: &[u8], second: &[u8]) -> Result<Vec<u8>, der::Error> {
    // UintRef drops leading zeros, and puts one before a set high bit.
    vec![UintRef::new(first)?, UintRef::new(second)?].to_der()
}

#[cfg(test)]
mod tests {
    use der::Decode as _;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn integers_are_minimal_and_positive() {
        let cases: [(&str, [u8; 4], &[u8]); 4] = [
            ("plain", [0x01, 0x02, 0x03, 0x04], &[0x30, 8, 2, 2, 1, 2, 2, 2, 3, 4]),
            ("leading zero dropped", [0x00, 0x02, 0x03, 0x04], &[0x30, 7, 2, 1, 2, 2, 2, 3, 4]),
            ("high bit padded", [0x80, 0x02, 0x03, 0x04], &[0x30, 9, 2, 3, 0, 0x80, 2, 2, 2, 3, 4]),
            (
                "zero before a high bit kept once",
                [0x00, 0x80, 0x00, 0xff],
                &[0x30, 8, 2, 2, 0, 0x80, 2, 2, 0, 0xff],
            ),
        ];
        for (name, r_and_s, expected) in cases {
            assert_eq!(ecdsa_signature(&r_and_s).unwrap(), expected, "{name}");
        }
    }

    proptest! {
        /// OpenSSL and ring read the result; here the reverse way is taken by hand.
        #[test]
        fn both_halves_come_back_from_der(
            r in integer(), s in integer()
        ) {
            let der = ecdsa_signature(&[r.clone(), s.clone()].concat()).unwrap();
            let read = Vec::<UintRef<'_>>::from_der(&der).unwrap();
            prop_assert_eq!(left_padded(read[0].as_bytes()), r);
            prop_assert_eq!(left_padded(read[1].as_bytes()), s);
        }

        #[test]
        fn no_length_panics(r_and_s in prop::collection::vec(any::<u8>(), 0..140)) {
            let _ = ecdsa_signature(&r_and_s);
        }
    }

    /// 32 bytes, often with leading zeros or a set high bit.
    fn integer() -> impl Strategy<Value = Vec<u8>> {
        (0_usize..4, prop::collection::vec(any::<u8>(), 32), any::<bool>()).prop_map(
            |(zeros, mut bytes, high_bit)| {
                bytes[..zeros].fill(0);
                if high_bit {
                    bytes[zeros] |= 0x80;
                }
                bytes
            },
        )
    }

    fn left_padded(bytes: &[u8]) -> Vec<u8> {
        [vec![0; 32 - bytes.len()], bytes.to_vec()].concat()
    }
}
