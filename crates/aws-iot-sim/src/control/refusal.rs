//! The faults of the control plane: operations that are refused, and what cannot be seen yet.

use crate::arn::Scope;
use crate::faults::{ActiveFaults, ApiRefusal, Fault};
use crate::registry::{ApiError, ApiErrorKind};

use super::operation::Operation;

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
    let kind = match refusal {
        ApiRefusal::MissingAllow | ApiRefusal::ExplicitDeny | ApiRefusal::ServiceControlPolicy => {
            ApiErrorKind::AccessDenied
        }
        ApiRefusal::UnknownOperation => ApiErrorKind::UnknownOperation,
        ApiRefusal::Throttling => ApiErrorKind::Throttling,
        ApiRefusal::NotFound => ApiErrorKind::ResourceNotFound,
        ApiRefusal::InternalFailure => ApiErrorKind::InternalFailure,
    };
    // The words of AWS (IAM user guide, "Troubleshoot access denied error messages").
    let action = format!("iot:{}", operation.name);
    let reason = match refusal {
        ApiRefusal::MissingAllow => format!("because no identity-based policy allows the {action} action"),
        ApiRefusal::ExplicitDeny => "with an explicit deny in an identity-based policy".to_owned(),
        ApiRefusal::ServiceControlPolicy => "with an explicit deny in a service control policy".to_owned(),
        ApiRefusal::UnknownOperation => return Some(ApiError::new(kind, "Unknown operation")),
        ApiRefusal::Throttling => return Some(ApiError::new(kind, "Rate exceeded")),
        ApiRefusal::NotFound => return Some(ApiError::new(kind, "The resource does not exist")),
        ApiRefusal::InternalFailure => return Some(ApiError::new(kind, "Internal failure")),
    };
    let resource = operation.resource_of(path).map_or_else(|| "*".to_owned(), |resource| scope.arn(resource));
    let message = format!(
        "User: {} is not authorized to perform: {action} on resource: {resource} {reason}",
        scope.caller_arn()
    );
    Some(ApiError::new(kind, message))
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
