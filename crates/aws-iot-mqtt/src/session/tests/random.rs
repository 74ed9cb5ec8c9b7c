//! Sequences of packets and commands that nobody has thought of.

use proptest::collection::vec;
use proptest::prelude::*;

use super::model::Model;
use super::*;

const FILTERS: [&str; 4] = ["t/+", "t/1", "#", "other"];

#[derive(Debug, Clone)]
enum Step {
    /// At QoS 1 or 0, with a payload of so many bytes, which expires or not.
    Publish(bool, usize, bool),
    Subscribe(usize),
    Unsubscribe(usize),
    /// Drops one of the subscriptions.
    Drop(usize),
    /// The application reads and acknowledges all that there is.
    Acknowledge,
    Server(Vec<u8>),
    Reconnect(Server),
    Time(u16),
    /// The socket takes so many bytes.
    Write(usize),
}

/// What a server says in CONNACK, and how the connection before it ended.
#[derive(Debug, Clone, Copy)]
struct Server {
    session_present: bool,
    receive_maximum: u16,
    packet_bytes: u32,
    hung_up: bool,
}

fn server() -> impl Strategy<Value = Server> {
    let packet_bytes = prop_oneof![Just(100), Just(10_000), Just(149_504)];
    (any::<bool>(), 1_u16..6, packet_bytes, any::<bool>()).prop_map(
        |(session_present, receive_maximum, packet_bytes, hung_up)| Server {
            session_present,
            receive_maximum,
            packet_bytes,
            hung_up,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let bytes = prop_oneof![8 => 0_usize..200, 1 => 9000_usize..11_000, 1 => 60_000_usize..131_072];
    prop_oneof![
        4 => (any::<bool>(), bytes, any::<bool>()).prop_map(|(qos1, bytes, expires)| Step::Publish(qos1, bytes, expires)),
        2 => (0..FILTERS.len()).prop_map(Step::Subscribe),
        1 => (0..FILTERS.len()).prop_map(Step::Unsubscribe),
        1 => any::<usize>().prop_map(Step::Drop),
        2 => Just(Step::Acknowledge),
        10 => super::server::bytes().prop_map(Step::Server),
        1 => server().prop_map(Step::Reconnect),
        2 => (0_u16..100).prop_map(Step::Time),
        4 => prop_oneof![0_usize..50, Just(100_000)].prop_map(Step::Write),
    ]
}

/// An application with its session, and the server that holds it to the protocol.
struct Bench {
    wire: Wire,
    model: Model,
    server: Server,
    /// What the socket has taken and the model has not: a packet may be written in part.
    stream: BytesMut,
    published: Vec<oneshot::Receiver<Result<(), Error>>>,
    unsubscribing: Vec<oneshot::Receiver<Result<(), Error>>>,
    subscribing: Vec<Stream>,
    subscriptions: Vec<Stream>,
}

impl Bench {
    fn new(limits: Limits, server: Server) -> Self {
        let mut bench = Self {
            wire: Wire::offline(limits),
            model: Model::new(server.receive_maximum, server.packet_bytes),
            server,
            stream: BytesMut::new(),
            published: Vec::new(),
            unsubscribing: Vec::new(),
            subscribing: Vec::new(),
            subscriptions: Vec::new(),
        };
        bench.accept(Server { session_present: false, ..server });
        bench
    }

    fn take(&mut self, step: Step) {
        let mut result = Ok(());
        match step {
            Step::Publish(qos1, bytes, expires) => {
                let qos = if qos1 { QoS::AtLeastOnce } else { QoS::AtMostOnce };
                let mut publication = Publication::new("t/1", qos, vec![b'x'; bytes]).unwrap();
                if expires {
                    publication = publication.message_expiry_interval(30 * SECOND);
                }
                self.published.push(self.wire.put(publication));
            }
            Step::Subscribe(n) => {
                let mut options = SubscribeOptions::new(FILTERS[n], QoS::AtLeastOnce)
                    .unwrap()
                    .queue(3, if n == 0 { WhenUnread::DropOldest } else { WhenUnread::Wait });
                if n % 2 == 0 {
                    options = options.manual_acknowledgement();
                }
                self.subscribing.push(self.wire.subscribe_with(options));
            }
            Step::Unsubscribe(n) => self.unsubscribing.push(self.wire.unsubscribe(FILTERS[n])),
            Step::Drop(n) => {
                if !self.subscriptions.is_empty() {
                    drop(self.subscriptions.swap_remove(n % self.subscriptions.len()));
                    self.wire.session.woken();
                }
            }
            Step::Acknowledge => {
                for stream in &mut self.subscriptions {
                    std::iter::from_fn(|| stream.messages.try_next()).for_each(|m| m.acknowledge());
                }
                self.wire.session.woken();
            }
            Step::Server(bytes) => {
                self.model.sends(&bytes);
                result = self.wire.session.received(&mut BytesMut::from(&bytes[..]), self.wire.now);
            }
            Step::Reconnect(server) => {
                self.reconnect(server, if server.hung_up { hung_up() } else { dead() })
            }
            Step::Time(seconds) => result = self.wire.pass(Duration::from_secs(seconds.into())),
            Step::Write(bytes) => drop(self.write(bytes)),
        }
        self.settle();
        if let Err(error) = result {
            // What was written before it may not have reached the server.
            self.reconnect(self.server, error);
        }
    }

    fn reconnect(&mut self, server: Server, error: Error) {
        self.wire.session.disconnected(&error, self.wire.now);
        self.stream.clear();
        self.accept(server);
    }

    fn accept(&mut self, server: Server) {
        let Server { session_present, receive_maximum, packet_bytes, .. } = server;
        self.server = server;
        self.model.reconnect(session_present, receive_maximum, packet_bytes);
        let (maximum_packet_size, others) = (packet_bytes, Negotiated::for_tests());
        let negotiated = Negotiated { session_present, receive_maximum, maximum_packet_size, ..others };
        self.wire.session.connected(negotiated, self.wire.now);
        self.settle();
    }

    /// Lets the session send what it may, and the application take its answers.
    fn settle(&mut self) {
        self.wire.session.send(self.wire.now);
        for mut stream in std::mem::take(&mut self.subscribing) {
            match stream.answered.try_recv() {
                Ok(Ok(_)) => self.subscriptions.push(stream),
                Ok(Err(_)) => {}
                Err(_) => self.subscribing.push(stream),
            }
        }
        self.unsubscribing.retain_mut(|answered| answered.try_recv().is_err());
    }

    /// The socket takes so many bytes. Returns what a server that agrees would answer.
    fn write(&mut self, bytes: usize) -> Vec<Packet> {
        let output = self.wire.session.output();
        let count = bytes.min(output.len());
        self.stream.extend_from_slice(&output[..count]);
        self.wire.session.written(count, self.wire.now);
        self.model.receives(&mut self.stream)
    }

    /// A server that behaves, until nothing is left to be said.
    fn finish(&mut self) {
        let server =
            Server { session_present: false, receive_maximum: 5, packet_bytes: 149_504, hung_up: false };
        self.reconnect(server, dead());
        loop {
            let answers = self.write(usize::MAX);
            assert!(self.stream.is_empty(), "half a packet");
            if answers.is_empty() {
                // The rates, or a pause, may hold something back.
                if self.wire.outbox.depth().0 == 0 {
                    return;
                }
                let result = self.wire.pass(SECOND);
                assert!(result.is_ok(), "everything is answered: {result:?}");
            }
            for answer in answers {
                let mut bytes = BytesMut::new();
                answer.write(&mut bytes, None).unwrap();
                self.model.sends(&bytes);
                self.wire.receive(answer).unwrap();
            }
            self.wire.session.woken();
            self.settle();
        }
    }
}

fn dead() -> Error {
    Error::KeepAlive { after: SECOND }
}

proptest! {
    /// No panic, and never a packet that the protocol does not allow (ids, duplicates, window, sizes, the order of
    /// acknowledgements: see `Model`); an error, where it is one, is followed by a reconnect; and in the end everything
    /// that was accepted is answered.
    #[test]
    fn any_sequence_leaves_the_session_sound(paced in any::<bool>(), server in server(), steps in vec(step(), 1..80)) {
        let limits = if paced { Limits::aws_iot_core() } else { unpaced() };
        let mut bench = Bench::new(limits, server);
        steps.into_iter().for_each(|step| bench.take(step));
        bench.finish();
        prop_assert_eq!(bench.wire.outbox.depth(), (0, 0));
        for answer in &mut bench.published {
            prop_assert!(answer.try_recv().is_ok(), "an accepted message without an answer");
        }
        prop_assert!(bench.subscribing.is_empty(), "a subscription without an answer");
        prop_assert!(bench.unsubscribing.is_empty(), "an end of a subscription without an answer");
    }

    /// The first answer is the one that comes from the most unlike servers.
    #[test]
    fn whatever_comes_in_answer_to_connect_only_a_connack_of_success_is_an_agreement(
        frames in vec(prop_oneof![super::server::bytes(), super::server::connack()], 1..4),
    ) {
        let stream: Vec<u8> = frames.concat();
        let options = ConnectOptions::new(CLIENT, 60 * SECOND);
        if let Ok(Some(answer)) = decode(&mut BytesMut::from(&stream[..]), 10_000) {
            let agreed = Negotiated::from_answer(answer, "host:8883", &options, &unpaced());
            // CONNACK, and behind its length and its flags the reason code: success.
            prop_assert!(agreed.is_err() || (stream[0] == 0x20 && stream[3] == 0), "{stream:?}: {agreed:?}");
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
            (result.map_err(|error| format!("{error} {error:?}")), wire.sent(), wire.outbox.depth())
        });
        let [whole, pieces] = &mut received;
        prop_assert_eq!(whole, pieces);
    }
}
