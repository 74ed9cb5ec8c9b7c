//! This project's client at the benchmark's tasks, as an application would use it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark that cannot run may panic")]

use std::collections::VecDeque;
use std::io::Read as _;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use aws_iot_mqtt::bytes::Bytes;
use aws_iot_mqtt::durable::{Commit, DurableOptions};
use aws_iot_mqtt::{
    Builder, Client, DisconnectReason, Error, Limits, OutboxOptions, Publication, QoS, Receipt, Topic,
};
use benchmarks::{Messages, Task, TaskArgs, Watch, count_missed_ticks, with_slow_key};
use clap::Parser as _;

const TOPIC: &str = "bench/throughput";
const ID: &str = "ours";
/// How long a message waits for others at most, where they are written to stable storage together.
const BATCH_DELAY: Duration = Duration::from_millis(10);

fn main() {
    let args = TaskArgs::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        match &args.task {
            Task::Publish(messages) => publish(&args, messages, false).await,
            Task::Echo(messages) => publish(&args, messages, true).await,
            Task::Queue(messages) => queue(&args, messages).await,
            Task::Recover { client_id } => recover(&args, client_id).await,
            Task::Stall => {
                let client = Client::builder("localhost", ID, with_slow_key(&args.tls())).port(args.port);
                count_missed_ticks(client.connect()).await.unwrap();
            }
        }
    });
}

fn client(args: &TaskArgs, client_id: &str) -> Builder {
    Client::builder("localhost", client_id, args.tls()).port(args.port).pacing(false)
}

async fn publish(args: &TaskArgs, messages: &Messages, echo: bool) {
    let mut limits = Limits::aws_iot_core();
    limits.receive_maximum = messages.in_flight;
    let mut builder = client(args, ID).limits(limits);
    if let Some(directory) = &messages.durable {
        let batched = |messages| Commit::Batched { delay: BATCH_DELAY, messages };
        let commit = messages.batch.map_or(Commit::Each, batched);
        // Room for all: a receipt comes when the message is stored, so that they come faster than they go.
        let room = OutboxOptions::new().messages(messages.messages).bytes(1 << 30);
        builder = builder.outbox(room).durable(DurableOptions::new(directory).commit(commit));
    }
    let client = builder.connect().await.unwrap();
    let mut back = match echo {
        true => Some(client.subscribe(TOPIC, QoS::AtLeastOnce).await.unwrap()),
        false => None,
    };
    let payload = Bytes::from(vec![b'x'; messages.bytes]);
    let topic: Topic = TOPIC.parse().unwrap();
    let message = |qos| Publication::new(&topic, qos, payload.clone()).unwrap();

    let watch = Watch::start();
    let count = messages.messages;
    let receiving = tokio::spawn(async move {
        let Some(back) = &mut back else { return };
        for _ in 0..count {
            back.next().await.unwrap();
        }
    });
    if messages.qos == 1 {
        let mut receipts: VecDeque<Receipt> = VecDeque::with_capacity(messages.in_flight.into());
        for _ in 0..messages.messages {
            if receipts.len() >= messages.in_flight.into() {
                receipts.pop_front().unwrap().await.unwrap();
            }
            receipts.push_back(client.try_publish(message(QoS::AtLeastOnce)).unwrap());
        }
        for receipt in receipts {
            receipt.await.unwrap();
        }
    } else {
        for _ in 0..messages.messages {
            match client.try_publish(message(QoS::AtMostOnce)) {
                Ok(receipt) => drop(receipt),
                Err(Error::OutboxFull { .. }) => client.publish_with(message(QoS::AtMostOnce)).await.unwrap(),
                Err(error) => panic!("{error}"),
            }
        }
        // Behind all the others: the broker has them when it acknowledges this one.
        client.publish_with(message(QoS::AtLeastOnce)).await.unwrap();
    }
    receiving.await.unwrap();
    if messages.durable.is_some() {
        // A receipt means that the message is stored; the others' mean that the broker has it.
        until(|| client.statistics().outbox_messages == 0).await;
    }
    watch.print();
    client.disconnect(DisconnectReason::Normal).await.unwrap();
}

async fn queue(args: &TaskArgs, messages: &Messages) {
    let outbox = OutboxOptions::new().messages(messages.messages).bytes(usize::MAX);
    let client = client(args, ID).outbox(outbox).start().unwrap();
    for _ in 0..messages.messages {
        let payload = vec![b'x'; messages.bytes];
        drop(client.try_publish(Publication::new(TOPIC, QoS::AtLeastOnce, payload).unwrap()).unwrap());
    }
    println!("queued");
    until(|| client.statistics().connects > 0).await;
    let begun = Instant::now();
    until(|| client.statistics().outbox_messages == 0).await;
    println!("{}", begun.elapsed().as_secs_f64());
    client.disconnect(DisconnectReason::Normal).await.unwrap();
}

async fn until(condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(300), "not within 300 s");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn recover(args: &TaskArgs, client_id: &str) {
    let client = Arc::new(client(args, client_id).connect().await.unwrap());
    let ended = tokio::task::spawn_blocking(until_standard_input_closes);
    while !ended.is_finished() {
        let publishing = Arc::clone(&client);
        tokio::spawn(async move {
            if publishing.publish(TOPIC, QoS::AtLeastOnce, vec![b'x'; 256]).await.is_ok() {
                println!(
                    "{}",
                    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64()
                );
            }
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    client.disconnect(DisconnectReason::Normal).await.unwrap();
}

fn until_standard_input_closes() {
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}
