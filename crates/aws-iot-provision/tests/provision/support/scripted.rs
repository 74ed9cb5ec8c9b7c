//! A control plane that says what a test wants said, for answers that a good one does not give on request.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Answers by the beginning of the request line, first match first; what nothing matches gets AWS's answer of the good
/// case. Its thread ends with the process.
pub(crate) struct Scripted {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

/// An answer: HTTP status, AWS's name of the error (empty for none), JSON body.
#[derive(Clone, Copy)]
pub(crate) struct Answer(pub(crate) u16, pub(crate) &'static str, pub(crate) &'static str);

pub(crate) const ID: &str = "00000000000000000000000000000000000000000000000000000000000000aa";

const GOOD: [(&str, Answer); 13] = [
    (
        "POST / ",
        Answer(
            200,
            "",
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
             <Arn>arn:aws:iam::123456789012:user/op</Arn><UserId>A</UserId><Account>123456789012</Account>\
             </GetCallerIdentityResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></GetCallerIdentityResponse>",
        ),
    ),
    ("PUT /certificates/", Answer(200, "", "{}")),
    ("GET /things/", Answer(404, "ResourceNotFoundException", r#"{"message":"no such thing"}"#)),
    ("GET /policies/", Answer(404, "ResourceNotFoundException", r#"{"message":"no such policy"}"#)),
    ("GET /principals/things-v2", Answer(200, "", r#"{"principalThingObjects":[]}"#)),
    ("POST /attached-policies/", Answer(200, "", r#"{"policies":[]}"#)),
    ("GET /certificates/", Answer(404, "ResourceNotFoundException", r#"{"message":"no such certificate"}"#)),
    (
        "POST /things/",
        Answer(200, "", r#"{"thingName":"dev1","thingArn":"arn:aws:iot:us-east-1:123456789012:thing/dev1"}"#),
    ),
    ("POST /policies/", Answer(200, "", r#"{"policyName":"devices"}"#)),
    (
        "POST /certificate/register-no-ca",
        Answer(
            200,
            "",
            r#"{"certificateId":"00000000000000000000000000000000000000000000000000000000000000aa","certificateArn":"arn:aws:iot:us-east-1:123456789012:cert/aa"}"#,
        ),
    ),
    ("PUT /target-policies/", Answer(200, "", "")),
    ("PUT /things/", Answer(200, "", "{}")),
    ("GET /endpoint", Answer(200, "", r#"{"endpointAddress":"example-ats.iot.us-east-1.amazonaws.com"}"#)),
];

impl Scripted {
    pub(crate) fn start(script: Vec<(&'static str, Answer)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                answer(stream, &script, &seen);
            }
        });
        Self { url, requests }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The request lines so far, without `HTTP/1.1`.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn answer(stream: TcpStream, script: &[(&str, Answer)], seen: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        match line.trim_end() {
            "" => break,
            text => lines.push(text.to_owned()),
        }
    }
    let length = lines
        .iter()
        .find_map(|line| {
            line.to_ascii_lowercase().strip_prefix("content-length:").map(|n| n.trim().parse().unwrap())
        })
        .unwrap_or(0);
    reader.read_exact(&mut vec![0; length]).unwrap();

    let request = lines[0].trim_end_matches(" HTTP/1.1").to_owned();
    let known =
        script.iter().chain(&GOOD).find(|(beginning, _)| format!("{request} ").starts_with(beginning));
    let Answer(status, error, body) = known.unwrap_or_else(|| panic!("unexpected request {request}")).1;
    seen.lock().unwrap().push(request);
    let error = if error.is_empty() { String::new() } else { format!("x-amzn-errortype: {error}\r\n") };
    let _ = write!(
        reader.get_mut(),
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nx-amzn-requestid: req-1\r\n{error}\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
}
