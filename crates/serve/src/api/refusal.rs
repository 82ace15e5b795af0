//! Why a request is refused.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use base::{Code, Explain, Place, Problem, Report, limits};
use collect::{AnnounceError, CollectError, Full, PushError};
use serde_json::Value;

/// Why a request is refused. Nothing of it is certain to be stored.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("the request has no valid bearer token")]
    Unauthorized,
    #[error("the token is not for log source `{0}`")]
    Forbidden(String),
    #[error("there is no log source `{name}`")]
    UnknownLogSource { name: String, known: String },
    #[error("no source `{0}` waits for pushed announcements")]
    UnknownSource(String),
    #[error(transparent)]
    Announce(AnnounceError),
    #[error("the body is larger than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("the body did not come whole: {0}")]
    Cut(String),
    #[error("too many requests wait for a commit")]
    Busy { retry_after_seconds: u64 },
    #[error("the token `{token}` sends more than it may")]
    Rate { token: String, retry_after_seconds: u64 },
    #[error("the server is stopping")]
    Stopping,
    #[error(transparent)]
    Body(#[from] CollectError),
    #[error(transparent)]
    Push(PushError),
    #[error("content type `{0}` is not known here")]
    ContentType(String),
    #[error("{}", .0.message)]
    Failed(Box<Report>),
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
            Self::Stopping | Self::Failed(_) => "DAB0717",
            Self::Rate { .. } => "DAB0326",
            Self::ContentType(_) => "DAB0325",
            Self::UnknownSource(_) => "DAB0344",
            Self::Announce(error) => return error.code(),
            Self::Body(error) => return error.code(),
            Self::Push(error) => return error.code(),
        })
    }

    fn place(&self) -> Option<Place> {
        match self {
            Self::Body(error) => error.place(),
            Self::Push(error) => error.place(),
            Self::Announce(error) => error.place(),
            _ => None,
        }
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
            Self::Busy { .. } | Self::Rate { .. } => {
                "send it again after the time in `Retry-After`".into()
            }
            Self::ContentType(_) => "send `application/x-protobuf` or `application/json`".into(),
            Self::UnknownSource(_) => {
                "compare the address with the sources that have `notifications.push`".into()
            }
            Self::Announce(error) => return error.help(),
            Self::Body(error) => return error.help(),
            Self::Push(error) => return error.help(),
            Self::Failed(report) => return report.help.clone(),
        })
    }
}

impl From<Full> for Refusal {
    fn from(full: Full) -> Self {
        Self::Busy { retry_after_seconds: full.retry_after_seconds }
    }
}

impl Refusal {
    pub(super) const fn busy() -> Self {
        Self::Busy { retry_after_seconds: limits::HTTP_RETRY_AFTER_SECONDS }
    }

    pub(super) const fn status(&self) -> StatusCode {
        match self {
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::UnknownLogSource { .. } | Self::UnknownSource(_) => StatusCode::NOT_FOUND,
            Self::Announce(AnnounceError::NoKeys { .. }) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Announce(_) => StatusCode::UNAUTHORIZED,
            Self::TooLarge { .. } | Self::Push(PushError::TooMany { .. }) => {
                StatusCode::PAYLOAD_TOO_LARGE
            }
            Self::Cut(_) | Self::Body(_) | Self::Push(_) => StatusCode::BAD_REQUEST,
            Self::ContentType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Rate { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Busy { .. } | Self::Stopping | Self::Failed(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The status, and the problem for people; of one that happened elsewhere, as it was told there.
    pub(super) fn report(self) -> (StatusCode, Report) {
        let status = self.status();
        match self {
            Self::Failed(report) => (status, *report),
            other => (status, Problem::from(other).report()),
        }
    }

    /// How long the client is to wait before it sends again.
    pub(super) fn retry_after(&self) -> Option<HeaderValue> {
        match self {
            Self::Busy { retry_after_seconds } | Self::Rate { retry_after_seconds, .. } => {
                Some(HeaderValue::from(*retry_after_seconds))
            }
            Self::Stopping | Self::Failed(_) | Self::Announce(AnnounceError::NoKeys { .. }) => {
                Some(HeaderValue::from(limits::HTTP_RETRY_AFTER_SECONDS))
            }
            _ => None,
        }
    }

    /// An answer in a protocol's own words, with what HTTP itself says.
    pub(super) fn answer(self, body: impl FnOnce(StatusCode, &Report) -> Response) -> Response {
        let status = self.status();
        self.answer_as(status, body)
    }

    /// The same for a protocol that has the status elsewhere: HTTP says `shown`.
    pub(super) fn answer_as(
        self,
        shown: StatusCode,
        body: impl FnOnce(StatusCode, &Report) -> Response,
    ) -> Response {
        let wait = self.retry_after();
        let (status, report) = self.report();
        let mut response = body(status, &report);
        *response.status_mut() = shown;
        if let Some(wait) = wait {
            response.headers_mut().insert(header::RETRY_AFTER, wait);
        }
        response
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        self.answer(|_, report| {
            json(StatusCode::OK, &serde_json::to_string(report).unwrap_or_default())
        })
    }
}

/// Adds a member to an answer.
pub(super) fn say(answer: &mut Value, key: &str, value: impl Into<Value>) {
    if let Value::Object(answer) = answer {
        answer.insert(key.to_owned(), value.into());
    }
}

/// An answer in JSON.
pub(super) fn json(status: StatusCode, body: &str) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], format!("{body}\n")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_server_says_when_to_come_back() {
        let response = Refusal::Busy { retry_after_seconds: 7 }.into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[header::RETRY_AFTER], "7");
        let token = "t".to_owned();
        let response = Refusal::Rate { token, retry_after_seconds: 3 }.into_response();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()[header::RETRY_AFTER], "3");
    }
}
