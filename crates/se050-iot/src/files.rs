//! Files that stand beside a list, and appear only whole.

#[cfg(feature = "provision")]
use std::fs;
use std::path::{Path, PathBuf};

#[cfg(feature = "provision")]
use anyhow::Context as _;

/// Under its name only when it is whole.
#[cfg(feature = "provision")]
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let partial = with_ending(path, "partial");
    let written = fs::write(&partial, content).and_then(|()| fs::rename(&partial, path));
    written.with_context(|| format!("cannot write {}", path.display()))
}

/// Tells before anything is registered whether a file can be written there.
#[cfg(feature = "provision")]
pub(crate) fn check_writable(path: &Path) -> anyhow::Result<()> {
    let partial = with_ending(path, "partial");
    let is_directory = fs::metadata(path).is_ok_and(|found| found.is_dir());
    let tried =
        if is_directory { Err(std::io::ErrorKind::IsADirectory.into()) } else { fs::write(&partial, "") };
    tried
        .and_then(|()| fs::remove_file(&partial))
        .with_context(|| format!("cannot write {}; nothing was registered", path.display()))
}

/// Beside a list or directory, also where it is called `.`; never in it.
#[cfg(feature = "provision")]
pub(crate) fn beside(list: &Path, ending: &str) -> PathBuf {
    let named = list.file_name().is_some() && !list.ends_with("..");
    let list = if named { list.to_owned() } else { fs::canonicalize(list).unwrap_or(list.to_owned()) };
    // `fleet/` means the directory itself, so that its report does not land in it.
    with_ending(&list.components().collect::<PathBuf>(), ending)
}

pub(crate) fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}
