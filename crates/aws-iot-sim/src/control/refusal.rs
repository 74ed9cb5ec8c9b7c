//! The faults of the control plane: operations that are refused, and what cannot be seen yet.

use super::operation::Operation;
use crate::arn::Scope;
use crate::faults::{ActiveFaults, ApiRefusal, Fault};
use crate::registry::{ApiError, ApiErrorKind};

/// The refusal of an operation, where a fault wants one.
pub(super) fn refusal(
    faults: &ActiveFaults,
    operation: Operation,
    path: &str,
    scope: &Scope,
) -> Option<ApiError> {
    let refusal = faults.find(|fault| match fault {
        Fault::Refuse { operation: name, refusal } if name == "*" || name == operation.name => Some(*refusal),
        _ => None,
    })?;
    let denied = |reason: &str| {
        let resource = operation.resource_of(path).map_or_else(|| "*".to_owned(), |name| scope.arn(name));
        // The words of AWS (IAM user guide, "Troubleshoot access denied error messages").
        let message = format!(
            "User: {} is not authorized to perform: iot:{} on resource: {resource} {reason}",
            scope.caller_arn(),
            operation.name
        );
        ApiError::new(ApiErrorKind::AccessDenied, message)
    };
    Some(match refusal {
        ApiRefusal::MissingAllow => {
            denied(&format!("because no identity-based policy allows the iot:{} action", operation.name))
        }
        ApiRefusal::ExplicitDeny => denied("with an explicit deny in an identity-based policy"),
        ApiRefusal::ServiceControlPolicy => denied("with an explicit deny in a service control policy"),
        ApiRefusal::UnknownOperation => ApiError::new(ApiErrorKind::UnknownOperation, "Unknown operation"),
        ApiRefusal::Throttling => ApiError::new(ApiErrorKind::Throttling, "Rate exceeded"),
        ApiRefusal::NotFound => ApiError::new(ApiErrorKind::ResourceNotFound, "The resource does not exist"),
        ApiRefusal::InternalFailure => ApiError::new(ApiErrorKind::InternalFailure, "Internal failure"),
    })
}

/// The answer to an attachment of what cannot be seen yet, where a fault wants one.
pub(super) fn not_visible_yet(
    faults: &ActiveFaults,
    operation: &str,
    what: &str,
    to: &str,
) -> Result<(), ApiError> {
    if faults.is_invisible(&format!("{operation} {what} {to}")) {
        return Err(ApiError::not_found(format_args!("{what} or {to} (eventual consistency)")));
    }
    Ok(())
}
