//! `POST /ingest/{log_source}`: records as their log source's files would have them.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use collect::{PushForm, PushOutcome, PushRequest};
use serde_json::json;
use tokio::sync::oneshot;

use super::{Api, Refusal, refusal::json, text};

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
    let queue = &api.may_send(&holder.token, log_source)?.queue;
    let body = api.body(holder, headers, body).await?;
    let (done, outcome) = oneshot::channel();
    let content_type = text(headers, header::CONTENT_TYPE).map(ToOwned::to_owned);
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
