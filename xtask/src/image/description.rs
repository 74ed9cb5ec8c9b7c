//! What the image says about itself.

use std::process::Command;

use serde_json::{Value, json};

use crate::command::output_of;
use crate::root::root;

/// An ordinary user; a number is enough, no entry in /etc/passwd is needed.
const USER: u32 = 10001;

pub(super) const ENTRYPOINT: &str = "/usr/bin/se050-iot";
/// Where the persistent volume belongs.
pub(super) const DATA: &str = "/data";

pub(super) struct Description {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    /// Where the image is pushed to and pulled from; `None`: it is carried in an archive.
    pub(super) registry: Option<String>,
    /// `USER:GROUP`, or `None` for root.
    pub(super) user: Option<String>,
    revision: Option<String>,
}

impl Description {
    pub(super) fn new(i2c_group: Option<u32>, registry: Option<&str>) -> Self {
        Self {
            name: "se050-iot",
            version: env!("CARGO_PKG_VERSION"),
            registry: registry.map(str::to_owned),
            user: i2c_group.map(|group| format!("{USER}:{group}")),
            revision: revision(),
        }
    }

    /// The name under which the image is loaded.
    pub(super) fn reference(&self) -> String {
        format!("{}/{}:{}", self.registry.as_deref().unwrap_or("localhost"), self.name, self.version)
    }

    /// The name of the archive that the image is carried in.
    pub(super) fn archive(&self) -> String {
        format!("{}-{}.tar", self.name, self.version)
    }

    /// The labels, by the names that the OCI specification gives (annotations.md).
    pub(super) fn labels(&self) -> Value {
        let mut labels = json!({
            "org.opencontainers.image.title": self.name,
            "org.opencontainers.image.description":
                "AWS IoT Core with the private key in an NXP EdgeLock SE050",
            "org.opencontainers.image.version": self.version,
            "org.opencontainers.image.licenses": env!("CARGO_PKG_LICENSE"),
        });
        if let (Some(revision), Some(labels)) = (&self.revision, labels.as_object_mut()) {
            labels.insert("org.opencontainers.image.revision".into(), revision.as_str().into());
        }
        labels
    }
}

/// The commit, where the project is a clone of its repository.
fn revision() -> Option<String> {
    let git = |arguments: &[&str]| output_of(Command::new("git").args(arguments).current_dir(root())).ok();
    let commit = git(&["rev-parse", "HEAD"])?.trim().to_owned();
    let changed = !git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    Some(if changed { format!("{commit}-changed") } else { commit })
}
