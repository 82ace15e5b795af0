//! OpenTelemetry's logs over gRPC: `LogsService/Export`, as its exporters call it.
//!
//! Of gRPC this is what one unary call takes: a request of one message with its length in front
//! (packed with gzip or not), an answer of the same form, and the status in trailers
//! (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>). It is HTTP/2 without TLS, on the
//! same port as everything else.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use bytes::Bytes;
use collect::{PushError, decompress_body};
use http_body::Frame;

use super::{Api, Refusal, otlp, text};

const PATH: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
const CONTENT_TYPE: &str = "application/grpc";
const STATUS: &str = "grpc-status";
const MESSAGE: &str = "grpc-message";

/// In front of each message: whether it is packed, and its length.
const PREFIX_BYTES: usize = 5;

pub(super) fn router() -> Router<Arc<Api>> {
    Router::new().route(PATH, post(export))
}

async fn export(State(api): State<Arc<Api>>, headers: HeaderMap, body: Body) -> Response {
    let given = text(&headers, header::CONTENT_TYPE).unwrap_or_default();
    if !given.starts_with(CONTENT_TYPE) {
        return Refusal::ContentType(given.to_owned()).into_response();
    }
    match accept(&api, &headers, body).await {
        Ok(message) => answer(&message),
        Err(refusal) => refused(refusal),
    }
}

async fn accept(api: &Arc<Api>, headers: &HeaderMap, body: Body) -> Result<Vec<u8>, Refusal> {
    let (token, body) = api.receive(headers, body).await?;
    let encoding = text(headers, header::HeaderName::from_static("grpc-encoding"));
    let encoding = encoding.unwrap_or("identity").to_owned();
    let message = super::work(move || message_of(&body, &encoding)).await?;
    let quarantined = otlp::store(api, token, otlp::Form::Protobuf, message).await?;
    Ok(otlp::partial_success(quarantined.as_ref()))
}

/// The message that a request brings, unpacked.
fn message_of(body: &Bytes, encoding: &str) -> Result<Bytes, Refusal> {
    let malformed = |reason: &str| {
        let reason = reason.to_owned();
        Refusal::Push(PushError::Malformed { protocol: "gRPC request", reason, record: 0 })
    };
    let Some((prefix, _)) = body.split_first_chunk::<PREFIX_BYTES>() else {
        return Err(malformed("it has no message"));
    };
    let [packed, length @ ..] = *prefix;
    let message = body.slice(PREFIX_BYTES..);
    if usize::try_from(u32::from_be_bytes(length)).ok() != Some(message.len()) {
        return Err(malformed("it is not one message of the length that it says"));
    }
    match packed {
        0 => Ok(message),
        1 => Ok(decompress_body(Some(encoding), message)?),
        _ => Err(malformed("its first byte is neither 0 nor 1")),
    }
}

fn answer(message: &[u8]) -> Response {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let framed = [&[0][..], &length.to_be_bytes(), message].concat();
    let mut trailers = HeaderMap::new();
    trailers.insert(STATUS, HeaderValue::from_static("0"));
    let body = Unary { message: Some(framed.into()), trailers: Some(trailers) };
    (StatusCode::OK, [(header::CONTENT_TYPE, CONTENT_TYPE)], Body::new(body)).into_response()
}

/// The status of a call that failed stands where its trailers would: there is nothing else.
fn refused(refusal: Refusal) -> Response {
    refusal.answer_as(StatusCode::OK, |status, report| {
        let code = otlp::grpc_code(status);
        let message = escaped(&format!("{}: {}", report.code, report.message));
        let headers = [
            (header::CONTENT_TYPE.as_str(), CONTENT_TYPE.to_owned()),
            (STATUS, code.to_string()),
            (MESSAGE, message),
        ];
        (headers, Body::empty()).into_response()
    })
}

/// A message as its header has it: bytes that are not printable ASCII, and `%`, in hexadecimal digits.
fn escaped(message: &str) -> String {
    let mut out = String::with_capacity(message.len());
    for byte in message.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// A body of one message, and trailers.
struct Unary {
    message: Option<Bytes>,
    trailers: Option<HeaderMap>,
}

impl http_body::Body for Unary {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let message = self.message.take().map(Frame::data);
        let frame = message.or_else(|| self.trailers.take().map(Frame::trailers));
        Poll::Ready(frame.map(Ok))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_one_message() {
        let read = |bytes: &'static [u8]| message_of(&Bytes::from_static(bytes), "identity");
        assert_eq!(read(b"\0\0\0\0\x02ab").unwrap(), "ab");
        assert_eq!(read(b"\x01\0\0\0\x02ab").unwrap(), "ab");
        assert_eq!(read(b"\0\0\0\0\0").unwrap(), "");
        for (bytes, expected) in [
            (&b"\0\0\0\0"[..], "the request is no gRPC request: it has no message"),
            (b"\0\0\0\0\x03ab", "the request is no gRPC request: it is not one message of"),
            (b"\0\0\0\0\x01ab", "the request is no gRPC request: it is not one message of"),
            (b"\x02\0\0\0\x02ab", "the request is no gRPC request: its first byte is"),
        ] {
            let told = read(bytes).unwrap_err().to_string();
            assert!(told.starts_with(expected), "{told}");
        }
        let packed = Bytes::from_static(b"\x01\0\0\0\x02ab");
        assert!(message_of(&packed, "gzip").is_err());
        assert!(message_of(&packed, "snappy").unwrap_err().to_string().contains("`snappy`"));
    }

    #[test]
    fn messages_of_errors_are_escaped() {
        assert_eq!(escaped("100% — é\n"), "100%25 %E2%80%94 %C3%A9%0A");
    }

    #[test]
    fn a_refusal_is_a_status_of_grpc() {
        let response = refused(Refusal::Unauthorized);
        assert_eq!(
            (response.status(), &response.headers()[STATUS]),
            (StatusCode::OK, &HeaderValue::from_static("16"))
        );
        assert!(response.headers()[MESSAGE].to_str().unwrap().starts_with("DAB0711: "));
        let busy = refused(Refusal::Busy { retry_after_seconds: 7 });
        assert_eq!(busy.headers()[STATUS], "14");
    }
}
