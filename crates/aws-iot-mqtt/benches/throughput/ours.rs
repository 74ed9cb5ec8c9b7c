//! This crate's client, as an application uses it.

use std::collections::VecDeque;

use aws_iot_mqtt::bytes::Bytes;
use aws_iot_mqtt::{Client, DisconnectReason, Error, Limits, Publication, QoS, Topic};

use crate::measure::{Measured, Watch};
use crate::{Bench, Case};

pub(crate) fn run(bench: &Bench, case: Case) -> Measured {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut limits = Limits::aws_iot_core();
        limits.receive_maximum = case.in_flight;
        let tls = std::sync::Arc::clone(&bench.tls);
        let client = Client::builder("localhost", "ours", tls)
            .port(bench.broker.port())
            .limits(limits)
            .pacing(false)
            .connect()
            .await
            .unwrap();
        let payload = Bytes::from(vec![b'x'; case.bytes]);
        let topic: Topic = "bench/throughput".parse().unwrap();
        let qos = if case.acknowledged { QoS::AtLeastOnce } else { QoS::AtMostOnce };
        let message = |qos| Publication::new(&topic, qos, payload.clone()).unwrap();

        let watch = Watch::start();
        if case.acknowledged {
            let mut receipts = VecDeque::with_capacity(case.in_flight.into());
            for _ in 0..case.messages {
                if receipts.len() >= case.in_flight.into() {
                    let receipt: aws_iot_mqtt::Receipt = receipts.pop_front().unwrap();
                    receipt.await.unwrap();
                }
                receipts.push_back(client.try_publish(message(qos)).unwrap());
            }
            for receipt in receipts {
                receipt.await.unwrap();
            }
        } else {
            for _ in 0..case.messages {
                match client.try_publish(message(qos)) {
                    Ok(receipt) => drop(receipt),
                    Err(Error::OutboxFull { .. }) => client.publish_with(message(qos)).await.unwrap(),
                    Err(error) => panic!("{error}"),
                }
            }
            // Behind all the others: the broker has them when it acknowledges this one.
            client.publish_with(message(QoS::AtLeastOnce)).await.unwrap();
        }
        let measured = watch.stop(case.messages);
        client.disconnect(DisconnectReason::Normal).await.unwrap();
        measured
    })
}
