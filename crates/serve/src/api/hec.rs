//! Splunk's HTTP Event Collector.
//!
//! As "HTTP Event Collector REST API endpoints" and "HTTP Event Collector indexer acknowledgment" in
//! Splunk's documentation have it: events, raw lines, health, and channels. An answer comes after the
//! commit, so that an acknowledgement is there as soon as its number is.

use std::{collections::HashMap, sync::Arc};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::Response,
    routing::{get, post},
};
use base::limits;
use collect::{PushError, Pushed, hec_events, hec_raw};
use serde::Deserialize;
use serde_json::json;

use super::{
    Api, Protocol, Refusal, query,
    refusal::{json, say},
    token, work,
};

pub(super) fn router() -> Router<Arc<Api>> {
    Router::new()
        .route("/services/collector", post(events))
        .route("/services/collector/event", post(events))
        .route("/services/collector/event/1.0", post(events))
        .route("/services/collector/raw", post(raw))
        .route("/services/collector/raw/1.0", post(raw))
        .route("/services/collector/health", get(health))
        .route("/services/collector/health/1.0", get(health))
        .route("/services/collector/ack", post(ack))
}

async fn health() -> Response {
    json(StatusCode::OK, &json!({"text": "HEC is healthy", "code": 17}).to_string())
}

async fn events(State(api): State<Arc<Api>>, uri: Uri, headers: HeaderMap, body: Body) -> Response {
    answer(&headers, accept(&api, &uri, &headers, body, false).await)
}

async fn raw(State(api): State<Arc<Api>>, uri: Uri, headers: HeaderMap, body: Body) -> Response {
    answer(&headers, accept(&api, &uri, &headers, body, true).await)
}

async fn accept(
    api: &Arc<Api>,
    uri: &Uri,
    headers: &HeaderMap,
    body: Body,
    is_raw: bool,
) -> Result<Response, Refusal> {
    let (token, body) = api.receive(headers, body).await?;
    let (query, packer) = (query(uri), Arc::clone(api));
    let channel = channel(headers, &query);
    let parcels = work(move || {
        let records = read(&body, &query, is_raw)?;
        packer.pack(&token, Protocol::Hec, &records)
    })
    .await?;
    let quarantined = api.deliver_all(parcels).await?;
    let mut answer = json!({"text": "Success", "code": 0});
    if let Some(channel) = channel {
        let mut channels = api.channels.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        say(&mut answer, "ackId", channels.next(channel));
    }
    if let Some((count, report)) = quarantined {
        say(&mut answer, "quarantined", count);
        say(&mut answer, "problem", serde_json::to_value(report).unwrap_or_default());
    }
    Ok(json(StatusCode::OK, &answer.to_string()))
}

fn read<'a>(
    body: &'a [u8],
    query: &[(String, String)],
    is_raw: bool,
) -> Result<Vec<Pushed<'a>>, Refusal> {
    let records = if is_raw { hec_raw(body, query)? } else { hec_events(body)? };
    if records.is_empty() {
        let error = PushError::NoData { protocol: "HEC request" };
        return Err(error.into());
    }
    Ok(records)
}

fn channel(headers: &HeaderMap, query: &[(String, String)]) -> Option<String> {
    let header = headers.get("x-splunk-request-channel").and_then(|value| value.to_str().ok());
    let in_query =
        || query.iter().find(|(key, _)| key == "channel").map(|(_, value)| value.clone());
    header.map(ToOwned::to_owned).or_else(in_query).filter(|channel| channel.len() <= 64)
}

fn answer(headers: &HeaderMap, answer: Result<Response, Refusal>) -> Response {
    answer.unwrap_or_else(|refusal| {
        let (code, number) = code(&refusal, headers);
        refusal.answer(|status, report| {
            let mut answer = json!({"text": report.message, "code": code, "problem": report});
            if let Some(number) = number {
                say(&mut answer, "invalid-event-number", number);
            }
            json(status, &answer.to_string())
        })
    })
}

/// Splunk's own number for a refusal, and of which event it speaks.
fn code(refusal: &Refusal, headers: &HeaderMap) -> (u8, Option<usize>) {
    match refusal {
        Refusal::Unauthorized if token::has_any(headers) => (4, None),
        Refusal::Unauthorized => (2, None),
        Refusal::Forbidden(_)
        | Refusal::UnknownLogSource { .. }
        | Refusal::UnknownSource(_)
        | Refusal::Announce(_) => (7, None),
        Refusal::Push(PushError::Malformed { record, .. }) => (6, Some(*record)),
        Refusal::Push(PushError::NoEvent { record, is_blank: false }) => (12, Some(*record)),
        Refusal::Push(PushError::NoEvent { record, is_blank: true }) => (13, Some(*record)),
        Refusal::Push(PushError::NoData { .. }) => (5, None),
        Refusal::Push(PushError::TooMany { .. })
        | Refusal::TooLarge { .. }
        | Refusal::Cut(_)
        | Refusal::Body(_)
        | Refusal::ContentType(_) => (6, None),
        Refusal::Busy { .. } | Refusal::Rate { .. } | Refusal::Stopping | Refusal::Failed(_) => {
            (9, None)
        }
    }
}

/// How many acknowledgements each channel was given. All of them stand for what is stored.
#[derive(Debug, Default)]
pub(super) struct Channels {
    next: HashMap<String, (u64, u64)>,
    turn: u64,
}

impl Channels {
    /// The number of the next acknowledgement. Past the limit, the channel that was used longest ago is
    /// forgotten: its clients send again what they have not asked for.
    fn next(&mut self, channel: String) -> u64 {
        self.turn += 1;
        if self.next.len() >= limits::HEC_CHANNELS_MAX && !self.next.contains_key(&channel) {
            let oldest = self.next.iter().min_by_key(|(_, (_, turn))| *turn);
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                self.next.remove(&oldest);
            }
        }
        let (next, turn) = self.next.entry(channel).or_default();
        *turn = self.turn;
        *next += 1;
        *next - 1
    }

    fn was_given(&self, channel: &str, number: u64) -> bool {
        self.next.get(channel).is_some_and(|(next, _)| number < *next)
    }
}

#[derive(Deserialize)]
struct Asked {
    acks: Vec<u64>,
}

async fn ack(State(api): State<Arc<Api>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    answer(&headers, acknowledged(&api, &uri, &headers, &body))
}

fn acknowledged(
    api: &Api,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Refusal> {
    api.enter(headers)?;
    let Some(channel) = channel(headers, &query(uri)) else {
        let answer = json!({"text": "Data channel is missing", "code": 10});
        return Ok(json(StatusCode::BAD_REQUEST, &answer.to_string()));
    };
    let asked: Asked = serde_json::from_slice(body).map_err(|error| {
        let (protocol, reason) = ("HEC query for acknowledgements", error.to_string());
        Refusal::Push(PushError::Malformed { protocol, reason, record: 0 })
    })?;
    let channels = api.channels.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let acks: serde_json::Map<_, _> = asked
        .acks
        .iter()
        .map(|number| (number.to_string(), channels.was_given(&channel, *number).into()))
        .collect();
    Ok(json(StatusCode::OK, &json!({ "acks": acks }).to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_count_by_themselves_and_the_oldest_is_forgotten() {
        let mut channels = Channels::default();
        assert_eq!((channels.next("a".into()), channels.next("a".into())), (0, 1));
        assert_eq!(channels.next("b".into()), 0);
        assert!(channels.was_given("a", 1) && !channels.was_given("a", 2));
        assert!(!channels.was_given("c", 0));
        for n in 2..=limits::HEC_CHANNELS_MAX {
            channels.next(format!("{n}"));
        }
        assert_eq!(channels.next.len(), limits::HEC_CHANNELS_MAX);
        assert!(!channels.was_given("a", 0) && channels.was_given("b", 0));
    }
}
