use proptest::prelude::*;

use super::*;

#[test]
fn reads_what_it_knows() {
    let uri: Pkcs11Uri = "pkcs11:token=My%20token;slot-id=1;object=sss:100100F0;id=%10%01%00%F0;type=private\
                          ?module-path=/usr/lib/libsss_pkcs11.so&pin-source=file:/run/pin"
        .parse()
        .unwrap();
    assert_eq!(uri.token(), Some("My token"));
    assert_eq!(uri.slot_id(), Some(1));
    assert_eq!(uri.object(), Some("sss:100100F0"));
    assert_eq!(uri.id(), Some(&[0x10, 0x01, 0x00, 0xF0][..]));
    assert_eq!(uri.object_type(), Some(ObjectType::Private));
    assert_eq!(uri.module_path(), Some(Path::new("/usr/lib/libsss_pkcs11.so")));
    assert_eq!(uri.pin_source(), Some("file:/run/pin"));
    assert_eq!("pkcs11:".parse::<Pkcs11Uri>().unwrap(), Pkcs11Uri::default());
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
        ("pkcs11:serial=1", "not known"),
        ("pkcs11:object=a?module-name=b", "not known"),
        ("pkcs11:object=a;object=b", "twice"),
        ("pkcs11:object=%4", "percent sign"),
        ("pkcs11:object=%zz", "percent sign"),
        ("pkcs11:object=%FF", "UTF-8"),
        ("pkcs11:object=%00", "NUL"),
        ("pkcs11:object=", "empty"),
        ("pkcs11:object=a b", "percent-encoded"),
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

proptest! {
    #[test]
    fn every_uri_comes_back_from_its_text(
        token in prop::option::of("[^\\x00]{1,20}"),
        object in prop::option::of("[^\\x00]{1,20}"),
        id in prop::option::of(prop::collection::vec(any::<u8>(), 0..20)),
        slot_id in any::<Option<u64>>(),
        pin_source in prop::option::of("[^\\x00]{1,20}"),
        module_path in prop::option::of("[^\\x00]{1,20}"),
    ) {
        let module_path = module_path.map(PathBuf::from);
        let uri = Pkcs11Uri { token, slot_id, object, id, object_type: None, module_path, pin_source };
        prop_assert_eq!(uri.to_string().parse::<Pkcs11Uri>().unwrap(), uri);
    }

    #[test]
    fn no_text_panics(text in "pkcs11:\\PC{0,60}") {
        let _ = text.parse::<Pkcs11Uri>();
    }
}
