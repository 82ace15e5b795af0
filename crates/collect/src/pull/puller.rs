//! One pull at work: windows, pages, what is new, and how far it is.
//!
//! # Promise
//!
//! Every event that the API shows within the overlap comes out once, whatever crashes: what was taken
//! and how far the pull is are one checkpoint, which is stored in one step with the events. The time
//! up to which everything was pulled moves once a window's last page was taken, never before: an API
//! that shows its latest events first is begun anew after a crash, and what was stored is dropped by
//! its id.
//!
//! It does not wait: a server that asks for a pause makes [`Puller::step`] fail with the time to wait,
//! and the next step asks for the same page again.

use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use base::{Clock, Problem, Report, Timestamp, limits};

use super::{
    EventKey, PullError,
    api::{Ask, Batch, Found, Item, Next, Page, PullApi},
    checkpoint::{Place, Places, Restored, Seen, Tag, learn, read_places, write, write_places},
    spec::TimeForm,
};
use crate::hex::hex;

/// How an API is asked, whoever asks it.
#[derive(Debug, Clone)]
pub struct PullPlan {
    /// The pull's name.
    pub name: String,
    /// Its partitions; one without a name where it has none. Those that the API names, where it is asked
    /// for them, as far as they are known.
    pub partitions: Vec<String>,
    /// How the API is asked for its partitions; `None`: it is not.
    pub listing: Option<PullListing>,
    /// How far back the first round goes.
    pub begin: Duration,
    /// How far behind now a window ends.
    pub lag: Duration,
    /// How much of what was read is asked for again.
    pub overlap: Duration,
    /// How long a window is at most.
    pub window_max: Duration,
    /// How far back the API goes; `None`: as far as anybody asks.
    pub kept: Option<Duration>,
    /// The token of the last page is kept from round to round.
    pub is_cursor: bool,
    /// The pages go on into the past.
    pub is_newest_first: bool,
    /// All that came before it was asked was shown, though requests say no end.
    pub is_by_arrival: bool,
    /// A page may begin with the last records of the one before.
    pub is_keyset: bool,
    /// Requests say where a window begins.
    pub has_from: bool,
    /// Requests say where a window ends.
    pub has_to: bool,
    /// The names of the fields that an event's id is made of, inside one another; empty: there is none.
    pub ids: Vec<Vec<String>>,
    pub(super) form: TimeForm,
}

/// How an API is asked for its partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PullListing {
    /// How often.
    pub every: Duration,
    /// For how long the place of a partition is kept that is no longer named.
    pub kept: Duration,
}

/// A record that is new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fresh {
    /// What tells it from others.
    pub key: EventKey,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// New records that came together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The name of what they came in: the same for the same records, however often they are pulled.
    pub object: String,
    /// The line that names their columns, where they are CSV.
    pub header: Option<Vec<u8>>,
    /// The records.
    pub records: Vec<Fresh>,
    /// How many more came that are known already.
    pub repeats: usize,
}

/// What a step brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Records, or none: to be dealt with, and answered with [`Puller::took`].
    Piece(Piece),
    /// A window has come to its end.
    Window,
    /// The round is over.
    Idle,
}

/// A stretch of time of a partition, to be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Window {
    partition: usize,
    from: Timestamp,
    to: Timestamp,
}

/// What a round asks for, before it is cut into windows.
#[derive(Debug, Clone, Copy)]
enum Round {
    /// From where each partition is; those that have no place yet begin with `first`.
    Until { first: Timestamp, end: Timestamp },
    /// A range that is asked for again.
    Range { from: Timestamp, to: Timestamp },
}

/// A window under way.
#[derive(Debug)]
struct Chain {
    window: Window,
    next: Option<Next>,
    items: VecDeque<Item>,
    /// The last page was seen.
    is_last: bool,
    /// The server keeps the place in the pages itself: a page that got lost does not come again.
    is_kept_there: bool,
    pages: u64,
    restarts: u32,
    time_max: Option<Timestamp>,
    /// How often a record without an id came: two that are alike are two events.
    alike: HashMap<EventKey, u32>,
}

/// What is owed once a piece was taken.
#[derive(Debug, Default)]
struct Owed {
    keys: Vec<EventKey>,
    taken: usize,
    item: Option<EventKey>,
    cursor: Option<String>,
}

/// One pull at work.
#[derive(Debug)]
pub struct Puller {
    api: Box<dyn PullApi>,
    plan: PullPlan,
    clock: Arc<dyn Clock>,
    places: Places,
    seen: Seen,
    /// What is stored of a range that is filled again.
    known: HashSet<EventKey>,
    /// A round that waits for the partitions.
    waiting: Option<Round>,
    /// The partitions that the API named last, and when.
    listed: Option<(Timestamp, BTreeSet<String>)>,
    windows: VecDeque<Window>,
    chain: Option<Chain>,
    owed: Owed,
    prepared: BTreeSet<usize>,
    /// A range is filled again: how far the pull is does not change.
    is_range: bool,
    notices: Vec<Report>,
    /// The day on which the end of the credential was told.
    told_end: Option<base::Day>,
}

impl Puller {
    /// One that has pulled nothing yet.
    #[must_use]
    pub fn new(api: Box<dyn PullApi>, plan: PullPlan, clock: Arc<dyn Clock>) -> Self {
        Self {
            api,
            plan,
            clock,
            places: Places::default(),
            seen: Seen::default(),
            known: HashSet::new(),
            waiting: None,
            listed: None,
            windows: VecDeque::new(),
            chain: None,
            owed: Owed::default(),
            prepared: BTreeSet::new(),
            is_range: false,
            notices: Vec::new(),
            told_end: None,
        }
    }

    /// How it asks.
    #[must_use]
    pub const fn plan(&self) -> &PullPlan {
        &self.plan
    }

    /// From when on it has pulled.
    #[must_use]
    pub const fn began(&self) -> Option<Timestamp> {
        self.places.began
    }

    /// Goes back to what is stored. Nothing of a round under way is left.
    pub fn restore(&mut self, restoring: Restoring) {
        let Restored { places, seen, partitions, .. } = restoring.0;
        (self.places, self.seen, self.plan.partitions) = (places, seen, partitions);
        self.reset();
    }

    /// Goes back to where nothing is stored.
    pub fn restore_nothing(&mut self) {
        (self.places, self.seen) = (Places::default(), Seen::default());
        self.reset();
    }

    fn reset(&mut self) {
        self.waiting = None;
        self.windows.clear();
        (self.chain, self.owed) = (None, Owed::default());
    }

    /// Takes over how far it came without finding anything, as [`Self::places`] wrote it.
    ///
    /// # Errors
    /// [`PullError::Checkpoint`] if it can't be read.
    pub fn restore_places(&mut self, text: &str) -> Result<(), PullError> {
        self.places = read_places(&self.plan.name, text)?;
        if self.plan.listing.is_some() {
            learn(&mut self.plan.partitions, &self.places);
        }
        Ok(())
    }

    /// How far it is, in JSON, to be stored in one step with what was taken. `whole`: with every id, so
    /// that no earlier checkpoint is needed.
    #[must_use]
    pub fn checkpoint(&self, whole: bool) -> String {
        write(&self.places, &self.seen, &self.plan.partitions, whole)
    }

    /// The checkpoint is stored.
    pub fn stored(&mut self) {
        self.seen.stored();
    }

    /// How far it is, without ids: right for as long as nothing more was stored.
    #[must_use]
    pub fn places(&self) -> String {
        write_places(&self.places)
    }

    /// What people should hear of since the last time.
    pub fn notices(&mut self) -> Vec<Report> {
        std::mem::take(&mut self.notices)
    }

    fn notice(&mut self, error: PullError) {
        self.notices.push(Problem::from(error).report());
    }

    /// Begins a round: plans the windows up to now.
    pub fn begin_round(&mut self) {
        let now = self.clock.now();
        self.begin_until(now.minus(self.plan.begin), now.minus(self.plan.lag));
    }

    /// Begins the first round with a time that somebody chose, or any round that ends earlier than now.
    pub fn begin_until(&mut self, first: Timestamp, end: Timestamp) {
        self.reset();
        self.is_range = false;
        let now = self.clock.now();
        let end = self.plan.form.floor(end.min(now.minus(self.plan.lag)));
        let first = self.plan.form.floor(first);
        self.places.began = self.places.began.or(Some(first));
        self.plan_round(Round::Until { first, end });
        self.tell_of_credential(now);
    }

    /// Cuts a round into windows, or makes it wait for the partitions.
    fn plan_round(&mut self, round: Round) {
        let now = self.clock.now();
        let is_due = self.plan.listing.is_some_and(|listing| {
            self.listed.as_ref().is_none_or(|(at, _)| at.plus(listing.every) <= now)
        });
        if is_due {
            self.waiting = Some(round);
        } else {
            self.plan_known(round);
        }
    }

    fn plan_known(&mut self, round: Round) {
        match round {
            Round::Until { first, end } => self.plan_until(first, end),
            Round::Range { from, to } => self.plan_range(from, to),
        }
    }

    fn plan_until(&mut self, first: Timestamp, end: Timestamp) {
        let now = self.clock.now();
        for partition in self.asked() {
            let place = self.place(partition);
            let through = place.map(|place| place.through);
            let from = through.map_or(first, |through| through.minus(self.plan.overlap));
            let from = self.within_kept(from, through, now);
            if self.plan.is_cursor || !self.plan.has_to {
                // One chain, however long: it can't be cut by time.
                self.windows.push_back(Window { partition, from, to: end.max(from) });
            } else if through.is_none_or(|through| through < end) {
                self.plan_windows(partition, from, end);
            }
        }
    }

    /// Begins with a range that is asked for again, up to where the pull is at most: `known` has the keys
    /// of what is stored of it.
    pub fn begin_range(&mut self, from: Timestamp, to: Timestamp, known: HashSet<EventKey>) {
        self.reset();
        (self.is_range, self.known) = (true, known);
        self.plan_round(Round::Range { from: self.plan.form.floor(from), to });
    }

    fn plan_range(&mut self, from: Timestamp, to: Timestamp) {
        let form = self.plan.form;
        for partition in self.asked() {
            let through = self.place(partition).map_or(to, |place| place.through);
            let to = form.floor(to.min(through));
            if self.plan.is_cursor || !self.plan.has_to {
                self.windows.push_back(Window { partition, from, to: to.max(from) });
            } else {
                self.plan_windows(partition, from, to);
            }
        }
    }

    fn plan_windows(&mut self, partition: usize, from: Timestamp, end: Timestamp) {
        let mut from = from;
        while from < end {
            let to = self.plan.form.floor(from.plus(self.plan.window_max)).min(end);
            // A form that can't tell them apart would ask for ever.
            let to = if to > from { to } else { end };
            self.windows.push_back(Window { partition, from, to });
            from = to;
        }
    }

    /// The earliest time that may be asked for. Tells of what is no longer there.
    fn within_kept(
        &mut self,
        from: Timestamp,
        through: Option<Timestamp>,
        now: Timestamp,
    ) -> Timestamp {
        let Some(kept) = self.plan.kept else { return from };
        let earliest = now.minus(kept);
        if let Some(through) = through.filter(|through| *through < earliest) {
            self.notice(PullError::Gone {
                name: self.plan.name.clone(),
                from: through.to_string(),
                to: earliest.to_string(),
            });
        }
        from.max(earliest)
    }

    /// See [`PullApi::renewed`].
    pub fn renewed(&mut self) -> Option<String> {
        self.api.renewed()
    }

    /// See [`PullApi::restore_renewed`].
    pub fn restore_renewed(&mut self, sealed: &str) {
        self.api.restore_renewed(sealed);
    }

    /// When the credential ends, if the server said so.
    #[must_use]
    pub fn credential_ends(&self) -> Option<Timestamp> {
        self.api.checked().credential_ends
    }

    fn tell_of_credential(&mut self, now: Timestamp) {
        let Some(ends) = self.api.checked().credential_ends else { return };
        let soon = Duration::from_secs(limits::PULL_CREDENTIAL_DAYS_LEFT * 86_400);
        if ends.minus(soon) > now || self.told_end == Some(now.day()) {
            return;
        }
        self.told_end = Some(now.day());
        let name = self.plan.name.clone();
        self.notice(PullError::CredentialEnds { name, ends: ends.to_string() });
    }

    /// The partitions that are asked: those that were named last. Until the API has answered, those that had
    /// been named last when their places were stored.
    fn asked(&self) -> Vec<usize> {
        let latest = self.places.partitions.values().map(|place| place.listed).max().flatten();
        let is_asked = |name: &String| match (&self.plan.listing, &self.listed) {
            (None, _) => true,
            (Some(_), Some((_, names))) => names.contains(name),
            (Some(_), None) => {
                self.places.partitions.get(name).is_some_and(|place| place.listed == latest)
            }
        };
        let all = self.plan.partitions.iter().enumerate();
        all.filter(|(_, name)| is_asked(name)).map(|(partition, _)| partition).collect()
    }

    /// Takes over which partitions there are. One that is gone keeps its place for a while: should it come back,
    /// it goes on from there.
    fn take_list(&mut self, found: Vec<String>, kept: Duration) {
        let now = self.clock.now();
        let (mut names, mut left_out) = (BTreeSet::new(), 0);
        for name in found {
            let is_name = !name.is_empty()
                && name.len() <= limits::PULL_PARTITION_BYTES_MAX
                && !name.contains(char::is_control);
            if is_name {
                names.insert(name);
            } else {
                left_out += 1;
            }
        }
        while names.len() > limits::PULL_PARTITIONS_MAX {
            names.pop_last();
            left_out += 1;
        }
        if left_out > 0 {
            let (name, asked) = (self.plan.name.clone(), names.len());
            self.notice(PullError::Partitions { name, asked, left_out });
        }
        for (name, place) in &mut self.places.partitions {
            if names.contains(name) || place.listed.is_none() {
                place.listed = Some(now);
            }
        }
        self.places
            .partitions
            .retain(|_, place| place.listed.is_some_and(|listed| listed.plus(kept) >= now));
        for name in &names {
            if !self.plan.partitions.contains(name) {
                self.add_partition(name, &names);
            }
        }
        self.listed = Some((now, names));
    }

    /// Gives a new partition a number: that of one that is forgotten, or the next.
    fn add_partition(&mut self, name: &str, named: &BTreeSet<String>) {
        let places = &self.places.partitions;
        let is_free = |own: &String| !named.contains(own) && !places.contains_key(own);
        let free = self.plan.partitions.iter().position(is_free);
        match free.and_then(|free| Some((free, self.plan.partitions.get_mut(free)?))) {
            Some((free, own)) => {
                name.clone_into(own);
                self.seen.forget_partition(free);
                self.prepared.remove(&free);
            }
            None => self.plan.partitions.push(name.to_owned()),
        }
    }

    /// The place of a partition, which it gets if it has none.
    fn place_mut(&mut self, partition: usize) -> &mut Place {
        let name = self.name_of(partition).to_owned();
        let place = self.places.partitions.entry(name).or_default();
        place.listed = place.listed.or(self.listed.as_ref().map(|(at, _)| *at));
        place
    }

    fn name_of(&self, partition: usize) -> &str {
        self.plan.partitions.get(partition).map_or("", String::as_str)
    }

    fn place(&self, partition: usize) -> Option<&super::checkpoint::Place> {
        self.places.partitions.get(self.name_of(partition))
    }

    /// Asks for the next page or item. What came is to be dealt with before the next step.
    ///
    /// # Errors
    /// See [`PullError`]. Where [`PullError::wait`] names a time, the next step tries the same again; else
    /// [`Self::give_up`] goes on with the other partitions.
    pub async fn step(&mut self) -> Result<Step, PullError> {
        loop {
            if let (Some(round), Some(listing)) = (self.waiting, self.plan.listing) {
                let names = self.api.partitions().await?;
                self.waiting = None;
                self.take_list(names, listing.kept);
                self.plan_known(round);
            }
            let Some(chain) = &self.chain else {
                let Some(window) = self.windows.pop_front() else { return Ok(Step::Idle) };
                self.begin(window);
                continue;
            };
            let partition = chain.window.partition;
            let (has_items, is_last) = (!chain.items.is_empty(), chain.is_last);
            if !self.prepared.contains(&partition) {
                let name = self.plan.partitions.get(partition).cloned().unwrap_or_default();
                self.api.prepare(&name).await?;
                self.prepared.insert(partition);
            }
            if has_items {
                if let Some(piece) = self.item().await? {
                    return Ok(Step::Piece(piece));
                }
            } else if is_last {
                self.end();
                return Ok(Step::Window);
            } else if let Some(piece) = self.page().await? {
                return Ok(Step::Piece(piece));
            }
        }
    }

    fn begin(&mut self, window: Window) {
        let cursor = self.place(window.partition).and_then(|place| place.cursor.clone());
        let next = cursor.filter(|_| self.plan.is_cursor && !self.is_range).map(Next::Token);
        self.chain = Some(Chain {
            window,
            next,
            items: VecDeque::new(),
            is_last: false,
            is_kept_there: false,
            pages: 0,
            restarts: 0,
            time_max: None,
            alike: HashMap::new(),
        });
    }

    async fn page(&mut self) -> Result<Option<Piece>, PullError> {
        let Some(chain) = &mut self.chain else { return Ok(None) };
        let partition = self.plan.partitions.get(chain.window.partition);
        let partition = partition.map_or("", String::as_str);
        let Window { from, to, .. } = chain.window;
        let ask = Ask { partition, from, to, next: chain.next.as_ref() };
        match self.api.page(ask).await {
            Ok(page) => self.take_page(page).map(Some),
            Err(expired @ PullError::Expired { .. }) => self.restart(expired).map(|()| None),
            Err(error) => {
                // From the beginning: what was taken is dropped by its id.
                let is_lost =
                    matches!(error, PullError::NoAnswer { .. } | PullError::Broken { .. });
                if let Some(chain) = self.chain.as_mut().filter(|own| own.is_kept_there && is_lost)
                {
                    (chain.next, chain.is_kept_there) = (None, false);
                    chain.alike.clear();
                }
                Err(error)
            }
        }
    }

    /// Begins the window anew, as its pages are no longer known. What was taken is dropped by its id.
    fn restart(&mut self, expired: PullError) -> Result<(), PullError> {
        let Some(chain) = &mut self.chain else { return Err(expired) };
        chain.restarts += 1;
        if chain.next.is_none() || chain.restarts > limits::PULL_RESTARTS_MAX {
            return Err(expired);
        }
        (chain.next, chain.is_last, chain.pages) = (None, false, 0);
        chain.items.clear();
        chain.alike.clear();
        let partition = chain.window.partition;
        let name = self.name_of(partition).to_owned();
        if let Some(place) = self.places.partitions.get_mut(&name) {
            place.cursor = None;
        }
        self.notice(expired);
        Ok(())
    }

    fn take_page(&mut self, page: Page) -> Result<Piece, PullError> {
        let (is_newest_first, has_from) = (self.plan.is_newest_first, self.plan.has_from);
        let name = self.plan.name.clone();
        let Some(chain) = &mut self.chain else {
            return Ok(self.piece(page.batch, None, page.cursor));
        };
        chain.pages += 1;
        if chain.pages > limits::PULL_PAGES_MAX {
            let reason = format!("more than {} of them", limits::PULL_PAGES_MAX);
            return Err(PullError::Endless { request: name, reason });
        }
        let Page { mut batch, items, next, cursor } = page;
        let from = chain.window.from;
        let is_old = |found: &Found| found.time.is_some_and(|time| time < from);
        let is_past = is_newest_first
            && !has_from
            && !batch.records.is_empty()
            && batch.records.iter().all(is_old);
        chain.is_last = next.is_none() || is_past;
        chain.is_kept_there |= next.is_some() && next == chain.next;
        if next.is_some() {
            chain.next = next;
        }
        chain.items = items.into();
        if self.plan.is_keyset {
            // What is alike has one key to it, and comes again as a whole.
            chain.alike.clear();
        }
        if !has_from {
            batch.records.retain(|found| !is_old(found));
        }
        // What comes after a range is not its business: the next round brings it.
        if self.is_range && !self.plan.has_to {
            let to = chain.window.to;
            batch.records.retain(|found| found.time.is_none_or(|time| time < to));
        }
        Ok(self.piece(batch, None, cursor))
    }

    async fn item(&mut self) -> Result<Option<Piece>, PullError> {
        let Some(chain) = &mut self.chain else { return Ok(None) };
        let Some(item) = chain.items.front() else { return Ok(None) };
        let key = EventKey::of("item", item.id.as_bytes());
        if self.seen.has(&key) || self.known.contains(&key) {
            chain.items.pop_front();
            return Ok(None);
        }
        let partition = self.plan.partitions.get(chain.window.partition);
        let partition = partition.map_or("", String::as_str);
        let Window { from, to, .. } = chain.window;
        let fetched = self.api.fetch(Ask { partition, from, to, next: None }, item).await;
        let batch = match fetched {
            Ok(batch) => batch,
            // It is listed and gone: what follows must not wait for it for ever.
            Err(error @ PullError::Refused { status: 404 | 410, .. }) => {
                self.notice(error);
                Batch::default()
            }
            Err(error) => return Err(error),
        };
        if let Some(chain) = &mut self.chain {
            chain.items.pop_front();
        }
        Ok(Some(self.piece(batch, Some(key), None)))
    }

    /// What is new of a batch.
    fn piece(&mut self, batch: Batch, item: Option<EventKey>, cursor: Option<String>) -> Piece {
        let total = batch.records.len();
        let mut own = HashSet::new();
        let mut records = Vec::new();
        for found in batch.records {
            let key = self.key(&found, item);
            if let Some(chain) = &mut self.chain {
                chain.time_max = chain.time_max.max(found.time);
            }
            if self.seen.has(&key) || self.known.contains(&key) || !own.insert(key) {
                continue;
            }
            records.push(Fresh { key, bytes: found.bytes });
        }
        let keys: Vec<_> = records.iter().map(|fresh| fresh.key).collect();
        let bytes: Vec<u8> = keys.iter().flat_map(|key| *key.bytes()).collect();
        let content = EventKey::of("piece", &bytes);
        let partition = self.chain.as_ref().map_or(0, |chain| chain.window.partition);
        let partition = self.name_of(partition);
        let between = if partition.is_empty() { "" } else { "/" };
        let object = format!("{}/{partition}{between}{}", self.plan.name, hex(content.bytes()));
        let repeats = total - records.len();
        self.owed = Owed { keys, taken: 0, item, cursor };
        Piece { object, header: batch.header, records, repeats }
    }

    fn key(&mut self, found: &Found, item: Option<EventKey>) -> EventKey {
        if let Some(id) = &found.id {
            return EventKey::of("id", id.as_bytes());
        }
        let mut bytes = found.bytes.clone();
        // The rows of one file are told from those of another.
        bytes.extend(item.iter().flat_map(|item| *item.bytes()));
        let whole = EventKey::of("record", &bytes);
        let Some(chain) = &mut self.chain else { return whole };
        let before = chain.alike.entry(whole).or_default();
        *before += 1;
        if *before == 1 {
            return whole;
        }
        bytes.extend(before.to_le_bytes());
        EventKey::of("alike", &bytes)
    }

    /// The first so many records of the last piece are part of what the next checkpoint is stored with;
    /// called again with more, up to all of them. Once it is all of them, the place in the pages moves.
    pub fn took(&mut self, count: usize) {
        let Some(chain) = &self.chain else { return };
        // Where no end was asked for, there is what came to be while the pages were read.
        let is_bounded = self.plan.has_to && !self.plan.is_cursor;
        let now = if is_bounded { Timestamp::MIN } else { self.clock.now() };
        let tag = Tag { partition: chain.window.partition, until: chain.window.to.max(now) };
        let new = self.owed.keys.iter().take(count).skip(self.owed.taken);
        for key in new {
            self.seen.insert(*key, tag);
        }
        self.owed.taken = self.owed.taken.max(count);
        if count < self.owed.keys.len() {
            return;
        }
        let owed = std::mem::take(&mut self.owed);
        if let Some(item) = owed.item {
            self.seen.insert(item, tag);
        }
        if let Some(cursor) = owed.cursor.filter(|_| !self.is_range) {
            let from = chain.window.from;
            let place = self.place_mut(tag.partition);
            if place.through == Timestamp::default() {
                place.through = from;
            }
            place.cursor = Some(cursor);
        }
    }

    /// The window's last page was taken: everything up to its end is pulled.
    fn end(&mut self) {
        let Some(chain) = self.chain.take() else { return };
        if self.is_range {
            return;
        }
        let Window { partition, from, to } = chain.window;
        let through = if self.plan.has_to || self.plan.is_cursor || self.plan.is_by_arrival {
            to
        } else {
            // The server decides where it ends. A clock that is ahead must not make us skip anything.
            chain.time_max.map_or(from, |time| time.min(to))
        };
        let place = self.place_mut(partition);
        place.through = place.through.max(through);
        let slack = self.plan.overlap + Duration::from_secs(1);
        let asked = self.asked();
        let needed: Vec<_> = (0..self.plan.partitions.len())
            .map(|partition| {
                // Later windows begin there or later.
                let reach = |through: Timestamp| self.plan.form.reach(through.minus(slack));
                match self.place(partition) {
                    Some(place) => reach(place.through),
                    None if asked.contains(&partition) => Timestamp::MIN,
                    // Gone, and its place with it.
                    None => Timestamp::MAX,
                }
            })
            .collect();
        self.seen.forget(&needed);
        if std::mem::take(&mut self.seen.is_over) {
            self.notice(PullError::TooManyIds { name: self.plan.name.clone() });
        }
    }

    /// Leaves the rest of the partition at hand for the next round.
    pub fn give_up(&mut self) {
        // The partitions that are known go on; the next round asks for them again.
        if let Some(round) = self.waiting.take() {
            self.plan_known(round);
            return;
        }
        let Some(chain) = self.chain.take() else { return };
        self.owed = Owed::default();
        self.windows.retain(|window| window.partition != chain.window.partition);
    }

    /// The range is filled: remembers from when on there is something.
    pub fn end_range(&mut self, from: Timestamp) {
        (self.is_range, self.known) = (false, HashSet::new());
        self.places.began = self.places.began.map(|began| began.min(from));
    }
}

/// Checkpoints on their way back into a pull.
#[derive(Debug)]
pub struct Restoring(Restored);

impl Restoring {
    /// Begins with the checkpoint of the last batch.
    ///
    /// # Errors
    /// [`PullError::Checkpoint`] if it can't be read.
    pub fn new(plan: &PullPlan, text: &str) -> Result<Self, PullError> {
        Restored::new(&plan.name, text, &plan.partitions, plan.listing.is_some()).map(Self)
    }

    /// Whether the checkpoint of the batch before is needed.
    #[must_use]
    pub const fn is_partial(&self) -> bool {
        self.0.is_partial
    }

    /// Takes the checkpoint of the batch before.
    ///
    /// # Errors
    /// [`PullError::Checkpoint`] if it can't be read.
    pub fn earlier(&mut self, plan: &PullPlan, text: &str) -> Result<(), PullError> {
        self.0.earlier(&plan.name, text)
    }
}
