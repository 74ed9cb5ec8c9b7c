use crate::certificate::DeviceCertificate;
use crate::name::{PolicyName, ThingName};
use crate::policy::PolicyDocument;

/// A device to register: which thing, which certificate, under which policy.
#[derive(Debug, Clone)]
pub struct Device {
    pub(crate) thing: ThingName,
    pub(crate) certificate: DeviceCertificate,
    pub(crate) policy: PolicyName,
    pub(crate) document: Option<PolicyDocument>,
    pub(crate) attachment: Attachment,
}

/// How the certificate is attached to the thing (AWS IoT API reference, AttachThingPrincipal, `thingPrincipalType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Attachment {
    /// To this thing and no other. Then AWS resolves the policy's thing variables for any client id.
    #[default]
    Exclusive,
    /// Possibly to further things. Then AWS resolves thing variables only if client id and thing name are the same.
    Shared,
}

impl Device {
    /// A device whose policy grants the least ([`PolicyDocument::least_privilege`]).
    ///
    /// The policy names its thing by a variable, so all devices of an account and region can share one.
    pub fn new(thing: ThingName, certificate: DeviceCertificate, policy: PolicyName) -> Self {
        Self { thing, certificate, policy, document: None, attachment: Attachment::default() }
    }

    /// Grants what this document says instead of the least.
    #[must_use]
    pub fn with_policy_document(mut self, document: PolicyDocument) -> Self {
        self.document = Some(document);
        self
    }

    /// Attaches the certificate in this way instead of exclusively.
    #[must_use]
    pub fn with_attachment(mut self, attachment: Attachment) -> Self {
        self.attachment = attachment;
        self
    }
}
