//! Whatever the store does and wherever processes die, nothing is lost and nothing is doubled: simulated
//! from seeds.
//!
//! Each seed is a lake in memory and some processes on it, one life after another: a pipeline with a rule,
//! upkeep that compacts and removes what is unused, and in some seeds a second pipeline that commits to
//! the same table at the same time. Their stores fail in all the ways of [`super::faulty`], and the clock
//! jumps. In some the second is pushed to, by a client that sends again what it had no answer to; its columns
//! do not always go with those of the first. At the end all of them run once more without faults, and
//! everything is counted.

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicI64, Ordering},
};

use base::{Clock, Problem};
use collect::{PushForm, PushLimits, PushOutcome, PushQueue, PushRequest};
use lake::{
    check::{Finding, check},
    compact::{CompactOptions, compact},
    query::{Engine, OutputFormat, QuerySettings, render},
    reconcile::{Written, reconcile},
    retain::{Retention, retain},
    snapshot::Catalog as _,
};
use object_store::{ObjectStore, ObjectStoreExt as _, memory::InMemory, path::Path};

use super::{
    faulty::{Chance, Faults, Faulty, Objects},
    *,
};

/// How many seeds are tried. `DAB_FAULT_SEEDS`, such as `17` or `0..5000`, asks for others.
const SEEDS: u64 = 500;

/// A clock that others set. Durations are tokio's.
#[derive(Debug)]
struct Jumping(AtomicI64, tokio::time::Instant);

impl Clock for Jumping {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        self.1.elapsed()
    }
}

struct World {
    building: Building,
    chance: Chance,
    objects: Arc<Objects>,
    logs: Arc<InMemory>,
    clock: Arc<Jumping>,
    /// How many events were written to the logs, how many of them match, and at which doors.
    events: u64,
    forced: u64,
    doors: BTreeSet<String>,
    /// The requests of the client so far.
    requests: Vec<Request>,
    sent: AtomicI64,
    /// What the processes begin with: that they have met others.
    expects_others: bool,
    deaths: u64,
    failures: u64,
    last_problem: Mutex<String>,
}

/// What a client has to send, and under which ids it did.
#[derive(Debug)]
struct Request {
    body: String,
    events: u64,
    tries: Mutex<Vec<(String, bool)>>,
}

/// What the second process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Second {
    None,
    /// One with a source of its own.
    Bucket,
    /// One that is pushed to.
    Pushed,
    /// One with the same source.
    Rival,
}

const TWO: &str = "name: gate\ntable: doors\nformat: json\ntime: at\n";

impl World {
    fn new(seed: u64) -> Self {
        let building = Building::new();
        // The store's own times are real, so the clock begins there.
        let now = base::SystemClock.now();
        Self {
            building,
            chance: Chance::new(seed),
            objects: Arc::default(),
            logs: Arc::default(),
            clock: Arc::new(Jumping(AtomicI64::new(now.as_micros()), tokio::time::Instant::now())),
            events: 0,
            forced: 0,
            doors: BTreeSet::new(),
            requests: Vec::new(),
            sent: AtomicI64::new(0),
            expects_others: seed.is_multiple_of(2),
            deaths: 0,
            failures: 0,
            last_problem: Mutex::default(),
        }
    }

    fn lake(&self, store: Arc<dyn ObjectStore>) -> Lake {
        let url = url::Url::parse("s3://bucket/lake").unwrap();
        let lake = Lake::on_store(store, Path::from("lake"), url, Arc::clone(&self.clock) as _);
        if self.expects_others { lake.expecting_others() } else { lake }
    }

    /// The client has something to send: in some cases of so many days that it takes several batches, or with a
    /// column of another type than in the logs.
    fn request(&mut self) {
        let days = if self.chance.of_thousand(200) { limits::BATCH_DAYS_MAX as u64 + 2 } else { 1 };
        let (mut body, mut events) = (String::new(), 0);
        for day in 0..days {
            let at = Timestamp::from_seconds(1_790_000_000)
                .plus_micros(i64::try_from(day).unwrap() * 86_400_000_000);
            if day + 1 == days {
                // A batch is looked at after so many bytes.
                body.push_str(&"\n".repeat(300 << 10));
            }
            for _ in 0..=self.chance.below(2) {
                let level = if self.chance.of_thousand(100) { r#","level":"one""# } else { "" };
                writeln!(body, r#"{{"at":"{at}","door":"pushed","action":"open"{level}}}"#)
                    .unwrap();
                events += 1;
            }
        }
        self.requests.push(Request { body, events, tries: Mutex::default() });
    }

    /// A process that is pushed to, and its client.
    async fn pushed_to(&self, store: &Arc<Faulty>) -> bool {
        let (_switch, stop) = stop_signal();
        let parts = Parts { buckets: Vec::new(), ..self.parts(Arc::clone(store) as _, "gate") };
        let decoder = Arc::clone(&parts.decoders[0]);
        let (stages, _) = compose(parts, stop.clone()).unwrap();
        let ended = async {
            if !stages.claims.wait("http.gate", false, stop.clone()).await? {
                return Ok(());
            }
            let (lane, _) = Lane::open(Arc::clone(&stages), "http.gate", decoder).await?;
            let queue = PushQueue::new(PushLimits::default());
            let lane = crate::push_lane::run(lane, queue.clone());
            let client = async {
                self.send(&queue).await;
                queue.close();
            };
            let (ended, ()) = futures::join!(lane, client);
            ended
        };
        let ended: Result<(), Problem> = tokio::select! {
            ended = ended => ended,
            lost = stages.claims.keep(stop.clone()) => lost,
        };
        stages.claims.close().await;
        if let Err(problem) = &ended {
            *self.last_problem.lock().unwrap() = problem.to_string();
        }
        ended.is_ok()
    }

    /// Sends all that had no answer yet, at once.
    async fn send(&self, queue: &PushQueue) {
        let mut answers = Vec::new();
        for request in &self.requests {
            if request.tries.lock().unwrap().iter().any(|(_, is_committed)| *is_committed) {
                continue;
            }
            let id = self.sent.fetch_add(1, Ordering::SeqCst).to_string();
            request.tries.lock().unwrap().push((id.clone(), false));
            let (done, answer) = tokio::sync::oneshot::channel();
            let (body, received) = (request.body.clone().into(), self.clock.now());
            let sent = PushRequest { id, body, form: PushForm::Lines, received, done };
            if queue.offer(sent).is_ok() {
                answers.push((request, answer));
            }
        }
        for (request, answer) in answers {
            let is_committed = matches!(answer.await, Ok(PushOutcome::Committed { accepted, .. })
                if accepted == request.events);
            request.tries.lock().unwrap().last_mut().unwrap().1 = is_committed;
        }
    }

    /// Each request that was answered is stored once, and no event of any is there twice. Answers how many
    /// events of all are stored.
    async fn check_requests(&self, lake: &Arc<Lake>) -> u64 {
        let engine = Engine::new(Arc::clone(lake) as _, QuerySettings::default());
        let sql = "SELECT origin.object AS request, count(*) AS events, count(DISTINCT event_id) AS ids \
                   FROM doors WHERE door = 'pushed' GROUP BY 1";
        let mut found = BTreeMap::new();
        if lake.snapshot("doors").await.unwrap().is_some() {
            let rows = engine.sql(sql).await.unwrap();
            let mut text = Vec::new();
            render(&rows, OutputFormat::Csv, None, &mut text).unwrap();
            let text = String::from_utf8(text).unwrap();
            for line in text.lines().skip(1) {
                let [request, events, ids] = line.split(',').collect::<Vec<_>>()[..] else {
                    panic!("{line}");
                };
                assert_eq!(events, ids, "events of {request} are stored twice");
                found.insert(request.to_owned(), events.parse::<u64>().unwrap());
            }
        }
        for request in &self.requests {
            for (id, is_committed) in request.tries.lock().unwrap().iter() {
                let stored = found.get(&format!("http.gate/{id}")).copied().unwrap_or(0);
                assert!(!is_committed || stored == request.events, "{stored} of {request:?}");
                assert!(stored <= request.events, "{stored} of {request:?}");
            }
        }
        found.values().sum()
    }

    /// A file of a source grows.
    async fn log(&mut self, source: &str) {
        let file = Path::from(format!("{source}/{}.json", self.chance.below(3)));
        let mut text = match self.logs.get(&file).await {
            Ok(found) => found.bytes().await.unwrap().to_vec(),
            Err(_) => Vec::new(),
        };
        for _ in 0..=self.chance.below(3) {
            let door = format!("d{}", self.chance.below(3));
            let is_forced = self.chance.of_thousand(250);
            let minute = u32::try_from(self.chance.below(50)).unwrap();
            let action = if is_forced { "forced" } else { "open" };
            let mut line = event(minute, &door, action);
            if self.chance.of_thousand(100) {
                line = line.replace("}", ",\"level\":1}");
            }
            text.extend(line.into_bytes());
            self.events += 1;
            if is_forced && source == "doors" {
                self.forced += 1;
                self.doors.insert(door);
            }
        }
        // One record in some that can't be decoded.
        if self.chance.of_thousand(150) {
            text.extend(b"{\"at\": nothing}\n");
        }
        self.logs.put(&file, text.into()).await.unwrap();
    }

    fn faults(&mut self, mildness: u64) -> Faults {
        let mut some = |most: u64| self.chance.below(most) / mildness;
        let (refused, lost, torn, stale) = (some(40), some(40), some(30), some(150));
        let dies_at = self.chance.of_thousand(700).then(|| 1 + self.chance.below(90));
        let full = self.chance.of_thousand(100);
        let full = full.then(|| (self.chance.below(60), 1 + self.chance.below(20)));
        Faults { refused, lost, torn, stale, dies_at, full }
    }

    fn parts(&self, store: Arc<dyn ObjectStore>, source: &str) -> Parts {
        let lake = Arc::new(self.lake(store));
        let mut parts = self.building.parts(DOORS);
        if source != "doors" {
            let log_source = LogSource::parse("gate.yml", TWO).unwrap();
            parts.decoders = vec![Arc::new(Decoder::new(log_source).unwrap())];
        }
        parts.state = lake.state().unwrap();
        parts.lake = lake;
        parts.clock = Arc::clone(&self.clock) as _;
        parts.buckets = vec![BucketSpec {
            name: source.to_owned(),
            log_source: source.to_owned(),
            location: Location::with_store(
                &format!("mem:{source}"),
                Arc::clone(&self.logs) as _,
                Path::from(source),
            ),
            settings: BucketSettings { settle: Duration::ZERO, ..BucketSettings::new(source) },
            poll: Duration::from_secs(1),
            announced: None,
            routes: Vec::new(),
            commit_every: Duration::from_secs(1),
        }];
        parts
    }

    /// One life of all processes.
    async fn live(&mut self, second: Second, has_upkeep: bool) {
        let jump = i64::try_from(self.chance.below(20 * 3600)).unwrap() - 10 * 3600;
        let faults = [self.faults(1), self.faults(1), self.faults(1)];
        let seeds = [0, 1, 2].map(|_| self.chance.below(u64::MAX));
        let stores = [0, 1, 2].map(|at| Faulty::new(&self.objects, seeds[at], faults[at]));
        let [one, two, three] = &stores;
        let first = process(one, self.pipeline(one, "doors"));
        let second = process(two, self.second(two, second));
        let third =
            process(three, async { if has_upkeep { self.upkeep(three).await } else { true } });
        let jumps = async {
            tokio::task::yield_now().await;
            self.clock.0.fetch_add(jump * 1_000_000, Ordering::SeqCst);
        };
        let (first, second, third, ()) = futures::join!(first, second, third, jumps);
        self.clock.0.fetch_sub(jump * 1_000_000, Ordering::SeqCst);
        for end in [first, second, third] {
            self.deaths += u64::from(end.is_none());
            self.failures += u64::from(end == Some(false));
        }
    }

    async fn second(&self, store: &Arc<Faulty>, second: Second) -> bool {
        match second {
            Second::None => true,
            Second::Bucket => self.pipeline(store, "gate").await,
            Second::Pushed => self.pushed_to(store).await,
            Second::Rival => self.pipeline(store, "doors").await,
        }
    }

    async fn pipeline(&self, store: &Arc<Faulty>, source: &str) -> bool {
        let (switch, stop) = stop_signal();
        let done = run(self.parts(Arc::clone(store) as _, source), switch, stop).await;
        if let Err(problem) = &done {
            *self.last_problem.lock().unwrap() = problem.to_string();
        }
        done.is_ok()
    }

    async fn upkeep(&self, store: &Arc<Faulty>) -> bool {
        let lake = self.lake(Arc::clone(store) as _);
        let is_well = compact(&lake, "doors", &CompactOptions::default()).await.is_ok();
        is_well & retain(&lake, &Retention::default(), false).await.is_ok()
    }

    /// All that is there is counted.
    async fn check(&self, second: Second, has_upkeep: bool) {
        let store = Faulty::new(&self.objects, 0, Faults::default());
        let mut is_well = self.pipeline(&store, "doors").await;
        is_well &= self.second(&store, second).await;
        assert!(is_well, "nothing fails any longer: {}", self.last_problem.lock().unwrap());
        assert!(!has_upkeep || self.upkeep(&store).await, "nor in upkeep");
        let lake = Arc::new(self.lake(store));
        let is_answered = |request: &Request| {
            request.tries.lock().unwrap().iter().any(|(_, is_committed)| *is_committed)
        };
        assert!(self.requests.iter().all(is_answered), "{:?}", self.requests);
        let events = self.events + self.check_requests(&lake).await;
        let reconciled = reconcile(&lake, &Written::default(), true).await.unwrap();
        let findings: Vec<String> = reconciled.findings.iter().map(ToString::to_string).collect();
        assert_eq!(findings, Vec::<String>::new());
        let doors = reconciled.tables.iter().find(|table| table.table == "doors");
        let (rows, found) = doors.map_or((0, 0), |doors| (doors.rows, doors.found));
        assert_eq!((rows, found), (events, events), "events");
        let mut stored = Vec::new();
        for table in ["doors", MATCHES_TABLE, ALERTS_TABLE] {
            let snapshot = lake.snapshot(table).await.unwrap();
            let files = snapshot.iter().flat_map(|snapshot| &snapshot.files);
            stored.push(files.filter_map(|file| file.rows).sum::<u64>());
        }
        let doors = self.doors.len() as u64;
        assert_eq!(stored, [events, self.forced, doors], "rows, matches, alerts");
        let checked = check(&lake, Duration::ZERO, false).await.unwrap();
        let is_broken = |finding: &&Finding| !matches!(finding, Finding::Unused { .. });
        let broken = checked.findings.iter().filter(is_broken);
        let broken: Vec<String> = broken.map(ToString::to_string).collect();
        assert_eq!(broken, Vec::<String>::new());
    }
}

/// Runs until it ends or dies; `None`: it died.
async fn process(store: &Faulty, work: impl Future<Output = bool>) -> Option<bool> {
    tokio::select! {
        biased;
        () = store.death() => None,
        done = work => Some(done),
    }
}

async fn simulate(seed: u64) -> (u64, u64) {
    let mut world = World::new(seed);
    let has_upkeep = !seed.is_multiple_of(3);
    let second = match seed % 12 {
        5 | 11 => Second::Rival,
        2 => Second::Bucket,
        4 | 8 => Second::Pushed,
        _ => Second::None,
    };
    for _ in 0..=world.chance.below(4) / 3 {
        world.log("doors").await;
        match second {
            Second::Bucket => world.log("gate").await,
            Second::Pushed => (0..=world.chance.below(3)).for_each(|_| world.request()),
            Second::None | Second::Rival => {}
        }
        Box::pin(world.live(second, has_upkeep)).await;
    }
    let second = if second == Second::Rival { Second::None } else { second };
    world.check(second, has_upkeep).await;
    (world.deaths, world.failures)
}

#[test]
fn no_fault_of_the_store_and_no_death_loses_or_doubles_anything() {
    #[expect(clippy::disallowed_methods, reason = "what fails is tried again by its seed")]
    let asked = std::env::var("DAB_FAULT_SEEDS").ok();
    let seeds = asked.as_deref().map_or(0..SEEDS, |asked| {
        let (from, to) = asked.split_once("..").unwrap_or((asked, asked));
        let (from, to): (u64, u64) = (from.parse().unwrap(), to.parse().unwrap());
        from..to.max(from + 1)
    });
    let next = std::sync::atomic::AtomicU64::new(seeds.start);
    let (deaths, failures) = (AtomicI64::new(0), AtomicI64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let seed = next.fetch_add(1, Ordering::SeqCst)
                    && seed < seeds.end
                {
                    let runtime = tokio::runtime::Builder::new_current_thread()
                        .enable_all()
                        .start_paused(true)
                        .build()
                        .unwrap();
                    let told = Seed::new(seed);
                    let (died, failed) = runtime.block_on(simulate(seed));
                    told.done();
                    deaths.fetch_add(died.try_into().unwrap(), Ordering::SeqCst);
                    failures.fetch_add(failed.try_into().unwrap(), Ordering::SeqCst);
                }
            });
        }
    });
    let count = seeds.end - seeds.start;
    let (deaths, failures) = (deaths.into_inner(), failures.into_inner());
    println!("{count} seeds: {deaths} processes died, {failures} gave up");
    assert!(asked.is_some() || deaths > 100, "the faults are there: {deaths} deaths");
}

/// Says which seed it was if one fails.
struct Seed {
    seed: u64,
    is_done: bool,
}

impl Seed {
    const fn new(seed: u64) -> Self {
        Self { seed, is_done: false }
    }

    fn done(mut self) {
        self.is_done = true;
    }
}

impl Drop for Seed {
    fn drop(&mut self) {
        if !self.is_done {
            eprintln!("seed {}: DAB_FAULT_SEEDS={} tries it again", self.seed, self.seed);
        }
    }
}
