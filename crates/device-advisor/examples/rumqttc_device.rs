//! A device built with bare rumqttc (MQTT 5), as its documentation shows it: subscribes with a persistent session, publishes once a
//! second, and polls again after an error. Arguments: HOST PORT CA CERT KEY CLIENT_ID TOPIC

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, PublishProperties};
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use rumqttc::{TlsConfiguration, Transport};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [host, port, ca, cert, key, client_id, topic] = arguments.as_slice() else {
        anyhow::bail!("HOST PORT CA CERT KEY CLIENT_ID TOPIC are needed");
    };
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca)?)?;
    let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_client_auth_cert(
            vec![CertificateDer::from_pem_file(cert)?],
            PrivateKeyDer::from_pem_file(key)?,
        )?;
    let mut options = MqttOptions::new(client_id, host, port.parse().context("PORT")?);
    options.set_keep_alive(Duration::from_secs(30));
    options.set_clean_start(false);
    options.set_session_expiry_interval(Some(3600));
    // The largest message of AWS IoT Core; the default of 10 KiB would end the connection.
    options.set_max_packet_size(Some(149_504));
    options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(Arc::new(tls))));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(device(options, topic, &format!("{client_id}/out")))
}

async fn device(options: MqttOptions, topic: &str, out: &str) -> anyhow::Result<()> {
    let (client, mut events) = AsyncClient::new(options, 100);
    let publisher = client.clone();
    let out = out.to_owned();
    tokio::spawn(async move {
        let mut number = 0_u64;
        loop {
            number += 1;
            let properties = PublishProperties {
                user_properties: vec![("unit".into(), "none".into())],
                ..Default::default()
            };
            let reading = format!("reading {number}");
            let _ =
                publisher.publish_with_properties(&out, QoS::AtLeastOnce, true, reading, properties).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(connack))) if !connack.session_present => {
                client.subscribe(topic, QoS::AtLeastOnce).await?;
            }
            Ok(_) => {}
            // The event loop connects again at the next poll. rumqttc has no backoff of its own; its examples pause for a second.
            Err(error) => {
                eprintln!("{error}");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}
