//! The C interface: every PKCS#11 call that this crate makes.
//!
//! All calls use the function list that was initialised, since C_GetFunctionList may return a new, uninitialised list each time
//! (p11-kit's client does). No call asks for a length with a NULL buffer: NXP's module would sign, or read the object, twice.

use std::path::Path;
use std::ptr;
use std::rc::Rc;

use cryptoki_sys::*;
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

use crate::CallError;

/// Room for any signature: RSA-4096 gives 512 bytes.
const SIGNATURE_BYTES: usize = 512;
/// Room for any attribute: NXP's module reads objects into a buffer of 2048 bytes, other tokens keep larger certificates.
const ATTRIBUTE_BYTES: usize = 8192;
/// How many handles a C_FindObjects asks for: NXP's 4.3 refuses less than 200 in an enumeration, its successor more.
const HANDLES_A_CALL: usize = 200;
/// The most objects that a search collects. An error message needs no more, and a faulty module may return objects without end.
const MOST_HANDLES: usize = 1000;
/// More slots than any module has.
const MOST_SLOTS: usize = 256;

/// A value for an attribute in a search.
pub(crate) type Wanted = (CK_ATTRIBUTE_TYPE, Vec<u8>);

/// Calls one function of the list. The caller says why the arguments are sound.
macro_rules! call {
    ($module:expr, $function:ident($($argument:expr),* $(,)?)) => {
        match $module.functions.$function {
            Some(function) => CallError::check(stringify!($function), function($($argument),*)),
            None => CallError::check(stringify!($function), CKR_FUNCTION_NOT_SUPPORTED),
        }
    };
}

/// A loaded and initialised module. It belongs to the thread that loaded it (hence `Rc`): NXP's does no locking of its own.
pub(crate) struct RawModule {
    functions: CK_FUNCTION_LIST,
    /// Another part of the process had initialised it, and will finalise it.
    shared: bool,
    /// Keeps the module loaded while `functions` points into it.
    _library: Library,
}

impl RawModule {
    /// Loads and initialises the module. Where it is loaded already, this is the same one.
    pub(crate) fn load(path: &Path) -> Result<Rc<Self>, String> {
        // RTLD_NOW: a missing symbol is an error here, and not the end of the process at the first call that needs it.
        // SAFETY: loading runs the module's initialisers; that the file is a PKCS#11 module is the caller's word.
        let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) }.map_err(loader_said)?;
        // SAFETY: PKCS#11 gives the symbol this type.
        let get_function_list = unsafe {
            library.get::<unsafe extern "C" fn(*mut *mut CK_FUNCTION_LIST) -> CK_RV>(b"C_GetFunctionList\0")
        };
        let get_function_list = get_function_list.map_err(loader_said)?;
        let mut list: *mut CK_FUNCTION_LIST = ptr::null_mut();
        // SAFETY: the pointer to write to is valid.
        let rv = unsafe { get_function_list(&raw mut list) };
        CallError::check("C_GetFunctionList", rv).map_err(|error| error.to_string())?;
        if list.is_null() {
            return Err("C_GetFunctionList gave no function list".to_owned());
        }
        // SAFETY: not null, and PKCS#11 has it point to a CK_FUNCTION_LIST that lives as long as the module is loaded.
        let functions = unsafe { *list };
        let mut module = Self { functions, shared: false, _library: library };
        module.shared = match module.initialize() {
            Err(error) if error.ckr() == CKR_CRYPTOKI_ALREADY_INITIALIZED => true,
            result => result.map(|()| false).map_err(|error| error.to_string())?,
        };
        Ok(Rc::new(module))
    }

    fn initialize(&self) -> Result<(), CallError> {
        // Exactly this flag: NXP's module up to 4.3 refuses anything less and anything more.
        let mut arguments = CK_C_INITIALIZE_ARGS { flags: CKF_OS_LOCKING_OK, ..Default::default() };
        // SAFETY: the arguments outlive the call.
        unsafe { call!(self, C_Initialize((&raw mut arguments).cast())) }
    }

    /// C_Finalize and C_Initialize. Sessions and slots are gone afterwards.
    pub(crate) fn reinitialize(&self) -> Result<(), CallError> {
        if !self.shared {
            // SAFETY: PKCS#11 wants a null pointer.
            unsafe { call!(self, C_Finalize(ptr::null_mut())) }?;
        }
        self.initialize()
    }

    /// The slots that have a token.
    pub(crate) fn slots(&self) -> Result<Vec<CK_SLOT_ID>, CallError> {
        let mut slots = vec![0; MOST_SLOTS];
        let mut count = slots.len() as CK_ULONG;
        // SAFETY: the buffer is as long as said, and outlives the call.
        unsafe { call!(self, C_GetSlotList(CK_TRUE, slots.as_mut_ptr(), &raw mut count)) }?;
        slots.truncate(usize::try_from(count).unwrap_or(0));
        Ok(slots)
    }

    pub(crate) fn token_info(&self, slot: CK_SLOT_ID) -> Result<CK_TOKEN_INFO, CallError> {
        let mut info = CK_TOKEN_INFO::default();
        // SAFETY: the structure outlives the call.
        unsafe { call!(self, C_GetTokenInfo(slot, &raw mut info)) }?;
        Ok(info)
    }

    /// Opens a read-only session. After a failure, the handle that NXP's module returns must not be closed.
    pub(crate) fn open_session(self: &Rc<Self>, slot: CK_SLOT_ID) -> Result<RawSession, CallError> {
        let mut handle: CK_SESSION_HANDLE = 0;
        // SAFETY: no callback, and the handle outlives the call.
        unsafe {
            call!(self, C_OpenSession(slot, CKF_SERIAL_SESSION, ptr::null_mut(), None, &raw mut handle))
        }?;
        Ok(RawSession { module: Rc::clone(self), handle })
    }
}

impl Drop for RawModule {
    fn drop(&mut self) {
        if self.shared {
            return;
        }
        // Each session keeps the module, so none is open any more.
        // SAFETY: PKCS#11 wants a null pointer.
        if let Err(error) = unsafe { call!(self, C_Finalize(ptr::null_mut())) } {
            tracing::debug!(%error, "the module was not finalised");
        }
    }
}

/// An open session. It is closed once, when this is dropped: handles of 3.3 are pointers, and a second close is a double free.
pub(crate) struct RawSession {
    module: Rc<RawModule>,
    handle: CK_SESSION_HANDLE,
}

impl RawSession {
    pub(crate) fn login(&self, user: CK_USER_TYPE, pin: &[u8]) -> Result<(), CallError> {
        // PKCS#11 reads the PIN and does not write it, whatever the pointer's type says.
        let bytes = pin.as_ptr().cast_mut();
        // SAFETY: the PIN is as long as said, and outlives the call.
        unsafe { call!(self.module, C_Login(self.handle, user, bytes, pin.len() as CK_ULONG)) }
    }

    /// The cheapest command that the chip has to answer: C_GenerateRandom, or C_GetSessionInfo without a random generator.
    pub(crate) fn probe(&self, has_random: bool) -> Result<(), CallError> {
        if has_random {
            let mut bytes = [0_u8; 8];
            // SAFETY: the buffer is as long as said, and outlives the call.
            return unsafe {
                call!(self.module, C_GenerateRandom(self.handle, bytes.as_mut_ptr(), bytes.len() as CK_ULONG))
            };
        }
        let mut info = CK_SESSION_INFO::default();
        // SAFETY: the structure outlives the call.
        unsafe { call!(self.module, C_GetSessionInfo(self.handle, &raw mut info)) }
    }

    /// The objects with those attributes. The search is ended in any case: NXP's module would continue it in the next one.
    pub(crate) fn find(&self, wanted: &[Wanted]) -> Result<Vec<CK_OBJECT_HANDLE>, CallError> {
        // NXP's module ignores a label's length and reads up to a NUL, so one is appended to each value.
        let mut values: Vec<Vec<u8>> = wanted.iter().map(|(_, value)| [value, &[0][..]].concat()).collect();
        let mut template: Vec<CK_ATTRIBUTE> = wanted
            .iter()
            .zip(&mut values)
            .map(|((type_, value), terminated)| CK_ATTRIBUTE {
                type_: *type_,
                pValue: terminated.as_mut_ptr().cast(),
                ulValueLen: value.len() as CK_ULONG,
            })
            .collect();
        // SAFETY: the template is as long as said, its values, too; all of them outlive the search.
        unsafe {
            call!(
                self.module,
                C_FindObjectsInit(self.handle, template.as_mut_ptr(), template.len() as CK_ULONG)
            )
        }?;
        let found = self.collect();
        // SAFETY: a handle and no pointer.
        let ended = unsafe { call!(self.module, C_FindObjectsFinal(self.handle)) };
        found.and_then(|found| ended.map(|()| found))
    }

    fn collect(&self) -> Result<Vec<CK_OBJECT_HANDLE>, CallError> {
        let mut found = Vec::new();
        while found.len() < MOST_HANDLES {
            let mut handles = [0; HANDLES_A_CALL];
            let mut count: CK_ULONG = 0;
            // SAFETY: the buffer is as long as said, and outlives the call.
            unsafe {
                call!(
                    self.module,
                    C_FindObjects(
                        self.handle,
                        handles.as_mut_ptr(),
                        handles.len() as CK_ULONG,
                        &raw mut count
                    )
                )
            }?;
            let count = usize::try_from(count).unwrap_or(0);
            found.extend(handles.iter().take(count));
            if count < handles.len() {
                break;
            }
        }
        Ok(found)
    }

    /// One attribute, in one call: NXP's module stops at the first that fails and leaves the later ones untouched.
    pub(crate) fn attribute(
        &self,
        object: CK_OBJECT_HANDLE,
        attribute: CK_ATTRIBUTE_TYPE,
    ) -> Result<Vec<u8>, CallError> {
        let mut value = vec![0_u8; ATTRIBUTE_BYTES];
        let mut template = CK_ATTRIBUTE {
            type_: attribute,
            pValue: value.as_mut_ptr().cast(),
            ulValueLen: value.len() as CK_ULONG,
        };
        // SAFETY: the template has one entry, whose buffer is as long as said; both outlive the call.
        unsafe { call!(self.module, C_GetAttributeValue(self.handle, object, &raw mut template, 1)) }?;
        // CK_UNAVAILABLE_INFORMATION is the largest number.
        value.truncate(
            usize::try_from(template.ulValueLen).ok().filter(|bytes| *bytes <= ATTRIBUTE_BYTES).unwrap_or(0),
        );
        Ok(value)
    }

    /// C_SignInit and one C_Sign. `login` is the PIN of a key that wants one for each signature.
    pub(crate) fn sign(
        &self,
        mechanism: CK_MECHANISM_TYPE,
        mut parameters: Option<CK_RSA_PKCS_PSS_PARAMS>,
        key: CK_OBJECT_HANDLE,
        login: Option<&[u8]>,
        input: &[u8],
    ) -> Result<Vec<u8>, CallError> {
        let (parameter, length) = match &mut parameters {
            Some(parameters) => (ptr::from_mut(parameters).cast(), size_of::<CK_RSA_PKCS_PSS_PARAMS>()),
            None => (ptr::null_mut(), 0),
        };
        let mut mechanism =
            CK_MECHANISM { mechanism, pParameter: parameter, ulParameterLen: length as CK_ULONG };
        // SAFETY: mechanism and parameters live until after C_Sign, which is when NXP's module reads the parameters.
        unsafe { call!(self.module, C_SignInit(self.handle, &raw mut mechanism, key)) }?;
        if let Some(pin) = login {
            self.login(CKU_CONTEXT_SPECIFIC, pin)?;
        }
        let mut input = input.to_vec();
        let mut signature = vec![0_u8; SIGNATURE_BYTES];
        let mut length = signature.len() as CK_ULONG;
        // SAFETY: both buffers are as long as said, and outlive the call.
        unsafe {
            call!(
                self.module,
                C_Sign(
                    self.handle,
                    input.as_mut_ptr(),
                    input.len() as CK_ULONG,
                    signature.as_mut_ptr(),
                    &raw mut length,
                )
            )
        }?;
        signature.truncate(usize::try_from(length).unwrap_or(0));
        Ok(signature)
    }
}

impl Drop for RawSession {
    fn drop(&mut self) {
        // SAFETY: a handle and no pointer; C_OpenSession gave it, and nobody closed it.
        if let Err(error) = unsafe { call!(self.module, C_CloseSession(self.handle)) } {
            tracing::debug!(%error, "the session was not closed");
        }
    }
}

fn loader_said(error: libloading::Error) -> String {
    let causes = std::iter::successors(std::error::Error::source(&error), |cause| (*cause).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
