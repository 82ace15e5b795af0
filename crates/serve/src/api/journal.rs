//! `POST /upload`: journald's entries, as `systemd-journal-upload` sends them.
//!
//! One request brings everything that a journal has and ends when it is read; it may have any length.
//! So it is stored piece by piece while it comes. The client remembers how far it was only when the
//! request is answered: after an answer that is no success it sends all of it again.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use base::limits;
use collect::{JournalReader, Pushed, Record};
use futures::StreamExt as _;

use super::{Api, Protocol, Refusal, token::Holder, work};

pub(super) fn router() -> Router<Arc<Api>> {
    Router::new().route("/upload", post(upload))
}

async fn upload(State(api): State<Arc<Api>>, headers: HeaderMap, body: Body) -> Response {
    match accept(&api, &headers, body).await {
        // The client logs this text.
        Ok(()) => (StatusCode::ACCEPTED, "OK.\n").into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

async fn accept(api: &Arc<Api>, headers: &HeaderMap, body: Body) -> Result<(), Refusal> {
    let holder = api.enter(headers)?;
    let mut reader = JournalReader::default();
    let mut entries = Vec::new();
    let mut bytes = 0;
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| Refusal::Cut(error.to_string()))?;
        holder.charge(api.clock.now(), piece.len());
        for entry in reader.read(&piece)? {
            bytes += length(&entry);
            entries.push(entry);
        }
        if bytes >= limits::CHUNK_BYTES || entries.len() >= limits::PUSH_RECORDS_MAX {
            store(api, holder, std::mem::take(&mut entries)).await?;
            bytes = 0;
        }
    }
    entries.extend(reader.end()?);
    store(api, holder, entries).await
}

fn length(entry: &Pushed<'_>) -> usize {
    if let Record::Json(json) = &entry.record { json.len() } else { 0 }
}

async fn store(
    api: &Arc<Api>,
    holder: &Holder,
    entries: Vec<Pushed<'static>>,
) -> Result<(), Refusal> {
    if entries.is_empty() {
        return Ok(());
    }
    let (packer, token) = (Arc::clone(api), holder.token.clone());
    let parcels = work(move || packer.pack(&token, Protocol::Journal, &entries)).await?;
    // What goes to the quarantine is counted there: the protocol has no word for it.
    api.deliver_all(parcels).await.map(drop)
}
