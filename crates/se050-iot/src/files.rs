//! Files that stand beside a list, and appear only whole.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// Writes a file: a regular one appears whole or not at all, so that a full disk leaves no half of it; a device or pipe
/// (/dev/stdout) is written to.
pub(crate) fn write(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => {
            fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
        }
        _ => write_whole(path, content),
    }
}

/// Under its name only when it is whole, also should the power fail.
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let partial = with_ending(path, "partial");
    let written = File::create(&partial).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    let written = written.with_context(|| format!("cannot write {}", path.display()));
    let placed = written.and_then(|()| rename(&partial, path));
    if placed.is_err() {
        // The error to tell is the one before.
        let _ = fs::remove_file(&partial);
    }
    placed
}

/// Gives a file another name, and returns when the disk has it.
pub(crate) fn rename(from: &Path, to: &Path) -> anyhow::Result<()> {
    let directory = to.parent().filter(|directory| !directory.as_os_str().is_empty());
    let renamed =
        fs::rename(from, to).and_then(|()| File::open(directory.unwrap_or(Path::new(".")))?.sync_all());
    renamed.with_context(|| format!("cannot write {}", to.display()))
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

/// As text, from the root: the program that reads it may run in another directory.
pub(crate) fn absolute(path: &Path) -> anyhow::Result<String> {
    let path =
        std::path::absolute(path).with_context(|| format!("cannot tell where {} is", path.display()))?;
    Ok(path.display().to_string())
}

pub(crate) fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}
