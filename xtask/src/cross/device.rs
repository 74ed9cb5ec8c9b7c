//! What the programs are built for.

use std::path::PathBuf;

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
    /// The processor's name in an OCI image, which is also Debian's.
    pub(crate) architecture: &'static str,
    /// The emulators, by their names in Debian 12 and 13.
    pub(crate) emulators: [&'static str; 2],
    pub(crate) emulated_cpu: &'static str,
}

/// Armadillo-IoT Gateway G4: NXP i.MX 8M Plus (Cortex-A53), Alpine-based containers.
pub(crate) const ARMADILLO_G4: Device = Device {
    triple: "aarch64-unknown-linux-musl",
    zig_target: "aarch64-linux-musl",
    zig_cpu: "cortex_a53",
    machine: elf::EM_AARCH64,
    loader: "/lib/ld-musl-aarch64.so.1",
    architecture: "arm64",
    emulators: ["qemu-aarch64-static", "qemu-aarch64"],
    emulated_cpu: "cortex-a53",
};

impl Device {
    /// `AARCH64_UNKNOWN_LINUX_MUSL`: how cargo's environment variables name it.
    pub(crate) fn triple_in_variables(&self) -> String {
        self.triple.to_uppercase().replace('-', "_")
    }
}

/// Where everything lies that building for a device takes, and that can be made again.
pub(crate) fn workshop() -> PathBuf {
    target().join("cross")
}
