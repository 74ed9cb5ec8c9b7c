//! The image, as far as it can be told without other people's tools (those are in `check`).

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::archive::Image;
use super::base::Base;
use super::description::Description;
use super::layer::Layer;
use crate::cross::{ARMADILLO_G4, Artifact};

/// A directory that passes for a root file system with musl, and a program.
struct Setup {
    directory: TempDir,
}

impl Setup {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("root");
        fs::create_dir_all(root.join("lib")).unwrap();
        fs::write(root.join("lib/ld-musl-aarch64.so.1"), "a loader").unwrap();
        std::os::unix::fs::symlink("ld-musl-aarch64.so.1", root.join("lib/libc.musl-aarch64.so.1")).unwrap();
        fs::write(directory.path().join("program"), "a program").unwrap();
        Self { directory }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn image(&self, base: &Path) -> anyhow::Result<Image> {
        let program = Artifact { name: "se050-iot".into(), file: self.at("program") };
        let programs = Layer::of_programs(&[program])?;
        Ok(Image::new(Base::read(base, &ARMADILLO_G4)?, programs, &Description::new(None)))
    }

    /// An archive, and the error that it gives as a base.
    fn refused(&self, bytes: &[u8]) -> String {
        let file = self.at("base.tar");
        fs::write(&file, bytes).unwrap();
        format!("{:#}", self.image(&file).err().expect("it was taken"))
    }
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let archives =
        [Setup::new(), Setup::new()].map(|setup| setup.image(&setup.at("root")).unwrap().archive().unwrap());
    assert!(archives[0] == archives[1]);
}

#[test]
fn an_image_can_be_built_upon() {
    let setup = Setup::new();
    let first = setup.image(&setup.at("root")).unwrap();
    fs::write(setup.at("first.tar"), first.archive().unwrap()).unwrap();
    let second = setup.image(&setup.at("first.tar")).unwrap();
    let diff_ids: Vec<&str> = second.layers.iter().map(|layer| layer.diff_id.as_str()).collect();
    let below: Vec<&str> = first.layers.iter().map(|layer| layer.diff_id.as_str()).collect();
    assert_eq!(diff_ids, [below[0], below[1], below[1]]);
}

#[test]
fn a_packed_root_file_system_is_a_base_compressed_or_not() {
    let setup = Setup::new();
    let layer = Layer::of_directory(&setup.at("root")).unwrap();
    fs::write(setup.at("root.tar.gz"), &layer.blob).unwrap();
    let image = setup.image(&setup.at("root.tar.gz")).unwrap();
    assert_eq!(image.layers[0].diff_id, layer.diff_id);
}

#[test]
fn what_is_no_base_is_refused_with_the_reason() {
    let setup = Setup::new();
    fs::create_dir(setup.at("empty")).unwrap();
    let error = format!("{:#}", setup.image(&setup.at("empty")).err().unwrap());
    assert!(error.contains("empty archive"), "{error}");
    fs::write(setup.at("empty/no-musl"), "").unwrap();
    let error = format!("{:#}", setup.image(&setup.at("empty")).err().unwrap());
    assert!(error.contains("/lib/ld-musl-aarch64.so.1"), "{error}");
    let error = setup.refused(&[b'x'; 2048]);
    assert!(error.contains("tar archive"), "{error}");

    let image = setup.image(&setup.at("root")).unwrap().archive().unwrap();
    let damaged = replaced(&image, b"\"User\":\"\"", b"\"User\":\"x");
    let error = setup.refused(&damaged);
    assert!(error.contains("is damaged"), "{error}");
    let other = replaced(&image, b"\"architecture\":\"arm64\",\"os\"", b"\"architecture\":\"amd64\",\"os\"");
    let error = setup.refused(&other);
    assert!(error.contains("no image for arm64"), "{error}");
    let docker = replaced(&image, b"index.json", b"xndex.json");
    let error = setup.refused(&with_header_sum(docker, "xndex.json"));
    assert!(error.contains("podman save --format oci-archive"), "{error}");
}

/// The bytes with the first hit replaced; both are equally long.
fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes.windows(from.len()).position(|window| window == from).expect("it is in there");
    let mut bytes = bytes.to_owned();
    bytes[at..at + to.len()].copy_from_slice(to);
    bytes
}

/// A renamed file's tar header with its checksum made right again.
fn with_header_sum(mut bytes: Vec<u8>, name: &str) -> Vec<u8> {
    let at = bytes.windows(name.len()).position(|window| window == name.as_bytes()).expect("it is in there");
    let mut header = tar::Header::from_byte_slice(&bytes[at..at + 512]).clone();
    header.set_cksum();
    bytes[at..at + 512].copy_from_slice(header.as_bytes());
    bytes
}
