//! The image as one tar file that is an OCI layout and a docker archive at once: whatever loads images takes one or the other.

use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

use super::base::Base;
use super::description::{DATA, Description, ENTRYPOINT};
use super::layer::Layer;
use crate::cross::{ARMADILLO_G4, sha256};

const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

pub(super) struct Image {
    pub(super) layers: Vec<Layer>,
    pub(super) reference: String,
    config: Vec<u8>,
}

impl Image {
    pub(super) fn new(base: Base, programs: Layer, description: &Description) -> Self {
        let Base { mut layers, mut environment } = base;
        layers.push(programs);
        if !environment.iter().any(|variable| variable.starts_with("PATH=")) {
            environment.push(PATH.to_owned());
        }
        let diff_ids: Vec<&str> = layers.iter().map(|layer| layer.diff_id.as_str()).collect();
        // One entry a layer: podman builds nothing upon an image without.
        let mut history = vec![json!({ "created_by": "the base image" }); diff_ids.len().saturating_sub(1)];
        history.push(json!({ "created_by": "cargo xtask image" }));
        // No "created": the time of building would make each build another one.
        let config = json!({
            "architecture": ARMADILLO_G4.architecture,
            "os": "linux",
            "config": {
                "User": description.user.as_deref().unwrap_or_default(),
                "Env": environment,
                "Entrypoint": [ENTRYPOINT],
                "WorkingDir": DATA,
                "Volumes": { DATA: {} },
                "Labels": description.labels(),
            },
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
            "history": history,
        });
        Self { layers, reference: description.reference(), config: config.to_string().into_bytes() }
    }

    /// The bytes of our own layer.
    pub(super) fn own_layer_size(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.blob.len())
    }

    /// The tar file's bytes: the same for the same input.
    pub(super) fn archive(&self) -> anyhow::Result<Vec<u8>> {
        let layers: Vec<Value> =
            self.layers.iter().map(|layer| descriptor(&layer.media_type, &layer.blob)).collect();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": descriptor("application/vnd.oci.image.config.v1+json", &self.config),
            "layers": layers,
        })
        .to_string();
        let mut in_index = descriptor("application/vnd.oci.image.manifest.v1+json", manifest.as_bytes());
        if let Some(fields) = in_index.as_object_mut() {
            fields.insert(
                "platform".into(),
                json!({ "architecture": ARMADILLO_G4.architecture, "os": "linux" }),
            );
            fields.insert(
                "annotations".into(),
                json!({ "org.opencontainers.image.ref.name": self.reference.as_str() }),
            );
        }
        let index = json!({ "schemaVersion": 2, "manifests": [in_index] });
        let paths: Vec<String> = self.layers.iter().map(|layer| blob_path(&layer.blob)).collect();
        let docker = json!([{ "Config": blob_path(&self.config), "RepoTags": [self.reference.as_str()], "Layers": paths }]);

        let mut tar = Builder::new(Vec::new());
        let mut add = |path: &str, bytes: &[u8]| {
            let mut header = Header::new_gnu();
            header.set_entry_type(EntryType::Regular);
            header.set_mode(0o644);
            header.set_mtime(0);
            header.set_size(bytes.len() as u64);
            tar.append_data(&mut header, path, bytes)
        };
        add("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        add("index.json", index.to_string().as_bytes())?;
        add("manifest.json", docker.to_string().as_bytes())?;
        add(&blob_path(manifest.as_bytes()), manifest.as_bytes())?;
        add(&blob_path(&self.config), &self.config)?;
        for layer in &self.layers {
            add(&blob_path(&layer.blob), &layer.blob)?;
        }
        Ok(tar.into_inner()?)
    }
}

fn descriptor(media_type: &str, blob: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": format!("sha256:{}", sha256(blob)), "size": blob.len() })
}

fn blob_path(blob: &[u8]) -> String {
    format!("blobs/sha256/{}", sha256(blob))
}
