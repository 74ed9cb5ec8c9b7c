//! The control plane: the REST operations that aws-sdk-iot and the AWS CLI call to set up a device.

mod certificates;
mod endpoint;
mod policies;
mod request;
mod respond;
mod things;

use std::sync::Arc;

use axum::Router;
use axum::middleware;
use axum::routing::{get, post, put};

use crate::registry::Registry;

/// The routes of the control plane (paths: AWS IoT API reference).
pub(crate) fn router(registry: Arc<Registry>) -> Router {
    Router::new()
        .route("/things/{name}", post(things::create).get(things::describe).delete(things::delete))
        .route(
            "/things/{name}/principals",
            put(things::attach_principal).delete(things::detach_principal).get(things::list_principals),
        )
        .route("/policies/{name}", post(policies::create).get(policies::get).delete(policies::delete))
        .route("/target-policies/{name}", put(policies::attach).post(policies::detach))
        .route("/attached-policies/{target}", post(policies::list_attached))
        .route("/certificate/register-no-ca", post(certificates::register))
        .route(
            "/certificates/{id}",
            get(certificates::describe).put(certificates::update).delete(certificates::delete),
        )
        .route("/endpoint", get(endpoint::describe))
        .fallback(respond::unknown_operation)
        .method_not_allowed_fallback(respond::unknown_operation)
        .layer(middleware::from_fn(request::sign_in))
        .with_state(registry)
}
