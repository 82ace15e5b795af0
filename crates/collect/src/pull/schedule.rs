//! When a pull asks next.

use std::time::Duration;

/// How long to wait from the beginning of one round to that of the next: `every`, give or take a
/// twentieth, so that many pulls that began together don't go on together. `random` is any number.
#[must_use]
pub fn pull_wait(every: Duration, random: u64) -> Duration {
    let span = every / 10;
    every - span / 2 + part(span, random)
}

/// How long to wait before the first round: up to a tenth of `every`, and ten seconds at most.
#[must_use]
pub fn pull_first_wait(every: Duration, random: u64) -> Duration {
    part((every / 10).min(Duration::from_secs(10)), random)
}

fn part(span: Duration, random: u64) -> Duration {
    let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(random % millis.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn waits_stay_near_their_schedule(seconds in 60_u64..86_401, random in 0..u64::MAX) {
            let every = Duration::from_secs(seconds);
            let wait = pull_wait(every, random);
            proptest::prop_assert!(wait >= every * 95 / 100 && wait <= every * 105 / 100);
            proptest::prop_assert!(pull_first_wait(every, random) <= Duration::from_secs(10));
        }
    }

    #[test]
    fn waits_differ() {
        let every = Duration::from_secs(60);
        assert_ne!(pull_wait(every, 1), pull_wait(every, 4_000));
    }
}
