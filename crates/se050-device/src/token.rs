//! The token behind a PKCS#11 module, and key and certificate in it.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use se050_key::{
    Certificate, Error, Key, NXP_MODULE, Pin, Pkcs11Uri, Selector, Token, TokenBuilder, TokenInfo,
};

use crate::options::{parsed, path};

/// What to say of a file with several certificates, of which the first is not the key's.
const NOT_FIRST: &str = "of several certificates in a file, the first has to be the device's own";

/// Which PKCS#11 module, which token, and where its PIN is. What is not said here comes from the environment. A PKCS#11 URI that
/// names the key may say the same; where both speak, they have to agree.
#[derive(Debug, Clone, Default)]
#[cfg_attr(feature = "clap", derive(clap::Args))]
pub struct TokenArgs {
    /// The PKCS#11 module [env: SE050_PKCS11_LIB] [default: /usr/lib/plug-and-trust/libsss_pkcs11.so]
    #[cfg_attr(feature = "clap", arg(long, alias = "pkcs11_lib", help_heading = crate::args::KEY, value_name = "FILE"))]
    pub pkcs11_lib: Option<PathBuf>,
    /// The token, where the module has several [env: SE050_TOKEN_LABEL]
    #[cfg_attr(feature = "clap", arg(long, alias = "token_label", help_heading = crate::args::KEY, value_name = "LABEL"))]
    pub token_label: Option<String>,
    /// A file that holds the PIN (mode 600), for a token that asks for one; else SE050_PIN in the environment, or the terminal
    /// [env: SE050_PIN_FILE]
    #[cfg_attr(feature = "clap", arg(long, alias = "pin_file", help_heading = crate::args::KEY, value_name = "FILE"))]
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
        let token = self.token(&selectors)?;
        let (key, certificate) = match file {
            Some(file) => {
                let certificate = Certificate::from_file(file)?;
                match token.key(key, &certificate) {
                    Err(error @ Error::KeyMismatch { .. }) if !certificate.intermediates().is_empty() => {
                        return Err(anyhow::Error::new(error).context(NOT_FIRST));
                    }
                    key => (key?, certificate),
                }
            }
            None => match token.identity(key, certificate) {
                Err(
                    error @ (Error::NoCertificateKnown { .. } | Error::NotFound { class: "certificate", .. }),
                ) if certificate.is_none() => return Err(anyhow::Error::new(error).context(no_certificate)),
                found => found?,
            },
        };
        Ok(KeyAndCertificate { key, certificate, token: token.info().clone() })
    }

    /// Opens the token in which those objects are. Where a PIN is missing, or only one try is left, whoever sits at the terminal is
    /// asked.
    ///
    /// # Errors
    /// As [`TokenArgs::builder`] and [`TokenBuilder::open`].
    pub fn token(&self, selectors: &[&Selector]) -> anyhow::Result<Token> {
        let builder = self.builder(selectors)?;
        let error = match builder.clone().open() {
            Ok(token) => return Ok(token),
            Err(error) => error,
        };
        let (label, last_try) = match &error {
            Error::PinMissing { label } => (label, false),
            Error::PinFinalTry { label } => (label, true),
            _ => return Err(error.into()),
        };
        match Pin::prompt(label, last_try).context("cannot ask for the PIN on the terminal")? {
            Some(pin) => Ok(builder.pin(pin).open()?),
            None if last_try => Err(error.into()),
            None => {
                Err(anyhow::Error::new(error)
                    .context("no PIN: --pin-file FILE, or SE050_PIN in the environment"))
            }
        }
    }

    /// How to open the token in which those objects are.
    ///
    /// # Errors
    /// What a PKCS#11 URI says contradicts the other arguments; the PIN cannot be read.
    pub fn builder(&self, selectors: &[&Selector]) -> anyhow::Result<TokenBuilder> {
        let args = self.completed(selectors)?;
        let mut builder =
            Token::builder(args.module_joined_with(selectors)?).token_label(args.token_label.as_deref());
        // A PIN of the environment is for the token of which nothing else is said.
        let source = uris(selectors).any(|uri| uri.pin_source().is_some());
        if args.pin_file.is_some() || !source {
            builder = builder.pin(Pin::find(args.pin_file.as_deref())?);
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
        self.completed(selectors)?.module_joined_with(selectors)
    }

    fn module_joined_with(&self, selectors: &[&Selector]) -> anyhow::Result<PathBuf> {
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

    /// What was said here, completed by the environment.
    fn completed(&self, selectors: &[&Selector]) -> anyhow::Result<Self> {
        let environment = Self::from_environment(&|variable: &str| std::env::var_os(variable))?;
        Ok(self.clone().or(environment, selectors))
    }

    pub(crate) fn from_environment(variable: &impl Fn(&str) -> Option<OsString>) -> anyhow::Result<Self> {
        Ok(Self {
            pkcs11_lib: path(variable, "SE050_PKCS11_LIB"),
            token_label: parsed(variable, "SE050_TOKEN_LABEL")?,
            pin_file: path(variable, "SE050_PIN_FILE"),
        })
    }

    /// What is said here comes first; what neither it nor a URI among the selectors says, comes from `lower`.
    pub(crate) fn or(self, lower: Self, selectors: &[&Selector]) -> Self {
        let names_module = uris(selectors).any(|uri| uri.module_path().is_some());
        let names_token = uris(selectors).any(|uri| uri.token().is_some());
        let names_pin = uris(selectors).any(|uri| uri.pin_source().is_some());
        Self {
            pkcs11_lib: self.pkcs11_lib.or(lower.pkcs11_lib.filter(|_| !names_module)),
            token_label: self.token_label.or(lower.token_label.filter(|_| !names_token)),
            pin_file: self.pin_file.or(lower.pin_file.filter(|_| !names_pin)),
        }
    }
}

fn uris<'a>(selectors: &[&'a Selector]) -> impl Iterator<Item = &'a Pkcs11Uri> {
    selectors.iter().filter_map(|selector| selector.uri())
}
