//! What the handlers share.

use std::sync::Arc;

use axum::extract::FromRef;

use super::PageLimit;
use crate::broker::Hub;
use crate::faults::ActiveFaults;
use crate::registry::Registry;

/// The parts of the simulator that the control plane works on. A handler takes the part that it needs.
#[derive(Debug, Clone)]
pub(crate) struct Services {
    pub(crate) registry: Arc<Registry>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) faults: Arc<ActiveFaults>,
    pub(crate) page_limit: PageLimit,
}

impl FromRef<Services> for Arc<Registry> {
    fn from_ref(services: &Services) -> Self {
        Arc::clone(&services.registry)
    }
}

impl FromRef<Services> for Arc<Hub> {
    fn from_ref(services: &Services) -> Self {
        Arc::clone(&services.hub)
    }
}

impl FromRef<Services> for Arc<ActiveFaults> {
    fn from_ref(services: &Services) -> Self {
        Arc::clone(&services.faults)
    }
}

impl FromRef<Services> for PageLimit {
    fn from_ref(services: &Services) -> Self {
        services.page_limit
    }
}
