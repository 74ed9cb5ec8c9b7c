//! What signatures cost on each version of NXP's module.

use std::fmt;

/// Command-response pairs (APDUs) on the bus, each some milliseconds, as counted between NXP's modules and a simulated chip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cost {
    /// A signature with RSASSA-PKCS1-v1_5.
    pub rsa_pkcs1_apdus: u32,
    /// A signature with RSASSA-PSS, which TLS 1.3 wants of RSA keys.
    pub rsa_pss: RsaPssCost,
    /// A signature with ECDSA on P-256.
    pub ecdsa_apdus: u32,
}

/// What RSASSA-PSS costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RsaPssCost {
    /// As cheap as any other signature: from 4.3 on.
    Cheap,
    /// Up to 4.2 each piece of the mask is hashed in the chip: 50 APDUs with RSA-2048, 90 with RSA-4096, and two objects
    /// written to the chip's memory, for every signature.
    Slow,
}

impl Cost {
    pub(crate) fn of_version(version: (u8, u8)) -> Self {
        Self {
            rsa_pkcs1_apdus: if version >= (4, 7) { 6 } else { 7 },
            rsa_pss: if version <= (4, 2) { RsaPssCost::Slow } else { RsaPssCost::Cheap },
            ecdsa_apdus: 4,
        }
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.rsa_pss {
            RsaPssCost::Slow => {
                "RSA-PSS is slow on this version: 50 APDUs (90 with RSA-4096) and two writes to the chip's memory; for RSA keys \
                 prefer TLS 1.2, or use the EC key"
            }
            RsaPssCost::Cheap => "all signatures are cheap on this version",
        })
    }
}
