//! When a notification is tried again.

use std::time::Duration;

use base::limits;

use crate::hash;

/// How long to wait after attempt number `attempt` (from 1) has failed: twice as long each time,
/// up to two hours, up to a fifth less or more.
///
/// The jitter spreads notifications that failed together, so that a receiver that comes back is
/// not overrun. It comes from a hash of `id` and the attempt: the same question, the same answer.
#[must_use]
pub fn wait(attempt: u32, id: &str) -> Duration {
    let doublings = attempt.saturating_sub(1).min(32);
    let plain =
        (limits::NOTIFY_RETRY_SECONDS_MIN << doublings).min(limits::NOTIFY_RETRY_SECONDS_MAX);
    let jitter = hash::identity(["jitter/1", id, &attempt.to_string()]);
    let jitter = jitter.get(..4).and_then(|digits| u64::from_str_radix(digits, 16).ok());
    // 0.8 to 1.2 times, in 65,536 steps.
    let micros = plain * 800_000 + plain * 400_000 * jitter.unwrap_or(0x8000) / 0xffff;
    Duration::from_micros(micros)
}

/// Whether a notification that was tried `attempts` times is given up.
#[must_use]
pub const fn is_exhausted(attempts: u32) -> bool {
    attempts >= limits::NOTIFY_ATTEMPTS_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_two_hours() {
        for (attempt, seconds) in [(1, 5), (2, 10), (3, 20), (11, 5120), (12, 7200), (21, 7200)] {
            let waited = wait(attempt, "x").as_secs_f64();
            let expected = f64::from(seconds);
            assert!(waited >= expected * 0.8 && waited <= expected * 1.2, "{attempt}: {waited}");
        }
        assert!(wait(u32::MAX, "x") <= Duration::from_secs(7200 * 6 / 5));
        assert!(wait(0, "x") >= Duration::from_secs(4));
    }

    #[test]
    fn attempts_spread_over_about_a_day() {
        for id in ["a", "b", "c", "d", "e"] {
            let mut attempts = 0;
            let mut total = Duration::ZERO;
            while !is_exhausted(attempts) {
                attempts += 1;
                if !is_exhausted(attempts) {
                    total += wait(attempts, id);
                }
            }
            let hours = total.as_secs() / 3600;
            assert!((18..=28).contains(&hours), "{hours} hours");
        }
    }

    #[test]
    fn jitter_spreads_and_repeats() {
        let waits: std::collections::BTreeSet<Duration> =
            (0..100).map(|id| wait(12, &id.to_string())).collect();
        assert!(waits.len() > 95, "only {} different waits", waits.len());
        let span = waits.last().unwrap().saturating_sub(*waits.first().unwrap());
        assert!(span > Duration::from_secs(1800), "{span:?}");
        assert_eq!(wait(3, "x"), wait(3, "x"));
    }
}
