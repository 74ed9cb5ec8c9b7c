//! The policy over virtual time, in the situations that devices meet.

use super::*;

const MOST: u64 = u64::MAX;
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
/// From the name's resolution to CONNACK, or to the refusal.
const ATTEMPT: Duration = Duration::from_millis(300);
/// Each scenario is simulated with so many different jitters.
const SEEDS: u64 = 50;

/// A client, a clock that only this test moves, and jitter from a seed.
struct Simulation {
    backoff: Backoff,
    began: Instant,
    now: Instant,
    connected: Duration,
    random: u64,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        Self::with(Reconnect::new(), seed)
    }

    fn with(policy: Reconnect, seed: u64) -> Self {
        let now = Instant::now();
        Self { backoff: Backoff::new(policy), began: now, now, connected: Duration::ZERO, random: seed }
    }

    fn elapsed(&self) -> Duration {
        self.now - self.began
    }

    /// SplitMix64 (Steele, Lea and Flood, 2014).
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// An attempt that takes `took` and fails. Returns the delay, which is over when this returns.
    fn fails(&mut self, fault: Fault, took: Duration) -> Duration {
        self.now += took;
        self.delay(fault, Ended::NotConnected)
    }

    /// A connection that is made, stays up for `up` and ends with `fault`.
    fn connection(&mut self, up: Duration, answered: bool, fault: Fault) -> Duration {
        self.now += ATTEMPT + up;
        self.connected += up;
        self.delay(fault, Ended::Connected { up, answered })
    }

    fn delay(&mut self, fault: Fault, ended: Ended) -> Duration {
        let random = self.random();
        let delay = self.backoff.next(fault, ended, self.now, random).expect("another attempt");
        self.now += delay;
        delay
    }
}

fn longest(mut delay: impl FnMut() -> Duration, count: usize) -> Duration {
    (0..count).map(|_| delay()).max().unwrap()
}

#[test]
fn delays_double_up_to_the_maximum() {
    let (mut backoff, now) = (Backoff::new(Reconnect::new()), Instant::now());
    let mut bound = || backoff.next(Fault::Passing, Ended::NotConnected, now, MOST).unwrap().as_secs();
    assert_eq!(std::array::from_fn(|_| bound()), [1, 2, 4, 8, 16, 32, 64, 120, 120]);
}

#[test]
fn jitter_is_full() {
    let drawn = |random| {
        let mut backoff = Backoff::new(Reconnect::new());
        backoff.next(Fault::Passing, Ended::NotConnected, Instant::now(), random).unwrap()
    };
    assert_eq!(drawn(0), Duration::ZERO);
    assert_eq!(drawn(MOST), SECOND);
    assert!((0.49..0.51).contains(&drawn(MOST / 2).as_secs_f64()));
}

#[test]
fn five_closes_after_connect_cost_half_a_minute_and_not_a_quarter_of_an_hour() {
    for seed in 0..SEEDS {
        let mut client = Simulation::new(seed);
        for _ in 0..5 {
            client.fails(Fault::Passing, ATTEMPT);
        }
        // 1 + 2 + 4 + 8 + 16 s, and five attempts.
        assert!(client.elapsed() <= 31 * SECOND + 5 * ATTEMPT, "{:?}", client.elapsed());
    }
}

#[test]
fn what_may_pass_is_tried_within_two_minutes_however_long_it_lasts() {
    for fault in [Fault::Passing, Fault::Recurring] {
        let mut client = Simulation::new(1);
        assert!(longest(|| client.fails(fault, ATTEMPT), 2000) <= 120 * SECOND);
    }
}

#[test]
fn a_client_id_that_is_taken_over_every_40_seconds_costs_a_second_each() {
    for seed in 0..SEEDS {
        for answered in [true, false] {
            let mut client = Simulation::new(seed);
            while client.elapsed() < HOUR {
                let offline = client.connection(40 * SECOND, answered, Fault::TAKEN_OVER);
                assert!(offline <= SECOND, "{offline:?}");
            }
        }
    }
}

#[test]
fn two_clients_that_fight_for_one_id_do_so_slowly_and_are_never_long_away() {
    for seed in 0..SEEDS {
        let mut client = Simulation::new(seed);
        let mut connections = 0;
        while client.elapsed() < HOUR {
            let offline = client.connection(2 * SECOND, true, Fault::TAKEN_OVER);
            assert!(offline <= 30 * SECOND, "{offline:?}");
            connections += 1;
        }
        assert!(connections < 400, "{connections} connections an hour, each with a signature");
    }
}

#[test]
fn with_cuts_every_3_to_15_seconds_it_is_connected_for_90_percent_of_the_time() {
    for seed in 0..SEEDS {
        let mut client = Simulation::new(seed);
        while client.elapsed() < HOUR {
            let up = 3 * SECOND + share(12 * SECOND, client.random());
            client.connection(up, true, Fault::Passing);
        }
        let share = client.connected.as_secs_f64() / client.elapsed().as_secs_f64();
        assert!(share > 0.9, "connected for {share:.3} of the time");
    }
}

#[test]
fn twelve_attempts_whose_connack_is_withheld_fit_into_300_seconds() {
    let connack_timeout = 10 * SECOND;
    let (mut backoff, mut now) = (Backoff::new(Reconnect::new()), Instant::now());
    let began = now;
    let mut delays = Vec::new();
    for _ in 0..11 {
        now += ATTEMPT + connack_timeout;
        // The longest delays that there may be.
        let delay = backoff.next(Fault::NO_CONNACK, Ended::NotConnected, now, MOST).unwrap();
        now += delay;
        delays.push(delay.as_secs());
    }
    assert!(now - began < 300 * SECOND, "the 12th CONNECT after {:?}", now - began);
    assert_eq!(delays, [1, 2, 4, 8, 16, 20, 20, 20, 20, 20, 20], "they grow");
}

#[test]
fn a_server_certificate_that_is_put_right_and_a_key_that_is_back_are_found_within_seconds() {
    for (fault, longest) in [(Fault::SERVER_NOT_TRUSTED, 15 * SECOND), (Fault::SIGNER_AWAY, 5 * SECOND)] {
        for wrong_for in [MINUTE, 24 * HOUR] {
            for seed in 0..SEEDS {
                let mut client = Simulation::new(seed);
                while client.elapsed() < wrong_for {
                    client.fails(fault, ATTEMPT);
                }
                assert!(client.elapsed() < wrong_for + longest + ATTEMPT, "{:?}", client.elapsed());
            }
        }
    }
}

#[test]
fn a_refused_client_keeps_the_ordinary_pace_for_five_minutes_and_then_says_that_it_goes_slowly() {
    for seed in 0..SEEDS {
        for fault in [Fault::Refused, Fault::SignerRefused] {
            let mut client = Simulation::new(seed);
            loop {
                client.now += ATTEMPT;
                let refused_for = client.elapsed();
                let delay = client.delay(fault, Ended::NotConnected);
                if delay > MAXIMUM {
                    assert!(
                        refused_for >= REFUSED_FOR && delay >= SLOWLY * 3 / 4 && delay <= SLOWLY,
                        "{delay:?}"
                    );
                    break;
                }
                assert!(refused_for < HOUR, "never slowly");
            }
        }
    }
}

#[test]
fn a_device_that_is_registered_within_minutes_is_connected_two_minutes_later() {
    for seed in 0..SEEDS {
        let mut client = Simulation::new(seed);
        let registered = 4 * MINUTE;
        while client.elapsed() < registered {
            client.fails(Fault::Refused, ATTEMPT);
        }
        assert!(client.elapsed() <= registered + 2 * MINUTE + ATTEMPT, "{:?}", client.elapsed());
    }
}

#[test]
fn refusals_of_a_client_that_was_accepted_before_are_not_counted() {
    let mut client = Simulation::new(7);
    client.connection(SECOND, false, Fault::Passing);
    assert!(longest(|| client.fails(Fault::Refused, ATTEMPT), 500) <= 120 * SECOND);
}

#[test]
fn the_same_protocol_error_on_every_connection_takes_the_slow_end_of_the_pace() {
    for seed in 0..SEEDS {
        let mut client = Simulation::new(seed);
        let mut connections = 0;
        while client.elapsed() < HOUR {
            client.connection(2 * SECOND, true, Fault::Recurring);
            connections += 1;
        }
        assert!(connections < 150, "{connections} connections an hour");
        // A connection that stands for half a minute is not what the row was about.
        assert!(client.connection(30 * SECOND, false, Fault::Recurring) <= SECOND);
    }
}

#[test]
fn a_server_that_closes_on_a_denied_message_is_not_tried_every_second() {
    for seed in 0..SEEDS {
        let mut client = Simulation::new(seed);
        let mut connections = 0;
        // The message is sent again at once, after others that were answered.
        while client.elapsed() < HOUR {
            client.connection(Duration::from_millis(200), true, Fault::Passing);
            connections += 1;
        }
        assert!(connections < 150, "{connections} connections an hour");
    }
}

#[test]
fn a_connection_that_got_an_acknowledgement_ends_the_row_and_a_silent_one_does_not() {
    let mut backoff = Backoff::new(Reconnect::new());
    let now = Instant::now();
    let mut bound = |ended| backoff.next(Fault::Passing, ended, now, MOST).unwrap().as_secs();
    let connected = |up, answered| Ended::Connected { up, answered };
    for (ended, expected) in [
        (Ended::NotConnected, 1),
        (Ended::NotConnected, 2),
        (connected(10 * SECOND, false), 4),
        (connected(Duration::from_millis(100), true), 8),
        (connected(3 * SECOND, true), 1),
        (Ended::NotConnected, 2),
        (connected(STABLE, false), 1),
    ] {
        assert_eq!(bound(ended), expected, "{ended:?}");
    }
}

#[test]
fn never_and_final_give_up_at_once() {
    let now = Instant::now();
    let next = |policy, fault| Backoff::new(policy).next(fault, Ended::NotConnected, now, 0);
    assert_eq!(next(Reconnect::never(), Fault::Passing), None);
    assert_eq!(next(Reconnect::new(), Fault::Final), None);
}
