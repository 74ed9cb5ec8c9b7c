//! p11-kit's library, which speaks the protocol of p11-kit's client module.

use std::ffi::c_int;

use anyhow::Context as _;
use cryptoki_sys::CK_FUNCTION_LIST;
use libloading::Library;

/// The library's name, the same in Alpine (package p11-kit) and Debian (package libp11-kit0).
const LIBRARY: &str = "libp11-kit.so.0";

/// `p11_kit_remote_serve_module` of `p11-kit/remote.h`.
type ServeModule = unsafe extern "C" fn(*mut CK_FUNCTION_LIST, c_int, c_int) -> c_int;

pub(super) struct P11Kit {
    serve_module: ServeModule,
    /// Keeps the code loaded.
    _library: Library,
}

impl P11Kit {
    pub(super) fn load() -> anyhow::Result<Self> {
        let advice =
            || format!("cannot use {LIBRARY}; install p11-kit (Alpine: p11-kit, Debian: libp11-kit0)");
        // SAFETY: the system's own library, whose initialisers need nothing.
        let library = unsafe { Library::new(LIBRARY) }.with_context(advice)?;
        // SAFETY: the type is that of p11-kit/remote.h, since version 0.23.
        let serve_module = unsafe { library.get::<ServeModule>(b"p11_kit_remote_serve_module") };
        let serve_module = *serve_module.with_context(advice)?;
        Ok(Self { serve_module, _library: library })
    }

    /// Answers the client at that socket until it leaves. The library says on standard error what went wrong.
    ///
    /// Not standard output: there the module logs.
    pub(super) fn serve(&self, functions: &'static CK_FUNCTION_LIST, client: c_int) {
        // SAFETY: the list is complete and never changes; the library only reads it.
        unsafe { (self.serve_module)(std::ptr::from_ref(functions).cast_mut(), client, client) };
    }
}
