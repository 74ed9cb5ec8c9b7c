//! How a message is printed.

use aws_iot_mqtt::{Message, QoS};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

/// Deeper JSON is printed as it was sent: each level makes each line longer. 128 is serde_json's own limit for values.
const DEEPEST: usize = 128;

/// What is printed of a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Format {
    pub(super) json: bool,
    pub(super) pretty: bool,
    pub(super) with_topic: bool,
    pub(super) end_of_line: bool,
}

impl Format {
    /// The bytes to print.
    pub(super) fn of(self, message: &Message) -> Vec<u8> {
        if self.json {
            return format!("{}\n", object(message)).into_bytes();
        }
        let mut bytes = Vec::with_capacity(message.payload.len() + 1);
        if self.with_topic {
            bytes.extend_from_slice(message.topic.as_str().as_bytes());
            bytes.push(b' ');
        }
        match std::str::from_utf8(&message.payload).ok().filter(|_| self.pretty).and_then(indented) {
            Some(text) => bytes.extend_from_slice(text.as_bytes()),
            None => bytes.extend_from_slice(&message.payload),
        }
        if self.end_of_line {
            bytes.push(b'\n');
        }
        bytes
    }
}

/// The message with all that it carries. What is not text is in Base64.
fn object(message: &Message) -> Value {
    let mut object = Map::new();
    let mut set = |name: &str, value: Value| object.insert(name.to_owned(), value);
    set("topic", message.topic.as_str().into());
    set("qos", u8::from(message.qos == QoS::AtLeastOnce).into());
    set("retain", message.retain.into());
    set("duplicate", message.duplicate.into());
    match std::str::from_utf8(&message.payload) {
        Ok(text) => set("payload", text.into()),
        Err(_) => set("payloadBase64", BASE64_STANDARD.encode(&message.payload).into()),
    };
    let properties = message.properties();
    if let Some(content_type) = &properties.content_type {
        set("contentType", content_type.as_str().into());
    }
    if let Some(topic) = &properties.response_topic {
        set("responseTopic", topic.as_str().into());
    }
    match properties.correlation_data.as_deref().map(|data| (data, std::str::from_utf8(data))) {
        None => {}
        Some((_, Ok(text))) => drop(set("correlationData", text.into())),
        Some((data, Err(_))) => drop(set("correlationDataBase64", BASE64_STANDARD.encode(data).into())),
    }
    if let Some(interval) = properties.message_expiry_interval {
        set("messageExpiryInterval", interval.as_secs().into());
    }
    let own: Vec<Value> = properties
        .user_properties
        .iter()
        .map(|(name, value)| json!({ "name": name, "value": value }))
        .collect();
    if !own.is_empty() {
        set("userProperties", own.into());
    }
    Value::Object(object)
}

/// JSON with each member and element in a line of its own; `None` for a text that is no JSON, or JSON deeper than [`DEEPEST`].
/// Numbers, the order of members and what is in strings stay as they were sent.
fn indented(json: &str) -> Option<String> {
    serde_json::from_str::<IgnoredAny>(json).ok()?;
    let mut text = String::with_capacity(json.len() * 2);
    let mut depth = 0_usize;
    let (mut in_string, mut escaped) = (false, false);
    let mut rest = json.chars();
    let line = |text: &mut String, depth: usize| {
        text.push('\n');
        text.extend(std::iter::repeat_n("  ", depth));
    };
    while let Some(c) = rest.next() {
        if in_string {
            text.push(c);
            in_string = escaped || c != '"';
            escaped = c == '\\' && !escaped;
            continue;
        }
        if c.is_ascii_whitespace() {
            continue;
        }
        match c {
            '"' => {
                in_string = true;
                text.push(c);
            }
            '{' | '[' => {
                text.push(c);
                depth += 1;
                if depth > DEEPEST {
                    return None;
                }
                if !matches!(rest.clone().find(|c| !c.is_ascii_whitespace()), Some('}' | ']')) {
                    line(&mut text, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                if !text.ends_with(['{', '[']) {
                    line(&mut text, depth);
                }
                text.push(c);
            }
            ',' => {
                text.push(c);
                line(&mut text, depth);
            }
            ':' => text.push_str(": "),
            c => text.push(c),
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_indented_and_otherwise_as_it_was_sent() {
        let sent = r#"{ "b":1.10,"a":[12345678901234567890123, {}, [ ] ],"t":"x, {\"y\": [1]}\\" }"#;
        let expected = r#"{
  "b": 1.10,
  "a": [
    12345678901234567890123,
    {},
    []
  ],
  "t": "x, {\"y\": [1]}\\"
}"#;
        assert_eq!(indented(sent).unwrap(), expected);
        assert_eq!(indented(expected).unwrap(), expected);
        for other in ["", "21.5 C", "{", "{\"a\":1} x"] {
            assert_eq!(indented(other), None, "{other}");
        }
        assert_eq!(indented("21.50").unwrap(), "21.50");
    }

    #[test]
    fn deep_json_is_not_indented_since_each_level_makes_each_line_longer() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(indented(&nested(DEEPEST)).unwrap().lines().count(), 2 * DEEPEST - 1);
        assert_eq!(indented(&nested(DEEPEST + 1)), None);
        assert_eq!(indented(&nested(65_536)), None, "the largest message of AWS IoT Core");
    }
}
