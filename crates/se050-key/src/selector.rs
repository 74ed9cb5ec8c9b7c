//! What the user wrote to name an object of the token.

use std::fmt;
use std::str::FromStr;

use crate::uri::SCHEME;
use crate::{Error, ObjectId, ObjectType, Pkcs11Uri, TokenInfo};

/// The longest label that NXP's module takes: it copies it into a buffer of 32 bytes, its NUL included.
const LONGEST_SE050_LABEL: usize = 31;

/// Names one key or certificate: an object id of the SE050 in any written form, a factory key by its name
/// (`cloud-connection-0-rsa2048`), the label of another token's object, or a PKCS#11 URI.
///
/// `sss:100100F0` may mean two ids, since NXP changed the byte order of its labels twice: whichever object exists is taken.
///
/// The text is kept as it was written: on NXP's module an object id is what counts, on any other token the
/// label, to the letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    text: String,
    /// The ids that the text may mean on NXP's module, the likeliest first. Empty for a label that is no object id.
    ids: Vec<ObjectId>,
    uri: Option<Box<Pkcs11Uri>>,
}

/// One object to look for on a token, checked against what the token says of itself.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) class: ObjectType,
    pub(crate) selector: Selector,
    pub(crate) by: LookUp,
}

/// How an object is looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LookUp {
    /// NXP's module: the object with one of these ids. More than one: the text does not say in which byte order it is written.
    Ids(Vec<ObjectId>),
    /// By CKA_LABEL, CKA_ID or both. Of a label that is no object id, NXP's module makes an id by hashing it.
    Attributes { label: Option<String>, id: Option<Vec<u8>> },
}

impl Selector {
    /// The PKCS#11 URI, if the text is one.
    pub fn uri(&self) -> Option<&Pkcs11Uri> {
        self.uri.as_deref()
    }

    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The same name for a certificate: what a token other than the SE050 calls the certificate of a key.
    pub(crate) fn of_certificate(&self) -> Self {
        let uri = self.uri.clone().map(|uri| Box::new(uri.of_certificate()));
        Self { uri, ..self.clone() }
    }

    /// Whether the text may mean a factory key of the SE050, whose certificate is known.
    pub(crate) fn names_factory_key(&self) -> bool {
        let may_be_a_key = self.uri().is_none_or(|uri| uri.fits_type(ObjectType::Private));
        may_be_a_key && self.ids.iter().any(|id| id.factory_certificate().is_some())
    }

    /// What to look for on that token.
    pub(crate) fn target(&self, token: &TokenInfo, class: ObjectType) -> Result<Target, Error> {
        Ok(Target { class, selector: self.clone(), by: self.look_up(token, class)? })
    }

    fn look_up(&self, token: &TokenInfo, class: ObjectType) -> Result<LookUp, Error> {
        let (label, id) = match self.uri() {
            None => (Some(self.text.as_str()), None),
            Some(uri) => {
                if let Some(attribute) = uri.mismatch(token) {
                    return Err(self.not_this(attribute));
                }
                if !uri.fits_type(class) {
                    return Err(self.not_this("type"));
                }
                (uri.object(), uri.id())
            }
        };
        match (label, id) {
            (None, None) => Err(self.not_this("object or id")),
            _ if token.is_se050 && !self.ids.is_empty() => Ok(LookUp::Ids(self.ids.clone())),
            // On NXP's module, labels and CKA_IDs are made from the four-byte object id, so no other CKA_ID exists.
            (_, Some(_)) if token.is_se050 => Err(self.not_this("id")),
            (Some(label), _) if token.is_se050 && label.len() > LONGEST_SE050_LABEL => {
                let reason = "NXP's module takes no label of more than 31 bytes; try sss:100100F0".to_owned();
                Err(Error::InvalidSelector { text: label.to_owned(), reason })
            }
            (label, id) => {
                Ok(LookUp::Attributes { label: label.map(str::to_owned), id: id.map(<[u8]>::to_vec) })
            }
        }
    }

    fn not_this(&self, attribute: &'static str) -> Error {
        Error::NotThisToken { selector: self.to_string(), attribute }
    }
}

impl From<ObjectId> for Selector {
    fn from(id: ObjectId) -> Self {
        Self { text: id.to_string(), ids: vec![id], uri: None }
    }
}

impl FromStr for Selector {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text.is_empty() || text.contains('\0') {
            let reason = "it is empty, or holds a NUL character; try sss:100100F0".to_owned();
            return Err(Error::InvalidSelector { text: text.to_owned(), reason });
        }
        if !text.starts_with(SCHEME) {
            return Ok(Self { text: text.to_owned(), ids: ObjectId::candidates(text)?, uri: None });
        }
        let uri: Pkcs11Uri = text.parse()?;
        let by_label = uri.object().map(ObjectId::candidates).transpose()?;
        let by_id = uri.id().map(ObjectId::candidates_of_cka_id);
        let ids = match (by_label, by_id) {
            (Some(label), Some(id)) => label.into_iter().filter(|object| id.contains(object)).collect(),
            (ids, None) | (None, ids) => ids.unwrap_or_default(),
        };
        Ok(Self { text: text.to_owned(), ids, uri: Some(Box::new(uri)) })
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        let ids: Vec<_> = self.ids.iter().map(ObjectId::to_string).collect();
        if ids.is_empty() || ids.contains(&self.text) {
            return Ok(());
        }
        write!(f, " (object {})", ids.join(" or "))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: ObjectId = ObjectId::new(0xF000_0110);
    const SWAPPED: ObjectId = ObjectId::new(0x1001_00F0);

    fn selector(text: &str) -> Selector {
        text.parse().unwrap()
    }

    fn token(is_se050: bool) -> TokenInfo {
        TokenInfo { label: "SSS_PKCS11".into(), is_se050, ..TokenInfo::default() }
    }

    fn attributes(label: Option<&str>, id: Option<&[u8]>) -> LookUp {
        LookUp::Attributes { label: label.map(str::to_owned), id: id.map(<[u8]>::to_vec) }
    }

    #[test]
    fn tells_object_ids_from_labels() {
        let cases: [(&str, &[ObjectId], &str); 8] = [
            ("my-key", &[], "my-key"),
            ("0xF0000110", &[KEY], "0xF0000110"),
            ("sss:100100F0", &[KEY, SWAPPED], "sss:100100F0 (object 0xF0000110 or 0x100100F0)"),
            ("cloud-connection-0-rsa2048", &[KEY], "cloud-connection-0-rsa2048 (object 0xF0000110)"),
            (
                "pkcs11:object=sss:F0000110",
                &[SWAPPED, KEY],
                "pkcs11:object=sss:F0000110 (object 0x100100F0 or 0xF0000110)",
            ),
            (
                "pkcs11:object=cloud-connection-0-rsa2048",
                &[KEY],
                "pkcs11:object=cloud-connection-0-rsa2048 (object 0xF0000110)",
            ),
            (
                "pkcs11:object=0xF0000110;id=%10%01%00%F0",
                &[KEY],
                "pkcs11:object=0xF0000110;id=%10%01%00%F0 (object 0xF0000110)",
            ),
            ("pkcs11:object=0xF0000112;id=%10%01%00%F0", &[], "pkcs11:object=0xF0000112;id=%10%01%00%F0"),
        ];
        for (text, ids, shown) in cases {
            let selector = selector(text);
            assert_eq!(selector.ids, ids, "{text}");
            assert_eq!(selector.to_string(), shown);
        }
    }

    /// Fault 3: the module reads each of these as some other object, whatever way in they take.
    #[test]
    fn a_mistyped_object_id_is_not_a_label_in_any_way_in() {
        for label in ["sss:100100F", "sss:1100100F0", "sss:100100F0zz", "SSS:100100F0", "0xF000011", ""] {
            for text in [label.to_owned(), format!("pkcs11:object={label}")] {
                assert!(text.parse::<Selector>().is_err(), "{text:?}");
            }
        }
        for text in ["a\0b", "pkcs11:objekt=a"] {
            assert!(text.parse::<Selector>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn each_attribute_counts_on_nxps_module() {
        let long = "a-label-of-more-than-31-bytes-xxx";
        let ids = |ids: &[ObjectId]| Ok(LookUp::Ids(ids.to_vec()));
        let cases = [
            ("sss:100100F0", ids(&[KEY, SWAPPED])),
            ("pkcs11:id=%10%01%00%F0", ids(&[KEY, SWAPPED])),
            ("pkcs11:id=%F0%00%01%10", ids(&[SWAPPED, KEY])),
            ("pkcs11:token=SSS_PKCS11;object=F0000110;type=private", ids(&[KEY])),
            ("my-key", Ok(attributes(Some("my-key"), None))),
            ("pkcs11:object=my-key", Ok(attributes(Some("my-key"), None))),
            (long, Err("31 bytes")),
            ("pkcs11:token=other;object=F0000110", Err("its token is")),
            ("pkcs11:object=F0000110;type=cert", Err("its type is")),
            ("pkcs11:object=my-key;id=%10%01%00%F0", Err("its id is")),
            ("pkcs11:object=F0000112;id=%10%01%00%F0", Err("its id is")),
            ("pkcs11:id=%01", Err("its id is")),
            ("pkcs11:token=SSS_PKCS11", Err("its object or id is")),
            ("pkcs11:object=F0000110?module-path=/other.so", Err("its module-path is")),
        ];
        for (text, expected) in cases {
            match (selector(text).look_up(&token(true), ObjectType::Private), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{text}"),
                (Err(error), Err(says)) => assert!(error.to_string().contains(says), "{text}: {error}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }

    #[test]
    fn another_token_is_searched_by_label_and_id() {
        for (text, label, id) in [
            ("sss:100100F0", Some("sss:100100F0"), None),
            ("pkcs11:object=my%20key", Some("my key"), None),
            ("pkcs11:id=%01", None, Some(&[1][..])),
            ("pkcs11:object=k;id=%01", Some("k"), Some(&[1])),
        ] {
            let found = selector(text).look_up(&token(false), ObjectType::Private);
            assert_eq!(found.unwrap(), attributes(label, id), "{text}");
        }
        let certificate = selector("pkcs11:object=k;type=private").of_certificate();
        assert!(certificate.target(&token(false), ObjectType::Certificate).is_ok());
    }

    proptest! {
        #[test]
        fn every_label_is_kept_as_it_was_written(text in "\\PC{0,40}") {
            if let Ok(selector) = text.parse::<Selector>() {
                prop_assert_eq!(selector.as_str(), text);
            }
        }
    }
}
