//! The control plane: the REST operations that aws-sdk-iot and the AWS CLI call to set up a device.

mod certificates;
mod endpoint;
mod pages;
mod policies;
mod policy_versions;
mod request;
mod respond;
mod things;

use std::sync::Arc;

use axum::Router;
use axum::extract::Extension;
use axum::middleware;
use axum::routing::{delete, get, post, put};

pub(crate) use pages::PageLimit;

use crate::registry::Registry;

/// The routes of the control plane (paths: AWS IoT API reference).
pub(crate) fn router(registry: Arc<Registry>, limit: PageLimit) -> Router {
    Router::new()
        .route("/things", get(things::list))
        .route(
            "/things/{name}",
            post(things::create).get(things::describe).patch(things::update).delete(things::delete),
        )
        .route(
            "/things/{name}/principals",
            put(things::attach_principal).delete(things::detach_principal).get(things::list_principals),
        )
        .route("/things/{name}/principals-v2", get(things::list_principals_v2))
        .route("/principals/things", get(things::list_of_principal))
        .route("/principals/things-v2", get(things::list_of_principal_v2))
        .route("/policies", get(policies::list))
        .route("/policies/{name}", post(policies::create).get(policies::get).delete(policies::delete))
        .route("/policies/{name}/version", post(policy_versions::create).get(policy_versions::list))
        .route("/policies/{name}/version/{number}", delete(policy_versions::delete))
        .route("/policy-targets/{name}", post(policies::list_targets))
        .route("/target-policies/{name}", put(policies::attach).post(policies::detach))
        .route("/attached-policies/{target}", post(policies::list_attached))
        .route("/certificates", get(certificates::list))
        .route("/certificate/register-no-ca", post(certificates::register))
        .route(
            "/certificates/{id}",
            get(certificates::describe).put(certificates::update).delete(certificates::delete),
        )
        .route("/endpoint", get(endpoint::describe))
        .fallback(respond::unknown_operation)
        .method_not_allowed_fallback(respond::unknown_operation)
        .layer(middleware::from_fn(request::sign_in))
        .layer(Extension(limit))
        .with_state(registry)
}
