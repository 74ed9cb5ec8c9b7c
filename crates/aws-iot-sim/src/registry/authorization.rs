//! What a connection may do: the policies of its certificate, evaluated with its thing.

use std::collections::BTreeSet;

use super::{Certificate, CertificateId, Exclusivity, Registry, State, ThingName};
use crate::policy::{Action, Caller, CallerThing, ConnectAttribute, Decision, decide};

impl Registry {
    /// Evaluates the policies that are attached now to `certificate` for a CONNECT.
    pub(crate) fn authorize_connect(
        &self,
        certificate: &CertificateId,
        client_id: &str,
        attributes: Vec<ConnectAttribute>,
    ) -> Decision {
        self.decide(certificate, client_id, Action::Connect, client_id, attributes)
    }

    /// Evaluates the policies that are attached now to `certificate` for one action.
    ///
    /// `name` is a topic or a topic filter, as the action needs it.
    pub(crate) fn authorize(
        &self,
        certificate: &CertificateId,
        client_id: &str,
        action: Action,
        name: &str,
    ) -> Decision {
        self.decide(certificate, client_id, action, name, Vec::new())
    }

    fn decide(
        &self,
        certificate: &CertificateId,
        client_id: &str,
        action: Action,
        name: &str,
        connect_attributes: Vec<ConnectAttribute>,
    ) -> Decision {
        let state = self.state();
        let Some(certificate) = state.certificates.get(certificate) else { return Decision::NotAllowed };
        let caller = Caller {
            client_id: client_id.to_owned(),
            thing: state.thing_of(certificate, client_id),
            certificate: certificate.variables.clone(),
            connect_attributes,
            // Everybody connects over loopback.
            source_ip: Some("127.0.0.1".to_owned()),
        };
        // A group's policy counts where client id and thing name are the same (AWS IoT developer guide, "AWS IoT Core policies").
        let by_group = match &caller.thing {
            Some(thing) if thing.name == client_id => {
                ThingName::parse(&thing.name).map(|name| state.group_policies_of(&name)).unwrap_or_default()
            }
            _ => BTreeSet::new(),
        };
        let names = certificate.policies.union(&by_group);
        let policies = names.filter_map(|name| state.policies.get(name));
        let resource = certificate.scope.arn(action.resource(name));
        decide(policies.map(|stored| &stored.policy), action, &resource, &caller)
    }
}

impl State {
    /// The thing of a connection: the one to which the certificate is attached exclusively, or else the attached
    /// one that is named like the client id (AWS IoT developer guide, "Thing policy variables").
    fn thing_of(&self, certificate: &Certificate, client_id: &str) -> Option<CallerThing> {
        let exclusive =
            certificate.things.iter().find(|(_, exclusivity)| **exclusivity == Exclusivity::Exclusive);
        let name: &ThingName = match exclusive {
            Some((name, _)) => name,
            None => certificate.things.keys().find(|name| name.as_str() == client_id)?,
        };
        let thing = self.things.get(name)?;
        Some(CallerThing {
            name: name.to_string(),
            type_name: thing.thing_type.as_ref().map(ToString::to_string),
            attributes: thing.attributes.clone(),
        })
    }
}
