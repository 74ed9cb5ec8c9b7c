//! The chip half: from the module's file to a signature.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use se050_device::DeviceSettings;
use se050_key::{
    BusCheck, Certificate, Error, Key, KeyKind, ModuleFile, Preflight, Scheme, Selector, Token, TokenBuilder,
};

use super::checklist::{Checklist, Problem, sentence};
use super::clock;

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
        for name in [KEY, CERTIFICATE, DATES, MATCH, SIGNATURE] {
            list.skip(name, "the chip is not open");
        }
        return None;
    };
    let found_key = list.run(KEY, || {
        let found = token.key(key, None).map_err(|error| problem(&error))?;
        let kind = found.public_key().kind();
        Ok((found, format!("{key}: {kind}")))
    });
    let certificate = list.run(CERTIFICATE, || certificate(&token, settings, key));
    match &certificate {
        Some(certificate) => clock::check_dates(list, DATES, certificate, SystemTime::now()),
        None => list.skip(DATES, "there is no certificate"),
    }
    let matches = match (&found_key, &certificate) {
        (Some(key), Some(certificate)) => list.run(MATCH, || match key.check_certificate(certificate) {
            Ok(()) => Ok(((), "the certificate was issued for this key".to_owned())),
            Err(error) => Err(problem(&error)),
        }),
        _ => {
            list.skip(MATCH, "key or certificate is missing");
            None
        }
    };
    let signs = match &found_key {
        Some(key) => list.run(SIGNATURE, || sign(key)),
        None => {
            list.skip(SIGNATURE, "there is no key");
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
        let options = "leave one of the contradicting options out";
        let path =
            settings.token.module(&selectors).map_err(|error| Problem::new(error.to_string(), options))?;
        inspect(path)
    });
    let preflight = match module {
        Some(_) => list.run(module_check, || {
            let builder = settings.token.builder(&selectors);
            let builder = builder
                .map_err(|error| Problem::new(format!("{error:#}"), "check --pin-file and SE050_PIN"))?;
            let preflight = builder.preflight().map_err(|error| problem(&error))?;
            let finding = describe(&preflight);
            Ok(((builder, preflight), finding))
        }),
        None => {
            list.skip(module_check, "its file cannot be loaded");
            None
        }
    };
    let Some((builder, preflight)) = preflight else {
        for name in [BUS, HOLDER, CHIP] {
            list.skip(name, "the module does not say where the chip is");
        }
        return None;
    };
    let reachable = list.run(BUS, || bus(preflight.bus.as_ref()).map(|finding| ((), finding)));
    let free = match reachable {
        Some(()) => list.run(HOLDER, || free(&preflight).map(|finding| ((), finding))),
        None => {
            list.skip(HOLDER, "the bus cannot be opened");
            None
        }
    };
    match (reachable, free) {
        (Some(()), Some(())) => list.run(CHIP, || answers(builder)),
        _ => {
            list.skip(
                CHIP,
                if reachable.is_some() { "another process has it" } else { "the bus cannot be opened" },
            );
            None
        }
    }
}

/// Key and certificate, for a run that leaves the chip's checks out.
pub(super) fn identity(settings: &DeviceSettings, key: &Selector) -> Result<(Identity, String), Problem> {
    let file = settings.certificate_file.as_deref();
    let hint = "name the certificate: --cert FILE, or --cert-label LABEL";
    match settings.token.open(key, settings.certificate.as_ref(), file, hint) {
        Ok(found) => Ok(((found.key, found.certificate), format!("{key}, and its certificate"))),
        Err(error) => Err(Problem::new(format!("{error:#}"), "se050-iot doctor --chip")),
    }
}

fn inspect(path: PathBuf) -> Result<((), String), Problem> {
    let shown = path.display();
    let wrong = |reason: String| {
        Problem::new(
            format!("{shown}: {reason}"),
            "install NXP's plug-and-trust package of this Linux distribution (apk add plug-and-trust), or name the module: \
             --pkcs11-lib FILE",
        )
    };
    let file = ModuleFile::inspect(&path).map_err(wrong)?;
    if let Some(reason) = file.other_c_library() {
        return Err(wrong(reason));
    }
    let library = file.c_library.map_or_else(String::new, |library| format!(", {library}"));
    Ok(((), format!("{shown} ({}{library})", std::env::consts::ARCH)))
}

fn describe(preflight: &Preflight) -> String {
    let token = &preflight.token;
    let (major, minor) = token.firmware_version;
    match token.label_byte_order() {
        Some(order) => format!("{} {major}.{minor}, labels {order}", token.label),
        None => format!("token {:?}, which is no SE050", token.label),
    }
}

fn bus(bus: Option<&BusCheck>) -> Result<String, Problem> {
    let Some(bus) = bus else { return Ok("the module uses no I2C bus of this machine".to_owned()) };
    let Err(error) = &bus.access else { return Ok(bus.name.clone()) };
    let node = bus.node.display();
    let next = match error.kind() {
        std::io::ErrorKind::NotFound => format!(
            "ls -l /dev/i2c-*; name the right bus in EX_SSS_BOOT_SSS_PORT (such as /dev/i2c-1:0x48); in a container, pass the node \
             on (podman run --device {node})"
        ),
        std::io::ErrorKind::PermissionDenied => {
            format!("ls -l {node}; add the user to the node's group (often i2c), or run as root")
        }
        _ => format!("ls -l {node}; dmesg | grep i2c"),
    };
    Err(Problem::new(format!("cannot open {node}: {error}"), next))
}

fn free(preflight: &Preflight) -> Result<String, Problem> {
    if let Some(holder) = preflight.locked_by {
        let name = holder.pid().and_then(process_name).map(|name| format!(" ({name})")).unwrap_or_default();
        let lock = preflight.lock_file.as_deref().unwrap_or(Path::new("")).display().to_string();
        let next = holder.pid().map_or_else(
            || format!("stop the program that uses the chip, perhaps in another container; fuser -v {lock}"),
            |pid| format!("stop that program, or wait for its end: ps -p {pid}"),
        );
        return Err(Problem::new(format!("the chip is in use by {holder}{name} (lock file {lock})"), next));
    }
    let others = preflight.bus.as_ref().map(|bus| users_of(&bus.node)).unwrap_or_default();
    if others.is_empty() {
        return Ok("no other process uses it".to_owned());
    }
    let cause = format!("the bus is open in {} too, which keeps no lock", others.join(", "));
    Err(Problem::new(cause, "stop that program: two at a time disturb each other's session with the chip"))
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

fn answers(builder: TokenBuilder) -> Result<(Token, String), Problem> {
    let token = builder.open().map_err(|error| problem(&error))?;
    Ok((token, "it answers".to_owned()))
}

fn certificate(
    token: &Token,
    settings: &DeviceSettings,
    key: &Selector,
) -> Result<(Certificate, String), Problem> {
    let certificate = match (&settings.certificate_file, &settings.certificate) {
        (Some(file), _) => Certificate::from_file(file),
        (None, Some(selector)) => token.certificate(selector),
        (None, None) => token.certificate(key),
    };
    let certificate = certificate.map_err(|error| problem(&error))?;
    let finding = format!("{}, certificate id {}", certificate.subject(), certificate.fingerprint());
    Ok((certificate, finding))
}

fn sign(key: &Key) -> Result<((), String), Problem> {
    let scheme = match key.public_key().kind() {
        KeyKind::EcP256 => Scheme::EcdsaP256Sha256,
        KeyKind::EcP384 => Scheme::EcdsaP384Sha384,
        _ => Scheme::RsaPkcs1Sha256,
    };
    // The key verifies the signature before it gives it out.
    key.sign(scheme, b"se050-iot doctor").map_err(|error| problem(&error))?;
    Ok(((), format!("made and verified ({scheme})")))
}

/// The error with the next thing to do.
pub(super) fn problem(error: &Error) -> Problem {
    let next = match error {
        Error::LoadModule { .. } => {
            "install NXP's plug-and-trust package, or name the module: --pkcs11-lib FILE"
        }
        Error::NoSingleToken { .. } => "name the token: --token-label LABEL",
        Error::NoServer => "start the p11-kit server, and check P11_KIT_SERVER_ADDRESS",
        Error::PinMissing { .. }
        | Error::PinRefused { .. }
        | Error::PinFinalTry { .. }
        | Error::PinLocked { .. } => "give the right PIN: --pin-file FILE, or SE050_PIN in the environment",
        Error::NotFound { .. } => {
            "se050-iot objects lists what the chip has; then name it: --key-label, --cert-label"
        }
        Error::Ambiguous { .. } => "name the object by its id: --key-label 0xF0000110",
        Error::NoCertificateKnown { .. } | Error::NotACertificate { .. } => {
            "name the certificate: --cert FILE, or --cert-label LABEL"
        }
        Error::KeyMismatch { .. } => {
            "name the certificate that was issued for this key: --cert FILE, or --cert-label LABEL"
        }
        Error::UnsupportedKey { .. } => "use another key: se050-iot objects lists them",
        Error::Busy { .. } => "end the other program that uses the chip",
        Error::BadSignature { .. } => {
            "check the I2C bus (cable, pull-ups, another user of the bus), then run this again"
        }
        Error::BusMissing { .. } | Error::LockFile { .. } => "check its owner and mode: ls -l",
        _ => {
            "check the chip's power (its enable pin may keep it in deep power-down) and its bus: i2cdetect -y -r N shows 48 on \
             the bus /dev/i2c-N that has the chip; after a hang, switch the device off and on"
        }
    };
    Problem::new(sentence(error), next)
}
