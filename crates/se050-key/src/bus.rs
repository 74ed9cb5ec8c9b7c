//! The chip's bus, as far as it can be checked without the PKCS#11 module.

use std::fs::OpenOptions;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use i2cdev::core::I2CDevice as _;
use i2cdev::linux::{LinuxI2CDevice, LinuxI2CError};
use rustix::io::Errno;

use crate::module::canonical;
use crate::outage::SignOfLife;

/// The environment variable from which NXP's module takes bus and address, at each opening of the chip.
const PORT: &str = "EX_SSS_BOOT_SSS_PORT";
/// What NXP's module takes without the variable (`sss/ex/src/ex_sss_boot_connectstring.c`).
const DEFAULT_NODE: &str = "/dev/i2c-1";
/// The SE050's address, where the variable has none (NXP AN12413).
const DEFAULT_ADDRESS: u16 = 0x48;
/// The token's manufacturer. NXP's module says this; its simulator, which has no bus, does not.
const NXP: &str = "NXP";

/// How often a silent address is tried: a chip that is waking up may miss the first try.
const TRIES: u32 = 3;

/// The limit for connecting to the socket, which is on this machine or near it.
const CONNECT: Duration = Duration::from_millis(500);

/// Where the chip is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Bus {
    I2c {
        node: PathBuf,
        address: u16,
    },
    /// NXP's access manager or a simulator behind a TCP socket (`127.0.0.1:8050`).
    Socket(SocketAddr),
    /// Another way to the chip, or no chip.
    Unknown,
}

impl Bus {
    /// The bus that NXP's module will use.
    pub(crate) fn of_module(manufacturer: &str) -> Self {
        match std::env::var(PORT) {
            Ok(port) => Self::from_port(&port),
            Err(_) if manufacturer == NXP => {
                Self::I2c { node: DEFAULT_NODE.into(), address: DEFAULT_ADDRESS }
            }
            Err(_) => Self::Unknown,
        }
    }

    fn from_port(port: &str) -> Self {
        if !port.starts_with("/dev/i2c") {
            return port.parse().map_or(Self::Unknown, Self::Socket);
        }
        let (node, address) = port.rsplit_once(':').unwrap_or((port, ""));
        let digits = address.strip_prefix("0x").unwrap_or(address);
        let address = u16::from_str_radix(digits, 16).unwrap_or(DEFAULT_ADDRESS);
        Self::I2c { node: node.into(), address }
    }

    /// Checks that the device node can be opened. Without it, opening a session would fail and use up one attempt.
    pub(crate) fn check_node(&self) -> Result<(), (PathBuf, io::Error)> {
        let Self::I2c { node, .. } = self else { return Ok(()) };
        match OpenOptions::new().read(true).write(true).open(node) {
            Ok(_) => Ok(()),
            Err(error) => Err((node.clone(), error)),
        }
    }

    /// Whether something acknowledges the chip's address. Call it only while no command is running on the bus.
    pub(crate) fn sign_of_life(&self) -> SignOfLife {
        let (node, address) = match self {
            Self::I2c { node, address } => (node, address),
            Self::Socket(address) => return of_connect(TcpStream::connect_timeout(address, CONNECT)),
            Self::Unknown => return SignOfLife::Unknown,
        };
        let signs = (0..TRIES).map(|_| ask(node, *address));
        signs.into_iter().find(|sign| *sign != SignOfLife::Silent).unwrap_or(SignOfLife::Silent)
    }

    /// A name for the bus, for its lock file.
    pub(crate) fn name(&self) -> Option<String> {
        match self {
            Self::I2c { node, .. } => {
                let resolved = canonical(node);
                Some(resolved.file_name()?.to_string_lossy().into_owned())
            }
            Self::Socket(_) | Self::Unknown => None,
        }
    }
}

/// SMBus' quick command: the address and nothing else, as `i2cdetect` does it.
fn ask(node: &Path, address: u16) -> SignOfLife {
    let mut device = match LinuxI2CDevice::new(node, address) {
        Ok(device) => device,
        Err(error) => return of_opening(errno(&error)),
    };
    device
        .smbus_write_quick(false)
        .map_or_else(|error| of_transfer(errno(&error)), |()| SignOfLife::Acknowledged)
}

/// A refused connection means that no chip can be reached. An accepted one says nothing about the chip.
fn of_connect(connected: io::Result<TcpStream>) -> SignOfLife {
    match connected {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => SignOfLife::NoBus,
        _ => SignOfLife::Unknown,
    }
}

/// What it means when the node cannot be opened, or not with that address.
fn of_opening(errno: Option<Errno>) -> SignOfLife {
    match errno {
        Some(Errno::NOENT | Errno::NODEV | Errno::NXIO) => SignOfLife::NoBus,
        // EBUSY: a kernel driver uses the address. EACCES: this process may not open the node.
        _ => SignOfLife::Unknown,
    }
}

/// What a failed transfer means. Only two codes say that nothing acknowledged (Documentation/i2c/fault-codes.rst); with any
/// other (EOPNOTSUPP: the adapter cannot send an address alone; ETIMEDOUT, EAGAIN, EIO: the bus is disturbed) the chip may
/// be there.
fn of_transfer(errno: Option<Errno>) -> SignOfLife {
    match errno {
        Some(Errno::NXIO | Errno::REMOTEIO) => SignOfLife::Silent,
        Some(Errno::NODEV) => SignOfLife::NoBus,
        _ => SignOfLife::Unknown,
    }
}

fn errno(error: &LinuxI2CError) -> Option<Errno> {
    match error {
        LinuxI2CError::Errno(number) => Some(Errno::from_raw_os_error(*number)),
        LinuxI2CError::Io(error) => Errno::from_io_error(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_read_as_nxps_module_reads_it() {
        let i2c = |node: &str, address| Bus::I2c { node: node.into(), address };
        for (port, expected) in [
            ("/dev/i2c-2:0x48", i2c("/dev/i2c-2", 0x48)),
            ("/dev/i2c-3", i2c("/dev/i2c-3", 0x48)),
            ("/dev/i2c-3:0x4a", i2c("/dev/i2c-3", 0x4a)),
            ("127.0.0.1:8050", Bus::Socket(SocketAddr::from(([127, 0, 0, 1], 8050)))),
            ("/tmp/access-manager", Bus::Unknown),
            ("", Bus::Unknown),
        ] {
            assert_eq!(Bus::from_port(port), expected, "{port}");
        }
    }

    #[test]
    fn a_node_that_is_missing_is_named_and_gives_no_sign_of_life() {
        let bus = Bus::I2c { node: "/dev/i2c-990".into(), address: 0x48 };
        assert_eq!(bus.check_node().unwrap_err().0, Path::new("/dev/i2c-990"));
        assert_eq!(bus.sign_of_life(), SignOfLife::NoBus);
        assert_eq!(bus.name().as_deref(), Some("i2c-990"));
        assert_eq!(Bus::Unknown.sign_of_life(), SignOfLife::Unknown);
    }

    #[test]
    fn only_a_missing_acknowledgement_is_silence() {
        for (errno, expected) in [
            (Errno::NXIO, SignOfLife::Silent),
            (Errno::REMOTEIO, SignOfLife::Silent),
            (Errno::NODEV, SignOfLife::NoBus),
            (Errno::OPNOTSUPP, SignOfLife::Unknown),
            (Errno::BUSY, SignOfLife::Unknown),
            (Errno::TIMEDOUT, SignOfLife::Unknown),
            (Errno::AGAIN, SignOfLife::Unknown),
            (Errno::IO, SignOfLife::Unknown),
            (Errno::PROTO, SignOfLife::Unknown),
            (Errno::INVAL, SignOfLife::Unknown),
        ] {
            assert_eq!(of_transfer(Some(errno)), expected, "{errno:?}");
        }
        assert_eq!(of_transfer(None), SignOfLife::Unknown);
    }
}
