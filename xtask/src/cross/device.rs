//! What the programs are built for.

use std::path::PathBuf;

use clap::ValueEnum;
use object::elf;

use crate::root::target;

/// A kind of device: everything that differs from one to the next.
pub(crate) struct Device {
    /// Rust's name for it.
    pub(crate) triple: &'static str,
    pub(crate) zig_target: &'static str,
    pub(crate) zig_cpu: &'static str,
    /// What an ELF file's header has to say.
    pub(crate) machine: elf::Machine,
    /// musl's loader, as programs name it.
    pub(crate) loader: &'static str,
    /// The processor's name in an OCI image.
    pub(crate) architecture: &'static str,
    /// The same with its variant, as podman wants it.
    pub(crate) platform: &'static str,
    /// The processor's name in Debian.
    pub(crate) debian: &'static str,
    /// The emulators, by their names in Debian 12 and 13.
    pub(crate) emulators: [&'static str; 2],
    pub(crate) emulated_cpu: &'static str,
    /// What the directories of this device end with in `target/`.
    suffix: &'static str,
}

/// The devices by their names on the command line.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DeviceName {
    /// Armadillo-IoT Gateway G4
    G4,
    /// Armadillo-IoT Gateway A6E, and Armadillo-640
    A6e,
}

impl DeviceName {
    pub(crate) fn device(self) -> &'static Device {
        match self {
            Self::G4 => &ARMADILLO_G4,
            Self::A6e => &ARMADILLO_A6E,
        }
    }
}

/// Armadillo-IoT Gateway G4: NXP i.MX 8M Plus (Cortex-A53), Alpine-based containers.
pub(crate) const ARMADILLO_G4: Device = Device {
    triple: "aarch64-unknown-linux-musl",
    zig_target: "aarch64-linux-musl",
    zig_cpu: "cortex_a53",
    machine: elf::EM_AARCH64,
    loader: "/lib/ld-musl-aarch64.so.1",
    architecture: "arm64",
    platform: "linux/arm64",
    debian: "arm64",
    emulators: ["qemu-aarch64-static", "qemu-aarch64"],
    emulated_cpu: "cortex-a53",
    suffix: "",
};

/// Armadillo-IoT Gateway A6E and Armadillo-640: NXP i.MX6ULL (Cortex-A7, 32 bits), the same containers.
pub(crate) const ARMADILLO_A6E: Device = Device {
    triple: "armv7-unknown-linux-musleabihf",
    zig_target: "arm-linux-musleabihf",
    zig_cpu: "cortex_a7",
    machine: elf::EM_ARM,
    loader: "/lib/ld-musl-armhf.so.1",
    architecture: "arm",
    platform: "linux/arm/v7",
    debian: "armhf",
    emulators: ["qemu-arm-static", "qemu-arm"],
    emulated_cpu: "cortex-a7",
    suffix: "-a6e",
};

impl Device {
    /// `AARCH64_UNKNOWN_LINUX_MUSL`: how cargo's environment variables name it.
    pub(crate) fn triple_in_variables(&self) -> String {
        self.triple.to_uppercase().replace('-', "_")
    }

    /// A directory of this device.
    pub(crate) fn directory(&self, in_: PathBuf, name: &str) -> PathBuf {
        in_.join(format!("{name}{}", self.suffix))
    }
}

/// Where everything lies that building for a device takes, and that can be made again.
pub(crate) fn workshop() -> PathBuf {
    target().join("cross")
}
