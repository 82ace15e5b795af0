//! The scenario: an ordinary day's records, and the story's among them, in order of time.

use std::time::Duration;

use base::Timestamp;

use crate::{
    cast,
    random::Random,
    source::{self, Record},
    story::{self, Actor, Planned},
    text::{Host, Scene},
};

/// A line is seldom longer; saves growing the string.
const LINE_BYTES: usize = 2048;

/// Logs of a company with an attack in them, from a seed. Iterate to get the records.
#[derive(Debug)]
pub struct Scenario {
    random: Random,
    start: Timestamp,
    length: Duration,
    /// Mean time between two ordinary records.
    interval: Duration,
    /// The next ordinary record, as time since the start.
    next: Duration,
    /// The story's records still to come, the next one last.
    planned: Vec<Planned>,
    number: u64,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated {
    /// When it happens; the line has it too, as finely as the product writes it.
    pub time: Timestamp,
    /// The log source: `aws_cloudtrail`, `okta_system`, `windows_events`, `nginx_access` or
    /// `linux_sshd`.
    pub log_source: &'static str,
    /// The record as the product writes it: a JSON object or a text line, without the newline.
    pub line: String,
    /// The step of the story that it belongs to, by [`Step::name`](crate::Step::name).
    pub attack: Option<&'static str>,
}

impl Scenario {
    /// Plans the logs from `start` on for `length`: about `events_per_second` ordinary records,
    /// evenly spread with some jitter, and the story's, spread over the whole length.
    ///
    /// The story is told in full however short the length. A rate that is not above zero gives
    /// the story alone.
    #[must_use]
    pub fn new(seed: u64, start: Timestamp, length: Duration, events_per_second: f64) -> Self {
        let interval = if events_per_second > 0.0 {
            Duration::try_from_secs_f64(1.0 / events_per_second).unwrap_or(Duration::MAX)
        } else {
            Duration::MAX
        };
        // A clock of nanoseconds cannot go on by less.
        let interval = interval.max(Duration::from_nanos(1));
        Self {
            random: Random::new(seed),
            start,
            length,
            interval,
            next: interval,
            planned: story::plan(length),
            number: 700_000,
        }
    }

    /// The record of `record`'s kind; `actor` is who does it, for the story's records.
    fn generate(&mut self, offset: Duration, planned: Option<Planned>) -> Generated {
        self.number += 1;
        let person = self.random.pick(&cast::PEOPLE);
        let time = self.start.plus(offset);
        let mut scene = Scene {
            time,
            person,
            place: person.place(),
            address: person.egress(),
            host: Host::Workstation,
            number: self.number,
            random: &mut self.random,
        };
        let (record, attack) = match planned {
            Some(planned) => {
                stage(planned.actor, &mut scene);
                (planned.record, Some(planned.step))
            }
            None => (source::ordinary(&mut scene), None),
        };
        let mut line = String::with_capacity(LINE_BYTES);
        record.write(&mut scene, &mut line);
        Generated { time, log_source: Record::log_source(record), line, attack }
    }
}

/// Puts the story's actor on the scene.
fn stage(actor: Actor, scene: &mut Scene<'_>) {
    let (person, place, address, host) = match actor {
        Actor::Clerk => {
            (&cast::CLERK, cast::CLERK.place(), cast::CLERK.egress(), Host::Workstation)
        }
        Actor::Admin => {
            (&cast::ADMIN, cast::ADMIN.place(), cast::ADMIN.egress(), Host::Workstation)
        }
        Actor::Thief => (&cast::ADMIN, &cast::FAR_AWAY, cast::ATTACKER, Host::Workstation),
        Actor::Scanner => {
            (&cast::ADMIN, &cast::FAR_AWAY, cast::SCANNER, Host::Server("bastion-01"))
        }
    };
    scene.person = person;
    scene.place = place;
    scene.address = address;
    scene.host = host;
}

impl Iterator for Scenario {
    type Item = Generated;

    fn next(&mut self) -> Option<Generated> {
        if let Some(planned) = self.planned.pop_if(|planned| planned.offset <= self.next) {
            return Some(self.generate(planned.offset, Some(planned)));
        }
        let offset = self.next;
        if offset >= self.length {
            let planned = self.planned.pop()?;
            return Some(self.generate(planned.offset, Some(planned)));
        }
        // From half to one and a half of the interval.
        let percent = 50 + u32::from(self.random.byte(0, 100));
        let step = self.interval.checked_mul(percent).unwrap_or(Duration::MAX) / 100;
        self.next = offset.saturating_add(step.max(Duration::from_nanos(1)));
        Some(self.generate(offset, None))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn scenario(seed: u64, rate: f64) -> Scenario {
        Scenario::new(seed, Timestamp::parse("2026-11-24T08:00:00Z").unwrap(), HOUR, rate)
    }

    #[test]
    fn the_same_seed_gives_the_same_records() {
        let first: Vec<_> = scenario(1, 1.0).collect();
        let again: Vec<_> = scenario(1, 1.0).collect();
        let other: Vec<_> = scenario(2, 1.0).collect();
        assert_eq!(first, again);
        assert_ne!(first, other);
    }

    #[test]
    fn records_are_in_order_and_at_the_rate() {
        let all: Vec<_> = scenario(3, 5.0).collect();
        assert!(all.is_sorted_by_key(|generated| generated.time));
        let ordinary = all.iter().filter(|generated| generated.attack.is_none()).count();
        assert!((17_000..19_000).contains(&ordinary), "{ordinary}");
        let end = Timestamp::parse("2026-11-24T09:00:00Z").unwrap();
        assert!(all.iter().all(|generated| generated.time < end));
    }

    #[test]
    fn the_story_is_told_in_full_at_any_rate_and_length() {
        let names = |scenario: Scenario| {
            let mut counts = BTreeMap::new();
            for name in scenario.filter_map(|generated| generated.attack) {
                *counts.entry(name).or_insert(0) += 1;
            }
            counts
        };
        let expected = names(scenario(1, 2.0));
        let told: BTreeSet<_> = expected.keys().copied().collect();
        let steps: BTreeSet<_> = crate::steps().iter().map(|step| step.name).collect();
        assert_eq!(told, steps);
        assert_eq!(names(scenario(9, 0.0)), expected);
        assert_eq!(names(scenario(9, f64::NAN)), expected);
        assert_eq!(names(Scenario::new(4, Timestamp::default(), Duration::ZERO, 1e12)), expected);
    }

    #[test]
    fn every_record_is_complete() {
        for generated in scenario(5, 3.0) {
            let Generated { line, log_source, .. } = generated;
            assert!(!line.contains(['<', '\n']), "a place is not filled in: {line}");
            match log_source {
                "nginx_access" => assert_eq!(line.matches('"').count(), 6, "{line}"),
                "linux_sshd" => assert!(line.starts_with("Nov 24 0"), "{line}"),
                _ => {
                    let value: serde_json::Value = serde_json::from_str(&line)
                        .unwrap_or_else(|error| panic!("{error}: {line}"));
                    assert!(value.as_object().unwrap().len() > 15, "{line}");
                }
            }
        }
    }

    #[test]
    fn the_records_of_a_step_are_of_its_log_source() {
        let sources: BTreeMap<_, _> =
            crate::steps().iter().map(|step| (step.name, step.log_source)).collect();
        for generated in scenario(1, 0.0) {
            assert_eq!(sources[generated.attack.unwrap()], generated.log_source);
        }
    }
}
