//! The chip, as commands are told of it.

use std::path::PathBuf;

use clap::Args;
use se050_device::{DeviceOptions, KeyAndCertificate, TokenArgs};
use se050_key::{Certificate, Key, Selector, TokenInfo};

/// NXP's RSA key for cloud connection 0: what is meant where no key is named.
pub(crate) const FIRST_FACTORY_KEY: &str = "0xF0000110";

/// What `identity export` and `cert` read.
pub(crate) struct Pair {
    /// How the key was named.
    pub(crate) key_label: Selector,
    /// How the certificate was named, where it was.
    pub(crate) cert_label: Option<Selector>,
    pub(crate) key: Key,
    pub(crate) certificate: Certificate,
    pub(crate) token: TokenInfo,
    /// How the token was named, and where its PIN is.
    pub(crate) token_label: Option<String>,
    pub(crate) pin_file: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct ChipArgs {
    /// The device configuration that `se050-iot provision --device-config` has written: the key that it names [env: SE050_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The key whose certificate is wanted: sss:100100F0 or 0xF0000110 (cloud connection key 0), a label, or a PKCS#11 URI
    /// [env: SE050_KEY_LABEL] [default: 0xF0000110]
    #[arg(long, alias = "key_label", value_name = "LABEL")]
    key_label: Option<Selector>,
    /// The certificate itself, where it is not the one that belongs to the key [env: SE050_CERT_LABEL]
    #[arg(long, alias = "cert_label", value_name = "LABEL")]
    cert_label: Option<Selector>,
    #[command(flatten)]
    token: TokenArgs,
}

impl ChipArgs {
    pub(crate) fn open(&self) -> anyhow::Result<Pair> {
        let options = DeviceOptions {
            config: self.config.clone(),
            key: self.key_label.clone(),
            certificate: self.cert_label.clone(),
            token: self.token.clone(),
            ..DeviceOptions::default()
        };
        let settings = options.settings()?;
        let key_label = settings.key.map_or_else(|| FIRST_FACTORY_KEY.parse(), Ok)?;
        let cert_label = settings.certificate;
        let hint = "name the certificate's object: --cert-label LABEL";
        let KeyAndCertificate { key, certificate, token, .. } =
            settings.token.open(&key_label, cert_label.as_ref(), None, hint)?;
        let TokenArgs { token_label, pin_file, .. } = settings.token;
        Ok(Pair { key_label, cert_label, key, certificate, token, token_label, pin_file })
    }
}
