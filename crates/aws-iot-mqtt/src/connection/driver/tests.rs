//! The loop on a pipe in memory, with a clock that only timers move.

use tokio::io::{DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::time::Instant as TokioInstant;

use super::*;
use crate::connection::Shared;
use crate::message_queue::{CAPACITY, WhenUnread, queue};
use crate::outbox::Entry;
use crate::session::{Command, Negotiated, Session, Subscriber};
use crate::{DisconnectReason, Limits, OutboxOptions, Publication, QoS, Receipt, SubscribeOptions};

const TIMEOUT: Duration = Duration::from_secs(60);
const DRAIN: Duration = Duration::from_secs(10);

/// What the driver works on, and the application's hands.
struct Bench {
    engine: Engine,
    shared: Arc<Shared>,
    _commands: mpsc::Sender<Command>,
}

impl Bench {
    fn new() -> Self {
        let (shared, unrouted) = Shared::new(OutboxOptions::new(), Arc::new(Limits::mqtt5()));
        let mut session = Session::new(Arc::clone(&shared), "device-1".to_owned(), TIMEOUT, unrouted);
        session.connected(Negotiated::for_tests(), Moment::now());
        let (sender, commands) = mpsc::channel(4);
        let engine = Engine { session, commands, drain: DRAIN, closing: None };
        Self { engine, shared, _commands: sender }
    }

    fn publish(&self, qos: QoS, bytes: usize) -> Receipt {
        let publication = Publication::new("t", qos, vec![b'x'; bytes]).unwrap();
        let (entry, answered) = Entry::new(publication, Moment::now().wall);
        self.shared.outbox.try_put(entry).unwrap();
        Receipt { answered }
    }

    async fn drive(&mut self, stream: DuplexStream) -> Result<Outcome, Error> {
        let (received, engine) = (BytesMut::new(), &mut self.engine);
        Driver { stream, received, engine, server: "host:8883".to_owned() }.run().await
    }
}

/// Reads one packet: its first byte, and what follows the length.
async fn packet(server: &mut DuplexStream) -> (u8, Vec<u8>) {
    let first = server.read_u8().await.unwrap();
    let (mut length, mut shift) = (0, 0);
    loop {
        let byte = server.read_u8().await.unwrap();
        length |= usize::from(byte & 0x7F) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let mut rest = vec![0; length];
    server.read_exact(&mut rest).await.unwrap();
    (first, rest)
}

fn lost(ended: Result<Outcome, Error>) -> Error {
    ended.expect_err("the application ended it")
}

#[tokio::test(start_paused = true)]
async fn silence_is_answered_with_a_ping_and_a_dead_connection_is_given_up_with_the_reason() {
    let (client, mut server) = duplex(1 << 20);
    let mut bench = Bench::new();
    let begun = TokioInstant::now();
    let server = async {
        assert_eq!(packet(&mut server).await, (0xC0, vec![]));
        assert_eq!(begun.elapsed().as_secs(), 60);
        assert_eq!(packet(&mut server).await, (0xE0, vec![0x8D]), "DISCONNECT: keep alive time-out");
        assert_eq!(begun.elapsed().as_secs(), 90);
    };
    let (ended, ()) = tokio::join!(bench.drive(client), server);
    assert!(matches!(lost(ended), Error::KeepAlive { .. }));
}

#[tokio::test(start_paused = true)]
async fn on_a_slow_line_a_ping_passes_what_waits_and_the_connection_lives() {
    // 1 KiB in the line, of which the server takes 8 KiB a second, as a bad mobile network does.
    let (client, server) = duplex(1024);
    let mut bench = Bench::new();
    let receipts: Vec<_> = (0..200).map(|_| bench.publish(QoS::AtMostOnce, 8000)).collect();
    drop(bench.publish(QoS::AtMostOnce, 8000));
    let begun = TokioInstant::now();
    let (mut reader, mut writer) = tokio::io::split(server);
    let mut stream = BytesMut::new();
    let (mut messages, mut pings) = (0, 0);
    let line = async {
        // For as long as there is something to send, which takes 200 s.
        while messages < 201 {
            let mut piece = [0; 1024];
            let count = reader.read(&mut piece).await.unwrap();
            assert!(count > 0, "the connection was given up after {:?}", begun.elapsed());
            tokio::time::sleep(Duration::from_millis(125)).await;
            stream.extend_from_slice(&piece[..count]);
            while let Some(packet) = crate::codec::decode_sent(&mut stream) {
                match packet {
                    rumqttc::v5::mqttbytes::v5::Packet::PingReq(_) => {
                        pings += 1;
                        writer.write_all(&[0xD0, 0]).await.unwrap();
                    }
                    _ => messages += 1,
                }
            }
        }
    };
    tokio::select! {
        ended = bench.drive(client) => panic!("given up: {:?}", lost(ended)),
        () = line => {}
    }
    assert!(pings >= 2 && begun.elapsed().as_secs() >= 190, "{pings} pings in {:?}", begun.elapsed());
    for receipt in receipts {
        receipt.await.unwrap();
    }
}

/// The server has nothing to say meanwhile, and the network takes everything.
#[tokio::test(start_paused = true)]
async fn more_than_the_output_holds_goes_out_at_once() {
    let (client, mut server) = duplex(1 << 24);
    let mut bench = Bench::new();
    let receipts: Vec<_> = (0..1000).map(|_| bench.publish(QoS::AtMostOnce, 1000)).collect();
    let begun = TokioInstant::now();
    let all = async {
        for receipt in receipts {
            receipt.await.unwrap();
        }
    };
    tokio::select! {
        ended = bench.drive(client) => panic!("given up: {:?}", lost(ended)),
        () = all => {}
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(packet(&mut server).await.0, 0x30);
}

#[tokio::test(start_paused = true)]
async fn a_message_without_its_acknowledgement_ends_the_connection_after_the_operation_time_out() {
    let (client, mut server) = duplex(1 << 20);
    let mut bench = Bench::new();
    let _receipt = bench.publish(QoS::AtLeastOnce, 10);
    let begun = TokioInstant::now();
    let server = async {
        assert_eq!(packet(&mut server).await.0, 0x32);
        loop {
            match packet(&mut server).await.0 {
                0xC0 => server.write_all(&[0xD0, 0]).await.unwrap(),
                other => break assert_eq!(other, 0xE0, "DISCONNECT"),
            }
        }
        assert_eq!(begun.elapsed().as_secs(), 60);
    };
    let (ended, ()) = tokio::join!(bench.drive(client), server);
    let error = lost(ended);
    assert!(error.to_string().contains("the message to 't' was not answered within 60 s"), "{error}");
    assert_eq!(bench.shared.outbox.depth().0, 1, "it is sent again on the next connection");
}

#[tokio::test(start_paused = true)]
async fn the_end_waits_until_buffered_messages_of_qos_0_are_written_and_no_longer_than_its_bound() {
    // The server takes a kilobyte a second, so 8 of them fit the bound and 80 do not.
    for (bytes, drained) in [(8 * 1024, true), (80 * 1024, false)] {
        let (client, mut server) = duplex(64);
        let mut bench = Bench::new();
        let receipt = bench.publish(QoS::AtMostOnce, bytes);
        bench.shared.close(DisconnectReason::Normal);
        let begun = TokioInstant::now();
        let reading = tokio::spawn(async move {
            let (mut total, mut piece) = (0, [0; 64]);
            loop {
                tokio::time::sleep(Duration::from_millis(60)).await;
                match server.read(&mut piece).await {
                    Ok(count) if count > 0 => total += count,
                    _ => return total,
                }
            }
        });
        let ended = bench.drive(client).await;
        let Ok(outcome) = ended else { panic!("lost") };
        assert_eq!(outcome.is_ok(), drained, "{outcome:?}");
        if drained {
            receipt.await.unwrap();
            assert!(reading.await.unwrap() >= bytes, "all of it arrived");
        } else {
            assert!(matches!(outcome, Err(Error::NotDrained { messages: 1, .. })), "{outcome:?}");
            assert!(begun.elapsed() <= DRAIN + 2 * DISCONNECT_TIMEOUT, "{:?}", begun.elapsed());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_acknowledged_before_the_end_is_told_to_the_server() {
    let (client, mut server) = duplex(1 << 20);
    let mut bench = Bench::new();
    let mut messages = bench.shared.messages.lock().unwrap().take().unwrap();
    messages.attach();
    // More than the queue holds: the last ones are acknowledged as they are read.
    let count = CAPACITY as u16 + 3;
    for id in 1..=count {
        let [high, low] = id.to_be_bytes();
        server.write_all(&[0x32, 6, 0, 1, b't', high, low, 0]).await.unwrap();
    }
    let shared = Arc::clone(&bench.shared);
    let application = async {
        for _ in 0..count {
            messages.next().await.unwrap();
        }
        shared.close(DisconnectReason::Normal);
    };
    let (ended, ()) = tokio::join!(bench.drive(client), application);
    assert!(matches!(ended, Ok(Ok(()))));
    for id in 1..=count {
        assert_eq!(packet(&mut server).await, (0x40, id.to_be_bytes().to_vec()), "PUBACK");
    }
    assert_eq!(packet(&mut server).await, (0xE0, vec![]));
}

#[tokio::test(start_paused = true)]
async fn whatever_the_server_breaks_is_told_to_it_by_its_reason_code() {
    for (case, bytes, reason) in [
        ("garbage", &[0xFF; 8][..], 0x81),
        ("a second CONNACK", &[0x20, 3, 0, 0, 0], 0x82),
        ("QoS 2", &[0x34, 6, 0, 1, b't', 0, 1, 0], 0x82),
        ("a topic with a wildcard", &[0x30, 4, 0, 1, b'#', 0], 0x90),
        ("a topic alias", &[0x30, 7, 0, 1, b't', 3, 0x23, 0, 1], 0x94),
        ("AUTH", &[0xF0, 0], 0x82),
        ("too large", &[0x30, 0xFF, 0xFF, 0x7F], 0x95),
    ] {
        let (client, mut server) = duplex(1024);
        let mut bench = Bench::new();
        server.write_all(bytes).await.unwrap();
        let ended = bench.drive(client).await;
        assert!(matches!(lost(ended), Error::Protocol { .. }), "{case}");
        assert_eq!(packet(&mut server).await, (0xE0, vec![reason]), "{case}");
    }
}

/// Not even where the server never answers it, and where it is sent once more in the moment in which the time is over.
#[tokio::test(start_paused = true)]
async fn the_end_of_a_dropped_subscription_is_sent_and_not_waited_for() {
    let (client, mut server) = duplex(1 << 20);
    let mut bench = Bench::new();
    let (writer, reader) = queue(Arc::clone(&bench.shared.waker), CAPACITY, WhenUnread::Wait);
    let options = SubscribeOptions::new("t", QoS::AtLeastOnce).unwrap();
    let request = Subscriber::new(options, writer, None);
    bench.engine.session.command(Command::Subscribe(vec![request]), Moment::now());
    let (shared, begun) = (Arc::clone(&bench.shared), TokioInstant::now());
    let application = async move {
        let (first, rest) = packet(&mut server).await;
        assert_eq!(first, 0x82, "SUBSCRIBE");
        server.write_all(&[0x90, 4, rest[0], rest[1], 0, 1]).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        drop(reader);
        shared.close(DisconnectReason::Normal);
        assert_eq!(packet(&mut server).await.0, 0xA2, "UNSUBSCRIBE");
        assert_eq!(packet(&mut server).await, (0xE0, vec![]));
    };
    let (ended, ()) = tokio::join!(bench.drive(client), application);
    assert!(matches!(ended, Ok(Ok(()))));
    assert_eq!(begun.elapsed().as_secs(), 1);
}
