//! Just enough of X.509 to say what the module says about a stored certificate.

/// A certificate's parts that the module gives out, still in DER.
pub(super) struct Certificate<'a> {
    pub(super) issuer: &'a [u8],
    pub(super) subject: &'a [u8],
    /// The content of subjectPublicKeyInfo's BIT STRING, without its count of unused bits.
    pub(super) public_key: &'a [u8],
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const VERSION: u8 = 0xA0;

impl<'a> Certificate<'a> {
    /// `None` when the bytes are no certificate. Bytes behind it are ignored, as the real parser does.
    pub(super) fn parse(stored: &'a [u8]) -> Option<Self> {
        let (outer, _) = element(stored, SEQUENCE)?;
        let (tbs, rest) = element(outer.content, SEQUENCE)?;
        let (_algorithm, rest) = element(rest, SEQUENCE)?;
        let (_signature, _) = element(rest, BIT_STRING)?;

        let rest = element(tbs.content, VERSION).map_or(tbs.content, |(_, rest)| rest);
        let (_serial, rest) = element(rest, INTEGER)?;
        let (_algorithm, rest) = element(rest, SEQUENCE)?;
        let (issuer, rest) = element(rest, SEQUENCE)?;
        let (_validity, rest) = element(rest, SEQUENCE)?;
        let (subject, rest) = element(rest, SEQUENCE)?;
        let (key_info, _) = element(rest, SEQUENCE)?;
        let (_algorithm, rest) = element(key_info.content, SEQUENCE)?;
        let (key, _) = element(rest, BIT_STRING)?;
        Some(Self { issuer: issuer.whole, subject: subject.whole, public_key: key.content.get(1..)? })
    }
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
