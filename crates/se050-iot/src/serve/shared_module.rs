//! The module as each client sees it: with sessions of its own, one call at a time, and nothing that changes the token.
//!
//! NXP's module does no locking that can be relied on, has three sessions, and asks for no login: whoever can call it can
//! destroy its keys. So there is a lock around every call, a client can use only the sessions that it has opened, and the
//! functions that create, change or destroy objects or PINs are refused.

use std::cell::RefCell;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use cryptoki_sys::*;
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

/// The module's own functions.
static MODULE: OnceLock<CK_FUNCTION_LIST> = OnceLock::new();

/// The lock around every call, and what concerns all clients.
static SHARED: Mutex<Shared> =
    Mutex::new(Shared { sessions: 0, most_sessions: usize::MAX, open_failed: false, login: None });

pub(super) struct Shared {
    /// The open sessions of all clients.
    sessions: usize,
    /// The most of them that the module is asked for.
    most_sessions: usize,
    /// C_OpenSession failed while no session was open.
    open_failed: bool,
    login: Option<Login>,
}

/// The token's login, which PKCS#11 makes once for all sessions of a process.
struct Login {
    user: CK_USER_TYPE,
    /// Other clients must give the same one.
    pin: Vec<u8>,
    clients: usize,
}

/// What belongs to one client: its thread has it.
#[derive(Default)]
struct Client {
    sessions: Vec<OwnSession>,
    logged_in: bool,
}

pub(super) struct OwnSession {
    pub(super) slot: CK_SLOT_ID,
    pub(super) handle: CK_SESSION_HANDLE,
    /// The parameter of the mechanism that C_SignInit was given: NXP's module reads it in C_Sign. In words, for alignment.
    parameter: Vec<u64>,
}

thread_local! {
    static CLIENT: RefCell<Client> = RefCell::default();
}

/// Calls a function of the module, or says that it has none.
macro_rules! call {
    ($functions:expr, $name:ident($($argument:expr),*)) => {
        match $functions.$name {
            // SAFETY: the arguments are as PKCS#11 has them: p11-kit laid out those that come from a client.
            Some(function) => unsafe { function($($argument),*) },
            None => CKR_FUNCTION_NOT_SUPPORTED,
        }
    };
}
pub(super) use call;

/// Loads and initialises the module, for good.
pub(super) fn load(path: &Path) -> anyhow::Result<()> {
    let failed = || format!("cannot load the PKCS#11 module {}", path.display());
    // SAFETY: loading runs the module's initialisers; that the file is a PKCS#11 module is the user's word.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) }.with_context(failed)?;
    let mut list = std::ptr::null_mut();
    type GetFunctionList = unsafe extern "C" fn(*mut *mut CK_FUNCTION_LIST) -> CK_RV;
    // SAFETY: the type is PKCS#11's.
    let get = unsafe { library.get::<GetFunctionList>(b"C_GetFunctionList") }.with_context(failed)?;
    // SAFETY: the list's address may be written to.
    let answer = unsafe { get(&raw mut list) };
    if answer != CKR_OK || list.is_null() {
        bail!("{}: C_GetFunctionList answered {answer:#x}", failed());
    }
    // SAFETY: not null, and PKCS#11 has it point to a list.
    let functions = MODULE.get_or_init(|| unsafe { *list });
    // Its code stays as long as the process.
    std::mem::forget(library);
    // Exactly this flag: NXP's module up to 4.3 refuses anything less and anything more.
    let mut arguments = CK_C_INITIALIZE_ARGS { flags: CKF_OS_LOCKING_OK, ..CK_C_INITIALIZE_ARGS::default() };
    let initialize = functions.C_Initialize.with_context(failed)?;
    // SAFETY: the arguments live as long as the call.
    let answer = unsafe { initialize((&raw mut arguments).cast()) };
    if answer != CKR_OK {
        bail!("{}: C_Initialize answered {answer:#x}", failed());
    }
    if is_nxp(functions) {
        SHARED.lock().unwrap_or_else(PoisonError::into_inner).most_sessions = NXP_SESSIONS;
    }
    Ok(())
}

/// NXP's module has three sessions. In 4.7, opening a fourth one closes the chip under the others.
const NXP_SESSIONS: usize = 3;
/// The label of NXP's one token.
const NXP_LABEL: &[u8] = b"SSS_PKCS11";

fn is_nxp(functions: &CK_FUNCTION_LIST) -> bool {
    let mut slots = [0; 16];
    let mut count = slots.len() as CK_ULONG;
    if call!(functions, C_GetSlotList(CK_TRUE, slots.as_mut_ptr(), &raw mut count)) != CKR_OK {
        return false;
    }
    slots.iter().take(usize::try_from(count).unwrap_or(0)).any(|slot| {
        let mut token = CK_TOKEN_INFO::default();
        call!(functions, C_GetTokenInfo(*slot, &raw mut token)) == CKR_OK
            && token.label.starts_with(NXP_LABEL)
    })
}

/// Closes what this thread's client left open. Says whether a new process would serve better.
pub(super) fn client_left() -> bool {
    in_turn(leave);
    let shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.open_failed && shared.sessions == 0
}

/// How long the call that is running has taken.
pub(super) fn current_call_lasts() -> Option<Duration> {
    let since = CALL_SINCE.load(Ordering::Relaxed);
    (since != NO_CALL).then(|| STARTED.elapsed().saturating_sub(Duration::from_millis(since)))
}

/// When the running call began, in milliseconds after [`STARTED`].
static CALL_SINCE: AtomicU64 = AtomicU64::new(NO_CALL);
const NO_CALL: u64 = u64::MAX;
static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Waits for the module to be free, and calls it.
pub(super) fn in_turn(call: impl FnOnce(&CK_FUNCTION_LIST, &mut Shared) -> CK_RV) -> CK_RV {
    let Some(functions) = MODULE.get() else { return CKR_CRYPTOKI_NOT_INITIALIZED };
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    let now = u64::try_from(STARTED.elapsed().as_millis()).unwrap_or(NO_CALL);
    CALL_SINCE.store(now, Ordering::Relaxed);
    let answer = call(functions, &mut shared);
    CALL_SINCE.store(NO_CALL, Ordering::Relaxed);
    answer
}

/// Whether this thread's client has opened that session.
pub(super) fn is_own(session: CK_SESSION_HANDLE) -> bool {
    CLIENT.with_borrow(|client| client.sessions.iter().any(|own| own.handle == session))
}

/// Opens a session of the client's own.
pub(super) fn open(
    functions: &CK_FUNCTION_LIST,
    shared: &mut Shared,
    slot: CK_SLOT_ID,
    flags: CK_FLAGS,
) -> Result<CK_SESSION_HANDLE, CK_RV> {
    if shared.sessions >= shared.most_sessions {
        return Err(CKR_SESSION_COUNT);
    }
    let mut handle = 0;
    let answer = call!(functions, C_OpenSession(slot, flags, std::ptr::null_mut(), None, &raw mut handle));
    if answer != CKR_OK {
        shared.open_failed |= shared.sessions == 0;
        return Err(answer);
    }
    shared.sessions += 1;
    shared.open_failed = false;
    let own = OwnSession { slot, handle, parameter: Vec::new() };
    CLIENT.with_borrow_mut(|client| client.sessions.push(own));
    Ok(handle)
}

/// Keeps a mechanism's parameter until the session's next C_SignInit. `false` when the session is not the client's own.
pub(super) fn keep_parameter(session: CK_SESSION_HANDLE, parameter: Vec<u64>) -> bool {
    CLIENT.with_borrow_mut(|client| {
        let own = client.sessions.iter_mut().find(|own| own.handle == session);
        own.map(|own| own.parameter = parameter).is_some()
    })
}

/// Whether the client may use private keys: a login of another client is not its own.
pub(super) fn may_sign(shared: &Shared) -> bool {
    shared.login.is_none() || CLIENT.with_borrow(|client| client.logged_in)
}

/// A second client is logged in by the first one's login, if it knows the PIN.
pub(super) fn login(
    functions: &CK_FUNCTION_LIST,
    shared: &mut Shared,
    session: CK_SESSION_HANDLE,
    user: CK_USER_TYPE,
    mut pin: Vec<u8>,
) -> CK_RV {
    let answer = call!(functions, C_Login(session, user, pin.as_mut_ptr(), pin.len() as CK_ULONG));
    let is_first = CLIENT.with_borrow(|client| !client.logged_in);
    match (answer, &mut shared.login) {
        (CKR_OK, _) if user != CKU_CONTEXT_SPECIFIC => shared.login = Some(Login { user, pin, clients: 1 }),
        (CKR_USER_ALREADY_LOGGED_IN, Some(login)) if is_first => {
            if (login.user, &login.pin) != (user, &pin) {
                return CKR_PIN_INCORRECT;
            }
            login.clients += 1;
        }
        _ => return answer,
    }
    CLIENT.with_borrow_mut(|client| client.logged_in = true);
    CKR_OK
}

/// Ends what this thread's client has.
pub(super) fn leave(functions: &CK_FUNCTION_LIST, shared: &mut Shared) -> CK_RV {
    close(functions, shared, |_| true)
}

/// Closes those of the client's sessions, one by one: NXP's module up to 4.3 has no C_CloseAllSessions.
pub(super) fn close(
    functions: &CK_FUNCTION_LIST,
    shared: &mut Shared,
    which: impl Fn(&OwnSession) -> bool,
) -> CK_RV {
    let (closing, staying): (Vec<_>, Vec<_>) = CLIENT
        .with_borrow_mut(|client| std::mem::take(&mut client.sessions))
        .into_iter()
        .partition(|own| which(own));
    if let ([], [any, ..]) = (staying.as_slice(), closing.as_slice()) {
        logout(functions, shared, any.handle);
    }
    CLIENT.with_borrow_mut(|client| client.sessions = staying);
    let mut answer = CKR_OK;
    for own in closing {
        shared.sessions = shared.sessions.saturating_sub(1);
        answer = answer.max(call!(functions, C_CloseSession(own.handle)));
    }
    answer
}

/// Logs the client out, and the token with the last one.
pub(super) fn logout(functions: &CK_FUNCTION_LIST, shared: &mut Shared, session: CK_SESSION_HANDLE) -> CK_RV {
    if !CLIENT.with_borrow_mut(|client| std::mem::take(&mut client.logged_in)) {
        return CKR_USER_NOT_LOGGED_IN;
    }
    match &mut shared.login {
        Some(login) if login.clients > 1 => {
            login.clients -= 1;
            CKR_OK
        }
        _ => {
            shared.login = None;
            call!(functions, C_Logout(session))
        }
    }
}
