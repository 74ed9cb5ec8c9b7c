//! Logging in to a token that requires it. A PIN that was refused is not tried again.

use std::collections::HashSet;
use std::sync::{LazyLock, Mutex, PoisonError};

use ring::digest;
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::module::canonical;
use crate::raw::RawSession;
use crate::token_info::PinState;
use crate::{Error, Pin, TokenInfo};

/// The PINs that a token refused in this process, hashed with a salt of the process's own.
static REFUSED: LazyLock<Mutex<HashSet<Vec<u8>>>> = LazyLock::new(Mutex::default);

static SALT: LazyLock<[u8; 32]> = LazyLock::new(|| {
    let mut salt = [0; 32];
    // Without random numbers the salt is zero, which is enough here.
    let _ = SystemRandom::new().fill(&mut salt);
    salt
});

/// Logs the session in if the token's flags ask for that. The SE050's do not.
pub(crate) fn log_in(session: &RawSession, token: &TokenInfo, pin: Option<&Pin>) -> Result<(), Error> {
    if !token.login_required {
        return Ok(());
    }
    let label = || token.label.clone();
    match token.pin {
        // A supervisor that starts the process again and again with a wrong PIN would lock the token.
        PinState::FinalTry if !pin.is_some_and(Pin::is_for_last_try) => {
            return Err(Error::PinFinalTry { label: label() });
        }
        PinState::Locked => return Err(Error::PinLocked { label: label() }),
        PinState::Good | PinState::FinalTry => {}
    }
    let pin = pin.ok_or_else(|| Error::PinMissing { label: label() })?;
    let attempt = hashed(token, pin);
    // The lock is not held during C_Login, so that another module's login does not wait for this one.
    let refused = || REFUSED.lock().unwrap_or_else(PoisonError::into_inner);
    if refused().contains(&attempt) {
        return Err(Error::PinRefused { label: label() });
    }
    let Err(error) = session.login(pin.as_bytes()) else { return Ok(()) };
    if error.says_logged_in_already() {
        return Ok(());
    }
    if error.refuses_the_pin() {
        refused().insert(attempt);
    }
    Err(Error::Call {
        doing: format!("logging in to the token {:?}", token.label),
        advice: "check the PIN; it was tried once and is not tried again",
        source: error,
    })
}

/// A hash of the PIN and the token, to compare PINs without keeping them.
pub(crate) fn hashed(token: &TokenInfo, pin: &Pin) -> Vec<u8> {
    let mut context = digest::Context::new(&digest::SHA256);
    let module = canonical(&token.module);
    let parts = [module.as_os_str().as_encoded_bytes(), token.label.as_bytes(), token.serial.as_bytes()];
    context.update(SALT.as_ref());
    for part in parts {
        context.update(&part.len().to_be_bytes());
        context.update(part);
    }
    context.update(pin.as_bytes());
    context.finish().as_ref().to_vec()
}
