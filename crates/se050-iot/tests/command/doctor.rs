//! `se050-iot doctor`: each failure is caused, and has to be found, told with its cause, and answered with something to do.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use aws_iot_sim::{AwsIotSim, Fault as CloudFault};
use rcgen::CertificateParams;
use se050_key::Certificate;
use se050_sim::{Chip, Fault, I2cShim};
use serde_json::Value;
use test_peers::{CLOSED_PORT, Pki, program};

use crate::support::clock::ClockShim;
use crate::support::{Device, Operator, text};

/// The factory's EC key: its signature is the cheapest.
const KEY: u32 = 0xF000_0100;
const CERTIFICATE: u32 = 0xF000_0101;
pub(crate) const THING: &str = "gw-1";

const CHIP_CHECKS: [&str; 11] = [
    "configuration",
    "module-file",
    "module",
    "i2c",
    "chip-free",
    "chip",
    "key",
    "certificate",
    "certificate-dates",
    "key-matches",
    "signature",
];

/// A device with its chip, and an AWS account that knows it.
pub(crate) struct Bench {
    device: Operator,
    chip: Chip,
    pub(crate) cloud: AwsIotSim,
    module: PathBuf,
    key: &'static str,
    port: u16,
    endpoint: &'static str,
    ca_file: PathBuf,
    client_id: &'static str,
    environment: Vec<(&'static str, String)>,
}

/// What the policy of the device allows, of the four actions that it needs.
pub(crate) fn policy(actions: &[&str]) -> String {
    let actions: Vec<String> = actions.iter().map(|action| format!("\"iot:{action}\"")).collect();
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":[{}],"Resource":"*"}}]}}"#,
        actions.join(",")
    )
}

impl Bench {
    pub(crate) fn new() -> Self {
        let bench = Self::stranger();
        bench.admit(&["Connect", "Publish", "Subscribe", "Receive"]);
        bench
    }

    /// AWS does not know the certificate.
    pub(crate) fn stranger() -> Self {
        let device = Operator::new(Vec::new());
        let chip = Chip::create(&device.path("chip")).unwrap();
        let cloud = AwsIotSim::start().unwrap();
        Self {
            module: chip.module(),
            key: "0xF0000100",
            port: cloud.port(),
            endpoint: "localhost",
            ca_file: cloud.ca_file().to_owned(),
            client_id: THING,
            environment: Vec::new(),
            device,
            chip,
            cloud,
        }
    }

    pub(crate) fn admit(&self, actions: &[&str]) {
        self.admit_with(&policy(actions));
    }

    pub(crate) fn admit_with(&self, policy: &str) {
        self.cloud.admit(&self.certificate().to_pem(), THING, policy).unwrap();
    }

    fn certificate(&self) -> Certificate {
        let der = self.chip.certificate(CERTIFICATE).unwrap();
        Certificate::from_bytes(&der, "chip").unwrap()
    }

    pub(crate) fn certificate_id(&self) -> String {
        self.certificate().fingerprint()
    }

    pub(crate) fn command(&self, halves: &[&str]) -> Command {
        let mut command = self.device.command(&["doctor"]);
        command.args(halves).args(["--key-label", self.key]).arg("--pkcs11-lib").arg(&self.module);
        command.env("SE050_LOCK_FILE", self.device.path("lock"));
        command.args([
            "--endpoint",
            self.endpoint,
            "--port",
            &self.port.to_string(),
            "--client-id",
            self.client_id,
        ]);
        command.arg("--ca-file").arg(&self.ca_file);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// The checks of a run, and its exit status.
    #[track_caller]
    fn checks(&self, halves: &[&str]) -> (Vec<Value>, Option<i32>) {
        let output = self.command(halves).arg("--json").output().unwrap();
        let answer: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", text(&output.stderr)));
        let checks = answer["checks"].as_array().unwrap().clone();
        assert_eq!(answer["good"], output.status.success(), "{answer:#}");
        (checks, output.status.code())
    }

    /// That check fails, with these words, and is the first one that fails.
    #[track_caller]
    fn fails(&self, halves: &[&str], name: &str, cause: &str, next: &str) {
        let (checks, status) = self.checks(halves);
        assert_eq!(status, Some(1), "{name}: {checks:#?}");
        let first = checks.iter().find(|check| check["result"] == "failed");
        let first = first.unwrap_or_else(|| panic!("{name}: nothing failed: {checks:#?}"));
        assert_eq!(first["name"], name, "{checks:#?}");
        let words = |member: &str| first[member].as_str().unwrap_or_default().to_owned();
        assert!(words("cause").contains(cause), "{name}: {cause:?} is not in {:?}", words("cause"));
        assert!(words("next").contains(next), "{name}: {next:?} is not in {:?}", words("next"));
        // What depends on it is not checked, and says why.
        for check in checks.iter().filter(|check| check["result"] == "notChecked") {
            assert!(check["finding"].as_str().unwrap().starts_with("not checked: "), "{check}");
        }
    }
}

#[test]
fn a_device_that_works_is_well_and_leaves_nothing_behind() {
    let bench = Bench::new();
    let (checks, status) = bench.checks(&[]);
    assert_eq!(status, Some(0), "{checks:#?}");
    let names: Vec<&str> = checks.iter().map(|check| check["name"].as_str().unwrap()).collect();
    assert_eq!(names[..11], CHIP_CHECKS);
    let tcp = format!("tcp-{}", bench.port);
    // A device build has no operator's half; and here are no credentials.
    let account = &["account"][..usize::from(cfg!(feature = "provision"))];
    let cloud = ["clock", "proxy", "name", &tcp, "server-time", "tls", "device-certificate", "connect"];
    let messages = ["subscribe", "publish", "receive", "client-id"];
    assert_eq!(names[11..], [account, &cloud, &messages].concat());
    for check in &checks {
        // aws-iot-sim speaks no HTTPS.
        let asked = check["name"] != "account" && check["name"] != "server-time";
        assert_eq!(check["result"], if asked { "good" } else { "notAsked" }, "{check:#}");
    }
    let of = |name: &str| checks.iter().find(|check| check["name"] == name).unwrap()["finding"].to_string();
    assert!(of("module").contains("labels"), "{}", of("module"));
    assert!(of("tls").contains("CN="), "{}", of("tls"));
    assert!(of("name").contains("127.0.0.1"), "{}", of("name"));

    let received = bench.cloud.received();
    assert!(received.iter().all(|message| !message.retain && message.topic == "gw-1/doctor"), "{received:?}");
    assert_eq!(received.len(), 1);
    assert!(bench.cloud.connections().is_empty());
    assert!(!bench.cloud.forget_session(THING), "a session is left at the broker");
}

#[test]
fn a_person_gets_a_line_for_each_check_and_for_what_to_do() {
    let bench = Bench::new();
    let output = bench.command(&["--chip"]).output().unwrap();
    let (printed, errors) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{printed}{errors}");
    assert_eq!(printed.lines().count(), CHIP_CHECKS.len() + 1, "{printed}");
    assert!(
        printed.lines().take(11).all(|line| line.starts_with("[ ok ]") && line.contains(" s  ")),
        "{printed}"
    );
    assert!(printed.ends_with("All is well.\n") && !printed.contains('\u{1b}'), "{printed}");

    bench.chip.set_fault(Fault::Absent).unwrap();
    let output = bench.command(&["--chip"]).output().unwrap();
    let printed = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        printed.contains("[FAIL]") && printed.contains("next: ") && printed.contains("[ -- ]"),
        "{printed}"
    );
    assert!(printed.ends_with("1 check failed.\n"), "{printed}");
}

/// The chip half. What is caused, the check that finds it, its words, and the words of what to do.
#[test]
fn each_failure_of_the_chip_half_is_found() {
    type Cause = fn(&mut Bench);
    let cases: &[(&str, Cause, &str, &str, &str)] = &[
        (
            "module missing",
            |bench| bench.module = "/nowhere/libsss_pkcs11.so".into(),
            "module-file",
            "No such file",
            "plug-and-trust",
        ),
        (
            "module truncated",
            |bench| altered(bench, |elf| elf.truncate(4096)),
            "module-file",
            "cut short",
            "plug-and-trust",
        ),
        // e_machine, EM_AARCH64 or EM_RISCV: whatever this one is not.
        (
            "other processor",
            |bench| altered(bench, |elf| elf[18] = 243),
            "module-file",
            "another processor",
            "--pkcs11-lib",
        ),
        (
            "no library at all",
            |bench| altered(bench, |elf| elf[0] = 0),
            "module-file",
            "no ELF file",
            "--pkcs11-lib",
        ),
        (
            "musl's library",
            |bench| altered(bench, |elf| for_musl(elf)),
            "module-file",
            "another C library",
            "plug-and-trust",
        ),
        (
            "node missing",
            |bench| bench.environment.push(("EX_SSS_BOOT_SSS_PORT", "/dev/i2c-990:0x48".into())),
            "i2c",
            "/dev/i2c-990",
            "EX_SSS_BOOT_SSS_PORT",
        ),
        ("chip absent", |bench| bench.chip.set_fault(Fault::Absent).unwrap(), "chip", "", "i2cdetect"),
        ("chip mute", mute, "chip", "", "power"),
        ("key missing", |bench| bench.key = "0xF0000120", "key", "no private key", "se050-iot objects"),
        (
            "certificate missing",
            |bench| remove(bench, CERTIFICATE),
            "certificate",
            "no certificate",
            "se050-iot objects",
        ),
        (
            "no certificate",
            |bench| bench.chip.install_certificate(CERTIFICATE, b"hello").unwrap(),
            "certificate",
            "no X.509",
            "--cert",
        ),
        (
            "mismatch",
            |bench| {
                let other = bench.chip.certificate(0xF000_0111).unwrap();
                bench.chip.install_certificate(CERTIFICATE, &other).unwrap();
            },
            "key-matches",
            "does not belong to the key",
            "issued for this key",
        ),
        ("expired", |bench| dated(bench, 2001, 2002), "certificate-dates", "expired at 2002-01-01", "clock"),
        (
            "not yet valid",
            |bench| dated(bench, 2090, 2091),
            "certificate-dates",
            "not valid before 2090-01-01",
            "clock",
        ),
        (
            "bad signatures",
            |bench| bench.chip.set_fault(Fault::CorruptSignatures).unwrap(),
            "signature",
            "signature",
            "bus",
        ),
    ];
    for (name, cause, check, words, next) in cases {
        let mut bench = Bench::stranger();
        cause(&mut bench);
        eprintln!("case: {name}");
        bench.fails(&["--chip"], check, words, next);
    }
}

#[test]
fn a_chip_that_another_program_has_is_told_with_that_program() {
    let bench = Bench::stranger();
    let lock = bench.device.path("lock");
    // flock(1) holds it, and writes no process id into it; this process's is a stand-in for that of a program like ours.
    std::fs::write(&lock, format!("{}\n", std::process::id())).unwrap();
    let file = std::fs::File::open(&lock).unwrap();
    file.lock().unwrap();
    let us = format!("process {}", std::process::id());
    bench.fails(&["--chip"], "chip-free", &us, "ps -p");
    drop(file);
    assert_eq!(bench.checks(&["--chip"]).1, Some(0));
}

#[test]
fn a_node_that_may_not_be_opened_is_told_with_its_group() {
    let mut bench = Bench::stranger();
    // The tests run as root, who may open anything: a fake node refuses.
    let shim = I2cShim::build(&bench.device.path("")).unwrap();
    let mut command = Command::new("true");
    shim.apply(&mut command, &bench.chip);
    let variables: [&'static str; 3] = ["LD_PRELOAD", "SE050_SIM_I2C", "EX_SSS_BOOT_SSS_PORT"];
    for name in variables {
        let value = command.get_envs().find(|(set, _)| *set == name).unwrap().1.unwrap();
        bench.environment.push((name, value.to_str().unwrap().to_owned()));
    }
    assert_eq!(bench.checks(&["--chip"]).1, Some(0));
    // errno(3): EACCES.
    bench.chip.set_i2c_errno(Some(13)).unwrap();
    bench.fails(&["--chip"], "i2c", "Permission denied", "node's group");
}

/// The first variable that is set decides (POSIX). JSON is for programs, and stays English.
#[test]
fn a_japanese_engineer_gets_japanese() {
    let mut bench = Bench::new();
    bench.environment = vec![("LANG", "ja_JP.UTF-8".to_owned())];
    let output = bench.command(&[]).output().unwrap();
    let printed = text(&output.stdout);
    assert!(output.status.success() && printed.ends_with("すべて正常です。\n"), "{printed}");
    let has_japanese =
        |line: &str| line.chars().any(|c| matches!(c, '\u{3040}'..='\u{30ff}' | '\u{4e00}'..='\u{9fff}'));
    assert!(printed.lines().filter(|line| has_japanese(line)).count() > 12, "{printed}");
    bench.chip.set_fault(Fault::Absent).unwrap();
    let output = bench.command(&["--chip"]).output().unwrap();
    let printed = text(&output.stdout);
    assert!(
        printed.contains("対処: チップの電源") && printed.contains("未確認: チップを開けていないため"),
        "{printed}"
    );
    bench.environment.push(("LC_ALL", "C.UTF-8".to_owned()));
    let output = bench.command(&["--chip"]).output().unwrap();
    assert!(text(&output.stdout).contains("next: check the chip's power"), "{}", text(&output.stdout));
    bench.environment.pop();
    bench.fails(&["--chip"], "chip", "", "check the chip's power");
}

/// A server that tells its time over HTTPS, as AWS IoT Core does: Python's, with a date of its own.
#[test]
fn a_clock_is_compared_with_the_servers_own_time_whatever_the_clock_says() {
    const SERVER: &str = "import http.server, ssl, sys\n\
        class Handler(http.server.BaseHTTPRequestHandler):\n\
        \x20   def date_time_string(self, timestamp=None): return sys.argv[1]\n\
        \x20   def do_HEAD(self): self.send_response(403); self.end_headers()\n\
        server = http.server.HTTPServer(('127.0.0.1', 0), Handler)\n\
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n\
        context.load_cert_chain('server.pem', 'server.key')\n\
        server.socket = context.wrap_socket(server.socket, server_side=True)\n\
        print(server.server_address[1], flush=True)\n\
        server.serve_forever()\n";
    let Some(python) = test_peers::program("python3") else { return };
    let mut bench = Bench::new();
    let pki = Pki::new();
    let issued = pki.server("localhost");
    bench.device.write("server.pem", issued.certificate_pem);
    bench.device.write("server.key", issued.key_pem);
    bench.device.write("ca.pem", pki.ca_pem());
    bench.ca_file = bench.device.path("ca.pem");
    let Some(shim) = ClockShim::build(&bench.device.path("")) else { return };
    // date -u -d '2027-01-15 12:00:00' +%s
    let server_time = 1_800_014_400_i64;
    let mut command = Command::new(python);
    command.args(["-c", SERVER, "Fri, 15 Jan 2027 12:00:00 GMT"]).current_dir(bench.device.path(""));
    let mut server = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut port = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(server.stdout.take().unwrap()), &mut port)
        .unwrap();
    bench.port = port.trim().parse().unwrap();
    for (clock, result, words) in [
        (server_time + 2, "good", "2027-01-15 12:00:00 UTC"),
        (server_time - 7200, "warning", "7200 s away"),
        // A clock that was lost: the server's certificate seems not to be valid yet, and its time is told all the same.
        (0, "failed", "2027-01-15 12:00:00 UTC"),
        (-3600, "failed", "2027-01-15 12:00:00 UTC"),
    ] {
        bench.environment = shim.environment(clock);
        let (checks, _) = bench.checks(&["--cloud"]);
        let found = checks.iter().find(|check| check["name"] == "server-time").unwrap();
        assert_eq!(found["result"], result, "{clock}: {checks:#?}");
        let said = found["finding"].as_str().or(found["cause"].as_str()).unwrap();
        assert!(said.contains(words), "{clock}: {said}");
    }
    server.kill().unwrap();
    server.wait().unwrap();
}

/// The clock is the process's own, given by a preloaded library.
#[test]
fn a_clock_that_is_wrong_is_told_before_tls_fails_over_it() {
    let mut bench = Bench::new();
    let Some(shim) = ClockShim::build(&bench.device.path("")) else { return };
    for (seconds, words) in [
        (0_i64, "1970-01-01"),
        // 1969-12-31
        (-3600, "before 1970"),
        // 2106-02-07, where 32 bits end
        (4_294_967_295, "2106-02-07"),
    ] {
        bench.environment = shim.environment(seconds);
        let (checks, status) = bench.checks(&["--cloud"]);
        assert_eq!(status, Some(1));
        let clock = checks.iter().find(|check| check["name"] == "clock").unwrap();
        assert_eq!(clock["result"], "failed", "{seconds}");
        assert!(clock["cause"].as_str().unwrap().contains(words), "{seconds}: {clock}");
        assert!(clock["next"].as_str().unwrap().contains("date -u"), "{clock}");
        let tls = checks.iter().find(|check| check["name"] == "tls").unwrap();
        assert!(tls["finding"].as_str().unwrap().contains("the clock is wrong"), "{tls}");
    }
}

/// The cloud half.
#[test]
fn each_failure_of_the_cloud_half_is_found() {
    type Cause = fn(&mut Bench);
    let cases: &[(&str, Cause, &str, &str, &str)] = &[
        (
            "name unknown",
            |bench| bench.endpoint = "nothing.invalid",
            "name",
            "cannot be resolved",
            "nslookup",
        ),
        (
            "proxy is none",
            |bench| bench.environment.push(("HTTPS_PROXY", "socks5://127.0.0.1".into())),
            "proxy",
            "HTTPS_PROXY",
            "http://HOST:PORT",
        ),
        (
            "proxy closed",
            |bench| bench.environment.push(("HTTPS_PROXY", format!("http://127.0.0.1:{CLOSED_PORT}"))),
            "proxy",
            "",
            "HTTPS_PROXY",
        ),
        (
            "wrong CA",
            |bench| {
                bench.ca_file = bench.device.path("other.pem");
                std::fs::write(&bench.ca_file, Pki::new().ca_pem()).unwrap();
            },
            "tls",
            "its certificate is signed by",
            "--ca-file",
        ),
        (
            "CA file missing",
            |bench| bench.ca_file = "/nowhere/ca.pem".into(),
            "tls",
            "/nowhere/ca.pem",
            "--ca-file",
        ),
        (
            "INACTIVE",
            |bench| {
                bench.set_status("INACTIVE");
            },
            "device-certificate",
            "INACTIVE",
            "describe-certificate",
        ),
        (
            "client id that is not allowed",
            |bench| bench.client_id = "another",
            "connect",
            "iot:Connect",
            "client/another",
        ),
        (
            "closed after CONNECT",
            |bench| bench.cloud.inject(CloudFault::CloseAfterConnect),
            "connect",
            "iot:Connect",
            "list-attached-policies",
        ),
    ];
    for (name, cause, check, words, next) in cases {
        let mut bench = Bench::stranger();
        let connect = policy(&["Connect", "Publish", "Subscribe", "Receive"]).replace(
            r#""Resource":"*""#,
            r#""Resource":["arn:aws:iot:*:*:client/gw-1","arn:aws:iot:*:*:topic/*","arn:aws:iot:*:*:topicfilter/*"]"#,
        );
        bench.admit_with(&connect);
        cause(&mut bench);
        eprintln!("case: {name}");
        bench.fails(&["--cloud"], check, words, next);
    }
}

#[test]
fn a_server_that_is_something_else_is_told() {
    for (answer, words, next) in [
        ("SSH-2.0-OpenSSH_9.9\r\n", "does not speak TLS", "--port"),
        // Connected, and then silence: a firewall that swallows what follows.
        ("", "TLS handshake", "--port"),
    ] {
        let mut bench = Bench::new();
        bench.port = answering(answer);
        bench.fails(&["--cloud"], "tls", words, next);
    }
}

#[test]
fn a_proxy_that_refuses_is_told_with_its_answer() {
    let mut bench = Bench::new();
    let port = answering("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    bench.environment.push(("HTTPS_PROXY", format!("http://127.0.0.1:{port}")));
    bench.fails(&["--cloud"], "proxy", "403", "the proxy's rules");
}

#[test]
fn a_port_that_is_closed_is_told() {
    let mut bench = Bench::new();
    bench.port = CLOSED_PORT;
    let name = format!("tcp-{}", bench.port);
    bench.fails(&["--cloud"], &name, "is closed", "--port 443");
}

#[test]
fn a_certificate_that_is_not_registered_is_told_with_its_id() {
    let bench = Bench::stranger();
    bench.fails(&["--cloud"], "device-certificate", "not registered", &bench.certificate_id());
}

/// Each of the four actions is left out of the policy.
#[test]
fn each_action_that_the_policy_lacks_is_told_with_its_resource() {
    let all = ["Connect", "Subscribe", "Publish", "Receive"];
    for (lacking, check, next) in [
        ("Connect", "connect", "iot:Connect on client/gw-1"),
        ("Subscribe", "subscribe", "iot:Subscribe on topicfilter/gw-1/doctor"),
        ("Publish", "publish", "iot:Publish on topic/gw-1/doctor"),
        ("Receive", "receive", "iot:Receive on topic/gw-1/doctor"),
    ] {
        let bench = Bench::stranger();
        let others: Vec<&str> = all.into_iter().filter(|action| *action != lacking).collect();
        bench.admit(&others);
        bench.fails(&["--cloud"], check, "", next);
    }
}

/// As AWS IoT Core may answer: with the end of the connection.
#[test]
fn a_denial_that_ends_the_connection_does_not_hide_what_is_allowed() {
    let bench = Bench::stranger();
    bench.admit(&["Connect", "Publish"]);
    bench.cloud.inject(CloudFault::CloseOnDeny);
    let (checks, status) = bench.checks(&["--cloud"]);
    assert_eq!(status, Some(1));
    let result = |name: &str| checks.iter().find(|check| check["name"] == name).unwrap()["result"].clone();
    assert_eq!((result("subscribe"), result("publish")), ("failed".into(), "good".into()), "{checks:#?}");
}

#[test]
fn a_second_client_with_the_same_id_is_told() {
    let Some(mosquitto_sub) = program("mosquitto_sub") else { return };
    let bench = Bench::new();
    let rival = Pki::new().client("rival");
    bench.cloud.admit(&rival.certificate_pem, "rival", &policy(&["Connect", "Subscribe"])).unwrap();
    bench.device.write("rival.pem", &rival.certificate_pem);
    bench.device.write("rival.key", &rival.key_pem);
    let mut command = bench.command(&["--cloud"]);
    let child = command.arg("--json").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let deadline = SystemTime::now() + Duration::from_secs(60);
    while bench.cloud.received().is_empty() {
        assert!(SystemTime::now() < deadline, "the first one does not publish");
        std::thread::sleep(Duration::from_millis(20));
    }
    // It connects in no time: the first one watches for 3 s.
    let mut second = Command::new(mosquitto_sub);
    second.current_dir(bench.device.path("")).args([
        "-V",
        "mqttv5",
        "-i",
        THING,
        "-t",
        "t",
        "-h",
        bench.endpoint,
    ]);
    second.args(["-p", &bench.port.to_string(), "--cert", "rival.pem", "--key", "rival.key", "--cafile"]);
    let mut second = second.arg(&bench.ca_file).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let output = child.wait_with_output().unwrap();
    second.kill().unwrap();
    second.wait().unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let checks = answer["checks"].as_array().unwrap();
    let taken = checks.iter().find(|check| check["name"] == "client-id").unwrap();
    assert_eq!(taken["result"], "failed", "{checks:#?}");
    assert!(taken["cause"].as_str().unwrap().contains("another client connected as gw-1"), "{taken}");
}

#[test]
fn a_configuration_says_it_all_and_a_wrong_one_is_told() {
    let bench = Bench::new();
    let file = bench.device.path("device.toml");
    let mut config = device_identity::DeviceConfig::new("localhost", THING, "0xF0000100");
    config.port = bench.port;
    config.ca_file = Some(bench.ca_file.display().to_string());
    config.key.pkcs11_lib = Some(bench.module.display().to_string());
    std::fs::write(&file, config.to_toml().unwrap()).unwrap();
    let run = || {
        let output = bench
            .device
            .command(&["doctor", "--config", "device.toml"])
            .env("SE050_LOCK_FILE", bench.device.path("lock"))
            .output()
            .unwrap();
        (output.status.code(), text(&output.stdout))
    };
    let (status, printed) = run();
    assert!(status == Some(0) && printed.contains("client-id"), "{printed}");
    std::fs::write(&file, "version = 1\n").unwrap();
    let (status, printed) = run();
    assert!(status == Some(1) && printed.contains("[FAIL]") && printed.contains("device.toml"), "{printed}");
    let wrong = bench.device.run(&["doctor", "--topic", "a/#"]);
    assert!(wrong.status.code() == Some(2) && text(&wrong.stderr).contains("a/#"), "{}", text(&wrong.stderr));
    // The cloud was asked for, and there is no endpoint.
    let output = bench.device.run(&["doctor", "--cloud"]);
    assert!(text(&output.stdout).contains("no endpoint") && output.status.code() == Some(1));
}

impl Bench {
    pub(crate) fn set_status(&self, status: &str) {
        crate::support::update_certificate(self.cloud.control_plane_url(), &self.certificate_id(), status);
    }
}

/// The module, altered, in a file of its own. The simulator finds its chip by the module's directory.
fn altered(bench: &mut Bench, change: fn(&mut Vec<u8>)) {
    let mut elf = std::fs::read(&bench.module).unwrap();
    change(&mut elf);
    bench.module = bench.device.path("altered.so");
    std::fs::write(&bench.module, elf).unwrap();
}

/// The name of the C library in the string table, in the bytes of glibc's.
fn for_musl(elf: &mut [u8]) {
    let name = b"libc.so.6\0";
    let found: Vec<usize> = (0..elf.len() - name.len()).filter(|at| elf[*at..].starts_with(name)).collect();
    assert!(!found.is_empty(), "the module names no glibc");
    for at in found {
        elf[at..at + name.len()].copy_from_slice(b"libc.musl\0");
    }
}

fn mute(bench: &mut Bench) {
    bench.chip.set_time_scale(0.01).unwrap();
    bench.chip.set_fault(Fault::Mute).unwrap();
}

fn remove(bench: &mut Bench, id: u32) {
    let objects = std::fs::read_dir(bench.chip.directory()).unwrap().flatten();
    let mut found = false;
    for entry in objects.flat_map(|entry| match entry.path() {
        path if path.is_dir() => {
            std::fs::read_dir(path).unwrap().flatten().map(|entry| entry.path()).collect()
        }
        path => vec![path],
    }) {
        let name = entry.file_name().unwrap().to_string_lossy().to_uppercase();
        if name.contains(&format!("{id:08X}")) {
            std::fs::remove_file(&entry).unwrap();
            found = true;
        }
    }
    assert!(found, "the chip has no file for {id:08X}");
}

/// A key with a certificate of those years.
fn dated(bench: &mut Bench, from: i32, until: i32) {
    let device = Device::with(|params: &mut CertificateParams| {
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
    });
    let pem = device.certificate.to_pem();
    let certificate = Certificate::from_bytes(pem.as_bytes(), "test").unwrap();
    bench.chip.install_key(KEY, &device.key.serialize_der()).unwrap();
    bench.chip.install_certificate(CERTIFICATE, certificate.as_der()).unwrap();
}

/// A port of which the other side is told that and no more, and which then stays open; it ends with the test's process.
fn answering(text: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            // It may have been closed again: the check of the port does that.
            let _ = connection.write_all(text.as_bytes());
            open.push(connection);
        }
    });
    port
}
