//! The description files from which the maker's mkswu builds a signed update (SWU) for Armadillo Base OS.

use std::path::Path;

use super::description::{Description, VERSION};
use crate::files::{make_directory, write};

/// The update's component: its version has to rise from one update to the next, or mkswu's installer does nothing.
const COMPONENT: &str = "se050-iot";
/// The tree that is copied to the device's root.
const TREE: &str = "extra-os";

/// Writes `se050-iot.desc` (the image inside the SWU), `se050-iot-usb.desc` (the image beside it on a USB stick), with a registry
/// `se050-iot-pull.desc` (the device pulls the image), and the tree with the container's configuration, which all of them install.
pub(super) fn write_all(
    directory: &Path,
    description: &Description<'_>,
    archive: &Path,
    configuration: &str,
) -> anyhow::Result<()> {
    let containers = directory.join(TREE).join("etc/atmark/containers");
    make_directory(&containers)?;
    write(&containers.join("se050-iot.conf"), configuration)?;
    let archive = archive.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut variants = vec![
        ("se050-iot.desc", "embed", archive.clone(), "the image is inside the SWU"),
        ("se050-iot-usb.desc", "usb", archive, "the image goes onto the USB stick beside the SWU"),
    ];
    if description.registry.is_some() {
        let note = "the device pulls the image, which has to be pushed before";
        variants.push(("se050-iot-pull.desc", "pull", description.reference(), note));
    }
    for (name, way, image, note) in variants {
        super::write(
            &directory.join(name),
            &format!(
                r#"# Written by `cargo xtask image`, for mkswu: {note}.
# Not tried on a device yet: docs/getting-started.md lists what there is to verify.
swdesc_option component={COMPONENT} version={VERSION}
swdesc_{way}_container {image}
swdesc_files --extra-os {TREE}
"#
            ),
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::cross::ARMADILLO_G4;

    /// mkswu reads a description as a shell script in which its commands are functions.
    #[test]
    fn a_description_is_a_script_that_names_files_that_are_there() {
        let directory = tempfile::tempdir().unwrap();
        let registry = Some("registry.example.com/devices".to_owned());
        let description = Description::new(&[], &ARMADILLO_G4, None, registry);
        let (version, archive) = (VERSION, "se050-iot.tar");
        write_all(directory.path(), &description, &Path::new("target/image").join(archive), "set_image x\n")
            .unwrap();
        for (file, container) in [
            ("se050-iot.desc", format!("embed_container {archive}")),
            ("se050-iot-usb.desc", format!("usb_container {archive}")),
            (
                "se050-iot-pull.desc",
                format!("pull_container registry.example.com/devices/se050-iot:{version}"),
            ),
        ] {
            let script = format!(
                "set -eu; for name in option embed_container usb_container pull_container files; do \
                 eval \"swdesc_$name() {{ echo $name \\\"\\$@\\\"; }}\"; done; . ./{file}"
            );
            let output =
                Command::new("sh").args(["-c", &script]).current_dir(directory.path()).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            assert_eq!(
                String::from_utf8(output.stdout).unwrap(),
                format!(
                    "option component=se050-iot version={version}\n{container}\nfiles --extra-os extra-os\n"
                )
            );
            assert!(directory.path().join("extra-os/etc/atmark/containers/se050-iot.conf").is_file());
        }
    }
}
