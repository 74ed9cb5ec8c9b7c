//! What differs from version to version in labels, ids and searches.

use std::ptr::null_mut;

use crate::bench::{Bench, Client, EC_KEY, Label, RSA_CERTIFICATE, RSA_KEY, bytes, c};
use crate::quirk::{Seen, all, see};
use cryptoki_sys::*;
use se050_sim::{Version, WOULD_CRASH};

fn found(client: &Client, template: &mut [CK_ATTRIBUTE]) -> Seen {
    let (answer, handles) = client.find(template);
    (answer, handles.first().map_or(0, |handle| handle & 0xFFFF_FFFF))
}

fn labelled(client: &Client, label: &str) -> Seen {
    found(client, &mut [Label::new(label).attribute()])
}

/// One search by class alone: the answer, and how many came.
fn enumerated(client: &Client, class: CK_OBJECT_CLASS, room: usize) -> Seen {
    let mut class = class.to_ne_bytes();
    assert_eq!(client.find_init(&mut [bytes(CKA_CLASS, &mut class)]), CKR_OK);
    let (answer, handles) = client.find_next(room);
    (answer, handles.len() as u64)
}

#[test]
fn labels_and_ids() {
    const KEY: Seen = (CKR_OK, RSA_KEY as u64);
    const NOTHING: Seen = (CKR_OK, 0);
    const FIRST: Seen = (CKR_OK, EC_KEY as u64);
    see(&[
        ("little-endian label", |c| labelled(c, "sss:100100F0"), [NOTHING, KEY, KEY, NOTHING]),
        ("big-endian label", |c| labelled(c, "sss:F0000110"), [KEY, NOTHING, NOTHING, KEY]),
        (
            "label zero",
            |c| labelled(c, "sss:0"),
            [NOTHING, (CKR_ARGUMENTS_BAD, 0), (CKR_ARGUMENTS_BAD, 0), (CKR_ARGUMENTS_BAD, 0)],
        ),
        ("empty label", |c| labelled(c, ""), all((CKR_FUNCTION_FAILED, 0))),
        ("a plain label", |c| labelled(c, "device"), all(NOTHING)),
        (
            "id in native order",
            |c| found(c, &mut [bytes(CKA_ID, &mut [0x10, 0x01, 0x00, 0xF0])]),
            [FIRST, KEY, KEY, (CKR_FUNCTION_FAILED, 0)],
        ),
        (
            "id in big-endian order",
            |c| found(c, &mut [bytes(CKA_ID, &mut [0xF0, 0x00, 0x01, 0x10])]),
            [FIRST, NOTHING, NOTHING, KEY],
        ),
        (
            "CKA_ID read back",
            |c| {
                let (answer, id) = c.attribute(RSA_KEY.into(), CKA_ID);
                (answer, u32::from_be_bytes(id.try_into().unwrap()).into())
            },
            [(CKR_OK, 0x1001_00F0), (CKR_OK, 0x1001_00F0), (CKR_OK, 0x1001_00F0), KEY],
        ),
        (
            "CKA_LABEL read back",
            |c| {
                let (answer, label) = c.attribute(RSA_KEY.into(), CKA_LABEL);
                (answer, (label == b"sss:F0000110").into())
            },
            [(CKR_OK, 1), NOTHING, NOTHING, (CKR_OK, 1)],
        ),
        (
            "garbage above an object's handle",
            |c| {
                let handle = 0x7F56_0000_0000 | u64::from(RSA_KEY);
                let (answer, modulus) = c.attribute(handle as CK_OBJECT_HANDLE, CKA_MODULUS);
                (answer, modulus.len() as u64)
            },
            [(CKR_OK, 256), (CKR_OK, 256), (CKR_OK, 256), (CKR_FUNCTION_FAILED, 0)],
        ),
    ]);
}

#[test]
fn enumeration() {
    const BAD: Seen = (CKR_ARGUMENTS_BAD, 0);
    see(&[
        (
            "private keys, room for one: 4.7 filters afterwards",
            |c| enumerated(c, CKO_PRIVATE_KEY, 1),
            [(CKR_OK, 1), (CKR_OK, 1), BAD, (CKR_OK, 0)],
        ),
        (
            "certificates, room for one",
            |c| enumerated(c, CKO_CERTIFICATE, 1),
            [(CKR_OK, 1), (CKR_OK, 1), BAD, (CKR_OK, 0)],
        ),
        (
            "certificates, room for 200",
            |c| enumerated(c, CKO_CERTIFICATE, 200),
            [(CKR_OK, 4), (CKR_OK, 1), (CKR_OK, 1), (CKR_OK, 4)],
        ),
        (
            "public keys",
            |c| enumerated(c, CKO_PUBLIC_KEY, 200),
            [(CKR_OK, 0), (CKR_OK, 0), (CKR_OK, 1), (CKR_OK, 4)],
        ),
        ("data", |c| enumerated(c, CKO_DATA, 200), all((CKR_OK, 0))),
        (
            "all: 4.3 has each key pair twice",
            |c| {
                assert_eq!(c!(c, C_FindObjectsInit(c.session(), null_mut(), 0)), CKR_OK);
                let pages = std::iter::repeat_with(|| c.find_next(200).1.len() as u64);
                (CKR_OK, pages.take_while(|count| *count > 0).sum())
            },
            [(CKR_OK, 8), (CKR_OK, 8), (CKR_OK, 12), (CKR_OK, 8)],
        ),
        (
            "upper half of an enumerated handle",
            |c| {
                assert_eq!(c!(c, C_FindObjectsInit(c.session(), null_mut(), 0)), CKR_OK);
                let (answer, handles) = c.find_next(200);
                (answer, u64::from(handles[0] >> 32 != 0))
            },
            [(CKR_OK, 1), (CKR_OK, 1), (CKR_OK, 1), (CKR_OK, 0)],
        ),
        (
            "attributes before a search has found anything",
            |c| {
                let mut label = Label::new("sss:100100F0");
                assert_eq!(c.find_init(&mut [label.attribute()]), CKR_OK);
                (c.attribute(RSA_KEY.into(), CKA_KEY_TYPE).0, 0)
            },
            [(CKR_OK, 0), (WOULD_CRASH, 0), (WOULD_CRASH, 0), (CKR_OK, 0)],
        ),
    ]);
}

#[test]
fn an_unreadable_object_ends_47s_enumeration() {
    for (version, expected) in [(Version::V4_2, CKR_OK), (Version::V4_7, CKR_FUNCTION_FAILED)] {
        let bench = Bench::of(version);
        bench.chip.install_certificate(RSA_CERTIFICATE, &[0; 2049]).unwrap();
        let client = Client::open(&bench.chip);
        assert_eq!(enumerated(&client, CKO_CERTIFICATE, 200).0, expected, "{version}");
    }
}
