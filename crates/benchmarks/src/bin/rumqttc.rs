//! rumqttc's own MQTT 5 client at the benchmark's tasks: application and event loop on one thread, which suits it best.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark that cannot run may panic")]

use std::time::Duration;

use benchmarks::{Messages, Task, TaskArgs, Watch, count_missed_ticks, with_slow_key};
use clap::Parser as _;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use rumqttc::{NetworkOptions, TlsConfiguration, Transport};

const TOPIC: &str = "bench/throughput";

fn main() {
    let args = TaskArgs::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        match &args.task {
            Task::Publish(messages) => publish(&args, messages, false).await,
            Task::Echo(messages) => publish(&args, messages, true).await,
            Task::Stall => {
                let (_client, mut events) = client(&args, with_slow_key(&args.tls()), 10);
                count_missed_ticks(connected(&mut events)).await;
            }
            Task::Queue(_) | Task::Recover { .. } => {
                panic!("rumqttc has no outbox and no reconnection of its own")
            }
        }
    });
}

fn client(
    args: &TaskArgs,
    tls: std::sync::Arc<rustls::ClientConfig>,
    in_flight: u16,
) -> (AsyncClient, EventLoop) {
    let mut options = MqttOptions::new("bare", "localhost", args.port);
    options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(tls)));
    options.set_keep_alive(Duration::from_secs(60));
    options.set_outgoing_inflight_upper_limit(in_flight);
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    options.set_network_options(network);
    AsyncClient::new(options, usize::from(in_flight).max(10))
}

async fn connected(events: &mut EventLoop) {
    while !matches!(events.poll().await.unwrap(), Event::Incoming(Packet::ConnAck(_))) {}
}

async fn publish(args: &TaskArgs, messages: &Messages, echo: bool) {
    let (client, mut events) = client(args, args.tls(), messages.in_flight);
    connected(&mut events).await;
    if echo {
        client.subscribe(TOPIC, QoS::AtLeastOnce).await.unwrap();
        while !matches!(events.poll().await.unwrap(), Event::Incoming(Packet::SubAck(_))) {}
    }
    let payload = vec![b'x'; messages.bytes];
    let watch = Watch::start();
    let publisher = client.clone();
    let &Messages { qos, messages: count, .. } = messages;
    let pushing = tokio::spawn(async move {
        let qos = if qos == 1 { QoS::AtLeastOnce } else { QoS::AtMostOnce };
        for _ in 0..count {
            publisher.publish(TOPIC, qos, false, payload.clone()).await.unwrap();
        }
        if qos == QoS::AtMostOnce {
            // Behind all the others: the broker has them when it acknowledges this one.
            publisher.publish(TOPIC, QoS::AtLeastOnce, false, payload).await.unwrap();
        }
    });
    let mut acknowledgements = if messages.qos == 1 { messages.messages } else { 1 };
    let mut back = if echo { messages.messages } else { 0 };
    while acknowledgements > 0 || back > 0 {
        match events.poll().await.unwrap() {
            Event::Incoming(Packet::PubAck(_)) => acknowledgements -= 1,
            Event::Incoming(Packet::Publish(_)) => back -= 1,
            _ => {}
        }
    }
    watch.print();
    pushing.await.unwrap();
    client.disconnect().await.unwrap();
    while events.poll().await.is_ok() {}
}
