//! The token: the chip behind the PKCS#11 module.

use std::ffi::c_ulong;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cryptoki_sys::{CK_FLAGS, CK_TOKEN_INFO, CKA_VALUE, CKF_LOGIN_REQUIRED, CKF_RNG};

use crate::selector::Target;
use crate::session::{ChipSession, Fault};
use crate::worker::Worker;
use crate::{ByteOrder, Certificate, Error, Key, ObjectId, ObjectType, PublicKey, Selector, TokenBuilder};

/// Where the maker's plug-and-trust package puts NXP's PKCS#11 module, on an Armadillo.
pub const NXP_MODULE: &str = "/usr/lib/plug-and-trust/libsss_pkcs11.so";

/// The label of the one token of NXP's module.
const SE050_TOKEN_LABEL: &str = "SSS_PKCS11";

/// An open token. Cheap to clone; the session with the chip is closed with the last clone and the last [`Key`].
///
/// A process has one session with a module, however often it opens the token.
#[derive(Clone)]
pub struct Token {
    pub(crate) worker: Arc<Worker>,
}

impl Token {
    /// Opens the only token of a PKCS#11 module that wants no PIN, such as NXP's ([`NXP_MODULE`]).
    ///
    /// # Errors
    /// When the module cannot be loaded, has no token or several, or the chip does not answer; [`Error::Busy`] when
    /// another process uses the chip; [`Error::RestartNeeded`] when two openings have failed in this process.
    pub fn open(module: impl AsRef<Path>) -> Result<Self, Error> {
        Self::builder(module).open()
    }

    /// How to open a token that needs more to be said.
    pub fn builder(module: impl AsRef<Path>) -> TokenBuilder {
        TokenBuilder::new(module.as_ref().to_owned())
    }

    /// What the token says of itself.
    pub fn info(&self) -> &TokenInfo {
        self.worker.info()
    }

    /// The private key of that name. With the certificate that was issued for it, one attribute is read to compare the two;
    /// without, the public half is read from the token.
    ///
    /// # Errors
    /// [`Error::NotFound`] and [`Error::Ambiguous`]; [`Error::UnsupportedKey`]; [`Error::KeyMismatch`]; those of [`Key::sign`]
    /// when the chip fails.
    pub fn key<'a>(
        &self,
        selector: &Selector,
        certificate: impl Into<Option<&'a Certificate>>,
    ) -> Result<Key, Error> {
        let key = selector.target(self.info(), ObjectType::Private)?;
        let public_key = match certificate.into() {
            Some(certificate) => {
                self.check(&key, certificate)?;
                certificate.public_key().clone()
            }
            None => self.public_key(&key)?,
        };
        Ok(Key::new(Arc::clone(&self.worker), key, public_key))
    }

    /// The certificate of that name, or the certificate of the key of that name: for a factory key of the SE050 the object
    /// after it, on other tokens the certificate with the key's own label or id.
    ///
    /// # Errors
    /// As [`Token::key`], and [`Error::NotACertificate`].
    pub fn certificate(&self, selector: &Selector) -> Result<Certificate, Error> {
        let selector = self.certificate_selector(selector)?;
        let object = selector.target(self.info(), ObjectType::Certificate)?;
        let read = || {
            self.ask("reading the certificate", &object, |session, object| {
                session.attribute(object, CKA_VALUE, "certificate")
            })
        };
        let name = selector.to_string();
        // A disturbed transfer on the bus may go unnoticed.
        Certificate::from_bytes(&read()?, &name).or_else(|_| Certificate::from_bytes(&read()?, &name))
    }

    /// The private key of that name, and its certificate in the token, compared with each other: the certificate of that name,
    /// else the one that belongs to the key.
    ///
    /// # Errors
    /// As [`Token::key`] and [`Token::certificate`]; [`Error::NoCertificateKnown`] for a key of the SE050 that is no factory
    /// key.
    pub fn identity<'a>(
        &self,
        key: &Selector,
        certificate: impl Into<Option<&'a Selector>>,
    ) -> Result<(Key, Certificate), Error> {
        let (named, target) = (certificate.into(), key.target(self.info(), ObjectType::Private)?);
        let read = || match named {
            None if self.info().is_se050 && !key.names_factory_key() => {
                Err(Error::NoCertificateKnown { key: key.to_string() })
            }
            named => self.certificate(named.unwrap_or(key)),
        };
        let mut found = read().or_else(|error| match error {
            // If the key is missing, that is the error to report.
            Error::NoCertificateKnown { .. } | Error::NotFound { .. } => {
                self.public_key(&target).and(Err(error))
            }
            error => Err(error),
        })?;
        match self.check(&target, &found) {
            // Where they do not fit, both are read once more.
            Err(error @ Error::KeyMismatch { .. }) => {
                let again = read()?;
                if again == found {
                    return Err(error);
                }
                self.check(&target, &again)?;
                found = again;
            }
            checked => checked?,
        }
        let public_key = found.public_key().clone();
        Ok((Key::new(Arc::clone(&self.worker), target, public_key), found))
    }

    /// On the SE050, a factory key has its certificate under an id of its own; other tokens keep it under the key's name.
    fn certificate_selector(&self, selector: &Selector) -> Result<Selector, Error> {
        if !self.info().is_se050 {
            return Ok(selector.of_certificate());
        }
        if selector.names_factory_key() {
            let key = selector.target(self.info(), ObjectType::Private)?;
            let handle = self.ask("finding the key", &key, |session, key| session.handle(key))?;
            let id = u32::try_from(handle).ok().map(ObjectId::new);
            if let Some(certificate) = id.and_then(ObjectId::factory_certificate) {
                return Ok(certificate.into());
            }
        }
        Ok(selector.clone())
    }

    /// The key's public half, from the key itself.
    fn public_key(&self, key: &Target) -> Result<PublicKey, Error> {
        supported(key, self.ask("finding the key", key, ChipSession::public_key)?)
    }

    /// Checks that the certificate was issued for the key.
    ///
    /// A trial signature would cost the chip a private-key operation. It is made only on other tokens that do not give the point.
    fn check(&self, key: &Target, certificate: &Certificate) -> Result<(), Error> {
        let expected = supported(key, Ok(certificate.public_key().clone()))?;
        // A disturbed transfer on the bus may go unnoticed.
        for _ in 0..2 {
            let expected = expected.clone();
            let has =
                self.ask("finding the key", key, move |session, key| session.has_public_key(key, &expected))?;
            match has {
                Some(true) => return Ok(()),
                Some(false) => {}
                None => return self.check_by_signing(key, certificate),
            }
        }
        certificate.check_issued_for(&key.selector, &self.public_key(key)?)
    }

    /// Signs a fixed text, and verifies the signature with the certificate's key.
    fn check_by_signing(&self, key: &Target, certificate: &Certificate) -> Result<(), Error> {
        let public_key = certificate.public_key().clone();
        let (scheme, certificate_fingerprint) = (public_key.kind().scheme(), public_key.fingerprint());
        let trial = Key::new(Arc::clone(&self.worker), key.clone(), public_key);
        match trial.sign(scheme, b"se050-key: key and certificate") {
            Err(Error::BadSignature { key, .. }) => Err(Error::KeyMismatch {
                key,
                key_fingerprint: "(unknown)".to_owned(),
                certificate_fingerprint,
            }),
            signature => signature.map(drop),
        }
    }

    fn ask<T: Send + 'static>(
        &self,
        doing: &'static str,
        object: &Target,
        mut work: impl FnMut(&mut ChipSession, &Target) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Error> {
        let object = object.clone();
        self.worker.call(doing, move |recovery| recovery.run(|session| work(session, &object)))
    }
}

fn supported(key: &Target, public_key: Result<PublicKey, String>) -> Result<PublicKey, Error> {
    let unsupported = |reason| Error::UnsupportedKey { object: key.selector.to_string(), reason };
    public_key.and_then(PublicKey::of_supported_size).map_err(unsupported)
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("info", self.info()).finish()
    }
}

/// A token and its keys are used by any thread.
const _: () = {
    const fn shared<T: Send + Sync + Clone + fmt::Debug>() {}
    shared::<Token>();
    shared::<Key>();
    shared::<Certificate>();
    shared::<TokenBuilder>();
};

/// What the token says of itself. Read without traffic with the chip.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenInfo {
    /// The token's label: `SSS_PKCS11` for NXP's module.
    pub label: String,
    /// The manufacturer: `NXP`, or what a simulator says.
    pub manufacturer: String,
    /// The model. NXP's module gives none.
    pub model: String,
    /// The token's serial number. NXP's module gives none.
    pub serial: String,
    /// On NXP's module: the version of the module itself, major and minor.
    pub firmware_version: (u8, u8),
    /// Whether the token wants a PIN. The SE050 does not.
    pub login_required: bool,
    /// Whether the token gives random numbers, by which it can be asked for a sign of life.
    pub has_random: bool,
    /// The slot's id: a CK_ULONG, which has the size of a pointer.
    pub slot_id: c_ulong,
    /// The PKCS#11 module, as it was named when the token was opened.
    pub module: PathBuf,
    /// Whether this is NXP's module (or its simulator), whose labels are object ids.
    pub is_se050: bool,
    /// The flags of CK_TOKEN_INFO.
    pub(crate) flags: CK_FLAGS,
}

impl TokenInfo {
    pub(crate) fn new(module: &Path, slot_id: c_ulong, info: &CK_TOKEN_INFO) -> Self {
        let label = text(&info.label);
        let has = |flag| info.flags & flag != 0;
        Self {
            manufacturer: text(&info.manufacturerID),
            model: text(&info.model),
            serial: text(&info.serialNumber),
            firmware_version: (info.firmwareVersion.major, info.firmwareVersion.minor),
            login_required: has(CKF_LOGIN_REQUIRED),
            has_random: has(CKF_RNG),
            slot_id,
            module: module.to_owned(),
            is_se050: label == SE050_TOKEN_LABEL,
            flags: info.flags,
            label,
        }
    }

    /// The byte order in which this version of NXP's module writes an object id into a label; `None` for other tokens.
    pub fn label_byte_order(&self) -> Option<ByteOrder> {
        let order = match self.firmware_version {
            (4, 0..=3) => ByteOrder::LittleEndian,
            _ => ByteOrder::BigEndian,
        };
        self.is_se050.then_some(order)
    }

    /// Whether an RSASSA-PSS signature, which TLS 1.3 requires of RSA keys, wears the chip. NXP's module up to 4.2 computes the
    /// mask on the chip: 50 APDUs with RSA-2048 and 90 with RSA-4096 instead of 7, and two writes to its memory.
    pub fn rsa_pss_is_costly(&self) -> bool {
        self.is_se050 && self.firmware_version <= (4, 2)
    }

    /// Whether a C_OpenSession that fails takes one of the module's three sessions for good: NXP's module from 4.0 on.
    pub(crate) fn leaks_sessions(&self) -> bool {
        self.is_se050 && self.firmware_version >= (4, 0)
    }
}

/// Without the padding, in which NXP's module up to 4.3 leaves a NUL.
fn text(padded: &[u8]) -> String {
    String::from_utf8_lossy(padded).trim_end_matches(['\0', ' ']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 4.4 and 4.6 are not simulated: their source was read, and nobody has seen them running.
    #[test]
    fn the_modules_version_tells_how_labels_are_written_and_what_costs() {
        use ByteOrder::{BigEndian, LittleEndian};
        for (firmware_version, order, pss_is_costly, leaks) in [
            ((3, 3), BigEndian, true, false),
            ((4, 1), LittleEndian, true, true),
            ((4, 3), LittleEndian, false, true),
            ((4, 4), BigEndian, false, true),
            ((4, 6), BigEndian, false, true),
            ((4, 7), BigEndian, false, true),
        ] {
            let token = TokenInfo { firmware_version, is_se050: true, ..TokenInfo::default() };
            let found = (token.label_byte_order(), token.rsa_pss_is_costly(), token.leaks_sessions());
            assert_eq!(found, (Some(order), pss_is_costly, leaks), "{firmware_version:?}");
        }
        let other = TokenInfo { firmware_version: (4, 2), ..TokenInfo::default() };
        let found = (other.label_byte_order(), other.rsa_pss_is_costly(), other.leaks_sessions());
        assert_eq!(found, (None, false, false));
    }
}
