//! Whether a proxy carries more than its share, and how much of it is to go now.
//!
//! Overloaded is what more than half of the last looks found above `(1 + start_at)` of the share; it stays
//! so until a look finds at most `(1 + tolerance)` of it. What goes is never more than the surplus above
//! that, and no more a second than `rate` of the share: the others must have time to tell what they got.

use core::time::Duration;

use evenkeel_policy::{Measure, Shed as Rule};

use crate::Instant;

/// Time between two looks that is longer does not count: nobody looked.
const LONGEST: Duration = Duration::from_secs(5);

/// A surplus of one connection is one, whatever was divided and multiplied before.
const ROUNDING: f64 = 1e-9;

/// What one look finds. Loads are in the unit of the rule's measure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    /// What is carried.
    pub own: f64,
    /// What should be: the mean of all, for this one's weight.
    pub share: f64,
    /// Connections that carry it.
    pub connections: f64,
    /// Which part of it is this worker's, from 0 to 1.
    pub part: f64,
    /// What this worker has chosen to go and is still there.
    pub chosen: f64,
    /// No pod is starting or draining.
    pub settled: bool,
}

/// The memory from one look to the next.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shed {
    /// One bit a look, the last one lowest: it found an overload.
    looks: u16,
    shedding: bool,
    /// What may go.
    credit: f64,
    looked: Option<Instant>,
}

impl Shed {
    /// The last look found that something has to go, or one before, and it is not over.
    pub fn is_shedding(&self) -> bool {
        self.shedding
    }

    /// Looks, about once a second. How much load this worker should choose to go now; what it does
    /// choose, tell [`Shed::chose`].
    pub fn look(&mut self, rule: &Rule, look: Look, now: Instant) -> f64 {
        let span = self
            .looked
            .map_or(Duration::ZERO, |then| now.since(then).min(LONGEST));
        self.looked = Some(now);
        let is_enough = look.connections >= f64::from(rule.min_connections);
        let is_hot = is_enough && look.own > (1.0 + rule.start_at) * look.share;
        let kept = (1_u16 << rule.looks.min(15)).wrapping_sub(1);
        self.looks = (self.looks << 1 | u16::from(is_hot)) & kept;
        let surplus = (look.own - (1.0 + rule.tolerance) * look.share) * (1.0 + ROUNDING);
        if self.looks.count_ones() > rule.looks / 2 {
            self.shedding = true;
        }
        // Less than one connection is a surplus that nobody can move.
        let least = match rule.measure {
            Measure::Connections => 1.0,
            Measure::Requests | Measure::Bytes => f64::MIN_POSITIVE,
        };
        if !is_enough || surplus < least {
            *self = Self {
                looked: self.looked,
                ..Self::default()
            };
        }
        if !self.shedding || !look.settled {
            self.credit = 0.0;
            return 0.0;
        }
        let pace = rule.rate * look.share * look.part;
        let surplus = surplus * look.part;
        self.credit = (self.credit + pace * span.as_secs_f64()).min(surplus);
        self.credit.min(surplus - look.chosen).max(0.0)
    }

    /// Connections that carry so much were chosen.
    pub fn chose(&mut self, load: f64) {
        self.credit = (self.credit - load).max(0.0);
    }

    /// Nothing is known any more of what others carry.
    pub fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::default().after(Duration::from_secs(seconds))
    }

    fn rule() -> Rule {
        Rule {
            rate: 0.01,
            ..Rule::default()
        }
    }

    fn look(own: f64, share: f64) -> Look {
        Look {
            own,
            share,
            connections: own,
            part: 1.0,
            chosen: 0.0,
            settled: true,
        }
    }

    /// The first look at which it sheds, when every one finds the same.
    fn first(rule: &Rule, look: Look) -> Option<u64> {
        let mut shed = Shed::default();
        (1..=60).find(|&second| {
            shed.look(rule, look, at(second));
            shed.is_shedding()
        })
    }

    #[test]
    fn an_overload_counts_once_most_looks_have_found_it() {
        assert_eq!(first(&rule(), look(121.0, 100.0)), Some(3));
        assert_eq!(first(&rule(), look(120.0, 100.0)), None);
        let patient = Rule {
            looks: 15,
            ..rule()
        };
        assert_eq!(first(&patient, look(200.0, 100.0)), Some(8));
    }

    #[test]
    fn a_look_now_and_then_that_finds_one_is_noise() {
        let mut shed = Shed::default();
        for second in 0..60 {
            let own = if second % 5 < 2 { 150.0 } else { 115.0 };
            shed.look(&rule(), look(own, 100.0), at(second));
            assert!(!shed.is_shedding(), "{second}");
        }
    }

    #[test]
    fn once_begun_it_goes_on_down_to_the_tolerance() {
        let mut shed = Shed::default();
        for second in 0..5 {
            shed.look(&rule(), look(150.0, 100.0), at(second));
        }
        shed.look(&rule(), look(111.0, 100.0), at(5));
        assert!(shed.is_shedding());
        shed.look(&rule(), look(110.0, 100.0), at(6));
        assert!(!shed.is_shedding());
        shed.look(&rule(), look(119.0, 100.0), at(7));
        assert!(!shed.is_shedding());
    }

    #[test]
    fn no_more_goes_than_the_rate_allows_nor_than_the_surplus() {
        let mut shed = Shed::default();
        let mut gone = 0.0;
        for second in 0..100 {
            let quota = shed.look(&rule(), look(250.0 - gone, 100.0), at(second));
            let whole = quota.floor();
            shed.chose(whole);
            gone += whole;
        }
        // From the third look on, one a second; nothing came back.
        assert_eq!(gone, 98.0);
        for second in 100..300 {
            let quota = shed.look(&rule(), look(250.0 - gone, 100.0), at(second));
            shed.chose(quota.floor());
            gone += quota.floor();
        }
        assert_eq!(gone, 140.0);
    }

    #[test]
    fn what_is_chosen_and_still_there_is_not_chosen_again() {
        let mut shed = Shed::default();
        let mut looks = (0..1000).map(|second| {
            let chosen = Look {
                chosen: 12.0,
                ..look(122.0, 100.0)
            };
            shed.look(&rule(), chosen, at(second))
        });
        assert!(looks.all(|quota| quota < 1e-6));
    }

    #[test]
    fn nothing_goes_while_pods_start_or_drain_and_nothing_is_saved_up_meanwhile() {
        let mut shed = Shed::default();
        for second in 0..60 {
            let unsettled = Look {
                settled: false,
                ..look(200.0, 100.0)
            };
            assert_eq!(shed.look(&rule(), unsettled, at(second)), 0.0);
        }
        assert!(shed.look(&rule(), look(200.0, 100.0), at(60)) <= 1.0);
    }

    #[test]
    fn workers_share_the_rate_by_what_they_carry() {
        let part = |part| {
            let mut shed = Shed::default();
            for second in 0..=10 {
                shed.look(
                    &rule(),
                    Look {
                        part,
                        ..look(200.0, 100.0)
                    },
                    at(second),
                );
            }
            shed.look(
                &rule(),
                Look {
                    part,
                    ..look(200.0, 100.0)
                },
                at(11),
            )
        };
        assert!((part(0.25) * 3.0 - part(0.75)).abs() < 1e-9);
        assert!((part(0.25) + part(0.75) - part(1.0)).abs() < 1e-9);
    }

    #[test]
    fn few_connections_are_left_alone() {
        assert_eq!(first(&rule(), look(49.0, 1.0)), None);
        assert!(first(&rule(), look(50.0, 1.0)).is_some());
    }

    #[test]
    fn all_idle_and_alone_is_even() {
        let idle = Rule {
            min_connections: 0,
            ..rule()
        };
        assert_eq!(first(&idle, look(0.0, 0.0)), None);
        assert_eq!(first(&rule(), look(1000.0, 1000.0)), None);
    }

    #[test]
    fn a_pause_in_looking_saves_nothing_up() {
        let mut shed = Shed::default();
        for second in 0..5 {
            shed.look(&rule(), look(1000.0, 100.0), at(second));
        }
        assert!(shed.look(&rule(), look(1000.0, 100.0), at(4000)) < 9.0);
    }
}
