//! What the pipeline tells whoever watches it.

use base::{Alert, Report};

/// Something worth telling as it happens.
#[derive(Debug)]
pub enum Happening<'h> {
    /// A batch is durable.
    Committed {
        /// Its source.
        source: &'h str,
        /// The table it is in.
        table: &'h str,
        /// How many rows it has.
        rows: u64,
        /// How many of its records are in the quarantine.
        quarantined: u64,
        /// How many raw bytes it has.
        bytes: u64,
    },
    /// An alert was raised.
    Alert(&'h Alert),
    /// A source has a problem; it goes on by itself.
    Trouble {
        /// The source.
        source: &'h str,
        /// The problem.
        report: &'h Report,
    },
    /// Records went to the quarantine: the first of a batch.
    Quarantined {
        /// The source.
        source: &'h str,
        /// How many.
        count: u64,
        /// The first one's problem.
        report: &'h Report,
    },
    /// So many notifications could not be delivered; they are tried again.
    DeliveryFailed(usize),
    /// A notification was given up.
    DeliveryGivenUp(&'h Report),
    /// Newer rules are in place.
    Reloaded {
        /// How many.
        rules: usize,
        /// What is wrong with the rules and log sources.
        problems: &'h [Report],
    },
    /// Another process has a source, or the name of this process; this one takes over when that has ended.
    StandingBy {
        /// The source, or `dab.run` where all of this process waits.
        source: &'h str,
    },
    /// HTTP is on.
    Listening(std::net::SocketAddr),
    /// A listener for syslog is on.
    SyslogListening {
        /// Its name.
        name: &'h str,
        /// `tcp`, `tls` or `udp`.
        transport: &'h str,
        /// Where.
        address: std::net::SocketAddr,
    },
    /// Everything is started.
    Ready,
}

/// Nobody watches.
#[derive(Debug)]
pub(crate) struct Nobody;

impl Observer for Nobody {
    fn happened(&self, _: &Happening<'_>) {}
}

/// Someone who watches the pipeline. Called from its tasks: must not block.
pub trait Observer: Send + Sync + std::fmt::Debug {
    /// Told as it happens.
    fn happened(&self, happening: &Happening<'_>);
}
