//! What the application notices of the chip: nothing of a session that broke, our own error when it fails for good,
//! and two hundred connections at a time. On every version of NXP's module.

use std::time::{Duration, Instant};

use crate::support::{Device, EC_KEY, PATIENCE, RSA_KEY, exchange};
use rustls_se050::{TlsVersions, chip_failure};
use se050_sim::{Fault, Version};
use test_peers::OpensslServer;

/// CKR_DEVICE_ERROR (PKCS#11 2.40, section 6.1).
const DEVICE_ERROR: Fault = Fault::FailNextSign(0x30);

#[test]
fn each_version_of_the_module_signs_for_both_tls_versions_and_takes_the_cheaper_padding() {
    for version in Version::ALL {
        let device = Device::of_version(version);
        let rsa = device.identity(RSA_KEY);
        let ec = device.identity(EC_KEY);
        let new = matches!(version, Version::V4_3 | Version::V4_7);
        let cases = [
            ("-tls1_2", &rsa, TlsVersions::Both, if new { "RSA-PSS" } else { "RSA" }, "TLSv1.2"),
            ("-tls1_3", &rsa, TlsVersions::Both, "RSA-PSS", "TLSv1.3"),
            ("-tls1_2", &ec, TlsVersions::Both, "ECDSA", "TLSv1.2"),
            ("-tls1_3", &ec, TlsVersions::Both, "ECDSA", "TLSv1.3"),
            // A server that speaks both.
            (
                "-no_tls1_1",
                &rsa,
                TlsVersions::Auto,
                if new { "RSA-PSS" } else { "RSA" },
                if new { "TLSv1.3" } else { "TLSv1.2" },
            ),
        ];
        for (option, identity, versions, kind, spoken) in cases {
            let name = format!("module {version}, {option}, {versions:?}, {kind}");
            let Some(server) = OpensslServer::start(Some(&device.ca_pem()), &[option]) else { return };
            let config = device.config(identity, versions, server.ca_pem());
            let answer = exchange(config, server.port());
            let said = server.finish();
            assert_eq!(answer.unwrap_or_else(|error| panic!("{name}: {error}\n{said}")), "olleh", "{name}");
            assert!(said.contains(&format!("Signature type: {kind}\n")), "{name}\n{said}");
            assert!(said.contains(&format!("Protocol version: {spoken}\n")), "{name}\n{said}");
        }
    }
}

#[test]
fn a_chip_that_fails_once_in_a_handshake_is_not_noticed() {
    for version in Version::ALL {
        let device = Device::of_version(version);
        let Some(server) = OpensslServer::start(Some(&device.ca_pem()), &[]) else { return };
        let config = device.config(&device.identity(RSA_KEY), TlsVersions::Both, server.ca_pem());
        device.chip.set_fault(DEVICE_ERROR).unwrap();
        assert_eq!(exchange(config, server.port()).unwrap(), "olleh", "module {version}");
    }
}

#[test]
fn a_chip_that_is_gone_is_named_and_the_next_handshake_after_its_return_works() {
    for version in Version::ALL {
        let device = Device::of_version(version);
        let Some(server) = OpensslServer::start(Some(&device.ca_pem()), &["-tls1_2"]) else { return };
        let identity = device.identity(RSA_KEY);
        let config = device.config(&identity, TlsVersions::Both, server.ca_pem());
        device.chip.set_fault(Fault::Absent).unwrap();
        let error = exchange(config, server.port()).expect_err("no chip, no handshake");
        assert!(
            chip_failure(&error).is_some_and(se050_key::Error::is_transient),
            "module {version}: {error:?}"
        );
        assert!(
            identity.explain(&error).unwrap().to_string().contains("does not answer"),
            "module {version}: {error}"
        );

        device.chip.set_fault(Fault::None).unwrap();
        let config = device.config(&identity, TlsVersions::Both, server.ca_pem());
        // It is looked for from time to time; in between, attempts fail at once.
        let begun = Instant::now();
        let answer = loop {
            match exchange(config.clone(), server.port()) {
                Ok(answer) => break answer,
                Err(error) => assert!(begun.elapsed() < PATIENCE, "module {version}: {error}"),
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        assert_eq!(answer, "olleh", "module {version}");
    }
}

#[test]
fn two_hundred_handshakes_at_a_time_over_one_chip() {
    const HANDSHAKES: u64 = 200;
    let device = Device::new();
    let identity = device.identity(RSA_KEY);
    // A server that takes part in no resumption: each connection needs its own signature.
    let Some(server) = OpensslServer::start(Some(&device.ca_pem()), &["-no_ticket", "-no_cache", "-tls1_2"])
    else {
        return;
    };
    let before = device.signatures();
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..HANDSHAKES)
            .map(|_| {
                let config = device.config(&identity, TlsVersions::Both, server.ca_pem());
                scope.spawn(|| exchange(config, server.port()))
            })
            .collect();
        for client in clients {
            assert_eq!(client.join().unwrap().unwrap(), "olleh");
        }
    });
    assert_eq!(device.signatures() - before, HANDSHAKES);
}
