use super::*;

const UNIT: Duration = Duration::from_millis(500);

/// A chip, a module of 4.x and a clock of the test's own.
struct World {
    start: Instant,
    now: Instant,
    openings: Openings,
    session: bool,
    /// When, in seconds after the loss, the chip would answer a new session.
    back: f64,
    /// What the bus shows while the chip is not back.
    away: SignOfLife,
    /// What it shows when it is.
    present: SignOfLife,
    /// How long a call takes to fail.
    fails_after: Duration,
    opened_at: Vec<f64>,
}

impl World {
    fn new(away: SignOfLife, present: SignOfLife, back: f64) -> Self {
        let start = Instant::now();
        Self {
            start,
            now: start,
            openings: Openings::default(),
            session: true,
            back,
            away,
            present,
            fails_after: Duration::ZERO,
            opened_at: Vec::new(),
        }
    }

    fn seconds(&self) -> f64 {
        (self.now - self.start).as_secs_f64()
    }

    /// Follows the steps as the worker does, until there is a session or the process has to end, and says when.
    fn run(&mut self) -> (Step, f64) {
        let mut outage = Outage::begin(UNIT, self.now, self.fails_after);
        for _ in 0..100_000 {
            let back = self.seconds() >= self.back;
            // The old session is lost with the chip's power.
            let session_answers = self.session.then_some(false);
            let bus = if back { self.present } else { self.away };
            match outage.step(Look { session_answers, bus }, Some(&self.openings), self.now) {
                Step::Open => {
                    self.session = false;
                    self.opened_at.push(self.seconds());
                    if back {
                        return (Step::Open, self.seconds());
                    }
                    self.now += self.fails_after;
                    outage.call_failed(self.fails_after);
                    self.openings.note_failure(self.now);
                }
                Step::WaitUntil(_) => self.now = outage.next_look.max(self.now),
                end => return (end, self.seconds()),
            }
        }
        panic!("no end")
    }
}

use SignOfLife::{Acknowledged, NoBus, Silent, Unknown};

#[test]
fn after_a_moment_without_power_there_is_a_session_within_five_seconds_of_the_chips_return() {
    for (name, away, present, longest) in [
        ("I2C", Silent, Acknowledged, 600.0),
        ("a socket that refuses connections", NoBus, Unknown, 599.0),
        ("no bus to look at", Unknown, Unknown, 4.0),
        ("a chip that acknowledges no quick write", Unknown, Unknown, 4.0),
    ] {
        for tenths in 0..=(longest * 10.0) as u32 {
            let back = f64::from(tenths) / 10.0;
            let mut world = World::new(away, present, back);
            let (step, at) = world.run();
            assert!(step == Step::Open && at - back <= 5.0, "{name}: back at {back}, open at {at}");
            assert!(world.openings.failures <= u32::from(back > 59.0), "{name}: back at {back}");
        }
    }
}

#[test]
fn the_second_opening_is_spent_late_and_then_the_process_ends() {
    let mute = Duration::from_millis(3500);
    let hung = Duration::from_secs(145);
    for (name, bus, fails_after, first, second) in [
        ("acknowledges and fails at once", Acknowledged, Duration::ZERO, 0.0, 30.0),
        ("acknowledges and does not answer", Acknowledged, mute, 20.0, 50.0),
        ("acknowledges and hangs for long", Acknowledged, hung, 20.0, 195.0),
        ("no bus to look at", Unknown, Duration::ZERO, 4.0, 34.0),
        ("no bus, no answer", Unknown, mute, 20.0, 50.0),
        ("silent", Silent, Duration::ZERO, 60.0, 660.0),
    ] {
        let mut world = World::new(bus, bus, f64::INFINITY);
        world.fails_after = fails_after;
        let (step, at) = world.run();
        assert_eq!((step, world.opened_at.len()), (Step::Restart, 2), "{name}");
        assert!((first..first + 3.0).contains(&world.opened_at[0]), "{name}: {:?}", world.opened_at);
        assert!((second..second + 10.0).contains(&world.opened_at[1]), "{name}: {:?}", world.opened_at);
        assert!(at < second + 200.0, "{name}: {at}");
    }
}

#[test]
fn an_opening_that_failed_long_ago_does_not_delay_the_last_one() {
    let mut world = World::new(Silent, Acknowledged, 10.0);
    world.openings.note_failure(world.now);
    world.start += Duration::from_secs(3600);
    world.now = world.start;
    let (step, at) = world.run();
    assert!(step == Step::Open && at < 15.0, "{step:?} at {at}");
}

#[test]
fn the_old_session_is_taken_again_when_it_answers() {
    let now = Instant::now();
    let spent = Openings { failures: MOST_FAILURES, last_failure: Some(now) };
    for bus in [Acknowledged, Silent, Unknown, NoBus] {
        let mut outage = Outage::begin(UNIT, now, Duration::ZERO);
        let look = Look { session_answers: Some(true), bus };
        assert_eq!(outage.step(look, Some(&spent), now), Step::Resume);
    }
}

#[test]
fn without_budget_or_bus_only_the_old_session_is_waited_for_and_not_for_ever() {
    let now = Instant::now();
    let spent = Openings { failures: MOST_FAILURES, last_failure: Some(now) };
    for (bus, session_answers, openings) in [
        (Unknown, Some(false), spent),
        (NoBus, Some(false), Openings::default()),
        (NoBus, None, Openings::default()),
    ] {
        let mut outage = Outage::begin(UNIT, now, Duration::ZERO);
        let look = Look { session_answers, bus };
        let Step::WaitUntil(end) = outage.step(look, Some(&openings), now) else { panic!("{bus:?}") };
        assert_eq!(outage.step(look, Some(&openings), end), Step::Restart);
    }
}

#[test]
fn where_an_opening_costs_nothing_each_look_opens() {
    let now = Instant::now();
    for bus in [Acknowledged, Silent, Unknown] {
        let mut outage = Outage::begin(UNIT, now, Duration::from_secs(4));
        assert_eq!(outage.step(Look { session_answers: None, bus }, None, now), Step::Open);
    }
}

#[test]
fn a_process_begins_with_an_opening_as_soon_as_the_chip_may_be_there() {
    let now = Instant::now();
    let none = Openings::default();
    assert_eq!(none.first_step(Acknowledged, UNIT, now, now), Step::Open);
    assert_eq!(none.first_step(Unknown, UNIT, now, now), Step::Open);
    let Step::WaitUntil(end) = none.first_step(Silent, UNIT, now, now) else { panic!() };
    assert_eq!(none.first_step(Silent, UNIT, now, end), Step::Open);
    // Without a bus, none is spent for as long as it is away.
    for now in [now, end, end + Duration::from_secs(3600)] {
        assert!(matches!(none.first_step(NoBus, UNIT, end, now), Step::WaitUntil(later) if later > now));
    }
    // The second try of the same process comes late, whoever makes it.
    let one = Openings { failures: 1, last_failure: Some(now) };
    let Step::WaitUntil(end) = one.first_step(Acknowledged, UNIT, now, now) else { panic!() };
    assert_eq!(end - now, Duration::from_secs(30));
    let two = Openings { failures: 2, last_failure: Some(now) };
    assert_eq!(two.first_step(Acknowledged, UNIT, now, end), Step::Restart);
}

#[test]
fn pauses_between_looks_grow_up_to_two_seconds() {
    let mut now = Instant::now();
    let mut outage = Outage::begin(UNIT, now, Duration::ZERO);
    for milliseconds in [500, 1000, 2000, 2000] {
        outage.step(Look { session_answers: Some(false), bus: Silent }, Some(&Openings::default()), now);
        assert_eq!(outage.next_look - now, Duration::from_millis(milliseconds));
        now = outage.next_look;
    }
    // Units that no clock can count.
    let mut outage = Outage::begin(Duration::MAX, now, Duration::ZERO);
    outage.step(Look { session_answers: Some(false), bus: Unknown }, Some(&Openings::default()), now);
}
