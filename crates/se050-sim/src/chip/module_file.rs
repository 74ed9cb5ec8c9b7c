//! Finding the built module, of which each chip gets a copy.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::Error;

/// What cargo calls the module.
const BUILT: &str = "libse050_sim.so";

/// The newest built module near the running program.
///
/// Cargo puts it beside the programs (`target/debug`) when it is built for itself, and into `deps` when it is a
/// dependency; a test runs in `deps`, an example in `examples`. The newest is taken, since the other one may be left
/// from an earlier build.
pub(super) fn built() -> Result<PathBuf, Error> {
    let program = std::env::current_exe().map_err(Error::file("find", Path::new("/proc/self/exe")))?;
    let directory = program.parent().unwrap_or(Path::new("/"));
    let mut looked = Vec::new();
    for near in [Some(directory), directory.parent()].into_iter().flatten() {
        looked.push(near.join(BUILT));
        looked.push(near.join("deps").join(BUILT));
    }
    let newest = looked.iter().filter_map(|path| Some((modified(path)?, path))).max_by_key(|(time, _)| *time);
    match newest {
        Some((_, path)) => Ok(path.clone()),
        None => Err(Error::ModuleNotBuilt { looked }),
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().ok()?.modified().ok()
}
