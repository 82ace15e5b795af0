//! The HTTP server: events come in here.
//!
//! `POST /ingest/{log_source}` is answered when its records are durable: 200 with how many became
//! events and how many went to the quarantine. Anything else means that nothing of it is certain to
//! be stored, and that the client should send it again. `GET /health` answers `ok`.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base::{Clock, Code, Explain, Problem, Report, limits};
use bytes::Bytes;
use collect::{PushOutcome, PushQueue, PushRequest, decompress_body};
use serde_json::json;
use tokio::{net::TcpListener, sync::oneshot};

use crate::{ServeError, Stop};

/// Who may send events.
#[derive(Debug, Clone)]
pub struct Token {
    /// Its name, for the log.
    pub name: String,
    /// The token itself.
    pub secret: Secret,
    /// The log sources it is for; empty: all.
    pub log_sources: Vec<String>,
}

/// Text that is never printed.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// Compares in a time that does not depend on where they differ.
    fn is(&self, other: &str) -> bool {
        let (a, b) = (self.0.as_bytes(), other.as_bytes());
        let difference = a.iter().zip(b).fold(0, |sum, (x, y)| sum | (x ^ y));
        a.len() == b.len() && difference == 0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What the server needs.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) tokens: Vec<Token>,
    pub(crate) queues: HashMap<String, PushQueue>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Numbers requests; together with the time it was started, it makes their ids unique.
    pub(crate) requests: AtomicU64,
    pub(crate) started: String,
}

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("the request has no valid bearer token")]
    Unauthorized,
    #[error("the token is not for log source `{0}`")]
    Forbidden(String),
    #[error("there is no log source `{name}`")]
    UnknownLogSource { name: String, known: String },
    #[error("the body is larger than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("the body did not come whole: {0}")]
    Cut(String),
    #[error("too many requests wait for a commit")]
    Busy { retry_after_seconds: u64 },
    #[error("the server is stopping")]
    Stopping,
}

impl Explain for Refusal {
    fn code(&self) -> Code {
        Code(match self {
            Self::Unauthorized => "DAB0711",
            Self::Forbidden(_) => "DAB0712",
            Self::UnknownLogSource { .. } => "DAB0713",
            Self::TooLarge { .. } => "DAB0714",
            Self::Cut(_) => "DAB0715",
            Self::Busy { .. } => "DAB0716",
            Self::Stopping => "DAB0717",
        })
    }

    fn help(&self) -> Option<String> {
        Some(match self {
            Self::Unauthorized => {
                "send `Authorization: Bearer …` with a token of `ingest.tokens`".into()
            }
            Self::Forbidden(_) => "add it to the token's `log_sources`".into(),
            Self::UnknownLogSource { known, .. } => format!("use one of: {known}"),
            Self::TooLarge { .. } => "send smaller batches".into(),
            Self::Cut(_) | Self::Stopping => "send it again".into(),
            Self::Busy { .. } => "send it again after the time in `Retry-After`".into(),
        })
    }
}

impl Refusal {
    const fn status(&self) -> StatusCode {
        match self {
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::UnknownLogSource { .. } => StatusCode::NOT_FOUND,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Cut(_) => StatusCode::BAD_REQUEST,
            Self::Busy { .. } | Self::Stopping => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, busy) = (self.status(), matches!(self, Self::Busy { .. }));
        let seconds = match self {
            Self::Busy { retry_after_seconds } => retry_after_seconds,
            _ => 1,
        };
        let mut response = problem(status, &Problem::from(self).report());
        if busy && let Ok(value) = seconds.to_string().parse() {
            response.headers_mut().insert(header::RETRY_AFTER, value);
        }
        response
    }
}

/// A problem as the body of an answer.
fn problem(status: StatusCode, report: &Report) -> Response {
    let json = serde_json::to_string(report).unwrap_or_default();
    (status, [(header::CONTENT_TYPE, "application/json")], json + "\n").into_response()
}

/// Opens the address, so that a mistake in it is found before anything runs.
pub(crate) async fn listen(address: &str) -> Result<(TcpListener, SocketAddr), ServeError> {
    let failed = |source| ServeError::Listen { address: address.to_owned(), source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// Serves until the pipeline stops; requests that are under way are answered first.
pub(crate) async fn run(api: Api, listener: TcpListener, mut stop: Stop) -> Result<(), Problem> {
    let queues: Vec<PushQueue> = api.queues.values().cloned().collect();
    let router = Router::new()
        .route("/health", get(async || "ok\n"))
        .route("/ingest/{log_source}", post(ingest))
        .with_state(Arc::new(api));
    let stopped = async move { stop.stopped().await };
    let served = axum::serve(listener, router).with_graceful_shutdown(stopped).await;
    for queue in queues {
        queue.close();
    }
    Ok(served
        .map_err(|error| ServeError::Task { task: "http".into(), reason: error.to_string() })?)
}

async fn ingest(
    State(api): State<Arc<Api>>,
    Path(log_source): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    match accept(&api, &log_source, &headers, body).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(),
    }
}

async fn accept(
    api: &Api,
    log_source: &str,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    api.authorize(headers, log_source)?;
    let queue = api.queues.get(log_source).ok_or_else(|| {
        let mut known: Vec<&str> = api.queues.keys().map(String::as_str).collect();
        known.sort_unstable();
        Refusal::UnknownLogSource { name: log_source.to_owned(), known: known.join(", ") }
    })?;
    let body = match decompress_body(text(headers, header::CONTENT_ENCODING), whole(body).await?) {
        Ok(body) => body,
        Err(error) => {
            return Ok(problem(StatusCode::BAD_REQUEST, &Problem::from(error).report()));
        }
    };
    let number = api.requests.fetch_add(1, Ordering::Relaxed);
    let (done, outcome) = oneshot::channel();
    let request = PushRequest {
        id: format!("{}-{number}", api.started),
        content_type: text(headers, header::CONTENT_TYPE).map(ToOwned::to_owned),
        body,
        received: api.clock.now(),
        done,
    };
    queue
        .offer(request)
        .map_err(|full| Refusal::Busy { retry_after_seconds: full.retry_after_seconds })?;
    match outcome.await {
        Ok(PushOutcome::Committed { accepted, quarantined }) => {
            let json = json!({ "accepted": accepted, "quarantined": quarantined }).to_string();
            Ok(([(header::CONTENT_TYPE, "application/json")], json + "\n").into_response())
        }
        Ok(PushOutcome::Failed(report)) => Ok(problem(StatusCode::SERVICE_UNAVAILABLE, &report)),
        Err(_) => Err(Refusal::Stopping),
    }
}

impl Api {
    fn authorize(&self, headers: &HeaderMap, log_source: &str) -> Result<(), Refusal> {
        let given = text(headers, header::AUTHORIZATION)
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim());
        let given = given.ok_or(Refusal::Unauthorized)?;
        let token = self.tokens.iter().find(|token| token.secret.is(given));
        let token = token.ok_or(Refusal::Unauthorized)?;
        if token.log_sources.is_empty() || token.log_sources.iter().any(|name| name == log_source) {
            Ok(())
        } else {
            Err(Refusal::Forbidden(log_source.to_owned()))
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn api() -> Api {
        let token = |name: &str, log_sources: &[&str]| Token {
            name: name.to_owned(),
            secret: Secret::new(format!("{name}-secret")),
            log_sources: log_sources.iter().map(ToString::to_string).collect(),
        };
        Api {
            tokens: vec![token("any", &[]), token("web", &["nginx", "apache"])],
            queues: HashMap::new(),
            clock: Arc::new(base::SystemClock),
            requests: AtomicU64::new(0),
            started: String::new(),
        }
    }

    #[test]
    fn a_token_opens_its_log_sources_only() {
        let api = api();
        for (authorization, log_source, expected) in [
            ("Bearer any-secret", "okta", Ok(())),
            ("bearer  any-secret ", "okta", Ok(())),
            ("Bearer web-secret", "apache", Ok(())),
            ("Bearer web-secret", "okta", Err(StatusCode::FORBIDDEN)),
            ("Bearer web-secre", "nginx", Err(StatusCode::UNAUTHORIZED)),
            ("Bearer web-secret!", "nginx", Err(StatusCode::UNAUTHORIZED)),
            ("Bearer ", "nginx", Err(StatusCode::UNAUTHORIZED)),
            ("any-secret", "nginx", Err(StatusCode::UNAUTHORIZED)),
            ("Basic any-secret", "nginx", Err(StatusCode::UNAUTHORIZED)),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, authorization.parse().unwrap());
            let answer = api.authorize(&headers, log_source).map_err(|refusal| refusal.status());
            assert_eq!(answer, expected, "{authorization} {log_source}");
        }
        let without = api.authorize(&HeaderMap::new(), "okta");
        assert!(matches!(without, Err(Refusal::Unauthorized)));
    }

    #[test]
    fn secrets_are_not_printed() {
        assert!(!format!("{:?}", api()).contains("-secret"));
    }

    #[test]
    fn a_busy_server_says_when_to_come_back() {
        let response = Refusal::Busy { retry_after_seconds: 7 }.into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[header::RETRY_AFTER], "7");
    }
}
