//! Where this module's own file lies: its directory is its chip.

use std::ffi::{CStr, OsStr, c_void};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// The directory of the file that this code was loaded from. No environment variable is involved, so one process can
/// have several chips, each with its own copy of the module.
pub(super) fn directory() -> Option<PathBuf> {
    let own_code = directory as fn() -> Option<PathBuf> as *const c_void;
    let mut info = libc::Dl_info {
        dli_fname: std::ptr::null(),
        dli_fbase: std::ptr::null_mut(),
        dli_sname: std::ptr::null(),
        dli_saddr: std::ptr::null_mut(),
    };
    // SAFETY: any address may be asked for, and `info` may be written to.
    if unsafe { libc::dladdr(own_code, &mut info) } == 0 || info.dli_fname.is_null() {
        return None;
    }
    // SAFETY: the loader's own string, which lives as long as the module is loaded.
    let file = unsafe { CStr::from_ptr(info.dli_fname) };
    let file = Path::new(OsStr::from_bytes(file.to_bytes()));
    // Now, not later: a relative path means the working directory that the client loaded the module from.
    file.canonicalize().ok()?.parent().map(Path::to_owned)
}
