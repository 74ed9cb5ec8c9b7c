use std::fmt;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context as _;
use clap::Args;
use device_identity::{
    Chip, DeviceCertificate, Identity, IdentityBundle, Objects, Proof, ProofScheme, Statement, Subject,
};
use se050_key::{NXP_MODULE, Scheme};
use serde_json::{Value, json};

use crate::chip::{ChipArgs, Pair};
use crate::files::{absolute, with_ending};
use crate::json;
use crate::shell::quoted;
use crate::terminal::say;

/// What `se050-iot identity export` is told.
#[derive(Args)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    chip: ChipArgs,
    /// The serial number on the device's label
    #[arg(long, value_name = "TEXT", required_unless_present = "thing_name", conflicts_with = "thing_name")]
    serial: Option<String>,
    /// The name that the device is to have on AWS IoT, where it is known already
    #[arg(long, value_name = "NAME")]
    thing_name: Option<String>,
    /// What the operator issued for this order or this device: the proof is then good for it only
    #[arg(long, value_name = "TEXT")]
    nonce: Option<String>,
    /// The certificates of the issuers (PEM), to go with the device's own
    #[arg(long, value_name = "FILE")]
    issuers: Option<PathBuf>,
    /// Write to this file instead of standard output
    #[arg(long, short, value_name = "FILE", conflicts_with = "dir")]
    output: Option<PathBuf>,
    /// Write SERIAL.json into this directory, and print one line, PASS or FAIL: for a loop over scanned serial numbers
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Overwrite the file, whatever is in it
    #[arg(long)]
    force: bool,
    /// Print what was made as one JSON object, with the bundle in it
    #[arg(long)]
    json: bool,
}

/// The failure was told already, in the line that a loop reads.
#[derive(Debug)]
pub(crate) struct Told;

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not exported")
    }
}

impl std::error::Error for Told {}

pub(crate) fn run(args: ExportArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let subject = args.subject()?;
    let output = args.file(&subject)?;
    let made = make(&args, &subject, output.as_deref());
    if let (Some(path), false) = (&output, args.json) {
        match &made {
            Ok((bundle, _)) => {
                let id = bundle.certificate.fingerprint();
                writeln!(out, "PASS {} {id} {}", subject.as_str(), path.display())?;
            }
            Err(error) => {
                writeln!(out, "FAIL {} {}", subject.as_str(), format!("{error:#}").replace('\n', " "))?;
            }
        }
    }
    let (bundle, text) = match made {
        Err(error) if args.dir.is_some() && !args.json => return Err(error.context(Told)),
        made => made?,
    };
    if args.json {
        let object = json!({
            "subject": { subject.kind(): subject.as_str() },
            "keyLabel": bundle.objects.key,
            "certificateId": bundle.certificate.fingerprint(),
            "proofScheme": bundle.proof.scheme().name(),
            "bundle": serde_json::from_str::<Value>(&text)?,
            "file": json::file(output.as_ref()),
        });
        return json::print(out, &object).context("cannot write to standard output");
    }
    if output.is_none() {
        out.write_all(text.as_bytes()).context("cannot write the bundle to standard output")?;
    }
    if args.dir.is_none() {
        tell(&bundle, output.as_deref());
    }
    Ok(())
}

impl ExportArgs {
    fn subject(&self) -> anyhow::Result<Subject> {
        match (&self.serial, &self.thing_name) {
            // Some scanners end what they read with a carriage return.
            (Some(serial), _) => Ok(Subject::Serial(serial.trim().to_owned())),
            (None, Some(thing)) => Ok(Subject::Thing(thing.clone())),
            (None, None) => anyhow::bail!("say which device it is: --serial or --thing-name"),
        }
    }

    fn file(&self, subject: &Subject) -> anyhow::Result<Option<PathBuf>> {
        let Some(directory) = &self.dir else { return Ok(self.output.clone()) };
        let name = subject.as_str();
        let fits = |c: char| c.is_ascii_alphanumeric() || "_-.:=+,@".contains(c);
        anyhow::ensure!(
            !name.is_empty() && !name.starts_with(['.', '-']) && name.chars().all(fits),
            "{subject:?} cannot be a file's name; use --output FILE, or check the scanner"
        );
        fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        Ok(Some(directory.join(format!("{name}.json"))))
    }
}

/// The bundle, as it is and as it stands in the file.
fn make(
    args: &ExportArgs,
    subject: &Subject,
    output: Option<&Path>,
) -> anyhow::Result<(IdentityBundle, String)> {
    let statement = Statement::new(subject.clone(), args.nonce.clone(), SystemTime::now())?;
    let pair = args.chip.open()?;
    let (key, token) = (&pair.key, &pair.token);
    let certificate = DeviceCertificate::from_der(pair.certificate.as_der())?;
    let (scheme, proof_scheme) = match ProofScheme::for_key(certificate.key_kind()) {
        Some(scheme @ ProofScheme::RsaPkcs1Sha256) => (Scheme::RsaPkcs1Sha256, scheme),
        Some(scheme @ ProofScheme::EcdsaP256Sha256) => (Scheme::EcdsaP256Sha256, scheme),
        Some(scheme @ ProofScheme::EcdsaP384Sha384) => (Scheme::EcdsaP384Sha384, scheme),
        _ => {
            anyhow::bail!(
                "an {} key cannot make a proof here; use `se050-iot cert export`",
                certificate.key_kind()
            )
        }
    };
    let signature = key.sign(scheme, &statement.to_bytes(&certificate))?;
    let proof = Proof::new(statement, proof_scheme, signature);
    let mut bundle = IdentityBundle::new(certificate, objects(&pair)?, proof);
    if let Some(path) = &args.issuers {
        let pem = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        bundle.issuers = DeviceCertificate::all_from_pem(&pem).with_context(|| path.display().to_string())?;
    }
    let (major, minor) = token.firmware_version;
    bundle.chip = Some(Chip {
        manufacturer: token.manufacturer.clone(),
        label: token.label.clone(),
        module_version: format!("{major}.{minor}"),
    });
    let text = bundle.to_json()?;
    if let Some(path) = output {
        write_bundle(path, &bundle, &text, args.force)?;
    }
    Ok((bundle, text))
}

/// Writes the bundle, so that the file is there whole or not at all. A file that is there already is replaced only if it is a
/// bundle of the same device, or if `force` says so.
fn write_bundle(path: &Path, bundle: &IdentityBundle, text: &str, force: bool) -> anyhow::Result<()> {
    let written = || format!("cannot write the bundle to {}", path.display());
    if path.metadata().is_ok_and(|there| !there.is_file()) {
        // Such as /dev/stdout.
        return fs::write(path, text).with_context(written);
    }
    match File::create_new(path) {
        // The name is taken from now on: another process with the same serial number is told.
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            if !force {
                check_same_device(path, bundle)?;
            }
        }
        Err(error) => return Err(error).with_context(written),
    }
    let partial = with_ending(path, "partial");
    let write_whole = || {
        let mut file = File::create(&partial)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&partial, path)
    };
    write_whole().with_context(written)
}

fn check_same_device(path: &Path, bundle: &IdentityBundle) -> anyhow::Result<()> {
    // What an export left that was interrupted.
    if path.metadata().is_ok_and(|there| there.len() == 0) {
        return Ok(());
    }
    let found = match Identity::from_file(path) {
        Ok(Identity::Bundle(there)) => {
            if there.certificate == bundle.certificate && there.proof.subject() == bundle.proof.subject() {
                return Ok(());
            }
            let id = there.certificate.fingerprint();
            format!("holds the bundle of {} with the certificate {id}", there.proof.subject())
        }
        _ => "is there already, and holds no bundle".to_owned(),
    };
    anyhow::bail!(
        "{} {found}; it was left as it is: check the serial number of this device, give another file, or say --force",
        path.display()
    )
}

/// What the device's programs have to be told to find key and certificate.
fn objects(pair: &Pair) -> anyhow::Result<Objects> {
    let mut objects = Objects::of_key(pair.key_label.as_str());
    objects.certificate = pair.cert_label.as_ref().map(|label| label.as_str().to_owned());
    if pair.token.module != Path::new(NXP_MODULE) {
        objects.pkcs11_lib = Some(absolute(&pair.token.module)?);
    }
    objects.token_label.clone_from(&pair.token_label);
    objects.pin_file = pair.pin_file.as_deref().map(absolute).transpose()?;
    Ok(objects)
}

fn tell(bundle: &IdentityBundle, output: Option<&Path>) {
    say!("identity of {} with the key {}", bundle.proof.subject(), bundle.objects.key);
    say!("  certificate  {}", bundle.certificate.fingerprint());
    say!("  proof        {}, signed in the chip", bundle.proof.scheme());
    let Some(path) = output else { return };
    say!("  written to   {}", path.display());
    let file = path.display().to_string();
    let name = match bundle.proof.subject() {
        Subject::Serial(serial) if is_thing_name(serial) => " --thing-name '{serial}'",
        Subject::Serial(_) => " --thing-name '{certificate}'",
        // The proof names the thing.
        _ => "",
    };
    say!(
        "  next         on the operator's machine: se050-iot provision plan --certificate {}{name}",
        quoted(&file)
    );
}

/// Whether AWS IoT takes it as a thing's name (AWS IoT API reference, CreateThing).
fn is_thing_name(serial: &str) -> bool {
    serial.chars().all(|c| c.is_ascii_alphanumeric() || ":_-".contains(c))
}
