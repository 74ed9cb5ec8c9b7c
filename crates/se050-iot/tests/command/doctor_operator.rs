//! The operator's half of `se050-iot doctor`: each failure in the account is caused, found, and answered with something to do.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use aws_iot_sim::{AwsIotSim, Injection};
use serde_json::Value;
use test_peers::{Ministack, Moto, program};

use crate::doctor::{Bench, THING, policy};
use crate::support::{Device, Operator, text};

const ALL: [&str; 4] = ["Connect", "Subscribe", "Publish", "Receive"];

/// The checks of the account, for the device of the bench.
fn asked(bench: &Bench, credentials: Vec<(String, String)>, more: &[&str]) -> (Vec<Value>, Option<i32>) {
    let mut command = bench.command(more);
    command.arg("--json").envs(credentials);
    let output = command.output().unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", text(&output.stderr)));
    assert_eq!(answer["good"], output.status.success(), "{answer:#}");
    (answer["checks"].as_array().unwrap().clone(), output.status.code())
}

#[track_caller]
fn check<'a>(checks: &'a [Value], name: &str) -> &'a Value {
    let found = checks.iter().find(|check| check["name"] == name);
    found.unwrap_or_else(|| panic!("no check {name}: {checks:#?}"))
}

/// That check fails, with these words; and everything that fails is in the account's half.
#[track_caller]
fn fails(bench: &Bench, more: &[&str], name: &str, cause: &str, next: &str) {
    let (checks, status) = asked(bench, bench.cloud.environment(), &[&["--operator"], more].concat());
    assert_eq!(status, Some(1), "{checks:#?}");
    let first = checks.iter().find(|check| check["result"] == "failed").unwrap();
    assert_eq!(first["name"], name, "{checks:#?}");
    for (member, words) in [("cause", cause), ("next", next)] {
        let said = first[member].as_str().unwrap();
        assert!(said.contains(words), "{name}: {words:?} is not in {said:?}");
    }
}

/// A call of AWS IoT's API. The simulator wants a signature and does not verify it.
fn call(cloud: &AwsIotSim, line: &str, principal: &str, body: &str) {
    let address = cloud.control_plane_url().strip_prefix("http://").unwrap();
    let mut socket = TcpStream::connect(address).unwrap();
    let request = format!(
        "{line} HTTP/1.1\r\nHost: {address}\r\nAuthorization: AWS4-HMAC-SHA256 \
         Credential=AKIAIOSFODNN7EXAMPLE/20261122/us-east-1/iot/aws4_request, Signature=0\r\nx-amzn-principal: {principal}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{line}: {answer}");
}

fn arn(resource: &str) -> String {
    format!("arn:aws:iot:us-east-1:123456789012:{resource}")
}

/// The policy's name, as the simulator's admission gave it.
fn policy_of(bench: &Bench) -> String {
    let (checks, _) = asked(bench, bench.cloud.environment(), &["--operator"]);
    check(&checks, "policies")["finding"].as_str().unwrap().to_owned()
}

#[test]
fn a_device_that_is_registered_well_is_told_so_before_it_connects() {
    let bench = Bench::new();
    let (checks, status) = asked(&bench, bench.cloud.environment(), &[]);
    assert_eq!(status, Some(0), "{checks:#?}");
    let names: Vec<&str> = checks.iter().map(|check| check["name"].as_str().unwrap()).collect();
    let account = [
        "account",
        "registered",
        "thing",
        "policies",
        "authorized-connect",
        "authorized-subscribe",
        "authorized-publish",
        "authorized-receive",
        "last-connection",
    ];
    assert_eq!(names[11..20], account);
    assert!(checks[11..20].iter().all(|check| check["result"] == "good"), "{checks:#?}");
    assert!(check(&checks, "account")["finding"].as_str().unwrap().contains("123456789012"));
    assert!(check(&checks, "thing")["finding"].as_str().unwrap().contains(THING));
    // The run before has connected, and ended its connection.
    let (checks, _) = asked(&bench, bench.cloud.environment(), &["--operator"]);
    let last = check(&checks, "last-connection")["finding"].as_str().unwrap();
    assert!(last.contains("CLIENT_INITIATED_DISCONNECT"), "{last}");
}

#[test]
fn without_credentials_the_account_is_not_asked_and_that_is_no_failure_unless_it_was_insisted_on() {
    let bench = Bench::new();
    let nowhere = vec![("AWS_EC2_METADATA_DISABLED".to_owned(), "true".to_owned())];
    let (checks, status) = asked(&bench, nowhere.clone(), &[]);
    assert_eq!((status, &check(&checks, "account")["result"]), (Some(0), &"notAsked".into()), "{checks:#?}");
    let region = [&nowhere[..], &[("AWS_REGION".to_owned(), "us-east-1".to_owned())]].concat();
    for insisted in [&["--operator"][..], &["--account", "123456789012"]] {
        let (checks, status) = asked(&bench, region.clone(), insisted);
        let account = check(&checks, "account");
        assert_eq!((status, &account["result"]), (Some(1), &"failed".into()), "{checks:#?}");
        assert!(account["cause"].as_str().unwrap().contains("credentials"), "{account}");
    }
    // Credentials that are configured and of no use are told, and do not count either.
    let old = [&region[..], &[("AWS_PROFILE".to_owned(), "gone".to_owned())]].concat();
    let (checks, status) = asked(&bench, old, &[]);
    let account = check(&checks, "account");
    assert_eq!((status, &account["result"]), (Some(0), &"notAsked".into()), "{checks:#?}");
    assert!(account["finding"].as_str().unwrap().contains("gone"), "{account}");
}

#[test]
fn another_account_is_told() {
    let bench = Bench::new();
    fails(&bench, &["--account", "999999999999"], "account", "999999999999", "get-caller-identity");
    // These credentials are of an account that does not have the certificate.
    let other = AwsIotSim::start().unwrap();
    let (checks, status) = asked(&bench, other.environment(), &["--operator"]);
    let registered = check(&checks, "registered");
    assert_eq!((status, &registered["result"]), (Some(1), &"failed".into()), "{checks:#?}");
    assert!(
        registered["cause"].as_str().unwrap().contains("not registered in account 123456789012"),
        "{registered}"
    );
    assert!(registered["next"].as_str().unwrap().contains("provision"), "{registered}");
}

/// What a question that failed leaves unknown is not told as an answer.
#[test]
fn a_question_that_fails_does_not_make_the_certificate_unregistered() {
    let bench = Bench::new();
    bench.cloud.inject("refuse=DescribeCertificate:missing-allow".parse::<Injection>().unwrap());
    let (checks, status) = asked(&bench, bench.cloud.environment(), &["--operator"]);
    let registered = check(&checks, "registered");
    assert_eq!((status, &registered["result"]), (Some(1), &"failed".into()), "{checks:#?}");
    assert!(registered["cause"].as_str().unwrap().contains("iot:DescribeCertificate"), "{registered}");
    for later in ["thing", "policies"] {
        let later = check(&checks, later);
        assert_eq!(later["result"], "notChecked", "{later}");
        assert!(later["finding"].as_str().unwrap().contains("the step before failed"), "{later}");
    }
}

#[test]
fn a_certificate_that_is_not_active_is_told_with_what_makes_it_so() {
    for (status, next) in
        [("INACTIVE", "se050-iot activate --certificate-id "), ("REVOKED", "another certificate")]
    {
        let bench = Bench::new();
        bench.set_status(status);
        fails(&bench, &[], "registered", status, next);
    }
}

#[test]
fn each_action_that_no_policy_allows_and_each_that_one_denies_is_told() {
    for lacking in ALL {
        let bench = Bench::stranger();
        let others: Vec<&str> = ALL.into_iter().filter(|action| *action != lacking).collect();
        bench.admit(&others);
        let name = format!("authorized-{}", lacking.to_lowercase());
        fails(&bench, &[], &name, &format!("no policy allows iot:{lacking} on "), "policy apply");
        let (checks, _) = asked(&bench, bench.cloud.environment(), &["--operator"]);
        assert_eq!(checks.iter().filter(|check| check["result"] == "failed").count(), 1, "{checks:#?}");
    }
    let bench = Bench::stranger();
    let deny = r#"},{"Effect":"Deny","Action":"iot:Publish","Resource":"*"}]}"#;
    bench.admit_with(&policy(&ALL).replace("}]}", deny));
    fails(&bench, &[], "authorized-publish", "a policy denies iot:Publish on topic/gw-1/doctor", "Deny");
    // Another topic, another client id: they are what is asked about.
    let bench = Bench::new();
    let (checks, _) = asked(&bench, bench.cloud.environment(), &["--operator", "--topic", "a/b"]);
    assert!(check(&checks, "authorized-publish")["finding"].as_str().unwrap().contains("topic/a/b"));
}

#[test]
fn what_is_not_attached_is_told_and_a_policy_by_a_group_counts() {
    let bench = Bench::new();
    let principal = arn(&format!("cert/{}", bench.certificate_id()));
    let policy = policy_of(&bench);
    let target = format!("{{\"target\":\"{principal}\"}}");
    call(&bench.cloud, &format!("POST /target-policies/{policy}"), "", &target);
    fails(&bench, &[], "policies", "no policy is on the certificate", "aws iot attach-policy");

    call(&bench.cloud, "POST /thing-groups/plant", "", "{}");
    let membership = format!("{{\"thingName\":\"{THING}\",\"thingGroupName\":\"plant\"}}");
    call(&bench.cloud, "PUT /thing-groups/addThingToThingGroup", "", &membership);
    let target = format!("{{\"target\":\"{}\"}}", arn("thinggroup/plant"));
    call(&bench.cloud, &format!("PUT /target-policies/{policy}"), "", &target);
    let (checks, status) = asked(&bench, bench.cloud.environment(), &["--operator"]);
    let policies = check(&checks, "policies")["finding"].as_str().unwrap();
    assert!(policies.contains("thing group plant"), "{policies}");
    assert_eq!(status, Some(0), "{checks:#?}");

    call(&bench.cloud, &format!("DELETE /things/{THING}/principals"), &principal, "");
    fails(
        &bench,
        &[],
        "thing",
        "on no thing",
        "aws iot attach-thing-principal --thing-name gw-1 --principal arn:aws:iot:",
    );
}

/// An operator who has the certificate, and not the chip; and a device that is connected.
#[test]
fn the_certificate_alone_is_enough_and_a_connection_that_stands_is_told() {
    let Some(mosquitto_sub) = program("mosquitto_sub") else { return };
    let sim = AwsIotSim::start().unwrap();
    let (operator, device) = (Operator::new(sim.environment()), Device::new());
    operator.write("device.pem", device.certificate.to_pem());
    operator.write("device.key", device.key.serialize_pem());
    operator.good(&["provision", "--certificate", "device.pem", "--thing-name", "gw-2"]);
    let doctor = ["doctor", "--operator", "--cert", "device.pem", "--client-id", "gw-2", "--json"];
    let last = || {
        let answer: Value = serde_json::from_str(&operator.good(&doctor)).unwrap();
        check(answer["checks"].as_array().unwrap(), "last-connection")["finding"].as_str().unwrap().to_owned()
    };
    assert!(last().contains("no connection"), "{}", last());
    let missing =
        operator.run(&["doctor", "--operator", "--cert", "none.pem", "--client-id", "gw-2", "--json"]);
    let answer: Value = serde_json::from_slice(&missing.stdout).unwrap();
    let file = check(answer["checks"].as_array().unwrap(), "certificate-file");
    assert!(file["cause"].as_str().unwrap().contains("none.pem"), "{file}");
    let mut command = Command::new(mosquitto_sub);
    command.args([
        "-h",
        sim.endpoint(),
        "-p",
        &sim.port().to_string(),
        "-V",
        "mqttv5",
        "-i",
        "gw-2",
        "-t",
        "gw-2/t",
    ]);
    command.arg("--cafile").arg(sim.ca_file());
    command.arg("--cert").arg(operator.path("device.pem")).arg("--key").arg(operator.path("device.key"));
    let mut connected = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let deadline = SystemTime::now() + Duration::from_secs(60);
    while sim.connections().is_empty() {
        assert!(SystemTime::now() < deadline, "mosquitto_sub does not connect");
        std::thread::sleep(Duration::from_millis(20));
    }
    let now = last();
    connected.kill().unwrap();
    connected.wait().unwrap();
    assert!(now.contains("connected now as gw-2"), "{now}");
}

/// Servers that nobody here wrote. They have neither TestAuthorization nor GetConnection: that is a warning, and no failure.
#[test]
fn a_control_plane_without_the_newer_calls_is_a_warning() {
    let peers = [
        Ministack::start().map(|peer| (peer.environment(), Box::new(peer) as Box<dyn std::any::Any>)),
        Moto::start().map(|peer| (peer.environment(), Box::new(peer) as Box<dyn std::any::Any>)),
    ];
    for (environment, _peer) in peers.into_iter().flatten() {
        let (operator, device) = (Operator::new(environment), Device::new());
        operator.write("device.pem", device.certificate.to_pem());
        operator.good(&["provision", "--certificate", "device.pem", "--thing-name", "gw-2"]);
        let output =
            operator.run(&["doctor", "--operator", "--cert", "device.pem", "--client-id", "gw-2", "--json"]);
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        let checks = answer["checks"].as_array().unwrap();
        // moto names certificates otherwise than AWS, so it has none of that id.
        if check(checks, "registered")["result"] == "good" {
            assert!(output.status.success(), "{answer:#}");
            assert_eq!(check(checks, "authorized")["result"], "warning", "{answer:#}");
        }
        assert_eq!(check(checks, "last-connection")["result"], "warning", "{answer:#}");
    }
}
