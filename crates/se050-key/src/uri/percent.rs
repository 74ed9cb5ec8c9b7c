//! Percent-encoding (RFC 3986, section 2.1), and what RFC 7512 lets stand without it.

/// The bytes that a value means.
pub(super) fn bytes(value: &str) -> Result<Vec<u8>, String> {
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
            plain if stands_plain(plain) => bytes.push(plain),
            other => {
                let character = char::from(other);
                return Err(format!("the character {character:?} has to be percent-encoded: %{other:02X}"));
            }
        }
    }
    Ok(bytes)
}

/// The text that a value means. No NUL: PKCS#11's labels end there in some modules.
pub(super) fn text(value: &str) -> Result<String, String> {
    let text = without_nul(utf8(value)?)?;
    if text.is_empty() { Err("a value is empty".into()) } else { Ok(text) }
}

/// The same for a field of CK_TOKEN_INFO, which is padded with blanks, by NXP's module up to 4.3 also with a NUL. It
/// may be empty.
pub(super) fn padded_text(value: &str) -> Result<String, String> {
    without_nul(utf8(value)?.trim_end_matches(['\0', ' ']).to_owned())
}

fn utf8(value: &str) -> Result<String, String> {
    String::from_utf8(bytes(value)?).map_err(|_| "a value is no UTF-8 text".to_owned())
}

fn without_nul(text: String) -> Result<String, String> {
    if text.contains('\0') { Err("a value holds a NUL character".into()) } else { Ok(text) }
}

/// What may stand as it is in a path and in a query value (RFC 7512, section 2.3: pk11-res-avail, unreserved and the
/// ampersand; a slash only in the query, but it does no harm in a path).
fn stands_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:[]@!$'()*+,=/|&".contains(&byte)
}
