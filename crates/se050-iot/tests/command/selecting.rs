//! How a key is named: a PKCS#11 URI is honoured whole, a label of the SE050 in either byte order.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};

use se050_sim::{Chip, Version};
use test_peers::{KeyKind, Pki, PrivateKeyFile, SoftHsm, TOKEN_LABEL, USER_PIN, output_of, program};

use crate::support::terminal::at_a_terminal;
use crate::support::{Operator, text};

/// A key with its certificate in SoftHSM2, and the URI that p11tool prints for it.
struct Device {
    operator: Operator,
    token: SoftHsm,
    certificate: Vec<u8>,
    uri: String,
}

impl Device {
    fn new() -> Option<Self> {
        let token = SoftHsm::new()?;
        let p11tool = program("p11tool")?;
        let operator = Operator::new(Vec::new());
        let key = PrivateKeyFile::generate(&operator.path(""), "key", KeyKind::EcP256)?;
        let certificate = Pki::new().certify(&key.public_key(), "device");
        token.import_key(key.path(), "my key", "05");
        token.import_certificate(&certificate, "my key", "05");
        operator.write("pin", USER_PIN);
        fs::set_permissions(operator.path("pin"), fs::Permissions::from_mode(0o600)).unwrap();
        let (variable, value) = token.environment();
        let mut list = Command::new(p11tool);
        list.arg("--provider").arg(token.module()).args(["--login", "--list-privkeys", "--only-urls"]);
        list.arg(format!("pkcs11:token={TOKEN_LABEL}")).env(variable, value).env("GNUTLS_PIN", USER_PIN);
        let uri = text(&output_of(&mut list)).trim().to_owned();
        assert!(uri.contains("serial=") && uri.contains("type=private"), "{uri}");
        Some(Self { operator, token, certificate, uri })
    }

    fn command(&self, uri: &str, arguments: &[&str]) -> Command {
        let (variable, value) = self.token.environment();
        let mut command = self.operator.command(&["cert", "export", "--key-label", uri]);
        command.args(arguments).env(variable, value);
        command
    }

    fn export(&self, uri: &str, arguments: &[&str]) -> Output {
        let pin = self.operator.path("pin");
        self.command(uri, &[&["--pin-file", pin.to_str().unwrap()], arguments].concat()).output().unwrap()
    }

    #[track_caller]
    fn gives_the_certificate(&self, output: &Output) {
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert_eq!(pem::parse(&output.stdout).unwrap().contents(), self.certificate);
    }
}

/// Fault 4, as an invariant: no attribute of a URI is left out.
#[test]
fn each_attribute_of_the_uri_that_p11tool_prints_counts() {
    let Some(device) = Device::new() else { return };
    let module = device.token.module().to_str().unwrap();
    let uri = &device.uri;
    device.gives_the_certificate(&device.export(uri, &["--pkcs11-lib", module]));
    let attributes: Vec<_> = uri.trim_start_matches("pkcs11:").split(';').collect();
    assert_eq!(attributes.len(), 7, "{uri}");
    for attribute in attributes {
        let (name, _) = attribute.split_once('=').unwrap();
        let (other, says) = match name {
            "type" => ("type=cert".to_owned(), "its type is".to_owned()),
            "id" => ("id=%7F".to_owned(), "no private key".to_owned()),
            "object" => ("object=other".to_owned(), "no private key".to_owned()),
            _ => (format!("{name}=other"), format!("{name} \"other\"")),
        };
        let output = device.export(&uri.replace(attribute, &other), &["--pkcs11-lib", module]);
        let error = text(&output.stderr);
        assert!(!output.status.success() && error.contains(&says), "{other}: {error}");
    }
    for (uri, arguments, says) in [
        (format!("{uri};slot-id=4711"), &["--pkcs11-lib", module][..], "slot-id \"4711\""),
        (format!("{uri}?module-path=/none.so"), &["--pkcs11-lib", module], "another PKCS#11 module"),
        (format!("{uri}?module-path=/none.so"), &[], "/none.so"),
        (format!("{uri}?pin-source=file:/none"), &["--pkcs11-lib", module], "file /none"),
        (uri.clone(), &["--pkcs11-lib", module, "--token-label", "other"], "its token is another"),
        (format!("{uri}?pin-value=9753"), &["--pkcs11-lib", module], "use pin-source"),
    ] {
        let output = device.export(&uri, arguments);
        let error = text(&output.stderr);
        assert!(!output.status.success() && error.contains(says), "{uri}: {error}");
    }
}

#[test]
fn a_uri_names_module_token_key_and_pin_all_by_itself() {
    let Some(device) = Device::new() else { return };
    let (module, pin) = (device.token.module().display(), device.operator.path("pin"));
    let uri = format!("{}?module-path={module}&pin-source=file:{}", device.uri, pin.display());
    device.gives_the_certificate(&device.command(&uri, &[]).output().unwrap());
    // The environment's PIN is not for the token that says where its PIN is.
    device.gives_the_certificate(&device.command(&uri, &[]).env("SE050_PIN", "0000").output().unwrap());
}

#[test]
fn a_pin_is_asked_for_where_somebody_sits_at_a_terminal() {
    let Some(device) = Device::new() else { return };
    let mut command = device.command(&device.uri, &["--pkcs11-lib"]);
    command.arg(device.token.module());
    let output = at_a_terminal(&mut command, &format!("{USER_PIN}\n"));
    device.gives_the_certificate(&output);
    assert!(text(&output.stderr).contains("PIN of the token"), "{}", text(&output.stderr));
    let output = command.stdin(std::process::Stdio::null()).output().unwrap();
    let error = text(&output.stderr);
    assert!(!output.status.success() && error.contains("--pin-file"), "{error}");
}

/// Each word that opens the token asks; nothing is typed but Enter, so that none of them goes on to the network.
#[test]
fn each_word_that_opens_the_token_asks_for_its_pin_at_a_terminal() {
    let Some(token) = SoftHsm::new() else { return };
    let operator = Operator::new(Vec::new());
    let (variable, value) = token.environment();
    let module = token.module().to_str().unwrap();
    let asked = |words: &[&str], typed: &str| {
        let mut command = operator.command(words);
        command.args(["--pkcs11-lib", module]).env(variable, &value);
        let output = at_a_terminal(&mut command, typed);
        let said = text(&output.stderr);
        assert!(!output.status.success() && said.contains("PIN of the token"), "{words:?}: {said}");
        said
    };
    let device = &["--key-label", "my key", "--endpoint", "localhost", "--client-id", "c"];
    let claim = &["claim", "--template", "t", "--claim-cert", "c.pem", "--claim-key", "c.key"][..];
    let credentials = &["credentials", "--role-alias", "r", "--credential-endpoint", "localhost"][..];
    for words in [
        &["objects"][..],
        &["cert", "show"],
        &["cert", "export"],
        &["identity", "export", "--serial", "s"],
        &["enroll", "--serial", "s"],
        &["up", "--thing", "gw-1"],
        &[&["pub", "-t", "t", "-m", "m"], &device[..]].concat(),
        &[&["sub", "-t", "t"], &device[..]].concat(),
        &[&["shadow", "get"], &device[..]].concat(),
        &[&["jobs", "list"], &device[..]].concat(),
        &[&["commands", "run", "--handler", "/bin/true", "--journal", "j"], &device[..]].concat(),
        &[credentials, device].concat(),
        &[claim, device].concat(),
    ] {
        let said = asked(words, "\n");
        assert!(said.contains("--pin-file"), "{words:?}: {said}");
    }
    // What was typed is the PIN: the token is open, and has no object of that name, or none of the factory's.
    for (words, says) in [(&["objects"][..], "is no SE050"), (&[claim, device].concat(), "no private key")] {
        let said = asked(words, &format!("{USER_PIN}\n"));
        assert!(said.contains(says), "{words:?}: {said}");
    }
}

/// Fault 12 and the default key.
#[test]
fn a_factory_key_is_found_by_each_of_its_names_in_each_version() {
    let operator = Operator::new(Vec::new());
    for version in Version::ALL {
        let chip = Chip::create(&operator.path(&format!("chip-{version}"))).unwrap();
        chip.set_version(version).unwrap();
        let module = chip.module().display().to_string();
        for names in [
            &[][..],
            &["--key-label", "sss:100100F0"],
            &["--key-label", "sss:F0000110"],
            &["--key-label", "0xF0000110"],
            &["--key-label", "cloud-connection-0-rsa2048"],
            &["--key-label", "pkcs11:token=SSS_PKCS11;id=%10%01%00%F0;type=private"],
            &["--key-label", "pkcs11:id=%F0%00%01%10"],
            &["--key-label", "0xF0000110", "--cert-label", "sss:F0000111"],
        ] {
            let output = operator.run(&[&["cert", "export", "--pkcs11-lib", &module], names].concat());
            assert!(output.status.success(), "{version}, {names:?}: {}", text(&output.stderr));
            let certificate = chip.certificate(0xF000_0111).unwrap();
            assert_eq!(pem::parse(&output.stdout).unwrap().contents(), certificate, "{version}, {names:?}");
        }
    }
}
