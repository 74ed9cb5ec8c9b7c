//! The description files from which the maker's mkswu builds a signed update (SWU) for Armadillo Base OS. They are checked by a SWU that is
//! put together as mkswu does it, and read by Debian's SWUpdate: what mkswu is given is what it needs.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};

use super::containerfile::{Description, VERSION};
use crate::command::output_of;
use crate::files::{make_directory, write};

/// The update's component: its version has to rise from one update to the next, or mkswu's installer does nothing.
const COMPONENT: &str = "se050-iot";
/// The tree that is copied to the device's root.
const TREE: &str = "extra-os";

/// Writes `se050-iot.desc` (the image inside the SWU), `se050-iot-usb.desc` (the image beside it on a USB stick), with a registry
/// `se050-iot-pull.desc` (the device pulls the image), and the tree with the container's configuration, which all of them install.
pub(super) fn write_descriptions(
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

/// The board that the SWU is for; SWUpdate refuses one for another.
const BOARD: &str = "armadillo:1.0";

/// Stands for mkswu: prints what the description asks for, one file a line, the tree as a tar archive.
const STAND_IN: &str = r#"set -eu
swdesc_option() { for option; do printf '%s\n' "$option"; done >options; }
swdesc_embed_container() { echo "$1"; }
swdesc_files() { tar -cf extra-os.tar -C "$2" .; echo extra-os.tar; }
. ./se050-iot.desc
"#;

/// `directory` is what `cargo xtask image` has written.
pub(super) fn check(directory: &Path, archive: &Path) -> anyhow::Result<()> {
    let place = tempfile::tempdir()?;
    let at = |name: &str| place.path().join(name);
    let run = |program: &str, arguments: &[&str]| {
        output_of(Command::new(program).args(arguments).current_dir(place.path()))
    };
    run("cp", &["-a", &format!("{}/.", directory.display()), "."])?;
    let listed = run("sh", &["-c", STAND_IN]).context("se050-iot.desc")?;
    let files: Vec<&str> = listed.lines().collect();
    let archive = archive.file_name().unwrap_or_default().to_string_lossy();
    ensure!(files == [&*archive, "extra-os.tar"], "the description asks for {files:?}");
    let options = fs::read_to_string(at("options"))?;
    let version = format!("version={VERSION}");
    ensure!(options.lines().any(|option| option == version), "the description's options are {options}");
    let mut entries = Vec::new();
    for file in &files {
        let sum = crate::cross::sha256(&fs::read(at(file))?);
        let path = at("installed").join(file);
        entries.push(format!(
            "{{ filename = \"{file}\"; type = \"rawfile\"; path = \"{}\"; sha256 = \"{sum}\"; }}",
            path.display()
        ));
    }
    let description = format!(
        "software = {{ version = \"{VERSION}\"; hardware-compatibility: [ \"1.0\" ]; files: ( {} ); }}\n",
        entries.join(", ")
    );
    fs::write(at("sw-description"), description)?;
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "key.pem"];
    let certificate =
        ["-out", "certificate.pem", "-subj", "/CN=test", "-addext", "extendedKeyUsage=emailProtection"];
    run("openssl", &[&["req", "-x509"], &key[..], &certificate[..]].concat())?;
    let sign = ["cms", "-sign", "-binary", "-nosmimecap", "-outform", "DER", "-in", "sw-description"];
    let with = ["-out", "sw-description.sig", "-signer", "certificate.pem", "-inkey", "key.pem"];
    run("openssl", &[&sign[..], &with[..]].concat())?;
    let pack =
        format!("printf '%s\\n' sw-description sw-description.sig {} | cpio -o -H crc", files.join(" "));
    let read = || run("swupdate", &["-c", "-k", "certificate.pem", "-H", BOARD, "-i", "update.swu"]);
    run("sh", &["-c", &format!("{pack} >update.swu")])?;
    read().context("SWUpdate does not take the SWU")?;
    // It has looked at the content: another one is refused.
    fs::write(at("extra-os.tar"), "another")?;
    run("sh", &["-c", &format!("{pack} >update.swu")])?;
    ensure!(read().is_err(), "SWUpdate takes a SWU whose files were changed");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cross::ARMADILLO_G4;

    /// mkswu reads a description as a shell script in which its commands are functions.
    #[test]
    fn a_description_is_a_script_that_names_files_that_are_there() {
        let directory = tempfile::tempdir().unwrap();
        let registry = Some("registry.example.com/devices".to_owned());
        let description = Description::new(&[], &ARMADILLO_G4, None, registry);
        let (version, archive) = (VERSION, "se050-iot.tar");
        write_descriptions(
            directory.path(),
            &description,
            &Path::new("target/image").join(archive),
            "set_image x\n",
        )
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
