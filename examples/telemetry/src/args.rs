//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use se050_key::Selector;

/// Publishes a reading every second, with the key in the SE050, and shows what happens to the connection.
#[derive(Parser)]
#[command(version)]
pub(crate) struct Args {
    /// The data endpoint of your AWS account, as `se050-iot provision` shows it
    #[arg(long, value_name = "HOST")]
    pub(crate) endpoint: String,
    /// The endpoint's port: 8883, or 443 where a firewall lets nothing else through
    #[arg(long, default_value_t = 8883)]
    pub(crate) port: u16,
    /// The CA certificates to trust, in PEM; without it, Amazon's, which are built in
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// The PKCS#11 module
    #[arg(long, value_name = "FILE", default_value = "/usr/lib/plug-and-trust/libsss_pkcs11.so")]
    pub(crate) pkcs11_lib: PathBuf,
    /// The private key, e.g. sss:100100F0 (object 0xF0000110, cloud connection key 0)
    #[arg(long, value_name = "LABEL")]
    pub(crate) key_label: Selector,
    /// The MQTT client id: the thing's name, as a rule
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: String,
    /// Seconds between two readings
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    pub(crate) interval: Duration,
    /// How many readings; without it, until it is interrupted (Ctrl-C)
    #[arg(long)]
    pub(crate) count: Option<u64>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    let interval = Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())?;
    if interval.is_zero() { Err("longer than nothing, please".to_owned()) } else { Ok(interval) }
}
