use aws_sdk_iot::types::{ActionType, AuthDecision, AuthInfo};

use super::{ControlPlane, on, on_certificate, unless_missing};
use crate::access::{Authorization, ConnectionState, DeviceAction};
use crate::account::endpoint_of;
use crate::certificate::CertificateId;
use crate::error::Error;

impl ControlPlane {
    /// Each action of [`DeviceAction::ALL`], in that order.
    pub(crate) async fn test_authorization(
        &self,
        id: &CertificateId,
        client_id: &str,
        topic: &str,
    ) -> Result<Vec<(DeviceAction, Authorization)>, Error> {
        const ACTION: &str = "iot:TestAuthorization";
        let missing = |missing| Error::Incomplete { action: ACTION, missing };
        let scope = self.scope().await?;
        let mut request =
            self.client.test_authorization().principal(self.certificate_arn(id).await?).client_id(client_id);
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
        let answer = self.call(on_certificate(ACTION, id), request.send()).await?;
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

    /// Asked of the data plane: a local AWS IoT has both behind one URL.
    pub(crate) async fn get_connection(&self, client_id: &str) -> Result<ConnectionState, Error> {
        let own = endpoint_of(&self.config, "IoT Data Plane");
        let mut config = aws_sdk_iotdataplane::config::Builder::from(&self.config);
        config.set_endpoint_url(own.or_else(|| endpoint_of(&self.config, "IoT")));
        let client = aws_sdk_iotdataplane::Client::from_conf(config.build());
        let call =
            on("iot:GetConnection", format_args!("client {client_id}"), format_args!("client/{client_id}"));
        let sent = client.get_connection().client_id(client_id).send();
        Ok(match unless_missing(self.call(call, sent).await)? {
            None => ConnectionState::Unknown,
            Some(answer) if answer.connected => ConnectionState::Connected,
            Some(answer) => ConnectionState::Disconnected { reason: answer.disconnect_reason },
        })
    }
}
