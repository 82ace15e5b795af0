//! `GET /metrics`: what each source is doing, for Prometheus. Any token opens it.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
    routing::get,
};

use super::{Api, token};
use crate::metrics::{CONTENT_TYPE, render};

pub(super) fn router() -> Router<Arc<Api>> {
    Router::new().route("/metrics", get(metrics))
}

async fn metrics(State(api): State<Arc<Api>>, headers: HeaderMap) -> Response {
    if let Err(refusal) = token::find(&headers, &api.holders) {
        return refusal.into_response();
    }
    let mut status = api.board.status();
    status.requests.insert("lake".to_owned(), api.lake.requests());
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], render(&status)).into_response()
}
