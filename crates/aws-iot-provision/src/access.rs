//! What lets a device in: its certificate, the things that have it, the policies in force; what AWS says of them, and whether the
//! device is connected. Nothing here writes.

use std::collections::BTreeMap;

use aws_sdk_iot::types::{ActionType, AuthDecision, AuthInfo};

use crate::account::endpoint_of;
use crate::calls::Provisioner;
use crate::calls::{on, on_certificate, unless_missing};
use crate::certificate::CertificateId;
use crate::device::Attachment;
use crate::error::Error;

/// What the account has of a device's certificate.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Access {
    /// The certificate's status in AWS's words.
    pub status: String,
    /// The things that have it, and how, where AWS tells.
    pub things: Vec<(String, Option<Attachment>)>,
    /// The policies on it.
    pub policies: Vec<String>,
    /// The policies that its things have through their groups, by group.
    pub group_policies: BTreeMap<String, Vec<String>>,
}

/// An action of a device that its policies may allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceAction {
    /// `iot:Connect` on `client/CLIENT_ID`.
    Connect,
    /// `iot:Subscribe` on `topicfilter/FILTER`.
    Subscribe,
    /// `iot:Publish` on `topic/TOPIC`.
    Publish,
    /// `iot:Receive` on `topic/TOPIC`.
    Receive,
}

impl DeviceAction {
    /// All of them, in the order in which a device needs them.
    pub const ALL: [Self; 4] = [Self::Connect, Self::Subscribe, Self::Publish, Self::Receive];

    /// Its name in a policy.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "iot:Connect",
            Self::Subscribe => "iot:Subscribe",
            Self::Publish => "iot:Publish",
            Self::Receive => "iot:Receive",
        }
    }

    /// Its resource, for a client id and a topic.
    pub fn resource(self, client_id: &str, topic: &str) -> String {
        match self {
            Self::Connect => format!("client/{client_id}"),
            Self::Subscribe => format!("topicfilter/{topic}"),
            Self::Publish | Self::Receive => format!("topic/{topic}"),
        }
    }
}

/// What AWS says of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Authorization {
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
    /// What the account has of a certificate; `None` where it is not registered there.
    ///
    /// # Errors
    /// Every call may fail.
    pub async fn access(&self, id: &CertificateId) -> Result<Option<Access>, Error> {
        let aws = self;
        let Some(found) = aws.describe_certificate(id).await? else { return Ok(None) };
        let mut access = Access {
            status: found.status,
            things: Vec::new(),
            policies: aws.policies_of(id).await?,
            group_policies: BTreeMap::new(),
        };
        for thing in aws.things_of(id).await? {
            // A name that AWS gave is a name.
            if let Ok(name) = thing.name.parse() {
                let groups = aws.groups_of(&name).await?;
                access.group_policies.extend(aws.policies_by_group(&groups).await?);
            }
            access.things.push((thing.name, thing.attachment));
        }
        Ok(Some(access))
    }

    /// What AWS says of each action of [`DeviceAction::ALL`] with that certificate, client id and topic (`TestAuthorization`).
    ///
    /// # Errors
    /// The call may fail: not every control plane knows it.
    pub async fn authorizations(
        &self,
        id: &CertificateId,
        client_id: &str,
        topic: &str,
    ) -> Result<Vec<(DeviceAction, Authorization)>, Error> {
        const ACTION: &str = "iot:TestAuthorization";
        let missing = |missing| Error::Incomplete { action: ACTION, missing };
        let (aws, scope) = (self, self.scope().await?);
        let principal = aws.certificate_arn(id).await?;
        let mut request = aws.client.test_authorization().principal(principal).client_id(client_id);
        for action in DeviceAction::ALL {
            let kind = match action {
                DeviceAction::Connect => ActionType::Connect,
                DeviceAction::Subscribe => ActionType::Subscribe,
                DeviceAction::Publish => ActionType::Publish,
                DeviceAction::Receive => ActionType::Receive,
            };
            let resource = scope.arn(&action.resource(client_id, topic));
            let info = AuthInfo::builder().action_type(kind).resources(resource).build();
            request = request.auth_infos(info.map_err(|_| missing("resources"))?);
        }
        let answer = aws.call(on_certificate(ACTION, id), request.send()).await?;
        let results = answer.auth_results.unwrap_or_default();
        // AWS answers each question, in the order of the questions.
        if results.len() != DeviceAction::ALL.len() {
            return Err(missing("authResults"));
        }
        let decided = |(action, decision)| match decision {
            Some(AuthDecision::Allowed) => Ok((action, Authorization::Allowed)),
            Some(AuthDecision::ExplicitDeny) => Ok((action, Authorization::Denied)),
            Some(AuthDecision::ImplicitDeny) => Ok((action, Authorization::NotAllowed)),
            _ => Err(missing("authDecision")),
        };
        let decisions = results.into_iter().map(|result| result.auth_decision);
        DeviceAction::ALL.into_iter().zip(decisions).map(decided).collect()
    }

    /// Whether a client id is connected, and why it was disconnected last (`GetConnection` of the data plane; a local AWS IoT has
    /// both behind one URL).
    ///
    /// # Errors
    /// As [`Self::authorizations`].
    pub async fn connection(&self, client_id: &str) -> Result<ConnectionState, Error> {
        let aws = self;
        let own = endpoint_of(&aws.config, "IoT Data Plane");
        let mut config = aws_sdk_iotdataplane::config::Builder::from(&aws.config);
        config.set_endpoint_url(own.or_else(|| endpoint_of(&aws.config, "IoT")));
        let client = aws_sdk_iotdataplane::Client::from_conf(config.build());
        let call =
            on("iot:GetConnection", format_args!("client {client_id}"), format_args!("client/{client_id}"));
        let sent = client.get_connection().client_id(client_id).send();
        Ok(match unless_missing(aws.call(call, sent).await)? {
            None => ConnectionState::Unknown,
            Some(answer) if answer.connected => ConnectionState::Connected,
            Some(answer) => ConnectionState::Disconnected { reason: answer.disconnect_reason },
        })
    }
}
