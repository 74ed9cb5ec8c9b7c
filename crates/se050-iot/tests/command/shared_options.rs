//! What the libraries' builders can be told, the programs can be told, too.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::Operator;

/// Who has an option of a builder: a command and its flag, or nobody, and why.
enum Where {
    In(&'static str, &'static str),
    Absent(&'static str),
}
use Where::{Absent, In};

const OPTIONS: [(&str, &str, Where); 28] = [
    ("aws-iot-mqtt Builder", "port", In("sub", "--port")),
    ("aws-iot-mqtt Builder", "proxy", In("sub", "--proxy")),
    ("aws-iot-mqtt Builder", "keep_alive", In("sub", "--keep-alive")),
    ("aws-iot-mqtt Builder", "connect_timeout", Absent("its 30 s are more than any chip and line take")),
    ("aws-iot-mqtt Builder", "connect_deadline", Absent("the programs try for 15 s, as the library does")),
    ("aws-iot-mqtt Builder", "operation_timeout", In("pub", "--timeout")),
    ("aws-iot-mqtt Builder", "drain_timeout", Absent("it follows from the 10 s that `podman stop` leaves")),
    ("aws-iot-mqtt Builder", "subscribe", In("sub", "--topic")),
    ("aws-iot-mqtt Builder", "persistent_session", In("sub", "--session-expiry")),
    ("aws-iot-mqtt Builder", "clean_start", Absent("a session that is kept is continued, any other is new")),
    ("aws-iot-mqtt Builder", "will", In("sub", "--will-topic")),
    ("aws-iot-mqtt Builder", "limits", Absent("the programs are for AWS IoT Core")),
    ("aws-iot-mqtt Builder", "pacing", Absent("beyond AWS IoT Core's rates, it disconnects")),
    (
        "aws-iot-mqtt Builder",
        "outbox",
        Absent("a program that ends at once keeps no backlog; examples/telemetry does"),
    ),
    ("aws-iot-mqtt Builder", "durable", Absent("as with the outbox; examples/telemetry has --durable")),
    ("aws-iot-mqtt Builder", "reconnect", Absent("the default is for all devices")),
    ("aws-iot-mqtt Builder", "classify_signer_errors", Absent("se050-device always sets it")),
    ("se050-key TokenBuilder", "token_label", In("sub", "--token-label")),
    ("se050-key TokenBuilder", "select", In("sub", "--key-label")),
    ("se050-key TokenBuilder", "pin", In("sub", "--pin-file")),
    (
        "se050-key TokenBuilder",
        "deadline",
        Absent("its 10 s cover NXP's module, which comes back after 3.5 s"),
    ),
    ("se050-key TokenBuilder", "back_off", Absent("for tests: its multiples are tuned to NXP's module")),
    (
        "se050-key TokenBuilder",
        "lock_file",
        Absent("the environment variable SE050_LOCK_FILE, the same for all programs"),
    ),
    ("rustls-se050 ClientConfigBuilder", "tls_versions", In("sub", "--tls-version")),
    ("rustls-se050 ClientConfigBuilder", "crypto_provider", Absent("a program has one, ring")),
    ("aws-iot-mqtt SubscribeOptions", "retain_handling", In("sub", "--no-retained")),
    ("aws-iot-mqtt SubscribeOptions", "retain_as_published", In("sub", "--retain-as-published")),
    (
        "aws-iot-mqtt SubscribeOptions",
        "manual_acknowledgement",
        Absent("`sub` acknowledges what it has printed"),
    ),
];
/// These two are `sub`'s alone: it publishes nothing, and reads one message at a time.
const NOT_OF_SUB: [&str; 2] = ["no_local", "queue"];

const PUBLICATION: [(&str, &str); 7] = [
    ("retain", "--retain"),
    ("payload_format", "--payload-format"),
    ("content_type", "--content-type"),
    ("response_topic", "--response-topic"),
    ("correlation_data", "--correlation-data"),
    ("user_property", "--user-property"),
    ("message_expiry_interval", "--message-expiry"),
];

#[test]
fn each_option_of_the_builders_is_in_a_program_or_absent_for_a_reason() {
    let programs = Operator::new(Vec::new());
    let (publish, subscribe) = (programs.good(&["pub", "--help"]), programs.good(&["sub", "--help"]));
    for (package, name) in [
        ("aws-iot-mqtt", "Builder"),
        ("aws-iot-mqtt", "SubscribeOptions"),
        ("se050-key", "TokenBuilder"),
        ("rustls-se050", "ClientConfigBuilder"),
    ] {
        let found = options_of(package, name);
        assert!(found.len() > 1, "the options of {package}'s {name} are not found");
        let builder = format!("{package} {name}");
        let listed =
            OPTIONS.iter().filter(|(of, ..)| *of == builder).map(|(_, option, _)| (*option).to_owned());
        let mut listed: BTreeSet<String> = listed.collect();
        if name == "SubscribeOptions" {
            listed.extend(NOT_OF_SUB.map(str::to_owned));
        }
        assert_eq!(found, listed, "of {builder}");
    }
    let found = options_of("aws-iot-mqtt", "Publication");
    assert_eq!(found, PUBLICATION.iter().map(|(option, _)| (*option).to_owned()).collect());
    let publications = PUBLICATION.map(|(option, flag)| ("Publication", option, In("pub", flag)));
    for (builder, option, place) in OPTIONS.iter().chain(&publications) {
        match place {
            In(command, flag) => {
                let help = if *command == "pub" { &publish } else { &subscribe };
                assert!(help.contains(flag), "{builder}'s {option}: {command} has no {flag}");
            }
            Absent(reason) => assert!(!reason.is_empty()),
        }
    }
}

/// The same flags in all programs of the device.
#[test]
fn all_commands_that_connect_share_their_options() {
    let programs = Operator::new(Vec::new());
    for command in ["doctor", "pub", "sub"] {
        let help = programs.good(&[command, "--help"]);
        for flag in [
            "--config",
            "--endpoint",
            "--port",
            "--client-id",
            "--ca-file",
            "--tls-version",
            "--proxy",
            "--keep-alive",
            "--key-label",
            "--cert-label",
            "--cert ",
            "--pkcs11-lib",
            "--token-label",
            "--pin-file",
        ] {
            assert!(help.contains(flag), "{command} has no {flag}");
        }
    }
}

/// The methods of a builder that take it and give it back, from its source.
fn options_of(package: &str, builder: &str) -> BTreeSet<String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(package).join("src");
    let mut found = BTreeSet::new();
    for file in rust_files(&source) {
        let text = fs::read_to_string(file).unwrap();
        for block in text.split(&format!("\nimpl {builder} {{\n")).skip(1) {
            let block = block.split("\n}\n").next().unwrap_or_default();
            for method in block.split("\n    pub fn ").skip(1) {
                let signature = method.split(" {\n").next().unwrap_or_default();
                let gives_itself = signature.contains("-> Self") || signature.contains("-> Result<Self");
                if signature.contains("(mut self") || signature.contains("\n        mut self") {
                    assert!(gives_itself, "{builder}: {signature}");
                    found.insert(signature.split(['(', '<']).next().unwrap_or_default().to_owned());
                }
            }
        }
    }
    found
}

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|ending| ending == "rs"))
        .collect()
}
