//! p11-kit: its client module, through which a program uses a module in another process.

use std::path::PathBuf;

/// The client module of p11-kit, or `None` after writing down the skip. It takes the server's address from
/// [`P11_KIT_ADDRESS`].
pub fn p11_kit_client() -> Option<PathBuf> {
    let architecture = std::env::consts::ARCH;
    let found = [format!("/usr/lib/{architecture}-linux-gnu/pkcs11"), "/usr/lib/pkcs11".to_owned()]
        .into_iter()
        .map(|directory| PathBuf::from(directory).join("p11-kit-client.so"))
        .find(|path| path.is_file());
    if found.is_none() {
        crate::skip("p11-kit-client.so is not installed");
    }
    found
}

/// The environment variable that leads p11-kit's client to its server: `unix:path=` and the socket.
pub const P11_KIT_ADDRESS: &str = "P11_KIT_SERVER_ADDRESS";
