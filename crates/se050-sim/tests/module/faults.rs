//! A chip that fails: what its client sees, on each version.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::bench::{Bench, Client, EC_KEY, Label, RSA_KEY, SHA256_DIGEST_INFO, bytes, c};
use cryptoki_sys::*;
use se050_sim::{Chip, Fault, I2cShim, ShortEcdsa, Version};

const DIGEST: [u8; 32] = [0x5A; 32];

fn digest_info() -> Vec<u8> {
    [&SHA256_DIGEST_INFO[..], &DIGEST].concat()
}

/// The key's label as that version reads it.
fn label(version: Version) -> Label {
    let little_endian = matches!(version, Version::V4_2 | Version::V4_3);
    Label::new(if little_endian { "sss:100100F0" } else { "sss:F0000110" })
}

/// One RSA signature: C_SignInit's answer, and C_Sign's when the former was well.
fn sign_rsa(client: &Client) -> (CK_RV, CK_RV) {
    let init = client.sign_init(CKM_RSA_PKCS, RSA_KEY);
    (init, if init == CKR_OK { client.sign(&digest_info()).0 } else { init })
}

/// C_Sign's answer to PKCS#1 v1.5 when nobody is there.
fn nobody(version: Version) -> CK_RV {
    if version == Version::V4_7 { CKR_FUNCTION_FAILED } else { CKR_KEY_HANDLE_INVALID }
}

const WEDGED: (CK_RV, CK_RV) = (CKR_SESSION_HANDLE_INVALID, CKR_SESSION_HANDLE_INVALID);

/// What each call says while the chip does not answer.
fn assert_away(client: &Client, version: Version) {
    assert_eq!(client.find(&mut [label(version).attribute()]), (CKR_OK, vec![]), "{version}: search");
    assert_eq!(client.random(), CKR_FUNCTION_FAILED, "{version}: random numbers");
    assert_eq!(client.attribute(RSA_KEY.into(), CKA_MODULUS).0, CKR_FUNCTION_FAILED, "{version}: modulus");
    assert_eq!(client.attribute(RSA_KEY.into(), CKA_TOKEN).0, CKR_OK, "{version}: a constant");
    let id = if version == Version::V4_7 { RSA_KEY.to_be_bytes() } else { RSA_KEY.to_ne_bytes() };
    let by_id = client.find(&mut [bytes(CKA_ID, &mut { id })]).0;
    let expected =
        if matches!(version, Version::V3_3 | Version::V4_7) { CKR_FUNCTION_FAILED } else { CKR_OK };
    assert_eq!(by_id, expected, "{version}: search by id");
    assert_eq!(sign_rsa(client), (CKR_OK, nobody(version)), "{version}: signature");
}

#[test]
fn an_absent_chip_comes_back() {
    for version in Version::ALL {
        let bench = Bench::of(version);
        let client = Client::open(&bench.chip);
        bench.chip.set_fault(Fault::Absent).unwrap();
        assert_away(&client, version);
        bench.chip.set_fault(Fault::None).unwrap();
        assert_eq!(client.random(), CKR_OK, "{version}: the old session answers again");
        let expected = if version == Version::V4_7 { (CKR_OK, CKR_OK) } else { WEDGED };
        assert_eq!(sign_rsa(&client), expected, "{version}: but signs only where it cannot wedge");
        client.reopen();
        assert_eq!(sign_rsa(&client), (CKR_OK, CKR_OK), "{version}: reopened");
    }
}

#[test]
fn a_power_cycle_ends_sessions_for_good() {
    for version in Version::ALL {
        let bench = Bench::of(version);
        let client = Client::open(&bench.chip);
        bench.chip.power_cycle().unwrap();
        // Twice, as the first failure changes the session and not the chip.
        assert_eq!(client.random(), CKR_FUNCTION_FAILED, "{version}");
        assert_eq!(client.random(), CKR_FUNCTION_FAILED, "{version}");
        assert_eq!(sign_rsa(&client), (CKR_OK, nobody(version)), "{version}");
        client.reopen();
        assert_eq!(sign_rsa(&client), (CKR_OK, CKR_OK), "{version}: reopened");
    }
}

#[test]
fn another_process_breaks_the_session() {
    for version in Version::ALL {
        let bench = Bench::of(version);
        let client = Client::open(&bench.chip);
        bench.chip.disturb().unwrap();
        assert_eq!(sign_rsa(&client), (CKR_OK, nobody(version)), "{version}");
        client.reopen();
        assert_eq!(sign_rsa(&client), (CKR_OK, CKR_OK), "{version}: reopened");
    }
}

#[test]
fn processes_disturb_each_other_when_they_are_to() {
    let bench = Bench::new();
    bench.chip.set_processes_disturb(true).unwrap();
    let client = Client::open(&bench.chip);
    assert_eq!(client.random(), CKR_OK);
    // A second module in the same directory has a state of its own, as another process has.
    let copy = bench.chip.directory().join("other.so");
    std::fs::copy(bench.chip.module(), &copy).unwrap();
    let other = Client::load_file(&copy);
    assert_eq!(c!(other, C_Initialize(std::ptr::null_mut())), CKR_OK);
    other.use_new_session();
    assert_eq!(
        (client.random(), other.random()),
        (CKR_FUNCTION_FAILED, CKR_OK),
        "who came last has the chip"
    );
    client.reopen();
    assert_eq!((client.random(), other.random()), (CKR_OK, CKR_FUNCTION_FAILED));
    assert_eq!(c!(other, C_CloseSession(other.session())), CKR_OK);
    assert_eq!(client.random(), CKR_FUNCTION_FAILED, "closing disturbs, too");
}

/// Waits until a client has called that function so often. The call itself hangs.
fn wait_for_call(chip: &Chip, function: &str, count: u64) {
    while chip.calls().unwrap().of(function) < count {
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_mute_chip_hangs_until_the_fault_is_lifted() {
    for version in Version::ALL {
        let bench = Bench::of(version);
        let client = Client::open(&bench.chip);
        bench.chip.set_fault(Fault::Mute).unwrap();
        let answer = thread::scope(|scope| {
            let hanging = scope.spawn(|| sign_rsa(&client));
            wait_for_call(&bench.chip, "C_Sign", 1);
            assert!(!hanging.is_finished(), "{version}");
            // Another kind of trouble lets it go as well.
            bench.chip.set_fault(Fault::Absent).unwrap();
            hanging.join().unwrap()
        });
        assert_eq!(answer, (CKR_OK, nobody(version)), "{version}");
        bench.chip.set_fault(Fault::None).unwrap();
        client.reopen();
        assert_eq!(sign_rsa(&client), (CKR_OK, CKR_OK), "{version}: reopened");
    }
}

#[test]
fn a_mute_chip_is_given_up_after_a_while() {
    for version in Version::ALL {
        let bench = Bench::of(version);
        bench.chip.set_time_scale(0.0001).unwrap();
        let client = Client::open(&bench.chip);
        bench.chip.set_fault(Fault::MuteForAWhile).unwrap();
        assert_away(&client, version);
    }
}

#[test]
fn a_held_chip_goes_on_when_it_is_let_go() {
    let bench = Bench::new();
    let client = Client::open(&bench.chip);
    bench.chip.set_fault(Fault::Held).unwrap();
    let answer = thread::scope(|scope| {
        let waiting = scope.spawn(|| sign_rsa(&client));
        wait_for_call(&bench.chip, "C_Sign", 1);
        assert!(!waiting.is_finished());
        // Into the next fault, which comes true once, as if it had been there from the start.
        bench.chip.set_fault(Fault::CorruptNextSignature).unwrap();
        waiting.join().unwrap()
    });
    assert_eq!(answer, (CKR_OK, CKR_OK));
    let sign = || {
        assert_eq!(client.sign_init(CKM_RSA_PKCS, RSA_KEY), CKR_OK);
        client.sign(&digest_info()).1
    };
    let after = sign();
    assert_eq!(after, sign(), "the corrupt one was the one that waited");
}

#[test]
fn a_slow_chip_takes_its_time() {
    let bench = Bench::new();
    let client = Client::open(&bench.chip);
    bench.chip.set_fault(Fault::Slow(Duration::from_millis(30))).unwrap();
    let start = std::time::Instant::now();
    assert_eq!(sign_rsa(&client), (CKR_OK, CKR_OK));
    assert!(start.elapsed() >= Duration::from_millis(30), "never less");
}

#[test]
fn a_chip_dies_in_the_middle() {
    for version in Version::ALL {
        let bench = Bench::of(version);
        bench.chip.set_time_scale(0.0001).unwrap();
        let client = Client::open(&bench.chip);
        bench.chip.set_fault(Fault::DiesAfter(2)).unwrap();
        assert_eq!((client.random(), client.random()), (CKR_OK, CKR_OK), "{version}");
        assert_eq!(sign_rsa(&client), (CKR_OK, CKR_FUNCTION_FAILED), "{version}");
        assert_eq!(client.random(), CKR_FUNCTION_FAILED, "{version}: it stays away");
        let wedged = matches!(version, Version::V4_2 | Version::V4_3);
        let expected = if wedged { WEDGED } else { (CKR_OK, nobody(version)) };
        assert_eq!(sign_rsa(&client), expected, "{version}: the session, afterwards");
        bench.chip.set_fault(Fault::None).unwrap();
        assert_eq!(client.random(), CKR_FUNCTION_FAILED, "{version}: it knows the session no more");
        client.reopen();
        assert_eq!(sign_rsa(&client), (CKR_OK, CKR_OK), "{version}: reopened");
    }
}

#[test]
fn one_signature_fails() {
    for version in Version::ALL {
        let bench = Bench::of(version);
        let client = Client::open(&bench.chip);
        // The same fault set twice is two faults.
        for _ in 0..2 {
            bench.chip.set_fault(Fault::FailNextSign(CKR_DEVICE_ERROR)).unwrap();
            assert_eq!(sign_rsa(&client), (CKR_OK, CKR_DEVICE_ERROR), "{version}");
            assert_eq!(client.random(), CKR_OK, "{version}: the chip is well");
            let expected = if version == Version::V4_7 { (CKR_OK, CKR_OK) } else { WEDGED };
            assert_eq!(sign_rsa(&client), expected, "{version}");
            client.reopen();
            assert_eq!(sign_rsa(&client), (CKR_OK, CKR_OK), "{version}: reopened");
        }
    }
}

/// Two answers to random numbers, then one to another function.
fn two_and_another(client: &Client) -> [CK_RV; 3] {
    [client.random(), client.random(), client.attribute(RSA_KEY.into(), CKA_MODULUS).0]
}

#[test]
fn any_function_fails_once_or_always() {
    let bench = Bench::new();
    let client = Client::open(&bench.chip);
    let (function, answer) = ("C_GenerateRandom", CKR_DEVICE_ERROR);
    // The same fault set twice is two faults.
    for _ in 0..2 {
        bench.chip.set_fault(Fault::FailNext { function, answer }).unwrap();
        assert_eq!(two_and_another(&client), [CKR_DEVICE_ERROR, CKR_OK, CKR_OK]);
    }
    bench.chip.set_fault(Fault::FailEach { function, answer }).unwrap();
    assert_eq!(two_and_another(&client), [CKR_DEVICE_ERROR, CKR_DEVICE_ERROR, CKR_OK]);
    bench.chip.set_fault(Fault::None).unwrap();
    assert_eq!(two_and_another(&client), [CKR_OK; 3]);
}

#[test]
fn one_value_is_corrupted_on_the_bus() {
    let bench = Bench::new();
    let client = Client::open(&bench.chip);
    let stored = bench.chip.certificate(0xF000_0111).unwrap();
    bench.chip.set_fault(Fault::CorruptNextRead).unwrap();
    // A constant is not read from the chip.
    assert_eq!(client.attribute(RSA_KEY.into(), CKA_TOKEN).0, CKR_OK);
    let read = || client.attribute(0xF000_0111, CKA_VALUE).1;
    let wrong = |value: &[u8]| value.iter().zip(&stored).filter(|(one, other)| one != other).count();
    assert_eq!([read(), read()].map(|value| wrong(&value)), [1, 0]);
}

#[test]
fn threads_that_call_the_module_are_counted() {
    let bench = Bench::new();
    let client = Client::open(&bench.chip);
    assert_eq!(client.random(), CKR_OK);
    assert_eq!(bench.chip.calls().unwrap().threads(), 1);
    thread::scope(|scope| {
        scope.spawn(|| client.random());
    });
    assert_eq!(bench.chip.calls().unwrap().threads(), 2);
}

/// Opens the node, selects the chip, and asks for its address as `i2cdetect` does (I2C_SLAVE, I2C_SMBUS).
const ASK_FOR_THE_ADDRESS: &str = "
import errno, fcntl, os, struct
node, address = os.environ['EX_SSS_BOOT_SSS_PORT'].rsplit(':', 1)
try:
    bus = os.open(node, os.O_RDWR)
    fcntl.ioctl(bus, 0x0703, int(address, 16))
    fcntl.ioctl(bus, 0x0720, struct.pack('BBIP', 0, 0, 0, 0))
    print('acknowledged')
except OSError as error:
    print(errno.errorcode[error.errno])
";

#[test]
fn the_fake_i2c_node_shows_what_the_bus_shows() {
    let Some(python) = test_peers::program("python3") else { return };
    let bench = Bench::new();
    let shim = I2cShim::build(bench.path()).unwrap();
    let seen = || {
        let mut command = std::process::Command::new(&python);
        let output = shim.apply(command.args(["-c", ASK_FOR_THE_ADDRESS]), &bench.chip).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    for (fault, expected) in
        [(Fault::None, "acknowledged"), (Fault::Mute, "acknowledged"), (Fault::Absent, "ENXIO")]
    {
        bench.chip.set_fault(fault).unwrap();
        assert_eq!(seen(), expected, "{fault}");
    }
    for (errno, expected) in [(libc::EREMOTEIO, "EREMOTEIO"), (libc::ENOENT, "ENOENT")] {
        bench.chip.set_i2c_errno(Some(errno)).unwrap();
        assert_eq!(seen(), expected);
    }
    bench.chip.set_i2c_errno(None).unwrap();
    assert_eq!(seen(), "ENXIO");
}

#[test]
fn signatures_are_corrupted_on_the_bus() {
    let bench = Bench::new();
    let client = Client::open(&bench.chip);
    let sign = || {
        assert_eq!(client.sign_init(CKM_RSA_PKCS, RSA_KEY), CKR_OK);
        client.sign(&digest_info()).1
    };
    // PKCS#1 v1.5 gives the same signature each time.
    let right = sign();
    let wrong_bits = |signature: &[u8]| -> u32 {
        signature.iter().zip(&right).map(|(one, other)| (one ^ other).count_ones()).sum()
    };
    bench.chip.set_fault(Fault::CorruptNextSignature).unwrap();
    assert_eq!([sign(), sign()].map(|signature| wrong_bits(&signature)), [1, 0]);
    bench.chip.set_fault(Fault::CorruptSignatures).unwrap();
    assert_eq!([sign(), sign()].map(|signature| wrong_bits(&signature)), [1, 1]);
}

#[test]
fn short_ecdsa_signatures_come_when_they_are_wanted() {
    for version in Version::ALL {
        let bench = Bench::of(version);
        let client = Client::open(&bench.chip);
        let lengths = || {
            [(); 3].map(|()| {
                assert_eq!(client.sign_init(CKM_ECDSA, EC_KEY), CKR_OK);
                client.sign(&DIGEST).1.len()
            })
        };
        let short = if version == Version::V4_7 { 63 } else { 62 };
        bench.chip.set_short_ecdsa(ShortEcdsa::OneIn(2)).unwrap();
        assert_eq!(lengths(), [short, 64, short], "{version}");
        // The count goes on; the fourth one would be long.
        bench.chip.set_short_ecdsa(ShortEcdsa::OneIn(1)).unwrap();
        assert_eq!(lengths(), [short; 3], "{version}");
        bench.chip.set_short_ecdsa(ShortEcdsa::Never).unwrap();
        assert_eq!(lengths(), [64; 3], "{version}");
        assert_eq!(bench.chip.calls().unwrap().signatures(), 9, "each counts once");
    }
}

#[test]
fn a_failed_open_is_tried_at_each_first_session() {
    // Once open, a second session needs no bus: it opens on a chip that is gone.
    let bench = Bench::new();
    let client = Client::open(&bench.chip);
    bench.chip.set_fault(Fault::Absent).unwrap();
    assert_eq!(client.open_session(), (CKR_OK, 2));
}

/// Three threads sign while the chip comes and goes: each call has one of the documented answers, and none of them is
/// CKR_GENERAL_ERROR, which a panic would have.
#[test]
fn a_chip_that_comes_and_goes_under_three_threads() {
    const DOCUMENTED: [CK_RV; 4] =
        [CKR_OK, CKR_KEY_HANDLE_INVALID, CKR_FUNCTION_FAILED, CKR_SESSION_HANDLE_INVALID];
    for version in [Version::V4_2, Version::V4_7] {
        let bench = Bench::of(version);
        let client = Client::open(&bench.chip);
        let sessions = [client.session(), client.open_session().1, client.open_session().1];
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            for session in sessions {
                let (client, stop) = (&client, &stop);
                scope.spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        let mut mechanism = CK_MECHANISM { mechanism: CKM_ECDSA, ..CK_MECHANISM::default() };
                        let init = c!(client, C_SignInit(session, &mut mechanism, EC_KEY.into()));
                        let (mut digest, mut signature, mut length) = (DIGEST, [0; 64], 64);
                        let (data, output) = (digest.as_mut_ptr(), signature.as_mut_ptr());
                        let sign = c!(client, C_Sign(session, data, 32, output, &mut length));
                        assert!(DOCUMENTED.contains(&init), "{init:x}");
                        assert!(DOCUMENTED.contains(&sign) || sign == CKR_MECHANISM_INVALID, "{sign:x}");
                    }
                });
            }
            for _ in 0..50 {
                for fault in [Fault::Absent, Fault::None, Fault::Mute, Fault::None, Fault::Held, Fault::None]
                {
                    bench.chip.set_fault(fault).unwrap();
                }
                bench.chip.power_cycle().unwrap();
            }
            stop.store(true, Ordering::Relaxed);
        });
        assert_eq!(bench.chip.calls().unwrap().of("C_SignInit"), bench.chip.calls().unwrap().of("C_Sign"));
    }
}
