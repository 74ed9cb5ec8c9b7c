//! OpenSC's pkcs11-tool and OpenSSL, and a signature that goes from the one to the other.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bench::{Bench, SHA256_DIGEST_INFO};
use se050_sim::Version;
use test_peers::{output_of, program};

const MESSAGE: &[u8] = b"a device's private key never leaves its chip";

/// A simulated chip, and the two programs.
pub(crate) struct Peers {
    pub(crate) bench: Bench,
    pkcs11_tool: PathBuf,
    openssl: PathBuf,
}

impl Peers {
    /// `None`, and a skip written down, where a program is missing.
    pub(crate) fn new() -> Option<Self> {
        Some(Self { pkcs11_tool: program("pkcs11-tool")?, openssl: program("openssl")?, bench: Bench::new() })
    }

    /// With a chip whose module is of that version.
    pub(crate) fn of(version: Version) -> Option<Self> {
        let peers = Self::new()?;
        peers.bench.chip.set_version(version).unwrap();
        Some(peers)
    }

    pub(crate) fn tool(&self) -> Command {
        let mut command = Command::new(&self.pkcs11_tool);
        command.arg("--module").arg(self.bench.chip.module());
        command
    }

    pub(crate) fn tool_says(&self, arguments: &[&str]) -> String {
        String::from_utf8(output_of(self.tool().args(arguments))).unwrap()
    }

    pub(crate) fn openssl(&self, arguments: &[&str]) -> Vec<u8> {
        output_of(Command::new(&self.openssl).args(arguments).current_dir(self.bench.path()))
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.bench.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.file(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

/// How one kind of signature is made with pkcs11-tool, and checked with OpenSSL.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) mechanism: &'static str,
    pub(crate) key: &'static str,
    pub(crate) certificate: u32,
    pub(crate) options: &'static [&'static str],
    pub(crate) input: Input,
    pub(crate) hash: &'static str,
    pub(crate) verify: &'static [&'static str],
}

pub(crate) enum Input {
    Message,
    Digest,
    DigestInfo,
}

pub(crate) const RSA: (&str, u32) = ("100100f0", 0xF000_0111);
pub(crate) const EC: (&str, u32) = ("000100f0", 0xF000_0101);
pub(crate) const PSS: &[&str] = &["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"];

pub(crate) const fn case(
    name: &'static str,
    mechanism: &'static str,
    (key, certificate): (&'static str, u32),
    input: Input,
    hash: &'static str,
) -> Case {
    Case { name, mechanism, key, certificate, options: &[], input, hash, verify: &[] }
}

impl Peers {
    pub(crate) fn sign_and_verify(&self, case: &Case) {
        self.write("message", MESSAGE);
        self.write("device.der", &self.bench.chip.certificate(case.certificate).unwrap());
        let public = self.openssl(&["x509", "-inform", "DER", "-in", "device.der", "-pubkey", "-noout"]);
        self.write("public.pem", &public);
        let hash = format!("-{}", case.hash);
        let digest = self.openssl(&["dgst", &hash, "-binary", "message"]);
        let input = match case.input {
            Input::Message => MESSAGE.to_vec(),
            Input::Digest => digest,
            Input::DigestInfo => [&SHA256_DIGEST_INFO[..], &digest].concat(),
        };
        let input = self.write("input", &input);

        let mut signature = self.sign(case, &input);
        if case.certificate == EC.1 {
            // One in 256 is short, as the chip's are; as for the chip, the cure is to sign again.
            while signature.len() != 64 {
                signature = self.sign(case, &input);
            }
            signature = ecdsa_der(&signature);
        }
        self.write("signature", &signature);
        let check = ["-verify", "public.pem", "-signature", "signature", "message"];
        let verdict = self.openssl(&[&["dgst", &hash][..], case.verify, &check].concat());
        assert_eq!(String::from_utf8(verdict).unwrap().trim(), "Verified OK", "{}", case.name);
    }

    fn sign(&self, case: &Case, input: &Path) -> Vec<u8> {
        let output = self.file("output");
        let mut command = self.tool();
        command.args(["--sign", "--mechanism", case.mechanism, "--id", case.key]).args(case.options);
        command.arg("--input-file").arg(input).arg("--output-file").arg(&output);
        output_of(&mut command);
        std::fs::read(output).unwrap()
    }
}

/// r and s as OpenSSL wants them: two DER integers in a sequence.
fn ecdsa_der(raw: &[u8]) -> Vec<u8> {
    let integer = |number: &[u8]| {
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        let mut number = number[zeros..].to_vec();
        if number.first().is_none_or(|byte| *byte >= 0x80) {
            number.insert(0, 0);
        }
        [&[0x02, number.len() as u8][..], &number].concat()
    };
    let (r, s) = raw.split_at(raw.len() / 2);
    let content = [integer(r), integer(s)].concat();
    [&[0x30, content.len() as u8][..], &content].concat()
}
