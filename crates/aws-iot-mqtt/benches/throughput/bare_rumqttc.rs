//! rumqttc's MQTT 5 client, application and event loop on one thread, which suits it best.

use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use rumqttc::{TlsConfiguration, Transport};

use crate::measure::{Measured, Watch};
use crate::{Bench, Case};

pub(crate) fn run(bench: &Bench, case: Case) -> Measured {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut options = MqttOptions::new("bare", "localhost", bench.broker.port());
        let tls = TlsConfiguration::Rustls(std::sync::Arc::clone(&bench.tls));
        options.set_transport(Transport::tls_with_config(tls));
        options.set_keep_alive(Duration::from_secs(60));
        options.set_outgoing_inflight_upper_limit(case.in_flight);
        let mut network = rumqttc::NetworkOptions::new();
        network.set_tcp_nodelay(true);
        options.set_network_options(network);
        let (client, mut events) = AsyncClient::new(options, usize::from(case.in_flight).max(10));
        until(&mut events, 1, |packet| matches!(packet, Packet::ConnAck(_))).await;

        let payload = vec![b'x'; case.bytes];
        let watch = Watch::start();
        let publisher = client.clone();
        let pushing = tokio::spawn(async move {
            let qos = if case.acknowledged { QoS::AtLeastOnce } else { QoS::AtMostOnce };
            for _ in 0..case.messages {
                publisher.publish("bench/throughput", qos, false, payload.clone()).await.unwrap();
            }
            if !case.acknowledged {
                // Behind all the others: the broker has them when it acknowledges this one.
                publisher.publish("bench/throughput", QoS::AtLeastOnce, false, payload).await.unwrap();
            }
        });
        let acknowledgements = if case.acknowledged { case.messages } else { 1 };
        until(&mut events, acknowledgements, |packet| matches!(packet, Packet::PubAck(_))).await;
        let measured = watch.stop(case.messages);
        pushing.await.unwrap();
        client.disconnect().await.unwrap();
        while events.poll().await.is_ok() {}
        measured
    })
}

async fn until(events: &mut EventLoop, count: usize, wanted: impl Fn(&Packet) -> bool) {
    let mut seen = 0;
    while seen < count {
        if let Event::Incoming(packet) = events.poll().await.unwrap() {
            seen += usize::from(wanted(&packet));
        }
    }
}
