//! The chip, as commands are told of it.

use std::path::PathBuf;

use clap::Args;
use se050_key::{Certificate, Key, NXP_MODULE, Pin, Selector, Token, TokenInfo};

/// The factory key "cloud connection key 0, RSA 2048", object 0xF0000110, as NXP's module wants it named.
const FACTORY_KEY: &str = "sss:100100F0";

#[derive(Args)]
pub(crate) struct ChipArgs {
    /// The key whose certificate is wanted, e.g. sss:100100F0 (object 0xF0000110)
    #[arg(long, alias = "key_label", value_name = "LABEL", default_value = FACTORY_KEY)]
    key_label: Selector,
    /// The certificate itself, where it is not the one that belongs to the key
    #[arg(long, alias = "cert_label", value_name = "LABEL")]
    pub(crate) cert_label: Option<Selector>,
    /// The PKCS#11 module
    #[arg(long, alias = "pkcs11_lib", value_name = "FILE", default_value = NXP_MODULE)]
    pub(crate) pkcs11_lib: PathBuf,
    /// The token, where the module has several
    #[arg(long, alias = "token_label", value_name = "LABEL")]
    token_label: Option<String>,
    /// A file that holds the PIN (mode 600), for a token that asks for one; else SE050_PIN in the environment
    #[arg(long, value_name = "FILE")]
    pin_file: Option<PathBuf>,
}

/// A key with the certificate that was issued for it.
pub(crate) struct Pair {
    pub(crate) key: Key,
    pub(crate) certificate: Certificate,
    pub(crate) token: TokenInfo,
}

impl ChipArgs {
    pub(crate) fn key(&self) -> &Selector {
        &self.key_label
    }

    pub(crate) fn open(&self) -> anyhow::Result<Pair> {
        let mut token = Token::builder(&self.pkcs11_lib);
        if let Some(label) = &self.token_label {
            token = token.token_label(label);
        }
        if let Some(pin) = Pin::find(self.pin_file.as_deref())? {
            token = token.pin(pin);
        }
        let token = token.open()?;
        let certificate = match &self.cert_label {
            Some(label) => token.certificate(label)?,
            None => token.certificate_of_key(&self.key_label)?,
        };
        let key = token.key(&self.key_label)?;
        key.check_certificate(&certificate)?;
        Ok(Pair { key, certificate, token: token.info().clone() })
    }
}
