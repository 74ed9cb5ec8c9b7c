//! What a connection asks of the chip, counted in the module.

use std::process::Command;

use se050_sim::{Chip, Version};
use test_peers::{Mosquitto, TlsVersion};

use crate::peers::Programs;
use crate::process;
use crate::table::Table;

/// NXP, application note AN12413 and product data sheet of the SE050: opening a session, and one RSA-2048 signature.
const OPEN_MS: f64 = 132.0;
const SIGN_MS: f64 = 93.0;
/// One further command and its answer at 400 kHz (I2C fast mode), some 60 bytes each way.
const APDU_MS: f64 = 3.0;

/// Calls, APDUs and private-key operations of one program that connects once, with each version of NXP's module.
pub(crate) fn chip_work(programs: &Programs) -> anyhow::Result<Table> {
    let mut table = Table::new(
        "Work of the chip",
        "One program that connects once with key 0xF0000110 (RSA-2048), certificate read from the chip; counted by the simulated module. \
         The time is computed: 132 ms for the session and 93 ms for the signature (NXP), 3 ms for each other APDU (assumed). AWS's SDK \
         asks for two signatures for each connection, on NXP's module two private-key operations.",
        &["NXP's module", "calls", "APDUs", "private-key operations", "chip's time, ms"],
    );
    for version in Version::ALL {
        let directory = tempfile::tempdir()?;
        let chip = Chip::create(directory.path())?;
        chip.set_version(version)?;
        let Some(broker) = Mosquitto::start_quiet(&chip.ca_pem()?, TlsVersion::Tls12) else { continue };
        let ca = directory.path().join("server-ca.pem");
        std::fs::write(&ca, broker.server_ca_pem())?;
        let mut command = Command::new(programs.example("connect"));
        command.args(["--endpoint", "localhost", "--port", &broker.port().to_string(), "--ca-file"]).arg(&ca);
        command.arg("--pkcs11-lib").arg(chip.module()).args(["--key-label", "0xF0000110"]);
        process::run(&mut command)?;
        let calls = chip.calls()?;
        let (major, minor) = version.number();
        let signatures = calls.signatures();
        let others = calls.apdus().saturating_sub(1 + signatures);
        let time = OPEN_MS + SIGN_MS * signatures as f64 + APDU_MS * others as f64;
        let counted = calls.functions().map(|(_, count)| count).sum::<u64>();
        table.row([
            format!("{major}.{minor}"),
            counted.to_string(),
            calls.apdus().to_string(),
            signatures.to_string(),
            format!("{time:.0}"),
        ]);
    }
    Ok(table)
}
