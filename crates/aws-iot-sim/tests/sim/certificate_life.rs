//! What happens to connections and registrations when a certificate's status changes.

use std::process::Command;

use serde_json::json;
use test_peers::output_of;

use crate::support::client::{Client, Tls};
use crate::support::http::{call, done, refused};
use crate::support::{ALLOW_ALL, certificate, sim};

#[test]
fn a_certificate_that_is_no_longer_active_loses_its_connections() {
    let sim = sim();
    let (ours, other) = (certificate("ours"), certificate("other"));
    let mut bystander = {
        sim.admit(&other.certificate_pem, "other", ALLOW_ALL).unwrap();
        Client::connected(&sim, &other, "other")
    };
    let id = sim.admit(&ours.certificate_pem, "ours", ALLOW_ALL).unwrap();
    for status in ["INACTIVE", "REVOKED"] {
        done(&call(&sim, "PUT", &format!("/certificates/{id}?newStatus=ACTIVE"), None));
        let mut clients = ["a", "b"].map(|client_id| Client::connected(&sim, &ours, client_id));
        done(&call(&sim, "PUT", &format!("/certificates/{id}?newStatus={status}"), None));
        for client in &mut clients {
            assert_eq!(client.disconnected(), 0x98, "administrative action, {status}");
        }
        let answer = Client::open(&sim, &Tls::of(&ours)).and_then(|mut client| client.try_receive());
        assert!(answer.is_err(), "{status}: {answer:02x?}");
    }
    bystander.send(&[0xc0, 0]);
    assert_eq!(bystander.receive(), [0xd0, 0], "another certificate's connection stays");
}

#[test]
fn revoked_is_final() {
    let sim = sim();
    let issued = certificate("d");
    let id = sim.admit(&issued.certificate_pem, "d", ALLOW_ALL).unwrap();
    let set = |status: &str| call(&sim, "PUT", &format!("/certificates/{id}?newStatus={status}"), None);
    done(&set("REVOKED"));
    done(&set("REVOKED"));
    for status in ["ACTIVE", "INACTIVE"] {
        refused(&set(status), 406, "CertificateStateException");
    }
    let described = call(&sim, "GET", &format!("/certificates/{id}"), None);
    assert_eq!(described.body["certificateDescription"]["status"], "REVOKED");
    let error = sim.admit(&issued.certificate_pem, "d", ALLOW_ALL).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("REVOKED"), "{cause}");
}

#[test]
fn a_sha_1_signature_is_refused_at_registration() {
    let Some(openssl) = test_peers::program("openssl") else { return };
    let sim = sim();
    for (digest, kind, accepted) in [
        ("-sha1", &["rsa:2048"] as &[&str], false),
        ("-sha1", &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], false),
        ("-sha256", &["rsa:2048"], true),
        ("-sha384", &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], true),
        ("-sha512", &["rsa:2048", "-sigopt", "rsa_padding_mode:pss"], true),
    ] {
        let mut command = Command::new(&openssl);
        command.args(["req", "-x509", "-nodes", "-subj", "/CN=d", "-keyout", "/dev/null", digest, "-newkey"]);
        let pem = String::from_utf8(output_of(command.args(kind))).unwrap();
        let body = json!({ "certificatePem": pem });
        let answer = call(&sim, "POST", "/certificate/register-no-ca", Some(&body));
        let wanted = if accepted { (200, "") } else { (400, "CertificateValidationException") };
        assert_eq!((answer.status, answer.error.as_str()), wanted, "{digest} {kind:?}");
    }
}
