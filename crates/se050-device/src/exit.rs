//! What a failure of the chip means for the connection and for the program.

use std::error::Error;
use std::io::Write as _;
use std::process::ExitCode;

use aws_iot_mqtt::Verdict;
use rustls_se050::chip_failure;

use crate::options::MissingOption;

/// Whether another attempt to connect may get its signature: for
/// [`classify_signer_errors`](aws_iot_mqtt::Builder::classify_signer_errors). The MQTT client knows nothing of chips.
pub fn verdict(error: &(dyn Error + 'static)) -> Verdict {
    match chip_failure(error) {
        // The program ends, with a status that tells its supervisor to start it anew.
        Some(failure) if failure.needs_restart() => Verdict::Final,
        Some(failure) if !failure.is_transient() => Verdict::Permanent,
        _ => Verdict::Transient,
    }
}

/// The error and its causes, a line each, as anyhow writes them but without a backtrace: forty frames would bury the sentence.
/// A cause that the line before has said already is left out.
pub fn chain(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    let mut last = text.clone();
    let causes = error.chain().skip(1).map(ToString::to_string);
    let causes: Vec<String> = causes
        .filter(|cause| {
            let is_new = !last.contains(cause.as_str());
            last.clone_from(cause);
            is_new
        })
        .collect();
    if !causes.is_empty() {
        text.push_str("\n\nCaused by:");
    }
    for cause in causes {
        text.push_str("\n    ");
        text.push_str(&cause.replace('\n', "\n    "));
    }
    text
}

/// The PKCS#11 module's log, indented under a heading, where the error is a failure of the chip or the module, and the log was kept
/// aside. Empty otherwise.
pub fn failure_log(error: &anyhow::Error) -> String {
    use se050_key::Error as Chip;
    match chip_failure(error.as_ref()) {
        Some(
            Chip::Call { .. }
            | Chip::ChipUnreachable { .. }
            | Chip::RestartNeeded { .. }
            | Chip::Timeout { .. }
            | Chip::Hanging { .. }
            | Chip::BadSignature { .. }
            | Chip::LoadModule { .. }
            | Chip::WorkerGone { .. },
        ) => module_log(),
        _ => String::new(),
    }
}

/// What the PKCS#11 module has logged, indented under a heading; empty where its log is not kept aside, or it has logged nothing.
pub fn module_log() -> String {
    let lines = se050_key::stdout::log_lines();
    if lines.is_empty() {
        return String::new();
    }
    format!("\nThe PKCS#11 module's own log:\n    {}", lines.join("\n    "))
}

/// The status with which a program ends because of this error: 75 where the chip did not answer, so that a supervisor starts a new
/// process, which may find it; 2 where the command line lacks something; 1 for any other error.
pub fn exit_status(error: &anyhow::Error) -> u8 {
    match error.downcast_ref::<MissingOption>() {
        Some(_) => 2,
        None => rustls_se050::exit_status(error.as_ref()),
    }
}

/// The program's exit status, as [`exit_status`] says. An error is printed to standard error with all its causes, and with the
/// PKCS#11 module's log where the chip failed.
pub fn exit(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let log = failure_log(&error);
            // Where standard error cannot be written to, there is nobody to tell; the status remains.
            let _ = writeln!(std::io::stderr(), "Error: {}{log}", chain(&error));
            ExitCode::from(exit_status(&error))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_is_told_once_and_on_lines_of_its_own() {
        let error = || anyhow::anyhow!("no such file").context("cannot read a.pem: no such file");
        assert_eq!(chain(&error()), "cannot read a.pem: no such file");
        let error = error().context("cannot use the key");
        assert_eq!(chain(&error), "cannot use the key\n\nCaused by:\n    cannot read a.pem: no such file");
    }
}
