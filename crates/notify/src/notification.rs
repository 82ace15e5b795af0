//! A notification: an alert on its way to a receiver.

use base::{Alert, Match, Timestamp};
use serde::{Deserialize, Serialize};

/// One alert to be told to one receiver. It carries everything that a receiver shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// The alert, with its first match.
    pub alert: Alert,
}

impl Notification {
    /// The notification of an alert that was just raised.
    #[must_use]
    pub const fn raised(alert_id: String, raised_time: Timestamp, first_match: Match) -> Self {
        Self { alert: Alert { id: alert_id, raised_time, first_match } }
    }

    /// The same for every attempt at telling this alert: receivers drop repeats by it.
    #[must_use]
    pub fn idempotency_key(&self) -> &str {
        &self.alert.id
    }
}
