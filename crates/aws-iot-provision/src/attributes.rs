//! The attributes that a thing is to have, by AWS's rules for them.

use std::collections::BTreeMap;

use crate::calls::FoundThing;
use crate::device::{Device, Status};
use crate::error::Error;
use crate::marker::{ATTRIBUTE, Marker};

/// The serial number's attribute.
const SERIAL: &str = "serial";

/// AWS IoT developer guide, "Thing types": how many attributes a thing may have without a type, and with one.
const WITHOUT_TYPE: usize = 3;
const WITH_TYPE: usize = 50;

/// AWS IoT API reference, AttributePayload.
const LONGEST_NAME: usize = 128;
const LONGEST_VALUE: usize = 800;
const NAME_PUNCTUATION: &str = "_.,@/:#-";
const VALUE_PUNCTUATION: &str = "_.,@/:#=[]-";

/// The attributes that the thing lacks or has otherwise. `registers`: its certificate is not registered yet. A thing that
/// somebody else made gets the marker only where a certificate is to stay INACTIVE.
pub(crate) fn wanted(
    device: &Device,
    found: Option<&FoundThing>,
    registers: bool,
    warnings: &mut Vec<String>,
) -> Result<BTreeMap<String, String>, Error> {
    let refused = |reason: String| Error::Attributes { thing: device.thing.clone(), reason };
    let present = found.map(|thing| thing.attributes.clone()).unwrap_or_default();
    let mut wanted = device.settings.attributes.clone();
    wanted.extend(device.attributes.clone());
    for (name, value) in &wanted {
        check(name, value).map_err(refused)?;
    }
    let status = device.settings.status;
    let notes = registers || status == Status::Inactive;
    let marker = match found {
        None => Some(Marker::new(true)),
        Some(_) => Marker::of(&present).or_else(|| (status == Status::Inactive).then(|| Marker::new(false))),
    };
    if let Some(marker) = marker {
        let marker = if notes { marker.with(&device.certificate, status) } else { marker };
        wanted.insert(ATTRIBUTE.to_owned(), marker.value());
    }
    let has_type = device.wanted_type().or(found.and_then(|thing| thing.thing_type.as_deref())).is_some();
    let most = if has_type { WITH_TYPE } else { WITHOUT_TYPE };
    let all = |wanted: &BTreeMap<_, _>| {
        wanted.len() + present.keys().filter(|name| !wanted.contains_key(*name)).count()
    };
    if all(&wanted) > most {
        return Err(refused(format!(
            "there would be {} with se050-iot's own (`{ATTRIBUTE}`), and AWS allows {most}{}",
            all(&wanted),
            if has_type { "" } else { " for a thing without a type; give things a type (--thing-type)" },
        )));
    }
    if let (Some(serial), false) = (&device.serial, wanted.contains_key(SERIAL)) {
        let room = present.contains_key(SERIAL) || all(&wanted) < most;
        match check(SERIAL, serial) {
            Ok(()) if room => drop(wanted.insert(SERIAL.to_owned(), serial.clone())),
            Ok(()) => warnings.push(format!(
                "the serial number of {} is not stored: AWS allows {most} attributes for a thing without a type",
                device.thing
            )),
            Err(reason) => warnings.push(format!("the serial number of {} is not stored: {reason}", device.thing)),
        }
    }
    wanted.retain(|name, value| present.get(name) != Some(value));
    Ok(wanted)
}

fn check(name: &str, value: &str) -> Result<(), String> {
    for (what, text, longest, punctuation) in
        [("name", name, LONGEST_NAME, NAME_PUNCTUATION), ("value", value, LONGEST_VALUE, VALUE_PUNCTUATION)]
    {
        let fits = (1..=longest).contains(&text.len());
        if !fits || !text.chars().all(|c| c.is_ascii_alphanumeric() || punctuation.contains(c)) {
            return Err(format!(
                "the {what} {text:?} is not allowed; AWS takes 1 to {longest} of a-z A-Z 0-9 {punctuation}"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_aws_takes_in_attributes() {
        for (name, value, fits) in [
            ("line", "3", true),
            ("a_.,@/:#-b", "x=[1]", true),
            ("line 3", "x", false),
            ("line", "three rooms", false),
            ("line", "東京", false),
            ("line", "", false),
            ("", "x", false),
        ] {
            assert_eq!(check(name, value).is_ok(), fits, "{name:?} {value:?}");
        }
        assert!(check("a", &"x".repeat(800)).is_ok() && check("a", &"x".repeat(801)).is_err());
    }
}
