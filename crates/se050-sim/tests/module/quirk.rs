//! A table of quirks, and its runner.

use crate::bench::{Bench, Client, c};
use cryptoki_sys::*;
use se050_sim::Version;

/// The columns of a table.
pub(crate) const VERSIONS: [Version; 4] = [Version::V3_3, Version::V4_2, Version::V4_3, Version::V4_7];

/// An answer, and a number: how many, how long, or which handle.
pub(crate) type Seen = (CK_RV, u64);

/// A quirk's name, how a client sees it, and what it sees with each of [`VERSIONS`].
pub(crate) type Quirk = (&'static str, fn(&Client) -> Seen, [Seen; 4]);

/// Runs each quirk in a new session on each version.
pub(crate) fn see(quirks: &[Quirk]) {
    for (column, version) in VERSIONS.into_iter().enumerate() {
        let bench = Bench::of(version);
        let client = Client::initialized(&bench.chip);
        for (name, look, expected) in quirks {
            client.use_new_session();
            let (answer, number) = look(&client);
            let (wanted, wanted_number) = expected[column];
            assert_eq!((answer, number), (wanted, wanted_number), "{name}, on {version}");
            assert_eq!(c!(client, C_CloseSession(client.session())), CKR_OK, "after {name}, on {version}");
        }
    }
}

/// The same on each.
pub(crate) const fn all(seen: Seen) -> [Seen; 4] {
    [seen; 4]
}
