//! Named points at which a test makes the process die, to prove that nothing is lost there.
//!
//! Nothing is armed unless the command line asks for it (a hidden flag), and then the process
//! aborts: no destructor runs and no buffer is flushed, as with `kill -9`.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering},
};

/// Where a process can be made to die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// Before anything of a batch is written.
    Begin,
    /// The batch's raw bytes, quarantine, matches and manifest are written.
    Staged,
    /// Its Parquet files are written as well, but not yet part of the table.
    Uploaded,
    /// It is committed, but its matches are not yet alerts.
    Committed,
    /// It is in the journal of correlations, but what they make of it is not yet alerts.
    Noted,
    /// Its alerts wait in the outbox, but are not yet in their table.
    Enqueued,
    /// Its alerts are in their table, but its matches are not.
    Alerted,
    /// All of it is done, but nobody was told.
    Done,
    /// Compaction has written a file, but it is not part of the table.
    Rewritten,
    /// Compaction is committed, but the log has no checkpoint after it.
    Compacted,
    /// Rows that were made anew are in the place of the old ones, but nothing else is done.
    Exchanged,
    /// Days are dropped from a table, but their files are there.
    Dropped,
    /// Some of the files that no longer count are removed.
    Vacuumed,
}

impl Point {
    /// Every point, in the order in which a batch passes them; then those of upkeep.
    pub const ALL: [Self; 13] = [
        Self::Begin,
        Self::Staged,
        Self::Uploaded,
        Self::Committed,
        Self::Noted,
        Self::Enqueued,
        Self::Alerted,
        Self::Done,
        Self::Rewritten,
        Self::Compacted,
        Self::Exchanged,
        Self::Dropped,
        Self::Vacuumed,
    ];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::Staged => "staged",
            Self::Uploaded => "uploaded",
            Self::Committed => "committed",
            Self::Noted => "noted",
            Self::Enqueued => "enqueued",
            Self::Alerted => "alerted",
            Self::Done => "done",
            Self::Rewritten => "rewritten",
            Self::Compacted => "compacted",
            Self::Exchanged => "exchanged",
            Self::Dropped => "dropped",
            Self::Vacuumed => "vacuumed",
        }
    }
}

static ARMED: OnceLock<(Point, AtomicU64)> = OnceLock::new();

/// Makes the process die when `point` is reached for the `times`-th time. Only the first call
/// counts; answers whether this was it.
pub fn arm(point: Point, times: u64) -> bool {
    ARMED.set((point, AtomicU64::new(times))).is_ok()
}

/// Dies here, if this is the point and the time.
pub fn reach(point: Point) {
    let Some((armed, left)) = ARMED.get() else { return };
    if *armed == point && left.fetch_sub(1, Ordering::SeqCst) == 1 {
        std::process::abort();
    }
}
