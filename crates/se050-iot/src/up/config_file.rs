//! The device configuration as a file: read before, so that another device's is not replaced, and written whole.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use aws_iot_provision::ThingName;
use device_identity::DeviceConfig;

use crate::files;

/// What stands in the file before.
#[derive(Debug)]
enum Content {
    /// There is no file.
    Nothing,
    /// The configuration of this thing.
    Own(Box<DeviceConfig>),
    /// Something else, in words.
    Foreign(String),
}

/// What becomes of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Created,
    Updated,
    Unchanged,
}

impl Change {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
        }
    }

    /// As in a plan's lines.
    pub(super) fn sign(self) -> char {
        match self {
            Self::Created => '+',
            Self::Updated => '~',
            Self::Unchanged => ' ',
        }
    }
}

#[derive(Debug)]
pub(super) struct ConfigFile {
    path: PathBuf,
    content: Content,
}

impl ConfigFile {
    pub(super) fn read(path: PathBuf, thing: &ThingName) -> Self {
        let content = match DeviceConfig::from_file(&path) {
            Ok(config) if config.thing == thing.as_str() => Content::Own(Box::new(config)),
            Ok(config) => Content::Foreign(format!("is the configuration of {}", config.thing)),
            Err(_) if !path.exists() => Content::Nothing,
            Err(error) => Content::Foreign(format!("is there already, and cannot be used ({error})")),
        };
        Self { path, content }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// This thing's configuration, where the file has it.
    pub(super) fn own(&self) -> Option<&DeviceConfig> {
        match &self.content {
            Content::Own(config) => Some(config),
            _ => None,
        }
    }

    /// What the file is of, where replacing it has to be agreed to: another thing, or this thing's name at another endpoint, which
    /// is probably another account or region.
    pub(super) fn is_of_another(&self, config: &DeviceConfig) -> Option<String> {
        match &self.content {
            Content::Foreign(words) => Some(words.clone()),
            Content::Own(before) if before.endpoint != config.endpoint => {
                Some(format!("is of the endpoint {}, not {}", before.endpoint, config.endpoint))
            }
            _ => None,
        }
    }

    /// What becomes of it.
    pub(super) fn change_to(&self, config: &DeviceConfig) -> Change {
        match &self.content {
            Content::Nothing => Change::Created,
            Content::Own(before) if **before == *config => Change::Unchanged,
            _ => Change::Updated,
        }
    }

    /// Tells before anything is registered whether it can be written.
    pub(super) fn check_writable(&self, change: Change) -> anyhow::Result<()> {
        if change == Change::Unchanged { Ok(()) } else { files::check_writable(&self.path) }
    }

    pub(super) fn write(&self, config: &DeviceConfig, change: Change) -> anyhow::Result<()> {
        if change == Change::Unchanged {
            return Ok(());
        }
        let text = config.to_toml()?;
        files::write_whole(&self.path, text.as_bytes())
            .context("the device is registered, but not its configuration written")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_things_file_at_the_same_endpoint_is_replaced_unasked() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("device.toml");
        let thing = "gw-1".parse().unwrap();
        let config = DeviceConfig::new("here", "gw-1", "sss:100100F0");
        let read = || ConfigFile::read(path.clone(), &thing);
        assert_eq!((read().change_to(&config), read().is_of_another(&config)), (Change::Created, None));
        read().write(&config, Change::Created).unwrap();
        assert_eq!((read().change_to(&config), read().is_of_another(&config)), (Change::Unchanged, None));
        let mut other_port = config.clone();
        other_port.port = 443;
        assert_eq!(
            (read().change_to(&other_port), read().is_of_another(&other_port)),
            (Change::Updated, None)
        );
        let elsewhere = DeviceConfig::new("there", "gw-1", "sss:100100F0");
        assert!(read().is_of_another(&elsewhere).unwrap().contains("here"));
        let another = DeviceConfig::new("here", "gw-2", "sss:100100F0");
        std::fs::write(&path, another.to_toml().unwrap()).unwrap();
        assert!(read().own().is_none() && read().is_of_another(&config).unwrap().contains("gw-2"));
        std::fs::write(&path, "no TOML").unwrap();
        assert!(read().own().is_none() && read().is_of_another(&config).is_some());
    }
}
