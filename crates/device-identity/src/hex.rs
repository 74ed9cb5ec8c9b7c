//! Bytes as lower-case hexadecimal digits.

pub(crate) fn encode(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_was_encoded_is_decoded() {
        assert_eq!(super::decode("00ffA0"), Some(vec![0, 255, 160]));
        assert_eq!(super::encode(&[0, 255, 160]), "00ffa0");
        for wrong in ["0", "0g", "é0"] {
            assert_eq!(super::decode(wrong), None, "{wrong}");
        }
    }
}
