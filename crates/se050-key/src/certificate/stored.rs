//! What a chip or a file holds, and the certificate in it.

use der::{Encode as _, Header, Reader as _, SliceReader};

/// The DER of the first certificate, and how many bytes follow it.
pub(super) fn certificate(stored: &[u8]) -> Result<(Vec<u8>, usize), String> {
    if !stored.trim_ascii_start().starts_with(b"-----BEGIN") {
        let der = outer_sequence(stored)?;
        return Ok((der.to_vec(), stored.len() - der.len()));
    }
    // A chip pads what it stores with zeros, which PEM's reader takes for text.
    let text_ends = stored.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let text = stored.get(..text_ends).unwrap_or_default();
    let parts = pem::parse_many(text).map_err(|error| error.to_string())?;
    let first = parts.into_iter().find(|part| part.tag() == "CERTIFICATE");
    let first = first.ok_or("PEM without a CERTIFICATE part")?;
    Ok((first.into_contents(), stored.len() - text_ends))
}

/// The DER value at the start of `stored`, without what follows it.
fn outer_sequence(stored: &[u8]) -> Result<&[u8], String> {
    let length = || -> Result<usize, der::Error> {
        let mut reader = SliceReader::new(stored)?;
        let header = <Header as der::Decode>::decode(&mut reader)?;
        let total = (header.encoded_len()? + header.length())?;
        reader.read_slice(header.length())?;
        usize::try_from(total)
    };
    let length = length().map_err(|error| error.to_string())?;
    stored.get(..length).ok_or_else(|| "it is cut short".to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_first_der_value_is_taken_and_the_rest_counted(
            content in prop::collection::vec(any::<u8>(), 0..700),
            trailing in prop::collection::vec(any::<u8>(), 0..30),
        ) {
            let der = der::asn1::OctetString::new(content).unwrap().to_der().unwrap();
            let stored = [&der[..], &trailing].concat();
            prop_assert_eq!(certificate(&stored).unwrap(), (der, trailing.len()));
        }

        #[test]
        fn nothing_that_a_chip_may_hold_panics(stored in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = certificate(&stored);
        }

        #[test]
        fn nothing_that_begins_like_pem_panics(text in "-----BEGIN [A-Z]{0,12}-----\\PC{0,80}") {
            let _ = certificate(text.as_bytes());
        }
    }
}
