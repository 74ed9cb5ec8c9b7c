//! What AWS itself says of a device: whether its policies allow what it does, and whether it is connected. Nothing here writes.

use aws_sdk_iot::types::{ActionType, AuthDecision, AuthInfo};

use crate::account::endpoint_of;
use crate::call::{on, on_certificate, part, unless_missing};
use crate::error::Error;
use crate::name::CertificateId;
use crate::provisioner::Provisioner;

/// What a device does, in the order in which it needs it: the action's name in a policy, and the kind of its resource.
const ACTIONS: [(&str, &str, ActionType); 4] = [
    ("iot:Connect", "client", ActionType::Connect),
    ("iot:Subscribe", "topicfilter", ActionType::Subscribe),
    ("iot:Publish", "topic", ActionType::Publish),
    ("iot:Receive", "topic", ActionType::Receive),
];

/// What AWS says of an action of a device.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Authorization {
    /// `iot:Connect`, `iot:Subscribe`, `iot:Publish` or `iot:Receive`.
    pub action: &'static str,
    /// On what, such as `topic/gw-1/state`.
    pub resource: String,
    /// What AWS says.
    pub decision: Decision,
}

/// Whether the policies allow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// A statement allows it, and none denies it.
    Allowed,
    /// No statement allows it.
    NotAllowed,
    /// A statement denies it.
    Denied,
}

/// Whether a device is connected.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionState {
    /// It is connected now.
    Connected,
    /// It is not. AWS keeps the reason for 30 minutes.
    Disconnected {
        /// Why its last connection ended, in AWS's words.
        reason: Option<String>,
    },
    /// AWS knows no connection of that client id.
    Unknown,
}

impl Provisioner {
    /// Whether that certificate may connect under that client id, and subscribe to, publish to and receive from that topic
    /// (`TestAuthorization`).
    ///
    /// # Errors
    /// The call may fail: not every control plane knows it.
    pub async fn authorizations(
        &self,
        id: &CertificateId,
        client_id: &str,
        topic: &str,
    ) -> Result<Vec<Authorization>, Error> {
        const ACTION: &str = "iot:TestAuthorization";
        let principal = self.certificate_arn(id).await?;
        let mut request = self.client.test_authorization().principal(principal).client_id(client_id);
        let mut asked = Vec::new();
        for (action, of, kind) in ACTIONS {
            let resource = format!("{of}/{}", if of == "client" { client_id } else { topic });
            let info = AuthInfo::builder().action_type(kind).resources(self.scope().await?.arn(&resource));
            request = request.auth_infos(part(ACTION, "resources", info.build().ok())?);
            asked.push((action, resource));
        }
        let answer = self.call(on_certificate(ACTION, id), request.send()).await?;
        // AWS answers each question, in the order of the questions.
        let results = answer.auth_results.filter(|results| results.len() == asked.len());
        let decided = asked.into_iter().zip(part(ACTION, "authResults", results)?);
        let authorization = |((action, resource), result): (_, aws_sdk_iot::types::AuthResult)| {
            let decision = match result.auth_decision {
                Some(AuthDecision::Allowed) => Some(Decision::Allowed),
                Some(AuthDecision::ExplicitDeny) => Some(Decision::Denied),
                Some(AuthDecision::ImplicitDeny) => Some(Decision::NotAllowed),
                _ => None,
            };
            Ok(Authorization { action, resource, decision: part(ACTION, "authDecision", decision)? })
        };
        decided.map(authorization).collect()
    }

    /// Whether a client id is connected, and why it was disconnected last (`GetConnection` of the data plane; a local AWS IoT has
    /// both behind one URL).
    ///
    /// # Errors
    /// As [`Self::authorizations`].
    pub async fn connection(&self, client_id: &str) -> Result<ConnectionState, Error> {
        let own = endpoint_of(&self.config, "IoT Data Plane");
        let mut config = aws_sdk_iotdataplane::config::Builder::from(&self.config);
        config.set_endpoint_url(own.or_else(|| endpoint_of(&self.config, "IoT")));
        let client = aws_sdk_iotdataplane::Client::from_conf(config.build());
        let subject = format!("client {client_id}");
        let call = on("iot:GetConnection", subject, format_args!("client/{client_id}"));
        let sent = client.get_connection().client_id(client_id).send();
        Ok(match unless_missing(self.call(call, sent).await)? {
            None => ConnectionState::Unknown,
            Some(answer) if answer.connected => ConnectionState::Connected,
            Some(answer) => ConnectionState::Disconnected { reason: answer.disconnect_reason },
        })
    }
}
