//! The input of AWS's bulk registration, judged by the AWS CLI: `start.sh` runs on moto as far as moto goes.

use std::fs;
use std::process::Command;

use serde_json::Value;
use test_peers::{Moto, Pki, aws_cli, output_of, program};

use crate::support::{Device, Operator, members, text};

const ROLE: &str = "arn:aws:iam::123456789012:role/registration";

#[test]
fn template_and_parameters_fit_and_the_commands_are_taken() {
    let (Some(moto), Some(shell)) = (Moto::start(), program("sh")) else { return };
    let Some(cli) = aws_cli(moto.environment()) else { return };
    let (operator, maker) = (Operator::new(moto.environment()), Pki::new());
    for name in ["a", "b"] {
        operator.write(&format!("bundles/{name}.json"), Device::issued_by(&maker).bundle(name));
    }
    operator.write("ca.pem", maker.ca_pem());
    let fleet = ["provision", "--fleet", "bundles", "--thing-name", "gw-{serial}"];
    let options =
        ["--bulk-template", "bulk", "--attribute", "line=3", "--group", "tokyo", "--thing-type", "gateway"];
    let printed = operator.good(&[&fleet[..], &options[..]].concat());
    assert!(printed.contains("2 devices in bulk; nothing is registered yet"), "{printed}");

    let read = |name: &str| fs::read_to_string(operator.path(&format!("bulk/{name}"))).unwrap();
    let template: Value = serde_json::from_str(&read("template.json")).unwrap();
    let parameters: Vec<Value> =
        read("parameters.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(parameters.len(), 2);
    for line in &parameters {
        assert_eq!(members(line), members(&template["Parameters"]));
        // AWS IoT developer guide, "Bulk registration": each line is a dictionary of strings.
        assert!(line.as_object().unwrap().values().all(Value::is_string), "{line}");
    }
    let resources = template["Resources"].as_object().unwrap();
    let kinds: Vec<&str> = resources.values().map(|each| each["Type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["AWS::IoT::Certificate", "AWS::IoT::Policy", "AWS::IoT::Thing"]);

    // What moto has not: it answers StartThingRegistrationTask with 500. The AWS CLI itself checks the arguments.
    let bulk = |name: &str| format!("file://{}", operator.path(&format!("bulk/{name}")).display());
    let template = bulk("template.json");
    let start = ["iot", "start-thing-registration-task", "--template-body", &template, "--role-arn", ROLE];
    let input = ["--input-file-bucket", "fleet", "--input-file-key", "parameters.jsonl"];
    let skeleton = ["--generate-cli-skeleton", "output"];
    let answer = output_of(&mut cli.command([&start[..], &input[..], &skeleton[..]].concat()));
    assert!(text(&answer).contains("taskId"), "{}", text(&answer));

    let run = || {
        let mut aws = cli.command(["--version"]);
        let directory = std::path::Path::new(aws.get_program()).parent().unwrap().to_owned();
        let path = std::env::join_paths([directory, "/usr/bin".into(), "/bin".into()]).unwrap();
        aws.env("AWS_MAX_ATTEMPTS", "1");
        let mut script = Command::new(&shell);
        script
            .arg(operator.path("bulk/start.sh"))
            .env_clear()
            .envs(aws.get_envs().filter_map(|(k, v)| Some((k, v?))));
        script.env("PATH", path).env("ISSUER_CA_FILE", operator.path("ca.pem")).env("BUCKET", "fleet");
        script.env("ROLE_ARN", ROLE).output().unwrap()
    };
    let without_policy = run();
    assert!(!without_policy.status.success());
    assert!(text(&without_policy.stderr).contains("GetPolicy"), "{}", text(&without_policy.stderr));

    // The policy comes with the first device, as the script says.
    operator.good(&["provision", "--certificate", "bundles/a.json", "--thing-name", "gw-a"]);
    output_of(&mut cli.command(["s3", "mb", "s3://fleet"]));
    let started = run();
    let said = text(&started.stdout) + &text(&started.stderr);
    assert!(said.contains("certificateArn"), "the CA is registered: {said}");
    assert!(
        said.contains("calling the StartThingRegistrationTask operation"),
        "it came to the last command: {said}"
    );
    assert!(!said.contains("usage:") && !said.contains("Parameter validation failed"), "{said}");
    let uploaded = output_of(&mut cli.command(["s3", "cp", "s3://fleet/parameters.jsonl", "-"]));
    assert_eq!(text(&uploaded), read("parameters.jsonl"));
}
