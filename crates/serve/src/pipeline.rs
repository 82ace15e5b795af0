//! The pipeline: all stages on one screen.
//!
//! ```text
//! bucket_lane ─┐                                    ┌─► lake (cold, tables, quarantine)
//!              ├─► batcher: frame, decode, detect ─►┤
//! push_lane ───┤   (one pass over the bytes)        └─► alerts: dedup, tables, outbox ─► receivers
//! pull_lane ───┘
//!
//! push_lane is fed by api and syslog_lane.
//! ```

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use base::{Clock, Problem, StateStore};
use collect::{PushLimits, PushQueue};
use decode::Decoder;
use detect::Reloadable;
use futures::{FutureExt as _, future::BoxFuture};
use lake::{Lake, counted::Counted};
use notify::{Deduplicator, Outbox, Receiver};
use tokio::{
    sync::{Mutex, Notify},
    task::JoinSet,
};

use crate::{
    ServeError, Stop, StopSwitch,
    alerts::{Alerts, deliver, deliver_round, end_waits},
    api::{self, AnnounceDoor, Api, Ingest, Inlet, MixedSpec, Shape},
    bucket_lane::{self, Announced, BucketSpec, Inbox, Sorted},
    claims::{self, Claims},
    correlations::{Correlations, Surroundings},
    happening::{Happening, Observer},
    health::{Health, Watch},
    lane::{Lane, Stages},
    ledger::watch as watch_ledger,
    maintenance::{Maintenance, maintain},
    pull_lane::{self, PullSpec},
    push_lane,
    reload::{CurrentTables, DetectionSource, Detections, keep_current, refresh},
    replay::{self, Replayed},
    rule_errors,
    sorting::{Classifier, Outlet, Sorting, numbered},
    status::{Board, Status},
    stop::stop_signal,
    syslog_lane::{self, SyslogSpec},
};

/// A part of the pipeline that runs until it stops.
pub(crate) type Task = BoxFuture<'static, Result<(), Problem>>;

/// The parts, each of which may end with others that are to run then.
type Tasks = JoinSet<Result<Vec<Task>, Problem>>;

/// How often the status is written.
const STATUS_EVERY: std::time::Duration = std::time::Duration::from_secs(2);

/// Everything a pipeline is made of.
#[derive(Debug)]
pub struct Parts {
    /// Where everything is stored.
    pub lake: Arc<Lake>,
    /// Small state: deduplication and the outbox.
    pub state: Arc<dyn StateStore>,
    /// The log sources, compiled.
    pub decoders: Vec<Arc<Decoder>>,
    /// What is detected with.
    pub detections: Detections,
    /// Where newer detections come from while it runs.
    pub newer_detections: Option<Arc<dyn DetectionSource>>,
    /// Who is told of alerts.
    pub receivers: Vec<Arc<dyn Receiver>>,
    /// What is read from folders and buckets.
    pub buckets: Vec<BucketSpec>,
    /// Which APIs are pulled.
    pub pulls: Vec<PullSpec>,
    /// What comes by HTTP; `None`: nothing.
    pub http: Option<Ingest>,
    /// What comes as syslog.
    pub syslog: Vec<SyslogSpec>,
    /// How the lake is looked after while it runs; `None`: not at all.
    pub maintenance: Option<Maintenance>,
    /// How sources are watched; `None`: not at all.
    pub health: Option<Health>,
    /// How many matches of a rule become alerts, for each source and hour of event time; one more says
    /// that there are others. [`base::limits::RULE_MATCHES_PER_HOUR_MAX`] where nobody says.
    pub rule_matches_per_hour_max: u64,
    /// How many bytes the query of a lookup table may read each time it is run.
    /// [`base::limits::RULE_QUERY_BYTES_MAX`] where nobody says.
    pub rule_query_bytes_max: u64,
    /// The name of this process among those that take in pushed events on one lake, where they are several.
    pub writer: Option<String>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who watches.
    pub observer: Arc<dyn Observer>,
    /// Read what is there, then end.
    pub once: bool,
    /// Decode only, for measuring.
    pub decode_only: bool,
}

/// Runs until the switch is pulled; in a one-shot run, until everything there is has been read and
/// every notification that is due was tried.
///
/// # Errors
///
/// The first problem that ended a part of the pipeline. The other parts went on until the end.
pub async fn run(mut parts: Parts, switch: StopSwitch, stop: Stop) -> Result<Status, Problem> {
    let lock = parts.lake.lock()?;
    let inputs = Inputs::of(&mut parts);
    let newer = parts.newer_detections.clone();
    let maintenance = parts.maintenance.clone();
    let (health, state) = (parts.health.clone(), Arc::clone(&parts.state));
    let (stages, decoders) = compose(parts, stop.clone())?;
    let claims = &stages.claims;
    let process = claims::of_writer("dab.run", stages.writer.as_deref());
    if !claims.wait(&process, stages.once, stop.clone()).await? {
        return Ok(stages.board.status());
    }
    // From now on, however long it takes until the first event.
    let mut keeping = JoinSet::new();
    keeping.spawn(keep_claims(Arc::clone(&stages), switch.clone(), stop.clone()));
    let besides = Besides { newer, maintenance, health, state };
    let mut result = run_alone(&stages, decoders, inputs, besides, (&switch, stop)).await;
    switch.stop();
    while keeping.join_next().await.is_some() {}
    // Another process has taken over: whoever started this one is to know.
    if result.is_ok() {
        result = claims.ensure().await;
    }
    claims.close().await;
    drop(lock);
    result?;
    Ok(stages.board.status())
}

/// What runs beside the sources.
struct Besides {
    newer: Option<Arc<dyn DetectionSource>>,
    maintenance: Option<Maintenance>,
    health: Option<Health>,
    state: Arc<dyn StateStore>,
}

/// Runs what the process has claimed.
async fn run_alone(
    stages: &Arc<Stages>,
    decoders: Decoders,
    inputs: Inputs,
    Besides { newer, maintenance, health, state }: Besides,
    (switch, stop): (&StopSwitch, Stop),
) -> Result<(), Problem> {
    let once = stages.once;
    // What expressions ask is there before the first event.
    refresh(stages).await?;
    let alerts = Arc::clone(&stages.alerts);
    let mut tasks = JoinSet::new();
    inputs.start(stages, &Arc::new(decoders), &state, &mut tasks).await?;
    let mut watch = None;
    if let Some(health) = health {
        watch = Some(Watch::open(health, state, stages).await?);
    }
    let mut upkeep = JoinSet::new();
    upkeep.spawn(publish_status(Arc::clone(stages)));
    if !once {
        upkeep.spawn(deliver(Arc::clone(&alerts), stop.clone()));
        upkeep.spawn(end_waits(Arc::clone(&alerts), stop.clone()));
        upkeep.spawn(keep_current(Arc::clone(stages), newer, stop.clone()));
        if let Some(watch) = watch.take() {
            upkeep.spawn(watch.run(Arc::clone(stages), stop.clone()));
        }
        if let Some(maintenance) = maintenance {
            upkeep.spawn(keep_up(Arc::clone(stages), maintenance, stop.clone()));
        }
    }
    stages.observer.happened(&Happening::Ready);
    let result = wait(&mut tasks, stages, stop).await;
    switch.stop();
    while upkeep.join_next().await.is_some() {}
    if let Some(watch) = &mut watch {
        watch.look(stages, true).await;
    }
    if once {
        alerts.end_wait(true).await?;
    }
    deliver_round(&alerts).await?;
    rule_errors::note(stages);
    stages.board.stopped(stages.clock.now());
    stages.board.publish(&stages.lake, stages.clock.now()).await?;
    result
}

/// What brings events.
struct Inputs {
    buckets: Vec<BucketSpec>,
    pulls: Vec<PullSpec>,
    http: Option<Ingest>,
    syslog: Vec<SyslogSpec>,
}

impl Inputs {
    fn of(parts: &mut Parts) -> Self {
        Self {
            buckets: std::mem::take(&mut parts.buckets),
            pulls: std::mem::take(&mut parts.pulls),
            http: parts.http.take(),
            syslog: std::mem::take(&mut parts.syslog),
        }
    }

    /// Starts all of them; in a one-shot run those that come to an end.
    async fn start(
        self,
        stages: &Arc<Stages>,
        decoders: &Arc<Decoders>,
        state: &Arc<dyn StateStore>,
        tasks: &mut Tasks,
    ) -> Result<(), Problem> {
        let goes_on = !stages.once;
        let mut doors = HashMap::new();
        for mut spec in self.buckets {
            decoder_for(decoders, &spec.name, &spec.log_source)?;
            if !spec.location.is_folder() {
                spec.location = spec.location.map_store(|store| {
                    let store = Counted::new(store);
                    stages.board.counts(&spec.name, store.counts());
                    Arc::new(store)
                });
            }
            let mut inbox = None;
            if let Some(Announced::Push(verifier)) = spec.announced.clone().filter(|_| goes_on) {
                let (sender, announcements) = bucket_lane::inbox();
                inbox = Some(announcements);
                doors.insert(spec.name.clone(), AnnounceDoor { verifier, inbox: sender });
            }
            let name = spec.name.clone();
            let bucket = open_bucket(Arc::clone(stages), Arc::clone(decoders), spec, inbox);
            start_alone(stages, name, bucket.boxed(), tasks).await?;
        }
        let is_measured = stages.decode_only;
        for spec in self.pulls.into_iter().filter(|_| !is_measured) {
            let (name, state) = (spec.plan.name.clone(), Arc::clone(state));
            let decoder = decoder_for(decoders, &name, &spec.log_source)?;
            let (of_stages, source) = (Arc::clone(stages), name.clone());
            let pull = async move {
                let (lane, last) = Lane::open(of_stages, &source, decoder).await?;
                Ok(vec![pull_lane::run(lane, last, spec, state).boxed()])
            };
            start_alone(stages, name, pull.boxed(), tasks).await?;
        }
        let mut opened = Vec::new();
        if let Some(ingest) = self.http.filter(|_| goes_on) {
            start_http(stages, decoders, (ingest, doors), &mut opened).await?;
        }
        for spec in self.syslog.into_iter().filter(|_| goes_on) {
            syslog_lane::start(stages, decoders, spec, &mut opened).await?;
        }
        for task in opened {
            tasks.spawn(last(task));
        }
        Ok(())
    }
}

/// Opens a bucket source that nobody else reads.
async fn open_bucket(
    stages: Arc<Stages>,
    decoders: Arc<Decoders>,
    spec: BucketSpec,
    mut inbox: Option<Inbox>,
) -> Result<Vec<Task>, Problem> {
    let mut tasks = Vec::new();
    let decoder = decoder_for(&decoders, &spec.name, &spec.log_source)?;
    let (lane, last) = Lane::open(Arc::clone(&stages), &spec.name, decoder).await?;
    let sorted = sorted(&stages, &decoders, &spec, &lane).await?;
    if let Some(Announced::Queue(queue)) = spec.announced.clone().filter(|_| !stages.once) {
        let (sender, announcements) = bucket_lane::inbox();
        inbox = Some(announcements);
        tasks.push(bucket_lane::receive(stages, spec.name.clone(), queue, sender).boxed());
    }
    tasks.push(bucket_lane::run(lane, last, spec, (inbox, sorted)).boxed());
    Ok(tasks)
}

/// Opens a source, and starts what that answers: at once where no other process has it, and else when that has
/// ended.
async fn start_alone(
    stages: &Arc<Stages>,
    source: String,
    open: BoxFuture<'static, Result<Vec<Task>, Problem>>,
    tasks: &mut Tasks,
) -> Result<(), Problem> {
    // A store that is away is waited for below.
    if stages.claims.take(&source).await.unwrap_or_default() {
        for task in open.await? {
            tasks.spawn(last(task));
        }
        return Ok(());
    }
    let stages = Arc::clone(stages);
    tasks.spawn(async move {
        let is_ours = stages.claims.wait(&source, stages.once, stages.stop.clone()).await?;
        if is_ours { open.await } else { Ok(Vec::new()) }
    });
    Ok(())
}

/// A task that nothing follows on.
async fn last(task: impl Future<Output = Result<(), Problem>>) -> Result<Vec<Task>, Problem> {
    task.await.map(|()| Vec::new())
}

/// Renews what this process has claimed, and ends it where another has taken over.
async fn keep_claims(stages: Arc<Stages>, switch: StopSwitch, stop: Stop) {
    let Err(problem) = stages.claims.keep(stop).await else { return };
    let report = problem.report();
    tracing::error!(problem = %report, "another process has taken over");
    stages.observer.happened(&Happening::Trouble { source: "pipeline", report: &report });
    switch.stop();
}

/// Looks after the lake and its ledger, as the only process that does.
async fn keep_up(stages: Arc<Stages>, maintenance: Maintenance, stop: Stop) {
    if !matches!(stages.claims.wait(claims::UPKEEP, false, stop.clone()).await, Ok(true)) {
        return;
    }
    let ledger = watch_ledger(Arc::clone(&stages), maintenance.look_every, stop.clone());
    futures::join!(ledger, maintain(stages, maintenance, stop));
}

/// Tries quarantined records again: those with the given ids, or all.
///
/// # Errors
///
/// If the lake can't be used, or another process writes to it.
pub async fn replay(parts: Parts, ids: Option<&BTreeSet<String>>) -> Result<Replayed, Problem> {
    let _lock = parts.lake.lock()?;
    let (switch, stop) = stop_signal();
    let (stages, decoders) = compose(parts, stop.clone())?;
    refresh(&stages).await?;
    stages.claims.wait(claims::REPLAY, true, stop.clone()).await?;
    let kept = keep_claims(Arc::clone(&stages), switch, stop);
    let replaying = async {
        let replayed = replay::replay(&stages, &decoders, ids).await?;
        stages.alerts.end_wait(true).await?;
        deliver_round(&stages.alerts).await?;
        Ok(replayed)
    };
    let replayed = tokio::select! {
        replayed = replaying => replayed,
        () = kept => Err(ServeError::ClaimLost.into()),
    };
    stages.claims.close().await;
    replayed
}

type Decoders = BTreeMap<String, Arc<Decoder>>;

/// Joins the stages.
pub(crate) fn compose(parts: Parts, stop: Stop) -> Result<(Arc<Stages>, Decoders), Problem> {
    let decoders = parts.decoders.iter().map(|d| (d.log_source().name.clone(), Arc::clone(d)));
    let status = Status {
        version: 1,
        started: parts.clock.now(),
        writer: parts.writer.clone(),
        detections: parts.detections.matcher.rules().len(),
        project_problems: parts.detections.problems.len(),
        ..Status::default()
    };
    let board = Arc::new(Board::new(status));
    let surroundings = Surroundings {
        lake: Arc::clone(&parts.lake),
        state: Arc::clone(&parts.state),
        clock: Arc::clone(&parts.clock),
        observer: Arc::clone(&parts.observer),
        board: Arc::clone(&board),
        rule_matches_per_hour_max: parts.rule_matches_per_hour_max,
    };
    let correlations = Correlations::new(surroundings, parts.detections.correlations);
    let alerts = Alerts {
        lake: Arc::clone(&parts.lake),
        deduplicator: Deduplicator::new(Arc::clone(&parts.state), Arc::clone(&parts.clock)),
        outbox: Outbox::new(Arc::clone(&parts.state), parts.receivers)?,
        clock: Arc::clone(&parts.clock),
        observer: Arc::clone(&parts.observer),
        posted: Notify::new(),
        turn: Mutex::new(correlations),
    };
    let lookups = Arc::new(CurrentTables::new(parts.detections.lookups));
    for decoder in &parts.decoders {
        decoder.use_lookups(Arc::clone(&lookups) as _);
    }
    let (clock, observer) = (Arc::clone(&parts.clock), Arc::clone(&parts.observer));
    let claims = Claims::new(&parts.lake, Arc::clone(&parts.state), clock, observer);
    let stages = Stages {
        claims: Arc::new(claims),
        writer: parts.writer,
        lake: parts.lake,
        alerts: Arc::new(alerts),
        board,
        budget: Arc::default(),
        matcher: Arc::new(Reloadable::new(parts.detections.matcher)),
        rule_query_bytes_max: parts.rule_query_bytes_max,
        lookups,
        rule_matches_per_hour_max: parts.rule_matches_per_hour_max,
        clock: parts.clock,
        observer: parts.observer,
        stop,
        once: parts.once,
        decode_only: parts.decode_only,
    };
    Ok((Arc::new(stages), decoders.collect()))
}

/// Waits for all sources. A running pipeline has sources that end only when it stops.
async fn wait(tasks: &mut Tasks, stages: &Stages, mut stop: Stop) -> Result<(), Problem> {
    if tasks.is_empty() && !stages.once {
        stop.stopped().await;
    }
    let mut first = Ok(());
    while let Some(ended) = tasks.join_next().await {
        let ended = ended.unwrap_or_else(|error| {
            Err(ServeError::Task { task: "a source".into(), reason: error.to_string() }.into())
        });
        match ended {
            Ok(next) => {
                for task in next {
                    tasks.spawn(last(task));
                }
            }
            Err(problem) => {
                tracing::error!(error = %problem, "a source has stopped; the others go on");
                let report = problem.report();
                let trouble = Happening::Trouble { source: "pipeline", report: &report };
                stages.observer.happened(&trouble);
                if first.is_ok() {
                    first = Err(problem);
                }
            }
        }
    }
    first
}

fn decoder_for(
    decoders: &BTreeMap<String, Arc<Decoder>>,
    source_name: &str,
    log_source: &str,
) -> Result<Arc<Decoder>, ServeError> {
    let found = decoders.get(log_source).map(Arc::clone);
    found.ok_or_else(|| unknown(decoders, source_name.to_owned(), log_source))
}

pub(crate) fn unknown(decoders: &Decoders, source_name: String, log_source: &str) -> ServeError {
    let known = decoders.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    ServeError::UnknownLogSource { source_name, log_source: log_source.to_owned(), known }
}

async fn start_http(
    stages: &Arc<Stages>,
    decoders: &BTreeMap<String, Arc<Decoder>>,
    (ingest, doors): (Ingest, HashMap<String, AnnounceDoor>),
    tasks: &mut Vec<Task>,
) -> Result<(), Problem> {
    for route in &ingest.routes {
        if !decoders.contains_key(&route.log_source) {
            let source_name = "ingest.routes".to_owned();
            return Err(unknown(decoders, source_name, &route.log_source).into());
        }
    }
    let (listener, bound) = api::listen(&ingest.address).await?;
    let mut queues = HashMap::new();
    for (name, decoder) in decoders {
        let source = claims::of_writer(&push_lane::source_name(name), stages.writer.as_deref());
        let (lane, _) = Lane::open(Arc::clone(stages), &source, Arc::clone(decoder)).await?;
        let queue = PushQueue::new(PushLimits::default());
        tasks.push(push_lane::run(lane, queue.clone()).boxed());
        let shape = Shape::of(&decoder.log_source().format.layout);
        queues.insert(name.clone(), Inlet { queue, shape });
    }
    let mixed = mixed(&ingest.mixed, decoders, &queues)?;
    let api = Api::new((ingest.tokens, ingest.routes), queues, (doors, mixed), stages);
    tasks.push(api::run(Arc::new(api), listener, stages.stop.clone()).boxed());
    stages.board.listening(&bound.to_string());
    stages.observer.happened(&Happening::Listening(bound));
    Ok(())
}

/// The lanes that a bucket source's records are sorted into, where they are of several log sources.
async fn sorted(
    stages: &Arc<Stages>,
    decoders: &Decoders,
    spec: &BucketSpec,
    own: &Lane,
) -> Result<Option<Sorted>, Problem> {
    if spec.routes.is_empty() {
        return Ok(None);
    }
    let (names, routes) = numbered(&spec.routes, &spec.log_source);
    let others = names.len() - 1;
    let mut lanes = Vec::with_capacity(others);
    for name in names.iter().take(others) {
        let decoder = decoder_for(decoders, &spec.name, name)?;
        let source = format!("{}.{name}", spec.name);
        lanes.push(Lane::open(Arc::clone(stages), &source, decoder).await?.0);
    }
    Ok(Some(Sorted::new(Classifier::new(routes, others)?, lanes, own)))
}

/// The addresses for records of several log sources, over the queues of these.
fn mixed(
    specs: &[MixedSpec],
    decoders: &Decoders,
    queues: &HashMap<String, Inlet>,
) -> Result<HashMap<String, Arc<Sorting>>, Problem> {
    let mut all = HashMap::new();
    for spec in specs {
        let source_name = format!("ingest.mixed {}", spec.name);
        if decoders.contains_key(&spec.name) {
            return Err(ServeError::MixedName { name: spec.name.clone() }.into());
        }
        let (names, routes) = numbered(&spec.routes, &spec.log_source);
        let mut outlets = Vec::with_capacity(names.len());
        for name in &names {
            let decoder = decoder_for(decoders, &source_name, name)?;
            let form = syslog_lane::form_of(&decoder.log_source().format.layout);
            let Some(inlet) = queues.get(name) else {
                return Err(unknown(decoders, source_name, name).into());
            };
            outlets.push(Outlet { queue: inlet.queue.clone(), form });
        }
        all.insert(spec.name.clone(), Arc::new(Sorting::new(routes, outlets)?));
    }
    Ok(all)
}

async fn publish_status(stages: Arc<Stages>) {
    let mut stop = stages.stop.clone();
    while !stop.is_stopped() {
        rule_errors::note(&stages);
        let published = stages.board.publish(&stages.lake, stages.clock.now()).await;
        if let Err(error) = published {
            tracing::warn!(%error, "the status can't be written");
        }
        tokio::select! {
            () = tokio::time::sleep(STATUS_EVERY) => {}
            () = stop.stopped() => {}
        }
    }
}
