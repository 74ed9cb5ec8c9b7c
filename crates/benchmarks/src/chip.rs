//! What a connection asks of the chip: counted in the module, and timed with a simulated chip that takes as long as a real one.

use std::process::Command;

use anyhow::Context as _;
use se050_sim::{Calls, Chip, Latency, Version};
use test_peers::{Mosquitto, TlsVersion};

use crate::peers::Programs;
use crate::process;
use crate::rounds::{Spread, in_turn};
use crate::table::{Table, aim};

/// The aim: of all APDUs of the first connection, certificate included.
const FIRST_APDUS: u64 = 14;
/// Of the costliest signature: PKCS#1 v1.5 on 3.3 to 4.3.
const SIGNATURE_APDUS: u64 = 7;
const KEYS: [(&str, &str); 2] = [("RSA-2048", "0xF0000110"), ("EC P-256", "0xF0000100")];

/// What two connections of one program asked for.
struct Work {
    first: Calls,
    both: Calls,
    first_ms: Spread,
    again_ms: Spread,
}

/// Calls, APDUs, private-key operations and time, with each version of NXP's module.
pub(crate) fn chip_work(programs: &Programs, rounds: usize) -> anyhow::Result<Table> {
    let Latency { open, apdu, rsa, ec } = Latency::PUBLISHED;
    let mut table = Table::new(
        "Work of the chip",
        &format!(
            "A program opens the token, reads the certificate from the chip, and connects to mosquitto; with the token open, it connects \
             once more without a TLS session ticket. Counted by the simulated module (the fewest of three runs, since \
             NXP's module spoils one ECDSA signature in some hundred, which is then made again), which takes as long as a chip: {} ms for \
             opening it, {} ms for an RSA and {} ms for an EC signature (NXP's figures for an SE050C1), {} ms for each APDU (an estimate: 60 \
             bytes each way at 400 kHz). Median of {rounds}, in ms. AWS's SDK asks for two signatures for each connection, each of \
             which is a private-key operation on NXP's module.",
            open.as_millis(),
            rsa.as_millis(),
            ec.as_millis(),
            apdu.as_millis(),
        ),
        &[
            "key, NXP's module",
            "first: calls",
            "APDUs",
            "private-key operations",
            "ms",
            "again: APDUs",
            "private-key operations",
            "ms",
        ],
    );
    let mut most = (0, 0, 0);
    let mut beyond = Vec::new();
    for (key, id) in KEYS {
        for version in Version::ALL {
            let work = work(programs, version, id, rounds)?;
            let (apdus, operations) = (work.first.apdus(), work.first.signatures());
            let again = (work.both.apdus() - apdus, work.both.signatures() - operations);
            most = (most.0.max(operations), most.1.max(again.1), most.2.max(again.0));
            if apdus > FIRST_APDUS {
                beyond.push(format!("{key} on {version}: {apdus}"));
            }
            table.row([
                format!("{key}, {version}"),
                work.first.functions().map(|(_, count)| count).sum::<u64>().to_string(),
                apdus.to_string(),
                operations.to_string(),
                format!("{:.0}", work.first_ms.median),
                again.0.to_string(),
                again.1.to_string(),
                format!("{:.0}", work.again_ms.median),
            ]);
        }
    }
    table.remark(aim("one private-key operation for each connection", most.0 == 1 && most.1 == 1));
    table.remark(aim(
        "a connection on an open token asks the chip for nothing but the signature",
        most.2 <= SIGNATURE_APDUS,
    ));
    let first = aim(&format!("at most {FIRST_APDUS} APDUs for the first connection"), beyond.is_empty());
    table.remark(match beyond.is_empty() {
        true => first,
        false => format!(
            "{first} {}. A PKCS#1 v1.5 signature takes {SIGNATURE_APDUS} of them on 3.3 to 4.3 (PSS: 50 on 3.3 and 4.2), and comparing key and \
             certificate takes 4, before anything is sent: a wrong certificate is told at the start, and not by a server that hangs up.",
            beyond.join("; ")
        ),
    });
    Ok(table)
}

fn work(programs: &Programs, version: Version, key: &str, rounds: usize) -> anyhow::Result<Work> {
    let directory = tempfile::tempdir()?;
    let chip = Chip::create(directory.path())?;
    chip.set_version(version)?;
    let broker =
        Mosquitto::start_quiet(&chip.ca_pem()?, TlsVersion::Tls12).context("mosquitto is not installed")?;
    let ca = directory.path().join("server-ca.pem");
    std::fs::write(&ca, broker.server_ca_pem())?;
    let connect = |chip: &Chip| {
        let mut command = Command::new(programs.program("connect"));
        command.args(["--endpoint", "localhost", "--port", &broker.port().to_string(), "--ca-file"]).arg(&ca);
        command.arg("--pkcs11-lib").arg(chip.module()).args(["--key-label", key]);
        command
    };
    // NXP's module spoils one ECDSA signature in some hundred, which is then made again.
    let fewest = |arguments: &[&str]| {
        let runs = (0..3).map(|number| {
            let copy = chip.duplicate(&directory.path().join(format!("{}-{number}", arguments.len())))?;
            process::run(connect(&copy).args(arguments))?;
            Ok(copy.calls()?)
        });
        let runs = runs.collect::<anyhow::Result<Vec<Calls>>>()?;
        runs.into_iter().min_by_key(Calls::apdus).context("nothing was counted")
    };
    let (first, both) = (fewest(&[])?, fewest(&["--twice"])?);
    let other = chip.duplicate(&directory.path().join("timed"))?;
    other.set_latency(Latency::PUBLISHED)?;
    let runs = in_turn(rounds, 1, |_| {
        let output = process::run(connect(&other).arg("--twice"))?.output;
        let times = output.lines().last().and_then(|line| line.split_once(' ')).context("no times")?;
        Ok((times.0.parse::<f64>()?, times.1.parse::<f64>()?))
    })?;
    let of = |time: fn(&(f64, f64)) -> f64| Spread::of(runs.iter().flatten().map(time)).times(1000.0);
    Ok(Work { first, both, first_ms: of(|times| times.0), again_ms: of(|times| times.1) })
}
