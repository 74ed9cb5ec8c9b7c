//! Which credentials and which region are used, and what the operator reads when AWS, or something else, says no.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

use crate::support::{Device, Operator, text};

/// Gives each request the same answer. Its thread ends with the process.
struct SameAnswer {
    url: String,
    keys: Arc<Mutex<Vec<String>>>,
}

impl SameAnswer {
    fn start(answer: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let keys = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&keys);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut reader = BufReader::new(stream);
                let (mut length, mut is_sts) = (0, false);
                for line in reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty())
                {
                    // Whose account it is, is asked first, and of another service.
                    is_sts |= line.starts_with("POST / ");
                    let lower = line.to_ascii_lowercase();
                    if let Some(value) = lower.strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    if let Some((_, credential)) = line.split_once("Credential=") {
                        // KEY/DATE/REGION/SERVICE/aws4_request
                        let parts: Vec<&str> = credential.split('/').collect();
                        seen.lock().unwrap().push(format!("{} {}", parts[0], parts[2]));
                    }
                }
                // A client that has gone is none of the test's concern.
                let _ = reader.read_exact(&mut vec![0; length]);
                let answer = if is_sts { identity() } else { answer.clone() };
                let _ = reader.get_mut().write_all(answer.as_bytes());
            }
        });
        Self { url, keys }
    }

    fn refusing() -> Self {
        Self::start(answer(404, "x-amzn-errortype: ResourceNotFoundException\r\n", r#"{"message":"none"}"#))
    }

    /// The keys and regions with which requests were signed, each once.
    fn used(&self) -> Vec<String> {
        let mut used = self.keys.lock().unwrap().clone();
        used.dedup();
        used
    }
}

fn answer(status: u16, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// STS's answer to GetCallerIdentity.
fn identity() -> String {
    let body = "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
                <Arn>arn:aws:iam::123456789012:user/op</Arn><UserId>AIDA</UserId><Account>123456789012</Account>\
                </GetCallerIdentityResult></GetCallerIdentityResponse>";
    answer(200, "content-type: text/xml\r\n", body)
}

fn aws_error(status: u16, code: &str, message: &str) -> String {
    let headers = format!(
        "x-amzn-errortype: {code}\r\nx-amzn-requestid: req-1\r\ndate: Mon, 01 Jan 2024 00:00:00 GMT\r\ncontent-type: application/json\r\n"
    );
    answer(status, &headers, &format!(r#"{{"message":"{message}"}}"#))
}

/// An operator with two profiles and a device, and that environment beside.
fn operator(environment: &[(&str, &str)]) -> Operator {
    let fixed = [
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_CONFIG_FILE", "config"),
        ("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
        ("NO_PROXY", "localhost,127.0.0.1"),
    ];
    let all = fixed.iter().chain(environment);
    let operator = Operator::new(all.map(|(name, value)| (name.to_string(), value.to_string())).collect());
    operator.write(
        "config",
        "[default]\nregion=us-west-2\n[profile prod]\nregion=eu-west-1\n[profile mfa]\nregion=eu-west-1\n\
         role_arn=arn:aws:iam::123456789012:role/op\nsource_profile=prod\nmfa_serial=arn:aws:iam::123456789012:mfa/op\n",
    );
    operator.write("credentials", "[prod]\naws_access_key_id=AKIAPROD\naws_secret_access_key=x\n");
    operator.write("device.pem", Device::new().certificate.to_pem());
    operator
}

const PLAN: [&str; 6] = ["provision", "plan", "--certificate", "device.pem", "--thing-name", "dev1"];

#[test]
fn a_profile_that_is_named_beats_keys_in_the_environment() {
    const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "AKIAENV"), ("AWS_SECRET_ACCESS_KEY", "x")];
    for (name, environment, options, used) in [
        ("--profile", &[][..], &["--profile", "prod"][..], "AKIAPROD eu-west-1"),
        ("AWS_PROFILE loses, as in the AWS CLI", &[("AWS_PROFILE", "prod")], &[], "AKIAENV eu-west-1"),
        ("no profile", &[], &[], "AKIAENV us-west-2"),
        ("empty AWS_PROFILE", &[("AWS_PROFILE", "")], &[], "AKIAENV us-west-2"),
        ("empty AWS_REGION", &[("AWS_REGION", "")], &[], "AKIAENV us-west-2"),
        (
            "empty AWS_REGION, AWS_DEFAULT_REGION",
            &[("AWS_REGION", ""), ("AWS_DEFAULT_REGION", "us-east-1")],
            &[],
            "AKIAENV us-east-1",
        ),
        (
            "the environment's region beats the profile's",
            &[("AWS_REGION", "ap-northeast-1")],
            &["--profile", "prod"],
            "AKIAPROD ap-northeast-1",
        ),
        ("--region", &[("AWS_REGION", "")], &["--region", "ap-northeast-1"], "AKIAENV ap-northeast-1"),
    ] {
        let aws = SameAnswer::refusing();
        let operator = operator(&[&KEYS, environment].concat());
        operator.run(&[&PLAN[..], &["--endpoint-url", &aws.url], options].concat());
        assert_eq!(aws.used(), [used], "{name}");
    }
}

#[test]
fn a_configuration_that_cannot_be_is_told_before_anything_is_asked() {
    let keys = ("AWS_SECRET_ACCESS_KEY", "x");
    let good = ("AWS_ACCESS_KEY_ID", "AKIAENV");
    for (name, environment, options, says) in [
        (
            "no such profile",
            &[good, keys][..],
            &["--profile", "prdo"][..],
            &["\"prdo\"", "default, mfa, prod"][..],
        ),
        ("AWS_PROFILE", &[good, keys, ("AWS_PROFILE", "prdo")], &[], &["AWS_PROFILE", "\"prdo\""]),
        (
            "CR in the key",
            &[("AWS_ACCESS_KEY_ID", "AKIAENV\r"), keys],
            &[],
            &["access key id", "Windows line ends"],
        ),
        ("LF in the key", &[("AWS_ACCESS_KEY_ID", "AKIAENV\nx"), keys], &[], &["access key id"]),
        ("a space in the token", &[good, keys, ("AWS_SESSION_TOKEN", "a b")], &[], &["session token"]),
        ("region", &[good, keys, ("AWS_REGION", "eu-west-1\r")], &[], &["AWS_REGION", "\"eu-west-1\\r\""]),
        ("empty region", &[good, keys], &["--region", ""], &["--region"]),
        (
            "no region at all",
            &[good, keys, ("AWS_CONFIG_FILE", "/dev/null"), ("AWS_REGION", "")],
            &[],
            &["no region is configured", "aws configure"],
        ),
        (
            "a profile with MFA",
            &[good, keys],
            &["--profile", "mfa"],
            &["MFA", "export-credentials --profile mfa"],
        ),
        ("time-out", &[good, keys], &["--call-timeout", "99999999999999999999"], &["--call-timeout"]),
        ("no time-out", &[good, keys], &["--call-timeout", "0"], &["--call-timeout"]),
    ] {
        let aws = SameAnswer::refusing();
        let output = operator(environment).run(&[&PLAN[..], &["--endpoint-url", &aws.url], options].concat());
        let said = text(&output.stderr);
        assert!(matches!(output.status.code(), Some(1 | 2)), "{name}: {:?} {said}", output.status);
        for part in says {
            assert!(said.contains(part), "{name}: {part:?} not in {said}");
        }
        assert!(!said.contains("panicked") && !said.contains("AKIAENV\r"), "{name}: {said}");
        assert_eq!(aws.used(), [""; 0], "{name}");
    }
}

#[test]
fn a_refusal_is_told_as_what_it_is() {
    const USER: &str =
        "User: arn:aws:iam::123456789012:user/op is not authorized to perform: iot:DescribeThing";
    for (name, answer, says) in [
        (
            "a proxy's page",
            answer(
                403,
                "content-type: text/html\r\n",
                "<html><title>Blocked by policy</title>\u{1b}[2J</html>",
            ),
            &["does not come from AWS", "HTTPS_PROXY", "Blocked by policy"][..],
        ),
        (
            "the clock",
            aws_error(
                403,
                "InvalidSignatureException",
                "Signature expired: 20240101T000000Z is now earlier than",
            ),
            &["clock is wrong", "Mon, 01 Jan 2024"],
        ),
        ("skew", aws_error(403, "RequestTimeTooSkewed", "too far"), &["clock is wrong"]),
        ("not activated", aws_error(403, "OptInRequired", "not opted in"), &["not activated"]),
        (
            "an organization's policy",
            aws_error(
                403,
                "AccessDeniedException",
                &format!("{USER} with an explicit deny in a service control policy"),
            ),
            &["service control policy (SCP)", "administers"],
        ),
        (
            "a Deny of the operator's own",
            aws_error(
                403,
                "AccessDeniedException",
                &format!("{USER} with an explicit deny in an identity-based policy"),
            ),
            &["Deny statement", "MFA"],
        ),
        (
            "a missing permission",
            aws_error(
                403,
                "AccessDeniedException",
                &format!("{USER} because no identity-based policy allows it"),
            ),
            &["allow iot:DescribeThing"],
        ),
        ("an escape", aws_error(400, "InvalidRequestException", "no \\u001b[2Jway"), &["\\u{1b}[2Jway"]),
    ] {
        let aws = SameAnswer::start(answer);
        let operator = operator(&[("AWS_ACCESS_KEY_ID", "AKIAENV"), ("AWS_SECRET_ACCESS_KEY", "x")]);
        let output = operator.run(&[&PLAN[..], &["--endpoint-url", &aws.url]].concat());
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{name}: {said}");
        for part in says {
            assert!(said.contains(part), "{name}: {part:?} not in {said}");
        }
        let advises = said.contains("in the operator's IAM policy (");
        assert_eq!(advises, name == "a missing permission", "{name}: {said}");
        assert!(!said.contains(['\u{1b}', '\r']), "{name}: {said:?}");
    }
}
