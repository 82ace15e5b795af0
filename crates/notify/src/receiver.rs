//! Receivers: who notifications go to.

pub(crate) mod webhook;

use std::fmt;

use async_trait::async_trait;

use crate::{Notification, SendError};

/// Something that takes notifications.
///
/// A notification may come more than once: after a crash nobody knows whether the last attempt got
/// through. A receiver passes [`Notification::idempotency_key`] on where the other side can use it.
#[async_trait]
pub trait Receiver: Send + Sync + fmt::Debug {
    /// The name in the settings: one or more of `[A-Za-z0-9_.-]`, unique among receivers.
    fn name(&self) -> &str;

    /// Sends one notification; returns when the other side has taken it.
    ///
    /// # Errors
    /// [`SendError::Retry`] if it may work later, [`SendError::Refused`] if it will not.
    async fn send(&self, notification: &Notification) -> Result<(), SendError>;
}

/// Whether a name can be a receiver's, and so a part of a key in the state store.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && name != "."
        && name != ".."
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}
