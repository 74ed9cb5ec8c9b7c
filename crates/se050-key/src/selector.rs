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
/// The text is kept as it was written: on NXP's module an object id is what counts, on any other token the
/// label, to the letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    text: String,
    ids: Vec<ObjectId>,
    uri: Option<Box<Pkcs11Uri>>,
}

/// What to look for on NXP's module.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Se050Object<'a> {
    /// The object with one of these ids. More than one: the text does not say in which byte order it is written.
    Ids(&'a [ObjectId]),
    /// A label of which the module makes an id by hashing it.
    HashedLabel(&'a str),
}

impl Selector {
    /// The ids that the text may mean on NXP's module, the likeliest first.
    ///
    /// `0xF0000110` means one. `sss:100100F0` means two, since NXP changed the byte order of its labels twice: whichever
    /// object exists is taken. Empty for a label that is no object id.
    pub fn object_ids(&self) -> &[ObjectId] {
        &self.ids
    }

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

    /// What to look for on NXP's module.
    pub(crate) fn on_se050(
        &self,
        token: &TokenInfo,
        object_type: ObjectType,
    ) -> Result<Se050Object<'_>, Error> {
        let (label, id) = self.label_and_id(token, object_type)?;
        match (self.ids.as_slice(), label, id) {
            // On NXP's module, labels and CKA_IDs are made from the four-byte object id, so no other CKA_ID exists.
            ([], _, Some(_)) => Err(self.not_this("id")),
            ([], Some(label), None) if label.len() > LONGEST_SE050_LABEL => {
                let reason = "NXP's module takes no label of more than 31 bytes; try sss:100100F0".to_owned();
                Err(Error::InvalidSelector { text: label.to_owned(), reason })
            }
            ([], Some(label), None) => Ok(Se050Object::HashedLabel(label)),
            (ids, _, _) => Ok(Se050Object::Ids(ids)),
        }
    }

    /// CKA_LABEL and CKA_ID to look for on any other token; at least one of them.
    pub(crate) fn label_and_id(
        &self,
        token: &TokenInfo,
        object_type: ObjectType,
    ) -> Result<(Option<&str>, Option<&[u8]>), Error> {
        let Some(uri) = self.uri() else { return Ok((Some(&self.text), None)) };
        if let Some(attribute) = uri.mismatch(token) {
            return Err(self.not_this(attribute));
        }
        if !uri.fits_type(object_type) {
            return Err(self.not_this("type"));
        }
        match (uri.object(), uri.id()) {
            (None, None) => Err(self.not_this("object or id")),
            both => Ok(both),
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

    fn token() -> TokenInfo {
        TokenInfo { label: "SSS_PKCS11".into(), is_se050: true, ..TokenInfo::default() }
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
            assert_eq!(selector.object_ids(), ids, "{text}");
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
        let cases: [(&str, Result<Se050Object<'_>, &str>); 14] = [
            ("sss:100100F0", Ok(Se050Object::Ids(&[KEY, SWAPPED]))),
            ("pkcs11:id=%10%01%00%F0", Ok(Se050Object::Ids(&[KEY, SWAPPED]))),
            ("pkcs11:id=%F0%00%01%10", Ok(Se050Object::Ids(&[SWAPPED, KEY]))),
            ("pkcs11:token=SSS_PKCS11;object=F0000110;type=private", Ok(Se050Object::Ids(&[KEY]))),
            ("my-key", Ok(Se050Object::HashedLabel("my-key"))),
            ("pkcs11:object=my-key", Ok(Se050Object::HashedLabel("my-key"))),
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
            let selector = selector(text);
            match (selector.on_se050(&token(), ObjectType::Private), expected) {
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
            let found = selector(text);
            assert_eq!(found.label_and_id(&token(), ObjectType::Private).unwrap(), (label, id), "{text}");
        }
        let certificate = selector("pkcs11:object=k;type=private").of_certificate();
        assert!(certificate.label_and_id(&token(), ObjectType::Certificate).is_ok());
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
