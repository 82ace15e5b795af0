//! Objects that are announced: which announcements a lane holds, and when they are dealt with.
//!
//! What an announcement names is looked at until all of it is read and committed; then the announcement is
//! answered. What names nothing, or something that this source does not read, is kept in the quarantine and
//! answered after that commit, too. What the store refuses is tried [`limits::ANNOUNCED_TRIES_MAX`] times.

use std::time::Duration;

use base::{Problem, Report, limits};
use collect::{AnnounceError, Announcement, Heard, Location};
use tokio::sync::mpsc;

/// The longest pause between two looks at what is announced.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// The announcements of a lane.
#[derive(Debug)]
pub(crate) struct Inbox {
    receiver: mpsc::Receiver<Announcement>,
    open: Vec<Open>,
}

/// An announcement that is not dealt with.
#[derive(Debug)]
struct Open {
    announcement: Announcement,
    /// What it names and is not read yet, by its name below the location.
    left: Vec<Left>,
    /// What is to be kept in the quarantine because of it.
    rejects: Vec<Report>,
}

#[derive(Debug)]
struct Left {
    name: String,
    looks: u32,
    refusals: u32,
    /// When it is looked at next, on the monotonic clock.
    next: Duration,
}

/// What is to be kept in the quarantine because of an announcement.
#[derive(Debug)]
pub(crate) struct Rejected {
    pub(crate) id: String,
    pub(crate) origin: String,
    pub(crate) body: Vec<u8>,
    pub(crate) report: Report,
}

impl Inbox {
    pub(crate) const fn new(receiver: mpsc::Receiver<Announcement>) -> Self {
        Self { receiver, open: Vec::new() }
    }

    /// Waits for an announcement. Pending for ever where none can come, or no more may be held.
    pub(crate) async fn wait(&mut self, location: &Location) {
        if self.open.len() >= limits::ANNOUNCED_MAX {
            return std::future::pending().await;
        }
        match self.receiver.recv().await {
            Some(announcement) => self.take(announcement, location),
            None => std::future::pending().await,
        }
    }

    /// Takes in all that came.
    pub(crate) fn drain(&mut self, location: &Location) {
        while self.open.len() < limits::ANNOUNCED_MAX
            && let Ok(announcement) = self.receiver.try_recv()
        {
            self.take(announcement, location);
        }
    }

    fn take(&mut self, announcement: Announcement, location: &Location) {
        let mut open = Open { announcement, left: Vec::new(), rejects: Vec::new() };
        open.begin(location);
        self.open.push(open);
    }

    /// Begins anew with all: what was not committed never happened.
    pub(crate) fn start_over(&mut self, location: &Location) {
        for open in &mut self.open {
            open.begin(location);
        }
    }

    /// How many are held.
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    /// The names that are to be looked at now.
    pub(crate) fn due(&self, now: Duration) -> Vec<String> {
        let all = self.open.iter().flat_map(|open| &open.left);
        let mut names: Vec<String> =
            all.filter(|left| left.next <= now).map(|left| left.name.clone()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// When the next name is to be looked at.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.open.iter().flat_map(|open| &open.left).map(|left| left.next).min()
    }

    /// Takes in what a look at names found. Answers what is to be told.
    pub(crate) fn heard(
        &mut self,
        names: &[String],
        heard: &[Heard],
        location: &Location,
        now: Duration,
    ) -> Vec<Report> {
        let mut told = Vec::new();
        for open in &mut self.open {
            let Open { left, rejects, .. } = open;
            left.retain_mut(|left| {
                let found = names.binary_search(&left.name).ok().and_then(|at| heard.get(at));
                let Some(found) = found else { return true };
                left.look_again(now);
                let object = format!("{}/{}", location.address(), left.name);
                match found {
                    // What is read counts once it is committed.
                    Heard::Waiting | Heard::Read | Heard::Unknown(_) => true,
                    Heard::Left => false,
                    Heard::Gone => {
                        told.push(Problem::from(AnnounceError::Gone { object }).report());
                        false
                    }
                    Heard::Refused(_) if !left.is_refused_for_good() => true,
                    Heard::Refused(reason) => {
                        let reason = reason.clone();
                        let error = AnnounceError::Unreadable { object, reason };
                        rejects.push(Problem::from(error).report());
                        false
                    }
                }
            });
        }
        told
    }

    /// What is to be kept in the quarantine, each once.
    pub(crate) fn rejected(&mut self) -> Vec<Rejected> {
        let mut all = Vec::new();
        for open in &mut self.open {
            for (number, report) in open.rejects.drain(..).enumerate() {
                let Announcement { id, origin, body, .. } = &open.announcement;
                // The time is no part of it: delivered twice, it has the same id twice.
                let id = format!("{id}/{}/{number}", report.code);
                all.push(Rejected { id, origin: origin.clone(), body: body.to_vec(), report });
            }
        }
        all
    }

    /// Everything read so far is committed: answers those of which nothing is left.
    pub(crate) fn settle(&mut self, is_read: impl Fn(&str) -> bool) {
        let mut open = Vec::with_capacity(self.open.len());
        for mut one in std::mem::take(&mut self.open) {
            one.left.retain(|left| !is_read(&left.name));
            if one.left.is_empty() && one.rejects.is_empty() {
                one.announcement.settle();
            } else {
                open.push(one);
            }
        }
        self.open = open;
    }
}

impl Open {
    fn begin(&mut self, location: &Location) {
        (self.left, self.rejects) = (Vec::new(), Vec::new());
        let error = match &self.announcement.says {
            Ok(named) => {
                for one in named {
                    match location.name_below(&one.bucket, &one.key) {
                        Some(name) => self.left.push(Left::new(name)),
                        None => {
                            let error = AnnounceError::Elsewhere {
                                object: format!("{}/{}", one.bucket, one.key),
                                location: location.address().to_owned(),
                            };
                            self.rejects.push(Problem::from(error).report());
                        }
                    }
                }
                return;
            }
            Err(reason) => AnnounceError::Malformed {
                origin: self.announcement.origin.clone(),
                reason: reason.clone(),
            },
        };
        self.rejects.push(Problem::from(error).report());
    }
}

impl Left {
    const fn new(name: String) -> Self {
        Self { name, looks: 0, refusals: 0, next: Duration::ZERO }
    }

    /// Counts a refusal.
    const fn is_refused_for_good(&mut self) -> bool {
        self.refusals = self.refusals.saturating_add(1);
        self.refusals >= limits::ANNOUNCED_TRIES_MAX
    }

    fn look_again(&mut self, now: Duration) {
        let pause = Duration::from_secs(1_u64 << self.looks.min(6)).min(PAUSE_MAX);
        self.looks = self.looks.saturating_add(1);
        self.next = now + pause;
    }
}
