//! What a fuzzer calls where there is no public function: what AWS IoT sends to a device besides an application's messages, and the journal of
//! commands. They must not panic, whatever the bytes are. Not part of a build for use.

use serde_json::Value;

use crate::exchange::{self, Answer};
use crate::shadow::document;
use crate::{Delta, IssuedCertificate, Job, PendingJobs, Registration};
use crate::{commands, credentials, jobs, provisioning, shadow};

/// Answers to the requests of shadow, jobs, commands and fleet provisioning; a delta of a shadow, the topic of a command, the answer of the
/// credential provider, the journal of commands.
pub fn answers(bytes: &[u8]) {
    for answer in exchange::fuzz(bytes) {
        match answer {
            Answer::Accepted(value) => accepted(&value),
            Answer::Rejected(value) => {
                for rejected in [commands::rejected, jobs::rejected, provisioning::rejected, shadow::rejected]
                {
                    let error = rejected("ask".to_owned(), &value);
                    assert!(!error.to_string().contains(char::is_control), "{error:?}");
                }
            }
        }
    }
    if let Ok(delta) = serde_json::from_slice::<Delta>(bytes) {
        let _ = format!("{delta:?}");
    }
    if let Ok(topic) = str::from_utf8(bytes) {
        let _ = commands::execution("$aws/commands/things/gw-1/executions", topic);
    }
    credentials::fuzz(bytes);
    commands::journal::fuzz(bytes);
}

fn accepted(value: &Value) {
    if let Ok(Some(job)) = jobs::next_job("ask", value) {
        let _ = format!("{job:?} {}", job.status);
    }
    let _ = jobs::parse::<PendingJobs>("ask", value.clone());
    let _ = jobs::parse::<Job>("ask", value.clone());
    let _ = jobs::parse::<IssuedCertificate>("ask", value.clone());
    let _ = jobs::parse::<Registration>("ask", value.clone());
    let _ = document::version("ask", value);
    if let Ok(document) = document::read::<Value>("ask", value.clone()) {
        let _ = format!("{document:?}");
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_answer_makes_it_panic() {
        test_peers::fuzz("answers", super::answers);
    }
}
