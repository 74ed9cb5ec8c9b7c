//! What a failure of the chip means for the connection and for the program.

use std::error::Error;
use std::process::ExitCode;

use aws_iot_mqtt::Verdict;
use rustls_se050::{chip_failure, exit_status};

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

/// The program's exit status. An error is printed to standard error with all its causes; the status is 75 where only a new
/// process can open the chip again, so that a supervisor starts one, and 1 for any other error.
pub fn exit(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {error:?}");
            ExitCode::from(exit_status(error.as_ref()))
        }
    }
}
