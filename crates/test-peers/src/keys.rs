//! Throwaway private keys, made by OpenSSL.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::{output_of, program};

/// What kind of key to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA with a modulus of 2048 bits.
    Rsa2048,
    /// RSA with a modulus of 3072 bits.
    Rsa3072,
    /// RSA with a modulus of 4096 bits.
    Rsa4096,
    /// Elliptic curve P-256.
    EcP256,
    /// Elliptic curve P-384.
    EcP384,
}

/// A throwaway private key in a PEM file (PKCS#8), in a directory of the test's.
pub struct PrivateKeyFile {
    path: PathBuf,
    openssl: PathBuf,
}

impl PrivateKeyFile {
    /// Makes a key in `directory`, or gives `None` after writing down the skip when OpenSSL is missing.
    pub fn generate(directory: &Path, name: &str, kind: KeyKind) -> Option<Self> {
        let openssl = program("openssl")?;
        let path = directory.join(format!("{name}.key.pem"));
        let options: &[&str] = match kind {
            KeyKind::Rsa2048 => &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
            KeyKind::Rsa3072 => &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"],
            KeyKind::Rsa4096 => &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:4096"],
            KeyKind::EcP384 => &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
            KeyKind::EcP256 => &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        };
        output_of(Command::new(&openssl).args(["genpkey", "-quiet"]).args(options).arg("-out").arg(&path));
        Some(Self { path, openssl })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The public key: SubjectPublicKeyInfo in DER.
    pub fn public_key(&self) -> Vec<u8> {
        output_of(
            Command::new(&self.openssl).args(["pkey", "-pubout", "-outform", "DER", "-in"]).arg(&self.path),
        )
    }
}
