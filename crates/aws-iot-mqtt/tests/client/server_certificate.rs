//! Server certificates that this client does not accept, made by OpenSSL as operators make them.

use std::path::Path;
use std::process::Command;

use aws_iot_mqtt::{Error, Verdict};
use test_peers::{Issued, Pki, output_of, program, skip};

use crate::support::server::{Scripted, read_to_end};
use crate::support::{EACH_VERSION, block_on, client, tls};

/// Runs `openssl` commands, one a line, in a directory of their own. `None` after writing down a skip.
fn openssl(directory: &Path, commands: &str) -> Option<()> {
    let openssl = program("openssl")?;
    for line in commands.lines().map(str::trim).filter(|line| !line.is_empty()) {
        output_of(Command::new(&openssl).args(line.split(' ')).current_dir(directory));
    }
    Some(())
}

const AUTHORITY: &str = "ecparam -name prime256v1 -genkey -noout -out ca.key
    req -x509 -new -key ca.key -days 30 -subj /CN=authority -out ca.pem
    genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out srv.key
    req -new -key srv.key -subj /CN=localhost -out srv.csr";

/// A server with the certificate that those commands make, and what the client says of it.
fn refused(commands: &str, ca_file: &str) -> Option<(String, Error)> {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| std::fs::read_to_string(directory.path().join(name)).unwrap();
    std::fs::write(directory.path().join("srv.ext"), "subjectAltName=DNS:localhost\n").unwrap();
    openssl(directory.path(), AUTHORITY)?;
    openssl(directory.path(), commands)?;
    let printed = output_of(
        Command::new(program("openssl")?)
            .args(["x509", "-noout", "-text", "-in"])
            .arg(directory.path().join("srv.pem")),
    );
    let server = Issued { certificate_pem: file("srv.pem"), key_pem: file("srv.key") };
    let mut errors = EACH_VERSION.map(|version| {
        let pki = Pki::new();
        let ask = |stream: &mut _| drop(read_to_end(stream));
        let scripted = Scripted::with(&pki.ca_pem(), &server, pki.client("device-1"), ask);
        let tls = tls(&scripted.device, &file(ca_file), &[version]);
        block_on(client(scripted.port, "device-1", tls).connect()).unwrap_err()
    });
    assert_eq!(
        errors[0].to_string().split_once(" is ").unwrap().1,
        errors[1].to_string().split_once(" is ").unwrap().1
    );
    Some((String::from_utf8_lossy(&printed).into_owned(), std::mem::replace(&mut errors[0], Error::Closed)))
}

#[track_caller]
fn says(error: &Error, words: &str) {
    assert!(matches!(error, Error::ServerNotTrusted { .. }), "{error:?}");
    assert!(error.to_string().contains(words), "'{words}' in: {error}");
    assert_eq!(error.verdict(), Verdict::Permanent);
}

#[test]
fn the_certificate_of_an_authority_as_the_servers_own() {
    let made = refused(
        "req -x509 -new -key srv.key -days 30 -subj /CN=localhost -addext subjectAltName=DNS:localhost -out srv.pem",
        "srv.pem",
    );
    let Some((_, error)) = made else { return };
    says(&error, "the certificate of an authority as its own (CA:TRUE)");
}

#[test]
fn a_certificate_of_version_1() {
    let Some((printed, error)) = refused(
        "x509 -req -in srv.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -out srv.pem",
        "ca.pem",
    ) else {
        return;
    };
    if !printed.contains("Version: 1 ") {
        return skip("this OpenSSL makes no certificates of version 1");
    }
    says(&error, "of X.509 version 1");
}

#[test]
fn a_certificate_signed_with_sha_1() {
    let sign = "x509 -req -sha1 -in srv.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile srv.ext -out srv.pem";
    let Some((_, error)) = refused(sign, "ca.pem") else { return };
    says(&error, "signed with SHA-1");
    let rsa = format!(
        "genrsa -out ca.key 2048\nreq -x509 -new -key ca.key -days 30 -subj /CN=authority -out ca.pem\n{sign}"
    );
    let Some((_, error)) = refused(&rsa, "ca.pem") else { return };
    says(&error, "signed with SHA-1");
}

#[test]
fn a_certificate_for_another_name() {
    let sign = "x509 -req -in srv.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile srv.ext -out srv.pem";
    let directory = tempfile::tempdir().unwrap();
    let other = directory.path().join("other.ext");
    std::fs::write(&other, "subjectAltName=DNS:other.example\n").unwrap();
    let Some((_, error)) = refused(&sign.replace("srv.ext", other.to_str().unwrap()), "ca.pem") else {
        return;
    };
    says(&error, "is for another name");
}
