//! What can go wrong between the program and the chip.

use std::error::Error as StdError;
use std::path::PathBuf;
use std::time::Duration;

use crate::{CallError, Holder, KeyKind, Scheme};

/// The exit status by which a program tells its supervisor to start it anew, since the chip did not answer:
/// `EX_TEMPFAIL` of sysexits.h.
pub const RESTART_EXIT_STATUS: u8 = 75;

/// A call that has taken longer will not return: NXP's modules give up after 145 s at the latest.
const HANGS_FOR_GOOD: Duration = Duration::from_secs(600);

/// A failure of the key provider: who failed, doing what, to what, and what to try next.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message shows what each field is")]
#[non_exhaustive]
pub enum Error {
    /// The text names no object: it is no object id, label or PKCS#11 URI, or it says more than is understood.
    #[error("{text:?} names no object: {reason}")]
    InvalidSelector { text: String, reason: String },

    /// A PKCS#11 URI names something else than what it is used for.
    #[error(
        "{selector} does not fit: its {attribute} is missing, or not that of the token or object that it is used for"
    )]
    NotThisToken { selector: String, attribute: &'static str },

    /// A PKCS#11 URI contradicts what was said otherwise, by a flag or by another URI.
    #[error("{selector} contradicts what was given otherwise: its {attribute} is another")]
    Contradiction { selector: String, attribute: &'static str },

    /// The PIN file, or what a PKCS#11 URI's `pin-source` names, cannot be used.
    #[error("cannot take the PIN from the file {}", path.display())]
    PinFile { path: PathBuf, source: std::io::Error },

    /// The PKCS#11 module cannot be loaded.
    #[error(
        "cannot load the PKCS#11 module {}: {reason}; is NXP's plug-and-trust package installed, for this processor and this \
         program's C library?", path.display()
    )]
    LoadModule { path: PathBuf, reason: String },

    /// A call of the module failed.
    #[error("the PKCS#11 module failed while {doing}; {advice}")]
    Call { doing: String, advice: &'static str, source: CallError },

    /// The module has no token that fits, or several.
    #[error("the module {} has {found}: {advice}", module.display())]
    NoSingleToken { module: PathBuf, found: String, advice: &'static str },

    /// The token asks for a PIN and none was given.
    #[error(
        "the token {label:?} asks for a PIN and none was given: give one in a file or in the environment, never on the command line"
    )]
    PinMissing { label: String },

    /// The token refused this PIN before, and it was not tried again.
    #[error(
        "the token {label:?} refused this PIN before, so it was not tried again: check the PIN, and start anew"
    )]
    PinRefused { label: String },

    /// One more wrong PIN locks the token, so none was tried.
    #[error(
        "the token {label:?} takes one more PIN before it locks itself, so none was tried: check the PIN with another program \
         (pkcs11-tool --login --test); a right one makes the token take this program's again"
    )]
    PinFinalTry { label: String },

    /// The token has locked itself after wrong PINs.
    #[error(
        "the token {label:?} is locked after too many wrong PINs: its security officer has to set a new one"
    )]
    PinLocked { label: String },

    /// The token is open in this process with other options.
    #[error("the module {} is open in this process already, with another {what}: a process has one session with the chip", module.display())]
    AlreadyOpen { module: PathBuf, what: &'static str },

    /// The chip's bus is not there.
    #[error(
        "cannot open {}, the bus of the chip: is the device node in the container, and does EX_SSS_BOOT_SSS_PORT name the right \
         one?", node.display()
    )]
    BusMissing { node: PathBuf, source: std::io::Error },

    /// Another process has the chip.
    #[error(
        "the chip is in use by {holder} (lock file {}): end it, or have one program serve both; SE050_LOCK_FILE names another lock \
         file", lock.display()
    )]
    Busy { lock: PathBuf, holder: Holder },

    /// The lock file cannot be used.
    #[error(
        "cannot use the lock file {}: make it readable for this user, or name another in SE050_LOCK_FILE, the same for all programs \
         that use the chip", path.display()
    )]
    LockFile { path: PathBuf, source: std::io::Error },

    /// The chip does not answer. It is looked for between the requests, so the next one may succeed.
    ///
    /// `openings_left`: how many openings may still fail before [`Error::RestartNeeded`]; `None` where that is not limited. The
    /// last one follows 30 s after the one before: with 1 or 0 left, save what a new process is to find. `source`: the call that
    /// failed, where this is the request that found out.
    #[error(
        "the token {token:?} does not answer, for {:.1} s now: check the chip's power and its bus (EX_SSS_BOOT_SSS_PORT, the device \
         node in the container); it is looked for meanwhile{}", silent_for.as_secs_f32(), restart_ahead(*openings_left)
    )]
    ChipUnreachable {
        token: String,
        silent_for: Duration,
        openings_left: Option<u32>,
        source: Option<CallError>,
    },

    /// No p11-kit server answers, so there is no token.
    #[error(
        "no p11-kit server answers at the address in the environment variable P11_KIT_SERVER_ADDRESS: start the server that has the \
         PKCS#11 module"
    )]
    NoServer,

    /// NXP's module can open no session any more in this process, even when the chip is back. `source`: as in
    /// [`Error::ChipUnreachable`].
    #[error(
        "only a new process can open the chip again ({failures} openings failed, and each costs the module {} one of its three \
         sessions for good): start this program anew", module.display()
    )]
    RestartNeeded { module: PathBuf, failures: u32, source: Option<CallError> },

    /// The process was forked after the token was opened.
    #[error(
        "the token was opened before this process was forked off: open it afterwards, in one process only"
    )]
    Forked,

    /// No such object. The chip answered when it was asked for a sign of life.
    #[error("no {class} {selector} on the token {token:?}; the chip answers, so check the label")]
    NotFound { class: &'static str, selector: String, token: String },

    /// Several objects fit; none of them is picked.
    #[error(
        "{} objects on the token {token:?} fit the {class} {selector} ({}): none is picked; name one by its id ({})",
        objects.len(), objects.join("; "), if *is_se050 { "0xF0000110" } else { "pkcs11:id=%01" }
    )]
    Ambiguous { class: &'static str, selector: String, token: String, objects: Vec<String>, is_se050: bool },

    /// No certificate is known to belong to that key.
    #[error(
        "no certificate is known to belong to the key {key}: only NXP's factory keys have theirs under the next id; name the \
         certificate, or give it in a file"
    )]
    NoCertificateKnown { key: String },

    /// What the token or a file keeps under that name is no X.509 certificate.
    #[error("{object} holds no X.509 certificate: {reason}")]
    NotACertificate { object: String, reason: String },

    /// The public key of an object is of a kind that is not supported.
    #[error("{object}: {reason}; supported are RSA from 2048 bits on and the curves P-256 and P-384")]
    UnsupportedKey { object: String, reason: String },

    /// Key and certificate do not belong together.
    #[error(
        "the certificate does not belong to the key {key}: the key's public half has SHA-256 {key_fingerprint}, the certificate's \
         {certificate_fingerprint}; use the certificate that was issued for this key (for a factory key: the object after it)"
    )]
    KeyMismatch { key: String, key_fingerprint: String, certificate_fingerprint: String },

    /// The text cannot be the common name in a certificate signing request.
    #[error("{text:?} cannot be a certificate's common name: {reason}")]
    CommonName { text: String, reason: String },

    /// That key cannot sign with that scheme.
    #[error("the key {key} ({kind}) cannot sign with {scheme}")]
    SchemeDoesNotFit { key: String, kind: KeyKind, scheme: Scheme },

    /// The chip's signature is wrong.
    #[error(
        "the chip's signature with the key {key} is wrong ({reason}): is the I2C bus disturbed, or used by another process?"
    )]
    BadSignature { key: String, reason: String },

    /// The chip did not answer in time.
    #[error(
        "the chip gave no answer for {:.1} s while {doing}: the I2C bus may hang; the request cannot be called back",
        deadline.as_secs_f32()
    )]
    Timeout { doing: &'static str, deadline: Duration },

    /// An earlier request still hangs in the module.
    #[error(
        "the chip still has not answered an earlier request, for {:.0} s now, so {doing} was not begun: the I2C bus may hang",
        silent_for.as_secs_f32()
    )]
    Hanging { doing: &'static str, silent_for: Duration },

    /// The thread that owns the module is gone.
    #[error("the thread that owns the PKCS#11 module has ended while {doing}; open the token again")]
    WorkerGone { doing: &'static str },
}

fn restart_ahead(openings_left: Option<u32>) -> &'static str {
    match openings_left {
        Some(1) => "; if one more opening fails, this program has to be started anew",
        Some(0) => "; this program has to be started anew before long",
        _ => "",
    }
}

impl Error {
    /// Whether the same request may succeed later, without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Call { source, .. } => source.is_cured_by_a_new_session(),
            Self::Busy { .. } | Self::BadSignature { .. } => true,
            _ => self.is_cured_by_a_new_process() && !self.needs_restart(),
        }
    }

    /// Whether only a new process can use the chip again: see [`RESTART_EXIT_STATUS`].
    pub fn needs_restart(&self) -> bool {
        match self {
            Self::RestartNeeded { .. } => true,
            Self::Hanging { silent_for, .. } => *silent_for >= HANGS_FOR_GOOD,
            _ => false,
        }
    }

    /// The status with which a program ends because of this error, or of an error that this one caused:
    /// [`RESTART_EXIT_STATUS`] where the chip did not answer, so that a new process may find it; else 1.
    pub fn exit_status(error: &(dyn StdError + 'static)) -> u8 {
        let mut causes = std::iter::successors(Some(error), |error| (*error).source());
        let is_cured = causes.any(|cause| cause.downcast_ref().is_some_and(Self::is_cured_by_a_new_process));
        if is_cured { RESTART_EXIT_STATUS } else { 1 }
    }

    fn is_cured_by_a_new_process(&self) -> bool {
        self.needs_restart()
            || matches!(
                self,
                Self::ChipUnreachable { .. } | Self::NoServer | Self::Timeout { .. } | Self::Hanging { .. }
            )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the connection failed")]
    struct Wrapped(#[source] Error);

    #[test]
    fn a_program_that_ends_for_want_of_the_chip_has_a_status_of_its_own() {
        let needed = || Error::RestartNeeded { module: "m.so".into(), failures: 2, source: None };
        assert_eq!(Error::exit_status(&needed()), 75);
        assert_eq!(Error::exit_status(&Wrapped(needed())), 75);
        assert_eq!(Error::exit_status(&Wrapped(Error::Forked)), 1);
        assert!(needed().needs_restart() && !needed().is_transient());
        // A call that never returns is not waited for without end.
        for (minutes, restart) in [(9, false), (10, true)] {
            let silent_for = Duration::from_secs(minutes * 60);
            let hanging = Error::Hanging { doing: "signing", silent_for };
            assert_eq!((hanging.needs_restart(), hanging.is_transient()), (restart, !restart));
            assert_eq!(Error::exit_status(&hanging), 75);
        }
        let unreachable = |openings_left| Error::ChipUnreachable {
            token: "t".into(),
            silent_for: std::time::Duration::from_millis(999),
            openings_left,
            source: None,
        };
        assert_eq!(Error::exit_status(&unreachable(Some(2))), 75);
        assert!(unreachable(None).to_string().contains("for 1.0 s now"));
        for (left, ahead) in [(None, false), (Some(2), false), (Some(1), true), (Some(0), true)] {
            assert_eq!(unreachable(left).to_string().contains("started anew"), ahead);
            assert!(unreachable(left).is_transient());
        }
    }
}
