//! pubsub with the module in another process: p11-kit's client module, and `se050-iot serve`.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use se050_sim::Chip;
use test_peers::{Mosquitto, P11_KIT_ADDRESS, TlsVersion, p11_kit_client, skip};

use crate::mosquitto::run_pubsub;

#[test]
fn the_key_behind_p11_kit() {
    let se050_iot = Path::new(env!("CARGO_BIN_EXE_pubsub")).with_file_name("se050-iot");
    if !se050_iot.is_file() {
        return skip("se050-iot is not built");
    }
    let Some(client) = p11_kit_client() else { return };
    let directory = tempfile::tempdir().unwrap();
    let chip = Chip::create(&directory.path().join("chip")).unwrap();
    let mut server = Command::new(se050_iot)
        .args(["serve", "--socket"])
        .arg(directory.path().join("pkcs11"))
        .arg("--pkcs11-lib")
        .arg(chip.module())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut address = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut address).unwrap();
    let address = address.trim().strip_prefix(&format!("{P11_KIT_ADDRESS}=")).unwrap();

    // RSA over TLS 1.3 is RSA-PSS, with parameters that the server has to keep.
    if let Some(broker) = Mosquitto::start(&chip.ca_pem().unwrap(), TlsVersion::Tls13) {
        for label in ["sss:100100F0", "sss:000100F0"] {
            run_pubsub(&broker, directory.path(), |pubsub| {
                pubsub.arg("--pkcs11-lib").arg(&client).args(["--key-label", label, "--tls-version", "1.3"]);
                pubsub.env(P11_KIT_ADDRESS, address);
            });
        }
        assert!(chip.calls().unwrap().signatures() >= 2);
    }
    server.kill().unwrap();
    server.wait().unwrap();
}
