//! Reports of commands, against a service that follows a script.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use aws_iot_device::{CommandResult, Commands, Error, RejectedErrorCode};
use aws_iot_mqtt::{Builder, Client, Message, Messages};
use serde_json::json;

use crate::support::script::{Script, Service};
use crate::support::{block_on, connected, soon};

/// How long an answer is waited for that does not come: on a busy machine, the subscription to the answers fits in.
const SHORT: Duration = Duration::from_secs(4);

struct Bench {
    script: Script,
    directory: tempfile::TempDir,
}

impl Bench {
    fn new() -> Option<Self> {
        Some(Self { script: Script::new()?, directory: tempfile::tempdir().unwrap() })
    }

    async fn service(&self) -> Service {
        self.script.service("$aws/commands/things/device-1/executions/+/response/json").await
    }

    async fn device(&self) -> Device {
        let builder = Commands::subscriptions("device-1")
            .unwrap()
            .into_iter()
            .fold(self.script.client("device-1"), Builder::subscribe);
        let client = connected(builder).await;
        let messages = client.messages().unwrap();
        let commands = Commands::open(&client, "device-1", self.directory.path().join("journal")).unwrap();
        Device { client, messages, commands }
    }

    /// A service, a device that waits for an answer no longer than [`SHORT`], and a command that has come to it.
    async fn command(&self) -> (Service, Device, Message) {
        let service = self.service().await;
        let mut device = self.device().await;
        device.commands = device.commands.timeout(SHORT);
        let message = device.receive(&service).await;
        (service, device, message)
    }
}

struct Device {
    client: Client,
    messages: Messages,
    commands: Commands,
}

impl Device {
    /// The service starts a command, and it comes.
    async fn receive(&mut self, service: &Service) -> Message {
        service.start("e-1").await;
        soon(self.messages.next()).await.unwrap()
    }

    /// Ends, and begins as a new process does.
    async fn restarted(self, bench: &Bench) -> Self {
        self.client.disconnect(Default::default()).await.unwrap();
        drop(self);
        bench.device().await
    }
}

impl Service {
    async fn start(&self, execution: &str) {
        self.say(&format!("$aws/commands/things/device-1/executions/{execution}/request/json"), &json!({}))
            .await;
    }

    /// The next report; the topic of its answers and its status.
    async fn report(&mut self) -> (String, String) {
        let (topic, report) = self.request().await;
        (topic.strip_suffix("/json").unwrap().to_owned(), report["status"].as_str().unwrap().to_owned())
    }

    async fn accept(&self, answers: &str) {
        self.say(&format!("{answers}/accepted/json"), &json!({})).await;
    }

    async fn reject(&self, answers: &str, code: &str) {
        self.say(&format!("{answers}/rejected/json"), &json!({"error": code, "errorMessage": "why"})).await;
    }
}

#[test]
fn a_report_that_meets_another_one_is_sent_again_and_a_doubled_answer_does_no_harm() {
    let Some(bench) = Bench::new() else { return };
    block_on(async {
        let mut service = bench.service().await;
        let mut device = bench.device().await;
        let message = device.receive(&service).await;
        let commands = &mut device.commands;
        let answers = async {
            let mut counts = BTreeMap::new();
            // "AWS IoT commands troubleshooting", DataConflict: for both, once.
            for code in [Some("DataConflict"), None, Some("RequestThrottled"), None] {
                let (answers, status) = service.report().await;
                *counts.entry(status).or_insert(0) += 1;
                match code {
                    Some(code) => service.reject(&answers, code).await,
                    None => service.accept(&answers).await,
                }
                if counts.values().sum::<u32>() == 4 {
                    service.accept(&answers).await;
                }
            }
            counts
        };
        let handled = commands.handle(&message, |_| async { CommandResult::succeeded() });
        let (handled, counts) = tokio::join!(handled, answers);
        assert!(handled.unwrap());
        assert_eq!(counts, BTreeMap::from([("IN_PROGRESS".to_owned(), 2), ("SUCCEEDED".to_owned(), 2)]));
        commands.report_unfinished().await.unwrap();
    });
}

#[test]
fn a_result_that_nobody_answers_is_kept_and_reported_later() {
    let Some(bench) = Bench::new() else { return };
    block_on(async {
        let (mut service, mut device, message) = bench.command().await;
        let commands = &mut device.commands;
        let error = commands.handle(&message, |_| async { CommandResult::succeeded() }).await.unwrap_err();
        assert!(matches!(error, Error::NoAnswer { .. }), "{error}");
        assert_eq!(
            (service.report().await.1, service.report().await.1),
            ("IN_PROGRESS".to_owned(), "SUCCEEDED".to_owned())
        );
        let mut device = device.restarted(&bench).await;
        let commands = &mut device.commands;
        let answer = async {
            let (answers, status) = service.report().await;
            service.accept(&answers).await;
            status
        };
        let (reported, status) = tokio::join!(commands.report_unfinished(), answer);
        reported.unwrap();
        assert_eq!(status, "SUCCEEDED", "what it was, and not a failure");
        commands.report_unfinished().await.unwrap();
    });
}

#[test]
fn a_late_answer_to_an_earlier_report_is_not_taken_for_that_to_the_result() {
    let Some(bench) = Bench::new() else { return };
    block_on(async {
        let (mut service, mut device, message) = bench.command().await;
        let commands = &mut device.commands;
        let results = Cell::new(0);
        // It has no end: whoever is told that the result was taken reports no more.
        let script = async {
            let (answers, status) = service.report().await;
            assert_eq!(status, "IN_PROGRESS");
            // Its answer comes only after the device has given up, and the result has been sent, which AWS IoT throttles.
            assert_eq!(service.report().await.1, "SUCCEEDED");
            service.accept(&answers).await;
            service.reject(&answers, "RequestThrottled").await;
            // From here on it takes the result, once.
            loop {
                assert_eq!(service.report().await.1, "SUCCEEDED");
                match results.replace(results.get() + 1) {
                    0 => service.accept(&answers).await,
                    _ => service.reject(&answers, "TerminalStateReached").await,
                }
            }
        };
        let handled = commands.handle(&message, |_| async { CommandResult::succeeded() });
        tokio::select! {
            handled = handled => assert!(handled.unwrap()),
            () = script => {}
        }
        assert!(results.get() >= 1, "the result was lost");
        // Nothing is left to report.
        commands.report_unfinished().await.unwrap();
        device.client.disconnect(Default::default()).await.unwrap();
    });
}

#[test]
fn an_answer_to_the_earlier_process_is_not_taken_for_that_to_the_failure() {
    let Some(bench) = Bench::new() else { return };
    block_on(async {
        let (mut service, mut device, message) = bench.command().await;
        let commands = &mut device.commands;
        assert!(commands.begin(&message).await.unwrap().is_some());
        let (answers, status) = service.report().await;
        assert_eq!(status, "IN_PROGRESS");
        let mut device = device.restarted(&bench).await;
        let commands = &mut device.commands;
        let script = async {
            assert_eq!(service.report().await.1, "FAILED");
            // Only now it answers IN_PROGRESS; it had no room for FAILED.
            service.accept(&answers).await;
            assert_eq!(service.report().await.1, "FAILED", "the end was lost");
            service.accept(&answers).await;
        };
        let (reported, ()) = tokio::join!(commands.report_unfinished(), script);
        reported.unwrap();
        commands.report_unfinished().await.unwrap();
    });
}

#[test]
fn a_result_that_aws_iot_had_taken_without_the_device_hearing_of_it_is_reported() {
    let Some(bench) = Bench::new() else { return };
    block_on(async {
        let (mut service, mut device, message) = bench.command().await;
        let commands = &mut device.commands;
        let accept_first = async {
            let (answers, _) = service.report().await;
            service.accept(&answers).await;
        };
        let handled = commands.handle(&message, |_| async { CommandResult::succeeded() });
        let (handled, ()) = tokio::join!(handled, accept_first);
        assert!(matches!(handled, Err(Error::NoAnswer { .. })), "{handled:?}");
        service.report().await;
        let mut device = device.restarted(&bench).await;
        let commands = &mut device.commands;
        let refuse = async {
            let (answers, _) = service.report().await;
            service.reject(&answers, "TerminalStateReached").await;
        };
        let (reported, ()) = tokio::join!(commands.report_unfinished(), refuse);
        reported.unwrap();
    });
}

#[test]
fn each_code_of_a_refused_report_has_its_name() {
    let Some(bench) = Bench::new() else { return };
    block_on(async {
        let mut service = bench.service().await;
        let mut device = bench.device().await;
        let commands = &mut device.commands;
        for (text, expected) in [
            ("InvalidTopic", RejectedErrorCode::InvalidTopic),
            ("InvalidJson", RejectedErrorCode::InvalidJson),
            ("InvalidRequest", RejectedErrorCode::InvalidRequest),
            ("InvalidStateTransition", RejectedErrorCode::InvalidStateTransition),
            ("ResourceNotFound", RejectedErrorCode::ResourceNotFound),
            ("VersionMismatch", RejectedErrorCode::VersionMismatch),
            ("TerminalStateReached", RejectedErrorCode::TerminalStateReached),
            ("SomethingNew", RejectedErrorCode::Other("SomethingNew".to_owned())),
        ] {
            let answer = async {
                let (answers, _) = service.report().await;
                service.reject(&answers, text).await;
            };
            let (error, ()) = tokio::join!(commands.finish(text, CommandResult::succeeded()), answer);
            let error = error.unwrap_err();
            let Error::CommandRejected { code, message, .. } = &error else { panic!("{error:?}") };
            assert_eq!((code, message.as_str()), (&expected, "why"), "{error}");
        }
    });
}
