//! Files that stand beside a list, and appear only whole.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

#[cfg(feature = "provision")]
/// Under its name only when it is whole.
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let partial = with_ending(path, "partial");
    let written = fs::write(&partial, content).and_then(|()| fs::rename(&partial, path));
    written.with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(feature = "provision")]
pub(crate) fn beside(list: &Path, ending: &str) -> PathBuf {
    // `fleet/` means the directory itself, so that its journal does not land in it.
    with_ending(&list.components().collect::<PathBuf>(), ending)
}

pub(crate) fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}
