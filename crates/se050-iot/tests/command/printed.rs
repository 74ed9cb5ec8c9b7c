//! Every command that a program prints for people to type runs as it is printed.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use aws_iot_sim::AwsIotSim;
use se050_sim::Chip;
use test_peers::{Moto, aws_cli, output_of, skip};

use crate::support::printed::{commands_in, run_in_shell, shell};
use crate::support::{Device, Operator, aws, text};

/// The one command in a text that begins so.
#[track_caller]
fn printed(text: &str, beginning: &str) -> String {
    let mut commands = commands_in(text);
    commands.retain(|command| command.starts_with(beginning));
    assert_eq!(commands.len(), 1, "{beginning:?} in {text}");
    commands.remove(0)
}

fn provision<'a>(file: &'a str, thing: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["provision", "--certificate", file, "--thing-name", thing], more].concat()
}

/// An operator whose environment leads to another account, and what the command line says to reach this one.
fn elsewhere(sim: &AwsIotSim, other: &AwsIotSim) -> (Operator, Vec<String>) {
    let mut environment = other.environment();
    environment.retain(|(name, _)| name != "AWS_CONFIG_FILE");
    environment.push(("AWS_CONFIG_FILE".to_owned(), "config".to_owned()));
    let operator = Operator::new(environment);
    operator.write(
        "config",
        "[profile op]\naws_access_key_id = AKIAFAKE\naws_secret_access_key = fake\nregion = eu-west-1\n",
    );
    let options = ["--profile", "op", "--region", "us-east-1", "--endpoint-url", sim.control_plane_url()];
    (operator, options.map(str::to_owned).to_vec())
}

/// The simulated account that is meant, and the one to which the environment leads.
fn two_accounts() -> (AwsIotSim, AwsIotSim) {
    (AwsIotSim::start().unwrap(), AwsIotSim::builder().account("999900001111").start().unwrap())
}

/// What the environment does not say is in the printed command.
#[test]
fn a_device_that_was_registered_inactive_is_activated_by_the_printed_command() {
    let (sim, other) = two_accounts();
    let (operator, options) = elsewhere(&sim, &other);
    operator.write("1.json", Device::new().bundle("1"));
    let mut account: Vec<&str> = options.iter().map(String::as_str).collect();
    account.extend(["--account", "123456789012"]);
    let said = operator.good(&provision("1.json", "gw:1", &[&["--inactive"], &account[..]].concat()));
    let command = printed(&said, "se050-iot activate");
    assert!(run_in_shell(&operator, &command).contains(": ACTIVE"), "{command}");

    // The error names the same command.
    let deactivate = command.replace("activate", "deactivate");
    run_in_shell(&operator, &deactivate);
    let error = operator.fails(1, &provision("1.json", "gw:1", &account));
    run_in_shell(&operator, &printed(&error, "se050-iot activate"));
    assert!(operator.good(&provision("1.json", "gw:1", &account)).contains("Nothing was changed"));
}

/// Fault: the commands that set up the account reached the one to which the environment leads.
#[test]
fn the_commands_that_set_up_the_account_name_the_profile_that_was_given() {
    let (sim, other) = two_accounts();
    let (operator, options) = elsewhere(&sim, &other);
    operator.write("1.json", Device::new().bundle("1"));
    let account: Vec<&str> = options.iter().map(String::as_str).collect();
    let services = ["--provisioning", "--credentials", "uploads"];
    let online = provision("1.json", "gw-1", &[&services[..], &account].concat());
    let place = ["--account", "123456789012", "--region", "us-east-1", "--profile", "op"];
    let offline = [&["policy", "device"], &services[..], &place].concat();
    let url = format!(" --endpoint-url {}", sim.control_plane_url());
    for (arguments, options) in [(online, [" --profile op", &url]), (offline, [" --profile op", ""])] {
        let mut commands = commands_in(&text(&operator.run(&arguments).stderr));
        commands.retain(|command| command.starts_with("aws "));
        assert_eq!(commands.len(), 5, "{commands:#?}");
        for command in commands {
            assert!(options.iter().all(|option| command.contains(option)), "{command}");
            assert!(command.matches(" --region ").count() <= 1, "{command}");
        }
    }
}

#[test]
fn the_way_out_of_a_refusal_or_a_warning_runs() {
    let (sim, other) = two_accounts();
    let (operator, options) = elsewhere(&sim, &other);
    let account: Vec<&str> = options.iter().map(String::as_str).collect();
    let device = Device::new();
    operator.write("1.json", device.bundle("1"));
    operator.write("1.pem", device.certificate.to_pem());
    operator.write("2.json", Device::new().bundle("2"));
    operator.good(&provision("1.json", "dev1", &account));
    // A command that asks first: run without anybody there, and with the answer beforehand.
    let asks = |command: &str| {
        assert_eq!(shell(&operator, command).output().unwrap().status.code(), Some(5), "{command}");
        run_in_shell(&operator, &format!("{command} --yes"))
    };

    // The policy says something else than is asked for.
    let others = [
        "--shadow",
        "--commands",
        "--provisioning=line7",
        "--credentials",
        "files",
        "--topic-prefix",
        "it/{thing}",
    ];
    let second = provision("2.json", "dev2", &[&others[..], &account].concat());
    let said = text(&output_and_error(&operator, &second));
    asks(&printed(&said, "se050-iot policy apply"));
    assert!(
        !text(&output_and_error(&operator, &second)).contains("warning:"),
        "it says now what is asked for"
    );

    // The certificate belongs to another thing.
    let renamed = provision("1.pem", "dev1-new", &account);
    let error = operator.fails(1, &renamed);
    asks(&printed(&error, "se050-iot remove"));
    operator.good(&renamed);
}

#[test]
fn what_the_account_lacks_or_has_too_much_is_mended_by_the_printed_command_of_the_aws_cli() {
    let (sim, other) = two_accounts();
    let Some(cli) = aws_cli(sim.environment()) else { return };
    let (operator, options) = elsewhere(&sim, &other);
    let account: Vec<&str> = options.iter().map(String::as_str).collect();
    operator.write("1.json", Device::new().bundle("1"));
    let wanted = ["--group", "line:3", "--thing-type", "gate_way-1"];
    let register = provision("1.json", "dev1", &[&wanted[..], &account].concat());
    for command in ["aws iot create-thing-type", "aws iot create-thing-group"] {
        run_in_shell(&operator, &printed(&operator.fails(1, &register), command));
    }
    operator.good(&register);

    let document =
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iot:*","Resource":"*"}}"#;
    aws_done(&cli, &["create-policy", "--policy-name", "all", "--policy-document", document]);
    let group = aws(&cli, &["describe-thing-group", "--thing-group-name", "line:3"]);
    aws_done(
        &cli,
        &["attach-policy", "--policy-name", "all", "--target", group["thingGroupArn"].as_str().unwrap()],
    );
    let said = text(&output_and_error(&operator, &register));
    assert!(said.contains("policy all allows iot:* on *"), "{said}");
    run_in_shell(&operator, &printed(&said, "aws iot detach-policy"));
    assert!(!text(&output_and_error(&operator, &register)).contains("warning:"));
}

/// ministack has no role aliases, and moto no provisioning templates.
#[test]
fn the_commands_that_set_up_temporary_credentials_run() {
    let Some(moto) = Moto::start() else { return };
    let Some(cli) = aws_cli(moto.environment()) else { return };
    let operator = Operator::new(moto.environment());
    let of = [
        "policy",
        "device",
        "--account",
        "123456789012",
        "--region",
        "us-east-1",
        "--credentials",
        "uploads",
    ];
    let said = text(&output_and_error(&operator, &of));
    let commands = commands_in(&said);
    assert_eq!(commands.len(), 2, "{said}");
    for command in &commands {
        run_in_shell(&operator, command);
    }
    let alias = aws(&cli, &["describe-role-alias", "--role-alias", "uploads"]);
    assert_eq!(alias["roleAliasDescription"]["roleArn"], "arn:aws:iam::123456789012:role/uploads");
}

/// A profile that asks for a code is told with the command that gets temporary credentials.
#[test]
fn the_way_around_a_profile_with_mfa_runs() {
    let sim = AwsIotSim::start().unwrap();
    let mut environment = sim.environment();
    environment.retain(|(name, _)| !name.starts_with("AWS_ACCESS") && !name.starts_with("AWS_SECRET"));
    environment.retain(|(name, _)| name != "AWS_CONFIG_FILE");
    environment.push(("AWS_CONFIG_FILE".to_owned(), "config".to_owned()));
    let operator = Operator::new(environment);
    operator.write("1.json", Device::new().bundle("1"));
    operator.write(
        "config",
        "[profile op]\nmfa_serial = arn:aws:iam::123456789012:mfa/op\naws_access_key_id = AKIAFAKE\n\
         aws_secret_access_key = fake\nregion = us-east-1\n",
    );
    let register = provision("1.json", "dev1", &["--profile", "op"]);
    let command = printed(&operator.fails(1, &register), "eval ");
    // The PyPI's AWS CLI is version 1, which has no such command.
    operator.write(
        "bin/aws",
        "#!/bin/sh\n[ \"$*\" = 'configure export-credentials --profile op --format env' ] || exit 1\n\
         echo export AWS_ACCESS_KEY_ID=AKIAFAKE AWS_SECRET_ACCESS_KEY=fake AWS_SESSION_TOKEN=fake\n",
    );
    fs::set_permissions(operator.path("bin/aws"), fs::Permissions::from_mode(0o755)).unwrap();
    let command = format!("PATH=bin:$PATH; {command}");
    run_in_shell(&operator, &format!("{command}; se050-iot {}", provision("1.json", "dev1", &[]).join(" ")));
}

#[test]
fn the_next_commands_on_the_device_run() {
    let sim = AwsIotSim::start().unwrap();
    if !program_beside("pubsub") {
        return skip("pubsub is not built");
    }
    let operator = Operator::new(sim.environment());
    let chip = Chip::create(&operator.path("chip")).unwrap();
    let module = chip.module().display().to_string();
    operator.good(&["identity", "export", "--pkcs11-lib", &module, "--serial", "1", "--dir", "in"]);
    let (port, ca) = (sim.port().to_string(), sim.ca_file().display().to_string());
    let config = ["--device-port", &port, "--device-ca-file", &ca, "--device-config"];
    let said = operator.good(&provision("in/1.json", "dev1", &[&config[..], &["it's.toml"]].concat()));
    for command in ["se050-iot doctor", "pubsub"] {
        run_in_shell(&operator, &printed(&said, command));
    }
    // Without a configuration; what only a local AWS IoT Core needs is said beside it.
    let said = operator.good(&provision("in/1.json", "dev1", &[]));
    run_in_shell(&operator, &format!("{} --port {port} --ca-file '{ca}'", printed(&said, "pubsub")));

    let fleet = ["provision", "--fleet", "in", "--thing-name", "dev{serial}"];
    let said = operator.good(&[&fleet[..], &config, &["configs"]].concat());
    let command = printed(&said, "pubsub").replace("THING", "dev1");
    run_in_shell(&operator, &format!("cd configs; {command}"));
}

/// The subcommands that the texts of the sources name exist, and so do the options.
#[test]
fn the_words_and_options_that_the_sources_name_exist() {
    let operator = Operator::new(Vec::new());
    let help = |words: &[&str]| {
        let output = operator.run(&[words, &["--help"]].concat());
        output.status.success().then(|| text(&output.stdout))
    };
    let subcommands = |help: &str| {
        let list = help
            .split_once("Commands:\n")
            .map_or("", |(_, list)| list.split("\n\n").next().unwrap_or_default());
        list.lines()
            .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
            .collect::<BTreeSet<_>>()
    };
    let top = help(&[]).unwrap();
    let mut options: BTreeSet<String> = options_in(&top);
    for word in subcommands(&top).iter().filter(|word| *word != "help") {
        let of_word = help(&[word]).unwrap();
        options.extend(options_in(&of_word));
        for second in subcommands(&of_word).iter().filter(|word| *word != "help") {
            options.extend(options_in(&help(&[word, second]).unwrap()));
        }
    }
    // Those of the AWS CLI, and of others.
    let foreign = [
        "--format",
        "--endpoint-type",
        "--certificate-id",
        "--target",
        "--thing-group-name",
        "--thing-type-name",
        "--fast",
        "--smoke",
    ];
    options.extend(foreign.map(str::to_owned));

    let (mut commands, mut wrong) = (0, Vec::new());
    for file in sources() {
        let source = fs::read_to_string(&file).unwrap();
        let source = source.split("#[cfg(test)]").next().unwrap_or_default();
        let lines = source.lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in lines.filter(|line| line.contains('"') || line.contains("\\")) {
            for found in line.split("se050-iot ").skip(1).filter(|_| !line.contains("b\"se050-iot")) {
                let mut words = found
                    .split(|c: char| !c.is_ascii_lowercase() && c != ' ')
                    .next()
                    .unwrap_or_default()
                    .split(' ');
                let Some(first) = words.next().filter(|word| !word.is_empty()) else { continue };
                let Some(of_first) = help(&[first]) else {
                    wrong.push(format!("{}: no command {first:?} in {line}", file.display()));
                    continue;
                };
                commands += 1;
                let (below, second) = (subcommands(&of_first), words.next().unwrap_or_default());
                let named = !below.is_empty() && !second.is_empty() && !of_first.contains("Without `plan`");
                if named && !below.contains(second) {
                    wrong.push(format!("{}: no command \"{first} {second}\" in {line}", file.display()));
                }
            }
        }
        if file
            .components()
            .any(|part| part.as_os_str() == "aws-iot-provision" || part.as_os_str() == "device-identity")
        {
            let unknown = options_in(
                &source
                    .lines()
                    .filter(|line| !line.trim_start().starts_with("//"))
                    .collect::<Vec<_>>()
                    .join("\n"),
            );
            wrong.extend(
                unknown.difference(&options).map(|option| format!("{}: no option {option}", file.display())),
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(commands > 15, "{commands} were found");
}

/// What looks like a long option.
fn options_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit() && c != '-');
    let options = words.filter(|word| word.starts_with("--") && word.len() > 2 && !word.starts_with("---"));
    options.map(|word| word.trim_end_matches('-').to_owned()).collect()
}

/// The sources of all programs and of the libraries whose errors they print.
fn sources() -> Vec<PathBuf> {
    fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                collect(&path, files);
            } else if path.extension().is_some_and(|extension| extension == "rs") && is_compiled(&path) {
                files.push(path);
            }
        }
    }
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = Vec::new();
    for members in ["crates", "examples"] {
        for member in fs::read_dir(workspace.join(members)).unwrap().map(Result::unwrap) {
            let source = member.path().join("src");
            if source.is_dir() {
                collect(&source, &mut files);
            }
        }
    }
    files
}

/// Whether the file is a part of its crate, as far as the files beside it tell.
fn is_compiled(path: &Path) -> bool {
    let name = path.file_stem().unwrap().to_str().unwrap();
    let mut roots = ["main.rs", "lib.rs"]
        .map(|root| fs::read_to_string(path.with_file_name(root)).ok())
        .into_iter()
        .flatten()
        .peekable();
    roots.peek().is_none()
        || ["main", "lib"].contains(&name)
        || roots.any(|root| root.contains(&format!("mod {name};")))
}

fn output_and_error(operator: &Operator, arguments: &[&str]) -> Vec<u8> {
    let output = operator.run(arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    [output.stdout, output.stderr].concat()
}

/// A command of the AWS CLI that may answer nothing.
fn aws_done(cli: &test_peers::AwsCli, arguments: &[&str]) {
    output_of(&mut cli.command(["iot"].iter().chain(arguments)));
}

fn program_beside(name: &str) -> bool {
    Path::new(env!("CARGO_BIN_EXE_se050-iot")).with_file_name(name).is_file()
}
