use serde::{Deserialize, Serialize};

use crate::certificate::DeviceCertificate;
use crate::error::{FileError, FormatError};
use crate::hex;
use crate::proof::{Proof, ProofScheme};
use crate::statement::{Statement, Subject};
use crate::text::is_printable;
use crate::time;

const FORMAT: &str = "se050-iot-identity-bundle";
const VERSION: u64 = 1;
const FILE: &str = "identity bundle";

/// What factory staff export from a device: its certificate, and the proof that its chip has the private key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IdentityBundle {
    /// The device's certificate.
    pub certificate: DeviceCertificate,
    /// The certificates of its issuers, as far as they were on the device.
    pub issuers: Vec<DeviceCertificate>,
    /// Where key and certificate are in the chip.
    pub objects: Objects,
    /// The chip, where it says who it is.
    pub chip: Option<Chip>,
    /// The proof of possession.
    pub proof: Proof,
}

/// Where key and certificate are in the chip, as the device's programs want them named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Objects {
    /// The label of the private key, such as `sss:100100F0`.
    pub key: String,
    /// The label of the certificate, where it does not follow from the key's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// The PKCS#11 module, where it is not NXP's in its usual place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pkcs11_lib: Option<String>,
    /// The token, where it was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_label: Option<String>,
    /// Where the file with the PIN is on the device, where one was named. The PIN itself never leaves the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin_file: Option<String>,
}

/// What the chip's PKCS#11 module says of itself. It is not signed: information, no evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chip {
    /// The manufacturer.
    pub manufacturer: String,
    /// The token's label.
    pub label: String,
    /// The version of the module.
    pub module_version: String,
}

impl Chip {
    /// Each text with its place in the file.
    fn texts(&self) -> [(&'static str, &str); 3] {
        [
            ("chip.manufacturer", self.manufacturer.as_str()),
            ("chip.label", self.label.as_str()),
            ("chip.module_version", self.module_version.as_str()),
        ]
    }
}

impl Objects {
    /// A key whose certificate follows from it, behind NXP's module.
    pub fn of_key(label: &str) -> Self {
        Self { key: label.to_owned(), certificate: None, pkcs11_lib: None, token_label: None, pin_file: None }
    }

    /// Each text with its place in the file.
    fn texts(&self) -> [(&'static str, &str); 5] {
        [
            ("objects.key", self.key.as_str()),
            ("objects.certificate", self.certificate.as_deref().unwrap_or_default()),
            ("objects.pkcs11_lib", self.pkcs11_lib.as_deref().unwrap_or_default()),
            ("objects.token_label", self.token_label.as_deref().unwrap_or_default()),
            ("objects.pin_file", self.pin_file.as_deref().unwrap_or_default()),
        ]
    }
}

impl IdentityBundle {
    /// A bundle of what is always there.
    pub fn new(certificate: DeviceCertificate, objects: Objects, proof: Proof) -> Self {
        Self { certificate, issuers: Vec::new(), objects, chip: None, proof }
    }

    /// The bundle as a file.
    ///
    /// # Errors
    /// Never in practice: it holds nothing that JSON cannot say.
    pub fn to_json(&self) -> Result<String, FileError> {
        let certificates = std::iter::once(&self.certificate).chain(&self.issuers);
        let proof = &self.proof;
        let file = BundleFile {
            format: FORMAT.to_owned(),
            version: VERSION,
            certificates: certificates.map(DeviceCertificate::to_pem).collect(),
            objects: self.objects.clone(),
            chip: self.chip.clone(),
            proof: ProofFile {
                subject: match &proof.statement.subject {
                    Subject::Serial(text) => SubjectFile::Serial(text.clone()),
                    Subject::Thing(text) => SubjectFile::Thing(text.clone()),
                },
                nonce: proof.statement.nonce.clone(),
                time: time::to_text(proof.statement.time),
                scheme: proof.scheme.name().to_owned(),
                signature: hex::encode(&proof.signature),
            },
        };
        let mut json =
            serde_json::to_string_pretty(&file).map_err(|error| FileError::Json(FormatError::of(error)))?;
        json.push('\n');
        Ok(json)
    }

    /// Reads a bundle. Whether its proof holds is told by [`Identity::check`](crate::Identity::check).
    ///
    /// # Errors
    /// Cut short, another file, a later version, or a field that cannot be.
    pub fn from_json(json: &[u8]) -> Result<Self, FileError> {
        let unreadable = |error: serde_json::Error| FileError::Json(FormatError::of(error));
        // The envelope first: a later version may have other members, and shall be told as what it is.
        let envelope: Envelope = serde_json::from_slice(json).map_err(unreadable)?;
        if envelope.format != FORMAT {
            return Err(FileError::Format { found: envelope.format, expected: FORMAT });
        }
        if envelope.version != VERSION {
            return Err(FileError::Version { file: FILE, found: envelope.version, known: VERSION });
        }
        let file: BundleFile = serde_json::from_slice(json).map_err(unreadable)?;
        let chip = file.chip.as_ref().map(Chip::texts).unwrap_or_default();
        // They come to be shown, and to stand in commands.
        if let Some((name, text)) =
            file.objects.texts().iter().chain(&chip).find(|(_, text)| !is_printable(text))
        {
            return Err(field(name, text));
        }
        let certificates: Vec<_> = file
            .certificates
            .iter()
            .map(|pem| DeviceCertificate::from_pem(pem.as_bytes()))
            .collect::<Result<_, _>>()?;
        let mut certificates = certificates.into_iter();
        let certificate = certificates.next().ok_or_else(|| field("certificates", "there is none"))?;
        Ok(Self {
            certificate,
            issuers: certificates.collect(),
            objects: file.objects,
            chip: file.chip,
            proof: file.proof.read()?,
        })
    }
}

#[derive(Deserialize)]
struct Envelope {
    format: String,
    version: u64,
}

#[derive(Serialize, Deserialize)]
struct BundleFile {
    format: String,
    version: u64,
    certificates: Vec<String>,
    objects: Objects,
    #[serde(skip_serializing_if = "Option::is_none")]
    chip: Option<Chip>,
    proof: ProofFile,
}

#[derive(Serialize, Deserialize)]
struct ProofFile {
    subject: SubjectFile,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<String>,
    time: String,
    scheme: String,
    signature: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SubjectFile {
    Serial(String),
    Thing(String),
}

impl ProofFile {
    fn read(self) -> Result<Proof, FileError> {
        let subject = match self.subject {
            SubjectFile::Serial(text) => Subject::Serial(text),
            SubjectFile::Thing(text) => Subject::Thing(text),
        };
        let time = time::from_text(&self.time).ok_or_else(|| field("proof.time", &self.time))?;
        let statement =
            Statement::new(subject, self.nonce, time).map_err(|error| field("proof.subject", error))?;
        let scheme = ProofScheme::named(&self.scheme).ok_or_else(|| field("proof.scheme", &self.scheme))?;
        let signature = hex::decode(&self.signature)
            .ok_or_else(|| field("proof.signature", "it is not in hexadecimal digits"))?;
        Ok(Proof { statement, scheme, signature })
    }
}

fn field(field: &'static str, reason: impl ToString) -> FileError {
    FileError::Field { file: FILE, field, reason: reason.to_string() }
}
