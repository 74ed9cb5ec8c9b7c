//! A SWU from a description file, put together as mkswu does it, and read by Debian's SWUpdate: what mkswu is given is what it needs.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};

use super::description::VERSION;
use crate::command::output_of;

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
