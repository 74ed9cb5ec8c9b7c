//! Why AWS denied a call, as far as its message tells ("Troubleshoot access denied error messages" in AWS's IAM user guide).

/// Which policy stands in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denial {
    /// No policy of the operator's allows the call, or AWS does not say which does not.
    NotAllowed,
    /// A policy of the operator's own denies it: no other policy can allow it.
    DeniedByOwnPolicy,
    /// A policy of that kind, which the operator usually cannot change, denies it or does not allow it.
    Guardrail(&'static str),
}

/// Kinds of policies in AWS's words, with what they are called here.
const GUARDRAILS: [(&str, &str); 5] = [
    ("service control policy", "a service control policy (SCP) of the organization"),
    ("resource control policy", "a resource control policy (RCP) of the organization"),
    ("permissions boundary", "the permissions boundary of this user or role"),
    ("session policy", "the session policy of these temporary credentials"),
    ("vpc endpoint policy", "the policy of the VPC endpoint on the way"),
];

impl Denial {
    /// From AWS's message, such as `... is not authorized to perform: iot:CreateThing on resource: ... with an explicit deny in
    /// a service control policy`.
    pub(crate) fn of(message: &str) -> Self {
        let message = message.to_lowercase();
        let reason = ["with an explicit deny in ", "because no "]
            .iter()
            .find_map(|words| Some(message.split_once(words)?.1))
            .unwrap_or_default();
        match GUARDRAILS.iter().find(|(aws, _)| reason.contains(aws)) {
            Some((_, name)) => Self::Guardrail(name),
            None if message.contains("with an explicit deny") => Self::DeniedByOwnPolicy,
            None => Self::NotAllowed,
        }
    }

    /// What to do about it.
    pub(crate) fn advice(self, action: &str, resource: &str) -> String {
        match self {
            Self::NotAllowed => format!(
                "allow {action} on {resource} in the operator's IAM policy (AWS's AWSIoTConfigAccess contains it)"
            ),
            Self::DeniedByOwnPolicy => format!(
                "a Deny statement in one of the operator's policies covers {action} on {resource}, so allowing it elsewhere does \
                 not help; it may have a condition, such as a login with MFA: meet the condition, or change that statement"
            ),
            Self::Guardrail(name) => format!(
                "{name} does not let {action} through, and the operator's IAM policy cannot change that; ask whoever administers \
                 it to allow {action} on {resource}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_that_stands_in_the_way_is_told_by_its_kind() {
        const WHO: &str = "User: arn:aws:iam::123456789012:user/op is not authorized to perform: iot:CreateThing on resource: \
                           arn:aws:iot:us-east-1:123456789012:thing/dev1";
        for (reason, denial) in [
            ("", Denial::NotAllowed),
            (" because no identity-based policy allows the iot:CreateThing action", Denial::NotAllowed),
            (" with an explicit deny in an identity-based policy", Denial::DeniedByOwnPolicy),
            (" with an explicit deny", Denial::DeniedByOwnPolicy),
            (" with an explicit deny in a service control policy", Denial::Guardrail(GUARDRAILS[0].1)),
            (
                " because no service control policy allows the iot:CreateThing action",
                Denial::Guardrail(GUARDRAILS[0].1),
            ),
            (" with an explicit deny in a permissions boundary", Denial::Guardrail(GUARDRAILS[2].1)),
            (
                " because no session policy allows the iot:CreateThing action",
                Denial::Guardrail(GUARDRAILS[3].1),
            ),
            (" with an explicit deny in a VPC endpoint policy", Denial::Guardrail(GUARDRAILS[4].1)),
        ] {
            let found = Denial::of(&format!("{WHO}{reason}"));
            assert_eq!(found, denial, "{reason}");
            let advice = found.advice("iot:CreateThing", "thing/dev1");
            assert!(advice.contains("iot:CreateThing") && advice.contains("thing/dev1"), "{advice}");
            assert_eq!(
                advice.contains("in the operator's IAM policy ("),
                denial == Denial::NotAllowed,
                "{advice}"
            );
        }
        // The name of a thing is no reason.
        assert_eq!(Denial::of("denied for thing/service control policy"), Denial::NotAllowed);
    }
}
