//! A chip for each test, and its module called as a C client calls it.
//!
//! The names and numbers here are written out once more, on purpose: a test that took them from the simulator could
//! not find a wrong one.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use cryptoki_sys::*;
use se050_sim::{Chip, Version};
use tempfile::TempDir;

pub(crate) const EC_KEY: u32 = 0xF000_0100;
pub(crate) const EC_CERTIFICATE: u32 = 0xF000_0101;
pub(crate) const RSA_KEY: u32 = 0xF000_0110;
pub(crate) const RSA_CERTIFICATE: u32 = 0xF000_0111;
pub(crate) const RSA_LABEL: &str = "sss:100100F0";

/// SHA-256's DigestInfo in DER, without the digest (RFC 8017, section 9.2, note 1).
pub(crate) const SHA256_DIGEST_INFO: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
    0x04, 0x20,
];

/// A chip of the test's own, which ends with it.
pub(crate) struct Bench {
    directory: TempDir,
    pub(crate) chip: Chip,
    _template: Arc<Template>,
}

/// The chip that the tests' chips are copies of: RSA keys take time to make. It ends with the last test that holds it.
struct Template {
    _directory: TempDir,
    chip: Chip,
}

impl Template {
    fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Template>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let directory = TempDir::new().unwrap();
            let chip = Chip::create(&directory.path().join("chip")).unwrap();
            // The lines belong to one test; in the others they would drown the harness's output.
            chip.set_log_to_stdout(false).unwrap();
            let template = Arc::new(Self { _directory: directory, chip });
            *shared = Arc::downgrade(&template);
            template
        })
    }
}

impl Bench {
    pub(crate) fn new() -> Self {
        let template = Template::shared();
        let directory = TempDir::new().unwrap();
        let chip = template.chip.duplicate(&directory.path().join("chip")).unwrap();
        Self { directory, chip, _template: template }
    }

    /// A chip whose module is of that version.
    pub(crate) fn of(version: Version) -> Self {
        let bench = Self::new();
        bench.chip.set_version(version).unwrap();
        bench
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A copy of the chip, whose module has a state of its own.
    pub(crate) fn copy(&self, name: &str) -> Chip {
        self.chip.duplicate(&self.path().join(name)).unwrap()
    }
}

/// A loaded module.
pub(crate) struct Client {
    functions: CK_FUNCTION_LIST,
    /// The session that the shorthands below use: 1, or a heap pointer on 3.3.
    session: AtomicU64,
    // Dropped after the functions: the code goes with it.
    _library: libloading::Library,
}

/// Calls a function of the list.
macro_rules! c {
    ($client:expr, $function:ident($($argument:expr),*)) => {{
        let function = $client.functions().$function.expect("each function is there");
        // SAFETY: the arguments live as long as the call, and are as the case wants them.
        unsafe { function($($argument),*) }
    }};
}
pub(crate) use c;

impl Client {
    /// Loaded, not initialised.
    pub(crate) fn load(chip: &Chip) -> Self {
        Self::load_file(&chip.module())
    }

    pub(crate) fn load_file(module: &Path) -> Self {
        // SAFETY: our own module.
        let library = unsafe { libloading::Library::new(module) }.unwrap();
        let mut list = std::ptr::null_mut();
        // SAFETY: PKCS#11's signature, and a table that lives as long as the library.
        let functions = unsafe {
            let get: libloading::Symbol<'_, unsafe extern "C" fn(*mut *mut CK_FUNCTION_LIST) -> CK_RV> =
                library.get(b"C_GetFunctionList").unwrap();
            assert_eq!(get(&mut list), CKR_OK);
            *list
        };
        Self { functions, session: AtomicU64::new(1), _library: library }
    }

    pub(crate) fn initialized(chip: &Chip) -> Self {
        let client = Self::load(chip);
        assert_eq!(c!(client, C_Initialize(std::ptr::null_mut())), CKR_OK);
        client
    }

    /// With its first session, which is handle 1 but on 3.3.
    pub(crate) fn open(chip: &Chip) -> Self {
        let client = Self::initialized(chip);
        client.use_new_session();
        client
    }

    /// Opens a session, and uses it from now on.
    pub(crate) fn use_new_session(&self) {
        let (answer, session) = self.open_session();
        assert_eq!(answer, CKR_OK);
        self.session.store(session, Ordering::Relaxed);
    }

    pub(crate) fn session(&self) -> CK_SESSION_HANDLE {
        self.session.load(Ordering::Relaxed)
    }

    pub(crate) fn functions(&self) -> &CK_FUNCTION_LIST {
        &self.functions
    }

    pub(crate) fn open_session(&self) -> (CK_RV, CK_SESSION_HANDLE) {
        let mut session = 0;
        let flags = CKF_SERIAL_SESSION;
        let answer = c!(self, C_OpenSession(1, flags, std::ptr::null_mut(), None, &mut session));
        (answer, session)
    }

    pub(crate) fn reopen(&self) {
        assert_eq!(c!(self, C_CloseSession(self.session())), CKR_OK);
        self.use_new_session();
    }

    pub(crate) fn find_init(&self, template: &mut [CK_ATTRIBUTE]) -> CK_RV {
        c!(self, C_FindObjectsInit(self.session(), template.as_mut_ptr(), template.len() as CK_ULONG))
    }

    /// One C_FindObjects: its answer, and the handles.
    pub(crate) fn find_next(&self, max: usize) -> (CK_RV, Vec<CK_OBJECT_HANDLE>) {
        let mut handles = vec![0; max];
        let mut count = 0;
        let answer =
            c!(self, C_FindObjects(self.session(), handles.as_mut_ptr(), max as CK_ULONG, &mut count));
        handles.truncate(count as usize);
        (answer, handles)
    }

    /// A whole search.
    pub(crate) fn find(&self, template: &mut [CK_ATTRIBUTE]) -> (CK_RV, Vec<CK_OBJECT_HANDLE>) {
        let init = self.find_init(template);
        if init != CKR_OK {
            return (init, Vec::new());
        }
        let found = self.find_next(16);
        assert_eq!(c!(self, C_FindObjectsFinal(self.session())), CKR_OK);
        found
    }

    /// Random numbers, the cheapest question whether the chip answers.
    pub(crate) fn random(&self) -> CK_RV {
        let mut random = [0; 16];
        c!(self, C_GenerateRandom(self.session(), random.as_mut_ptr(), 16))
    }

    /// One attribute into a large buffer: the answer, and the value.
    pub(crate) fn attribute(&self, handle: CK_OBJECT_HANDLE, kind: CK_ATTRIBUTE_TYPE) -> (CK_RV, Vec<u8>) {
        let mut value = vec![0; 4096];
        let mut attribute = bytes(kind, &mut value);
        let answer = c!(self, C_GetAttributeValue(self.session(), handle, &mut attribute, 1));
        value.truncate(if answer == CKR_OK { attribute.ulValueLen as usize } else { 0 });
        (answer, value)
    }

    pub(crate) fn sign_init(&self, mechanism: CK_MECHANISM_TYPE, key: u32) -> CK_RV {
        let mut mechanism = CK_MECHANISM { mechanism, ..CK_MECHANISM::default() };
        c!(self, C_SignInit(self.session(), &mut mechanism, key.into()))
    }

    /// With PSS parameters, which must live until the signature is made.
    pub(crate) fn sign_init_pss(&self, parameters: &mut CK_RSA_PKCS_PSS_PARAMS, key: u32) -> CK_RV {
        let mut mechanism = CK_MECHANISM {
            mechanism: CKM_RSA_PKCS_PSS,
            pParameter: std::ptr::from_mut(parameters).cast(),
            ulParameterLen: size_of::<CK_RSA_PKCS_PSS_PARAMS>() as CK_ULONG,
        };
        c!(self, C_SignInit(self.session(), &mut mechanism, key.into()))
    }

    /// One C_Sign into a buffer of that size: the answer, the reported length, and the signature.
    pub(crate) fn sign_into(&self, data: &[u8], size: usize) -> (CK_RV, usize, Vec<u8>) {
        let mut data = data.to_vec();
        let mut signature = vec![0; size];
        let mut length = size as CK_ULONG;
        let answer = c!(
            self,
            C_Sign(
                self.session(),
                data.as_mut_ptr(),
                data.len() as CK_ULONG,
                signature.as_mut_ptr(),
                &mut length
            )
        );
        signature.truncate(if answer == CKR_OK { length as usize } else { 0 });
        (answer, length as usize, signature)
    }

    pub(crate) fn sign(&self, data: &[u8]) -> (CK_RV, Vec<u8>) {
        let (answer, _, signature) = self.sign_into(data, 512);
        (answer, signature)
    }

    /// A C_Sign without a buffer, which asks for the length.
    pub(crate) fn sign_length(&self, data: &[u8]) -> (CK_RV, usize) {
        let mut data = data.to_vec();
        let mut length = 0;
        let null = std::ptr::null_mut();
        let answer =
            c!(self, C_Sign(self.session(), data.as_mut_ptr(), data.len() as CK_ULONG, null, &mut length));
        (answer, length as usize)
    }
}

/// An attribute with that value, or with that buffer for it.
pub(crate) fn bytes(kind: CK_ATTRIBUTE_TYPE, value: &mut [u8]) -> CK_ATTRIBUTE {
    CK_ATTRIBUTE { type_: kind, pValue: value.as_mut_ptr().cast(), ulValueLen: value.len() as CK_ULONG }
}

/// A label in memory as the module wants it: with a NUL that its length does not count.
pub(crate) struct Label(Vec<u8>);

impl Label {
    pub(crate) fn new(text: &str) -> Self {
        Self([text.as_bytes(), &[0]].concat())
    }

    pub(crate) fn attribute(&mut self) -> CK_ATTRIBUTE {
        let length = self.0.len() - 1;
        bytes(CKA_LABEL, &mut self.0[..length])
    }
}
