//! Sequences of packets and commands that nobody has thought of.

use proptest::collection::vec;
use proptest::prelude::*;

use super::model::Model;
use super::*;

const FILTERS: [&str; 4] = ["t/+", "t/1", "#", "other"];

#[derive(Debug, Clone)]
enum Step {
    /// At QoS 1 or 0, with a payload of so many bytes.
    Publish(bool, usize),
    Subscribe(usize),
    Unsubscribe(usize),
    /// Drops one of the subscriptions.
    Drop(usize),
    /// The application reads and acknowledges all that there is.
    Acknowledge,
    Server(Vec<u8>),
    Reconnect(Server),
    Time(u16),
}

/// What a server says in CONNACK.
#[derive(Debug, Clone, Copy)]
struct Server {
    session_present: bool,
    receive_maximum: u16,
    packet_bytes: u32,
}

fn server() -> impl Strategy<Value = Server> {
    let packet_bytes = prop_oneof![Just(100), Just(10_000)];
    (any::<bool>(), 1_u16..6, packet_bytes).prop_map(|(session_present, receive_maximum, packet_bytes)| {
        Server { session_present, receive_maximum, packet_bytes }
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (any::<bool>(), 0_usize..200).prop_map(|(qos1, bytes)| Step::Publish(qos1, bytes)),
        2 => (0..FILTERS.len()).prop_map(Step::Subscribe),
        1 => (0..FILTERS.len()).prop_map(Step::Unsubscribe),
        1 => any::<usize>().prop_map(Step::Drop),
        2 => Just(Step::Acknowledge),
        10 => super::server::bytes().prop_map(Step::Server),
        1 => server().prop_map(Step::Reconnect),
        1 => (0_u16..100).prop_map(Step::Time),
    ]
}

/// An application with its session, and the server that holds it to the protocol.
struct Bench {
    wire: Wire,
    model: Model,
    server: Server,
    published: Vec<oneshot::Receiver<Result<(), Error>>>,
    unsubscribing: Vec<oneshot::Receiver<Result<(), Error>>>,
    subscribing: Vec<oneshot::Receiver<Result<Subscription, Error>>>,
    subscriptions: Vec<Subscription>,
}

impl Bench {
    fn new(server: Server) -> Self {
        let mut bench = Self {
            wire: Wire::offline(unpaced()),
            model: Model::new(server.receive_maximum, server.packet_bytes),
            server,
            published: Vec::new(),
            unsubscribing: Vec::new(),
            subscribing: Vec::new(),
            subscriptions: Vec::new(),
        };
        bench.reconnect(Server { session_present: false, ..server });
        bench
    }

    fn take(&mut self, step: Step) {
        let mut result = Ok(());
        match step {
            Step::Publish(qos1, bytes) => {
                let qos = if qos1 { QoS::AtLeastOnce } else { QoS::AtMostOnce };
                self.published.push(self.wire.publish("t/1", qos, &vec![b'x'; bytes]));
            }
            Step::Subscribe(n) => self.subscribing.push(self.wire.want(FILTERS[n], n % 2 == 0)),
            Step::Unsubscribe(n) => self.unsubscribing.push(self.wire.unsubscribe(FILTERS[n])),
            Step::Drop(n) => {
                if !self.subscriptions.is_empty() {
                    drop(self.subscriptions.swap_remove(n % self.subscriptions.len()));
                    self.wire.session.room_in_queues();
                }
            }
            Step::Acknowledge => {
                for subscription in &mut self.subscriptions {
                    std::iter::from_fn(|| subscription.queue.try_recv().ok()).for_each(|m| m.acknowledge());
                }
                self.wire.session.room_in_queues();
            }
            Step::Server(bytes) => {
                self.model.sends(&bytes);
                result = self.wire.session.received(&mut BytesMut::from(&bytes[..]), self.wire.now);
            }
            Step::Reconnect(server) => self.reconnect(server),
            Step::Time(seconds) => {
                self.wire.now += std::time::Duration::from_secs(seconds.into());
                result = self.wire.session.timer(self.wire.now);
            }
        }
        match result {
            // What was written before it may not have reached the server.
            Err(_) => self.reconnect(self.server),
            Ok(()) => drop(self.settle()),
        }
    }

    fn reconnect(&mut self, server: Server) {
        let Server { session_present, receive_maximum, packet_bytes } = server;
        self.server = server;
        self.model.reconnect(session_present, receive_maximum, packet_bytes);
        self.wire.session.disconnected();
        let granted = granted::tests::of(session_present, receive_maximum, packet_bytes);
        self.wire.session.connected(granted, self.wire.now);
        drop(self.settle());
    }

    /// Lets the session send what it may, and returns what a server that agrees would answer.
    fn settle(&mut self) -> Vec<Packet> {
        self.wire.session.send(self.wire.now);
        self.wire.settle();
        let subscriptions = &mut self.subscriptions;
        self.subscribing.retain_mut(|answered| match answered.try_recv() {
            Ok(answer) => {
                subscriptions.extend(answer);
                false
            }
            Err(_) => true,
        });
        self.unsubscribing.retain_mut(|answered| answered.try_recv().is_err());
        let bytes = self.wire.bytes();
        self.model.receives(bytes)
    }

    /// A server that behaves, until nothing is left to be said.
    fn finish(&mut self) {
        self.reconnect(Server { session_present: false, receive_maximum: 5, packet_bytes: 10_000 });
        // The connection has just sent: over again, so that the answers are seen.
        self.wire.session.disconnected();
        self.model.reconnect(false, 5, 10_000);
        self.wire.session.connected(granted::tests::of(false, 5, 10_000), self.wire.now);
        loop {
            let answers = self.settle();
            if answers.is_empty() {
                return;
            }
            for answer in answers {
                let mut bytes = BytesMut::new();
                answer.write(&mut bytes, None).unwrap();
                self.model.sends(&bytes);
                self.wire.receive(answer).unwrap();
            }
            self.wire.session.room_in_queues();
        }
    }
}

proptest! {
    /// No panic, and never a packet that the protocol does not allow (ids, duplicates, window, sizes, the order of
    /// acknowledgements: see `Model`); an error, where it is one, is followed by a reconnect; and in the end everything
    /// that was accepted is answered.
    #[test]
    fn any_sequence_leaves_the_session_sound(server in server(), steps in vec(step(), 1..80)) {
        let mut bench = Bench::new(server);
        steps.into_iter().for_each(|step| bench.take(step));
        bench.finish();
        prop_assert_eq!(bench.wire.session.unacknowledged(), 0);
        for answer in &mut bench.published {
            prop_assert!(answer.try_recv().is_ok(), "an accepted message without an answer");
        }
        prop_assert!(bench.subscribing.is_empty(), "a subscription without an answer");
        prop_assert!(bench.unsubscribing.is_empty(), "an end of a subscription without an answer");
    }

    /// The first answer is the one that comes from the most unlike servers.
    #[test]
    fn whatever_comes_in_answer_to_connect_only_a_connack_is_an_agreement(
        frames in vec(prop_oneof![super::server::bytes(), super::server::connack()], 1..4),
    ) {
        let stream: Vec<u8> = frames.concat();
        let hello = Hello {
            client_id: CLIENT.to_owned(),
            keep_alive: 60,
            clean_start: true,
            session_expiry: 0,
            will: None,
        };
        if let Ok(Some(answer)) = decode(&mut BytesMut::from(&stream[..]), 10_000) {
            let agreed = Granted::from_answer(answer, "host:8883", &hello, &unpaced());
            prop_assert!(agreed.is_err() || stream[0] == 0x20, "{stream:?}: {agreed:?}");
        }
    }

    /// TCP may cut a stream anywhere.
    #[test]
    fn bytes_mean_the_same_in_whatever_pieces_they_come(
        frames in vec(super::server::bytes(), 1..20),
        cuts in vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let stream: Vec<u8> = frames.concat();
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        ends.extend([0, stream.len()]);
        ends.sort_unstable();
        let mut received = [true, false].map(|whole| {
            let mut wire = Wire::new(100);
            let _subscription = wire.subscribed("#");
            let _answers = [(); 8].map(|()| wire.publish("t/1", QoS::AtLeastOnce, b"x"));
            wire.sent();
            let pieces = if whole { vec![0, stream.len()] } else { ends.clone() };
            let mut buffer = BytesMut::new();
            let result = pieces.windows(2).try_for_each(|piece| {
                buffer.extend_from_slice(&stream[piece[0]..piece[1]]);
                wire.session.received(&mut buffer, wire.now)
            });
            (result.map_err(|error| format!("{error} {error:?}")), wire.sent(), wire.session.unacknowledged())
        });
        let [whole, pieces] = &mut received;
        prop_assert_eq!(whole, pieces);
    }
}
