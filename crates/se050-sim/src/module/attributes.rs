//! C_GetAttributeValue: what the module says about an object, and how it says that it will not.

use std::sync::Arc;

use cryptoki_sys::*;
use rsa::traits::PublicKeyParts as _;

use super::cost::Cost;
use super::{Bus, Session, identity, label, process};
use crate::Version;
use crate::chip::Object;

/// The buffer that the module reads an object into, in bytes: a longer certificate cannot be read.
const OBJECT_BUFFER: usize = 2048;

/// OpenSC's CKA_NON_REPUDIATION, of version 0.17 and of 0.21, which NXP's module answers.
const OPENSC_NON_REPUDIATION: [CK_ATTRIBUTE_TYPE; 2] = [0x8000_0001, 0xCF53_4301];

/// The object identifier of P-256, in DER.
const P256_OID: [u8; 10] = [0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];

/// An attribute that is not given: the function's answer, and what the attribute's length becomes.
pub(crate) struct Refusal {
    pub(crate) answer: CK_RV,
    pub(crate) length: CK_ULONG,
}

/// The value of one attribute.
pub(super) fn read(
    session: &Session,
    bus: &mut Bus,
    handle: CK_OBJECT_HANDLE,
    attribute: CK_ATTRIBUTE_TYPE,
) -> Result<Vec<u8>, Refusal> {
    let version = bus.version();
    let id = version.object_id(handle).ok_or(FAILED)?;
    let mut target = Target { session, bus, id };
    match attribute {
        // These are the same for each handle; the module does not even look whether there is an object.
        CKA_TOKEN => bool(true),
        CKA_CERTIFICATE_TYPE => ulong(CKC_X_509),
        CKA_PRIVATE
        | CKA_ALWAYS_AUTHENTICATE
        | CKA_WRAP
        | CKA_UNWRAP
        | CKA_SIGN_RECOVER
        | CKA_VERIFY_RECOVER
        | CKA_NEVER_EXTRACTABLE
        | CKA_LOCAL => bool(false),
        CKA_APPLICATION | CKA_OBJECT_ID => Ok(Vec::new()),
        // These are read from the chip, search or not.
        CKA_SUBJECT => subject(&*target.stored(Cost::READ_VALUE)?),
        CKA_VALUE_LEN => ulong(size(&*target.stored(Cost::ATTRIBUTE)?)),
        _ if OPENSC_NON_REPUDIATION.contains(&attribute) => bool(false),
        CKA_ID
        | CKA_LABEL
        | CKA_CLASS
        | CKA_KEY_TYPE
        | CKA_VALUE
        | CKA_MODULUS_BITS
        | CKA_PRIME_BITS
        | CKA_MODULUS
        | CKA_PUBLIC_EXPONENT
        | CKA_EC_PARAMS
        | CKA_EC_POINT
        | CKA_ENCRYPT
        | CKA_DECRYPT
        | CKA_SIGN
        | CKA_VERIFY
        | CKA_DERIVE
        | CKA_SENSITIVE
        | CKA_ALWAYS_SENSITIVE
        | CKA_EXTRACTABLE
        | CKA_MODIFIABLE
        | CKA_ALLOWED_MECHANISMS => of_object(&*target.found(attribute)?, id, attribute, version),
        // Never CKR_ATTRIBUTE_TYPE_INVALID: what the module does not know, it calls sensitive.
        _ => unavailable(CKR_ATTRIBUTE_SENSITIVE),
    }
}

struct Target<'a> {
    session: &'a Session,
    bus: &'a mut Bus,
    id: u32,
}

impl Target<'_> {
    fn stored(&mut self, cost: Cost) -> Result<Arc<Object>, Refusal> {
        self.bus.operate(cost).map_err(|_| FAILED)?;
        self.bus.object(self.id).ok_or(FAILED)
    }

    /// The object, as far as a running search lets it be seen.
    fn found(&mut self, attribute: CK_ATTRIBUTE_TYPE) -> Result<Arc<Object>, Refusal> {
        if self.bus.version().reads_attributes_from_the_search() {
            if self.session.search.reads_nowhere() {
                let what = "attributes are read while a search runs that has found nothing";
                return refuse(process::crash(self.bus.crashes(), what));
            }
            if !self.session.search.lets_read(self.id) {
                return Err(FAILED);
            }
        }
        let cost = match (attribute, self.bus.object(self.id).as_deref()) {
            (CKA_VALUE, _) => Cost::READ_VALUE,
            (CKA_CLASS, Some(Object::Binary(_))) => Cost::CLASS_OF_BINARY,
            (CKA_MODULUS | CKA_PUBLIC_EXPONENT | CKA_EC_POINT, _) => Cost::READ_KEY,
            _ => Cost::ATTRIBUTE,
        };
        self.stored(cost)
    }
}

fn of_object(
    object: &Object,
    id: u32,
    attribute: CK_ATTRIBUTE_TYPE,
    version: Version,
) -> Result<Vec<u8>, Refusal> {
    let key_pair = !matches!(object, Object::Binary(_));
    match attribute {
        CKA_ID => Ok(version.id_bytes(id).to_vec()),
        CKA_LABEL => Ok(label::of(id, version).into_bytes()),
        CKA_CLASS => ulong(class(object)),
        CKA_KEY_TYPE => match object {
            Object::Rsa(_) => ulong(CKK_RSA),
            Object::Ec(_) => ulong(CKK_EC),
            Object::Binary(_) => Err(Refusal {
                answer: CKR_ATTRIBUTE_VALUE_INVALID,
                length: size_of::<CK_ULONG>() as CK_ULONG,
            }),
        },
        CKA_VALUE => match object {
            Object::Binary(_) if too_long(object) => Err(FAILED),
            Object::Binary(content) => Ok(content.clone()),
            Object::Rsa(_) => refuse(CKR_ARGUMENTS_BAD),
            Object::Ec(_) => refuse(CKR_ATTRIBUTE_SENSITIVE),
        },
        CKA_MODULUS_BITS => match object {
            Object::Rsa(_) => ulong(size(object) * 8),
            _ => refuse(CKR_ARGUMENTS_BAD),
        },
        CKA_PRIME_BITS => match object {
            Object::Ec(_) => ulong(size(object) * 8),
            _ => refuse(CKR_ARGUMENTS_BAD),
        },
        CKA_MODULUS => match object {
            Object::Rsa(key) => Ok(key.n().to_bytes_be()),
            _ => unavailable(CKR_ARGUMENTS_BAD),
        },
        CKA_PUBLIC_EXPONENT => match object {
            Object::Rsa(key) => Ok(key.e().to_bytes_be()),
            _ => unavailable(CKR_ARGUMENTS_BAD),
        },
        CKA_EC_PARAMS => match object {
            Object::Ec(_) if version.reads_ec_params() => Ok(P256_OID.to_vec()),
            Object::Ec(_) => refuse(CKR_DEVICE_ERROR),
            _ => Err(FAILED),
        },
        CKA_EC_POINT => match object {
            Object::Ec(key) => {
                let point = key.verifying_key().to_encoded_point(false);
                // A DER OCTET STRING around the uncompressed point.
                Ok([&[0x04, 0x41], point.as_bytes()].concat())
            }
            _ => Err(FAILED),
        },
        CKA_ALLOWED_MECHANISMS => match object {
            Object::Rsa(_) => mechanisms(&identity::RSA_MECHANISMS),
            Object::Ec(_) => mechanisms(&[CKM_ECDSA, CKM_ECDSA_SHA1]),
            Object::Binary(_) => refuse(CKR_ARGUMENTS_BAD),
        },
        CKA_SIGN | CKA_SENSITIVE | CKA_ALWAYS_SENSITIVE => bool(key_pair),
        CKA_EXTRACTABLE => bool(!key_pair),
        CKA_DECRYPT => bool(matches!(object, Object::Rsa(_))),
        CKA_DERIVE => bool(matches!(object, Object::Ec(_))),
        CKA_MODIFIABLE => bool(true),
        // CKA_ENCRYPT, CKA_VERIFY: what a public key does, and a pair is none.
        _ => bool(false),
    }
}

/// The module reads the whole object and tries to parse it: what it cannot read or parse is data.
fn class(object: &Object) -> CK_OBJECT_CLASS {
    match object {
        Object::Rsa(_) | Object::Ec(_) => CKO_PRIVATE_KEY,
        Object::Binary(content) if !too_long(object) && certificate_subject(content).is_some() => {
            CKO_CERTIFICATE
        }
        Object::Binary(_) => CKO_DATA,
    }
}

fn subject(object: &Object) -> Result<Vec<u8>, Refusal> {
    match object {
        Object::Binary(content) if !too_long(object) => {
            certificate_subject(content).map(<[u8]>::to_vec).ok_or(FAILED)
        }
        _ => Err(FAILED),
    }
}

/// Whether the object does not fit into the module's buffer.
pub(super) fn too_long(object: &Object) -> bool {
    matches!(object, Object::Binary(content) if content.len() > OBJECT_BUFFER)
}

/// The chip's "read size": bytes of the modulus, of a coordinate, of the content.
pub(super) fn size(object: &Object) -> CK_ULONG {
    let bytes = match object {
        Object::Rsa(key) => key.size(),
        Object::Ec(_) => 32,
        Object::Binary(content) => content.len(),
    };
    bytes as CK_ULONG
}

/// The answer for nearly everything that goes wrong.
const FAILED: Refusal = Refusal { answer: CKR_FUNCTION_FAILED, length: 0 };

fn refuse<T>(answer: CK_RV) -> Result<T, Refusal> {
    Err(Refusal { answer, length: 0 })
}

fn unavailable<T>(answer: CK_RV) -> Result<T, Refusal> {
    Err(Refusal { answer, length: CK_UNAVAILABLE_INFORMATION })
}

fn bool(value: bool) -> Result<Vec<u8>, Refusal> {
    Ok(vec![value.into()])
}

fn ulong(value: CK_ULONG) -> Result<Vec<u8>, Refusal> {
    Ok(value.to_ne_bytes().to_vec())
}

fn mechanisms(list: &[CK_MECHANISM_TYPE]) -> Result<Vec<u8>, Refusal> {
    Ok(list.iter().flat_map(|mechanism| mechanism.to_ne_bytes()).collect())
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const VERSION: u8 = 0xA0;

/// Just enough of X.509 to tell a certificate from other bytes: its subject, in DER. `None` when the bytes are no certificate; bytes behind it are ignored, as the real
/// parser does.
pub(super) fn certificate_subject(stored: &[u8]) -> Option<&[u8]> {
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
