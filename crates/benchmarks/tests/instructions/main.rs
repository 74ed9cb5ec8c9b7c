//! No more instructions than recorded: `cargo xtask bench --quick`. `BENCH_RECORD=1` in the environment writes down new figures.
#![allow(missing_docs)]

use std::path::Path;

use benchmarks::{Broker, count_instructions};
use test_peers::{TlsVersion, program};

const RECORDED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/instructions/recorded.json");
/// The threads meet each other at other places in each run.
const TOLERANCE: f64 = 0.25;
/// A development build takes some ten times the instructions, and valgrind is some fifty times slower.
const MESSAGES: u32 = 200;

#[test]
fn a_connection_and_a_message_take_no_more_instructions_than_recorded() {
    let (Some(_), Some(_)) = (program("valgrind"), program("mosquitto")) else { return };
    let broker = Broker::start(TlsVersion::Any).unwrap();
    let counts = count_instructions(Path::new(env!("CARGO_BIN_EXE_ours")), &broker, MESSAGES).unwrap();
    if std::env::var_os("BENCH_RECORD").is_some() {
        let json: serde_json::Map<_, _> =
            counts.iter().map(|(name, count)| ((*name).to_owned(), (*count).into())).collect();
        std::fs::write(RECORDED, format!("{:#}\n", serde_json::Value::from(json))).unwrap();
    }
    let recorded: serde_json::Value = serde_json::from_slice(&std::fs::read(RECORDED).unwrap()).unwrap();
    for (name, count) in counts {
        let before = recorded[name].as_u64().unwrap();
        println!("{name}: {count} instructions, recorded {before}");
        assert!(
            count as f64 <= before as f64 * (1.0 + TOLERANCE),
            "{name}: {count} instructions, recorded {before} (cargo xtask bench --quick --record writes down new figures)"
        );
    }
}
