//! A PKCS#11 URI is honoured whole.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use aws_iot_sim::AwsIotSim;
use test_peers::{KeyKind, Pki, PrivateKeyFile, SoftHsm, TOKEN_LABEL, USER_PIN};

use crate::how_to::POLICY;

/// Fault 4, as an invariant: each attribute of a URI changes what is selected.
#[test]
fn each_attribute_of_a_uri_counts() {
    let Some(token) = SoftHsm::new() else { return };
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let Some(key) = PrivateKeyFile::generate(directory.path(), "key", KeyKind::EcP256) else { return };
    let certificate = Pki::new().certify(&key.public_key(), "dev1");
    token.import_key(key.path(), "my key", "05");
    token.import_certificate(&certificate, "my key", "05");
    fs::write(at("pin"), USER_PIN).unwrap();
    fs::set_permissions(at("pin"), fs::Permissions::from_mode(0o600)).unwrap();
    let cloud = AwsIotSim::start().unwrap();
    cloud.admit(&pem::encode(&pem::Pem::new("CERTIFICATE", certificate)), "dev1", POLICY).unwrap();
    let run = |uri: &str| {
        let (variable, value) = token.environment();
        let mut pubsub = Command::new(env!("CARGO_BIN_EXE_pubsub"));
        pubsub.env_clear().env(variable, value).args([
            "--client-id",
            "dev1",
            "--count",
            "1",
            "--key-label",
            uri,
        ]);
        pubsub.args(["--endpoint", cloud.endpoint(), "--port", &cloud.port().to_string()]);
        pubsub.arg("--ca-file").arg(cloud.ca_file()).output().unwrap()
    };
    let attributes = [
        ("model", "SoftHSM%20v2"),
        ("manufacturer", "SoftHSM%20project"),
        ("token", TOKEN_LABEL),
        ("id", "%05"),
        ("object", "my%20key"),
        ("type", "private"),
    ];
    let path = attributes.map(|(name, value)| format!("{name}={value}")).join(";");
    let (module, pin) = (token.module().display(), at("pin").display().to_string());
    let whole = format!("pkcs11:{path}?module-path={module}&pin-source=file:{pin}");
    let output = run(&whole);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let others = [
        ("model=SoftHSM%20v2", "model=other", "model \"other\""),
        ("manufacturer=SoftHSM%20project", "manufacturer=other", "manufacturer \"other\""),
        ("token=throwaway", "token=other", "token \"other\""),
        ("id=%05", "id=%06", "no private key"),
        ("object=my%20key", "object=other", "no private key"),
        ("type=private", "type=cert", "its type is"),
        ("type=private", "type=private;serial=other", "serial \"other\""),
        ("type=private", "type=private;slot-id=4711", "slot-id 4711"),
        ("module-path=/", "module-path=/none/", "/none/"),
        ("pin-source=file:/", "pin-source=file:/none/", "/none/"),
        ("pin-source=file:", "pin-value=", "use pin-source"),
    ];
    for (attribute, other, says) in others {
        assert!(whole.contains(attribute), "{attribute}");
        let output = run(&whole.replacen(attribute, other, 1));
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && error.contains(says), "{other}: {error}");
    }
}
