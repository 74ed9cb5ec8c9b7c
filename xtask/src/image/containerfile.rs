//! The build context: a Containerfile, and our files as they lie in the image. Who builds on an image of their own uses it with podman.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::Context as _;

use super::description::{DATA, Description, ENTRYPOINT};
use crate::cross::{Artifact, Device};

/// The directory of the context that is copied to the image's root.
const FILES: &str = "files";
/// A root file system to unpack first, where the base is one.
pub(super) const ROOT_FILE_SYSTEM: &str = "rootfs.tar";

/// What the image is built on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Base {
    /// Nothing, or what `--build-arg BASE=IMAGE` names.
    Image,
    /// [`ROOT_FILE_SYSTEM`], in the context.
    RootFileSystem,
}

/// Writes the Containerfile and our files into the directory.
pub(super) fn write_context(
    directory: &Path,
    artifacts: &[Artifact],
    description: &Description,
    device: &Device,
    base: Base,
) -> anyhow::Result<()> {
    let files = directory.join(FILES);
    if files.exists() {
        fs::remove_dir_all(&files)?;
    }
    let programs = files.join("usr/bin");
    fs::create_dir_all(&programs).with_context(|| format!("cannot make {}", programs.display()))?;
    for artifact in artifacts {
        let program = programs.join(&artifact.name);
        fs::copy(&artifact.file, &program).with_context(|| format!("cannot write {}", program.display()))?;
        fs::set_permissions(&program, Permissions::from_mode(0o755))?;
    }
    let data = files.join(DATA.trim_start_matches('/'));
    fs::create_dir_all(&data)?;
    // Anybody may write here, as in /tmp: the user is not known before the volume is.
    fs::set_permissions(&data, Permissions::from_mode(0o1777))?;
    let file = directory.join("Containerfile");
    fs::write(&file, text(description, device, base))
        .with_context(|| format!("cannot write {}", file.display()))
}

/// Writes the Containerfile of a base that has NXP's module, from the maker's repository.
pub(super) fn write_base(directory: &Path, device: &Device) -> anyhow::Result<()> {
    let file = directory.join("Containerfile.base");
    fs::write(&file, BASE.replace("PLATFORM", device.platform))
        .with_context(|| format!("cannot write {}", file.display()))
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

fn text(description: &Description, device: &Device, base: Base) -> String {
    let labels: String = description
        .labels()
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| format!("LABEL {name}={value}\n"))
        .collect();
    let user = description.user.as_ref().map(|user| format!("USER {user}\n")).unwrap_or_default();
    let from = match base {
        Base::Image => "ARG BASE=scratch\nFROM ${BASE}".to_owned(),
        Base::RootFileSystem => format!("FROM scratch\nADD {ROOT_FILE_SYSTEM} /"),
    };
    format!(
        r#"# Written by `cargo xtask image`:
#   podman build --platform {platform} --build-arg BASE=IMAGE -t {reference} .
# IMAGE is yours: the maker's Alpine with the package plug-and-trust installed (libsss_pkcs11.so, a musl build).
# Nothing is run while building, so any PC can build it.
{from}
COPY --chown=0:0 {FILES}/ /
{labels}VOLUME {DATA}
WORKDIR {DATA}
{user}ENTRYPOINT ["{ENTRYPOINT}"]
"#,
        platform = device.platform,
        reference = description.reference(),
    )
}
