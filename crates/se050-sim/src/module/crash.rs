//! Where the real module crashes, or hangs for ever.

use std::thread;

use cryptoki_sys::{CK_RV, CKR_VENDOR_DEFINED};

/// What the simulated module answers where the real one would crash, or hang for ever: no other cause has it.
/// [`Chip::set_crashes`](crate::Chip::set_crashes) makes it do so indeed.
pub const WOULD_CRASH: u64 = 0x8E05_DEAD;

const ANSWER: CK_RV = WOULD_CRASH as CK_RV;
const _: () = assert!(ANSWER & CKR_VENDOR_DEFINED != 0);

/// Ends the process, or says that the real module would have.
pub(super) fn crash(crashes: bool, what: &str) -> CK_RV {
    eprintln!("se050-sim: the real module crashes here: {what}");
    if crashes {
        std::process::abort();
    }
    ANSWER
}

/// Hangs for ever, or says that the real module would have.
pub(super) fn hang(crashes: bool, what: &str) -> CK_RV {
    eprintln!("se050-sim: the real module hangs here for ever: {what}");
    if crashes {
        loop {
            thread::park();
        }
    }
    ANSWER
}
