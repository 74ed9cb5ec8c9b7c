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
        "cannot load the PKCS#11 module {}: is NXP's plug-and-trust package installed, and is the module built for the same C library \
         (musl or glibc) as this program?", path.display()
    )]
    LoadModule {
        /// The module's file.
        path: PathBuf,
        /// What the loader said.
        source: CallError,
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
    #[error("the chip is in use by {holder} (lock file {}): end it, or have it let the chip go when idle", lock.display())]
    Busy {
        /// The lock file.
        lock: PathBuf,
        /// Who holds it.
        holder: Holder,
    },

    /// The lock file cannot be used.
    #[error("cannot use the lock file {}: name another, the same for all programs that use the chip", path.display())]
    LockFile {
        /// The lock file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },

    /// The chip does not answer. Its session is kept, and looked after at intervals.
    #[error(
        "the chip behind the token {token:?} does not answer; it is looked for again at the first request {} s from now: check its \
         power and its bus", retry_in.as_secs_f32()
    )]
    ChipAway {
        /// The token's label.
        token: String,
        /// How long requests fail without a look at the chip.
        retry_in: Duration,
        /// The call that failed first, where this is the request that found out.
        source: Option<CallError>,
    },

    /// NXP's module can open no session any more in this process, even when the chip is back.
    #[error(
        "the chip cannot be opened any more in this process ({failures} openings failed, and each costs the module {} one of its \
         three sessions for good): start the process anew", module.display()
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
    #[error("the chip gave no answer for {} s while {doing}: the I2C bus may hang; the request cannot be called back", deadline.as_secs_f32())]
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
    OwnerGone {
        /// What was being done.
        doing: &'static str,
    },
}
