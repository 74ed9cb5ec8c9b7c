//! What a failure of the chip means for the connection and for the program.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use aws_iot_mqtt::{Client, Error, Limits, QoS, Reconnect};
use aws_iot_sim::AwsIotSim;
use rustls_se050::{ClientIdentity, client_config, exit_status, roots_from_pem_file};
use se050_device::verdict;
use se050_key::{Selector, Token};
use se050_sim::{Chip, Fault};

const POLICY: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}"#;
/// Pauses that a test can wait for.
const SOON: Duration = Duration::from_millis(1);

#[test]
fn a_chip_that_never_comes_back_ends_the_program_with_the_status_for_a_new_process() {
    let directory = tempfile::tempdir().unwrap();
    let chip = Chip::create(directory.path()).unwrap();
    let cloud = AwsIotSim::start().unwrap();
    let token = Token::builder(chip.module()).back_off(SOON).open().unwrap();
    let (key, certificate) = token.identity(&"sss:100100F0".parse::<Selector>().unwrap(), None).unwrap();
    cloud.admit(&certificate.to_pem(), "gw-1", POLICY).unwrap();
    let identity = ClientIdentity::new(key, &certificate).unwrap();
    let tls = client_config(&identity, roots_from_pem_file(cloud.ca_file()).unwrap()).unwrap();
    let mut limits = Limits::aws_iot_core();
    limits.connect_interval = SOON;
    let client = Client::builder(cloud.endpoint(), "gw-1", tls)
        .port(cloud.port())
        .limits(limits)
        .reconnect(Reconnect::new().delays(SOON, SOON))
        .classify_signer_errors(verdict);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let client = runtime.block_on(client.connect()).unwrap();

    chip.set_fault(Fault::Absent).unwrap();
    assert!(cloud.disconnect("gw-1"));
    let error = runtime.block_on(client.publish("t", QoS::AtLeastOnce, "x")).unwrap_err();
    assert!(matches!(error, Error::Signer { .. }), "{error:?}");
    assert_eq!(exit_status(&error), 75);
    assert!(client.statistics().failed_attempts > 1, "as long as the chip may come back, it was tried again");
}
