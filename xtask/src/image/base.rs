//! What the image is built on: a root file system with musl, and on a device NXP's PKCS#11 module.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Read as _};
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use flate2::read::MultiGzDecoder;
use serde_json::Value;
use tar::Archive;

use super::layer::Layer;
use crate::cross::{Device, sha256};

#[derive(Default)]
pub(super) struct Base {
    pub(super) layers: Vec<Layer>,
    /// Its environment variables, `NAME=value`.
    pub(super) environment: Vec<String>,
}

impl Base {
    pub(super) fn read(path: &Path, device: &Device) -> anyhow::Result<Self> {
        let base = if path.is_dir() {
            Self { layers: vec![Layer::of_directory(path)?], environment: Vec::new() }
        } else {
            Self::of_archive(&uncompressed(&fs::read(path).context("cannot read it")?)?, device)?
        };
        base.ensure_loader(device)?;
        Ok(base)
    }

    fn of_archive(tar: &[u8], device: &Device) -> anyhow::Result<Self> {
        let names = names(tar)?;
        if names.iter().any(|name| name == "index.json") {
            return Self::of_oci_archive(tar, device);
        }
        if names.iter().any(|name| name == "manifest.json") {
            bail!("it is an archive in docker's format: save it with `podman save --format oci-archive`");
        }
        Ok(Self { layers: vec![Layer::of_tar(tar)?], environment: Vec::new() })
    }

    fn of_oci_archive(tar: &[u8], device: &Device) -> anyhow::Result<Self> {
        let blobs = Blobs::read(tar)?;
        let mut manifest = json(blobs.files.get("index.json").context("it has no index.json")?)?;
        // An index lists images, or further indexes, one for each architecture.
        while let Some(entries) = manifest.get("manifests").and_then(Value::as_array) {
            let fits = |entry: &&Value| {
                let architecture = entry.pointer("/platform/architecture");
                architecture.is_none_or(|name| name == device.architecture)
            };
            let mut fitting = entries.iter().filter(fits);
            let chosen =
                fitting.next().with_context(|| format!("it holds no image for {}", device.architecture))?;
            ensure!(fitting.next().is_none(), "it holds several images for {}", device.architecture);
            manifest = json(blobs.get(chosen)?)?;
        }
        let config = json(blobs.get(manifest.get("config").context("its manifest names no config")?)?)?;
        let architecture = config.get("architecture").and_then(Value::as_str).unwrap_or_default();
        ensure!(
            architecture == device.architecture,
            "it is for {architecture}, not for {}",
            device.architecture
        );
        let diff_ids = strings(config.pointer("/rootfs/diff_ids"));
        let descriptors =
            manifest.get("layers").and_then(Value::as_array).context("its manifest names no layers")?;
        ensure!(
            diff_ids.len() == descriptors.len(),
            "its config and its manifest disagree on the number of layers"
        );
        let mut layers = Vec::new();
        for (descriptor, diff_id) in descriptors.iter().zip(diff_ids) {
            let media_type = descriptor.get("mediaType").and_then(Value::as_str).unwrap_or_default();
            layers.push(Layer {
                blob: blobs.get(descriptor)?.clone(),
                media_type: media_type
                    .replace("vnd.docker.image.rootfs.diff.tar.gzip", "vnd.oci.image.layer.v1.tar+gzip"),
                diff_id,
            });
        }
        Ok(Self { layers, environment: strings(config.pointer("/config/Env")) })
    }

    /// Without the loader that our programs name, none of them would start.
    fn ensure_loader(&self, device: &Device) -> anyhow::Result<()> {
        let loader = device.loader.trim_start_matches('/');
        for layer in &self.layers {
            // A compression that we do not read: then the device will tell.
            if layer.media_type.ends_with("zstd") {
                return Ok(());
            }
            let names = names(&uncompressed(&layer.blob)?)?;
            let in_usr = format!("usr/{loader}");
            if names.iter().any(|name| name == loader || *name == in_usr) {
                return Ok(());
            }
        }
        bail!("there is no {} in it: our programs need musl (Alpine has it)", device.loader)
    }
}

/// The files of an OCI archive.
struct Blobs {
    files: BTreeMap<String, Vec<u8>>,
}

impl Blobs {
    fn read(tar: &[u8]) -> anyhow::Result<Self> {
        let mut files = BTreeMap::new();
        for entry in Archive::new(Cursor::new(tar)).entries()? {
            let mut entry = entry?;
            let name = plain(&entry.path()?.to_string_lossy());
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            files.insert(name, bytes);
        }
        Ok(Self { files })
    }

    /// What a descriptor describes; its digest is checked.
    fn get(&self, descriptor: &Value) -> anyhow::Result<&Vec<u8>> {
        let digest =
            descriptor.get("digest").and_then(Value::as_str).context("a descriptor has no digest")?;
        let hash = digest
            .strip_prefix("sha256:")
            .with_context(|| format!("the digest {digest} is not a SHA-256"))?;
        let blob = self
            .files
            .get(&format!("blobs/sha256/{hash}"))
            .with_context(|| format!("{digest} is missing in it"))?;
        ensure!(sha256(blob) == hash, "{digest} is damaged");
        Ok(blob)
    }
}

fn uncompressed(bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes.to_owned());
    }
    let mut plain = Vec::new();
    MultiGzDecoder::new(bytes).read_to_end(&mut plain).context("it is a damaged gzip file")?;
    Ok(plain)
}

fn names(tar: &[u8]) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in Archive::new(Cursor::new(tar)).entries()? {
        names.push(plain(&entry.context("it is no tar archive")?.path()?.to_string_lossy()));
    }
    ensure!(!names.is_empty(), "it is an empty archive");
    Ok(names)
}

/// `./etc/` and `etc` are the same.
fn plain(name: &str) -> String {
    name.trim_start_matches("./").trim_end_matches('/').to_owned()
}

fn json(bytes: &[u8]) -> anyhow::Result<Value> {
    serde_json::from_slice(bytes).context("it holds damaged JSON")
}

fn strings(value: Option<&Value>) -> Vec<String> {
    let values = value.and_then(Value::as_array).into_iter().flatten();
    values.filter_map(|value| Some(value.as_str()?.to_owned())).collect()
}
