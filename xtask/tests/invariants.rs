//! The invariants of docs/architecture.md. Each test has its line there.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Crates that exist for development and tests only.
const DEVELOPMENT: [&str; 6] =
    ["se050-sim", "aws-iot-sim", "benchmarks", "device-advisor", "test-peers", "xtask"];

#[test]
fn nothing_shipped_depends_on_a_development_crate() {
    for (package, options) in shipped() {
        for crate_name in dependencies(&package, options) {
            assert!(!DEVELOPMENT.contains(&crate_name.as_str()), "{package} depends on {crate_name}");
        }
    }
}

#[test]
fn a_simulator_shares_no_code_with_what_it_tests() {
    let ours: BTreeSet<String> = packages().into_iter().map(|(package, _)| package).collect();
    for simulator in ["se050-sim", "aws-iot-sim", "device-advisor"] {
        for crate_name in dependencies(simulator, &[]) {
            assert!(
                crate_name == simulator || !ours.contains(&crate_name),
                "{simulator} depends on {crate_name}"
            );
        }
    }
}

#[test]
fn the_simulated_broker_has_a_codec_of_its_own() {
    let dependencies = dependencies("aws-iot-sim", &[]);
    for client in ["rumqttc", "mqttbytes", "rumqttd"] {
        assert!(
            !dependencies.contains(client),
            "aws-iot-sim depends on {client}, whose codec the client has"
        );
    }
}

#[test]
fn each_crate_knows_only_its_neighbours() {
    let forbidden: [(&str, &[&str]); 7] = [
        ("se050-key", &["rustls", "rumqttc", "tokio", "aws-sdk-iot", "aws-iot-mqtt", "aws-iot-provision"]),
        ("rustls-se050", &["rumqttc", "tokio", "aws-sdk-iot", "aws-iot-mqtt", "aws-iot-provision"]),
        ("se050-device", &["aws-sdk-iot", "aws-iot-provision"]),
        ("aws-iot-mqtt", &["cryptoki", "cryptoki-sys", "se050-key", "rustls-se050", "aws-sdk-iot"]),
        (
            "aws-iot-device",
            &[
                "cryptoki",
                "cryptoki-sys",
                "se050-key",
                "rustls-se050",
                "aws-sdk-iot",
                "aws-config",
                "aws-iot-provision",
            ],
        ),
        (
            "device-identity",
            &["cryptoki", "cryptoki-sys", "se050-key", "rustls", "rumqttc", "tokio", "aws-sdk-iot"],
        ),
        ("aws-iot-provision", &["cryptoki", "cryptoki-sys", "se050-key", "rumqttc", "aws-iot-mqtt"]),
    ];
    for (package, strangers) in forbidden {
        let known = dependencies(package, &[]);
        for stranger in strangers {
            assert!(!known.contains(*stranger), "{package} knows {stranger}");
        }
    }
    assert!(
        !direct_dependencies("rustls-se050").iter().any(|name| name.starts_with("cryptoki")),
        "rustls-se050 knows cryptoki"
    );
}

#[test]
fn one_crypto_provider_and_one_rustls_in_each_shipped_program() {
    for (package, options) in shipped() {
        let packages = tree(&package, options);
        let of = |name: &str| packages.iter().filter(|line| line.split(' ').next() == Some(name)).count();
        for other in ["aws-lc-rs", "aws-lc-sys", "openssl-sys", "native-tls"] {
            assert_eq!(of(other), 0, "{package} {options:?} has {other}");
        }
        assert!(of("rustls") <= 1, "{package} {options:?} has several versions of rustls");
        assert!(of("ring") <= 1, "{package} {options:?} has several versions of ring");
    }
}

#[test]
fn the_device_programs_contain_no_aws_sdk() {
    for (package, options) in on_the_device() {
        for crate_name in dependencies(&package, options) {
            let ours = ["aws-iot-mqtt", "aws-iot-device"].contains(&crate_name.as_str());
            let from_aws = crate_name.starts_with("aws-") && !ours;
            assert!(!from_aws, "{package} {options:?} depends on {crate_name}");
        }
    }
    assert!(
        dependencies("xtask", &[]).iter().all(|name| !name.starts_with("aws-")),
        "xtask depends on the AWS SDK"
    );
}

/// The compiler is the judge: it is told to forbid unsafe code in each crate, or, where a crate has a C interface, to deny it but on that
/// interface's `mod` lines.
#[test]
fn unsafe_is_only_where_the_c_interface_is() {
    const C_INTERFACE: [&str; 3] = ["se050-iot", "se050-key", "se050-sim"];
    let lints = |manifest: &Path| -> toml::Table {
        let manifest: toml::Table = std::fs::read_to_string(manifest).unwrap().parse().unwrap();
        let lints = manifest.get("lints").unwrap_or_else(|| &manifest["workspace"]["lints"]);
        lints.as_table().unwrap().clone()
    };
    let mut expected = lints(&root().join("Cargo.toml"));
    assert_eq!(expected["rust"]["unsafe_code"].as_str(), Some("forbid"));
    expected["rust"]["unsafe_code"] = "deny".into();
    for (name, manifest) in packages() {
        let lints = lints(&manifest);
        if C_INTERFACE.contains(&name.as_str()) {
            assert_eq!(lints, expected, "{name}: its lints are not the workspace's");
        } else {
            assert_eq!(lints["workspace"].as_bool(), Some(true), "{name} has lints of its own");
        }
    }
}

/// With `publish` lifted, `cargo package` takes each of them: nobody has to search for what is missing on that day.
#[test]
fn each_shipped_crate_could_be_packaged() {
    let metadata = cargo(&["metadata", "--no-deps", "--locked", "--format-version", "1"]);
    let metadata: serde_json::Value = serde_json::from_str(&metadata).unwrap();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let manifest = Path::new(package["manifest_path"].as_str().unwrap());
        if DEVELOPMENT.contains(&name) || !manifest.starts_with(root().join("crates")) {
            continue;
        }
        for field in ["description", "license", "readme"] {
            assert!(package[field].is_string(), "{name} has no {field}");
        }
        assert!(!package["keywords"].as_array().unwrap().is_empty(), "{name} has no keywords");
        for dependency in package["dependencies"].as_array().unwrap() {
            let ships = dependency["kind"].as_str() != Some("dev");
            assert!(!ships || dependency["req"] != "*", "{name}: {} has no version", dependency["name"]);
        }
    }
}

/// cargo-deny with the project's `deny.toml`, on workspaces that are made up: without a network, whatever is refused is a crate by path.
#[test]
fn deny_toml_refuses_a_licence_and_a_crate_that_are_not_allowed() {
    let Some(deny) = test_peers::venv_program("cargo-deny") else { return };
    let check = |dependency: &str, license: &str| {
        let directory = tempfile::tempdir().unwrap();
        let write = |place: &str, manifest: String| {
            let place = directory.path().join(place);
            std::fs::create_dir_all(place.join("src")).unwrap();
            std::fs::write(place.join("src/lib.rs"), "").unwrap();
            std::fs::write(place.join("Cargo.toml"), manifest).unwrap();
            place.join("Cargo.toml")
        };
        let package = |name: &str, license: &str| {
            format!(
                "[package]\nname = \"{name}\"\nversion = \"1.0.0\"\nedition = \"2024\"\nlicense = \"{license}\"\npublish = false\n"
            )
        };
        write("dependency", package(dependency, license));
        let dependencies = format!("[dependencies]\n{dependency} = {{ path = \"../dependency\" }}\n");
        let manifest = write("program", package("program", "MIT") + &dependencies);
        let output = Command::new(&deny)
            .args(["--offline", "--log-level", "error", "--color", "never", "--config"])
            .arg(root().join("deny.toml"))
            .arg("--manifest-path")
            .arg(manifest)
            .args(["check", "bans", "licenses", "sources"])
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    let (passes, output) = check("harmless", "MIT");
    assert!(passes, "{output}");
    for (dependency, license, words) in [
        ("copyleft", "GPL-3.0-only", "GPL-3.0-only"),
        ("openssl-sys", "MIT", "TLS is rustls' alone"),
        ("aws-lc-rs", "MIT", "one crypto provider"),
    ] {
        let (passes, output) = check(dependency, license);
        assert!(!passes && output.contains(dependency) && output.contains(words), "{dependency}: {output}");
    }
}

#[test]
fn the_architecture_document_names_every_invariant_test() {
    let document = std::fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let this =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/invariants.rs")).unwrap();
    let tests = this.split("#[test]\nfn ").skip(1).filter_map(|rest| rest.split('(').next());
    for test in tests.filter(|test| !test.starts_with("the_architecture_document")) {
        assert!(document.contains(test), "docs/architecture.md does not name the test {test}");
    }
}

/// Every package that is on the device or the operator's machine, and cargo's options for each way of building it.
fn shipped() -> Vec<(String, &'static [&'static str])> {
    let mut shipped = on_the_device();
    let others = packages().into_iter().filter(|(name, _)| !DEVELOPMENT.contains(&name.as_str()));
    shipped.extend(others.map(|(name, _)| (name, [].as_slice())));
    shipped
}

/// What runs on the device: the examples, and `se050-iot` without the operator's half.
fn on_the_device() -> Vec<(String, &'static [&'static str])> {
    let mut programs: Vec<(String, &'static [&'static str])> =
        vec![("se050-iot".into(), &["--no-default-features"])];
    let examples =
        packages().into_iter().filter(|(_, directory)| directory.starts_with(root().join("examples")));
    programs.extend(examples.map(|(name, _)| (name, [].as_slice())));
    assert!(programs.len() > 1, "no example was found");
    programs
}

/// The workspace's packages, and where they are.
fn packages() -> Vec<(String, PathBuf)> {
    let metadata = cargo(&["metadata", "--no-deps", "--locked", "--format-version", "1"]);
    let metadata: serde_json::Value = serde_json::from_str(&metadata).unwrap();
    let packages = metadata.get("packages").and_then(serde_json::Value::as_array).unwrap();
    let text = |package: &serde_json::Value, name| package.get(name).unwrap().as_str().unwrap().to_owned();
    packages.iter().map(|package| (text(package, "name"), text(package, "manifest_path").into())).collect()
}

/// The names of everything that the package is built from, itself included. Development dependencies do not count.
fn dependencies(package: &str, options: &[&str]) -> BTreeSet<String> {
    tree(package, options).iter().filter_map(|line| Some(line.split(' ').next()?.to_owned())).collect()
}

fn direct_dependencies(package: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for line in tree(package, &["--depth", "1"]) {
        names.extend(line.split(' ').next().map(str::to_owned));
    }
    names
}

/// The lines of `cargo tree` (name, version) for normal and build dependencies, without repetitions.
fn tree(package: &str, options: &[&str]) -> BTreeSet<String> {
    let mut arguments =
        vec!["tree", "--locked", "--package", package, "--edges", "normal,build", "--prefix", "none"];
    arguments.extend(options);
    // A line that was printed before ends with " (*)".
    cargo(&arguments).lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect()
}

fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo).args(arguments).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}
