//! Lists come in pages. A page's token is where it ends, so that a list that changes in between loses nothing.

use axum::extract::{FromRef, FromRequestParts, Query};
use axum::http::request::Parts;
use serde::Deserialize;

use super::respond::Failure;
use crate::limits::PAGE_ITEMS;
use crate::registry::ApiError;

/// Most entries on one page, whatever the caller asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageLimit(pub(crate) usize);

/// The page that is asked for.
#[derive(Debug)]
pub(super) struct Page {
    limit: usize,
    query: PageQuery,
}

/// AWS's older lists call it `pageSize` and `marker`, the newer ones `maxResults` and `nextToken`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageQuery {
    #[serde(alias = "pageSize")]
    max_results: Option<usize>,
    #[serde(alias = "marker")]
    next_token: Option<String>,
}

impl Default for PageLimit {
    fn default() -> Self {
        Self(PAGE_ITEMS)
    }
}

impl<S> FromRequestParts<S> for Page
where
    S: Send + Sync,
    PageLimit: FromRef<S>,
{
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let limit = PageLimit::from_ref(state);
        let query = Query::from_request_parts(parts, state).await;
        let Query(query) = query.map_err(|error| ApiError::invalid(error.body_text()))?;
        Ok(Self { limit: limit.0, query })
    }
}

impl Page {
    /// What is on it, of entries that are sorted by `key`, and the token of the next one.
    pub(super) fn of<T>(
        &self,
        entries: Vec<T>,
        key: impl Fn(&T) -> String,
    ) -> Result<(Vec<T>, Option<String>), ApiError> {
        let asked = self.query.max_results.unwrap_or(PAGE_ITEMS);
        if !(1..=PAGE_ITEMS).contains(&asked) {
            return Err(ApiError::invalid(format!(
                "{asked} results on a page: it must be 1 to {PAGE_ITEMS}"
            )));
        }
        let is_new = |entry: &T| self.query.next_token.as_ref().is_none_or(|last| key(entry) > *last);
        let mut page: Vec<T> = entries.into_iter().filter(is_new).collect();
        let most = asked.min(self.limit);
        let more = page.len() > most;
        page.truncate(most);
        let next = if more { page.last().map(key) } else { None };
        Ok((page, next))
    }
}
