//! The module as each client sees it: with sessions of its own, one call at a time, and nothing that changes the token.
//!
//! NXP's module has no lock worth the name, three sessions, and no login: whoever can call it can destroy its keys. So a
//! lock is around every call, a client can use the sessions that it has opened, and what creates, changes or destroys
//! objects or PINs is refused.
#![allow(non_snake_case, reason = "PKCS#11 names the functions")]

use std::cell::RefCell;
use std::ffi::c_void;
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
static SHARED: Mutex<Shared> = Mutex::new(Shared { sessions: 0, open_failed: false, login: None });

struct Shared {
    /// How many are open.
    sessions: usize,
    /// A C_OpenSession failed since there was none.
    open_failed: bool,
    login: Option<Login>,
}

/// The token's login, which PKCS#11 makes once for all sessions of a process.
struct Login {
    user: CK_USER_TYPE,
    /// What other clients have to know, too.
    pin: Vec<u8>,
    clients: usize,
}

/// What belongs to one client: its thread has it.
#[derive(Default)]
struct Client {
    sessions: Vec<OwnSession>,
    logged_in: bool,
}

struct OwnSession {
    slot: CK_SLOT_ID,
    handle: CK_SESSION_HANDLE,
    /// The parameter of the mechanism that C_SignInit was given: NXP's module reads it in C_Sign. In words, for alignment.
    parameter: Vec<u64>,
}

thread_local! {
    static CLIENT: RefCell<Client> = RefCell::default();
}

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
    Ok(())
}

/// The list for all clients.
pub(super) fn functions() -> &'static CK_FUNCTION_LIST {
    &FUNCTIONS
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
fn in_turn(call: impl FnOnce(&CK_FUNCTION_LIST, &mut Shared) -> CK_RV) -> CK_RV {
    let Some(functions) = MODULE.get() else { return CKR_CRYPTOKI_NOT_INITIALIZED };
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    let now = u64::try_from(STARTED.elapsed().as_millis()).unwrap_or(NO_CALL);
    CALL_SINCE.store(now, Ordering::Relaxed);
    let answer = call(functions, &mut shared);
    CALL_SINCE.store(NO_CALL, Ordering::Relaxed);
    answer
}

/// Whether this thread's client has opened that session.
fn is_own(session: CK_SESSION_HANDLE) -> bool {
    CLIENT.with_borrow(|client| client.sessions.iter().any(|own| own.handle == session))
}

/// Calls a function of the module, or says that it has none.
macro_rules! call {
    ($functions:expr, $name:ident($($argument:expr),*)) => {
        match $functions.$name {
            // SAFETY: the client's arguments, as p11-kit has checked and laid them out.
            Some(function) => unsafe { function($($argument),*) },
            None => CKR_FUNCTION_NOT_SUPPORTED,
        }
    };
}

/// Functions that are passed on.
macro_rules! of_the_module {
    ($($name:ident($($argument:ident: $type:ty),*);)*) => {$(
        extern "C" fn $name($($argument: $type),*) -> CK_RV {
            in_turn(|functions, _| call!(functions, $name($($argument),*)))
        }
    )*};
}

/// Functions that are passed on for a session of the client's own.
macro_rules! of_a_session {
    ($($name:ident($($argument:ident: $type:ty),*);)*) => {$(
        extern "C" fn $name(session: CK_SESSION_HANDLE, $($argument: $type),*) -> CK_RV {
            if !is_own(session) {
                return CKR_SESSION_HANDLE_INVALID;
            }
            in_turn(|functions, _| call!(functions, $name(session $(, $argument)*)))
        }
    )*};
}

of_the_module! {
    C_GetInfo(info: *mut CK_INFO);
    C_GetSlotList(present: CK_BBOOL, list: *mut CK_SLOT_ID, count: *mut CK_ULONG);
    C_GetSlotInfo(slot: CK_SLOT_ID, info: *mut CK_SLOT_INFO);
    C_GetTokenInfo(slot: CK_SLOT_ID, info: *mut CK_TOKEN_INFO);
    C_GetMechanismList(slot: CK_SLOT_ID, list: *mut CK_MECHANISM_TYPE, count: *mut CK_ULONG);
    C_GetMechanismInfo(slot: CK_SLOT_ID, mechanism: CK_MECHANISM_TYPE, info: *mut CK_MECHANISM_INFO);
}

of_a_session! {
    C_GetSessionInfo(info: *mut CK_SESSION_INFO);
    C_GetObjectSize(object: CK_OBJECT_HANDLE, size: *mut CK_ULONG);
    C_GetAttributeValue(object: CK_OBJECT_HANDLE, template: *mut CK_ATTRIBUTE, count: CK_ULONG);
    C_FindObjects(objects: *mut CK_OBJECT_HANDLE, most: CK_ULONG, count: *mut CK_ULONG);
    C_FindObjectsFinal();
    C_Sign(data: *mut CK_BYTE, length: CK_ULONG, signature: *mut CK_BYTE, room: *mut CK_ULONG);
    C_SignUpdate(data: *mut CK_BYTE, length: CK_ULONG);
    C_SignFinal(signature: *mut CK_BYTE, room: *mut CK_ULONG);
    C_SeedRandom(seed: *mut CK_BYTE, length: CK_ULONG);
    C_GenerateRandom(data: *mut CK_BYTE, length: CK_ULONG);
}

/// The module is initialised already, for all clients.
extern "C" fn C_Initialize(_arguments: *mut c_void) -> CK_RV {
    CKR_OK
}

/// And it stays so: the client's sessions end.
extern "C" fn C_Finalize(_reserved: *mut c_void) -> CK_RV {
    in_turn(leave)
}

unsafe extern "C" fn C_OpenSession(
    slot: CK_SLOT_ID,
    flags: CK_FLAGS,
    _application: *mut c_void,
    _notify: CK_NOTIFY,
    session: *mut CK_SESSION_HANDLE,
) -> CK_RV {
    in_turn(|functions, shared| {
        let mut handle = 0;
        let answer =
            call!(functions, C_OpenSession(slot, flags, std::ptr::null_mut(), None, &raw mut handle));
        if answer == CKR_OK {
            shared.sessions += 1;
            shared.open_failed = false;
            CLIENT.with_borrow_mut(|client| {
                client.sessions.push(OwnSession { slot, handle, parameter: Vec::new() })
            });
            // SAFETY: p11-kit's own variable. After a failure it keeps its value: NXP's handle is a dangling one then.
            unsafe { session.write(handle) };
        } else if shared.sessions == 0 {
            shared.open_failed = true;
        }
        answer
    })
}

/// Gives the module a NUL after each value: NXP's reads a label up to one, past the length.
unsafe extern "C" fn C_FindObjectsInit(
    session: CK_SESSION_HANDLE,
    template: *mut CK_ATTRIBUTE,
    count: CK_ULONG,
) -> CK_RV {
    if !is_own(session) {
        return CKR_SESSION_HANDLE_INVALID;
    }
    // SAFETY: p11-kit's template of that length.
    let mut attributes = unsafe { copied(template, count) };
    let mut values: Vec<Vec<u8>> = Vec::new();
    for attribute in &mut attributes {
        // SAFETY: p11-kit's buffer of that length.
        let mut value = unsafe { copied(attribute.pValue.cast::<u8>(), attribute.ulValueLen) };
        value.push(0);
        attribute.pValue = value.as_mut_ptr().cast();
        values.push(value);
    }
    in_turn(|functions, _| call!(functions, C_FindObjectsInit(session, attributes.as_mut_ptr(), count)))
}

/// Keeps the mechanism's parameter: p11-kit frees it, and NXP's module reads it once more in C_Sign.
unsafe extern "C" fn C_SignInit(
    session: CK_SESSION_HANDLE,
    mechanism: *mut CK_MECHANISM,
    key: CK_OBJECT_HANDLE,
) -> CK_RV {
    let mut parameter = Vec::new();
    let mut kept = CK_MECHANISM::default();
    // SAFETY: p11-kit's mechanism, and its parameter of that length.
    unsafe {
        if mechanism.is_null() {
            return CKR_ARGUMENTS_BAD;
        }
        kept.mechanism = (*mechanism).mechanism;
        let bytes = copied((*mechanism).pParameter.cast::<u8>(), (*mechanism).ulParameterLen);
        if !bytes.is_empty() {
            parameter.resize(bytes.len().div_ceil(size_of::<u64>()), 0);
            kept.pParameter = parameter.as_mut_ptr().cast();
            kept.ulParameterLen = (*mechanism).ulParameterLen;
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), kept.pParameter.cast::<u8>(), bytes.len());
        }
    }
    let known = CLIENT.with_borrow_mut(|client| {
        let own = client.sessions.iter_mut().find(|own| own.handle == session);
        own.map(|own| std::mem::swap(&mut own.parameter, &mut parameter)).is_some()
    });
    if !known {
        return CKR_SESSION_HANDLE_INVALID;
    }
    in_turn(|functions, _| call!(functions, C_SignInit(session, &raw mut kept, key)))
}

/// What p11-kit passes as pointer and length.
///
/// # Safety
/// `from` is null or points to `count` values.
unsafe fn copied<T: Copy>(from: *const T, count: CK_ULONG) -> Vec<T> {
    match usize::try_from(count) {
        // SAFETY: the caller's promise.
        Ok(count) if !from.is_null() => unsafe { std::slice::from_raw_parts(from, count) }.to_vec(),
        _ => Vec::new(),
    }
}

extern "C" fn C_CloseSession(session: CK_SESSION_HANDLE) -> CK_RV {
    if !is_own(session) {
        return CKR_SESSION_HANDLE_INVALID;
    }
    in_turn(|functions, shared| close(functions, shared, |own| own.handle == session))
}

extern "C" fn C_CloseAllSessions(slot: CK_SLOT_ID) -> CK_RV {
    in_turn(|functions, shared| close(functions, shared, |own| own.slot == slot))
}

/// A second client is logged in by the first one's login, if it knows the PIN.
extern "C" fn C_Login(
    session: CK_SESSION_HANDLE,
    user: CK_USER_TYPE,
    pin: *mut CK_UTF8CHAR,
    length: CK_ULONG,
) -> CK_RV {
    if !is_own(session) {
        return CKR_SESSION_HANDLE_INVALID;
    }
    // SAFETY: p11-kit's buffer of that length.
    let given = unsafe { copied(pin, length) };
    in_turn(|functions, shared| {
        let answer = call!(functions, C_Login(session, user, pin, length));
        let first_of_client = CLIENT.with_borrow(|client| !client.logged_in);
        match (answer, &mut shared.login) {
            (CKR_OK, None) if user != CKU_CONTEXT_SPECIFIC => {
                shared.login = Some(Login { user, pin: given, clients: 1 });
            }
            (CKR_USER_ALREADY_LOGGED_IN, Some(login)) if first_of_client => {
                if (login.user, &login.pin) != (user, &given) {
                    return CKR_PIN_INCORRECT;
                }
                login.clients += 1;
            }
            _ => return answer,
        }
        CLIENT.with_borrow_mut(|client| client.logged_in = true);
        CKR_OK
    })
}

extern "C" fn C_Logout(session: CK_SESSION_HANDLE) -> CK_RV {
    if !is_own(session) {
        return CKR_SESSION_HANDLE_INVALID;
    }
    in_turn(|functions, shared| {
        if CLIENT.with_borrow(|client| client.logged_in) {
            logout(functions, shared, session)
        } else {
            CKR_USER_NOT_LOGGED_IN
        }
    })
}

/// Ends what this thread's client has.
fn leave(functions: &CK_FUNCTION_LIST, shared: &mut Shared) -> CK_RV {
    close(functions, shared, |_| true)
}

/// Closes those of the client's sessions, one by one: NXP's module up to 4.3 has no C_CloseAllSessions.
fn close(functions: &CK_FUNCTION_LIST, shared: &mut Shared, which: impl Fn(&OwnSession) -> bool) -> CK_RV {
    let (closing, staying): (Vec<_>, Vec<_>) = CLIENT
        .with_borrow_mut(|client| std::mem::take(&mut client.sessions))
        .into_iter()
        .partition(|own| which(own));
    if let ([], [any, ..]) = (staying.as_slice(), closing.as_slice())
        && CLIENT.with_borrow(|client| client.logged_in)
    {
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
fn logout(functions: &CK_FUNCTION_LIST, shared: &mut Shared, session: CK_SESSION_HANDLE) -> CK_RV {
    CLIENT.with_borrow_mut(|client| client.logged_in = false);
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

/// Functions that are refused.
macro_rules! refused {
    ($($name:ident($($type:ty),*);)*) => {$(
        #[allow(clippy::too_many_arguments, reason = "PKCS#11 declares it so")]
        extern "C" fn $name($(_: $type),*) -> CK_RV {
            CKR_FUNCTION_NOT_SUPPORTED
        }
    )*};
}

type Session = CK_SESSION_HANDLE;
type Object = CK_OBJECT_HANDLE;
type Bytes = *mut CK_BYTE;
type Length = *mut CK_ULONG;
type Mechanism = *mut CK_MECHANISM;
type Template = *mut CK_ATTRIBUTE;

// What changes the token; what blocks until a token is changed; and what no TLS client asks a token for.
refused! {
    C_GetFunctionList(*mut *mut CK_FUNCTION_LIST);
    C_InitToken(CK_SLOT_ID, *mut CK_UTF8CHAR, CK_ULONG, *mut CK_UTF8CHAR);
    C_InitPIN(Session, *mut CK_UTF8CHAR, CK_ULONG);
    C_SetPIN(Session, *mut CK_UTF8CHAR, CK_ULONG, *mut CK_UTF8CHAR, CK_ULONG);
    C_GetOperationState(Session, Bytes, Length);
    C_SetOperationState(Session, Bytes, CK_ULONG, Object, Object);
    C_CreateObject(Session, Template, CK_ULONG, *mut Object);
    C_CopyObject(Session, Object, Template, CK_ULONG, *mut Object);
    C_DestroyObject(Session, Object);
    C_SetAttributeValue(Session, Object, Template, CK_ULONG);
    C_EncryptInit(Session, Mechanism, Object);
    C_Encrypt(Session, Bytes, CK_ULONG, Bytes, Length);
    C_EncryptUpdate(Session, Bytes, CK_ULONG, Bytes, Length);
    C_EncryptFinal(Session, Bytes, Length);
    C_DecryptInit(Session, Mechanism, Object);
    C_Decrypt(Session, Bytes, CK_ULONG, Bytes, Length);
    C_DecryptUpdate(Session, Bytes, CK_ULONG, Bytes, Length);
    C_DecryptFinal(Session, Bytes, Length);
    C_DigestInit(Session, Mechanism);
    C_Digest(Session, Bytes, CK_ULONG, Bytes, Length);
    C_DigestUpdate(Session, Bytes, CK_ULONG);
    C_DigestKey(Session, Object);
    C_DigestFinal(Session, Bytes, Length);
    C_SignRecoverInit(Session, Mechanism, Object);
    C_SignRecover(Session, Bytes, CK_ULONG, Bytes, Length);
    C_VerifyInit(Session, Mechanism, Object);
    C_Verify(Session, Bytes, CK_ULONG, Bytes, CK_ULONG);
    C_VerifyUpdate(Session, Bytes, CK_ULONG);
    C_VerifyFinal(Session, Bytes, CK_ULONG);
    C_VerifyRecoverInit(Session, Mechanism, Object);
    C_VerifyRecover(Session, Bytes, CK_ULONG, Bytes, Length);
    C_DigestEncryptUpdate(Session, Bytes, CK_ULONG, Bytes, Length);
    C_DecryptDigestUpdate(Session, Bytes, CK_ULONG, Bytes, Length);
    C_SignEncryptUpdate(Session, Bytes, CK_ULONG, Bytes, Length);
    C_DecryptVerifyUpdate(Session, Bytes, CK_ULONG, Bytes, Length);
    C_GenerateKey(Session, Mechanism, Template, CK_ULONG, *mut Object);
    C_GenerateKeyPair(Session, Mechanism, Template, CK_ULONG, Template, CK_ULONG, *mut Object, *mut Object);
    C_WrapKey(Session, Mechanism, Object, Object, Bytes, Length);
    C_UnwrapKey(Session, Mechanism, Object, Bytes, CK_ULONG, Template, CK_ULONG, *mut Object);
    C_DeriveKey(Session, Mechanism, Object, Template, CK_ULONG, *mut Object);
    C_GetFunctionStatus(Session);
    C_CancelFunction(Session);
    C_WaitForSlotEvent(CK_FLAGS, *mut CK_SLOT_ID, *mut c_void);
}

/// Fills in PKCS#11's list.
macro_rules! list {
    ($($name:ident)*) => {
        CK_FUNCTION_LIST { version: CK_VERSION { major: 2, minor: 40 }, $($name: Some($name)),* }
    };
}

static FUNCTIONS: CK_FUNCTION_LIST = list! {
    C_Initialize C_Finalize C_GetInfo C_GetFunctionList C_GetSlotList C_GetSlotInfo C_GetTokenInfo C_GetMechanismList
    C_GetMechanismInfo C_InitToken C_InitPIN C_SetPIN C_OpenSession C_CloseSession C_CloseAllSessions C_GetSessionInfo
    C_GetOperationState C_SetOperationState C_Login C_Logout C_CreateObject C_CopyObject C_DestroyObject C_GetObjectSize
    C_GetAttributeValue C_SetAttributeValue C_FindObjectsInit C_FindObjects C_FindObjectsFinal C_EncryptInit C_Encrypt
    C_EncryptUpdate C_EncryptFinal C_DecryptInit C_Decrypt C_DecryptUpdate C_DecryptFinal C_DigestInit C_Digest
    C_DigestUpdate C_DigestKey C_DigestFinal C_SignInit C_Sign C_SignUpdate C_SignFinal C_SignRecoverInit C_SignRecover
    C_VerifyInit C_Verify C_VerifyUpdate C_VerifyFinal C_VerifyRecoverInit C_VerifyRecover C_DigestEncryptUpdate
    C_DecryptDigestUpdate C_SignEncryptUpdate C_DecryptVerifyUpdate C_GenerateKey C_GenerateKeyPair C_WrapKey C_UnwrapKey
    C_DeriveKey C_SeedRandom C_GenerateRandom C_GetFunctionStatus C_CancelFunction C_WaitForSlotEvent
};
