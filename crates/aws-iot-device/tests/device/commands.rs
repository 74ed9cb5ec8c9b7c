//! Commands, against the simulated AWS IoT Core, which is told by the real AWS CLI what to send; and against a script.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_iot_device::{CommandResult, Commands, Error, RejectedErrorCode};
use aws_iot_mqtt::{Builder, Messages};
use serde_json::{Value, json};
use test_peers::{AwsCli, aws_cli, output_of};

use crate::support::cloud::Cloud;
use crate::support::{PATIENCE, block_on, connected, soon};

const THING: &str = "arn:aws:iot:us-east-1:123456789012:thing/device-1";
const COMMAND: &str = "arn:aws:iot:us-east-1:123456789012:command/reboot";

/// What `se050-iot policy device --commands` grants.
const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[
{"Effect":"Allow","Action":"iot:Connect","Resource":"arn:aws:iot:us-east-1:123456789012:client/${iot:Connection.Thing.ThingName}"},
{"Effect":"Allow","Action":["iot:Publish","iot:Receive"],
"Resource":"arn:aws:iot:us-east-1:123456789012:topic/$aws/commands/things/${iot:Connection.Thing.ThingName}/executions/*"},
{"Effect":"Allow","Action":"iot:Subscribe",
"Resource":"arn:aws:iot:us-east-1:123456789012:topicfilter/$aws/commands/things/${iot:Connection.Thing.ThingName}/executions/*"}]}"#;

struct Bench {
    cloud: Cloud,
    cli: AwsCli,
    directory: tempfile::TempDir,
}

impl Bench {
    fn new() -> Option<Self> {
        let cloud = Cloud::with_policy(POLICY);
        let cli = aws_cli(cloud.sim.environment())?;
        let bench = Self { cloud, cli, directory: tempfile::tempdir().unwrap() };
        let payload = r#"{"content":"{\"seconds\":5}","contentType":"application/json"}"#;
        bench.aws(&["iot", "create-command", "--command-id", "reboot", "--payload", payload]);
        Some(bench)
    }

    fn aws(&self, arguments: &[&str]) -> Value {
        let output = output_of(&mut self.cli.command(["--output", "json"].iter().chain(arguments)));
        if output.is_empty() { Value::Null } else { serde_json::from_slice(&output).unwrap() }
    }

    /// Starts the command; its execution's id.
    fn start(&self) -> String {
        let arguments =
            ["iot-jobs-data", "start-command-execution", "--target-arn", THING, "--command-arn", COMMAND];
        let started = self.aws(&[&arguments[..], &["--execution-timeout-seconds", "300"]].concat());
        started["executionId"].as_str().unwrap().to_owned()
    }

    fn execution(&self, id: &str) -> Value {
        self.aws(&["iot", "get-command-execution", "--execution-id", id, "--target-arn", THING])
    }

    fn journal(&self) -> PathBuf {
        self.directory.path().join("commands.journal")
    }

    fn builder(&self) -> Builder {
        let builder = self.cloud.client().persistent_session(Duration::from_secs(3600));
        Commands::subscriptions("device-1").unwrap().into_iter().fold(builder, Builder::subscribe)
    }

    /// A device that is connected.
    async fn device(&self) -> (aws_iot_mqtt::Client, Messages, Commands) {
        let client = connected(self.builder()).await;
        let messages = client.messages().unwrap();
        let commands = Commands::open(&client, "device-1", self.journal()).unwrap();
        (client, messages, commands)
    }
}

#[test]
fn a_command_is_run_once_and_its_result_is_reported_also_after_the_device_was_away() {
    let Some(bench) = Bench::new() else { return };
    block_on(async {
        let (client, mut messages, mut commands) = bench.device().await;
        let first = bench.start();
        let message = soon(messages.next()).await.unwrap();
        let ran = commands
            .handle(&message, |command| async move {
                assert_eq!(command.payload, r#"{"seconds":5}"#);
                assert_eq!(command.content_type.as_deref(), Some("application/json"));
                assert!(command.timeout.is_some_and(|left| left <= Duration::from_secs(300)));
                CommandResult::succeeded().value("uptime", "3").unwrap().because("DONE", "as\twanted\n")
            })
            .await;
        assert!(ran.unwrap());
        let execution = bench.execution(&first);
        assert_eq!(execution["status"], "SUCCEEDED");
        assert_eq!(execution["result"]["uptime"]["S"], "3");
        assert_eq!(
            execution["statusReason"],
            json!({"reasonCode": "DONE", "reasonDescription": "as wanted"})
        );

        // A result that AWS IoT would not take is told in words, and does not stay in the list for ever.
        let unfit = bench.start();
        let message = soon(messages.next()).await.unwrap();
        let lower_case = |_| async { CommandResult::failed("lower case", "x") };
        assert!(commands.handle(&message, lower_case).await.unwrap());
        let reason = bench.execution(&unfit)["statusReason"].clone();
        assert_eq!(reason["reasonCode"], "INVALID_RESULT");
        assert!(reason["reasonDescription"].as_str().unwrap().contains("'lower case'"), "{reason}");
        commands.report_unfinished().await.unwrap();
        let long = "x".repeat(33);
        for (name, value) in [("", "x"), ("two words", "x"), (&long, "x"), ("name", "")] {
            let refused = CommandResult::succeeded().value(name, value);
            assert!(matches!(refused, Err(Error::Invalid { .. })), "{name}={value}");
        }

        // The same one, delivered again, as QoS 1 may do.
        let topic = format!("$aws/commands/things/device-1/executions/{first}/request/json");
        bench.cloud.sim.publish(&topic, r#"{"seconds":5}"#).unwrap();
        let message = soon(messages.next()).await.unwrap();
        let ran = commands.handle(&message, |_| async { panic!("it runs a second time") }).await;
        assert!(!ran.unwrap());

        // While the device is away.
        client.disconnect(Default::default()).await.unwrap();
        drop((messages, commands));
        let second = bench.start();
        let (_client, mut messages, mut commands) = bench.device().await;
        commands.report_unfinished().await.unwrap();
        let message = soon(messages.next()).await.unwrap();
        let rejected = |_| async { CommandResult::rejected("UNKNOWN_COMMAND", "what is it?") };
        assert!(commands.handle(&message, rejected).await.unwrap());
        assert_eq!(bench.execution(&second)["status"], "REJECTED");
    });
}

#[test]
fn a_handler_that_crashes_and_a_program_that_crashes_report_failed_and_not_silence() {
    let Some(bench) = Bench::new() else { return };
    block_on(async {
        let (client, mut messages, mut commands) = bench.device().await;
        let first = bench.start();
        let message = soon(messages.next()).await.unwrap();
        assert!(commands.handle(&message, |_| async { panic!("a fault of the handler") }).await.unwrap());
        let execution = bench.execution(&first);
        assert_eq!(
            (&execution["status"], &execution["statusReason"]["reasonCode"]),
            (&json!("FAILED"), &json!("HANDLER_CRASHED"))
        );

        // The program ends in the middle of a command, without a word.
        let second = bench.start();
        let message = soon(messages.next()).await.unwrap();
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&runs);
        let (begun, begins) = tokio::sync::oneshot::channel();
        let (alive, mut ends) = tokio::sync::mpsc::channel::<()>(1);
        let never = move |_| async move {
            counted.fetch_add(1, Ordering::SeqCst);
            begun.send(()).unwrap();
            std::future::pending::<()>().await;
            drop(alive);
            CommandResult::succeeded()
        };
        tokio::select! {
            ended = commands.handle(&message, never) => panic!("{ended:?}"),
            begins = soon(begins) => begins.unwrap(),
        }
        assert!(soon(ends.recv()).await.is_none(), "the handler ends with the future");
        assert_eq!(bench.execution(&second)["status"], "IN_PROGRESS");
        // Not an UNSUBSCRIBE, which dropping the messages first would be.
        client.disconnect(Default::default()).await.unwrap();
        drop((messages, commands));

        let (_client, mut messages, mut commands) = bench.device().await;
        commands.report_unfinished().await.unwrap();
        let execution = bench.execution(&second);
        assert_eq!(
            (&execution["status"], &execution["statusReason"]["reasonCode"]),
            (&json!("FAILED"), &json!("INTERRUPTED"))
        );
        // It is not run again, should the broker deliver it again.
        let topic = format!("$aws/commands/things/device-1/executions/{second}/request/json");
        bench.cloud.sim.publish(&topic, "{}").unwrap();
        let message = soon(messages.next()).await.unwrap();
        assert!(!commands.handle(&message, |_| async { panic!("it runs a second time") }).await.unwrap());
        assert_eq!(runs.load(Ordering::SeqCst), 1);
    });
}

const EXECUTION: &str = "$aws/commands/things/device-1/executions/e-1";

/// A device without a service behind it: the test is the service, so the broker must not answer by itself.
async fn scripted(cloud: &Cloud) -> (aws_iot_mqtt::Client, Messages, Commands, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let builder =
        Commands::subscriptions("device-1").unwrap().into_iter().fold(cloud.client(), Builder::subscribe);
    let client = connected(builder).await;
    let messages = client.messages().unwrap();
    let commands = Commands::open(&client, "device-1", directory.path().join("journal")).unwrap();
    (client, messages, commands.timeout(PATIENCE), directory)
}

#[test]
fn an_execution_that_aws_iot_does_not_know_is_not_run() {
    let cloud = Cloud::new();
    block_on(async {
        let (client, mut messages, mut commands, _directory) = scripted(&cloud).await;
        cloud.sim.publish(&format!("{EXECUTION}/request/json"), "{}").unwrap();
        let message = soon(messages.next()).await.unwrap();
        let error = commands.handle(&message, |_| async { panic!("it must not run") }).await.unwrap_err();
        let Error::CommandRejected { code, action, .. } = &error else { panic!("{error:?}") };
        assert_eq!(*code, RejectedErrorCode::ResourceNotFound);
        assert!(action.contains("e-1") && action.contains("IN_PROGRESS"), "{error}");
        // Messages on other topics are left to the application.
        for topic in ["t", "$aws/commands/things/device-1/executions/e-1/response/rejected/json"] {
            cloud.sim.send_direct_message("device-1", topic, "{}").unwrap();
        }
        let other = soon(messages.next()).await.unwrap();
        assert!(!commands.handle(&other, |_| async { panic!("it is no command") }).await.unwrap());
        // A reason code that AWS IoT does not take is told before it is sent.
        let before = cloud.sim.received().len();
        let error = commands.finish("e-2", CommandResult::failed("lower case", "x")).await.unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }), "{error}");
        assert_eq!(cloud.sim.received().len(), before);
        drop(client);
    });
}

#[test]
fn two_processes_do_not_share_the_list_of_commands() {
    let cloud = Cloud::new();
    block_on(async {
        let (client, _messages, _commands, directory) = scripted(&cloud).await;
        let second = Commands::open(&client, "device-1", directory.path().join("journal"));
        assert!(matches!(second, Err(Error::Journal { .. })), "{second:?}");
    });
}
