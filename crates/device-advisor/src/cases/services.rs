//! Device Shadow and Jobs: the judge plays AWS's side of these services.
//!
//! Source of the topics and documents: AWS IoT Core Developer Guide, "Device Shadow MQTT topics" and "Jobs device MQTT API operations".

use std::time::Instant;

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use crate::connection::Connection;
use crate::device::Role;
use crate::judge::Judge;
use crate::packet::{self, Packet, Publish};
use crate::verdict::Finding;

/// The desired state of Shadow_Update_Reported_State: AWS leaves it to whoever runs the case. Ours is one for examples/shadow.
const DESIRED: (&str, bool) = ("on", true);

const JOB: &str = "advisor-job";

/// After it has connected, the device publishes its reported state.
pub(super) fn publish_reported(judge: &mut Judge<'_>) -> anyhow::Result<Finding> {
    let Some(mut shadow) = Service::start(judge, Role::Shadow)? else {
        return Ok(Finding::not_applicable("no program of this device has a shadow"));
    };
    let reported = shadow.answer_until(|request| Some(request.body.pointer("/state/reported")?.clone()))?;
    Ok(Finding::pass(format!("reported {reported}")))
}

/// A state is desired that differs: the device takes it, and reports it.
pub(super) fn update_reported(judge: &mut Judge<'_>) -> anyhow::Result<Finding> {
    let Some(mut shadow) = Service::start(judge, Role::Shadow)? else {
        return Ok(Finding::not_applicable("no program of this device has a shadow"));
    };
    let topic = shadow.answer_until(|request| {
        request.body.pointer("/state/reported")?;
        Some(request.topic.clone())
    })?;
    let sent = Instant::now();
    let (name, wanted) = DESIRED;
    let delta = json!({"version": 1000, "timestamp": 0, "state": {name: wanted}, "metadata": {name: {"timestamp": 0}}});
    shadow.send(&format!("{topic}/delta"), &delta)?;
    shadow.answer_until(|request| {
        let reported = request.body.pointer("/state/reported")?.get(name)?;
        (*reported == Value::Bool(wanted)).then_some(())
    })?;
    Ok(Finding::pass(format!("{name} {wanted} desired, reported after {} ms", sent.elapsed().as_millis())))
}

/// A job is there: the device starts it, and reports that it has succeeded.
pub(super) fn job_execution(judge: &mut Judge<'_>) -> anyhow::Result<Finding> {
    let Some(mut jobs) = Service::start(judge, Role::Jobs)? else {
        return Ok(Finding::not_applicable("no program of this device runs jobs"));
    };
    let mut path = Vec::new();
    let last = jobs.answer_until(|request| {
        let status = request.body.get("status")?.as_str()?;
        path.push(status.to_owned());
        ["SUCCEEDED", "FAILED", "REJECTED"].contains(&status).then(|| status.to_owned())
    })?;
    let evidence = path.join(", ");
    Ok(if last == "SUCCEEDED" { Finding::pass(evidence) } else { Finding::fail(evidence) })
}

/// AWS's side of one connection.
struct Service {
    connection: Connection,
    until: Instant,
    last_id: u16,
    version: u64,
    /// Whether the device has finished the job.
    done: bool,
}

/// A request of the device.
struct Request {
    topic: String,
    body: Value,
}

impl Service {
    /// Starts the device's program and lets it in, or gives `None` where the device has no such program.
    fn start(judge: &mut Judge<'_>, role: Role) -> anyhow::Result<Option<Self>> {
        if !judge.has(role) {
            return Ok(None);
        }
        judge.start(role)?;
        let until = judge.until();
        let (connection, _) = judge.accepted(false)?;
        Ok(Some(Self { connection, until, last_id: 0, version: 0, done: false }))
    }

    /// Answers requests until one is what `wanted` looks for, which is answered as well.
    fn answer_until<T>(&mut self, mut wanted: impl FnMut(&Request) -> Option<T>) -> anyhow::Result<T> {
        loop {
            let publish =
                self.connection.serve_until(self.until, publication).context("the device's next request")?;
            let Ok(body) =
                serde_json::from_slice(if publish.payload.is_empty() { b"{}" } else { &publish.payload })
            else {
                anyhow::bail!("{} carries no JSON", publish.topic);
            };
            let request = Request { topic: publish.topic, body };
            let found = wanted(&request);
            self.answer(&request)?;
            if let Some(found) = found {
                return Ok(found);
            }
        }
    }

    fn answer(&mut self, request: &Request) -> anyhow::Result<()> {
        let token = request.body.get("clientToken").cloned();
        let answered = |mut answer: Value| {
            if let (Some(token), Some(answer)) = (token, answer.as_object_mut()) {
                answer.insert("clientToken".to_owned(), token);
            }
            answer
        };
        let topic = &request.topic;
        match topic.rsplit_once('/').unwrap_or(("", topic)) {
            (base, "get") if is_shadow(base) => {
                let nothing = json!({"code": 404, "message": "No shadow exists with that name"});
                self.send(&format!("{topic}/rejected"), &answered(nothing))
            }
            (base, "update") if is_shadow(base) => {
                self.version += 1;
                let state = request.body.get("state").cloned().unwrap_or_default();
                let answer = json!({"state": state, "metadata": {}, "version": self.version, "timestamp": 0});
                self.send(&format!("{topic}/accepted"), &answered(answer))
            }
            (base, verb @ ("start-next" | "get")) if base.contains("/jobs") => {
                let status = if verb == "get" { "QUEUED" } else { "IN_PROGRESS" };
                let mut answer = Map::new();
                answer.insert("timestamp".to_owned(), 0.into());
                if !self.done {
                    answer.insert("execution".to_owned(), execution(status, base));
                }
                self.send(&format!("{topic}/accepted"), &answered(answer.into()))
            }
            (base, "update") if base.ends_with(&format!("/jobs/{JOB}")) => {
                self.done = request.body.get("status").is_some_and(|status| status != "IN_PROGRESS");
                self.send(&format!("{topic}/accepted"), &answered(json!({"timestamp": 0})))
            }
            _ => Ok(()),
        }
    }

    fn send(&mut self, topic: &str, answer: &Value) -> anyhow::Result<()> {
        self.last_id += 1;
        let message =
            packet::publish(self.connection.level(), topic, self.last_id, answer.to_string().as_bytes());
        Ok(self.connection.send(&message)?)
    }
}

/// Whether a topic up to its last level is that of a shadow, classic or named.
fn is_shadow(base: &str) -> bool {
    base.ends_with("/shadow") || base.contains("/shadow/name/")
}

/// The execution of the one job, with a document for examples/jobs.
fn execution(status: &str, base: &str) -> Value {
    let thing = base.strip_prefix("$aws/things/").and_then(|rest| rest.split('/').next()).unwrap_or_default();
    json!({
        "jobId": JOB, "thingName": thing, "status": status, "queuedAt": 0, "startedAt": 0, "lastUpdatedAt": 0,
        "versionNumber": 1, "executionNumber": 1, "jobDocument": {"steps": ["download", "install"]},
    })
}

fn publication(packet: &Packet) -> Option<Publish> {
    match packet {
        Packet::Publish(publish) if publish.topic.starts_with("$aws/things/") => Some(publish.clone()),
        _ => None,
    }
}
