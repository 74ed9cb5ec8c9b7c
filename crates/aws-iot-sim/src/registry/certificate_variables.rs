//! The policy variables that a certificate gives: `iot:CertificateId`, `iot:Certificate.Subject.CommonName` and so on.

use std::collections::BTreeMap;

use x509_cert::Certificate as X509;
use x509_cert::name::Name;

use super::CertificateId;

/// The attributes that have a variable, by their object identifiers (AWS IoT developer guide, "X.509 Certificate AWS
/// IoT Core policy variables").
const ATTRIBUTES: [(&str, &str); 13] = [
    ("2.5.4.46", "DistinguishedNameQualifier"),
    ("2.5.4.6", "Country"),
    ("2.5.4.10", "Organization"),
    ("2.5.4.11", "OrganizationalUnit"),
    ("2.5.4.8", "State"),
    ("2.5.4.3", "CommonName"),
    ("2.5.4.5", "SerialNumber"),
    ("2.5.4.12", "Title"),
    ("2.5.4.4", "Surname"),
    ("2.5.4.42", "GivenName"),
    ("2.5.4.43", "Initials"),
    ("2.5.4.65", "Pseudonym"),
    ("2.5.4.44", "GenerationQualifier"),
];

/// The longest value that is passed on, in characters (AWS IoT developer guide, "X.509 Certificate policy variable
/// limitations").
const LONGEST: usize = 1024;

/// The variables of a certificate, by their names in lower case.
pub(super) fn variables(id: &CertificateId, certificate: &X509) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::from([("iot:certificateid".to_owned(), id.as_str().to_owned())]);
    let tbs = certificate.tbs_certificate();
    for (whose, name) in [("Subject", tbs.subject()), ("Issuer", tbs.issuer())] {
        for (attribute, value) in single_values(name) {
            variables.insert(format!("iot:Certificate.{whose}.{attribute}").to_ascii_lowercase(), value);
        }
    }
    variables
}

/// The attributes that a name has exactly once. AWS numbers those that it has several times, which is not simulated.
fn single_values(name: &Name) -> Vec<(&'static str, String)> {
    let mut found: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    for attribute in name.iter() {
        let oid = attribute.oid.to_string();
        let known = ATTRIBUTES.iter().find(|(number, _)| *number == oid);
        let (Some((_, known)), Ok(value)) = (known, std::str::from_utf8(attribute.value.value())) else {
            continue;
        };
        found.entry(known).or_default().push(value.to_owned());
    }
    let usable = |value: &String| value.len() <= LONGEST && !value.contains(['*', '?']);
    found
        .into_iter()
        .filter_map(|(attribute, mut values)| Some((attribute, values.pop().filter(|_| values.is_empty())?)))
        .filter(|(_, value)| usable(value))
        .collect()
}
