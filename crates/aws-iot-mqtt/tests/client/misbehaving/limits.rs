//! Limits that the server announces in CONNACK: a message beyond them fails at once, by the limit's name, and the connection stays.

use aws_iot_mqtt::{Error, Publication, QoS};

use super::packets::connack;
use super::run;
use super::server::{Answers, Server};

#[test]
fn a_message_that_the_server_does_not_take_fails_at_once() {
    run(async {
        for (case, properties, words) in [
            ("maximum QoS 0", vec![0x24, 0], "QoS"),
            ("no retained messages", vec![0x25, 0], "retain"),
            ("maximum packet size 40", vec![0x27, 0, 0, 0, 40], "at most 40"),
        ] {
            let server =
                Server::answering(Answers { connack: connack(false, 0, &properties), ..Answers::default() });
            let client = server.client().connect().await.unwrap();
            let message = Publication::new("topic", QoS::AtLeastOnce, "a message of more than forty bytes")
                .unwrap()
                .retain(true);
            let error = client.publish_with(message).await.expect_err("refused here");
            assert!(matches!(error, Error::Limit { .. }), "{case}: {error:?}");
            assert!(error.to_string().contains(words), "{case}: {error}");
            assert_eq!(client.statistics().reconnects, 0, "{case}");
        }
    });
}
