//! Just enough of X.509 to tell a certificate from other bytes, and to give out its subject.

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const VERSION: u8 = 0xA0;

/// The certificate's subject, in DER. `None` when the bytes are no certificate; bytes behind it are ignored, as the real
/// parser does.
pub(super) fn subject(stored: &[u8]) -> Option<&[u8]> {
    let (certificate, _) = element(stored, SEQUENCE)?;
    let (to_be_signed, _) = element(certificate.content, SEQUENCE)?;
    let fields = to_be_signed.content;
    // Version 1 has no version field.
    let fields = element(fields, VERSION).map_or(fields, |(_, rest)| rest);
    let (_serial_number, fields) = element(fields, INTEGER)?;
    let (_algorithm, fields) = element(fields, SEQUENCE)?;
    let (_issuer, fields) = element(fields, SEQUENCE)?;
    let (_validity, fields) = element(fields, SEQUENCE)?;
    let (subject, _) = element(fields, SEQUENCE)?;
    Some(subject.whole)
}

struct Element<'a> {
    whole: &'a [u8],
    content: &'a [u8],
}

/// The first element, when it has that tag, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(Element<'_>, &[u8])> {
    let (header, length) = match *der {
        [found, length @ ..=0x7F, ..] if found == tag => (2, usize::from(length)),
        [found, 0x81, length, ..] if found == tag => (3, usize::from(length)),
        [found, 0x82, high, low, ..] if found == tag => (4, usize::from(u16::from_be_bytes([high, low]))),
        _ => return None,
    };
    let (whole, rest) = der.split_at_checked(header + length)?;
    Some((Element { whole, content: whole.get(header..)? }, rest))
}
