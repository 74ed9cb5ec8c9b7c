//! What goes into the image, what it says about itself, and the build context: a Containerfile, and our files as they lie in the image. Who
//! builds on an image of their own uses it with podman.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use crate::command::output_of;
use crate::cross::{Artifact, Device};
use crate::files::{empty_directory, make_directory, write};
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

/// The directory of the context that is copied to the image's root.
const FILES: &str = "files";

/// Writes the Containerfile and our files into the directory.
pub(super) fn write_context(directory: &Path, description: &Description<'_>) -> anyhow::Result<()> {
    let files = directory.join(FILES);
    empty_directory(&files)?;
    let programs = files.join("usr/bin");
    make_directory(&programs)?;
    for artifact in description.artifacts {
        let program = programs.join(&artifact.name);
        fs::copy(&artifact.file, &program).with_context(|| format!("cannot write {}", program.display()))?;
        fs::set_permissions(&program, Permissions::from_mode(0o755))?;
    }
    let data = files.join(DATA.trim_start_matches('/'));
    make_directory(&data)?;
    // Anybody may write here, as in /tmp: the user is not known before the volume is.
    fs::set_permissions(&data, Permissions::from_mode(0o1777))?;
    write(&directory.join("Containerfile"), text(description))
}

/// Writes the Containerfile of a base that has NXP's module, from the maker's repository.
pub(super) fn write_base(directory: &Path, device: &Device) -> anyhow::Result<()> {
    write(&directory.join("Containerfile.base"), BASE.replace("PLATFORM", device.platform))
}

/// The repository is the one that the maker's mkswu names; its keys are on every Armadillo.
const BASE: &str = r#"# Written by `cargo xtask image`: an Alpine with NXP's module, to build the image on.
#   mkdir keys && scp root@ARMADILLO:/etc/apk/keys/atmark-*.rsa.pub keys/
#   podman build --platform PLATFORM --build-arg ALPINE=docker.io/library/alpine:VERSION -f Containerfile.base -t localhost/base .
#   podman save -o base.tar localhost/base && cargo xtask image --base base.tar
# VERSION is the one that the maker's repository is for. On a PC the build runs apk under qemu (Debian: qemu-user-static).
# Not tried with the maker's repository: docs/getting-started.md lists what there is to verify.
ARG ALPINE
FROM ${ALPINE}
ARG REPOSITORY=https://download.atmark-techno.com/alpine/current/atmark
COPY keys/ /etc/apk/keys/
RUN apk add --no-cache --repository ${REPOSITORY} plug-and-trust
RUN test -e /usr/lib/plug-and-trust/libsss_pkcs11.so
"#;

fn text(description: &Description<'_>) -> String {
    let user = description.user.as_ref().map(|user| format!("USER {user}\n")).unwrap_or_default();
    format!(
        r#"# Written by `cargo xtask image`:
#   podman build --platform {platform} --build-arg BASE=IMAGE -t {reference} .
# IMAGE is yours: the maker's Alpine with the package plug-and-trust installed (libsss_pkcs11.so, a musl build).
# Nothing is run while building, so any PC can build it.
ARG BASE=scratch
FROM ${{BASE}}
COPY --chown=0:0 {FILES}/ /
{labels}VOLUME {DATA}
WORKDIR {DATA}
{user}ENTRYPOINT ["{ENTRYPOINT}"]
"#,
        platform = description.device.platform,
        reference = description.reference(),
        labels = description.labels(),
    )
}

/// The commit, where the project is a clone of its repository.
fn revision() -> Option<String> {
    let git = |arguments: &[&str]| output_of(Command::new("git").args(arguments).current_dir(root())).ok();
    let commit = git(&["rev-parse", "HEAD"])?.trim().to_owned();
    let changed = !git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    Some(if changed { format!("{commit}-changed") } else { commit })
}
