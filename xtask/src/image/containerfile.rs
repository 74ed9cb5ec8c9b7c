//! For those who build on the device's own base image, with podman: a Containerfile, and the programs beside it.

use std::fs;
use std::path::Path;

use anyhow::Context as _;

use super::description::{DATA, Description, ENTRYPOINT};
use crate::cross::Artifact;

/// Writes the Containerfile and its `bin/` into the directory.
pub(super) fn write_context(
    directory: &Path,
    artifacts: &[Artifact],
    description: &Description,
) -> anyhow::Result<()> {
    let programs = directory.join("bin");
    if programs.exists() {
        fs::remove_dir_all(&programs)?;
    }
    fs::create_dir_all(&programs).with_context(|| format!("cannot make {}", programs.display()))?;
    for artifact in artifacts {
        fs::copy(&artifact.file, programs.join(&artifact.name))?;
    }
    let file = directory.join("Containerfile");
    fs::write(&file, text(description)).with_context(|| format!("cannot write {}", file.display()))
}

fn text(description: &Description) -> String {
    let labels: String = description
        .labels()
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| format!("LABEL {name}={value}\n"))
        .collect();
    let user = description.user.as_ref().map(|user| format!("USER {user}\n")).unwrap_or_default();
    format!(
        r#"# Written by `cargo xtask image`:
#   podman build --platform linux/arm64 --build-arg BASE=IMAGE -t {reference} .
# IMAGE is yours: the maker's Alpine with the package plug-and-trust installed (libsss_pkcs11.so, a musl build).
# Nothing is run while building, so any PC can build it.
ARG BASE
FROM ${{BASE}}
COPY --chown=0:0 bin/ /usr/bin/
{labels}VOLUME {DATA}
WORKDIR {DATA}
{user}ENTRYPOINT ["{ENTRYPOINT}"]
"#,
        reference = description.reference(),
    )
}
