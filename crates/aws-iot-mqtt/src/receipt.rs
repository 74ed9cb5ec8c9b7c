//! What is still to be heard of a message that was accepted.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use crate::Error;

/// The fate of a message that was accepted: a future that is done when the server has acknowledged the message (QoS 1),
/// or when the operating system has taken it for the connection (QoS 0).
///
/// Dropping it gives up the wait, not the message.
#[derive(Debug)]
#[must_use = "it is the only place where a refusal is told"]
pub struct Receipt {
    answered: oneshot::Receiver<Result<(), Error>>,
}

impl Receipt {
    pub(crate) fn new(answered: oneshot::Receiver<Result<(), Error>>) -> Self {
        Self { answered }
    }
}

impl Future for Receipt {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.answered).poll(context).map(|answer| answer.unwrap_or(Err(Error::Closed)))
    }
}
