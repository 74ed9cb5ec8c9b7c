//! The token behind a PKCS#11 module, and key and certificate in it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use se050_key::{Certificate, Error, Key, NXP_MODULE, Pin, Selector, Token, TokenBuilder, TokenInfo};

/// What to say of a file with several certificates, of which the first is not the key's.
const NOT_FIRST: &str = "of several certificates in a file, the first has to be the device's own";

/// Which PKCS#11 module, which token, and where its PIN is. A PKCS#11 URI that names the key may say the same; where both
/// speak, they have to agree.
#[derive(Debug, Clone, Default)]
#[cfg_attr(feature = "clap", derive(clap::Args))]
pub struct TokenArgs {
    /// The PKCS#11 module [default: /usr/lib/plug-and-trust/libsss_pkcs11.so]
    #[cfg_attr(feature = "clap", arg(long, alias = "pkcs11_lib", value_name = "FILE"))]
    pub pkcs11_lib: Option<PathBuf>,
    /// The token, where the module has several
    #[cfg_attr(feature = "clap", arg(long, alias = "token_label", value_name = "LABEL"))]
    pub token_label: Option<String>,
    /// A file that holds the PIN (mode 600), for a token that asks for one; else SE050_PIN in the environment, or the terminal
    #[cfg_attr(feature = "clap", arg(long, alias = "pin_file", value_name = "FILE"))]
    pub pin_file: Option<PathBuf>,
}

/// A key, its certificate, and the token that keeps them.
#[derive(Debug)]
#[non_exhaustive]
pub struct KeyAndCertificate {
    /// The key.
    pub key: Key,
    /// The certificate that was issued for it.
    pub certificate: Certificate,
    /// What the token says of itself.
    pub token: TokenInfo,
}

impl TokenArgs {
    /// Opens the token, and finds the key and its certificate: the one in `file`, else the one of that name in the token, else
    /// the one that belongs to the key. `no_certificate` says what to do where none is found.
    ///
    /// # Errors
    /// What a PKCS#11 URI says contradicts the other arguments; those of [`Token::identity`] and [`Certificate::from_file`].
    pub fn open(
        &self,
        key: &Selector,
        certificate: Option<&Selector>,
        file: Option<&Path>,
        no_certificate: &'static str,
    ) -> anyhow::Result<KeyAndCertificate> {
        let selectors: Vec<_> = [Some(key), certificate].into_iter().flatten().collect();
        let token = or_ask(self.builder(&selectors)?)?;
        let found = match file {
            Some(file) => {
                let certificate = Certificate::from_file(file)?;
                token.key(key, &certificate).map(|key| (key, certificate.clone())).map_err(
                    |error| match error {
                        Error::KeyMismatch { .. } if !certificate.intermediates().is_empty() => {
                            anyhow::Error::new(error).context(NOT_FIRST)
                        }
                        error => error.into(),
                    },
                )
            }
            None => token.identity(key, certificate).map_err(|error| match error {
                Error::NoCertificateKnown { .. } | Error::NotFound { class: "certificate", .. }
                    if certificate.is_none() =>
                {
                    anyhow::Error::new(error).context(no_certificate)
                }
                error => error.into(),
            }),
        };
        let (key, certificate) = found?;
        Ok(KeyAndCertificate { key, certificate, token: token.info().clone() })
    }

    /// How to open the token in which those objects are.
    ///
    /// # Errors
    /// What a PKCS#11 URI says contradicts the other arguments; the PIN cannot be read.
    pub fn builder(&self, selectors: &[&Selector]) -> anyhow::Result<TokenBuilder> {
        let mut builder = Token::builder(self.module(selectors)?).token_label(self.token_label.as_deref());
        // A PIN of the environment is for the token of which nothing else is said.
        let source =
            selectors.iter().any(|selector| selector.uri().is_some_and(|uri| uri.pin_source().is_some()));
        if self.pin_file.is_some() || !source {
            builder = builder.pin(Pin::find(self.pin_file.as_deref())?);
        }
        for selector in selectors {
            builder = builder.select(selector)?;
        }
        Ok(builder)
    }

    /// The PKCS#11 module: the one that was named, else NXP's.
    ///
    /// # Errors
    /// A PKCS#11 URI names another one.
    pub fn module(&self, selectors: &[&Selector]) -> anyhow::Result<PathBuf> {
        let mut module = self.pkcs11_lib.clone();
        let canonical = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        for selector in selectors {
            let Some(named) = selector.uri().and_then(|uri| uri.module_path()) else { continue };
            match &module {
                Some(other) if canonical(other) != canonical(named) => bail!(
                    "{selector} names another PKCS#11 module than {}, which was given otherwise: leave one of them out",
                    other.display()
                ),
                _ => module = Some(named.to_owned()),
            }
        }
        Ok(module.unwrap_or_else(|| NXP_MODULE.into()))
    }
}

/// Opens the token. Where a PIN is missing, or only one try is left, whoever sits at the terminal is asked.
fn or_ask(builder: TokenBuilder) -> anyhow::Result<Token> {
    let (error, label, last_try) = match builder.clone().open() {
        Err(Error::PinMissing { label }) => (Error::PinMissing { label: label.clone() }, label, false),
        Err(Error::PinFinalTry { label }) => (Error::PinFinalTry { label: label.clone() }, label, true),
        opened => return Ok(opened?),
    };
    match Pin::prompt(&label, last_try).context("cannot ask for the PIN on the terminal")? {
        Some(pin) => Ok(builder.pin(pin).open()?),
        None if last_try => Err(error.into()),
        None => {
            Err(anyhow::Error::new(error).context("no PIN: --pin-file FILE, or SE050_PIN in the environment"))
        }
    }
}
