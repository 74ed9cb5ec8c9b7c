//! The cases, by AWS's names.
//!
//! Source of the names and criteria: AWS IoT Core Developer Guide, "Device Advisor test cases" and the pages below it.

use std::time::Duration;

use crate::credentials::{Credentials, ServerCertificate};
use crate::device::Device;
use crate::judge::Judge;
use crate::verdict::Finding;

mod connecting;
mod keep_alive;
mod long_duration;
mod persistent;
mod policies;
mod publishing;
mod services;
mod subscribing;
mod tls;

/// A case of AWS's.
pub struct Case {
    /// AWS's identifier.
    pub id: &'static str,
    /// Whether it is needed for AWS's Device Qualification Program.
    pub qualification: bool,
    /// Whether it takes minutes: left out of the short form.
    pub long: bool,
    certificate: ServerCertificate,
    time: Duration,
    run: fn(&mut Judge<'_>) -> anyhow::Result<Finding>,
}

impl Case {
    /// Runs the case on a device.
    pub(crate) fn judge(&self, device: &Device, credentials: &Credentials) -> Finding {
        Judge::new(device, credentials, self.certificate, self.time)
            .and_then(|mut judge| (self.run)(&mut judge))
            // What does not happen in time is the device's fault as a rule; the evidence says what it was.
            .unwrap_or_else(|error| Finding::fail(format!("{error:#}")))
    }
}

const MINUTE: Duration = Duration::from_secs(60);

/// A case that ends by itself after seconds.
const fn short(id: &'static str, run: fn(&mut Judge<'_>) -> anyhow::Result<Finding>) -> Case {
    Case { id, qualification: false, long: false, certificate: ServerCertificate::Good, time: MINUTE, run }
}

/// A case that takes minutes. AWS gives each of them 300 s (EXECUTION_TIMEOUT).
const fn long(id: &'static str, run: fn(&mut Judge<'_>) -> anyhow::Result<Finding>) -> Case {
    Case { long: true, time: Duration::from_secs(300), ..short(id, run) }
}

const fn qualification(case: Case) -> Case {
    Case { qualification: true, ..case }
}

const fn with(certificate: ServerCertificate, case: Case) -> Case {
    Case { certificate, ..case }
}

/// All cases, in the order of AWS's pages.
pub const CASES: &[Case] = &[
    qualification(short("TLS_Connect", tls::connect)),
    qualification(short("TLS_Receive_Maximum_Size_Fragments", tls::maximum_size_fragments)),
    qualification(short("TLS_Support_AWS_IoT_Cipher_Suites", tls::cipher_suites)),
    qualification(with(ServerCertificate::Large, short("TLS_Large_Size_Server_Cert", tls::connect))),
    qualification(with(ServerCertificate::UnknownCa, short("TLS_Unsecure_Server_Cert", tls::refused))),
    qualification(with(
        ServerCertificate::WrongName,
        short("TLS_Incorrect_Subject_Name_Server_Cert", tls::refused),
    )),
    qualification(with(ServerCertificate::Expired, short("TLS_Expired_Server_Cert", tls::refused))),
    qualification(short("MQTT_Connect", connecting::connect)),
    qualification(long("MQTT_Connect_Jitter_Backoff_Retries", connecting::jitter_backoff)),
    long("MQTT_Connect_Exponential_Backoff_Retries", connecting::exponential_backoff),
    short("MQTT_ReconnectionAfterSuccessfulConnection", connecting::one_second),
    long("MQTT_Reconnect_Backoff_Retries_On_Server_Disconnect", connecting::server_disconnect),
    long(
        "MQTT_Reconnect_Backoff_Retries_On_Server_Disconnect (closed after CONNECT)",
        connecting::closed_after_connect,
    ),
    long("MQTT_Reconnect_Backoff_Retries_On_Unstable_Connection", connecting::unstable),
    qualification(short("MQTT_Publish", publishing::publish)),
    long("MQTT_Publish_Retry_No_Puback", publishing::retry_no_puback),
    short("MQTT_Publish_Retained_Messages", publishing::retained),
    short("MQTT_Publish_User_Property", publishing::user_property),
    short("MQTT_Client_Puback_QoS1", subscribing::puback),
    qualification(short("MQTT_Subscribe", subscribing::subscribe)),
    short("MQTT_Subscribe_Retry_No_Suback", subscribing::retry_no_suback),
    long("MQTT_No_Ack_PingResp", keep_alive::no_ack_pingresp),
    short("MQTT_Persistent_Session_Happy_Case", persistent::happy),
    short("MQTT_Persistent_Session_Happy_Case (program restarted)", persistent::restarted),
    short("MQTT_Expired_Persistent_Session", persistent::expired),
    short("Shadow_Publish_Reported_State", services::publish_reported),
    short("Shadow_Update_Reported_State", services::update_reported),
    short("Job_Execution", services::job_execution),
    short("Security_Device_Policies", policies::device_policies),
    long("Long duration: INTERMITTENT_CONNECTIVITY", long_duration::intermittent_connectivity),
    long("Long duration: LONG_SERVER_DISCONNECT", long_duration::long_server_disconnect),
    short("Long duration: RECEIVE_LARGE_PAYLOAD", subscribing::large_payload),
    long("Long duration: KEEP_ALIVE", keep_alive::keep_alive),
    short("Long duration: PERSISTENT_SESSION", persistent::happy),
];
