//! How much of something may come in a second.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use base::Timestamp;

/// A second's worth of something, refilled as time passes.
#[derive(Debug)]
pub struct Allowance {
    per_second: Option<u64>,
    /// When it is full again, in microseconds; what is used up moves it on.
    full_at: Mutex<i64>,
}

/// The microseconds of a second.
const SECOND: i64 = 1_000_000;

impl Allowance {
    /// So much in a second; `None`: any amount.
    #[must_use]
    pub const fn new(per_second: Option<u64>) -> Self {
        Self { per_second, full_at: Mutex::new(i64::MIN) }
    }

    /// How long to wait until some is left; `None`: there is now.
    pub fn wait(&self, now: Timestamp) -> Option<Duration> {
        self.per_second?;
        let over = self.lock().saturating_sub(now.as_micros()).saturating_sub(SECOND);
        (over >= 0).then(|| Duration::from_micros(u64::try_from(over).unwrap_or(0) + 1))
    }

    /// Uses up an amount, which may be more than is left: those who come later wait for it.
    pub fn use_up(&self, now: Timestamp, amount: u64) {
        let Some(per_second) = self.per_second else { return };
        let micros = amount.saturating_mul(SECOND.unsigned_abs()).div_ceil(per_second.max(1));
        let mut full_at = self.lock();
        let from = (*full_at).max(now.as_micros());
        *full_at = from.saturating_add(i64::try_from(micros).unwrap_or(i64::MAX));
    }

    /// Whether nothing of it is used up.
    pub(crate) fn is_full(&self, now: Timestamp) -> bool {
        *self.lock() <= now.as_micros()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, i64> {
        self.full_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
