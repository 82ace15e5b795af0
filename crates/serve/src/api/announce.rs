//! `POST /announcements/{source}`: Pub/Sub says that an object is new in a bucket.
//!
//! The request is answered with 204 once what it names is committed. Anything else, above all no answer in the
//! subscription's time, makes Pub/Sub send it again.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use collect::{Announcement, OidcVerifier, pushed};
use tokio::sync::mpsc;

use super::{Api, Refusal, text, whole};

/// Where a bucket source hears of new objects.
#[derive(Debug)]
pub(crate) struct AnnounceDoor {
    pub(crate) verifier: Arc<OidcVerifier>,
    pub(crate) inbox: mpsc::Sender<Announcement>,
}

pub(super) fn router() -> Router<Arc<Api>> {
    Router::new().route("/announcements/{source}", post(announce))
}

async fn announce(
    State(api): State<Arc<Api>>,
    Path(source): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    match accept(&api, &source, &headers, body).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

async fn accept(api: &Api, source: &str, headers: &HeaderMap, body: Body) -> Result<(), Refusal> {
    let door = api.doors.get(source).ok_or_else(|| Refusal::UnknownSource(source.to_owned()))?;
    let authorization = text(headers, header::AUTHORIZATION);
    let token = authorization.and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    door.verifier.verify(token).await.map_err(Refusal::Announce)?;
    // Before the body is read: it may be large.
    if door.inbox.capacity() == 0 {
        return Err(Refusal::busy());
    }
    let body = whole(body).await?;
    let delivery = pushed(&body, &api.request_id());
    let (announcement, settled) = Announcement::of(delivery);
    door.inbox.try_send(announcement).map_err(|_| Refusal::busy())?;
    settled.await.map_err(|_| Refusal::Stopping)
}
