//! What tokens other than NXP's do: SoftHSM2 in a child process, since it reads its configuration once in a process.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use se050_key::{Certificate, Error, KeyKind, Pin, Scheme, Token, TokenBuilder};
use test_peers::{Pki, SoftHsm, TOKEN_LABEL, USER_PIN, output_of, program};

use crate::bench::{child, child_argument, selector};

/// A token in a directory, and the child's argument: the module, and the directory of the certificates.
struct Setup {
    token: SoftHsm,
    directory: tempfile::TempDir,
    openssl: PathBuf,
    pki: Pki,
}

impl Setup {
    fn new() -> Option<Self> {
        let openssl = program("openssl")?;
        Some(Self {
            token: SoftHsm::new()?,
            directory: tempfile::tempdir().unwrap(),
            openssl,
            pki: Pki::new(),
        })
    }

    /// A key with its certificate, on the token and in files of the label's name.
    fn key(&self, label: &str, id: &str, options: [&str; 4]) {
        let file = self.file(label, "pem");
        output_of(
            Command::new(&self.openssl).args(["genpkey", "-quiet"]).args(options).arg("-out").arg(&file),
        );
        self.token.import_key(&file, label, id);
        let mut public = Command::new(&self.openssl);
        let public = output_of(public.args(["pkey", "-pubout", "-outform", "DER", "-in"]).arg(&file));
        let certificate = self.pki.certify(&public, label);
        fs::write(self.file(label, "der"), &certificate).unwrap();
        self.token.import_certificate(&certificate, label, id);
    }

    fn file(&self, label: &str, extension: &str) -> PathBuf {
        self.directory.path().join(format!("{label}.{extension}"))
    }

    fn pkcs11_tool(&self, arguments: &[&str]) {
        let mut command = Command::new(program("pkcs11-tool").unwrap());
        let (variable, value) = self.token.environment();
        command
            .env(variable, value)
            .arg("--module")
            .arg(self.token.module())
            .args(["--login", "--pin", USER_PIN]);
        output_of(command.args(arguments));
    }

    /// Runs the test again as a child, with the module and the directory as its argument.
    fn run(&self, test: &str, module: &Path) {
        let argument = format!("{}|{}", module.display(), self.directory.path().display());
        let mut command = child(test, &argument);
        let (variable, value) = self.token.environment();
        let output = command
            .env(variable, value)
            .env("REAL_MODULE", self.token.module())
            .env("FLAGS_DIRECTORY", self.directory.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

fn arguments() -> Option<(PathBuf, PathBuf)> {
    let argument = child_argument()?;
    let (module, directory) = argument.split_once('|').unwrap();
    Some((module.into(), directory.into()))
}

fn builder(module: &Path) -> TokenBuilder {
    // Nothing is looked for by itself: what is not done at once fails the test.
    let never = Duration::from_secs(3600);
    Token::builder(module).token_label(TOKEN_LABEL).pin(Pin::new(USER_PIN.into())).back_off(never)
}

const P256: [&str; 4] = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
const RSA_2048: [&str; 4] = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];

#[test]
fn a_session_that_another_part_of_the_process_closed_is_replaced_at_once() {
    if let Some((module, _)) = arguments() {
        let token = builder(&module).open().unwrap();
        let (ec, _) = token.identity(&selector("ec"), None).unwrap();
        let (rsa, _) = token.identity(&selector("rsa"), None).unwrap();
        // Sessions, login and all handles are gone.
        let lose_the_session = || {
            let other = Pkcs11::new(&module).unwrap();
            other.clone().finalize().unwrap();
            other.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).unwrap();
        };
        for _ in 0..3 {
            lose_the_session();
            ec.sign(Scheme::EcdsaP256Sha256, b"a message").unwrap();
            lose_the_session();
            token.identity(&selector("rsa"), None).unwrap();
            rsa.sign(Scheme::RsaPssSha256, b"a message").unwrap();
        }
        return;
    }
    let Some(setup) = Setup::new() else { return };
    setup.key("ec", "01", P256);
    setup.key("rsa", "02", RSA_2048);
    setup.run(
        "softhsm::a_session_that_another_part_of_the_process_closed_is_replaced_at_once",
        setup.token.module(),
    );
}

#[test]
fn keys_as_other_tokens_keep_them() {
    if let Some((module, directory)) = arguments() {
        let token = builder(&module).open().unwrap();
        let certificate =
            |label: &str| Certificate::from_file(&directory.join(format!("{label}.der"))).unwrap();

        // A login for each signature.
        let (key, _) = token.identity(&selector("always"), None).unwrap();
        for _ in 0..2 {
            key.sign(Scheme::RsaPkcs1Sha256, b"a message").unwrap();
        }

        // No public half: the certificate has the point.
        let (key, _) = token.identity(&selector("alone"), None).unwrap();
        assert_eq!(key.public_key().kind(), KeyKind::EcP256);
        key.sign(Scheme::EcdsaP256Sha256, b"a message").unwrap();
        let error = token.key(&selector("alone"), &certificate("ec")).unwrap_err();
        assert!(matches!(error, Error::KeyMismatch { .. }), "{error:?}");
        let error = token.key(&selector("alone"), None).unwrap_err();
        assert!(
            matches!(error, Error::UnsupportedKey { .. }) && error.to_string().contains("certificate"),
            "{error:?}"
        );

        // Too small, and too large: by their size, when they are opened.
        for (label, bits) in [("small", "1024"), ("large", "5120")] {
            for error in [
                token.identity(&selector(label), None).unwrap_err(),
                token.key(&selector(label), None).unwrap_err(),
            ] {
                let is_by_size =
                    matches!(error, Error::UnsupportedKey { .. }) && error.to_string().contains(bits);
                assert!(is_by_size, "{error:?}");
            }
        }

        // Two keys of one process, turn by turn.
        let (one, _) = token.identity(&selector("ec"), None).unwrap();
        let (two, _) = token.identity(&selector("rsa"), None).unwrap();
        for _ in 0..3 {
            one.sign(Scheme::EcdsaP256Sha256, b"a message").unwrap();
            two.sign(Scheme::RsaPkcs1Sha256, b"a message").unwrap();
        }
        return;
    }
    let Some(setup) = Setup::new() else { return };
    setup.key("ec", "01", P256);
    setup.key("rsa", "02", RSA_2048);
    setup.key("alone", "03", P256);
    setup.pkcs11_tool(&["--delete-object", "--type", "pubkey", "--id", "03"]);
    setup.key("small", "04", ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"]);
    setup.key("large", "05", ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:5120"]);
    setup.key("always", "06", RSA_2048);
    setup.pkcs11_tool(&["--delete-object", "--type", "privkey", "--id", "06"]);
    let file = setup.file("always", "pem");
    let options = ["--type", "privkey", "--id", "06", "--label", "always", "--usage-sign", "--always-auth"];
    setup.pkcs11_tool(&[&["--write-object", file.to_str().unwrap()][..], &options].concat());
    setup.run("softhsm::keys_as_other_tokens_keep_them", setup.token.module());
}

/// A module that says of the real one's token what the environment says, and writes down each login.
const FLAGGED: &str = r#"
    #define _GNU_SOURCE
    #include <dlfcn.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <string.h>
    typedef unsigned long rv;
    static struct { unsigned char version[8]; void *functions[68]; } list, *real;
    enum { GET_FUNCTION_LIST = 3, GET_TOKEN_INFO = 6, LOGIN = 18 };
    static const char *of(const char *file) {
        static char path[512];
        snprintf(path, sizeof path, "%s/%s", getenv("FLAGS_DIRECTORY"), file);
        return path;
    }
    static rv token_info(unsigned long slot, unsigned char *info) {
        rv answer = ((rv (*)(unsigned long, unsigned char *))real->functions[GET_TOKEN_INFO])(slot, info);
        unsigned long flags = 0;
        FILE *file = fopen(of("flags"), "r");
        if (file) { if (fscanf(file, "%lu", &flags) != 1) flags = 0; fclose(file); }
        *(unsigned long *)(info + 96) |= flags;
        return answer;
    }
    static rv login(unsigned long session, unsigned long user, unsigned char *pin, unsigned long length) {
        FILE *file = fopen(of("logins"), "a");
        if (file) { fputc('.', file); fclose(file); }
        return ((rv (*)(unsigned long, unsigned long, unsigned char *, unsigned long))real->functions[LOGIN])(
            session, user, pin, length);
    }
    rv C_GetFunctionList(void **out) {
        void *library = dlopen(getenv("REAL_MODULE"), RTLD_NOW);
        rv (*get)(void **) = (rv (*)(void **))dlsym(library, "C_GetFunctionList");
        get((void **)&real);
        memcpy(&list, real, sizeof list);
        list.functions[GET_TOKEN_INFO] = (void *)token_info;
        list.functions[LOGIN] = (void *)login;
        *out = &list;
        return 0;
    }
"#;
/// CKF_USER_PIN_FINAL_TRY and CKF_USER_PIN_LOCKED of PKCS#11 (pkcs11t.h).
const FINAL_TRY: u32 = 0x2_0000;
const LOCKED: u32 = 0x4_0000;

#[test]
fn the_last_try_of_a_pin_is_not_spent() {
    if let Some((module, directory)) = arguments() {
        let logins = || fs::read(directory.join("logins")).map_or(0, |text| text.len());
        let flags = |flags: u32| fs::write(directory.join("flags"), flags.to_string()).unwrap();
        for wrong_pin in [USER_PIN, "4321"] {
            let open = || builder(&module).pin(Pin::new(wrong_pin.into())).open().err().unwrap();
            flags(FINAL_TRY);
            let error = open();
            assert!(matches!(error, Error::PinFinalTry { .. }) && !error.is_transient(), "{error:?}");
            flags(LOCKED);
            assert!(matches!(open(), Error::PinLocked { .. }));
        }
        assert_eq!(logins(), 0);

        flags(0);
        let token = builder(&module).open().unwrap();
        assert_eq!(logins(), 1);
        // A wrong PIN does not open what is open already; no PIN, and the same, do.
        let error = builder(&module).pin(Pin::new("4321".into())).open().err().unwrap();
        assert!(matches!(error, Error::AlreadyOpen { what: "PIN", .. }), "{error:?}");
        builder(&module).pin(None).open().unwrap();
        builder(&module).open().unwrap();
        assert_eq!(logins(), 1);
        drop(token);
        return;
    }
    let Some(setup) = Setup::new() else { return };
    let Some(module) = flagged(&setup) else { return };
    setup.run("softhsm::the_last_try_of_a_pin_is_not_spent", &module);
}

/// Fault 9: whoever types the PIN after a warning may spend the last try.
#[test]
fn the_last_try_is_for_a_pin_that_is_typed() {
    let test = "softhsm::the_last_try_is_for_a_pin_that_is_typed";
    if let Some((module, directory)) = arguments() {
        fs::write(directory.join("flags"), FINAL_TRY.to_string()).unwrap();
        let builder = builder(&module).pin(None);
        let error = builder.clone().open().err().unwrap();
        assert!(matches!(error, Error::PinFinalTry { .. }), "asked for before it is typed: {error:?}");
        let typed = |last_try| Pin::prompt(TOKEN_LABEL, last_try).unwrap().unwrap();
        let error = builder.clone().pin(typed(false)).open().err().unwrap();
        assert!(matches!(error, Error::PinFinalTry { .. }), "{error:?}");
        builder.pin(typed(true)).open().unwrap();
        return;
    }
    let Some(setup) = Setup::new() else { return };
    let (Some(module), Some(script)) = (flagged(&setup), program("script")) else { return };
    let argument = format!("{}|{}", module.display(), setup.directory.path().display());
    let told = child(test, &argument);
    // util-linux's script runs it at a terminal.
    let words = std::iter::once(told.get_program()).chain(told.get_args());
    let line = words.map(|word| format!("'{}'", word.to_str().unwrap())).collect::<Vec<_>>().join(" ");
    let mut command = Command::new(script);
    let (variable, value) = setup.token.environment();
    command.envs(told.get_envs().filter_map(|(name, value)| Some((name, value?)))).env(variable, value);
    command.env("REAL_MODULE", setup.token.module()).env("FLAGS_DIRECTORY", setup.directory.path());
    command.args(["-qec", &line, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = command.spawn().unwrap();
    let mut keyboard = running.stdin.take().unwrap();
    writeln!(keyboard, "{USER_PIN}\n{USER_PIN}").unwrap();
    let output = running.wait_with_output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{shown}");
    assert!(shown.contains("a wrong PIN locks the token"), "{shown}");
    assert_eq!(fs::read(setup.directory.path().join("logins")).unwrap().len(), 1);
    drop(keyboard);
}

/// Builds the module that is [`FLAGGED`].
fn flagged(setup: &Setup) -> Option<PathBuf> {
    let module = setup.directory.path().join("flagged.so");
    let mut compiler = Command::new(test_peers::c_compiler()?);
    compiler.args(["-shared", "-fPIC", "-x", "c", "-", "-ldl", "-o"]).arg(&module).stdin(Stdio::piped());
    let mut running = compiler.spawn().unwrap();
    running.stdin.take().unwrap().write_all(FLAGGED.as_bytes()).unwrap();
    assert!(running.wait().unwrap().success());
    Some(module)
}
