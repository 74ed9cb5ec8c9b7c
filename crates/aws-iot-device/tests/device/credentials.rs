//! The credential provider, simulated, with a role alias that the real AWS CLI has created.

use std::time::Duration;

use aws_iot_device::{CredentialProvider, Error};
use aws_iot_mqtt::Proxy;
use test_peers::{Pki, Tinyproxy, aws_cli, output_of};

use crate::support::block_on;
use crate::support::cloud::Cloud;

/// What `se050-iot policy device --credentials uploads` grants.
const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:AssumeRoleWithCertificate",
"Resource":"arn:aws:iot:us-east-1:123456789012:rolealias/uploads"}]}"#;

#[test]
fn temporary_credentials_for_the_thing_and_no_other() {
    let cloud = Cloud::with_policy(POLICY);
    let Some(cli) = aws_cli(cloud.sim.environment()) else { return };
    for alias in ["uploads", "others"] {
        let role = "arn:aws:iam::123456789012:role/uploads";
        let arguments = ["iot", "create-role-alias", "--role-alias", alias, "--role-arn", role];
        output_of(&mut cli.command(arguments));
    }
    let provider = |alias: &str| {
        let provider = CredentialProvider::new("localhost", alias, cloud.tls()).unwrap();
        provider.port(cloud.sim.credentials_port())
    };
    block_on(async {
        let mut uploads = provider("uploads").thing("device-1").unwrap();
        let credentials = uploads.credentials().await.unwrap();
        let json = credentials.to_process_json();
        assert_eq!(json["Version"], 1);
        for member in ["AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"] {
            assert!(json[member].as_str().is_some_and(|text| !text.is_empty()), "{member}");
        }
        let shown = format!("{credentials:?} {uploads:?}");
        assert!(
            !shown.contains(&credentials.secret_access_key) && !shown.contains(&credentials.session_token),
            "{shown}"
        );
        // An hour is left: nothing is asked.
        let unreachable = uploads.port(1);
        let mut unreachable = unreachable;
        assert_eq!(unreachable.credentials().await.unwrap(), credentials);

        for (name, mut provider, status, says) in [
            ("not granted", provider("others"), 403, "iot:AssumeRoleWithCertificate"),
            ("no such alias", provider("missing"), 404, "does not exist in this account"),
            ("another thing", provider("uploads").thing("device-2").unwrap(), 403, "Access Denied"),
        ] {
            let error = provider.credentials().await.unwrap_err();
            assert!(
                matches!(error, Error::CredentialsRefused { status: found, .. } if found == status),
                "{name}: {error:?}"
            );
            assert!(error.to_string().contains(says), "{name}: {error}");
        }
    });
}

#[test]
fn through_a_proxy_and_what_is_said_when_it_does_not_help() {
    let cloud = Cloud::with_policy(POLICY);
    let Some(cli) = aws_cli(cloud.sim.environment()) else { return };
    let Some(proxy) = Tinyproxy::start(cloud.sim.credentials_port()) else { return };
    let role = "arn:aws:iam::123456789012:role/uploads";
    output_of(&mut cli.command(["iot", "create-role-alias", "--role-alias", "uploads", "--role-arn", role]));
    let at = |proxy: Proxy| {
        let provider = CredentialProvider::new("localhost", "uploads", cloud.tls()).unwrap();
        provider.port(cloud.sim.credentials_port()).proxy(proxy)
    };
    let without = Proxy::new("127.0.0.1", proxy.port());
    block_on(async {
        let with = without.clone().credentials(Tinyproxy::USER, Tinyproxy::PASSWORD);
        assert!(!at(with).credentials().await.unwrap().session_token.is_empty());
        let error = at(without).credentials().await.unwrap_err();
        let Error::Https { source, .. } = &error else { panic!("{error:?}") };
        assert!(source.to_string().contains("asks for a name and a password (407)"), "{source}");
    });
}

#[test]
fn who_is_not_known_or_not_there_is_an_error_in_time() {
    let cloud = Cloud::new();
    block_on(async {
        let stranger = Pki::new().client("stranger");
        let tls = crate::support::tls(&stranger, cloud.sim.ca_pem());
        let mut provider =
            CredentialProvider::new("localhost", "uploads", tls).unwrap().port(cloud.sim.credentials_port());
        let error = provider.credentials().await.unwrap_err();
        assert!(matches!(error, Error::Https { .. }), "{error:?}");

        // It takes the connection, and says nothing.
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = silent.local_addr().unwrap().port();
        let provider = CredentialProvider::new("localhost", "uploads", cloud.tls()).unwrap();
        let mut provider = provider.port(port).timeout(Duration::from_secs(2));
        let error = provider.credentials().await.unwrap_err();
        assert!(error.to_string().contains(&format!("localhost:{port}")) && error.is_transient(), "{error}");
        for (endpoint, alias) in [("not a host", "uploads"), ("localhost", "a/b"), ("localhost", "")] {
            assert!(CredentialProvider::new(endpoint, alias, cloud.tls()).is_err(), "{endpoint} {alias}");
        }
    });
}
