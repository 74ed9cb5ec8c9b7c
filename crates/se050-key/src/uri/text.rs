//! Percent-encoding (RFC 3986, section 2.1), and what RFC 7512 lets stand without it.

/// The bytes that a value means.
pub(super) fn decoded(value: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
                let (high, low) = (digit(rest.next()), digit(rest.next()));
                let value = high.zip(low).and_then(|(high, low)| u8::try_from(high << 4 | low).ok());
                bytes.push(value.ok_or("a percent sign without two hexadecimal digits behind it")?);
            }
            plain if stands_plain(plain) || plain == b'&' => bytes.push(plain),
            other => return Err(format!("the character {:?} has to be percent-encoded", char::from(other))),
        }
    }
    Ok(bytes)
}

/// The text that a value means. No NUL: PKCS#11's labels end there in some modules.
pub(super) fn decoded_text(value: &str) -> Result<String, String> {
    let text = String::from_utf8(decoded(value)?).map_err(|_| "a value is no UTF-8 text")?;
    if text.is_empty() || text.contains('\0') {
        return Err("a value is empty or holds a NUL character".into());
    }
    Ok(text)
}

pub(super) fn encoded(bytes: &[u8]) -> String {
    let character = |byte: &u8| match byte {
        plain if stands_plain(*plain) => char::from(*plain).to_string(),
        other => format!("%{other:02X}"),
    };
    bytes.iter().map(character).collect()
}

/// As RFC 7512 advises for `id`: every byte.
pub(super) fn all_encoded(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("%{byte:02X}")).collect()
}

pub(super) fn joined(attributes: &[(&str, Option<String>)], separator: &str) -> String {
    let given = attributes.iter().filter_map(|(name, value)| Some(format!("{name}={}", value.as_ref()?)));
    given.collect::<Vec<_>>().join(separator)
}

/// The URI as an error may show it: a `pin-value` is cut off.
pub(super) fn without_pin(uri: &str) -> String {
    match uri.split_once("pin-value") {
        Some((before, _)) => format!("{before}pin-value=..."),
        None => uri.to_owned(),
    }
}

/// What may stand as it is in a path and in a query value (RFC 7512, section 2.3: pk11-res-avail and unreserved; a slash
/// only in the query, but it does no harm in a path).
fn stands_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:[]@!$'()*+,=/|".contains(&byte)
}
