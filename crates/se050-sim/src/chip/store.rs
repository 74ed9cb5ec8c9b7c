//! The chip's objects, one file each: `F0000110.key.pem`, `F0000111.crt`.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use p256::ecdsa::SigningKey;
use p256::pkcs8::DecodePrivateKey as _;
use rsa::RsaPrivateKey;

use crate::Error;
use crate::error::BoxedError;

/// What is stored under an object id. As on the chip, one id holds the key pair, private and public half.
pub(crate) enum Object {
    Rsa(Box<RsaPrivateKey>),
    Ec(Box<SigningKey>),
    /// Bytes. Whether they are a certificate is found by looking at them.
    Binary(Vec<u8>),
}

impl Object {
    /// The key pair in a PKCS#8 document.
    pub(crate) fn from_pkcs8(der: &[u8]) -> Result<Self, BoxedError> {
        if let Ok(key) = SigningKey::from_pkcs8_der(der) {
            return Ok(Self::Ec(Box::new(key)));
        }
        let key = RsaPrivateKey::from_pkcs8_der(der).map_err(|rsa| -> BoxedError {
            format!("neither an EC P-256 nor an RSA private key in PKCS#8 ({rsa})").into()
        })?;
        Ok(Self::Rsa(Box::new(key)))
    }
}

const KEY: &str = ".key.pem";
const BINARY: &str = ".crt";

pub(crate) struct Store {
    directory: PathBuf,
    /// The keys that were read, each with its file's text: to parse and check one takes longer than to sign with it.
    keys: Mutex<BTreeMap<u32, Key>>,
}

struct Key {
    text: Vec<u8>,
    parsed: Arc<Object>,
}

impl Store {
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self { directory, keys: Mutex::default() }
    }

    /// The ids of all objects, ascending.
    pub(crate) fn ids(&self) -> Result<Vec<u32>, Error> {
        let mut ids = Vec::new();
        for entry in fs::read_dir(&self.directory).map_err(Error::file("list", &self.directory))? {
            let name = entry.map_err(Error::file("list", &self.directory))?.file_name();
            let id =
                name.to_str().and_then(|name| name.strip_suffix(KEY).or_else(|| name.strip_suffix(BINARY)));
            ids.extend(id.and_then(|id| u32::from_str_radix(id, 16).ok()));
        }
        ids.sort_unstable();
        Ok(ids)
    }

    pub(crate) fn contains(&self, id: u32) -> bool {
        self.file(id, KEY).exists() || self.file(id, BINARY).exists()
    }

    /// The object as it is on disk now: a test may put another one there while the module is loaded.
    pub(crate) fn load(&self, id: u32) -> Result<Option<Arc<Object>>, Error> {
        let path = self.file(id, KEY);
        let Some(text) = read_if_there(&path)? else {
            let content = read_if_there(&self.file(id, BINARY))?;
            return Ok(content.map(|content| Arc::new(Object::Binary(content))));
        };
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = keys.get(&id)
            && known.text == text
        {
            return Ok(Some(Arc::clone(&known.parsed)));
        }
        let pem = pem::parse(&text).map_err(Error::content(&path))?;
        let parsed = Arc::new(Object::from_pkcs8(pem.contents()).map_err(Error::content(&path))?);
        keys.insert(id, Key { text, parsed: Arc::clone(&parsed) });
        Ok(Some(parsed))
    }

    pub(crate) fn put_key(&self, id: u32, pkcs8: &[u8]) -> Result<(), Error> {
        let path = self.file(id, KEY);
        Object::from_pkcs8(pkcs8).map_err(Error::content(&path))?;
        let text = pem::encode(&pem::Pem::new("PRIVATE KEY", pkcs8));
        let mut options = OpenOptions::new();
        // A throwaway key, but still a private one.
        options.write(true).create(true).truncate(true).mode(0o600);
        options
            .open(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(Error::file("write", &path))?;
        remove_if_there(&self.file(id, BINARY))
    }

    pub(crate) fn put_binary(&self, id: u32, content: &[u8]) -> Result<(), Error> {
        let path = self.file(id, BINARY);
        fs::write(&path, content).map_err(Error::file("write", &path))?;
        remove_if_there(&self.file(id, KEY))
    }

    fn file(&self, id: u32, kind: &str) -> PathBuf {
        self.directory.join(format!("{id:08X}{kind}"))
    }
}

fn read_if_there(path: &PathBuf) -> Result<Option<Vec<u8>>, Error> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::file("read", path)(error)),
    }
}

/// An id is one object: the new one replaces what was there.
fn remove_if_there(path: &PathBuf) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::file("remove", path)(error)),
        _ => Ok(()),
    }
}
