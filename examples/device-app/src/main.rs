//! The smallest device application: one reading to AWS IoT Core, with the key in the SE050.
//!
//! `device-app [DEVICE.TOML]`: the device configuration, as `se050-iot provision --device-config` writes it.

use std::process::ExitCode;

use aws_iot_mqtt::{DisconnectReason, QoS};
use se050_device::Device;

fn main() -> ExitCode {
    let config = std::env::args().nth(1).unwrap_or_else(|| "device.toml".to_owned());
    // 75 where only a new process can open the chip again: for the supervisor that starts this one.
    se050_device::exit(run(&config))
}

fn run(config: &str) -> anyhow::Result<()> {
    let device = Device::from_config(config)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        let client = device.client().connect().await.map_err(|error| device.explained(error))?;
        let topic = format!("{}/reading", device.topic_prefix());
        client.publish(&topic, QoS::AtLeastOnce, r#"{"celsius": 21.5}"#).await?;
        client.disconnect(DisconnectReason::Normal).await?;
        eprintln!("one reading published and acknowledged");
        Ok(())
    })
}
