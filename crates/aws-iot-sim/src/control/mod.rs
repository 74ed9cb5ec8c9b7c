//! The control plane: the REST operations that aws-sdk-iot and the AWS CLI call to set up a device.

mod certificates;
mod commands;
mod data_plane;
mod endpoint;
mod faults;
mod operation;
mod pages;
mod policies;
mod policy_versions;
mod refusal;
mod request;
mod respond;
mod role_aliases;
mod services;
mod sts;
mod templates;
mod test_authorization;
mod thing_groups;
mod thing_types;
mod things;

use axum::Router;
use axum::middleware;
use axum::routing::{delete, get, post, put};

pub(crate) use pages::PageLimit;
pub(crate) use services::Services;

/// The routes of the control plane. [`operation::Operation`] names the operations.
pub(crate) fn router(services: Services) -> Router {
    let aws = things()
        .merge(policies())
        .merge(certificates())
        .route("/topics/{*topic}", post(data_plane::publish))
        .route("/connections/{id}", get(data_plane::get_connection))
        .route("/connections/{id}/messages", post(data_plane::send_direct_message))
        .route("/test-authorization", post(test_authorization::test))
        .route("/commands/{id}", put(commands::create))
        .route("/command-executions", post(commands::start))
        .route("/command-executions/{id}", get(commands::execution))
        .route("/role-aliases/{name}", post(role_aliases::create).get(role_aliases::describe))
        .route("/provisioning-templates", post(templates::create))
        .route("/endpoint", get(endpoint::describe))
        .route("/", post(sts::call))
        .fallback(respond::unknown_operation)
        .method_not_allowed_fallback(respond::unknown_operation)
        .layer(middleware::from_fn_with_state(services.clone(), request::sign_in));
    Router::new()
        .route("/faults", get(faults::list).delete(faults::clear_all))
        .route("/faults/{fault}", put(faults::inject).delete(faults::clear))
        .merge(aws)
        .with_state(services)
}

fn things() -> Router<Services> {
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
        .route("/things/{name}/thing-groups", get(thing_groups::list_of_thing))
        .route("/principals/things", get(things::list_of_principal))
        .route("/principals/things-v2", get(things::list_of_principal_v2))
        .route("/thing-groups", get(thing_groups::list))
        .route("/thing-groups/addThingToThingGroup", put(thing_groups::add_thing))
        .route("/thing-groups/removeThingFromThingGroup", put(thing_groups::remove_thing))
        .route(
            "/thing-groups/{name}",
            post(thing_groups::create).get(thing_groups::describe).delete(thing_groups::delete),
        )
        .route("/thing-groups/{name}/things", get(thing_groups::list_things))
        .route("/thing-types", get(thing_types::list))
        .route("/thing-types/{name}", post(thing_types::create).get(thing_types::describe))
}

fn policies() -> Router<Services> {
    Router::new()
        .route("/policies", get(policies::list))
        .route("/policies/{name}", post(policies::create).get(policies::get).delete(policies::delete))
        .route("/policies/{name}/version", post(policy_versions::create).get(policy_versions::list))
        .route("/policies/{name}/version/{number}", delete(policy_versions::delete))
        .route("/policy-targets/{name}", post(policies::list_targets))
        .route("/target-policies/{name}", put(policies::attach).post(policies::detach))
        .route("/attached-policies/{target}", post(policies::list_attached))
}

fn certificates() -> Router<Services> {
    Router::new()
        .route("/certificates", get(certificates::list))
        .route("/certificate/register-no-ca", post(certificates::register))
        .route(
            "/certificates/{id}",
            get(certificates::describe).put(certificates::update).delete(certificates::delete),
        )
}
