//! Whether the application goes on while the chip signs.

use benchmarks::Broker;
use test_peers::TlsVersion;

use crate::peers::{Client, Programs};
use crate::process;
use crate::table::{Table, aim};

pub(crate) fn stall(programs: &Programs) -> anyhow::Result<Table> {
    let mut table = Table::new(
        "The application during a signature",
        "A key that takes 2 s for a signature; ticks of a 10 ms timer on the application's runtime that were missed while the client \
         connected (of some 200).",
        &["", "ours", "bare rumqttc with a signer"],
    );
    let broker = Broker::start(TlsVersion::Any)?;
    let mut missed = vec!["missed ticks".to_owned()];
    for client in [Client::Ours, Client::Rumqttc] {
        missed.push(process::run(programs.client(client, &broker).arg("stall"))?.output.trim().to_owned());
    }
    let ours = missed.get(1).is_some_and(|missed| missed == "0");
    table.row(missed);
    table.remark(aim("the application misses no tick", ours));
    Ok(table)
}
