//! Opening and closing sessions, version by version: the leaks, the dangling handles, the crashes.

use std::ffi::c_void;
use std::process::Command;
use std::ptr::null_mut;

use crate::bench::{Bench, Client, EC_KEY, RSA_KEY, c};
use cryptoki_sys::*;
use se050_sim::{Chip, Fault, Version, WOULD_CRASH};

const DIGEST: [u8; 32] = [0x5A; 32];

#[test]
fn failed_opens_leak_places() {
    for version in Version::ALL {
        let bench = Bench::of(version);
        bench.chip.set_fault(Fault::Absent).unwrap();
        let client = Client::initialized(&bench.chip);
        for number in 1..=2 {
            let (answer, handle) = client.open_session();
            assert_eq!(answer, CKR_GENERAL_ERROR, "{version}");
            let dangling = if version == Version::V3_3 { 0 } else { number };
            assert_eq!(handle, dangling, "{version}: a handle is written though it failed");
        }
        // Two failures leave one place, and with it the chip can be used when it is back.
        bench.chip.set_fault(Fault::None).unwrap();
        client.use_new_session();
        assert_eq!(client.sign_init(CKM_ECDSA, EC_KEY), CKR_OK, "{version}");
        assert_eq!(client.sign(&DIGEST).0, CKR_OK, "{version}");
        let second = client.open_session().0;
        let expected = if version == Version::V3_3 { CKR_OK } else { CKR_DEVICE_MEMORY };
        assert_eq!(second, expected, "{version}: the second session");
    }
}

#[test]
fn a_third_failed_open_is_the_end() {
    for version in [Version::V4_2, Version::V4_3, Version::V4_7] {
        let bench = Bench::of(version);
        bench.chip.set_fault(Fault::Absent).unwrap();
        let client = Client::initialized(&bench.chip);
        let answers = [(); 4].map(|()| client.open_session().0);
        let failed = CKR_GENERAL_ERROR;
        assert_eq!(answers, [failed, failed, failed, CKR_DEVICE_MEMORY], "{version}");
        bench.chip.set_fault(Fault::None).unwrap();
        assert_eq!(client.open_session().0, CKR_DEVICE_MEMORY, "{version}: the chip is back, in vain");
        assert_eq!(c!(client, C_Finalize(null_mut())), CKR_OK);
        assert_eq!(c!(client, C_Initialize(null_mut())), CKR_OK);
        assert_eq!(client.open_session().0, CKR_DEVICE_MEMORY, "{version}: initialising again does not help");
    }
}

#[test]
fn closing_a_handle_of_a_failed_open_is_noticed() {
    for version in [Version::V4_2, Version::V4_3, Version::V4_7] {
        let bench = Bench::of(version);
        bench.chip.set_fault(Fault::Absent).unwrap();
        let client = Client::initialized(&bench.chip);
        let (_, dangling) = client.open_session();
        assert_eq!(c!(client, C_CloseSession(dangling)), WOULD_CRASH, "{version}");
        let all = c!(client, C_CloseAllSessions(1));
        let expected = if version == Version::V4_7 { WOULD_CRASH } else { CKR_FUNCTION_NOT_SUPPORTED };
        assert_eq!(all, expected, "{version}");
    }
}

#[test]
fn handles_of_3_3_are_pointers() {
    let bench = Bench::of(Version::V3_3);
    let client = Client::open(&bench.chip);
    let handle = client.session();
    assert!(handle > 0xFFFF_FFFF, "{handle:x}");
    assert_eq!(c!(client, C_CloseSession(handle)), CKR_OK);
    assert_eq!(c!(client, C_CloseSession(handle)), WOULD_CRASH, "closed twice");
    assert_eq!(client.sign_init(CKM_ECDSA, EC_KEY), WOULD_CRASH, "used after it was closed");
    assert_eq!(c!(client, C_FindObjectsFinal(1)), WOULD_CRASH, "a small number");
    assert_eq!(c!(client, C_CloseSession(0)), CKR_SESSION_HANDLE_INVALID, "a null pointer is looked for");
}

#[test]
fn the_fourth_session() {
    for version in Version::ALL {
        let bench = Bench::of(version);
        let client = Client::open(&bench.chip);
        let (second, third) = (client.open_session(), client.open_session());
        assert_eq!((second.0, third.0), (CKR_OK, CKR_OK), "{version}");
        assert_eq!(client.random(), CKR_OK, "{version}");
        assert_eq!(client.open_session().0, CKR_DEVICE_MEMORY, "{version}");
        let expected = if version == Version::V4_7 { CKR_FUNCTION_FAILED } else { CKR_OK };
        assert_eq!(client.random(), expected, "{version}: the sessions that were open");

        // It takes closing all of them.
        assert_eq!(c!(client, C_CloseSession(second.1)), CKR_OK);
        let again = client.open_session();
        assert_eq!((again.0, client.random()), (CKR_OK, expected), "{version}: one closed and reopened");
        for handle in [client.session(), again.1, third.1] {
            assert_eq!(c!(client, C_CloseSession(handle)), CKR_OK);
        }
        client.use_new_session();
        assert_eq!(client.random(), CKR_OK, "{version}: all closed and one reopened");
    }
}

#[test]
fn only_4_7_closes_all_sessions() {
    for version in Version::ALL {
        let bench = Bench::of(version);
        let client = Client::open(&bench.chip);
        assert_eq!(client.open_session().0, CKR_OK);
        let no_such_slot = c!(client, C_CloseAllSessions(0));
        let answer = c!(client, C_CloseAllSessions(1));
        if version == Version::V4_7 {
            assert_eq!((no_such_slot, answer), (CKR_SLOT_ID_INVALID, CKR_OK));
            assert_eq!(client.random(), CKR_FUNCTION_FAILED, "the chip is closed");
            client.use_new_session();
        } else {
            assert_eq!(answer, CKR_FUNCTION_NOT_SUPPORTED, "{version}");
        }
        assert_eq!(client.random(), CKR_OK, "{version}");
    }
}

#[test]
fn another_slot() {
    for version in Version::ALL {
        let bench = Bench::of(version);
        let client = Client::initialized(&bench.chip);
        let mut session = 0;
        let answer = c!(client, C_OpenSession(2, CKF_SERIAL_SESSION, null_mut(), None, &mut session));
        let newest = version == Version::V4_7;
        let expected = if newest { CKR_SLOT_ID_INVALID } else { CKR_ARGUMENTS_BAD };
        assert_eq!(answer, expected, "{version}");
        let expected = if newest { CKR_SLOT_ID_INVALID } else { CKR_OK };
        let (mut token, mut mechanism, mut count) =
            (CK_TOKEN_INFO::default(), CK_MECHANISM_INFO::default(), 0);
        assert_eq!(c!(client, C_GetTokenInfo(2, &mut token)), expected, "{version}");
        assert_eq!(c!(client, C_GetMechanismList(2, null_mut(), &mut count)), expected, "{version}");
        assert_eq!(c!(client, C_GetMechanismInfo(2, CKM_ECDSA, &mut mechanism)), expected, "{version}");
    }
}

#[test]
fn only_4_7_lists_no_slots_before_it_is_initialised() {
    for version in Version::ALL {
        let bench = Bench::of(version);
        let client = Client::load(&bench.chip);
        let mut count = 0;
        let answer = c!(client, C_GetSlotList(CK_TRUE, null_mut(), &mut count));
        let expected = if version == Version::V4_7 { CKR_CRYPTOKI_NOT_INITIALIZED } else { CKR_OK };
        assert_eq!(answer, expected, "{version}");
    }
}

#[test]
fn arguments_of_initialize() {
    let mut reserved = 0_u8;
    let reserved = std::ptr::from_mut(&mut reserved).cast::<c_void>();
    let no_threads = CKF_OS_LOCKING_OK | CKF_LIBRARY_CANT_CREATE_OS_THREADS;
    let cases = [
        ("none", None, CKR_OK, CKR_OK),
        ("OS locking", Some((CKF_OS_LOCKING_OK, null_mut())), CKR_OK, CKR_OK),
        ("no locking", Some((0, null_mut())), CKR_CANT_LOCK, CKR_OK),
        ("no threads", Some((no_threads, null_mut())), CKR_NEED_TO_CREATE_THREADS, CKR_OK),
        ("something reserved", Some((CKF_OS_LOCKING_OK, reserved)), CKR_OK, CKR_ARGUMENTS_BAD),
    ];
    for version in Version::ALL {
        let bench = Bench::of(version);
        let client = Client::load(&bench.chip);
        for (case, arguments, older, newest) in cases {
            let mut block = CK_C_INITIALIZE_ARGS::default();
            let pointer = arguments.map_or(null_mut(), |(flags, reserved)| {
                (block.flags, block.pReserved) = (flags, reserved);
                std::ptr::from_mut(&mut block).cast::<c_void>()
            });
            let expected = if version == Version::V4_7 { newest } else { older };
            assert_eq!(c!(client, C_Initialize(pointer)), expected, "{case}, on {version}");
            if expected == CKR_OK {
                assert_eq!(c!(client, C_Finalize(null_mut())), CKR_OK);
            }
        }
    }
}

#[test]
fn a_session_after_finalize() {
    for version in Version::ALL {
        let bench = Bench::of(version);
        let client = Client::open(&bench.chip);
        assert_eq!(c!(client, C_Finalize(null_mut())), CKR_OK);
        assert_eq!(client.sign_init(CKM_ECDSA, EC_KEY), CKR_OK, "{version}: no lock is needed");
        let expected = if version == Version::V4_7 { CKR_CANT_LOCK } else { CKR_OK };
        assert_eq!(client.sign(&DIGEST).0, expected, "{version}");
        assert_eq!(c!(client, C_Initialize(null_mut())), CKR_OK);
        assert_eq!(client.sign_init(CKM_ECDSA, EC_KEY), CKR_OK, "{version}");
        assert_eq!(client.sign(&DIGEST).0, CKR_OK, "{version}: the old session still works");
    }
}

/// What a child process of this test binary does: see [`where_the_real_module_crashes`].
const CRASH: &str = "SE050_SIM_TEST_CRASH";

/// In a child process, since it must not survive.
#[test]
fn where_the_real_module_crashes() {
    if let Some(chip) = std::env::var_os(CRASH) {
        crash(&Chip::open(chip.as_ref()).unwrap());
        return;
    }
    let cases = [
        ("a handle closed twice", Version::V3_3, Fault::None),
        ("a failed open's handle closed", Version::V4_2, Fault::Absent),
        ("a failed open's handle closed", Version::V4_3, Fault::Absent),
        ("a failed open's handle closed", Version::V4_7, Fault::Absent),
    ];
    for (case, version, fault) in cases {
        for crashes in [false, true] {
            let bench = Bench::of(version);
            bench.chip.set_fault(fault).unwrap();
            bench.chip.set_crashes(crashes).unwrap();
            let child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "sessions::where_the_real_module_crashes"])
                .env(CRASH, bench.chip.directory())
                .output()
                .unwrap();
            let signal = std::os::unix::process::ExitStatusExt::signal(&child.status);
            let expected = crashes.then_some(libc::SIGABRT);
            assert_eq!(signal, expected, "{case}, on {version}: {child:?}");
        }
    }
}

fn crash(chip: &Chip) {
    let client = Client::initialized(chip);
    let (answer, handle) = client.open_session();
    if answer == CKR_OK {
        assert_eq!(c!(client, C_CloseSession(handle)), CKR_OK);
    }
    assert_eq!(c!(client, C_CloseSession(handle)), WOULD_CRASH);
}

#[test]
fn enumerating_without_the_chip_loses_4_7s_lock() {
    for version in Version::ALL {
        let bench = Bench::of(version);
        let client = Client::open(&bench.chip);
        bench.chip.set_fault(Fault::Absent).unwrap();
        assert_eq!(c!(client, C_FindObjectsInit(client.session(), null_mut(), 0)), CKR_OK);
        assert_eq!(client.find_next(200).0, CKR_FUNCTION_FAILED, "{version}");
        bench.chip.set_fault(Fault::None).unwrap();
        let expected = if version == Version::V4_7 { WOULD_CRASH } else { CKR_OK };
        assert_eq!(client.sign_init(CKM_RSA_PKCS, RSA_KEY), expected, "{version}: the real one hangs");
    }
}

#[test]
fn a_session_is_used_across_a_fork() {
    for version in Version::ALL {
        let bench = Bench::of(version);
        let client = Client::open(&bench.chip);
        assert_eq!(client.random(), CKR_OK);
        // SAFETY: the child calls the module, which no other thread uses, and leaves without any clean-up.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let answer = client.random();
            // SAFETY: never returns.
            unsafe { libc::_exit(if answer == CKR_OK { 0 } else { 1 }) };
        }
        let mut status = -1;
        // SAFETY: our own child, and our own variable.
        assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
        assert_eq!(status, 0, "{version}: the child can use it");
        let expected = if version == Version::V4_7 { CKR_FUNCTION_FAILED } else { CKR_OK };
        assert_eq!(client.random(), expected, "{version}: the parent, afterwards");
    }
}
