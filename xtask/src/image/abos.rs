//! The container's configuration for Armadillo Base OS.

use super::description::{DATA, Description};

/// The text of /etc/atmark/containers/se050-iot.conf.
pub(super) fn configuration(description: &Description, i2c: &str) -> anyhow::Result<String> {
    super::ensure_plain("--i2c", i2c)?;
    let reference = description.reference();
    let user = match &description.user {
        Some(user) => format!(
            "# The image's user is {user}: its group has to be that of {i2c} on the device (ls -n {i2c}), and the volume its own:\n\
             #   chown {user} /var/app/volumes/se050-iot\n"
        ),
        None => "# The container's root, with no capability: enough for what root owns. Where a group may use the I2C node, an ordinary\n\
                 # user will do: cargo xtask image --i2c-group GID\n\
                 add_args --cap-drop=all\n"
            .to_owned(),
    };
    Ok(format!(
        r#"# /etc/atmark/containers/se050-iot.conf: written by `cargo xtask image`, for Armadillo Base OS.
#   podman load -i {name}-{version}.tar
#   persist_file /etc/atmark/containers/se050-iot.conf
#   podman_start se050-iot
# Not tried on a device yet: docs/cross-compiling.md lists what there is to verify.
set_image {reference}

# The chip's I2C bus: the device node, and the same for NXP's module. Which bus it is depends on the device.
add_args --device={i2c}
add_args --env=EX_SSS_BOOT_SSS_PORT={i2c}

{user}add_args --security-opt=no-new-privileges
set_readonly yes

# Survives updates and rollbacks. Part of the A/B snapshot instead: /var/app/rollback/volumes
add_volumes /var/app/volumes/se050-iot:{DATA}

# What it does: the arguments of se050-iot. This exports the certificate once and ends. For a program of the image that keeps
# running, name it:   add_args --entrypoint=/usr/bin/PROGRAM   and give its arguments here.
set_command cert export --key-label sss:100100F0 --output {DATA}/device_cert.pem
set_restart on-failure
"#,
        name = description.name,
        version = description.version,
    ))
}
