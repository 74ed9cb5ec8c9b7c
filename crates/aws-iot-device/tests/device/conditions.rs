//! Each request of each service, under each condition that a device meets. What is not here has its reason:
//!
//! - Answers out of order: AWS IoT gives no client token for commands and fleet provisioning, and both ask for one thing at a time.
//!   An answer that comes late is in `command_reports`.
//! - A command report that AWS IoT throttles is sent again: `command_reports`.
//! - The policy that grants no more than `policy device` writes: `device_services` of the command `se050-iot`, with the policies that
//!   it makes itself, and `commands`, `credentials`, `provisioning` and the tests with ministack here.
//! - The credential provider is asked over HTTPS, once a connection: no order, no double, no session. Its conditions are in
//!   `credentials`.

use std::sync::Arc;
use std::time::Duration;

use aws_iot_device::{
    CommandResult, Commands, Error, FleetProvisioning, IssuedCertificate, Job, Jobs, Shadow, ShadowUpdate,
    StatusDetails,
};
use aws_iot_mqtt::{Client, DisconnectReason, QoS};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::line::Line;
use crate::support::script::{Script, Service};
use crate::support::{PATIENCE, block_on, soon};

/// How long an answer is waited for that does not come: on a busy machine, the subscription to the answers fits in.
const SHORT: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    GetShadow,
    UpdateShadow,
    UpdateShadowVersion,
    DeleteShadow,
    StartNextJob,
    ListJobs,
    DescribeJob,
    UpdateJob,
    ReportCommand,
    CreateCertificate,
    RegisterThing,
}

use Call::*;

const CALLS: [Call; 11] = [
    GetShadow,
    UpdateShadow,
    UpdateShadowVersion,
    DeleteShadow,
    StartNextJob,
    ListJobs,
    DescribeJob,
    UpdateJob,
    ReportCommand,
    CreateCertificate,
    RegisterThing,
];

impl Call {
    /// A thing of its own, so that all can be tried beside each other.
    fn thing(self) -> String {
        format!("thing-{self:?}")
    }

    fn topic(self) -> String {
        let thing = self.thing();
        match self {
            GetShadow => format!("$aws/things/{thing}/shadow/get"),
            UpdateShadow | UpdateShadowVersion => format!("$aws/things/{thing}/shadow/update"),
            DeleteShadow => format!("$aws/things/{thing}/shadow/delete"),
            StartNextJob => format!("$aws/things/{thing}/jobs/start-next"),
            ListJobs => format!("$aws/things/{thing}/jobs/get"),
            DescribeJob => format!("$aws/things/{thing}/jobs/job-1/get"),
            UpdateJob => format!("$aws/things/{thing}/jobs/job-1/update"),
            ReportCommand => format!("$aws/commands/things/{thing}/executions/e-1/response/json"),
            CreateCertificate => "$aws/certificates/create-from-csr/json".to_owned(),
            RegisterThing => "$aws/provisioning-templates/gateways/provision/json".to_owned(),
        }
    }

    fn answers(self, outcome: &str) -> String {
        match self {
            ReportCommand => self.topic().replace("response/json", &format!("response/{outcome}/json")),
            _ => format!("{}/{outcome}", self.topic()),
        }
    }

    fn has_token(self) -> bool {
        !matches!(self, ReportCommand | CreateCertificate | RegisterThing)
    }

    /// Whether it is sent again when its answer may be lost: what would do harm the second time is not.
    fn is_repeated(self) -> bool {
        !matches!(self, UpdateShadowVersion | DeleteShadow | CreateCertificate | RegisterThing)
    }

    /// What the service says when it has done it; the device finds the number in it, where there is room for one.
    fn accepted(self, number: u64) -> Value {
        let job = json!({"jobId": "job-1", "status": "IN_PROGRESS", "versionNumber": number});
        match self {
            GetShadow => json!({"state": {}, "version": number}),
            UpdateShadow | UpdateShadowVersion => json!({"state": {}, "version": number}),
            StartNextJob | DescribeJob => json!({ "execution": job }),
            ListJobs => json!({"queuedJobs": [{"jobId": "job-1", "queuedAt": number}], "inProgressJobs": []}),
            CreateCertificate => {
                json!({"certificateId": number.to_string(), "certificatePem": "", "certificateOwnershipToken": "t"})
            }
            RegisterThing => json!({"thingName": number.to_string(), "deviceConfiguration": {}}),
            DeleteShadow | UpdateJob | ReportCommand => json!({}),
        }
    }

    fn rejected(self, code: &str) -> Value {
        match self {
            GetShadow | UpdateShadow | UpdateShadowVersion | DeleteShadow => {
                json!({"code": code.parse::<u64>().unwrap(), "message": "why"})
            }
            StartNextJob | ListJobs | DescribeJob | UpdateJob => json!({"code": code, "message": "why"}),
            ReportCommand => json!({"error": code, "errorMessage": "why"}),
            CreateCertificate | RegisterThing => {
                json!({"statusCode": 400, "errorCode": code, "errorMessage": "why"})
            }
        }
    }

    /// Each code of a refusal, and whether the same request may succeed later.
    fn codes(self) -> Vec<(&'static str, bool)> {
        let shadow = [400, 401, 403, 404, 409, 413, 415, 429, 500];
        let lasting = [
            "InvalidTopic",
            "InvalidJson",
            "InvalidRequest",
            "InvalidStateTransition",
            "ResourceNotFound",
            "VersionMismatch",
            "TerminalStateReached",
        ];
        let passing = ["InternalError", "RequestThrottled", "DataConflict"].map(|code| (code, true));
        match self {
            GetShadow | UpdateShadow | UpdateShadowVersion | DeleteShadow => {
                let names = ["400", "401", "403", "404", "409", "413", "415", "429", "500"];
                names.into_iter().zip(shadow).map(|(name, code)| (name, matches!(code, 429 | 500))).collect()
            }
            StartNextJob | ListJobs | DescribeJob | UpdateJob => {
                lasting.map(|code| (code, false)).into_iter().chain(passing).collect()
            }
            ReportCommand => lasting.map(|code| (code, false)).to_vec(),
            CreateCertificate | RegisterThing => {
                let codes =
                    ["InvalidPayload", "InvalidCsr", "InvalidCertificateOwnershipToken", "InvalidParameters"];
                codes.map(|code| (code, false)).to_vec()
            }
        }
    }
}

/// The device's end.
struct Device {
    shadow: Shadow,
    jobs: Jobs,
    commands: Commands,
    provisioning: FleetProvisioning,
    _directory: tempfile::TempDir,
}

impl Device {
    fn new(client: &Client, call: Call, timeout: Duration) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let thing = call.thing();
        Self {
            shadow: Shadow::classic(client, &thing).unwrap().timeout(timeout),
            jobs: Jobs::new(client, &thing).unwrap().timeout(timeout),
            commands: Commands::open(client, &thing, directory.path().join("journal"))
                .unwrap()
                .timeout(timeout),
            provisioning: FleetProvisioning::new(client, "gateways").unwrap().timeout(timeout),
            _directory: directory,
        }
    }

    /// Asks once. The number is that of the answer.
    async fn ask(&mut self, call: Call) -> Result<Option<u64>, Error> {
        let update = ShadowUpdate::new().reported(&json!({"on": true})).unwrap();
        let job: Job = serde_json::from_value(json!({"jobId": "job-1", "status": "IN_PROGRESS"})).unwrap();
        let number = |job: Job| u64::try_from(job.version_number).unwrap();
        Ok(match call {
            GetShadow => Some(self.shadow.get::<Value>().await?.version),
            UpdateShadow => Some(self.shadow.update(&update).await?),
            UpdateShadowVersion => Some(self.shadow.update(&update.version(7)).await?),
            DeleteShadow => self.shadow.delete().await.map(|()| None)?,
            StartNextJob => self.jobs.start_next().await?.map(number),
            ListJobs => u64::try_from(self.jobs.pending().await?.queued_jobs[0].queued_at).ok(),
            DescribeJob => Some(number(self.jobs.describe("job-1").await?)),
            UpdateJob => self.jobs.succeed(&job, &StatusDetails::new()).await.map(|()| None)?,
            ReportCommand => self.commands.finish("e-1", CommandResult::succeeded()).await.map(|()| None)?,
            CreateCertificate => {
                self.provisioning.create_certificate_from_csr("csr").await?.certificate_id.parse().ok()
            }
            RegisterThing => {
                let issued =
                    json!({"certificateId": "", "certificatePem": "", "certificateOwnershipToken": "t"});
                let issued: IssuedCertificate = serde_json::from_value(issued).unwrap();
                let nothing: [(&str, &str); 0] = [];
                self.provisioning.register_thing(&issued, nothing).await?.thing_name.unwrap().parse().ok()
            }
        })
    }
}

/// The number that the device finds in an answer with that number.
fn found(call: Call, number: u64) -> Option<u64> {
    (!matches!(call, DeleteShadow | UpdateJob | ReportCommand)).then_some(number)
}

impl Service {
    /// The client token of the next request.
    async fn token(&mut self) -> Value {
        self.request().await.1["clientToken"].take()
    }

    /// Answers as the service does, with the token where there is one.
    async fn answer(&self, call: Call, outcome: &str, mut answer: Value, token: &Value) {
        if call.has_token() {
            answer["clientToken"] = token.clone();
        }
        self.say(&call.answers(outcome), &answer).await;
    }

    async fn accept_next(&mut self, call: Call, number: u64) {
        let token = self.token().await;
        self.answer(call, "accepted", call.accepted(number), &token).await;
    }
}

/// Tries these calls beside each other.
fn each<F>(calls: &[Call], condition: impl Fn(Arc<Script>, Call) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let Some(script) = Script::new().map(Arc::new) else { return };
    block_on(async {
        let mut all = JoinSet::new();
        for call in calls {
            all.spawn(condition(Arc::clone(&script), *call));
        }
        // One that panics has said which call it is about.
        while let Some(ended) = all.join_next().await {
            ended.unwrap();
        }
    });
}

#[test]
fn the_connection_is_cut_in_mid_request() {
    each(&CALLS, async |script, call| {
        let line = Line::to(script.port());
        let mut service = script.service(&call.topic()).await;
        let client = script.client_on(line.port(), &call.thing()).connect().await.unwrap();
        let timeout = if call.is_repeated() { PATIENCE } else { SHORT };
        let mut device = Device::new(&client, call, timeout);
        let script = async {
            let token = service.token().await;
            // Only after the PUBACK is it sure that MQTT has nothing to repeat.
            while client.statistics().acknowledged == 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            line.cut();
            service.answer(call, "accepted", call.accepted(1), &token).await;
            line.mend();
            if call.is_repeated() {
                service.accept_next(call, 2).await;
            }
        };
        let (answer, ()) = tokio::join!(device.ask(call), script);
        if call.is_repeated() {
            assert_eq!(answer.unwrap(), found(call, 2), "{call:?}");
        } else {
            assert!(matches!(answer, Err(Error::NoAnswer { .. })), "{call:?}: {answer:?}");
            let second = tokio::time::timeout(Duration::from_millis(200), service.request()).await;
            assert!(second.is_err(), "{call:?} was sent a second time");
        }
    });
}

#[test]
fn the_process_ends_and_its_session_keeps_the_answer() {
    each(&CALLS, async |script, call| {
        let mut service = script.service(&call.topic()).await;
        let connect = || script.client(&call.thing()).persistent_session(Duration::from_secs(3600)).connect();
        let client = connect().await.unwrap();
        let mut device = Device::new(&client, call, PATIENCE);
        let token = tokio::select! {
            answer = device.ask(call) => panic!("{call:?}: {answer:?}"),
            token = service.token() => token,
        };
        // Not an UNSUBSCRIBE, which dropping the device first would be.
        client.disconnect(DisconnectReason::Normal).await.unwrap();
        drop(device);
        service.answer(call, "rejected", call.rejected(call.codes()[0].0), &token).await;
        let client = connect().await.unwrap();
        let mut device = Device::new(&client, call, PATIENCE);
        let (answer, ()) = tokio::join!(device.ask(call), service.accept_next(call, 2));
        assert_eq!(answer.unwrap(), found(call, 2), "{call:?}");
    });
}

#[test]
fn answers_come_out_of_order() {
    let calls: Vec<Call> = CALLS.into_iter().filter(|call| call.has_token()).collect();
    each(&calls, async |script, call| {
        let mut service = script.service(&call.topic()).await;
        let client = script.client(&call.thing()).connect().await.unwrap();
        let mut first = Device::new(&client, call, PATIENCE);
        let mut second = Device::new(&client, call, PATIENCE);
        let script = async {
            let (one, other) = (service.token().await, service.token().await);
            service.answer(call, "accepted", call.accepted(2), &other).await;
            service.answer(call, "rejected", call.rejected(call.codes()[0].0), &one).await;
        };
        let (first, second, ()) = tokio::join!(first.ask(call), second.ask(call), script);
        let (good, bad): (Vec<_>, Vec<_>) = [first, second].into_iter().partition(Result::is_ok);
        assert_eq!((good.len(), bad.len()), (1, 1), "{call:?}: {good:?} {bad:?}");
        assert_eq!(*good[0].as_ref().unwrap(), found(call, 2), "{call:?}");
    });
}

#[test]
fn an_answer_comes_twice() {
    each(&CALLS, async |script, call| {
        let mut service = script.service(&call.topic()).await;
        let client = script.client(&call.thing()).connect().await.unwrap();
        let marker = format!("marker/{}", call.thing());
        let mut markers = client.subscribe(&marker, QoS::AtLeastOnce).await.unwrap();
        let mut device = Device::new(&client, call, PATIENCE);
        let script = async {
            let token = service.token().await;
            for _ in 0..2 {
                service.answer(call, "accepted", call.accepted(1), &token).await;
            }
            service.say(&marker, &json!({})).await;
        };
        let (answer, ()) = tokio::join!(device.ask(call), script);
        assert_eq!(answer.unwrap(), found(call, 1), "{call:?}");
        // The second copy has come too.
        soon(markers.next()).await.unwrap();
        let refuse = async {
            let token = service.token().await;
            service.answer(call, "rejected", call.rejected(call.codes()[0].0), &token).await;
        };
        let (answer, ()) = tokio::join!(device.ask(call), refuse);
        let error = answer.expect_err("the second request was refused");
        assert!(error.to_string().contains(call.codes()[0].0), "{call:?}: {error}");
    });
}

#[test]
fn each_refusal_is_an_error_with_its_code() {
    each(&CALLS, async |script, call| {
        let mut service = script.service(&call.topic()).await;
        let client = script.client(&call.thing()).connect().await.unwrap();
        let mut device = Device::new(&client, call, PATIENCE);
        for (code, may_pass) in call.codes() {
            let refuse = async {
                let token = service.token().await;
                service.answer(call, "rejected", call.rejected(code), &token).await;
            };
            let (answer, ()) = tokio::join!(device.ask(call), refuse);
            let error = answer.unwrap_err();
            assert!(
                error.to_string().contains(code) && error.to_string().contains("why"),
                "{call:?}: {error}"
            );
            assert_eq!(error.is_transient(), may_pass, "{call:?}: {error}");
        }
    });
}

#[test]
fn no_answer_comes() {
    each(&CALLS, async |script, call| {
        let client = script.client(&call.thing()).connect().await.unwrap();
        let error = Device::new(&client, call, SHORT).ask(call).await.unwrap_err();
        assert!(matches!(error, Error::NoAnswer { offline: None, .. }), "{call:?}: {error:?}");
        assert!(error.is_transient() && error.to_string().contains("iot:Receive"), "{call:?}: {error}");
    });
}

#[test]
fn fifty_subscriptions_are_used_already() {
    each(&[GetShadow, StartNextJob, ReportCommand, CreateCertificate], async |script, call| {
        let mut service = script.service(&call.topic()).await;
        let client = script.client(&call.thing()).connect().await.unwrap();
        let mut held = Vec::new();
        for number in 0..50 {
            held.push(client.subscribe(format!("t/{number}"), QoS::AtLeastOnce).await.unwrap());
        }
        let mut device = Device::new(&client, call, PATIENCE);
        let error = device.ask(call).await.unwrap_err();
        let Error::Mqtt { source, .. } = &error else { panic!("{call:?}: {error:?}") };
        assert!(matches!(**source, aws_iot_mqtt::Error::Limit { .. }), "{call:?}: {source}");
        for number in 0..4 {
            client.unsubscribe(format!("t/{number}")).await.unwrap();
        }
        let (answer, ()) = tokio::join!(device.ask(call), service.accept_next(call, 2));
        assert_eq!(answer.unwrap(), found(call, 2), "{call:?}");
    });
}

#[test]
fn the_subscription_to_the_answers_is_lost_between_two_requests() {
    let calls: Vec<Call> =
        CALLS.into_iter().filter(|call| !matches!(call, CreateCertificate | RegisterThing)).collect();
    each(&calls, async |script, call| {
        let mut service = script.service(&call.topic()).await;
        let client = script.client(&call.thing()).connect().await.unwrap();
        let mut device = Device::new(&client, call, PATIENCE);
        let (answer, ()) = tokio::join!(device.ask(call), service.accept_next(call, 1));
        answer.unwrap();
        let thing = call.thing();
        let filter = match call {
            ReportCommand => format!("$aws/commands/things/{thing}/executions/+/response/accepted/json"),
            StartNextJob | ListJobs => format!("$aws/things/{thing}/jobs/+/accepted"),
            DescribeJob | UpdateJob => format!("$aws/things/{thing}/jobs/+/+/accepted"),
            _ => format!("$aws/things/{thing}/shadow/+/accepted"),
        };
        client.unsubscribe(filter).await.unwrap();
        let (answer, ()) = tokio::join!(device.ask(call), service.accept_next(call, 2));
        assert_eq!(answer.unwrap(), found(call, 2), "{call:?}");
    });
}
