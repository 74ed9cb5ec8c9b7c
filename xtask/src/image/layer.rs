//! One layer of an image: a compressed tar archive, the same bytes for the same files.

use std::fs::{self, Metadata};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::Context as _;
use flate2::{Compression, GzBuilder};
use tar::{Builder, EntryType, Header};

use super::description::DATA;
use crate::cross::{Artifact, sha256};

pub(super) struct Layer {
    /// As it is stored.
    pub(super) blob: Vec<u8>,
    pub(super) media_type: String,
    /// The digest of the archive before compression.
    pub(super) diff_id: String,
}

impl Layer {
    /// Our programs in /usr/bin, and the directory for the volume.
    pub(super) fn of_programs(artifacts: &[Artifact]) -> anyhow::Result<Self> {
        let mut tar = Builder::new(Vec::new());
        add_directory(&mut tar, "usr/", 0o755)?;
        add_directory(&mut tar, "usr/bin/", 0o755)?;
        for artifact in artifacts {
            let bytes = fs::read(&artifact.file).with_context(|| artifact.file.display().to_string())?;
            let mut header = header(EntryType::Regular, 0o755);
            header.set_size(bytes.len() as u64);
            tar.append_data(&mut header, format!("usr/bin/{}", artifact.name), bytes.as_slice())?;
        }
        // Anybody may write here, as in /tmp: the user is not known before the volume is.
        add_directory(&mut tar, &format!("{}/", DATA.trim_start_matches('/')), 0o1777)?;
        Self::of_tar(&tar.into_inner()?)
    }

    /// A root file system as it lies in a directory.
    pub(super) fn of_directory(root: &Path) -> anyhow::Result<Self> {
        let mut tar = Builder::new(Vec::new());
        add_tree(&mut tar, root, Path::new("")).context("packing the root file system")?;
        Self::of_tar(&tar.into_inner()?)
    }

    pub(super) fn of_tar(tar: &[u8]) -> anyhow::Result<Self> {
        // Neither name nor time in the header: they would make each build another one.
        let mut gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
        gzip.write_all(tar)?;
        Ok(Self {
            blob: gzip.finish()?,
            media_type: "application/vnd.oci.image.layer.v1.tar+gzip".into(),
            diff_id: format!("sha256:{}", sha256(tar)),
        })
    }
}

fn add_tree(tar: &mut Builder<Vec<u8>>, root: &Path, inside: &Path) -> anyhow::Result<()> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root.join(inside))? {
        names.push(entry?.file_name());
    }
    names.sort();
    for name in names {
        let path = inside.join(name);
        let file = root.join(&path);
        let metadata = file.symlink_metadata().with_context(|| file.display().to_string())?;
        let mode = metadata.permissions().mode() & 0o7777;
        if metadata.is_symlink() {
            let mut header = owned(header(EntryType::Symlink, 0o777), &metadata);
            header.set_size(0);
            tar.append_link(&mut header, &path, fs::read_link(&file)?)?;
        } else if metadata.is_dir() {
            let mut header = owned(header(EntryType::Directory, mode), &metadata);
            header.set_size(0);
            tar.append_data(&mut header, format!("{}/", path.display()), std::io::empty())?;
            // The kernel fills these.
            if !["proc", "sys", "dev"].iter().any(|kernels| path == Path::new(kernels)) {
                add_tree(tar, root, &path)?;
            }
        } else if metadata.is_file() {
            let bytes = fs::read(&file).with_context(|| file.display().to_string())?;
            let mut header = owned(header(EntryType::Regular, mode), &metadata);
            header.set_size(bytes.len() as u64);
            tar.append_data(&mut header, &path, bytes.as_slice())?;
        }
    }
    Ok(())
}

fn add_directory(tar: &mut Builder<Vec<u8>>, path: &str, mode: u32) -> anyhow::Result<()> {
    let mut header = header(EntryType::Directory, mode);
    header.set_size(0);
    Ok(tar.append_data(&mut header, path, std::io::empty())?)
}

/// Root's, and of no particular time.
fn header(kind: EntryType, mode: u32) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

/// With the owner as it is in the directory; only root can have unpacked it with its owners.
fn owned(mut header: Header, metadata: &Metadata) -> Header {
    if rustix::process::geteuid().is_root() {
        header.set_uid(metadata.uid().into());
        header.set_gid(metadata.gid().into());
    }
    header
}
