//! What AWS detaches takes a while until it counts as detached ("This call is asynchronous": AWS IoT API reference,
//! DetachThingPrincipal; DetachPolicy: up to five minutes). Until then what it was attached to cannot be deleted.

use std::time::Duration;

use aws_sdk_iot::error::{ProvideErrorMetadata, SdkError};

use super::{ControlPlane, is};
use crate::failed_call::Call;

/// Ours, in seconds: half a minute in all, which is long for a person who waits. After that, a repeated run completes it.
const PAUSES: [u64; 5] = [1, 2, 4, 8, 16];

/// How long to wait before asking again.
pub(crate) fn pauses() -> impl Iterator<Item = Duration> {
    PAUSES.into_iter().map(Duration::from_secs)
}

impl ControlPlane {
    /// As `send`, and again as long as AWS answers with the error that tells of an attachment.
    pub(super) async fn send_when_settled<T, E, F>(
        &self,
        call: &Call,
        attached: &str,
        attempt: impl Fn() -> F,
    ) -> Result<T, SdkError<E>>
    where
        F: Future<Output = Result<T, SdkError<E>>>,
        E: ProvideErrorMetadata,
    {
        for pause in pauses() {
            match self.send(call, &attempt).await {
                Err(error) if is(&error, attached) => tokio::time::sleep(pause).await,
                other => return other,
            }
        }
        self.send(call, &attempt).await
    }
}
