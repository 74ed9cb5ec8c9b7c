//! The simulator's files: the CA certificate, where it listens, and an AWS configuration that holds nothing.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::Error;
use crate::arn::DEFAULT_REGION;
use crate::tls::ENDPOINT;

/// The directory of one simulator.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    ca_file: PathBuf,
    // Kept for its drop, which removes the directory.
    _temporary: Option<TempDir>,
}

impl Directory {
    /// Writes the files into `path`, or into a temporary directory.
    pub(crate) fn create(
        path: Option<PathBuf>,
        ca_pem: &str,
        [port, credentials_port]: [u16; 2],
        control_plane_url: &str,
    ) -> Result<Self, Error> {
        let (path, temporary) = match path {
            Some(path) => {
                fs::create_dir_all(&path).map_err(|source| Error::Write { path: path.clone(), source })?;
                // Names in the files must hold wherever they are read.
                let path =
                    fs::canonicalize(&path).map_err(|source| Error::Write { path: path.clone(), source })?;
                (path, None)
            }
            None => {
                let temporary = tempfile::tempdir()
                    .map_err(|source| Error::Write { path: std::env::temp_dir(), source })?;
                (temporary.path().to_owned(), Some(temporary))
            }
        };
        let directory = Self { ca_file: path.join("ca.pem"), path, _temporary: temporary };
        directory.write("ca.pem", ca_pem)?;
        directory.write("aws-config", "")?;
        directory.write("aws-credentials", "")?;
        let environment: Map<String, Value> = directory
            .environment(control_plane_url)
            .into_iter()
            .map(|(name, value)| (name, Value::String(value)))
            .collect();
        let state = json!({
            "endpoint": ENDPOINT,
            "port": port,
            "credentialsPort": credentials_port,
            "caFile": directory.ca_file,
            "controlPlaneUrl": control_plane_url,
            "environment": environment,
        });
        // The last one, when everything else is there: a program may wait for it.
        directory.write("aws-iot-sim.json", &format!("{state:#}\n"))?;
        Ok(directory)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn ca_file(&self) -> &Path {
        &self.ca_file
    }

    /// The variables for an AWS client, which turn it to this control plane and away from everything else.
    pub(crate) fn environment(&self, control_plane_url: &str) -> Vec<(String, String)> {
        let file = |name: &str| self.path.join(name).display().to_string();
        [
            // The example key of AWS's documentation: it opens nothing.
            ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned()),
            ("AWS_REGION", DEFAULT_REGION.to_owned()),
            ("AWS_DEFAULT_REGION", DEFAULT_REGION.to_owned()),
            ("AWS_ENDPOINT_URL", control_plane_url.to_owned()),
            ("AWS_ENDPOINT_URL_IOT", control_plane_url.to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            // Both spellings are in use; a proxy of the user's does not reach this machine's loopback.
            ("NO_PROXY", "localhost,127.0.0.1".to_owned()),
            ("no_proxy", "localhost,127.0.0.1".to_owned()),
            ("AWS_CONFIG_FILE", file("aws-config")),
            ("AWS_SHARED_CREDENTIALS_FILE", file("aws-credentials")),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// Writes a file so that a reader sees all of it or nothing.
    fn write(&self, name: &str, content: &str) -> Result<(), Error> {
        let path = self.path.join(name);
        // Nothing in here is a secret, and another user's program may want to connect.
        let readable = fs::Permissions::from_mode(0o644);
        let written =
            tempfile::Builder::new().permissions(readable).tempfile_in(&self.path).and_then(|mut file| {
                file.write_all(content.as_bytes())?;
                file.persist(&path).map_err(|error| error.error)
            });
        written.map(drop).map_err(|source| Error::Write { path, source })
    }
}
