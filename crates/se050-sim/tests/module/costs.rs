//! What a client's calls cost on the bus, and RSA-4096.

use crate::bench::{Bench, Client, EC_KEY, Label, RSA_CERTIFICATE, RSA_KEY, bytes, c};
use crate::quirk::VERSIONS;
use cryptoki_sys::*;
use se050_sim::{Chip, Fault, Latency};
use std::time::{Duration, Instant};

const RSA_4096_KEY: u32 = 0xF000_0120;
const RSA_4096_CERTIFICATE: u32 = 0xF000_0121;
const DIGEST: [u8; 32] = [0x5A; 32];

fn sign_pss(client: &Client, key: u32) {
    let mut parameters = CK_RSA_PKCS_PSS_PARAMS { hashAlg: CKM_SHA256, mgf: CKG_MGF1_SHA256, sLen: 32 };
    assert_eq!(client.sign_init_pss(&mut parameters, key), CKR_OK);
    assert_eq!(client.sign(&DIGEST).0, CKR_OK);
}

fn sign(client: &Client, mechanism: CK_MECHANISM_TYPE, key: u32, data: &[u8]) {
    assert_eq!(client.sign_init(mechanism, key), CKR_OK);
    assert_eq!(client.sign(data).0, CKR_OK);
}

/// Size query, then fetch: two calls, as most clients do it.
fn read_in_two_calls(client: &Client, id: u32, attribute: CK_ATTRIBUTE_TYPE) {
    let mut query = CK_ATTRIBUTE { type_: attribute, pValue: std::ptr::null_mut(), ulValueLen: 0 };
    assert_eq!(c!(client, C_GetAttributeValue(client.session(), id.into(), &mut query, 1)), CKR_OK);
    assert_eq!(client.attribute(id.into(), attribute).0, CKR_OK);
}

/// Name, what the client does, and APDUs and NVM objects on each of [`VERSIONS`]; `None` where it does not work.
type Case = (&'static str, fn(&Client), [Option<(u64, u64)>; 4]);

#[test]
fn operations_cost_what_nxps_modules_cost() {
    const fn all(apdus: u64) -> [Option<(u64, u64)>; 4] {
        [Some((apdus, 0)); 4]
    }
    const PKCS: [Option<(u64, u64)>; 4] = [Some((7, 0)), Some((7, 0)), Some((7, 0)), Some((6, 0))];
    let cases: &[Case] = &[
        ("open", |client| client.reopen(), all(1)),
        ("RSA PKCS#1 v1.5", |client| sign(client, CKM_RSA_PKCS, RSA_KEY, &DIGEST), PKCS),
        ("the same, 4096 bits", |client| sign(client, CKM_RSA_PKCS, RSA_4096_KEY, &DIGEST), PKCS),
        (
            "RSA PSS",
            |client| sign_pss(client, RSA_KEY),
            [Some((50, 2)), Some((50, 2)), Some((4, 0)), Some((4, 0))],
        ),
        (
            "RSA PSS, 4096 bits",
            |client| sign_pss(client, RSA_4096_KEY),
            [Some((90, 2)), Some((90, 2)), Some((4, 0)), Some((4, 0))],
        ),
        (
            "SHA256_RSA_PKCS",
            |client| sign(client, CKM_SHA256_RSA_PKCS, RSA_KEY, b"m"),
            [Some((10, 1)), Some((10, 1)), None, Some((6, 0))],
        ),
        ("ECDSA", |client| sign(client, CKM_ECDSA, EC_KEY, &DIGEST), all(4)),
        (
            "find by label",
            |client| {
                let mut label = Label::new("sss:100100F0");
                // In the other byte order it is not found, at the same cost.
                assert_eq!(client.find(&mut [label.attribute()]).0, CKR_OK);
            },
            all(2),
        ),
        ("certificate in two calls", |client| read_in_two_calls(client, RSA_CERTIFICATE, CKA_VALUE), all(10)),
        (
            "certificate in one call",
            |client| assert_eq!(client.attribute(RSA_CERTIFICATE.into(), CKA_VALUE).0, CKR_OK),
            all(5),
        ),
        (
            "class of a certificate",
            |client| assert_eq!(client.attribute(RSA_CERTIFICATE.into(), CKA_CLASS).0, CKR_OK),
            all(14),
        ),
        (
            "modulus and exponent, in two calls each",
            |client| {
                read_in_two_calls(client, RSA_KEY, CKA_MODULUS);
                read_in_two_calls(client, RSA_KEY, CKA_PUBLIC_EXPONENT);
            },
            all(16),
        ),
        ("random numbers", |client| assert_eq!(client.random(), CKR_OK), all(1)),
        (
            "what is not asked of the chip",
            |client| {
                assert_eq!(client.attribute(RSA_KEY.into(), CKA_PRIVATE).0, CKR_OK);
                let mut info = CK_TOKEN_INFO::default();
                assert_eq!(c!(client, C_GetTokenInfo(1, &mut info)), CKR_OK);
            },
            all(0),
        ),
    ];
    let directory = tempfile::tempdir().unwrap();
    let complete = Chip::create_with_rsa4096(&directory.path().join("complete")).unwrap();
    complete.set_log_to_stdout(false).unwrap();
    for (column, version) in VERSIONS.into_iter().enumerate() {
        let chip = complete.duplicate(&directory.path().join(version.to_string())).unwrap();
        chip.set_version(version).unwrap();
        let client = Client::open(&chip);
        for (case, run, costs) in cases {
            let Some(expected) = costs[column] else { continue };
            let before = chip.calls().unwrap();
            run(&client);
            let after = chip.calls().unwrap();
            let cost = (after.apdus() - before.apdus(), after.nvm_objects() - before.nvm_objects());
            assert_eq!(cost, expected, "{case}, on {version}");
        }
        rsa_4096_is_complete(&chip, &client);
    }
}

fn rsa_4096_is_complete(chip: &Chip, client: &Client) {
    assert_eq!(client.attribute(RSA_4096_KEY.into(), CKA_MODULUS).1.len(), 512);
    assert_eq!(
        client.attribute(RSA_4096_CERTIFICATE.into(), CKA_VALUE),
        (CKR_OK, chip.certificate(RSA_4096_CERTIFICATE).unwrap())
    );
    for id in [0xF000_0122, 0xF000_0123] {
        assert_eq!(client.attribute(id, CKA_CLASS).0, CKR_OK, "{id:08X}");
    }
    let mut parameters = CK_RSA_PKCS_PSS_PARAMS { hashAlg: CKM_SHA512, mgf: CKG_MGF1_SHA512, sLen: 64 };
    assert_eq!(client.sign_init_pss(&mut parameters, RSA_4096_KEY), CKR_OK);
    assert_eq!(client.sign(&[7; 64]).1.len(), 512);
}

#[test]
fn a_call_that_reaches_nobody_costs_nothing() {
    let bench = Bench::new();
    let client = Client::open(&bench.chip);
    bench.chip.set_fault(Fault::Absent).unwrap();
    let before = bench.chip.calls().unwrap().apdus();
    assert_eq!(client.random(), CKR_FUNCTION_FAILED);
    assert_eq!(client.find(&mut [bytes(CKA_ID, &mut RSA_KEY.to_ne_bytes())]), (CKR_OK, vec![]));
    assert_eq!(bench.chip.calls().unwrap().apdus(), before);
}

/// It may take longer, and never less: no load makes a sleep shorter.
#[test]
fn a_chip_with_a_latency_takes_that_long() {
    const MS: Duration = Duration::from_millis(1);
    let bench = Bench::new();
    let client = Client::initialized(&bench.chip);
    bench.chip.set_latency(Latency { open: 40 * MS, apdu: 2 * MS, rsa: 30 * MS, ec: 20 * MS }).unwrap();
    let cases: [(&str, &dyn Fn(), Duration); 4] = [
        ("open", &|| client.use_new_session(), 40 * MS),
        ("random numbers", &|| assert_eq!(client.random(), CKR_OK), 2 * MS),
        ("RSA", &|| sign(&client, CKM_RSA_PKCS, RSA_KEY, &DIGEST), (7 * 2 + 30) * MS),
        ("ECDSA", &|| sign(&client, CKM_ECDSA, EC_KEY, &DIGEST), (4 * 2 + 20) * MS),
    ];
    for (case, run, least) in cases {
        let begun = Instant::now();
        run();
        assert!(begun.elapsed() >= least, "{case}: {:?}", begun.elapsed());
    }
}
