//! Matches to alerts to notifications.
//!
//! The pipeline commits the events of a source as numbered batches, each with its matches, and
//! hands a batch's matches here after the commit. After a crash it hands the same batch again, so
//! everything here is idempotent per [`BatchKey`]: a replayed batch raises the same alerts under
//! the same ids, and counts nothing twice.
//!
//! Deciding is pure ([`decide`], [`schedule::wait`]): it takes the time and answers with a reason.
//! Doing is separate: [`Deduplicator`] keeps what was decided in a [`base::StateStore`],
//! [`Outbox`] keeps what is to be sent until a [`Receiver`] has taken it.

mod dedup;
mod error;
#[cfg(test)]
mod fixture;
mod hash;
mod http;
mod notification;
mod outbox;
mod print;
mod receiver;
pub mod schedule;
#[cfg(test)]
mod simulation;
mod stored;

pub use base::{HttpFailure, HttpReply};
pub use dedup::{
    BatchKey, Decision, DedupState, Deduplicator, JoinReason, OpenAlert, RaiseReason, Sweep,
    alert_id, decide,
};
pub use error::{NotifyError, SendError};
pub use http::{HttpClient, ReqwestClient};
pub use notification::Notification;
pub use outbox::{DeadLetter, DeliveryReport, Outbox, Pending};
pub use print::{PrintReceiver, Style, render};
pub use receiver::{
    Receiver,
    webhook::{Secret, Webhook, WebhookSettings, signature},
};
