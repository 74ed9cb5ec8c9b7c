//! What to do about a chip that does not answer: decided here, without a chip and without a clock.
//!
//! A C_OpenSession that fails leaks one of the three sessions of NXP's module 4.x, for the process's whole life: after
//! the third it answers CKR_DEVICE_MEMORY for good, even when the chip is back. So an outage is not waited out by opening. The
//! old session is kept and probed, and given up for a new one when there is reason to believe that it will open, or when
//! nothing else is left to try. Every state has an end: the chip answers, or a new process is asked for.
//!
//! All times are multiples of one unit, [`TokenBuilder::back_off`](crate::TokenBuilder::back_off), 0.5 s by default.

use std::time::{Duration, Instant};

/// One of the module's three sessions is kept for the opening that succeeds.
pub(crate) const MOST_FAILURES: u32 = 2;

/// The longest pause between two looks, in units: 2 s, so that a chip that is back is found within it.
const LONGEST_PAUSE: u32 = 4;
/// A failed call that took longer means a chip that acknowledges its address and does not answer: NXP's modules wait 3.5 s
/// or 145 s for one, and notice within 0.3 s that nothing acknowledges.
const SLOW: u32 = 4;
/// How long after its loss a session is opened without any sign of the chip, where the bus cannot be looked at. A chip
/// that lost its power for a moment is back by then (an SE050 starts within 0.1 s).
const BLIND: u32 = 3;
/// The same for a chip that acknowledges and does not answer. It may come to itself, and then the old session is of use.
const MUTE: u32 = 40;
/// The same for a chip that acknowledged its address before and does so no more: whatever is wrong, opening will hardly help.
const SILENT: u32 = 120;
/// How long after a failed opening the last one is spent: 45 s. Whatever ends by itself has ended by then, and the application
/// has had the time to save what it can.
const LAST: u32 = 90;
/// The same for a chip that does not acknowledge its address: 10 min.
const LAST_SILENT: u32 = 1200;

/// What can be seen of the chip from outside the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignOfLife {
    /// Something acknowledges the chip's address.
    Acknowledged,
    /// Nothing does, and something did when the session was opened.
    Silent,
    /// The bus cannot be looked at, or not in this way.
    Unknown,
    /// The bus is not there, so no session can be opened.
    NoBus,
}

/// What is known of a chip that did not answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    /// Whether the old session answers; `None` when there is none any more.
    pub(crate) session_answers: Option<bool>,
    pub(crate) bus: SignOfLife,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The old session answers: go on with it.
    Resume,
    /// Close the old session and open another.
    Open,
    /// Nothing until then; look again meanwhile.
    WaitUntil(Instant),
    /// No session can be opened any more in this process.
    Restart,
}

/// The openings that failed in this process.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Openings {
    pub(crate) failures: u32,
    pub(crate) last_failure: Option<Instant>,
}

/// The chip does not answer.
#[derive(Debug, Clone)]
pub(crate) struct Outage {
    unit: Duration,
    since: Instant,
    /// The last call took long to fail.
    mute: bool,
    /// When the bus was silent last.
    silent: Option<Instant>,
    /// The last opening was made although the bus was silent.
    opened_silent: bool,
    looks: u32,
    next_look: Instant,
}

impl Openings {
    pub(crate) fn left(&self) -> u32 {
        MOST_FAILURES.saturating_sub(self.failures)
    }

    pub(crate) fn note_failure(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        self.last_failure = Some(now);
    }

    /// The module says itself that it has no session left.
    pub(crate) fn note_exhaustion(&mut self) {
        self.failures = self.failures.max(MOST_FAILURES);
    }

    /// When the next opening may fail.
    fn next(&self, bus: SignOfLife, unit: Duration) -> Option<Instant> {
        let pause = if bus == SignOfLife::Silent { LAST_SILENT } else { LAST };
        self.last_failure.map(|last| after(last, unit, pause))
    }

    /// The step at which a process begins. A chip that shows no sign of life yet is given the time to start.
    pub(crate) fn first_step(&self, bus: SignOfLife, unit: Duration, started: Instant, now: Instant) -> Step {
        let start = if bus == SignOfLife::Silent { after(started, unit, BLIND) } else { started };
        let earliest = self.next(SignOfLife::Unknown, unit).map_or(start, |last| last.max(start));
        match self.left() {
            0 => Step::Restart,
            _ if earliest <= now => Step::Open,
            _ => Step::WaitUntil(earliest),
        }
    }
}

impl Outage {
    /// The chip did not answer; the call that found out took that long.
    pub(crate) fn begin(unit: Duration, now: Instant, took: Duration) -> Self {
        let mut outage = Self {
            unit,
            since: now,
            mute: false,
            silent: None,
            opened_silent: false,
            looks: 0,
            next_look: now,
        };
        outage.call_failed(took);
        outage
    }

    pub(crate) fn since(&self) -> Instant {
        self.since
    }

    pub(crate) fn next_look(&self) -> Instant {
        self.next_look
    }

    /// Whether nothing was looked at yet: the call that found out was the probe of the session.
    pub(crate) fn is_new(&self) -> bool {
        self.looks == 0
    }

    /// Looks at the next moment that counts, if that is before the next look.
    pub(crate) fn look_by(&mut self, moment: Instant) {
        self.next_look = self.next_look.min(moment);
    }

    /// A call of the module failed after that time.
    pub(crate) fn call_failed(&mut self, took: Duration) {
        self.mute = took >= self.unit.saturating_mul(SLOW);
    }

    /// What to do, after a look. `budget` is `None` where a failed opening costs nothing.
    pub(crate) fn step(&mut self, look: Look, budget: Option<&Openings>, now: Instant) -> Step {
        let pause = self.unit.saturating_mul((1 << self.looks.min(2)).min(LONGEST_PAUSE));
        self.looks = self.looks.saturating_add(1);
        self.next_look = now.checked_add(pause).unwrap_or(now);
        if look.session_answers == Some(true) {
            return Step::Resume;
        }
        if look.bus == SignOfLife::Silent {
            // It has lost its power: when it is back, it is not mute any more.
            self.mute = false;
            self.silent = Some(now);
        }
        let reason = match look.bus {
            SignOfLife::NoBus => return self.until_restart(now, LAST_SILENT),
            SignOfLife::Silent => SILENT,
            _ if self.mute => MUTE,
            SignOfLife::Acknowledged => 0,
            SignOfLife::Unknown => BLIND,
        };
        let Some(budget) = budget else { return Step::Open };
        match (budget.left(), look.session_answers) {
            (0, None) => return Step::Restart,
            (0, Some(_)) => return self.until_restart(now, LAST),
            _ => {}
        }
        let reason = after(self.since, self.unit, reason);
        // What failed before the chip came back says nothing about the chip that is back.
        let came_back =
            look.bus == SignOfLife::Acknowledged && (self.opened_silent || self.silent > budget.last_failure);
        let last = budget.next(look.bus, self.unit).filter(|_| !came_back);
        let earliest = last.map_or(reason, |last| last.max(reason));
        if earliest > now {
            return Step::WaitUntil(earliest);
        }
        self.opened_silent = look.bus == SignOfLife::Silent;
        Step::Open
    }

    /// Only the old session is left to hope for, or the bus to come back: for so long.
    fn until_restart(&self, now: Instant, units: u32) -> Step {
        let end = after(self.since, self.unit, units);
        if end <= now { Step::Restart } else { Step::WaitUntil(end) }
    }
}

/// So many units after; a moment that the clock cannot say is one that does not come.
fn after(moment: Instant, unit: Duration, units: u32) -> Instant {
    let far = Duration::from_secs(100 * 365 * 86_400);
    moment.checked_add(unit.saturating_mul(units).min(far)).unwrap_or(moment)
}

#[cfg(test)]
mod tests {
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
                    Step::WaitUntil(_) => self.now = outage.next_look().max(self.now),
                    end => return (end, self.seconds()),
                }
            }
            panic!("no end")
        }
    }

    use SignOfLife::{Acknowledged, Silent, Unknown};

    #[test]
    fn after_a_moment_without_power_there_is_a_session_within_five_seconds_of_the_chips_return() {
        for (name, away, present, longest) in [
            ("I2C", Silent, Acknowledged, 600.0),
            ("no bus to look at", Unknown, Unknown, 1.5),
            ("a chip that acknowledges no quick write", Unknown, Unknown, 1.5),
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
            ("acknowledges and fails at once", Acknowledged, Duration::ZERO, 0.0, 45.0),
            ("acknowledges and does not answer", Acknowledged, mute, 20.0, 65.0),
            ("acknowledges and hangs for long", Acknowledged, hung, 20.0, 210.0),
            ("no bus to look at", Unknown, Duration::ZERO, 1.5, 46.0),
            ("no bus, no answer", Unknown, mute, 20.0, 65.0),
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
        for bus in [Acknowledged, Silent, Unknown, SignOfLife::NoBus] {
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
            (SignOfLife::NoBus, Some(false), Openings::default()),
            (SignOfLife::NoBus, None, Openings::default()),
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
        // The second try of the same process comes late, whoever makes it.
        let one = Openings { failures: 1, last_failure: Some(now) };
        let Step::WaitUntil(end) = one.first_step(Acknowledged, UNIT, now, now) else { panic!() };
        assert_eq!(end - now, Duration::from_secs(45));
        let two = Openings { failures: 2, last_failure: Some(now) };
        assert_eq!(two.first_step(Acknowledged, UNIT, now, end), Step::Restart);
    }

    #[test]
    fn pauses_between_looks_grow_up_to_two_seconds() {
        let mut now = Instant::now();
        let mut outage = Outage::begin(UNIT, now, Duration::ZERO);
        for milliseconds in [500, 1000, 2000, 2000] {
            outage.step(Look { session_answers: Some(false), bus: Silent }, Some(&Openings::default()), now);
            assert_eq!(outage.next_look() - now, Duration::from_millis(milliseconds));
            now = outage.next_look();
        }
        // Units that no clock can count.
        let mut outage = Outage::begin(Duration::MAX, now, Duration::ZERO);
        outage.step(Look { session_answers: Some(false), bus: Unknown }, Some(&Openings::default()), now);
    }
}
