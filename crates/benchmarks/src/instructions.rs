//! Instructions of the release build.

use benchmarks::{Broker, count_instructions};
use test_peers::TlsVersion;

use crate::peers::Programs;
use crate::table::Table;

/// Few enough for valgrind, which is some fifty times slower.
const MESSAGES: u32 = 2_000;

pub(crate) fn instructions(programs: &Programs) -> anyhow::Result<Table> {
    let mut table = Table::new(
        "Instructions",
        "Counted by valgrind's callgrind, with a key in a file: of the whole program with one connection, and for each message (the \
         difference of two runs). `cargo xtask bench --quick`, which is part of `cargo xtask test`, counts those of the development \
         build, and fails when one is more than 25 % above the recorded figure.",
        &["", "instructions"],
    );
    let broker = Broker::start(TlsVersion::Any)?;
    for (name, count) in count_instructions(&programs.program("ours"), &broker, MESSAGES)? {
        table.row([name.to_owned(), count.to_string()]);
    }
    Ok(table)
}
