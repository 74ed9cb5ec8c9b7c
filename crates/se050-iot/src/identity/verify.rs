use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::Args;
use device_identity::{Identity, Requirements};
use serde_json::json;

use super::{authorities, files};
use crate::duration::duration;
use crate::exit::Exit;
use crate::json;

/// What `se050-iot identity verify` is told.
#[derive(Args)]
pub(crate) struct VerifyArgs {
    /// Bundles and certificates, or directories of them
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The chip maker's CA certificates (PEM); without it the issuer is not verified
    #[arg(long, value_name = "FILE")]
    nxp_ca: Option<PathBuf>,
    /// The nonce that was issued for this order
    #[arg(long, value_name = "TEXT")]
    nonce: Option<String>,
    /// Refuse certificates without a proof of possession
    #[arg(long)]
    require_proof: bool,
    /// Refuse proofs that the device signed longer ago, such as 30d or 12h
    #[arg(long, value_name = "TIME", value_parser = duration)]
    proof_max_age: Option<Duration>,
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &VerifyArgs, out: &mut impl Write) -> anyhow::Result<Exit> {
    let requirements = Requirements {
        authorities: args.nxp_ca.as_deref().map(authorities).transpose()?.unwrap_or_default(),
        nonce: args.nonce.clone(),
        proof_required: args.require_proof,
        proof_max_age: args.proof_max_age,
    };
    let mut results = Vec::new();
    let mut exit = Exit::Good;
    for path in files(&args.files)? {
        let file = path.display();
        let verified = Identity::from_file(&path).map_err(anyhow::Error::from).and_then(|identity| {
            let checked = identity.check(&requirements, SystemTime::now())?;
            Ok((identity, checked))
        });
        let result = match &verified {
            Ok((identity, checked)) => {
                let id = identity.certificate().fingerprint();
                let subject = identity.subject();
                if !args.json {
                    let who = subject.map_or("-", |subject| subject.as_str());
                    writeln!(out, "PASS {file} {who} {id} {}", checked.summary())?;
                }
                json!({
                    "file": file.to_string(), "good": true, "certificateId": id, "identity": checked.summary(),
                    "subject": subject.map(|subject| json!({ subject.kind(): subject.as_str() })),
                })
            }
            Err(error) => {
                exit = Exit::Refused;
                let error = format!("{error:#}").replace('\n', " ");
                if !args.json {
                    writeln!(out, "FAIL {file} {error}")?;
                }
                json!({"file": file.to_string(), "good": false, "error": error})
            }
        };
        results.push(result);
    }
    if args.json {
        json::print(out, &json!({"good": exit == Exit::Good, "identities": results}))?;
    }
    Ok(exit)
}
