//! `/faults`: switches faults on and off, without a signature. It is the simulator's own, not AWS's.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;

use crate::faults::{ActiveFaults, Injection, UnknownFault};

type Answer = Result<String, (StatusCode, String)>;

pub(super) async fn list(State(faults): State<Arc<ActiveFaults>>) -> String {
    lines(&faults)
}

pub(super) async fn inject(State(faults): State<Arc<ActiveFaults>>, Path(text): Path<String>) -> Answer {
    faults.inject(parse(&text)?);
    Ok(lines(&faults))
}

pub(super) async fn clear(State(faults): State<Arc<ActiveFaults>>, Path(text): Path<String>) -> Answer {
    let Injection { fault, .. } = parse(&text)?;
    if faults.clear(&fault) {
        Ok(lines(&faults))
    } else {
        Err((StatusCode::NOT_FOUND, format!("{fault} is not on\n")))
    }
}

pub(super) async fn clear_all(State(faults): State<Arc<ActiveFaults>>) -> String {
    faults.clear_all();
    String::new()
}

fn parse(text: &str) -> Result<Injection, (StatusCode, String)> {
    text.parse().map_err(|error: UnknownFault| (StatusCode::BAD_REQUEST, format!("{error}\n")))
}

fn lines(faults: &ActiveFaults) -> String {
    faults.list().iter().map(|fault| format!("{fault}\n")).collect()
}
