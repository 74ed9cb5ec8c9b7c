//! The chip, as commands are told of it.

use clap::Args;
use se050_device::{KeyAndCertificate, TokenArgs};
use se050_key::Selector;

/// What `identity export` and `cert export` read.
pub(crate) type Pair = KeyAndCertificate;

#[derive(Args)]
pub(crate) struct ChipArgs {
    /// The key whose certificate is wanted: sss:100100F0 or 0xF0000110 (cloud connection key 0), a label, or a PKCS#11 URI
    #[arg(long, alias = "key_label", value_name = "LABEL", default_value = "0xF0000110")]
    key_label: Selector,
    /// The certificate itself, where it is not the one that belongs to the key
    #[arg(long, alias = "cert_label", value_name = "LABEL")]
    pub(crate) cert_label: Option<Selector>,
    #[command(flatten)]
    token: TokenArgs,
}

impl ChipArgs {
    pub(crate) fn key(&self) -> &Selector {
        &self.key_label
    }

    pub(crate) fn open(&self) -> anyhow::Result<Pair> {
        let hint = "name the certificate's object: --cert-label LABEL";
        self.token.open(&self.key_label, self.cert_label.as_ref(), None, hint)
    }
}
