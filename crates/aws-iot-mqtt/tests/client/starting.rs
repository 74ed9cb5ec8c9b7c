//! A system that has no thread or no event queue left for the session: an error, and no panic in the application's runtime.

use std::process::Command;
use std::time::Duration;

use aws_iot_mqtt::{Client, Error, Event, QoS};
use rustix::process::{Resource, Rlimit, setrlimit};
use test_peers::Pki;
use tokio::time::timeout;

use crate::support::{BOTH_VERSIONS, client, tls};

const IN_CHILD: &str = "AWS_IOT_MQTT_TEST_IN_CHILD";

/// Runs the test's own body in a child process: the limits that it sets hold for the whole process.
fn in_child(test: &str, body: impl AsyncFn()) {
    if std::env::var_os(IN_CHILD).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(async { timeout(Duration::from_secs(60), body()).await.unwrap() });
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command.args([test, "--exact", "--nocapture"]).env(IN_CHILD, "1").output().unwrap();
    let words = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && words.contains("1 passed"), "{output:?}");
}

fn limit(resource: Resource, limit: u64) {
    setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) }).unwrap();
}

fn builder() -> aws_iot_mqtt::Builder {
    let pki = Pki::new();
    client(1, "device-1", tls(&pki.client("device-1"), &pki.ca_pem(), BOTH_VERSIONS))
}

fn words(error: &Error) -> String {
    assert!(matches!(error, Error::Start { .. }), "{error:?}");
    error.report().to_string()
}

#[test]
fn without_a_thread_it_fails_inside_a_runtime_too() {
    in_child("starting::without_a_thread_it_fails_inside_a_runtime_too", async || {
        let (first, second) = (builder(), builder());
        // A thread's stack is larger than what is left of the address space.
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        let pages: u64 = statm.split_whitespace().next().unwrap().parse().unwrap();
        limit(Resource::As, pages * rustix::param::page_size() as u64 + 1024 * 1024);
        let error = first.start().map(drop).unwrap_err();
        assert!(words(&error).contains("thread does not run"), "{error}");
        words(&second.connect().await.map(drop).unwrap_err());
    });
}

#[test]
fn without_an_event_queue_everybody_who_waits_is_told() {
    in_child("starting::without_an_event_queue_everybody_who_waits_is_told", async || {
        let (first, second) = (builder(), builder());
        let used = std::fs::read_dir("/proc/self/fd").unwrap().count() as u64;
        limit(Resource::Nofile, used - 1);
        let client: Client = first.start().unwrap();
        let (mut events, error) = (client.events(), client.closed().await.unwrap_err());
        assert!(words(&error).contains("Too many open files"), "{}", error.report());
        words(&client.publish("t", QoS::AtLeastOnce, "x").await.unwrap_err());
        words(&client.subscribe("t", QoS::AtLeastOnce).await.map(drop).unwrap_err());
        assert!(matches!(events.next().await, Some(Event::GaveUp { .. })));
        words(&second.connect().await.map(drop).unwrap_err());
    });
}
