use aws_sdk_iot::error::{ProvideErrorMetadata, SdkError};

use super::ControlPlane;
use crate::failed_call::Call;

/// A part of a list, and where the next part begins.
pub(super) struct Page<T> {
    pub(super) items: Option<Vec<T>>,
    pub(super) next: Option<String>,
}

impl ControlPlane {
    /// A whole list, page by page. Each page is a call with its own turn and its own attempts.
    pub(super) async fn all_pages<T, E, F>(
        &self,
        call: &Call,
        page: impl Fn(Option<String>) -> F,
    ) -> Result<Vec<T>, SdkError<E>>
    where
        F: Future<Output = Result<Page<T>, SdkError<E>>>,
        E: ProvideErrorMetadata,
    {
        let (mut all, mut token) = (Vec::new(), None::<String>);
        loop {
            let Page { items, next } = self.send(call, || page(token.clone())).await?;
            all.extend(items.unwrap_or_default());
            match next.filter(|next| !next.is_empty()) {
                None => return Ok(all),
                // Otherwise a server that repeats itself would be asked for ever.
                Some(next) if token.as_ref() == Some(&next) => {
                    return Err(SdkError::construction_failure(format!("the page {next:?} follows itself")));
                }
                next => token = next,
            }
        }
    }
}
