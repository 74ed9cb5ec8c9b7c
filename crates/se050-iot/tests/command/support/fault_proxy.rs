//! An HTTP proxy in front of a control plane that spoils some of the calls, each in one of the ways in which a network
//! or AWS may.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It goes through.
    None,
    /// AWS has an internal error, and nothing took effect.
    InternalError,
    /// AWS says that calls come too fast.
    Throttled,
    /// The connection ends before the call arrives.
    LostBefore,
    /// The call takes effect, and its answer is lost.
    LostAfter,
    /// The call takes effect, and its answer never comes.
    NoAnswer,
    /// AWS still counts as attached what was detached a moment ago, and does not delete it.
    NotSettled,
}

/// Its threads end with the process.
pub(crate) struct FaultProxy {
    url: String,
    /// The request line of each call so far.
    calls: Arc<Mutex<Vec<String>>>,
}

impl FaultProxy {
    /// In front of the control plane at `upstream` (`http://HOST:PORT`); `fault` decides by the number of the call,
    /// counted from 0, and its request line.
    pub(crate) fn start(
        upstream: &str,
        fault: impl Fn(usize, &str) -> Fault + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let upstream = upstream.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let calls = Arc::default();
        let (seen, fault) = (Arc::clone(&calls), Arc::new(fault));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (upstream, seen, fault) = (upstream.clone(), Arc::clone(&seen), Arc::clone(&fault));
                // A connection that breaks is nothing to the proxy.
                thread::spawn(move || one_call(client, &upstream, &seen, &*fault));
            }
        });
        Self { url, calls }
    }

    /// How many calls came so far.
    pub(crate) fn calls(&self) -> usize {
        self.calls.lock().unwrap().len()
    }

    /// The numbers of the calls that change something. AWS's older lists and AWS STS are POST requests, too.
    pub(crate) fn writes(&self) -> Vec<usize> {
        let reads = ["GET ", "POST / ", "POST /attached-policies/", "POST /policy-targets/"];
        let calls = self.calls.lock().unwrap();
        let is_write = |call: &String| !reads.iter().any(|read| call.starts_with(read));
        calls.iter().enumerate().filter(|(_, call)| is_write(call)).map(|(number, _)| number).collect()
    }

    /// The environment, with this proxy in the control plane's place.
    pub(crate) fn environment(&self, of: Vec<(String, String)>) -> Vec<(String, String)> {
        let instead = |(name, value): (String, String)| {
            let value = if name.starts_with("AWS_ENDPOINT_URL") { self.url.clone() } else { value };
            (name, value)
        };
        of.into_iter().map(instead).collect()
    }
}

fn one_call(
    client: TcpStream,
    upstream: &str,
    seen: &Mutex<Vec<String>>,
    fault: &(dyn Fn(usize, &str) -> Fault + Send + Sync),
) -> Option<()> {
    let mut reader = BufReader::new(client);
    let mut head = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.trim().is_empty() {
            break;
        }
        if !lower.starts_with("connection:") {
            head.push_str(&line);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let mut client = reader.into_inner();

    let line = head.lines().next()?.to_owned();
    let number = {
        let mut seen = seen.lock().unwrap();
        seen.push(line.clone());
        seen.len() - 1
    };
    let fault = fault(number, &line);
    match fault {
        Fault::LostBefore => return None,
        Fault::InternalError => return refuse(&mut client, 500, "InternalFailureException"),
        Fault::NotSettled if line.starts_with("DELETE /things/") => {
            return refuse(&mut client, 400, "InvalidRequestException");
        }
        Fault::NotSettled => return refuse(&mut client, 409, "DeleteConflictException"),
        Fault::Throttled => return refuse(&mut client, 429, "ThrottlingException"),
        Fault::None | Fault::LostAfter | Fault::NoAnswer => {}
    }
    let mut server = TcpStream::connect(upstream).ok()?;
    server.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes()).ok()?;
    server.write_all(&body).ok()?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).ok()?;
    match fault {
        Fault::LostAfter => None,
        // The client gives up and closes.
        Fault::NoAnswer => client.read_to_end(&mut Vec::new()).ok().map(drop),
        _ => client.write_all(&answer).ok(),
    }
}

fn refuse(client: &mut TcpStream, status: u16, error: &str) -> Option<()> {
    let body = r#"{"message":"injected by the test"}"#;
    let answer = format!(
        "HTTP/1.1 {status} X\r\nx-amzn-errortype: {error}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    client.write_all(answer.as_bytes()).ok()
}
