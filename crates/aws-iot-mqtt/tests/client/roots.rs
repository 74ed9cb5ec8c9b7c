//! The Amazon roots: that all five are there, and that they are the ones that Debian ships, too.

use std::path::Path;

use aws_iot_mqtt::roots;
use ring::digest::{SHA256, digest};
use rustls::RootCertStore;

/// Debian's file, and the SHA-256 of the certificate as Amazon publishes it (<https://www.amazontrust.com/repository/>).
const PUBLISHED: [(&str, &str); 5] = [
    ("Amazon_Root_CA_1", "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e"),
    ("Amazon_Root_CA_2", "1ba5b2aa8c65401a82960118f80bec4f62304d83cec4713a19c39c011ea46db4"),
    ("Amazon_Root_CA_3", "18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4"),
    ("Amazon_Root_CA_4", "e35d28419ed02025cfa69038cd623962458da5c695fbdea3c22b0bfb25897092"),
    (
        "Starfield_Services_Root_Certificate_Authority_-_G2",
        "568d6905a2c88708a4b3025190edcfedb1974a606a13c6e5290fcb2ae63edab5",
    ),
];

/// SHA-256 of the five public keys (the content of SubjectPublicKeyInfo), made from Debian's files with OpenSSL.
const PUBLIC_KEYS: [&str; 5] = [
    "3f9b5c85a22deafdc3349274cdeebaa646b826685deab5f9936ebb524f4f4663",
    "a19275a5622b550a9a4e0631270f33f72bd605d39f51d25fccffc36ef9412ee0",
    "24aec002d0d83ad0953334914309770cd5f0f7961a975c82f71c6da0b42e8221",
    "eaae5ffa9e9be1775fcfa44e6f1296eb088ba4b5041fb7780360a42bf27369bc",
    "afade74b09101f1def83539c3059d12280e01b19faa0a2758b5b7a30312a2f9e",
];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn all_five_are_there_and_nothing_else() {
    let mut found: Vec<String> = roots::amazon()
        .roots
        .iter()
        .map(|anchor| hex(digest(&SHA256, anchor.subject_public_key_info.as_ref()).as_ref()))
        .collect();
    let mut expected = PUBLIC_KEYS.map(str::to_owned);
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn they_are_the_ones_that_debian_ships() {
    let built_in = roots::amazon().roots;
    for (name, fingerprint) in PUBLISHED {
        let file = Path::new("/usr/share/ca-certificates/mozilla").join(name).with_extension("crt");
        let Ok(text) = std::fs::read_to_string(&file) else {
            test_peers::skip(&format!("{} is not there (package ca-certificates)", file.display()));
            return;
        };
        let der = pem::parse(text).unwrap().into_contents();
        assert_eq!(hex(digest(&SHA256, &der).as_ref()), fingerprint, "{name}");
        let mut store = RootCertStore::empty();
        store.add(der.into()).unwrap();
        assert!(built_in.contains(&store.roots[0]), "{name}");
    }
}
