//! The HTTP server: events come in here.
//!
//! Every door leads to the same queues: a request is answered when its records are durable, with how
//! many became events and how many went to the quarantine, as far as its protocol has words for it.
//! Anything else means that nothing of it is certain to be stored, and that the client should send it
//! again. `GET /health` answers `ok`.
//!
//! | file | speaks to |
//! |---|---|
//! | `ingest` | anything that can post a file: `POST /ingest/{log_source}` |
//! | `hec` | clients of Splunk's HTTP Event Collector |
//! | `elastic` | clients of Elasticsearch that store documents |
//! | `otlp` | OpenTelemetry's exporters and collectors (logs over HTTP) |
//! | `grpc` | the same over gRPC |
//! | `journal` | `systemd-journal-upload` |
//! | `announce` | Pub/Sub, which says which objects are new in a bucket |
//! | `metrics` | Prometheus: `GET /metrics` |

mod announce;
mod elastic;
mod grpc;
mod hec;
mod ingest;
mod journal;
mod metrics;
mod otlp;
mod parcel;
mod refusal;
mod route;
mod token;

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, atomic::AtomicU64},
};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, header},
    routing::get,
};
use base::{Clock, Problem, limits};
use bytes::Bytes;
use collect::{PushQueue, decompress_body};
use lake::Lake;
use tokio::net::TcpListener;

pub(crate) use self::{announce::AnnounceDoor, parcel::Shape};
use self::{refusal::Refusal, token::Holder};
pub use self::{
    route::IngestRoute,
    token::{Secret, Token},
};
use crate::{
    ServeError, Stop,
    lane::{Stages, blocking},
    sorting::{Sorting, SortingRoute},
    status::Board,
};

/// A protocol that events come by, and whose records may be for any log source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Splunk's HTTP Event Collector.
    Hec,
    /// Elasticsearch's documents.
    Elastic,
    /// OpenTelemetry's logs.
    Otel,
    /// journald's entries.
    Journal,
}

impl Protocol {
    /// Under which field an event has what its client said beside the record.
    const fn name(self) -> &'static str {
        match self {
            Self::Hec => "hec",
            Self::Elastic => "elastic",
            Self::Otel => "otel",
            Self::Journal => "journal",
        }
    }

    /// The log source of records that are for no other.
    const fn log_source(self) -> &'static str {
        match self {
            Self::Hec => "splunk_hec",
            Self::Elastic => "elastic_bulk",
            Self::Otel => "otel_logs",
            Self::Journal => "journald",
        }
    }

    /// Whether that log source has everything under [`Self::name`]: `host` and `event` mean something else
    /// in ECS.
    const fn is_nested(self) -> bool {
        matches!(self, Self::Hec)
    }

    /// Under which name that log source has the record, among what was said beside it.
    const fn member(self) -> Option<&'static str> {
        match self {
            Self::Hec => Some("event"),
            Self::Otel => Some("body"),
            Self::Elastic | Self::Journal => None,
        }
    }
}

/// What comes by HTTP.
#[derive(Debug, Clone)]
pub struct Ingest {
    /// Where it listens.
    pub address: String,
    /// Who may send.
    pub tokens: Vec<Token>,
    /// Which log sources records are for, where they don't say so themselves.
    pub routes: Vec<IngestRoute>,
    /// Addresses for records of several log sources.
    pub mixed: Vec<MixedSpec>,
}

/// An address for records of several log sources.
#[derive(Debug, Clone)]
pub struct MixedSpec {
    /// Its name: records are posted to `/ingest/` and it.
    pub name: String,
    /// The log source of records that no route is for.
    pub log_source: String,
    /// Which records are for other log sources.
    pub routes: Vec<Arc<SortingRoute>>,
}

/// A log source's way in.
#[derive(Debug)]
pub(crate) struct Inlet {
    pub(crate) queue: PushQueue,
    pub(crate) shape: Shape,
}

/// What the server needs.
#[derive(Debug)]
pub(crate) struct Api {
    holders: Vec<Holder>,
    routes: Vec<IngestRoute>,
    queues: HashMap<String, Inlet>,
    /// Addresses for records of several log sources.
    mixed: HashMap<String, Arc<Sorting>>,
    /// Where bucket sources hear of new objects, by their names.
    doors: HashMap<String, AnnounceDoor>,
    clock: Arc<dyn Clock>,
    /// Numbers requests; together with the time it was started, it makes their ids unique.
    requests: AtomicU64,
    started: String,
    channels: Mutex<hec::Channels>,
    board: Arc<Board>,
    lake: Arc<Lake>,
}

impl Api {
    pub(crate) fn new(
        (tokens, routes): (Vec<Token>, Vec<IngestRoute>),
        queues: HashMap<String, Inlet>,
        (doors, mixed): (HashMap<String, AnnounceDoor>, HashMap<String, Arc<Sorting>>),
        stages: &Stages,
    ) -> Self {
        Self {
            holders: tokens.into_iter().map(Holder::new).collect(),
            routes,
            queues,
            doors,
            mixed,
            requests: AtomicU64::new(0),
            started: stages.clock.now().as_micros().to_string(),
            clock: Arc::clone(&stages.clock),
            channels: Mutex::default(),
            board: Arc::clone(&stages.board),
            lake: Arc::clone(&stages.lake),
        }
    }

    /// The token that a request carries, if it may send now.
    fn enter(&self, headers: &HeaderMap) -> Result<&Holder, Refusal> {
        let holder = token::find(headers, &self.holders)?;
        holder.begin(self.clock.now())?;
        Ok(holder)
    }

    /// The way in to a log source, if the token is for it.
    fn may_send(&self, token: &Token, log_source: &str) -> Result<&Inlet, Refusal> {
        if !token.is_for(log_source) {
            return Err(Refusal::Forbidden(log_source.to_owned()));
        }
        self.queues.get(log_source).ok_or_else(|| {
            let mut known: Vec<&str> = self.queues.keys().map(String::as_str).collect();
            known.sort_unstable();
            Refusal::UnknownLogSource { name: log_source.to_owned(), known: known.join(", ") }
        })
    }

    /// The token that a request carries, and its body, whole and unpacked.
    async fn receive(&self, headers: &HeaderMap, body: Body) -> Result<(Token, Bytes), Refusal> {
        let holder = self.enter(headers)?;
        let body = self.body(holder, headers, body).await?;
        Ok((holder.token.clone(), body))
    }

    /// A request's body, whole and unpacked.
    async fn body(
        &self,
        holder: &Holder,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Bytes, Refusal> {
        let body = whole(body).await?;
        holder.charge(self.clock.now(), body.len());
        let encoding = text(headers, header::CONTENT_ENCODING).map(ToOwned::to_owned);
        // Most bodies come as they are.
        let Some(encoding) = encoding else { return Ok(body) };
        let unpacked = blocking("http", move || decompress_body(Some(&encoding), body)).await;
        Ok(unpacked.map_err(|problem| Refusal::Failed(problem.report().into()))??)
    }
}

/// Opens the address, so that a mistake in it is found before anything runs.
pub(crate) async fn listen(address: &str) -> Result<(TcpListener, SocketAddr), ServeError> {
    let failed = |source| ServeError::Listen { address: address.to_owned(), source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// Serves until the pipeline stops; requests that are under way are answered first.
pub(crate) async fn run(
    api: Arc<Api>,
    listener: TcpListener,
    mut stop: Stop,
) -> Result<(), Problem> {
    let queues: Vec<PushQueue> = api.queues.values().map(|inlet| inlet.queue.clone()).collect();
    let router = Router::new()
        .route("/health", get(async || "ok\n"))
        .merge(ingest::router())
        .merge(hec::router())
        .merge(elastic::router())
        .merge(otlp::router())
        .merge(grpc::router())
        .merge(journal::router())
        .merge(announce::router())
        .merge(metrics::router())
        .with_state(api);
    let stopped = async move { stop.stopped().await };
    let served = axum::serve(listener, router).with_graceful_shutdown(stopped).await;
    for queue in queues {
        queue.close();
    }
    Ok(served
        .map_err(|error| ServeError::Task { task: "http".into(), reason: error.to_string() })?)
}

/// Takes a body apart and sorts its records, away from the tasks that wait for the network.
async fn work<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    blocking("http", work).await.map_err(|problem| Refusal::Failed(problem.report().into()))?
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

async fn whole(body: Body) -> Result<Bytes, Refusal> {
    let limit = limits::HTTP_BODY_BYTES_MAX;
    axum::body::to_bytes(body, limit).await.map_err(|error| {
        let text = error.to_string();
        if text.contains("length limit") { Refusal::TooLarge { limit } } else { Refusal::Cut(text) }
    })
}

/// What the query of an address says.
fn query(uri: &axum::http::Uri) -> Vec<(String, String)> {
    let pairs = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    pairs.into_owned().collect()
}
