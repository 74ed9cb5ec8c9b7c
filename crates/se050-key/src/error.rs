//! What can go wrong between the program and the chip.

use std::path::PathBuf;
use std::time::Duration;

use crate::{CallError, Holder, KeyKind, Scheme};

/// A failure of the key provider: who failed, doing what, to what, and what to try next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is not an object id.
    #[error(
        "{text:?} is not an object id: write 0x and eight hexadecimal digits (0xF0000110), or the label that the module shows, sss: \
         and eight digits (sss:100100F0)"
    )]
    NotAnObjectId {
        /// The text.
        text: String,
    },

    /// The text cannot be a label.
    #[error("{text:?} is not a label: {reason}; try sss:100100F0")]
    NotALabel {
        /// The text.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },

    /// The text is not a PKCS#11 URI, or says more than is understood.
    #[error("{text:?} is not a PKCS#11 URI that can be used: {reason}")]
    NotAUri {
        /// The text, without a PIN.
        text: String,
        /// What is wrong with it.
        reason: String,
    },

    /// A PKCS#11 URI names something else than what it is used for.
    #[error(
        "{selector} does not fit: its {attribute} is missing, or not that of the token or object that it is used for"
    )]
    NotThisToken {
        /// The URI.
        selector: String,
        /// Which of its attributes.
        attribute: &'static str,
    },

    /// A PKCS#11 URI contradicts what was said otherwise, by a flag or by another URI.
    #[error("{selector} contradicts what was given otherwise: its {attribute} is another")]
    Contradiction {
        /// The URI.
        selector: String,
        /// Which of its attributes.
        attribute: &'static str,
    },

    /// The PIN file cannot be used.
    #[error("cannot take the PIN from the file {}", path.display())]
    PinFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },

    /// A PKCS#11 URI's `pin-source` is of no use.
    #[error("cannot take the PIN from the pin-source {pin_source:?}: {reason}")]
    PinSource {
        /// The source.
        pin_source: String,
        /// What is wrong with it.
        reason: &'static str,
    },

    /// The PKCS#11 module cannot be loaded.
    #[error(
        "cannot load the PKCS#11 module {}: {reason}; is NXP's plug-and-trust package installed, for this processor and this \
         program's C library?", path.display()
    )]
    LoadModule {
        /// The module's file.
        path: PathBuf,
        /// What is wrong with the file, or what the loader said.
        reason: String,
    },

    /// A call of the module failed.
    #[error("the PKCS#11 module failed while {doing}; {advice}")]
    Call {
        /// What was being done, e.g. "opening a session with the chip".
        doing: String,
        /// What to try next.
        advice: &'static str,
        /// The function and its return value.
        source: CallError,
    },

    /// The module has no token that fits, or several.
    #[error("the module {} has {found}: {advice}", module.display())]
    NoSingleToken {
        /// The module's file.
        module: PathBuf,
        /// What it has, e.g. "no token labelled \"a\" (it has \"b\", \"c\")".
        found: String,
        /// What to try next.
        advice: &'static str,
    },

    /// The token asks for a PIN and none was given.
    #[error(
        "the token {label:?} asks for a PIN and none was given: give one in a file or in the environment, never on the command line"
    )]
    PinMissing {
        /// The token's label.
        label: String,
    },

    /// The token refused this PIN before, and it was not tried again.
    #[error(
        "the token {label:?} refused this PIN before, so it was not tried again: check the PIN, and start anew"
    )]
    PinRefused {
        /// The token's label.
        label: String,
    },

    /// One more wrong PIN locks the token, so none was tried.
    #[error(
        "the token {label:?} takes one more PIN before it locks itself, so none was tried: check the PIN with another program \
         (pkcs11-tool --login --test); a right one makes the token take this program's again"
    )]
    PinFinalTry {
        /// The token's label.
        label: String,
    },

    /// The token has locked itself after wrong PINs.
    #[error(
        "the token {label:?} is locked after too many wrong PINs: its security officer has to set a new one"
    )]
    PinLocked {
        /// The token's label.
        label: String,
    },

    /// The token is open in this process with other options.
    #[error("the module {} is open in this process already, with another {what}: a process has one session with the chip", module.display())]
    AlreadyOpen {
        /// The module's file.
        module: PathBuf,
        /// Which option differs.
        what: &'static str,
    },

    /// The chip's bus is not there.
    #[error(
        "cannot open {}, the bus of the chip: is the device node in the container, and does EX_SSS_BOOT_SSS_PORT name the right \
         one?", node.display()
    )]
    BusMissing {
        /// The I2C device node.
        node: PathBuf,
        /// Why.
        source: std::io::Error,
    },

    /// Another process has the chip.
    #[error(
        "the chip is in use by {holder} (lock file {}): end it, or have one program serve both; SE050_LOCK_FILE names another lock \
         file", lock.display()
    )]
    Busy {
        /// The lock file.
        lock: PathBuf,
        /// Who holds it.
        holder: Holder,
    },

    /// The lock file cannot be used.
    #[error(
        "cannot use the lock file {}: make it readable for this user, or name another in SE050_LOCK_FILE, the same for all programs \
         that use the chip", path.display()
    )]
    LockFile {
        /// The lock file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },

    /// The chip does not answer. It is looked for between the requests, so the next one may succeed.
    #[error(
        "the token {token:?} does not answer, for {:.1} s now: check the chip's power and its bus (EX_SSS_BOOT_SSS_PORT, the device \
         node in the container); it is looked for meanwhile{}", silent_for.as_secs_f32(), restart_ahead(*openings_left)
    )]
    ChipUnreachable {
        /// The token's label.
        token: String,
        /// For how long.
        silent_for: Duration,
        /// How many openings may still fail before only a new process helps; `None` where that is not limited.
        openings_left: Option<u32>,
        /// The call that failed, where this is the request that found out.
        source: Option<CallError>,
    },

    /// No p11-kit server answers, so there is no token.
    #[error(
        "no p11-kit server answers at the address in the environment variable P11_KIT_SERVER_ADDRESS: start the server that has the \
         PKCS#11 module"
    )]
    NoServer,

    /// NXP's module can open no session any more in this process, even when the chip is back.
    #[error(
        "only a new process can open the chip again ({failures} openings failed, and each costs the module {} one of its three \
         sessions for good): start this program anew", module.display()
    )]
    RestartNeeded {
        /// The module's file.
        module: PathBuf,
        /// How many openings failed.
        failures: u32,
        /// The last failure, where this is the request that found out.
        source: Option<CallError>,
    },

    /// The process was forked after the token was opened.
    #[error(
        "the token was opened before this process was forked off: open it afterwards, in one process only"
    )]
    Forked,

    /// No such object. The chip answered when it was asked for a sign of life.
    #[error("no {class} {selector} on the token {token:?}; the chip answers, so check the label")]
    NotFound {
        /// What was searched: "private key" or "certificate".
        class: &'static str,
        /// How it was named.
        selector: String,
        /// The token's label.
        token: String,
    },

    /// Several objects fit; none of them is picked.
    #[error(
        "{} objects on the token {token:?} fit the {class} {selector} ({}): none is picked, give each a label of its own, or \
         select by id", objects.len(), objects.join("; ")
    )]
    Ambiguous {
        /// What was searched.
        class: &'static str,
        /// How it was named.
        selector: String,
        /// The token's label.
        token: String,
        /// Those that fit.
        objects: Vec<String>,
    },

    /// The label may mean two objects, by the byte order in which it is read, and both are there.
    #[error(
        "the label {label:?} may mean any of the objects {}, and all of them are there: name the object by its id, as {} is written",
        objects.join(" and "),
        objects.join(" or ")
    )]
    AmbiguousLabel {
        /// The label.
        label: String,
        /// The objects.
        objects: Vec<String>,
    },

    /// No certificate is known to belong to that key.
    #[error(
        "no certificate is known to belong to the key {key}: only NXP's factory keys have theirs under the next id; name the \
         certificate, or give it in a file"
    )]
    NoCertificateKnown {
        /// How the key was named.
        key: String,
    },

    /// What the token or a file keeps under that name is no X.509 certificate.
    #[error("{object} holds no X.509 certificate: {reason}")]
    NotACertificate {
        /// How it was named.
        object: String,
        /// What is wrong with it.
        reason: String,
    },

    /// The public key of an object is of a kind that is not supported.
    #[error("{object}: {reason}; supported are RSA from 2048 bits on and the curves P-256 and P-384")]
    UnsupportedKey {
        /// How it was named.
        object: String,
        /// What it is.
        reason: String,
    },

    /// Key and certificate do not belong together.
    #[error(
        "the certificate does not belong to the key {key}: the key's public half has SHA-256 {key_fingerprint}, the certificate's \
         {certificate_fingerprint}; use the certificate that was issued for this key (for a factory key: the object after it)"
    )]
    KeyMismatch {
        /// How the key was named.
        key: String,
        /// SHA-256 of the key's SubjectPublicKeyInfo, in hexadecimal.
        key_fingerprint: String,
        /// SHA-256 of the certificate's SubjectPublicKeyInfo, in hexadecimal.
        certificate_fingerprint: String,
    },

    /// The text cannot be the common name in a certificate signing request.
    #[error("{text:?} cannot be a certificate's common name: {reason}")]
    CommonName {
        /// The text.
        text: String,
        /// What is wrong with it.
        reason: String,
    },

    /// That key cannot sign with that scheme.
    #[error("the key {key} ({kind}) cannot sign with {scheme}")]
    SchemeDoesNotFit {
        /// How the key was named.
        key: String,
        /// What the key is.
        kind: KeyKind,
        /// The scheme that was asked for.
        scheme: Scheme,
    },

    /// The chip's signature is wrong.
    #[error(
        "the chip's signature with the key {key} is wrong ({reason}): is the I2C bus disturbed, or used by another process?"
    )]
    BadSignature {
        /// How the key was named.
        key: String,
        /// What is wrong with it.
        reason: String,
    },

    /// The chip did not answer in time.
    #[error(
        "the chip gave no answer for {:.1} s while {doing}: the I2C bus may hang; the request cannot be called back",
        deadline.as_secs_f32()
    )]
    Timeout {
        /// What was being done.
        doing: &'static str,
        /// How long was waited.
        deadline: Duration,
    },

    /// An earlier request still hangs in the module.
    #[error(
        "the chip still has not answered an earlier request, so {doing} was not begun: the I2C bus may hang"
    )]
    Hanging {
        /// What was to be done.
        doing: &'static str,
    },

    /// The thread that owns the module is gone.
    #[error("the thread that owns the PKCS#11 module has ended while {doing}; open the token again")]
    WorkerGone {
        /// What was being done.
        doing: &'static str,
    },
}

fn restart_ahead(openings_left: Option<u32>) -> &'static str {
    match openings_left {
        Some(1) => "; if one more opening fails, this program has to be started anew",
        Some(0) => "; this program has to be started anew before long",
        _ => "",
    }
}
