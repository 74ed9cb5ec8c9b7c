//! The chip half: from the module's file to a signature.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use se050_device::DeviceSettings;
use se050_key::{
    BusCheck, Certificate, Error, Key, KeyKind, ModuleFile, Preflight, Scheme, Selector, Token, TokenBuilder,
};

use super::checklist::{Checklist, Problem};
use super::clock;
use super::messages::{Text, device as words, text};
use crate::terminal::sentence;

const MODULE: [&str; 2] = ["module-file", "module"];
const BUS: &str = "i2c";
const HOLDER: &str = "chip-free";
const CHIP: &str = "chip";
const KEY: &str = "key";
const CERTIFICATE: &str = "certificate";
const DATES: &str = "certificate-dates";
const MATCH: &str = "key-matches";
const SIGNATURE: &str = "signature";

/// Key and certificate that belong together.
pub(super) type Identity = (Key, Certificate);

/// Makes all checks of the chip; `None` where the device has no usable key and certificate.
pub(super) fn check(list: &mut Checklist<'_>, settings: &DeviceSettings, key: &Selector) -> Option<Identity> {
    let Some(token) = open(list, settings, key) else {
        list.skip_all(&[KEY, CERTIFICATE, DATES, MATCH, SIGNATURE], &text!(words::CHIP_NOT_OPEN));
        return None;
    };
    let found_key = list.run(KEY, || {
        let found = token.key(key, None).map_err(|error| problem(&error))?;
        let kind = found.public_key().kind();
        Ok((found, text!(words::KEY, key = key, kind = kind)))
    });
    let certificate = list.run(CERTIFICATE, || certificate(&token, settings, key));
    match &certificate {
        Some(certificate) => clock::check_dates(list, DATES, certificate, SystemTime::now()),
        None => list.skip(DATES, text!(words::NO_CERTIFICATE)),
    }
    let matches = match (&found_key, &certificate) {
        (Some(key), Some(certificate)) => list.run(MATCH, || match key.check_certificate(certificate) {
            Ok(()) => Ok(((), text!(words::PAIR))),
            Err(error) => Err(problem(&error)),
        }),
        _ => {
            list.skip(MATCH, text!(words::KEY_OR_CERTIFICATE_MISSING));
            None
        }
    };
    let signs = match &found_key {
        Some(key) => list.run(SIGNATURE, || sign(key)),
        None => {
            list.skip(SIGNATURE, text!(words::NO_KEY));
            None
        }
    };
    matches.and(signs).and(found_key.zip(certificate))
}

/// Opens the token, checking before what can be checked without it.
fn open(list: &mut Checklist<'_>, settings: &DeviceSettings, key: &Selector) -> Option<Token> {
    let selectors: Vec<_> = [Some(key), settings.certificate.as_ref()].into_iter().flatten().collect();
    let [file_check, module_check] = MODULE;
    let module = list.run(file_check, || {
        let path = settings.token.module(&selectors).map_err(|error| {
            Problem::new(text!(words::MODULE_CONTRADICTION, error = error), text!(words::LEAVE_ONE_OUT))
        })?;
        inspect(path)
    });
    let preflight = match module {
        Some(_) => list.run(module_check, || {
            let builder = settings.token.builder(&selectors);
            let builder = builder.map_err(|error| {
                Problem::new(
                    text!(words::PIN_UNREADABLE, error = format!("{error:#}")),
                    text!(words::CHECK_PIN_SOURCES),
                )
            })?;
            let preflight = builder.preflight().map_err(|error| problem(&error))?;
            let finding = describe(&preflight);
            Ok(((builder, preflight), finding))
        }),
        None => {
            list.skip(module_check, text!(words::FILE_NOT_LOADED));
            None
        }
    };
    let Some((builder, preflight)) = preflight else {
        list.skip_all(&[BUS, HOLDER, CHIP], &text!(words::MODULE_SILENT));
        return None;
    };
    let reachable = list.run(BUS, || bus(preflight.bus.as_ref()).map(|finding| ((), finding)));
    let free = match reachable {
        Some(()) => list.run(HOLDER, || free(&preflight).map(|finding| ((), finding))),
        None => {
            list.skip(HOLDER, text!(words::BUS_NOT_OPEN));
            None
        }
    };
    match (reachable, free) {
        (Some(()), Some(())) => list.run(CHIP, || answers(builder)),
        _ => {
            let held = reachable.is_some();
            list.skip(CHIP, if held { text!(words::ANOTHER_HAS_IT) } else { text!(words::BUS_NOT_OPEN) });
            None
        }
    }
}

/// Key and certificate, for a run that leaves the chip's checks out.
pub(super) fn identity(settings: &DeviceSettings, key: &Selector) -> Result<(Identity, Text), Problem> {
    let file = settings.certificate_file.as_deref();
    let hint = "name the certificate: --cert FILE, or --cert-label LABEL";
    match settings.token.open(key, settings.certificate.as_ref(), file, hint) {
        Ok(found) => Ok(((found.key, found.certificate), text!(words::KEY_AND_CERTIFICATE, key = key))),
        Err(error) => Err(Problem::new(
            text!(words::CHIP_ERROR, error = format!("{error:#}")),
            text!(words::CHECK_CHIP),
        )),
    }
}

fn inspect(path: PathBuf) -> Result<((), Text), Problem> {
    let shown = path.display();
    let wrong = |reason: String| {
        let cause = text!(words::MODULE_FILE_UNUSABLE, file = shown, reason = reason);
        Problem::new(cause, text!(words::INSTALL_MODULE))
    };
    let file = ModuleFile::inspect(&path).map_err(wrong)?;
    if let Some(reason) = file.other_c_library() {
        return Err(wrong(reason));
    }
    let library = file.c_library.map_or_else(String::new, |library| format!(", {library}"));
    let processor = std::env::consts::ARCH;
    Ok(((), text!(words::MODULE_FILE, file = shown, processor = processor, library = library)))
}

fn describe(preflight: &Preflight) -> Text {
    let token = &preflight.token;
    let (major, minor) = token.firmware_version;
    match token.label_byte_order() {
        Some(order) => {
            text!(words::MODULE, label = token.label, version = format!("{major}.{minor}"), order = order)
        }
        None => text!(words::MODULE_NO_SE050, label = token.label),
    }
}

fn bus(bus: Option<&BusCheck>) -> Result<Text, Problem> {
    let Some(bus) = bus else { return Ok(text!(words::BUS_NONE)) };
    let Err(error) = &bus.access else { return Ok(text!(words::BUS, name = bus.name)) };
    let node = bus.node.display();
    let next = match error.kind() {
        std::io::ErrorKind::NotFound => text!(words::BUS_MISSING, node = node),
        std::io::ErrorKind::PermissionDenied => text!(words::BUS_FORBIDDEN, node = node),
        _ => text!(words::BUS_BROKEN, node = node),
    };
    Err(Problem::new(text!(words::BUS_CLOSED, node = node, error = error), next))
}

fn free(preflight: &Preflight) -> Result<Text, Problem> {
    if let Some(holder) = preflight.locked_by {
        let name = holder.pid().and_then(process_name).map(|name| format!(" ({name})")).unwrap_or_default();
        let lock = preflight.lock_file.as_deref().unwrap_or(Path::new("")).display();
        let next = holder.pid().map_or_else(
            || text!(words::HELD_BY_UNKNOWN, lock = lock),
            |pid| text!(words::HELD_BY_PROCESS, pid = pid),
        );
        return Err(Problem::new(text!(words::HELD, holder = holder, name = name, lock = lock), next));
    }
    let others = preflight.bus.as_ref().map(|bus| users_of(&bus.node)).unwrap_or_default();
    if others.is_empty() {
        return Ok(text!(words::BUS_FREE));
    }
    Err(Problem::new(text!(words::BUS_SHARED, processes = others.join(", ")), text!(words::STOP_OTHER)))
}

/// The processes that have the node open, as far as this user may see it.
fn users_of(node: &Path) -> Vec<String> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let ids = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| *id != std::process::id())
        .filter(|id| {
            let Ok(open) = fs::read_dir(format!("/proc/{id}/fd")) else { return false };
            open.flatten().any(|file| fs::read_link(file.path()).is_ok_and(|target| target == node))
        })
        .map(|id| format!("process {id} ({})", process_name(id).unwrap_or_default()))
        .collect()
}

fn process_name(id: u32) -> Option<String> {
    fs::read_to_string(format!("/proc/{id}/comm")).ok().map(|name| name.trim().to_owned())
}

fn answers(builder: TokenBuilder) -> Result<(Token, Text), Problem> {
    let token = builder.open().map_err(|error| problem(&error))?;
    Ok((token, text!(words::ANSWERS)))
}

fn certificate(
    token: &Token,
    settings: &DeviceSettings,
    key: &Selector,
) -> Result<(Certificate, Text), Problem> {
    let certificate = match (&settings.certificate_file, &settings.certificate) {
        (Some(file), _) => Certificate::from_file(file),
        (None, Some(selector)) => token.certificate(selector),
        (None, None) => token.certificate(key),
    };
    let certificate = certificate.map_err(|error| problem(&error))?;
    let (subject, id) = (certificate.subject().to_owned(), certificate.fingerprint());
    let finding = text!(words::CERTIFICATE, subject = subject, id = id);
    Ok((certificate, finding))
}

fn sign(key: &Key) -> Result<((), Text), Problem> {
    let scheme = match key.public_key().kind() {
        KeyKind::EcP256 => Scheme::EcdsaP256Sha256,
        KeyKind::EcP384 => Scheme::EcdsaP384Sha384,
        _ => Scheme::RsaPkcs1Sha256,
    };
    // The key verifies the signature before it gives it out.
    key.sign(scheme, b"se050-iot doctor").map_err(|error| problem(&error))?;
    Ok(((), text!(words::SIGNATURE, scheme = scheme)))
}

/// The error with the next thing to do.
pub(super) fn problem(error: &Error) -> Problem {
    let next = match error {
        Error::LoadModule { .. } => text!(words::DO_LOAD_MODULE),
        Error::NoSingleToken { .. } => text!(words::DO_NAME_TOKEN),
        Error::NoServer => text!(words::DO_START_SERVER),
        Error::PinMissing { .. }
        | Error::PinRefused { .. }
        | Error::PinFinalTry { .. }
        | Error::PinLocked { .. } => text!(words::DO_GIVE_PIN),
        Error::NotFound { .. } => text!(words::DO_LIST_OBJECTS),
        Error::Ambiguous { .. } => text!(words::DO_NAME_BY_ID),
        Error::NoCertificateKnown { .. } | Error::NotACertificate { .. } => text!(words::DO_NAME_CERTIFICATE),
        Error::KeyMismatch { .. } => text!(words::DO_NAME_KEYS_CERTIFICATE),
        Error::UnsupportedKey { .. } => text!(words::DO_USE_ANOTHER_KEY),
        Error::Busy { .. } => text!(words::DO_END_OTHER),
        Error::BadSignature { .. } => text!(words::DO_CHECK_BUS),
        Error::BusMissing { .. } | Error::LockFile { .. } => text!(words::DO_CHECK_MODE),
        _ => text!(words::DO_CHECK_POWER),
    };
    Problem::new(text!(words::CHIP_ERROR, error = sentence(error)), next)
}
