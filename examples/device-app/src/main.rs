//! The smallest device application: one reading to AWS IoT Core, with the key in the SE050.
//!
//! `device-app ENDPOINT THING`, on the device; for trying it out elsewhere: `device-app ENDPOINT THING PORT CA-FILE PKCS11-MODULE`.

use std::error::Error;
use std::sync::Arc;

use aws_iot_mqtt::{Client, DisconnectReason, QoS};
use rustls_se050::{ClientIdentity, client_config, roots_from_pem_file};
use se050_key::{NXP_MODULE, Selector, Token};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument = |index: usize| arguments.get(index).map(String::as_str);
    let (Some(endpoint), Some(thing)) = (argument(0), argument(1)) else {
        return Err("usage: device-app ENDPOINT THING [PORT CA-FILE PKCS11-MODULE]".into());
    };
    let port = argument(2).unwrap_or("8883").parse()?;
    let roots = match argument(3) {
        Some(file) => roots_from_pem_file(file)?,
        None => aws_iot_mqtt::roots::amazon(),
    };

    let token = Token::open(argument(4).unwrap_or(NXP_MODULE))?;
    let selector: Selector = "sss:100100F0".parse()?; // cloud connection key 0, object 0xF0000110
    let (key, certificate) = token.identity(&selector)?; // and its certificate, object 0xF0000111
    let identity = ClientIdentity::new(key, &certificate)?;
    let tls = Arc::new(client_config(&identity, roots)?);

    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        let client = Client::builder(endpoint, thing, tls).port(port).connect().await?;
        client.publish(&format!("{thing}/reading"), QoS::AtLeastOnce, r#"{"celsius": 21.5}"#).await?;
        client.disconnect(DisconnectReason::Normal).await?;
        eprintln!("one reading published and acknowledged");
        Ok(())
    })
}
