//! What goes into the image, and what it says about itself.

use std::process::Command;

use crate::command::output_of;
use crate::cross::{Artifact, Device};
use crate::root::root;

/// An ordinary user; a number is enough, no entry in /etc/passwd is needed.
const USER: u32 = 10001;

pub(super) const NAME: &str = "se050-iot";
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");
pub(super) const LICENSE: &str = env!("CARGO_PKG_LICENSE");
pub(super) const ENTRYPOINT: &str = "/usr/bin/se050-iot";
/// Where the persistent volume belongs.
pub(super) const DATA: &str = "/data";

#[derive(Clone)]
pub(super) struct Description<'a> {
    pub(super) artifacts: &'a [Artifact],
    /// What the image is for.
    pub(super) device: &'static Device,
    /// Where the image is pushed to and pulled from; `None`: it is carried in an archive.
    pub(super) registry: Option<String>,
    /// `USER:GROUP`, or `None` for root.
    pub(super) user: Option<String>,
}

impl<'a> Description<'a> {
    pub(super) fn new(
        artifacts: &'a [Artifact],
        device: &'static Device,
        i2c_group: Option<u32>,
        registry: Option<String>,
    ) -> Self {
        Self { artifacts, device, registry, user: i2c_group.map(|group| format!("{USER}:{group}")) }
    }

    /// The name under which the image is loaded.
    pub(super) fn reference(&self) -> String {
        format!("{}/{NAME}:{VERSION}", self.registry.as_deref().unwrap_or("localhost"))
    }

    /// The labels, by the names that the OCI specification gives (annotations.md).
    pub(super) fn labels(&self) -> String {
        let mut labels = vec![
            ("title", NAME.to_owned()),
            ("description", "AWS IoT Core with the private key in an NXP EdgeLock SE050".to_owned()),
            ("version", VERSION.to_owned()),
            ("licenses", LICENSE.to_owned()),
        ];
        labels.extend(revision().map(|revision| ("revision", revision)));
        labels
            .iter()
            .map(|(name, text)| format!("LABEL org.opencontainers.image.{name}={text:?}\n"))
            .collect()
    }
}

/// The commit, where the project is a clone of its repository.
fn revision() -> Option<String> {
    let git = |arguments: &[&str]| output_of(Command::new("git").args(arguments).current_dir(root())).ok();
    let commit = git(&["rev-parse", "HEAD"])?.trim().to_owned();
    let changed = !git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    Some(if changed { format!("{commit}-changed") } else { commit })
}
