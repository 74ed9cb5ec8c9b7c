//! What servers ask of a client, as far as it explains a refusal.

use std::sync::Mutex;

use rustls::SignatureScheme;

/// What the last server to ask for a certificate wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// The signature schemes that it takes.
    pub(crate) schemes: Vec<SignatureScheme>,
    /// It listed issuers, and the certificate's is not among them.
    pub(crate) other_issuers: bool,
}

/// The last request, and how many there were. Shared by an identity and its configurations; it explains, and decides nothing.
#[derive(Debug, Default)]
pub(crate) struct Requests(Mutex<(u64, Option<Request>)>);

impl Requests {
    pub(crate) fn record(&self, request: Request) {
        if let Ok(mut requests) = self.0.lock() {
            *requests = (requests.0 + 1, Some(request));
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.lock().map_or(0, |requests| requests.0)
    }

    pub(crate) fn last(&self) -> Option<Request> {
        self.0.lock().ok()?.1.clone()
    }
}
