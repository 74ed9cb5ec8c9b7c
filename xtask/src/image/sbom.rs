//! The software bill of materials of the image's programs: CycloneDX 1.5 in JSON, from what cargo knows.
//!
//! A writer of our own, since cargo-cyclonedx would be one more program to install, and describes packages where this describes an
//! image: the union of what is in its programs, each built with its own features for the device.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::containerfile::{Description, LICENSE, NAME, VERSION};
use crate::command::output_of;
use crate::cross::{self, Device};
use crate::files::read;
use crate::root::{cargo, root};

/// The bill of materials of the image's programs.
pub(super) fn document(description: &Description<'_>) -> anyhow::Result<String> {
    let mut components = Vec::new();
    for artifact in description.artifacts {
        components.push(json!({
            "type": "application",
            "bom-ref": format!("program:{}", artifact.name),
            "name": artifact.name,
            "version": VERSION,
            "hashes": [{"alg": "SHA-256", "content": cross::sha256(&read(&artifact.file)?)}],
        }));
    }
    components.extend(libraries(description.device)?);
    let document = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": "container",
                "bom-ref": "image",
                "name": NAME,
                "version": VERSION,
                "licenses": [{"expression": LICENSE}],
            },
        },
        "components": components,
    });
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

/// Everything that is linked into one of the device's programs.
fn libraries(device: &Device) -> anyhow::Result<Vec<Value>> {
    let checksums = checksums(&fs::read_to_string(root().join("Cargo.lock")).context("Cargo.lock")?);
    let mut lines = BTreeSet::new();
    for package in cross::packages(cross::Programs::OfTheDevice)? {
        let mut tree = cargo();
        tree.args(["tree", "--locked", "--package", &package.name]).args(package.arguments);
        tree.args(["--target", device.triple, "--edges", "normal", "--prefix", "none", "--no-dedupe"]);
        tree.args(["--format", "{p}\t{l}\t{r}"]);
        lines.extend(output_of(&mut tree)?.lines().map(str::to_owned));
    }
    let libraries: Vec<Value> = lines.iter().filter_map(|line| component(line, &checksums)).collect();
    ensure!(!libraries.is_empty(), "cargo tree lists nothing");
    Ok(libraries)
}

/// A line of `cargo tree`. `None` for what is only used while building.
fn component(line: &str, checksums: &BTreeMap<(String, String), String>) -> Option<Value> {
    let mut fields = line.split('\t');
    let package = fields.next()?;
    let (license, repository) = (fields.next()?, fields.next()?);
    let mut words = package.split(' ');
    let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
    if package.contains("(proc-macro)") {
        return None;
    }
    let purl = format!("pkg:cargo/{name}@{version}");
    let mut component = json!({"type": "library", "bom-ref": purl, "name": name, "version": version});
    let members = component.as_object_mut()?;
    if !license.is_empty() {
        // What older manifests separate with a slash is an alternative.
        members.insert("licenses".into(), json!([{"expression": license.replace('/', " OR ")}]));
    }
    if !repository.is_empty() {
        members.insert("externalReferences".into(), json!([{"type": "vcs", "url": repository}]));
    }
    // The project's own crates are on no registry.
    if let Some(checksum) = checksums.get(&(name.to_owned(), version.to_owned())) {
        members.insert("purl".into(), purl.into());
        members.insert("hashes".into(), json!([{"alg": "SHA-256", "content": checksum}]));
    }
    Some(component)
}

/// The SHA-256 of each crate's archive, by name and version.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let value = |package: &str, key: &str| {
        let line = package.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \""))?;
        Some(line.trim_end_matches('"').to_owned())
    };
    let packages = lock.split("[[package]]\n").skip(1);
    packages
        .filter_map(|package| {
            Some(((value(package, "name")?, value(package, "version")?), value(package, "checksum")?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_programs_are_made_of_is_listed_with_version_licence_and_checksum() {
        let document = document(&Description::new(&[], &cross::ARMADILLO_G4, None, None)).unwrap();
        let document: Value = serde_json::from_str(&document).unwrap();
        let components = document.pointer("/components").and_then(Value::as_array).unwrap();
        let of = |name: &str| components.iter().find(|component| component["name"] == name);
        let rustls = of("rustls").unwrap();
        assert!(rustls["purl"].as_str().unwrap().starts_with("pkg:cargo/rustls@0."), "{rustls}");
        assert!(rustls["licenses"][0]["expression"].as_str().unwrap().contains(" OR "), "{rustls}");
        assert_eq!(rustls["hashes"][0]["content"].as_str().unwrap().len(), 64, "{rustls}");
        assert!(of("se050-key").is_some());
        for absent in ["serde_derive", "aws-sdk-iot", "se050-sim"] {
            assert!(of(absent).is_none(), "{absent} is not in the device's programs");
        }
    }
}
