//! OpenTelemetry's logs over HTTP: `POST /v1/logs`, in protobuf or JSON.
//!
//! As <https://opentelemetry.io/docs/specs/otlp/> has it. Records that went to the quarantine are told
//! of as a partial success, which clients don't send again.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use base::Report;
use bytes::Bytes;
use collect::{otlp_json, otlp_protobuf};
use serde_json::json;

use super::{Api, Protocol, Refusal, text, token::Token, work};

pub(super) fn router() -> Router<Arc<Api>> {
    Router::new().route("/v1/logs", post(logs))
}

/// How a request is written, and so its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Protobuf,
    Json,
}

impl Form {
    fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        let given = text(headers, header::CONTENT_TYPE).unwrap_or_default();
        match given.split(';').next().unwrap_or_default().trim() {
            "application/x-protobuf" => Ok(Self::Protobuf),
            "application/json" => Ok(Self::Json),
            _ => Err(Refusal::ContentType(given.to_owned())),
        }
    }

    fn response(self, status: StatusCode, protobuf: Vec<u8>, json: &serde_json::Value) -> Response {
        match self {
            Self::Json => super::refusal::json(status, &json.to_string()),
            Self::Protobuf => {
                (status, [(header::CONTENT_TYPE, "application/x-protobuf")], protobuf)
                    .into_response()
            }
        }
    }
}

async fn logs(State(api): State<Arc<Api>>, headers: HeaderMap, body: Body) -> Response {
    let form = match Form::of(&headers) {
        Ok(form) => form,
        Err(refusal) => return refusal.into_response(),
    };
    match accept(&api, form, &headers, body).await {
        Ok(quarantined) => success(form, quarantined),
        Err(refusal) => refusal.answer(|status, report| {
            let code = grpc_code(status);
            let message = format!("{}: {}", report.code, report.message);
            let protobuf = [number(1, code), bytes(2, message.as_bytes())].concat();
            form.response(status, protobuf, &json!({"code": code, "message": message}))
        }),
    }
}

/// gRPC's number for a refusal: 14 is the only one here after which clients try again.
pub(super) const fn grpc_code(status: StatusCode) -> u64 {
    match status {
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE => 3,
        StatusCode::UNAUTHORIZED => 16,
        StatusCode::FORBIDDEN => 7,
        StatusCode::NOT_FOUND => 5,
        _ => 14,
    }
}

async fn accept(
    api: &Arc<Api>,
    form: Form,
    headers: &HeaderMap,
    body: Body,
) -> Result<Option<(usize, Report)>, Refusal> {
    let (token, body) = api.receive(headers, body).await?;
    store(api, token, form, body).await
}

/// Stores the records of a request. Answers how many are in the quarantine, and why the first.
pub(super) async fn store(
    api: &Arc<Api>,
    token: Token,
    form: Form,
    body: Bytes,
) -> Result<Option<(usize, Report)>, Refusal> {
    let packer = Arc::clone(api);
    let parcels = work(move || {
        let records = match form {
            Form::Protobuf => otlp_protobuf(&body)?,
            Form::Json => otlp_json(&body)?,
        };
        packer.pack(&token, Protocol::Otel, &records)
    })
    .await?;
    api.deliver_all(parcels).await
}

/// An `ExportLogsServiceResponse`.
fn success(form: Form, quarantined: Option<(usize, Report)>) -> Response {
    let Some((count, report)) = quarantined else {
        return form.response(StatusCode::OK, Vec::new(), &json!({}));
    };
    let message = told(&report);
    let protobuf = partial_success(Some(&(count, report)));
    let rejected = json!({"rejectedLogRecords": count.to_string(), "errorMessage": message});
    form.response(StatusCode::OK, protobuf, &json!({ "partialSuccess": rejected }))
}

/// An `ExportLogsServiceResponse` in protobuf.
pub(super) fn partial_success(quarantined: Option<&(usize, Report)>) -> Vec<u8> {
    let Some((count, report)) = quarantined else { return Vec::new() };
    let partial = [number(1, *count as u64), bytes(2, told(report).as_bytes())].concat();
    bytes(1, &partial)
}

fn told(report: &Report) -> String {
    format!("in the quarantine: {}: {}", report.code, report.message)
}

/// A field of a protobuf message that is a number.
fn number(field: u8, value: u64) -> Vec<u8> {
    let mut out = vec![field << 3];
    varint(&mut out, value);
    out
}

/// A field of a protobuf message that is a text or a message.
fn bytes(field: u8, value: &[u8]) -> Vec<u8> {
    let mut out = vec![field << 3 | 2];
    varint(&mut out, value.len() as u64);
    out.extend_from_slice(value);
    out
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or_default();
        value >>= 7;
        out.push(if value > 0 { low | 0x80 } else { low });
        if value == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_written_as_protobuf_has_them() {
        assert_eq!(number(1, 300), [0x08, 0xac, 0x02]);
        assert_eq!(bytes(2, b"testing"), [&[0x12, 7][..], b"testing"].concat());
        assert_eq!(number(1, 0), [0x08, 0]);
    }
}
