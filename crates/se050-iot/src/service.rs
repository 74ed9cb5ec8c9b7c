//! What the services of AWS IoT share on the command line: the device, its thing, a connection that shows what happens to it.

use anyhow::Context as _;
use aws_iot_mqtt::{Builder, Client, DisconnectReason};
use clap::Args;
use se050_device::{Device, DeviceArgs, Stop};

use crate::connection::Connection;
use crate::exit::Exit;
use crate::terminal::say;

#[derive(Args)]
pub(crate) struct ServiceArgs {
    /// The thing's name [default: the device configuration's, else the client id]
    #[arg(long, visible_alias = "thing", value_name = "NAME")]
    thing_name: Option<String>,
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
}

/// A device that is connected.
pub(crate) struct Service {
    pub(crate) client: Client,
    pub(crate) thing: String,
    pub(crate) stop: Stop,
    pub(crate) device: Device,
}

impl ServiceArgs {
    /// The thing's name.
    pub(crate) fn thing(&self, device: &Device) -> String {
        self.thing_name.clone().unwrap_or_else(|| device.thing().to_owned())
    }

    /// Connects, with what `prepare` adds for the thing; runs `work`; disconnects. A signal before the connection stands is the end.
    pub(crate) fn run(
        &self,
        verbose: bool,
        prepare: impl FnOnce(Builder, &str) -> anyhow::Result<Builder>,
        work: impl AsyncFnOnce(&mut Service) -> anyhow::Result<Exit>,
    ) -> anyhow::Result<Exit> {
        let device = self.device.open()?;
        let thing = self.thing(&device);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut stop = Stop::new().context("cannot listen to signals")?;
            let builder = prepare(device.client(), &thing)?;
            let mut connection = tokio::select! {
                connection = Connection::open(builder, &device, verbose) => connection?,
                signal = stop.asked() => return Ok(Exit::Stopped(signal)),
            };
            let client = connection.client.clone();
            tokio::spawn(async move {
                while let Some(event) = connection.events.next().await {
                    connection.show(&event);
                }
            });
            let mut service = Service { client, thing, stop, device };
            let ended = work(&mut service).await;
            let Service { client, device, .. } = service;
            match (ended, client.disconnect(DisconnectReason::Normal).await) {
                (Ok(exit), Ok(())) => Ok(exit),
                // Why the client has ended says more than that a request failed.
                (_, Err(error)) if !matches!(error, aws_iot_mqtt::Error::NotDrained { .. }) => {
                    Err(device.explained(error))
                }
                (Ok(_), Err(error)) => Err(error.into()),
                (Err(error), _) => Err(error),
            }
        })
    }
}

impl Service {
    /// What `work` gives, or the end because of a signal.
    pub(crate) async fn or_stop<T>(
        &mut self,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<Result<T, Exit>> {
        tokio::select! {
            result = work => result.map(Ok),
            signal = self.stop.asked() => {
                say!("{signal}");
                Ok(Err(Exit::Good))
            }
        }
    }
}
