//! `POST /ingest/{log_source}`: records as their log source's files would have them; or, under a name of its own,
//! records of several log sources.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use bytes::Bytes;
use collect::{PushForm, PushOutcome, PushRequest, body_as_text, is_binary};
use serde_json::json;
use tokio::sync::oneshot;

use super::{Api, Refusal, refusal::json, text, work};
use crate::sorting::Sorting;

pub(super) fn router() -> Router<Arc<Api>> {
    Router::new().route("/ingest/{log_source}", post(ingest))
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
    let holder = api.enter(headers)?;
    if let Some(sorting) = api.mixed.get(log_source) {
        if !holder.token.is_for(log_source) {
            return Err(Refusal::Forbidden(log_source.to_owned()));
        }
        let (content_type, body) = records(headers, api.body(holder, headers, body).await?).await?;
        return sorted(api, Arc::clone(sorting), content_type, body).await;
    }
    let queue = &api.may_send(&holder.token, log_source)?.queue;
    let (content_type, body) = records(headers, api.body(holder, headers, body).await?).await?;
    let (done, outcome) = oneshot::channel();
    let request = PushRequest {
        id: api.request_id(),
        form: PushForm::AsSent(content_type),
        body,
        received: api.clock.now(),
        done,
    };
    queue.offer(request)?;
    match outcome.await {
        Ok(PushOutcome::Committed { accepted, quarantined, .. }) => {
            let counts = json!({ "accepted": accepted, "quarantined": quarantined });
            Ok(json(StatusCode::OK, &counts.to_string()))
        }
        Ok(PushOutcome::Failed(report)) => Err(Refusal::Failed(report.into())),
        Err(_) => Err(Refusal::Stopping),
    }
}

/// The type of a body, and what is in it: of a file in a binary format, its records as text.
async fn records(headers: &HeaderMap, body: Bytes) -> Result<(Option<String>, Bytes), Refusal> {
    if is_binary(&body) {
        return Ok((None, work(move || Ok(body_as_text(body)?)).await?));
    }
    Ok((text(headers, header::CONTENT_TYPE).map(ToOwned::to_owned), body))
}

/// Records of several log sources: answered once all are committed.
async fn sorted(
    api: &Api,
    sorting: Arc<Sorting>,
    content_type: Option<String>,
    body: Bytes,
) -> Result<Response, Refusal> {
    let parcels = work(move || Ok(sorting.sort_body(content_type.as_deref(), &body))).await?;
    for (queue, body) in &parcels {
        // Before anything is queued: what is sent again would be stored twice.
        queue.room_for(body.len())?;
    }
    let mut outcomes = Vec::with_capacity(parcels.len());
    for (queue, body) in parcels {
        let (done, outcome) = oneshot::channel();
        let request = PushRequest {
            id: api.request_id(),
            form: PushForm::Lines,
            body: body.into(),
            received: api.clock.now(),
            done,
        };
        // Those before it are committed all the same, and the client is told to send all again.
        queue.offer(request)?;
        outcomes.push(outcome);
    }
    let (mut all_accepted, mut all_quarantined) = (0, 0);
    for outcome in outcomes {
        match outcome.await {
            Ok(PushOutcome::Committed { accepted, quarantined, .. }) => {
                all_accepted += accepted;
                all_quarantined += quarantined;
            }
            Ok(PushOutcome::Failed(report)) => return Err(Refusal::Failed(report.into())),
            Err(_) => return Err(Refusal::Stopping),
        }
    }
    let counts = json!({ "accepted": all_accepted, "quarantined": all_quarantined });
    Ok(json(StatusCode::OK, &counts.to_string()))
}
