use std::collections::HashMap;
use std::path::Path;

use super::error::{EntryError, FleetError};
use super::table::Table;

/// What a list may call the certificate's SHA-256.
const FINGERPRINT_COLUMNS: [&str; 3] = ["fingerprint", "certificate", "certificate_id"];

/// What a list may call the device.
const NAME_COLUMNS: [&str; 2] = ["serial", "thing_name"];

/// For errors about columns.
const WANTED: &str = "wanted are serial or thing_name, and fingerprint";

/// Which device is expected to have which certificate, from a list that came another way than the devices' files.
#[derive(Debug, Clone, Default)]
pub struct Expectations {
    /// In the order of the list.
    devices: Vec<Expected>,
    /// Places in `devices`, by serial number and by thing name.
    by_name: HashMap<String, usize>,
}

#[derive(Debug, Clone)]
struct Expected {
    names: Vec<String>,
    fingerprint: String,
}

impl Expectations {
    /// A list in CSV with a header, or in JSON: `serial` or `thing_name` or both, and `fingerprint` (SHA-256 of the
    /// certificate's DER in hexadecimal, colons allowed). `se050-iot identity list --csv` makes one.
    ///
    /// # Errors
    /// When it cannot be read, a line makes no sense, or a device stands there twice.
    pub fn read(path: &Path) -> Result<Self, FleetError> {
        let is_known = |column: &str| NAME_COLUMNS.contains(&column) || FINGERPRINT_COLUMNS.contains(&column);
        let mut all = Self::default();
        for row in Table::read(path, is_known, WANTED)?.rows() {
            let wrong = |reason: String| FleetError::Line { path: path.to_owned(), line: row.line, reason };
            let mut cells = row.cells.map_err(&wrong)?;
            let fingerprint = FINGERPRINT_COLUMNS.iter().find_map(|column| cells.remove(*column));
            let names: Vec<String> = NAME_COLUMNS.iter().filter_map(|column| cells.remove(*column)).collect();
            let (Some(fingerprint), false) = (fingerprint, names.is_empty()) else {
                return Err(wrong(format!("a value is missing; {WANTED}")));
            };
            let digits = fingerprint.replace(':', "").to_ascii_lowercase();
            if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(wrong(format!("{fingerprint:?} is no SHA-256, which has 64 hexadecimal digits")));
            }
            let place = all.devices.len();
            for name in &names {
                if all.by_name.insert(name.clone(), place).is_some_and(|other| other != place) {
                    return Err(wrong(format!("{name} is there twice")));
                }
            }
            all.devices.push(Expected { names, fingerprint: digits });
        }
        Ok(all)
    }

    /// Whether the device is expected with that certificate. It may have several names (serial number, thing name): at least
    /// one has to be in the list, and none may be there with another certificate.
    pub(crate) fn check(&self, names: &[&str], fingerprint: &str) -> Result<(), EntryError> {
        let mut known = names.iter().filter_map(|name| Some((*name, self.of(name)?))).peekable();
        if known.peek().is_none() {
            return Err(EntryError::Unexpected { who: names.join(", ") });
        }
        match known.find(|(_, expected)| expected.fingerprint != fingerprint) {
            None => Ok(()),
            Some((who, expected)) => Err(EntryError::NotExpected {
                who: who.to_owned(),
                expected: expected.fingerprint.clone(),
                found: fingerprint.to_owned(),
            }),
        }
    }

    /// The devices of which neither a name nor the certificate has come, in the order of the list.
    pub(crate) fn without(&self, has_come: impl Fn(&str) -> bool) -> Vec<String> {
        let missing = self.devices.iter().filter(|expected| {
            !has_come(&expected.fingerprint) && !expected.names.iter().any(|name| has_come(name))
        });
        missing.map(|expected| expected.names.join(", ")).collect()
    }

    fn of(&self, name: &str) -> Option<&Expected> {
        self.devices.get(*self.by_name.get(name)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &str) -> Result<Expectations, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("expected.csv");
        std::fs::write(&path, content).unwrap();
        Expectations::read(&path).map_err(|error| error.to_string())
    }

    fn fingerprint(digit: char) -> String {
        digit.to_string().repeat(64)
    }

    #[test]
    fn every_name_that_the_list_knows_has_to_agree() {
        let (a, b) = (fingerprint('a'), fingerprint('b'));
        let list = read(&format!("serial;fingerprint\r\nS1;{}\r\nS2;{b}\r\n", a.to_uppercase())).unwrap();
        assert!(list.check(&["S1"], &a).is_ok());
        assert!(list.check(&["S1", "unknown thing"], &a).is_ok());
        assert!(matches!(list.check(&["S1"], &b), Err(EntryError::NotExpected { .. })));
        // The signed serial is S1, and the list of devices calls the thing S2.
        for certificate in [&a, &b] {
            let result = list.check(&["S1", "S2"], certificate);
            assert!(matches!(result, Err(EntryError::NotExpected { .. })), "{result:?}");
        }
        assert!(matches!(list.check(&["S3", "T3"], &a), Err(EntryError::Unexpected { .. })));
        assert_eq!(list.without(|name| name == b), ["S1"]);
    }

    #[test]
    fn a_wrong_line_is_told_by_its_number() {
        let a = fingerprint('a');
        for (name, content, says) in [
            ("column", "serial,sha\r\n".to_owned(), "line 1: unknown column \"sha\"; wanted are serial"),
            (
                "digits",
                format!("serial,fingerprint\r\n\r\nS1,{a}\r\nS2,abc\r\n"),
                "line 4: \"abc\" is no SHA-256",
            ),
            ("twice", format!("serial,fingerprint\n# box\nS1,{a}\nS1,{a}\n"), "line 4: S1 is there twice"),
            ("no name", format!("serial,fingerprint\n,{a}\n"), "line 2: a value is missing"),
            ("no fingerprint", "serial,fingerprint\nS1,\n".to_owned(), "line 2: a value is missing"),
        ] {
            let error = read(&content).unwrap_err();
            assert!(error.contains(says), "{name}: {error}");
        }
    }
}
