//! The one signal that ends a pipeline: every task watches it.

use tokio::sync::watch;

/// Pulls the signal.
#[derive(Debug, Clone)]
pub struct StopSwitch(watch::Sender<bool>);

/// Watches the signal.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

/// A signal, not yet given.
#[must_use]
pub fn stop_signal() -> (StopSwitch, Stop) {
    let (switch, stop) = watch::channel(false);
    (StopSwitch(switch), Stop(stop))
}

impl StopSwitch {
    /// Gives the signal.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// The signal, for those who know no more than that: `true` once it was given.
    pub(crate) fn watch(&self) -> watch::Receiver<bool> {
        self.0.clone()
    }

    /// Whether it was given.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is given.
    pub async fn stopped(&mut self) {
        // Without a switch there is nobody to run for.
        if self.0.wait_for(|stopped| *stopped).await.is_err() {
            tracing::debug!("the stop switch is gone");
        }
    }
}
