//! Bundles as a device would write them, with keys in software: what holds, and every way in which it does not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::process::Command;
use std::time::{Duration, SystemTime};

use device_identity::{
    CheckError, DeviceCertificate, Identity, IdentityBundle, KeyKind, Objects, Proof, ProofScheme,
    Requirements, Statement, Subject,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SigningKey as _};
use test_peers::{output_of, program};

struct Device {
    certificate: DeviceCertificate,
    key: KeyPair,
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn device_below(issuer: &CertifiedIssuer<'static, KeyPair>, params: CertificateParams) -> Device {
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap();
    Device { certificate: DeviceCertificate::from_der(certificate.der()).unwrap(), key }
}

fn device() -> Device {
    device_below(&authority("maker"), named("device"))
}

fn bundle(device: &Device, nonce: Option<&str>) -> IdentityBundle {
    let subject = Subject::Serial("0001".to_owned());
    let statement = Statement::new(subject, nonce.map(str::to_owned), SystemTime::now()).unwrap();
    let signature = device.key.sign(&statement.to_bytes(&device.certificate)).unwrap();
    let proof = Proof::new(statement, ProofScheme::EcdsaP256Sha256, signature);
    let objects = Objects::of_key("sss:100100F0");
    IdentityBundle::new(device.certificate.clone(), objects, proof)
}

fn check(bundle: &IdentityBundle, wanted: &Requirements) -> Result<bool, CheckError> {
    let read = Identity::from_bytes(bundle.to_json().unwrap().as_bytes()).unwrap();
    read.check(wanted, SystemTime::now()).map(|checked| checked.proven)
}

#[test]
fn what_a_device_wrote_is_read_and_proven() {
    let device = device();
    let bundle = bundle(&device, Some("order 7"));
    let json = bundle.to_json().unwrap();
    let identity = Identity::from_bytes(json.as_bytes()).unwrap();
    let checked = identity.check(&Requirements::default(), SystemTime::now()).unwrap();
    assert_eq!(checked.summary(), "proof of possession holds, issuer not verified");
    assert_eq!(identity.subject(), Some(&Subject::Serial("0001".to_owned())));
    assert_eq!(identity.key().unwrap().label, "sss:100100F0");
    assert_eq!(identity.certificate().key_kind(), KeyKind::EcP256);
    // What it says besides the certificate is as it was: to the second, which is what the file holds.
    let Identity::Bundle(read) = identity else { panic!("a bundle") };
    assert_eq!(read.to_json().unwrap(), json);
}

#[test]
fn a_bundle_that_was_changed_is_noticed() {
    let (device, other) = (device(), device());
    let json = bundle(&device, Some("n1")).to_json().unwrap();
    let pem = |device: &Device| device.certificate.to_pem().replace('\n', "\\n");
    for (name, changed) in [
        ("another serial number", json.replace("\"0001\"", "\"0002\"")),
        ("serial made a thing", json.replace("\"serial\"", "\"thing\"")),
        ("another nonce", json.replace("\"n1\"", "\"n2\"")),
        ("without its nonce", json.replace("\"nonce\": \"n1\",", "")),
        ("another time", json.replace("\"time\": \"2", "\"time\": \"3")),
        ("another device's certificate", json.replace(&pem(&device), &pem(&other))),
        ("another scheme", json.replace("ecdsa_secp256r1_sha256", "rsa_pkcs1_sha256")),
        ("another signature", json.replace("\"signature\": \"30", "\"signature\": \"31")),
    ] {
        assert_ne!(changed, json, "{name}: the test changes nothing");
        let identity = Identity::from_bytes(changed.as_bytes()).unwrap();
        let result = identity.check(&Requirements::default(), SystemTime::now());
        assert!(matches!(result, Err(CheckError::ProofWrong { .. })), "{name}: {result:?}");
    }
}

#[test]
fn what_is_no_bundle_is_told_by_name() {
    let json = bundle(&device(), None).to_json().unwrap();
    for (name, text, says) in [
        ("cut short", json[..json.len() / 2].to_owned(), "cut short"),
        ("another file", json.replace("identity-bundle", "shopping-list"), "shopping-list"),
        ("later version", json.replace("\"version\": 1", "\"version\": 2"), "newer"),
        ("no certificate", json.replace("certificates", "certs"), "cannot be read"),
        ("bad time", json.replace("\"time\": \"2", "\"time\": \"x"), "proof.time"),
        ("bad hex", json.replace("\"signature\": \"3", "\"signature\": \"g"), "proof.signature"),
        ("bad PEM", json.replace("BEGIN CERTIFICATE", "BEGIN NONSENSE"), "PEM"),
        ("a private key", KeyPair::generate().unwrap().serialize_pem(), "private key"),
        ("empty", String::new(), "no PEM block"),
    ] {
        let error = Identity::from_bytes(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(says), "{name}: {error}");
    }
}

/// OpenSSL signs, since ring has no P-521: the certificate, below an authority of its own, and the statement.
#[test]
fn a_proof_and_an_issuer_with_p_521_keys_are_verified() {
    let Some(openssl) = program("openssl") else { return };
    let directory = tempfile::tempdir().unwrap();
    let run = |arguments: &str| {
        output_of(Command::new(&openssl).current_dir(directory.path()).args(arguments.split(' ')));
        directory.path()
    };
    run(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-521 -sha512 -nodes -keyout ca.key -out ca.pem -subj /CN=maker",
    );
    run(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-521 -sha512 -nodes -keyout other.key -out other.pem -subj /CN=maker",
    );
    run(
        "req -newkey ec -pkeyopt ec_paramgen_curve:P-521 -nodes -keyout device.key -out device.csr -subj /CN=device",
    );
    let directory =
        run("x509 -req -in device.csr -CA ca.pem -CAkey ca.key -set_serial 1 -sha384 -out device.pem");
    let certificate =
        |name: &str| DeviceCertificate::from_pem(&fs::read(directory.join(name)).unwrap()).unwrap();
    let device = certificate("device.pem");
    assert_eq!(device.key_kind(), KeyKind::EcP521);

    let statement = Statement::new(Subject::Serial("0001".to_owned()), None, SystemTime::now()).unwrap();
    fs::write(directory.join("statement"), statement.to_bytes(&device)).unwrap();
    let objects = Objects::of_key("sss:100100F0");
    let trust = |name| Requirements { authorities: vec![certificate(name)], ..Requirements::default() };
    for (key, holds) in [("device.key", true), ("other.key", false)] {
        run(&format!("dgst -sha512 -sign {key} -out signature statement"));
        let signature = fs::read(directory.join("signature")).unwrap();
        let proof = Proof::new(statement.clone(), ProofScheme::EcdsaP521Sha512, signature);
        let bundle = IdentityBundle::new(device.clone(), objects.clone(), proof);
        let result = check(&bundle, &trust("ca.pem"));
        assert_eq!(result.is_ok(), holds, "{key}: {result:?}");
        if holds {
            let result = check(&bundle, &trust("other.pem"));
            assert!(matches!(result, Err(CheckError::IssuerNotVerified { .. })), "{result:?}");
        }
    }
}

#[test]
fn a_proof_is_only_good_for_the_nonce_that_was_issued() {
    let device = device();
    let wanted = |nonce: &str| Requirements { nonce: Some(nonce.to_owned()), ..Requirements::default() };
    assert!(check(&bundle(&device, Some("n1")), &wanted("n1")).unwrap());
    for other in [Some("n2"), None] {
        let result = check(&bundle(&device, other), &wanted("n1"));
        assert!(matches!(result, Err(CheckError::NonceDiffers { .. })), "{result:?}");
    }
}

#[test]
fn a_bare_certificate_passes_as_such_unless_a_proof_is_wanted() {
    let device = device();
    for bytes in [device.certificate.der().to_vec(), device.certificate.to_pem().into_bytes()] {
        let identity = Identity::from_bytes(&bytes).unwrap();
        let checked = identity.check(&Requirements::default(), SystemTime::now()).unwrap();
        assert_eq!(checked.summary(), "no proof, issuer not verified");
        let wanted = Requirements { proof_required: true, ..Requirements::default() };
        let result = identity.check(&wanted, SystemTime::now());
        assert!(matches!(result, Err(CheckError::ProofMissing { .. })), "{result:?}");
    }
}

#[test]
fn a_certificate_counts_only_within_its_validity() {
    let mut params = named("device");
    let day = Duration::from_hours(24);
    params.not_before = (SystemTime::now() - 2 * day).into();
    params.not_after = (SystemTime::now() + 2 * day).into();
    let identity = Identity::Bare(Box::new(device_below(&authority("maker"), params).certificate));
    let at = |time| identity.check(&Requirements::default(), time);
    assert!(at(SystemTime::now()).is_ok());
    assert!(matches!(at(SystemTime::now() - 3 * day), Err(CheckError::NotYetValid { .. })));
    assert!(matches!(at(SystemTime::now() + 3 * day), Err(CheckError::Expired { .. })));
}

#[test]
fn the_issuer_is_one_of_the_given_authorities_or_below_one() {
    let (root, stranger) = (authority("root"), authority("root"));
    let mut params = named("intermediate");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let intermediate = CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), &root).unwrap();
    let leaf_as_issuer =
        CertifiedIssuer::signed_by(named("no authority"), KeyPair::generate().unwrap(), &root).unwrap();
    let certificate = |der: &[u8]| DeviceCertificate::from_der(der).unwrap();
    let trust = |issuer: &CertifiedIssuer<'static, KeyPair>| Requirements {
        authorities: vec![certificate(issuer.der())],
        ..Requirements::default()
    };

    let direct = bundle(&device_below(&root, named("device")), None);
    assert!(check(&direct, &trust(&root)).unwrap());
    let below = bundle(&device_below(&intermediate, named("device")), None);
    let mut with_chain = below.clone();
    with_chain.issuers = vec![certificate(intermediate.der())];
    assert!(check(&with_chain, &trust(&root)).unwrap());
    let mut vouched_by_a_leaf = bundle(&device_below(&leaf_as_issuer, named("device")), None);
    vouched_by_a_leaf.issuers = vec![certificate(leaf_as_issuer.der())];
    for (name, bundle, trusted) in [
        ("the link is missing", &below, &root),
        ("same name, other key", &direct, &stranger),
        ("issuer that is no authority", &vouched_by_a_leaf, &root),
    ] {
        let result = check(bundle, &trust(trusted));
        assert!(matches!(result, Err(CheckError::IssuerNotVerified { .. })), "{name}: {result:?}");
    }
}

/// DER, taken apart as far as it is constructed, so that a test can change it.
enum Tlv {
    Constructed(u8, Vec<Tlv>),
    Primitive(u8, Vec<u8>),
}

impl Tlv {
    fn all(mut der: &[u8]) -> Vec<Self> {
        let mut all = Vec::new();
        while let [tag, first, rest @ ..] = der {
            let (length, rest) = match first {
                0x81 => (usize::from(rest[0]), &rest[1..]),
                0x82 => (usize::from(rest[0]) << 8 | usize::from(rest[1]), &rest[2..]),
                short => (usize::from(*short), rest),
            };
            let (content, after) = rest.split_at(length);
            all.push(match tag & 0x20 {
                0 => Self::Primitive(*tag, content.to_vec()),
                _ => Self::Constructed(*tag, Self::all(content)),
            });
            der = after;
        }
        all
    }

    fn to_der(&self) -> Vec<u8> {
        let (tag, content) = match self {
            Self::Constructed(tag, inside) => (*tag, inside.iter().flat_map(Self::to_der).collect()),
            Self::Primitive(tag, content) => (*tag, content.clone()),
        };
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        let header = match length {
            [0, short @ ..0x80] => vec![tag, short],
            [0, long] => vec![tag, 0x81, long],
            [high, low] => vec![tag, 0x82, high, low],
        };
        [header, content].concat()
    }

    /// Writes `critical FALSE` into each extension that leaves it out.
    fn write_defaults_out(&mut self) -> usize {
        let Self::Constructed(tag, inside) = self else { return 0 };
        if let [Self::Primitive(0x06, _), Self::Primitive(0x04, _)] = inside.as_slice()
            && *tag == 0x30
        {
            inside.insert(1, Self::Primitive(0x01, vec![0x00]));
            return 1;
        }
        inside.iter_mut().map(Self::write_defaults_out).sum()
    }
}

/// Some issuers write a default value out, which DER leaves out: what was signed are the bytes as they stand.
#[test]
fn a_chain_is_verified_over_the_bytes_that_were_signed() {
    let key = KeyPair::generate().unwrap();
    let signing_key = KeyPair::from_pem(&key.serialize_pem()).unwrap();
    let mut params = named("maker");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let maker = CertifiedIssuer::self_signed(params, key).unwrap();
    let mut params = named("device");
    params.subject_alt_names = vec![rcgen::SanType::DnsName("device".try_into().unwrap())];
    let device = device_below(&maker, params);

    let mut certificate = Tlv::all(device.certificate.der());
    let Tlv::Constructed(_, parts) = &mut certificate[0] else { panic!("a certificate is a SEQUENCE") };
    assert!(parts[0].write_defaults_out() > 0);
    let signature = signing_key.sign(&parts[0].to_der()).unwrap();
    parts[2] = Tlv::Primitive(0x03, [vec![0], signature].concat());
    let changed = certificate[0].to_der();
    assert_ne!(changed, device.certificate.der());

    let trust = |authority: &[u8]| Requirements {
        authorities: vec![DeviceCertificate::from_der(authority).unwrap()],
        ..Requirements::default()
    };
    let identity = Identity::from_bytes(&changed).unwrap();
    let checked = identity.check(&trust(maker.der()), SystemTime::now()).unwrap();
    assert_eq!(checked.issuer.as_deref(), Some("CN=maker"));
    let other = authority("maker");
    let result = identity.check(&trust(other.der()), SystemTime::now());
    assert!(matches!(result, Err(CheckError::IssuerNotVerified { .. })), "{result:?}");
}

#[test]
fn an_authority_that_is_not_valid_now_vouches_for_nobody() {
    let day = Duration::from_hours(24);
    let valid = |name: &str, from: SystemTime, until: SystemTime| {
        let mut params = named(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        (params.not_before, params.not_after) = (from.into(), until.into());
        params
    };
    let now = SystemTime::now();
    for (name, from, until, says) in [
        ("expired", now - 9 * day, now - day, "has expired on"),
        ("not yet valid", now + day, now + 9 * day, "is valid only from"),
    ] {
        let root =
            CertifiedIssuer::self_signed(valid("root", from, until), KeyPair::generate().unwrap()).unwrap();
        let wanted = Requirements {
            authorities: vec![DeviceCertificate::from_der(root.der()).unwrap()],
            ..Requirements::default()
        };
        let error = check(&bundle(&device_below(&root, named("device")), None), &wanted).unwrap_err();
        assert!(error.to_string().contains(&format!("the authority CN=root {says}")), "{name}: {error}");
    }
}

#[test]
fn an_authority_vouches_no_deeper_than_it_may() {
    let issuer = |name: &str, path: BasicConstraints, above: &CertifiedIssuer<'static, KeyPair>| {
        let mut params = named(name);
        params.is_ca = IsCa::Ca(path);
        CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), above).unwrap()
    };
    let root = authority("root");
    for (path, holds) in [(BasicConstraints::Unconstrained, true), (BasicConstraints::Constrained(0), false)]
    {
        let upper = issuer("upper", path, &root);
        let lower = issuer("lower", BasicConstraints::Constrained(0), &upper);
        let mut bundle = bundle(&device_below(&lower, named("device")), None);
        let certificate = |der: &[u8]| DeviceCertificate::from_der(der).unwrap();
        bundle.issuers = vec![certificate(upper.der()), certificate(lower.der())];
        let wanted = Requirements { authorities: vec![certificate(root.der())], ..Requirements::default() };
        assert_eq!(check(&bundle, &wanted).is_ok(), holds, "{path:?}");
    }
}

#[test]
fn the_certificate_of_an_authority_is_no_device() {
    let root = authority("root");
    let mut params = named("intermediate");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let intermediate = CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), &root).unwrap();
    let mut params = named("signs certificates");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
    let signs = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    for (name, der, is_device) in [
        ("below another", intermediate.der(), false),
        ("may sign certificates", signs.der(), false),
        // As `openssl req -x509` makes a device's own certificate.
        ("self-signed, without key usage", root.der(), true),
    ] {
        let identity = Identity::from_bytes(der).unwrap();
        let result = identity.check(&Requirements::default(), SystemTime::now());
        assert_eq!(result.is_ok(), is_device, "{name}: {result:?}");
        assert!(is_device || matches!(result, Err(CheckError::Authority { .. })), "{name}: {result:?}");
    }
}

#[test]
fn a_proof_may_be_too_old_or_from_the_future() {
    let identity = Identity::Bundle(Box::new(bundle(&device(), None)));
    let day = Duration::from_hours(24);
    let wanted = Requirements { proof_max_age: Some(2 * day), ..Requirements::default() };
    let at = |time| identity.check(&wanted, time);
    let now = SystemTime::now();
    assert!(at(now).is_ok() && at(now + day).is_ok());
    let result = at(now + 3 * day);
    assert!(matches!(result, Err(CheckError::ProofTime { .. })), "{result:?}");
    let bare = Identity::Bare(Box::new(device().certificate));
    let result = bare.check(&wanted, now);
    assert!(matches!(result, Err(CheckError::ProofMissing { .. })), "{result:?}");
}

#[test]
fn a_bundle_that_would_steer_a_terminal_is_refused() {
    let json = bundle(&device(), None).to_json().unwrap();
    for steering in ["\\u001b[2J", "\\r", "\\u009b", "\\u202e"] {
        let changed = json.replace("sss:100100F0", steering);
        assert_ne!(changed, json);
        let error = Identity::from_bytes(changed.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("objects.key"), "{error}");
        assert!(!error.chars().any(|c| c.is_control() || c == '\u{202e}'), "{error:?}");
    }
}

#[test]
fn only_files_that_can_be_identities_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    fs::write(path("large.json"), vec![b' '; (1 << 20) + 1]).unwrap();
    output_of(Command::new("mkfifo").arg(path("pipe.pem")));
    for (name, says) in
        [("large.json", "larger than 1 MiB"), ("pipe.pem", "not a file"), ("none.pem", "none.pem")]
    {
        let error = Identity::from_file(&path(name)).unwrap_err().to_string();
        assert!(error.contains(says), "{name}: {error}");
    }
    for name in ["b.PEM", "a.json", "._a.json", ".hidden.pem", "x.report.json", "x.report.jsonl", "notes.txt"]
    {
        fs::write(path(name), "").unwrap();
    }
    let files = Identity::files_in(directory.path()).unwrap();
    let names: Vec<_> = files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["a.json", "b.PEM", "large.json", "pipe.pem"]);
}
