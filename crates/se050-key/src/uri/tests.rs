use proptest::prelude::*;

use super::*;

fn uri(text: &str) -> Pkcs11Uri {
    text.parse().unwrap()
}

#[test]
fn reads_what_it_knows() {
    let read = uri("pkcs11:token=My%20token;slot-id=1;object=sss:100100F0;id=%10%01%00%F0;type=private\
                    ?module-path=/usr/lib/libsss_pkcs11.so&pin-source=file:/run/pin");
    assert_eq!(read.token.as_deref(), Some("My token"));
    assert_eq!(read.slot_id, Some(1));
    assert_eq!(read.object(), Some("sss:100100F0"));
    assert_eq!(read.id(), Some(&[0x10, 0x01, 0x00, 0xF0][..]));
    assert_eq!(read.object_type(), Some(ObjectType::Private));
    assert_eq!(read.module_path(), Some(Path::new("/usr/lib/libsss_pkcs11.so")));
    assert_eq!(read.pin_source(), Some("file:/run/pin"));
    assert_eq!(uri("pkcs11:"), Pkcs11Uri::default());
    // As p11tool writes the URI of a token of NXP's module 4.3, whose padding begins with a NUL.
    let padded = uri("pkcs11:model=;manufacturer=NXP%00;serial=;token=SSS_PKCS11%00%20");
    assert_eq!(padded.manufacturer.as_deref(), Some("NXP"));
    assert_eq!((padded.model.as_deref(), padded.serial.as_deref()), (Some(""), Some("")));
}

#[test]
fn refuses_what_it_would_have_to_guess() {
    for (text, expected) in [
        ("pkcs12:object=a", "does not begin"),
        ("pkcs11:object", "name=value"),
        ("pkcs11:;object=a", "name=value"),
        ("pkcs11:object=a;", "name=value"),
        ("pkcs11:object=a?", "name=value"),
        ("pkcs11:objekt=a", "not known"),
        ("pkcs11:library-version=1", "not known"),
        ("pkcs11:object=a?module-name=b", "not known"),
        ("pkcs11:object=a;object=b", "twice"),
        ("pkcs11:object=%4", "percent sign"),
        ("pkcs11:object=%zz", "percent sign"),
        ("pkcs11:object=%FF", "UTF-8"),
        ("pkcs11:object=%00", "NUL"),
        ("pkcs11:token=a%00b", "NUL"),
        ("pkcs11:object=", "empty"),
        ("pkcs11:id=", "empty"),
        ("pkcs11:object=a b", "percent-encoded: %20"),
        ("pkcs11:type=public", "neither"),
        ("pkcs11:slot-id=one", "number"),
        ("pkcs11:slot-id=+1", "number"),
        ("pkcs11:module-path=/a", "after the question mark"),
    ] {
        let error = text.parse::<Pkcs11Uri>().unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn a_pin_in_the_uri_is_refused_and_not_repeated() {
    for text in ["pkcs11:object=a?pin-value=8642", "pkcs11:pin-value=8642;object=a"] {
        let error = text.parse::<Pkcs11Uri>().unwrap_err();
        assert!(error.to_string().contains("pin-source"), "{error}");
        assert!(!format!("{error:?} {error}").contains("8642"), "{error}");
    }
}

/// Every attribute of the token counts: a token that differs in it is not the one that was named.
#[test]
fn each_attribute_of_the_token_decides() {
    let token = TokenInfo {
        label: "T".into(),
        manufacturer: "M".into(),
        model: "O".into(),
        serial: "S".into(),
        slot_id: 7,
        module: "/m.so".into(),
        ..TokenInfo::default()
    };
    let whole = "pkcs11:token=T;manufacturer=M;model=O;serial=S;slot-id=7?module-path=/m.so";
    assert_eq!(uri(whole).mismatch(&token), None);
    assert_eq!(uri("pkcs11:object=a?pin-source=/pin").mismatch(&token), None);
    for (attribute, text) in [
        ("token", "pkcs11:token=t"),
        ("manufacturer", "pkcs11:manufacturer=m"),
        ("model", "pkcs11:model="),
        ("serial", "pkcs11:serial=SS"),
        ("slot-id", "pkcs11:slot-id=8"),
        ("module-path", "pkcs11:?module-path=/n.so"),
    ] {
        assert_eq!(uri(text).mismatch(&token), Some(attribute), "{text}");
        assert_eq!(uri(text).joined_with(&uri(whole)), Err(attribute), "{text}");
    }
    assert_eq!(uri("pkcs11:token=T").joined_with(&uri(whole)), Ok(uri(whole)));
}

proptest! {
    #[test]
    fn every_text_comes_back_from_its_encoding(object in "[^\\x00]{1,20}", id in prop::collection::vec(any::<u8>(), 1..20)) {
        let encoded = |bytes: &[u8]| bytes.iter().map(|byte| format!("%{byte:02x}")).collect::<String>();
        let read = uri(&format!("pkcs11:object={};id={}", encoded(object.as_bytes()), encoded(&id)));
        prop_assert_eq!(read.object(), Some(object.as_str()));
        prop_assert_eq!(read.id(), Some(id.as_slice()));
    }

    #[test]
    fn no_text_panics(text in "pkcs11:\\PC{0,60}") {
        let _ = text.parse::<Pkcs11Uri>();
    }
}
