//! Every pull that comes with dab, against a server that behaves as its vendor's: whatever is late,
//! throttled, broken or forgotten there, and however often we crash, each event is stored exactly once.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that can't go on is to stop there"
)]

#[path = "pull/vendors.rs"]
mod vendors;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use base::{Clock, FixedClock, HttpExchange, HttpFailure, HttpReply, HttpRequest, Timestamp};
use dab_collect::{
    EventKey, Piece, PullChoices, PullDefinition, PullError, PullSecret, PullValue, Puller,
    Restoring, Step, shipped_pulls,
};

use vendors::{Chance, Event, KEY, Request, SECRET, Server, Vendor};

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;

/// When the stories begin.
fn start() -> Timestamp {
    Timestamp::parse("2026-11-20T10:00:00Z").unwrap()
}

/// The vendor, without a network between.
#[derive(Debug)]
struct Direct {
    server: Mutex<Server>,
    clock: Arc<FixedClock>,
    /// One in so many answers is lost on its way.
    lost: u64,
    chance: Mutex<Chance>,
}

#[async_trait]
impl HttpExchange for Direct {
    async fn exchange(&self, request: HttpRequest<'_>) -> Result<HttpReply, HttpFailure> {
        self.clock.advance(Duration::from_millis(700));
        let HttpRequest { method, url, headers, body, .. } = request;
        let request = Request::new(method, url, headers, body);
        let reply = self.server.lock().unwrap().answer(&request, self.clock.now());
        if self.chance.lock().unwrap().one_in(self.lost) {
            return Err(HttpFailure::Broken("in the middle".into()));
        }
        Ok(HttpReply { status: reply.status, headers: reply.headers, body: reply.body })
    }
}

/// What differs from vendor to vendor.
struct Case {
    vendor: Vendor,
    pull: &'static str,
    partitions: &'static [&'static str],
    events: u64,
    /// How late an event may become visible.
    late_seconds_max: u64,
    /// Whether the vendor gives no ids, so that two events may be alike in every way.
    has_twins: bool,
}

fn case(vendor: Vendor, pull: &'static str) -> Case {
    let late_seconds_max = 50 * MINUTE;
    Case { vendor, pull, partitions: &[], events: 120, late_seconds_max, has_twins: false }
}

fn cases() -> Vec<Case> {
    let partitions = |values, vendor, pull| Case { partitions: values, ..case(vendor, pull) };
    vec![
        case(Vendor::Okta, "okta"),
        Case {
            late_seconds_max: 3 * HOUR,
            ..partitions(&["login", "admin"], Vendor::Google, "google_workspace")
        },
        case(Vendor::Github, "github_audit"),
        case(Vendor::Slack, "slack_audit"),
        case(Vendor::OnePassword, "onepassword"),
        Case { events: 1300, ..case(Vendor::Cloudflare, "cloudflare_audit") },
        case(Vendor::DuoAuthentication, "duo_authentication"),
        Case {
            events: 1400,
            has_twins: true,
            ..case(Vendor::DuoAdministrators, "duo_administrators")
        },
        partitions(&["Audit.General", "Audit.Exchange"], Vendor::M365, "m365"),
        case(Vendor::Graph, "microsoft_graph_sign_ins"),
        Case { events: 1300, late_seconds_max: 20 * HOUR, ..case(Vendor::Misp, "misp") },
        Case { late_seconds_max: 20 * HOUR, ..case(Vendor::Salesforce, "salesforce_events") },
        Case { late_seconds_max: 20 * HOUR, ..case(Vendor::Taxii, "taxii") },
        Case { has_twins: true, ..case(Vendor::Zoom, "zoom_operations") },
        case(Vendor::Atlassian, "atlassian"),
    ]
}

fn values(definition: &PullDefinition) -> BTreeMap<String, PullValue> {
    let account = serde_json::json!({
        "type": "service_account",
        "client_email": "robot@acme.iam.gserviceaccount.com",
        "private_key": KEY,
        "private_key_id": "k1",
        "token_uri": "http://127.0.0.1:1/token",
    });
    let plain = |text: &str| PullValue::Plain(text.to_owned());
    let secret = |text: &str| PullValue::Secret(PullSecret::new(text.to_owned()));
    let value = |name: &str| match name {
        "url" | "login" => plain("http://127.0.0.1:1"),
        "service_account" => secret(&account.to_string()),
        "token" | "client_secret" | "secret_key" | "password" | "key" => secret(SECRET),
        "admin" => plain("admin@acme.example"),
        "name" => plain("acme"),
        "account" | "account_id" => plain("acc"),
        "organization" => plain("org"),
        "tenant" => plain("tenant"),
        "user" => plain("robot"),
        "client_id" => plain("client"),
        "integration_key" => plain("ikey"),
        other => panic!("what is the input `{other}`?"),
    };
    let needed = definition
        .inputs()
        .filter(|input| input.default.is_none() || ["url", "login"].contains(&input.name.as_str()));
    needed.map(|input| (input.name.clone(), value(&input.name))).collect()
}

fn events(case: &Case, chance: &mut Chance, span: u64) -> Vec<Event> {
    let mut events = Vec::new();
    for n in 0..case.events {
        let micros = i64::try_from(chance.below(span * 1_000_000)).unwrap();
        let time = start().plus_micros(micros);
        let is_late = chance.one_in(4);
        let late = if is_late { chance.below(case.late_seconds_max) } else { chance.below(30) };
        let visible = time.plus(Duration::from_secs(late));
        let event = Event { n, id: 2 * n, time, visible };
        if case.has_twins && chance.one_in(8) {
            events.push(Event { id: 2 * n + 1, ..event.clone() });
        }
        events.push(event);
    }
    if !case.has_twins {
        // Ids one after another, so that partitions share them evenly.
        for event in &mut events {
            event.id = event.n;
        }
    }
    events
}

/// What outlives a crash.
#[derive(Default)]
struct Store {
    records: Vec<Vec<u8>>,
    checkpoints: Vec<String>,
    /// How far it is with nothing new since so many checkpoints.
    places: Option<(usize, String)>,
}

struct Run {
    case: Case,
    clock: Arc<FixedClock>,
    http: Arc<Direct>,
    chance: Chance,
    store: Store,
    puller: Puller,
    /// Taken, and not stored yet.
    pending: Vec<Vec<u8>>,
    crashes: u32,
    /// Why rounds were given up.
    given_up: Vec<String>,
}

impl Run {
    fn new(case: Case, seed: u64, faults: u64) -> Self {
        let mut chance = Chance(seed);
        let events = events(&case, &mut chance, 26 * HOUR);
        let clock = Arc::new(FixedClock::new(start().plus(Duration::from_secs(HOUR))));
        let http = Arc::new(Direct {
            server: Mutex::new(Server::new(case.vendor, events, faults, seed + 1)),
            clock: Arc::clone(&clock),
            lost: faults * 2,
            chance: Mutex::new(Chance(seed + 2)),
        });
        let puller = open(&case, &http, &clock);
        let (store, pending) = (Store::default(), Vec::new());
        Self { case, clock, http, chance, store, puller, pending, crashes: 0, given_up: Vec::new() }
    }

    /// As a process that begins: from what is stored.
    fn restore(&mut self) {
        self.puller = open(&self.case, &self.http, &self.clock);
        self.pending.clear();
        let mut back = self.store.checkpoints.iter().rev();
        let Some(last) = back.next() else { return };
        let plan = self.puller.plan().clone();
        let mut restoring = Restoring::new(&plan, last).unwrap();
        while restoring.is_partial() {
            restoring.earlier(&plan, back.next().unwrap()).unwrap();
        }
        self.puller.restore(restoring);
        if let Some((_, places)) =
            self.store.places.as_ref().filter(|(count, _)| *count == self.store.checkpoints.len())
        {
            self.puller.restore_places(places).unwrap();
        }
    }

    fn commit(&mut self) {
        let whole = self.store.checkpoints.len().is_multiple_of(8);
        self.store.records.append(&mut self.pending);
        self.store.checkpoints.push(self.puller.checkpoint(whole));
        self.puller.stored();
    }

    fn take(&mut self, piece: Piece, may_crash: bool) {
        let total = piece.records.len();
        let bytes: Vec<_> = piece.records.into_iter().map(|fresh| fresh.bytes).collect();
        if total > 1 && self.chance.one_in(5) {
            // A batch that is full in the middle of a page.
            let half = total / 2;
            self.pending.extend(bytes.iter().take(half).cloned());
            self.puller.took(half);
            self.commit();
            if may_crash && self.chance.one_in(2) {
                self.crash();
                return;
            }
            self.pending.extend(bytes.into_iter().skip(half));
        } else {
            self.pending.extend(bytes);
        }
        self.puller.took(total);
    }

    fn crash(&mut self) {
        self.crashes += 1;
        self.restore();
    }

    /// One round, with everything that may happen in it. Answers whether it came to its end.
    async fn round(&mut self, crash: u64) -> bool {
        self.puller.begin_round();
        let mut tries = 0;
        loop {
            if self.chance.one_in(crash) {
                self.crash();
                return false;
            }
            match self.puller.step().await {
                Ok(Step::Piece(piece)) => {
                    tries = 0;
                    let crashes = self.crashes;
                    self.take(piece, crash > 0);
                    if crashes != self.crashes {
                        return false;
                    }
                    if self.pending.len() > 10 && self.chance.one_in(2) {
                        self.commit();
                    }
                }
                Ok(Step::Window) => {}
                Ok(Step::Idle) => break,
                Err(error) => {
                    assert!(!matches!(error, PullError::Answer { .. }), "{error}");
                    let text = error.to_string();
                    assert!(!text.contains(SECRET) && !text.contains('?'), "{text}");
                    tries += 1;
                    match error.wait(tries).filter(|_| tries < 8) {
                        Some(wait) => self.clock.advance(wait),
                        None => {
                            self.given_up.push(text);
                            self.puller.give_up();
                            tries = 0;
                        }
                    }
                }
            }
        }
        if self.pending.is_empty() {
            let count = self.store.checkpoints.len();
            self.store.places = Some((count, self.puller.places()));
        } else {
            self.commit();
        }
        true
    }

    /// How often each event is stored.
    fn stored(&self) -> BTreeMap<u64, usize> {
        let mut counts = BTreeMap::new();
        for record in &self.store.records {
            let text = std::str::from_utf8(record).unwrap();
            let n = match serde_json::from_str::<serde_json::Value>(text) {
                Ok(json) => {
                    assert!(!text.contains('\n'), "one line: {text}");
                    json["n"].as_u64().unwrap()
                }
                // CSV, with the columns of either kind of file.
                Err(_) => {
                    let cells: Vec<_> =
                        text.split(',').map(|cell| cell.trim_matches('"')).collect();
                    let at = if cells[0] == "Login" { 2 } else { 0 };
                    cells[at].parse().unwrap()
                }
            };
            *counts.entry(n).or_default() += 1;
        }
        counts
    }

    fn expected(&self) -> BTreeMap<u64, usize> {
        let mut counts = BTreeMap::new();
        let server = self.http.server.lock().unwrap();
        for event in server.events() {
            let rows = if self.case.vendor == Vendor::Salesforce && event.id.is_multiple_of(2) {
                2
            } else {
                1
            };
            *counts.entry(event.n).or_default() += rows;
        }
        counts
    }
}

fn open(case: &Case, http: &Arc<Direct>, clock: &Arc<FixedClock>) -> Puller {
    let definition = PullDefinition::shipped(case.pull).unwrap();
    let choices = PullChoices {
        name: "p".to_owned(),
        values: values(&definition),
        partitions: case.partitions.iter().map(|&name| name.to_owned()).collect(),
        begin: Some(Duration::from_secs(3 * HOUR)),
        overlap: None,
    };
    let (api, plan) =
        definition.open(choices, Arc::clone(http) as _, Arc::clone(clock) as _).unwrap();
    Puller::new(api, plan, Arc::clone(clock) as _)
}

async fn exactly_once(case: Case, seed: u64, faults: u64, crash: u64) {
    let mut run = Run::new(case, seed, faults);
    // Until all that is late has been shown.
    let end = start().plus(Duration::from_secs(28 * HOUR + run.case.late_seconds_max));
    while run.clock.now() < end {
        run.round(crash).await;
        if !seed.is_multiple_of(2) && run.clock.now() < start().plus(Duration::from_secs(3 * HOUR))
        {
            // Nobody asks for most of a day: the next window is long, and has many pages.
            run.clock.advance(Duration::from_secs(19 * HOUR));
        }
        let pause = 10 * MINUTE + run.chance.below(30 * MINUTE);
        run.clock.advance(Duration::from_secs(pause));
    }
    while !run.round(0).await {}
    let (name, expected, stored) = (run.case.pull, run.expected(), run.stored());
    let wrong: Vec<_> = expected
        .iter()
        .filter(|(n, count)| stored.get(n) != Some(count))
        .map(|(n, count)| format!("{n}: {count} expected, {:?} stored", stored.get(n)))
        .collect();
    let some: Vec<_> = wrong.iter().take(5).collect();
    assert!(wrong.is_empty(), "{name}, seed {seed}: {some:#?} {:?}", run.given_up.last());
    assert!(faults > 0 || run.given_up.is_empty(), "{name}: {:?}", run.given_up);
    assert_eq!(expected.len(), stored.len(), "{name}, seed {seed}");
    let server = run.http.server.lock().unwrap();
    assert!(faults > 0 || server.complaints.is_empty(), "{name}: {:#?}", server.complaints);
    assert!(crash == 0 || run.crashes > 0, "{name}: {} crashes", run.crashes);
}

/// How many stories are played: `PULL_SEEDS` of the environment for a long look.
#[expect(clippy::disallowed_methods, reason = "whoever looks for longer says so there")]
fn seeds(default: u64) -> u64 {
    std::env::var("PULL_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[tokio::test]
async fn every_event_once_when_all_is_well() {
    for case in cases() {
        exactly_once(case, 7, 0, 0).await;
    }
}

#[tokio::test]
async fn every_event_once_whatever_the_servers_do() {
    for seed in 0..seeds(3) {
        for case in cases() {
            exactly_once(case, 100 + seed, 9, 0).await;
        }
    }
}

#[tokio::test]
async fn every_event_once_whatever_crashes() {
    for seed in 0..seeds(3) {
        for case in cases() {
            exactly_once(case, 200 + seed, 12, 25).await;
        }
    }
}

/// Each file that comes with dab is tried here.
#[test]
fn every_shipped_pull_has_a_vendor() {
    let mut tried: Vec<_> = cases().iter().map(|case| case.pull).collect();
    tried.sort_unstable();
    let shipped: Vec<_> = shipped_pulls().iter().map(|(name, _)| *name).collect();
    assert_eq!(tried, shipped);
}

/// What is stored already is not stored again, and how far the pull is stays as it was.
#[tokio::test]
async fn a_range_brings_what_is_missing_and_no_more() {
    for case in cases().into_iter().filter(|case| !case.has_twins) {
        let name = case.pull;
        let mut run = Run::new(case, 5, 0);
        run.clock.advance(Duration::from_secs(60 * HOUR));
        run.round(0).await;
        let (first, places) = (run.stored(), run.puller.places());
        let expected = run.expected();
        assert!(first.len() < expected.len(), "{name}: it began late");
        let known = first.keys().filter_map(|n| key(&run, *n)).collect();
        run.puller.begin_range(start(), run.clock.now(), known);
        loop {
            match run.puller.step().await.unwrap() {
                Step::Piece(piece) => run.take(piece, false),
                Step::Window => {}
                Step::Idle => break,
            }
        }
        run.commit();
        run.puller.end_range(start());
        if run.case.vendor == Vendor::Salesforce {
            // Its rows have no ids.
            continue;
        }
        assert_eq!(run.stored(), expected, "{name}");
        assert!(run.puller.places().contains("2026-11-20T10:00:00Z"), "{name}");
        let cut = |text: &str| text.split("partitions").nth(1).unwrap().to_owned();
        assert_eq!(cut(&run.puller.places()), cut(&places), "{name}");
        run.round(0).await;
        assert_eq!(run.stored(), expected, "{name}: a round after it");
    }
}

/// The key of an event as it is known from a table.
fn key(run: &Run, n: u64) -> Option<EventKey> {
    let paths = run.puller.plan().ids.clone();
    let record = run.store.records.iter().find_map(|record| {
        let json: serde_json::Value = serde_json::from_slice(record).ok()?;
        (json["n"] == n).then_some(json)
    })?;
    let part = |path: &Vec<String>| {
        let value = path.iter().fold(&record, |value, name| &value[name.as_str()]);
        value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
    };
    let parts: Vec<String> = paths.iter().map(part).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    Some(EventKey::of_id(&parts))
}

#[tokio::test]
async fn a_wrong_credential_is_said_in_clear_words() {
    let case = case(Vendor::Okta, "okta");
    let run = Run::new(case, 1, 0);
    let definition = PullDefinition::shipped("okta").unwrap();
    let mut values = values(&definition);
    let wrong = PullValue::Secret(PullSecret::new("another-secret".into()));
    values.insert("token".into(), wrong);
    let choices = PullChoices { name: "p".into(), values, ..PullChoices::default() };
    let (api, plan) =
        definition.open(choices, Arc::clone(&run.http) as _, Arc::clone(&run.clock) as _).unwrap();
    let mut puller = Puller::new(api, plan, Arc::clone(&run.clock) as _);
    puller.begin_round();
    let error = puller.step().await.unwrap_err();
    assert!(matches!(error, PullError::Forbidden { status: 401, .. }), "{error:?}");
    assert_eq!(
        base::Problem::from(error).to_string(),
        "error[DAB0355]: GET http://127.0.0.1:1/api/v1/logs: the server answered 401: \
         { \\\"error\\\": \\\"E0000011\\\" }\n  help: see that the credential is right and has not ended; \
         `dab pull check` tries it"
    );
}

#[tokio::test]
async fn a_credential_that_ends_is_told_of_once_a_day() {
    let mut run = Run::new(case(Vendor::Github, "github_audit"), 3, 0);
    run.round(0).await;
    run.round(0).await;
    let notices = run.puller.notices();
    assert_eq!(notices.len(), 0, "15 days are left");
    run.clock.advance(Duration::from_secs(24 * HOUR));
    for _ in 0..3 {
        run.round(0).await;
    }
    let codes: Vec<_> = run.puller.notices().into_iter().map(|report| report.message).collect();
    assert_eq!(codes, ["the credential of the pull `p` ends on 2026-12-05T10:00:00Z"]);
}
