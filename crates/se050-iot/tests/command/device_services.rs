//! `shadow`, `jobs`, `commands`, `credentials` and `claim`, with the policy that the command itself grants: shadow and jobs against
//! ministack, the others against the simulated AWS IoT Core. The AWS CLI is the operator.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use aws_iot_sim::AwsIotSim;
use rustix::process::{Pid, Signal, kill_process};
use se050_sim::Chip;
use serde_json::{Value, json};
use test_peers::{
    AwsCli, Lines, Ministack, PROVISIONING_TEMPLATE, Pki, Tinyproxy, aws_cli, output_of, program, skip,
};

use crate::support::{Operator, text};

const PATIENCE: Duration = Duration::from_secs(120);
/// The factory's EC key, whose signature is the cheapest.
const KEY: &str = "0xF0000100";

/// A device that `se050-iot up` has registered, and the operator.
struct Bench {
    device: Operator,
    chip: Chip,
    cli: AwsCli,
}

impl Bench {
    fn new(environment: Vec<(String, String)>) -> Option<Self> {
        let cli = aws_cli(environment.clone())?;
        let device = Operator::new(environment);
        let chip = Chip::create(&device.path("chip")).unwrap();
        Some(Self { device, chip, cli })
    }

    fn registered(
        environment: Vec<(String, String)>,
        port: u16,
        ca: PathBuf,
        grants: &[&str],
    ) -> Option<Self> {
        let bench = Self::new(environment)?;
        let (port, ca, module) =
            (port.to_string(), ca.display().to_string(), bench.chip.module().display().to_string());
        let up = [
            "up",
            "--thing",
            "gw-1",
            "--key-label",
            KEY,
            "--pkcs11-lib",
            &module,
            "--endpoint",
            "localhost",
            "--port",
            &port,
            "--ca-file",
            &ca,
        ];
        bench.good(&[&up[..], grants].concat());
        Some(bench)
    }

    fn of(sim: &AwsIotSim, grants: &[&str]) -> Option<Self> {
        Self::registered(sim.environment(), sim.port(), sim.ca_file().to_owned(), grants)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.device.command(arguments);
        command.env("SE050_LOCK_FILE", self.device.path("lock")).env("PATH", "/usr/bin:/bin");
        command
    }

    #[track_caller]
    fn good(&self, arguments: &[&str]) -> String {
        text(&output_of(self.command(arguments).stdin(Stdio::null())))
    }

    #[track_caller]
    fn fails(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).stdin(Stdio::null()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stderr)
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.good(arguments)).unwrap()
    }

    #[track_caller]
    fn aws(&self, arguments: &[&str]) -> Value {
        let output = output_of(&mut self.cli.command(["--output", "json"].iter().chain(arguments)));
        if output.is_empty() { Value::Null } else { serde_json::from_slice(&output).unwrap() }
    }

    /// An executable script.
    fn handler(&self, script: &str) {
        self.device.write("handler", format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(self.device.path("handler"), fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn running(&self, arguments: &[&str]) -> Running {
        let mut command = self.command(arguments);
        let mut process =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let said = Lines::of(process.stderr.take().unwrap());
        Running { process, said }
    }

    #[track_caller]
    fn until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            assert!(begun.elapsed() < PATIENCE, "not in time: {what}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

struct Running {
    process: Child,
    said: Lines,
}

impl Running {
    /// Reads what it says up to a line with that in it.
    #[track_caller]
    fn says(&mut self, wanted: &str) -> String {
        let said = self.said.by_ref().find(|line| line.contains(wanted));
        said.unwrap_or_else(|| panic!("it never says {wanted:?}"))
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    /// SIGTERM, as `podman stop` sends it.
    #[track_caller]
    fn stop(mut self) -> Output {
        self.signal(Signal::TERM);
        // Nothing may wait for room in the pipe.
        let rest: Vec<String> = self.said.by_ref().collect();
        let output = std::mem::replace(&mut self.process, Command::new("true").spawn().unwrap())
            .wait_with_output()
            .unwrap();
        assert!(output.status.success(), "{:?}: {rest:?}", output.status);
        output
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const CONFIG: [&str; 2] = ["--config", "device.toml"];

#[test]
fn the_shadow_is_shown_changed_followed_and_removed() {
    let Some(ministack) = Ministack::start() else { return };
    let Some(bench) =
        Bench::registered(ministack.environment(), ministack.mqtt_port(), ministack.ca_file(), &["--shadow"])
    else {
        return;
    };
    fn shadow<'a>(words: &[&'a str]) -> Vec<&'a str> {
        [&["shadow"], words, &CONFIG].concat()
    }
    let none = bench.fails(&shadow(&["get"]));
    assert!(none.contains("cannot get the shadow of thing 'gw-1'") && none.contains("404"), "{none}");
    assert_eq!(bench.json(&shadow(&["update", "--reported", r#"{"on": false}"#])), json!({"version": 1}));
    let mut update = bench.command(&shadow(&["update", "--desired", "-", "--version", "1"]));
    let mut process = update.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    process.stdin.take().unwrap().write_all(br#"{"on": true}"#).unwrap();
    assert_eq!(text(&process.wait_with_output().unwrap().stdout), "{\"version\":2}\n");
    let conflict = bench.fails(&shadow(&["update", "--reported", "{}", "--version", "1"]));
    assert!(conflict.contains("409") && conflict.contains("somebody else has changed it"), "{conflict}");
    let document = bench.json(&shadow(&["get"]));
    assert_eq!(
        document["state"],
        json!({"desired": {"on": true}, "reported": {"on": false}, "delta": {"on": true}})
    );
    assert_eq!(document["version"], 2);
    for wrong in ["nonsense", "[1]", "3"] {
        assert!(
            bench.fails(&shadow(&["update", "--reported", wrong])).contains("--reported is no JSON"),
            "{wrong}"
        );
    }
    // Named ones are others.
    assert_eq!(
        bench.json(&shadow(&["update", "--name", "lamp", "--reported", r#"{"n": 1}"#])),
        json!({"version": 1})
    );

    let mut watching = bench.running(&shadow(&["watch"]));
    let mut lines = Lines::of(watching.process.stdout.take().unwrap());
    assert_eq!(lines.next().unwrap(), r#"{"on":true}"#);
    let payload = r#"{"state": {"desired": {"level": 3}}}"#;
    bench.aws(&[
        "iot-data",
        "update-thing-shadow",
        "--thing-name",
        "gw-1",
        "--payload",
        payload,
        "/dev/null",
    ]);
    assert_eq!(lines.next().unwrap(), r#"{"level":3,"on":true}"#);
    watching.stop();
    bench.good(&shadow(&["delete"]));
    assert!(bench.fails(&shadow(&["delete"])).contains("404"));
}

#[test]
fn a_handler_does_the_jobs_and_one_that_was_interrupted_comes_again() {
    let Some(ministack) = Ministack::start() else { return };
    let Some(bench) =
        Bench::registered(ministack.environment(), ministack.mqtt_port(), ministack.ca_file(), &["--jobs"])
    else {
        return;
    };
    let thing = bench.aws(&["iot", "describe-thing", "--thing-name", "gw-1"])["thingArn"]
        .as_str()
        .unwrap()
        .to_owned();
    let create = |id: &str, document: &str| {
        bench.aws(&["iot", "create-job", "--job-id", id, "--targets", &thing, "--document", document]);
    };
    let execution = |id: &str| {
        let execution = bench.aws(&["iot", "describe-job-execution", "--job-id", id, "--thing-name", "gw-1"]);
        let execution = &execution["execution"];
        (execution["status"].as_str().unwrap().to_owned(), execution["statusDetails"]["detailsMap"].clone())
    };
    let missing = bench.fails(&[&["jobs", "run", "--handler", "./missing"], &CONFIG[..]].concat());
    assert!(missing.contains("cannot use the handler ./missing"), "{missing}");
    bench.handler(
        r#"read -r document
echo "$# $AWS_IOT_THING_NAME $AWS_IOT_JOB_ID $document" >>runs
echo step=downloaded
case $document in
*good*) ;;
*bad*) echo "no space left" >&2; exit 3 ;;
*unknown*) exit 65 ;;
*cancel*) trap 'sleep 1; echo ended >>runs; exit 0' TERM; touch loops; n=0
  while :; do n=$((n + 1)); echo "n=$n"; sleep 0.2; done ;;
*daemon*) sleep 300 & echo $! >daemon ;;
*long*) echo "$AWS_IOT_JOB_STATUS_DETAILS" >>runs; test -e finish || { trap 'echo told >>runs; exit 9' TERM; touch waiting; sleep 100 & wait; } ;;
esac"#,
    );
    create("job-good", r#"{"what": "good"}"#);
    create("job-bad", r#"{"what": "bad"}"#);
    create("job-unknown", r#"{"what": "unknown"}"#);
    create("job-daemon", r#"{"what": "daemon"}"#);
    assert_eq!(
        bench.json(&[&["jobs", "list"], &CONFIG[..]].concat())["queued"],
        json!(["job-good", "job-bad", "job-unknown", "job-daemon"])
    );
    let run = [&["jobs", "run", "--handler", "./handler"], &CONFIG[..]].concat();
    let mut running = bench.running(&run);
    running.says("job 'job-good' is done");
    running.says("job 'job-bad' is not done: no space left");
    running.says("job 'job-unknown' is not done");
    // The process that it leaves behind holds its standard output open.
    running.says("job 'job-daemon' is done");
    let daemon = fs::read_to_string(bench.device.path("daemon")).unwrap();
    kill_process(Pid::from_raw(daemon.trim().parse().unwrap()).unwrap(), Signal::TERM).unwrap();
    assert_eq!(execution("job-good"), ("SUCCEEDED".to_owned(), json!({"step": "downloaded"})));
    assert_eq!(
        execution("job-bad"),
        ("FAILED".to_owned(), json!({"step": "downloaded", "reason": "no space left"}))
    );
    assert_eq!(execution("job-unknown").0, "REJECTED");
    // No argument, and the document on standard input.
    let runs = fs::read_to_string(bench.device.path("runs")).unwrap();
    assert_eq!(runs.lines().next().unwrap(), r#"0 gw-1 job-good {"what":"good"}"#);

    // A handler whose job is cancelled has ended before the next job begins.
    create("job-cancel", r#"{"what": "cancel"}"#);
    create("job-after", r#"{"what": "good"}"#);
    bench.until("the handler loops", || bench.device.path("loops").exists());
    bench.aws(&["iot", "cancel-job", "--job-id", "job-cancel", "--force"]);
    running.says("the handler is ended");
    running.says("job 'job-after' is done");
    let runs = fs::read_to_string(bench.device.path("runs")).unwrap();
    let at = |text: &str| runs.find(text).unwrap_or_else(|| panic!("no {text:?} in {runs}"));
    assert!(at("\nended\n") < at(" job-after "), "{runs}");

    create("job-long", r#"{"what": "long"}"#);
    bench.until("the handler waits", || bench.device.path("waiting").exists());
    bench.until("the step is reported", || execution("job-long").1 == json!({"step": "downloaded"}));
    running.stop();
    bench.until("the handler was told to end", || {
        fs::read_to_string(bench.device.path("runs")).unwrap().contains("told")
    });
    assert_eq!(execution("job-long").0, "IN_PROGRESS");
    bench.device.write("finish", "");
    let mut running = bench.running(&run);
    running.says("job 'job-long' is done");
    running.stop();
    let runs = fs::read_to_string(bench.device.path("runs")).unwrap();
    assert!(
        runs.contains("\n{}\n") && runs.contains("\n{\"step\":\"downloaded\"}\n"),
        "what was reported before: {runs}"
    );
}

#[test]
fn the_end_of_a_job_that_aws_iot_throttles_is_reported_again_after_a_pause_which_a_signal_ends() {
    let sim = AwsIotSim::start().unwrap();
    let Some(bench) = Bench::of(&sim, &["--jobs"]) else { return };
    bench.handler("exit 0");
    // The simulator has no jobs: the test is the service.
    let topic = |operation: &str| format!("$aws/things/gw-1/jobs/{operation}");
    let requests = |operation: &str| -> Vec<Value> {
        let received = sim.received();
        let requests = received.iter().filter(|request| request.topic == topic(operation));
        requests.map(|request| serde_json::from_slice(&request.payload).unwrap()).collect()
    };
    let answer = |operation: &str, number: usize, outcome: &str, mut answer: Value| {
        bench.until(operation, || requests(operation).len() > number);
        answer["clientToken"] = requests(operation)[number]["clientToken"].clone();
        sim.publish(&topic(&format!("{operation}/{outcome}")), answer.to_string()).unwrap();
    };
    let throttled = json!({"code": "RequestThrottled", "message": "too many requests"});
    let mut running = bench.running(&[&["jobs", "run", "--handler", "./handler"], &CONFIG[..]].concat());
    let execution = json!({"jobId": "job-1", "status": "IN_PROGRESS", "jobDocument": {}});
    answer("start-next", 0, "accepted", json!({"execution": execution}));
    let begun = Instant::now();
    answer("job-1/update", 0, "rejected", throttled.clone());
    running.says("once more in 10 s");
    answer("job-1/update", 1, "rejected", throttled);
    assert!(begun.elapsed() >= Duration::from_secs(10), "after {:?}", begun.elapsed());
    running.says("once more in 10 s");
    running.stop();
    assert_eq!(requests("job-1/update").len(), 2, "the end did not wait for the third one");
}

#[test]
fn a_handler_runs_each_command_once_also_after_a_crash() {
    let sim = AwsIotSim::start().unwrap();
    let Some(bench) = Bench::of(&sim, &["--commands"]) else { return };
    let payload = r#"{"content":"{\"seconds\":5}","contentType":"application/json"}"#;
    bench.aws(&["iot", "create-command", "--command-id", "reboot", "--payload", payload]);
    let arn = |resource: &str| format!("arn:aws:iot:us-east-1:123456789012:{resource}");
    let start = || {
        let (target, command) = (arn("thing/gw-1"), arn("command/reboot"));
        let arguments =
            ["iot-jobs-data", "start-command-execution", "--target-arn", &target, "--command-arn", &command];
        let started = bench.aws(&[&arguments[..], &["--execution-timeout-seconds", "600"]].concat());
        started["executionId"].as_str().unwrap().to_owned()
    };
    let execution = |id: &str| {
        bench.aws(&["iot", "get-command-execution", "--execution-id", id, "--target-arn", &arn("thing/gw-1")])
    };
    bench.handler(
        r#"read -r payload
echo "$# $AWS_IOT_COMMAND_CONTENT_TYPE $payload" >>runs
echo uptime=3
echo two words=no name
if test -e crash; then touch waiting; sleep 100 & wait; fi"#,
    );
    let run = [&["commands", "run", "--handler", "./handler"], &CONFIG[..]].concat();
    let mut running = bench.running(&run);
    running.says("waiting for commands");
    let first = start();
    bench.until("the first is reported", || execution(&first)["status"] == "SUCCEEDED");
    assert_eq!(execution(&first)["result"]["uptime"]["S"], "3");
    assert_eq!(
        fs::read_to_string(bench.device.path("runs")).unwrap(),
        "0 application/json {\"seconds\":5}\n"
    );

    // The program dies in the middle of a command, and another one comes meanwhile.
    bench.device.write("crash", "");
    let second = start();
    bench.until("the handler waits", || bench.device.path("waiting").exists());
    running.signal(Signal::KILL);
    drop(running);
    assert_eq!(execution(&second)["status"], "IN_PROGRESS");
    fs::remove_file(bench.device.path("crash")).unwrap();
    let third = start();
    let running = bench.running(&run);
    bench.until("the second is reported", || execution(&second)["status"] == "FAILED");
    assert_eq!(execution(&second)["statusReason"]["reasonCode"], "INTERRUPTED");
    bench.until("the third is reported", || execution(&third)["status"] == "SUCCEEDED");
    assert_eq!(fs::read_to_string(bench.device.path("runs")).unwrap().lines().count(), 3, "each once");
    running.stop();
}

#[test]
fn the_aws_cli_takes_the_device_s_credentials() {
    let sim = AwsIotSim::start().unwrap();
    let Some(bench) = Bench::of(&sim, &["--credentials", "uploads"]) else { return };
    for alias in ["uploads", "others"] {
        let role = "arn:aws:iam::123456789012:role/uploads";
        bench.aws(&["iot", "create-role-alias", "--role-alias", alias, "--role-arn", role]);
    }
    let port = sim.credentials_port().to_string();
    let credentials = |alias| {
        let arguments = [
            "credentials",
            "--role-alias",
            alias,
            "--credential-endpoint",
            "localhost",
            "--credential-port",
            &port,
        ];
        [&arguments[..], &CONFIG].concat()
    };
    let printed = bench.json(&credentials("uploads"));
    assert_eq!((&printed["Version"], printed["SessionToken"].is_string()), (&json!(1), true));
    let refused = bench.fails(&credentials("others"));
    assert!(refused.contains("403") && refused.contains("iot:AssumeRoleWithCertificate"), "{refused}");
    if let Some(proxy) = Tinyproxy::start(sim.credentials_port()) {
        let url = format!("http://{}:{}@127.0.0.1:{}", Tinyproxy::USER, Tinyproxy::PASSWORD, proxy.port());
        let through = |no_proxy: &str, url: &str| {
            let mut command = bench.command(&credentials("uploads"));
            let output = command
                .env("HTTPS_PROXY", url)
                .env("no_proxy", no_proxy)
                .env("NO_PROXY", no_proxy)
                .output()
                .unwrap();
            (output.status.success(), text(&output.stderr))
        };
        assert_eq!(through("", &url), (true, String::new()));
        let closed = "http://127.0.0.1:1";
        let (is_good, said) = through("", closed);
        assert!(!is_good && said.contains("127.0.0.1:1") && said.contains("localhost"), "{said}");
        assert_eq!(through("localhost", closed), (true, String::new()));
    }
    // The AWS CLI itself reads them.
    let program = env!("CARGO_BIN_EXE_se050-iot");
    let process = credentials("uploads")
        .join(" ")
        .replace("device.toml", &bench.device.path("device.toml").display().to_string());
    bench.device.write("aws-config", format!("[profile device]\ncredential_process = {program} {process}\n"));
    let mut command = bench.cli.command(["--profile", "device", "iot", "list-things"]);
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    command
        .env("AWS_CONFIG_FILE", bench.device.path("aws-config"))
        .env("SE050_LOCK_FILE", bench.device.path("lock"));
    assert!(text(&output_of(&mut command)).contains("gw-1"));
}

#[test]
fn a_device_claims_a_certificate_for_the_key_in_its_chip_and_renews_it() {
    let sim = AwsIotSim::start().unwrap();
    let Some(bench) = Bench::new(sim.environment()) else { return };
    // The operator's side: a claim certificate with the policy that the command prints, a template, the devices' policy.
    let policy =
        ["policy", "claim", "--template", "gateways", "--account", "123456789012", "--region", "us-east-1"];
    let claim = Pki::new().client("claim");
    sim.admit(&claim.certificate_pem, "claim", &bench.good(&policy)).unwrap();
    bench.device.write("claim.pem", &claim.certificate_pem);
    bench.device.write("claim.key", &claim.key_pem);
    let devices = bench.good(&[
        "policy",
        "device",
        "--provisioning",
        "gateways",
        "--account",
        "123456789012",
        "--region",
        "us-east-1",
    ]);
    bench.aws(&["iot", "create-policy", "--policy-name", "devices", "--policy-document", &devices]);
    let role = "arn:aws:iam::123456789012:role/provisioning";
    let create = [
        "iot",
        "create-provisioning-template",
        "--template-name",
        "gateways",
        "--enabled",
        "--template-body",
        PROVISIONING_TEMPLATE,
    ];
    bench.aws(&[&create[..], &["--provisioning-role-arn", role]].concat());

    let (port, ca) = (sim.port().to_string(), sim.ca_file().display().to_string());
    let module = bench.chip.module().display().to_string();
    let connection = [
        "--endpoint",
        "localhost",
        "--port",
        &port,
        "--ca-file",
        &ca,
        "--key-label",
        KEY,
        "--pkcs11-lib",
        &module,
    ];
    let claim = ["claim", "--template", "gateways", "--claim-cert", "claim.pem", "--claim-key", "claim.key"];
    // What is missing is a wrong command line, as for `pub`.
    let keyless = bench.command(&[&claim[..], &["--endpoint", "localhost"]].concat()).output().unwrap();
    let missing = text(&keyless.stderr);
    assert!(keyless.status.code() == Some(2) && missing.contains("SE050_KEY_LABEL"), "{missing}");
    let wrong = bench.fails(&[&claim[..], &["--parameter", "Wrong=1"], &connection].concat());
    assert!(wrong.contains("InvalidParameters"), "{wrong}");
    assert!(
        bench.device.path("claim.key").exists() && !bench.device.path("device.toml").exists(),
        "nothing is lost"
    );

    let settings = ["--tls-version", "1.3", "--keep-alive", "45", "--thing-name", "gw-7"];
    let claim = [&claim[..], &settings, &connection].concat();
    bench.good(&claim);
    let config = fs::read_to_string(bench.device.path("device.toml")).unwrap();
    for line in ["tls_version = \"1.3\"", "keep_alive = 45"] {
        assert!(
            config.contains(line),
            "what the claim was told of the connection holds for the device: {config}"
        );
    }
    assert!(
        !bench.device.path("claim.pem").exists() && !bench.device.path("claim.key").exists(),
        "the claim is thrown away"
    );
    let principals = || {
        bench.aws(&["iot", "list-thing-principals", "--thing-name", "gw-7"])["principals"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(principals(), 1);
    let publish = [&["pub", "-t", "gw-7/state", "-m", "hello"], &CONFIG[..]].concat();
    bench.good(&publish);
    let there = bench.fails(&claim);
    assert!(there.contains("is there already") && there.contains("--renew"), "{there}");

    let before = fs::read(bench.device.path("device.pem")).unwrap();
    let renew = [&["claim", "--renew", "--template", "gateways"], &CONFIG[..]].concat();
    // The disk fails, as the power may, when the new certificate is put in the place of the old one.
    if let Some(strace) = program("strace") {
        let (new, trace) = (bench.device.path("device.pem.new"), bench.device.path("trace"));
        let command = bench.command(&renew);
        let mut traced = Command::new(strace);
        traced.arg("-f").arg("-o").arg(&trace).arg("-P").arg(&new).arg("-e");
        traced.arg("inject=?rename,?renameat,?renameat2:error=EIO").arg(command.get_program());
        traced.args(command.get_args()).current_dir(bench.device.path("."));
        traced.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let output = traced.output().unwrap();
        if fs::read_to_string(&trace).unwrap_or_default().contains("INJECTED") {
            assert!(!output.status.success(), "{}", text(&output.stderr));
            bench.good(&publish);
        } else {
            skip("strace may not look at processes here");
        }
    }
    let registered = principals();
    bench.good(&renew);
    assert_ne!(fs::read(bench.device.path("device.pem")).unwrap(), before);
    assert_eq!(fs::read(bench.device.path("device.pem.old")).unwrap(), before, "the old one is kept");
    assert_eq!(principals(), registered + 1);
    let published = || sim.received().iter().filter(|message| message.topic == "gw-7/state").count();
    let count = published();
    bench.good(&publish);
    assert_eq!(published(), count + 1);
}
