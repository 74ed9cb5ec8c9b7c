//! Whether a value keeps to the limits, in words if it does not.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::Limits;
use crate::topic::MQTT_TEXT_BYTES;
use crate::{Error, Filter, Publication, Topic};

/// Neither of the two counts this prefix, up to its third slash (AWS IoT Core developer guide, "Basic Ingest").
const AWS_BASIC_INGEST: &str = "$aws/rules/";
/// Topics of this kind have eight slashes (AWS IoT Core developer guide, "Reserved topics", commands), so the limit cannot count all
/// of them.
const AWS_COMMANDS: &str = "$aws/commands/";

impl Limits {
    pub(crate) fn check_client_id(&self, client_id: &str) -> Result<(), Error> {
        self.check(|| format!("client id '{client_id}'"), client_id.len(), "bytes", 1..=self.client_id_bytes)
    }

    pub(crate) fn check_keep_alive(&self, keep_alive: Duration) -> Result<(), Error> {
        self.check(
            || "keep-alive".to_owned(),
            keep_alive.as_secs(),
            "seconds",
            self.keep_alive_seconds.clone(),
        )
    }

    fn check_topic(&self, topic: &Topic) -> Result<(), Error> {
        self.check_depth(|| format!("topic '{topic}'"), counted(topic.as_str()))
    }

    pub(crate) fn check_filter(&self, filter: &Filter) -> Result<(), Error> {
        self.check_depth(|| format!("topic filter '{filter}'"), counted(filter.topics()))
    }

    /// Topic, payload and properties of a message.
    pub(crate) fn check_publication(&self, publication: &Publication) -> Result<(), Error> {
        let Publication { topic, payload, .. } = publication;
        self.check_topic(topic)?;
        self.check(|| format!("the message to '{topic}'"), payload.len(), "bytes", 0..=self.payload_bytes)?;
        let properties = publication.properties();
        if let Some(response) = &properties.response_topic {
            self.check_topic(response)?;
        }
        properties.parts().try_for_each(|(name, bytes)| {
            self.check(|| format!("{name} of the message to '{topic}'"), bytes, "bytes", 0..=MQTT_TEXT_BYTES)
        })
    }

    pub(crate) fn check_session_expiry(&self, expiry: Duration) -> Result<(), Error> {
        let allowed = 0..=self.session_expiry_seconds.into();
        self.check(|| "session expiry".to_owned(), expiry.as_secs(), "seconds", allowed)
    }

    pub(crate) fn check_subscriptions(&self, wanted: usize) -> Result<(), Error> {
        self.check(|| "this connection".to_owned(), wanted, "subscriptions", 0..=self.subscriptions)
    }

    fn check_depth(&self, item: impl Fn() -> String, text: &str) -> Result<(), Error> {
        self.check(&item, text.len(), "bytes", 0..=self.topic_bytes)?;
        self.check(&item, text.matches('/').count(), "slashes", 0..=self.topic_slashes)
    }

    fn check<T: Copy + Display + PartialOrd + Default + TryInto<u64>>(
        &self,
        item: impl Fn() -> String,
        actual: T,
        unit: &'static str,
        allowed: RangeInclusive<T>,
    ) -> Result<(), Error> {
        if allowed.contains(&actual) {
            return Ok(());
        }
        let (low, high) = (allowed.start(), allowed.end());
        let allowed =
            if *low == T::default() { format!("at most {high}") } else { format!("{low} to {high}") };
        let actual = actual.try_into().unwrap_or(u64::MAX);
        Err(Error::Limit { item: item(), actual, unit, whose: self.whose, allowed })
    }
}

/// The part of a topic that is counted.
fn counted(topic: &str) -> &str {
    let rest = topic.strip_prefix(AWS_BASIC_INGEST).or_else(|| topic.strip_prefix(AWS_COMMANDS));
    rest.and_then(|rest| rest.split_once('/')).map_or(topic, |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::QoS;

    #[test]
    fn each_limit_is_named_with_its_value() {
        let aws = Limits::aws_iot_core();
        let topic = |text: &str| aws.check_topic(&text.parse().unwrap());
        let filter = |text: &str| aws.check_filter(&text.parse().unwrap());
        let message = |bytes: usize| Publication::new("t", QoS::AtLeastOnce, vec![0; bytes]).unwrap();
        let payload = |bytes| aws.check_publication(&message(bytes));
        let expiry = |days: u64| aws.check_session_expiry(Duration::from_secs(days * 86_400));
        let keep_alive = |seconds| aws.check_keep_alive(Duration::from_secs(seconds));
        let long = |bytes: usize| "x".repeat(bytes);
        for (case, result, expected) in [
            ("client id of 128", aws.check_client_id(&long(128)), ""),
            (
                "client id of 129",
                aws.check_client_id(&long(129)),
                "129 bytes, but AWS IoT Core allows 1 to 128",
            ),
            (
                "no client id",
                aws.check_client_id(""),
                "client id '': 0 bytes, but AWS IoT Core allows 1 to 128",
            ),
            ("topic of 256", topic(&long(256)), ""),
            ("topic of 257", topic(&long(257)), "257 bytes, but AWS IoT Core allows at most 256"),
            ("seven slashes", topic("$aws/things/t/shadow/name/n/get/accepted"), ""),
            ("eight slashes", topic("1/2/3/4/5/6/7/8/9"), "8 slashes, but AWS IoT Core allows at most 7"),
            ("basic ingest", topic("$aws/rules/myrule/1/2/3/4/5/6/7/8"), ""),
            ("basic ingest, too deep", topic("$aws/rules/myrule/1/2/3/4/5/6/7/8/9"), "8 slashes"),
            ("commands", filter("$aws/commands/things/t/executions/+/response/accepted/json"), ""),
            ("deep filter", filter("+/+/+/+/+/+/+/+/#"), "topic filter '+/+/+/+/+/+/+/+/#': 8 slashes"),
            ("shared filter", filter("$share/group/1/2/3/4/5/6/7/8"), ""),
            ("payload of 128 KiB", payload(131_072), ""),
            ("larger payload", payload(131_073), "131073 bytes, but AWS IoT Core allows at most 131072"),
            ("keep-alive 30 s", keep_alive(30), ""),
            ("keep-alive 29 s", keep_alive(29), "keep-alive: 29 seconds, but AWS IoT Core allows 30 to 1200"),
            ("keep-alive 1201 s", keep_alive(1201), "1201 seconds"),
            ("session of a week", expiry(7), ""),
            (
                "session of 8 days",
                expiry(8),
                "session expiry: 691200 seconds, but AWS IoT Core allows at most 604800",
            ),
            (
                "content type of 65536",
                aws.check_publication(&message(0).content_type(long(65_536))),
                "the content type",
            ),
            ("50 subscriptions", aws.check_subscriptions(50), ""),
            (
                "51 subscriptions",
                aws.check_subscriptions(51),
                "51 subscriptions, but AWS IoT Core allows at most 50",
            ),
        ] {
            match result {
                Ok(()) => assert_eq!(expected, "", "{case}"),
                Err(error) => {
                    assert!(!expected.is_empty() && error.to_string().contains(expected), "{case}: {error}");
                }
            }
        }
    }

    #[test]
    fn the_profile_of_the_protocol_itself_only_stops_what_cannot_be_sent() {
        let mqtt = Limits::mqtt5();
        assert!(mqtt.check_topic(&"1/2/3/4/5/6/7/8/9/10".parse().unwrap()).is_ok());
        assert!(mqtt.check_keep_alive(Duration::from_secs(5)).is_ok());
        assert!(mqtt.check_keep_alive(Duration::from_secs(65_536)).is_err());
    }
}
