//! The container's configuration for Armadillo Base OS.

use anyhow::ensure;

use super::containerfile::{DATA, Description, NAME, VERSION};

/// Where the container's data lies on the device.
const VOLUME: &str = "/var/app/volumes/se050-iot";

/// What the container runs there, in place of the image's own entrypoint.
pub(super) const APPLICATION: &str = "/usr/bin/telemetry";
/// What the application reads, in the container.
pub(super) const DEVICE_CONFIG: &str = "device.toml";

/// The text of /etc/atmark/containers/se050-iot.conf.
pub(super) fn configuration(description: &Description<'_>, i2c: &str) -> anyhow::Result<String> {
    // It ends up in a file that other programs read line by line.
    ensure!(
        i2c.starts_with("/dev/")
            && i2c.chars().all(|letter| letter.is_ascii_alphanumeric() || "/._-".contains(letter)),
        "--i2c {i2c:?}: a device node such as /dev/i2c-1 is needed"
    );
    let reference = description.reference();
    let user = match &description.user {
        Some(user) => format!(
            "# The image's user is {user}: its group has to be that of {i2c} on the device (ls -n {i2c}), and the volume its own:\n\
             #   chown {user} {VOLUME}\n"
        ),
        None => "# The container's root, with no capability: enough for what root owns. Where a group may use the I2C node, an ordinary\n\
                 # user will do: cargo xtask image --i2c-group GID\n\
                 add_args --cap-drop=all\n"
            .to_owned(),
    };
    Ok(format!(
        r#"# /etc/atmark/containers/se050-iot.conf: written by `cargo xtask image`, for Armadillo Base OS.
#   podman load -i {NAME}-{VERSION}.tar
#   persist_file /etc/atmark/containers/se050-iot.conf
# Once, for the operator's `se050-iot provision --certificate 00C0A1.json --device-config {DEVICE_CONFIG}`:
#   podman run --rm --device={i2c} --env=EX_SSS_BOOT_SSS_PORT={i2c} --volume={VOLUME}:{DATA} {reference} \
#     identity export --key-label sss:100100F0 --serial 00C0A1 --output {DATA}/00C0A1.json
# Then, with the {DEVICE_CONFIG} that came back in {VOLUME}:
#   podman_start se050-iot
# Not tried on a device yet: docs/getting-started.md lists what there is to verify.
set_image {reference}

# The chip's I2C bus: the device node, and the same for NXP's module. Which bus it is depends on the device.
add_args --device={i2c}
add_args --env=EX_SSS_BOOT_SSS_PORT={i2c}

# The device's serial number and more in the environment, where Armadillo Base OS is new enough to know the word:
#   add_armadillo_env

{user}add_args --security-opt=no-new-privileges
set_readonly yes

# Survives updates and rollbacks. Part of the A/B snapshot instead: /var/app/rollback/volumes
add_volumes {VOLUME}:{DATA}

# What it runs in place of the image's own entrypoint: put your application here. Its status 75 says that only a new process
# can open the chip again.
add_args --entrypoint={APPLICATION}
set_command --config {DATA}/{DEVICE_CONFIG}
set_restart on-failure
"#
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cross::ARMADILLO_G4;

    /// Keys of the maker's published configurations.
    const KEYS: [&str; 6] =
        ["set_image", "add_args", "set_readonly", "add_volumes", "set_command", "set_restart"];

    fn description(i2c_group: Option<u32>) -> Description<'static> {
        Description::new(&[], &ARMADILLO_G4, i2c_group, None)
    }

    fn settings(i2c_group: Option<u32>) -> Vec<(String, String)> {
        let text = configuration(&description(i2c_group), "/dev/i2c-2").unwrap();
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines
            .map(|line| line.split_once(' ').expect("a key and a value"))
            .map(|(k, v)| (k.into(), v.into()))
            .collect()
    }

    #[test]
    fn every_line_is_a_setting_and_the_bus_is_passed_through() {
        let settings = settings(None);
        for (key, _) in &settings {
            assert!(KEYS.contains(&key.as_str()), "{key}");
        }
        for wanted in [
            "--device=/dev/i2c-2",
            "--env=EX_SSS_BOOT_SSS_PORT=/dev/i2c-2",
            "--cap-drop=all",
            "--config /data/device.toml",
            "/var/app/volumes/se050-iot:/data",
        ] {
            assert!(settings.iter().any(|(_, value)| value == wanted), "{wanted}: {settings:?}");
        }
    }

    #[test]
    fn an_ordinary_user_needs_no_capability_taken() {
        assert!(settings(Some(123)).iter().all(|(_, value)| value != "--cap-drop=all"));
    }

    #[test]
    fn what_is_no_device_node_does_not_get_into_the_file() {
        for node in ["i2c-1", "/dev/i2c-1\nset_readonly no", "/dev/i2c 1"] {
            assert!(configuration(&description(None), node).is_err(), "{node:?}");
        }
    }
}
