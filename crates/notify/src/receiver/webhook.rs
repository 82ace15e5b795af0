//! The generic webhook: one alert as JSON in one POST. `docs/guides/webhook.md` is its manual.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use base::{Clock, Level, Reason, Timestamp, limits};
use serde::Serialize;
use serde_json::value::RawValue;
use url::Url;

use super::{Receiver, is_name};
use crate::{HttpClient, HttpFailure, HttpReply, Notification, NotifyError, SendError, hash};

/// The version of the body. It changes when a field goes away or changes its meaning; new fields
/// do not change it.
const BODY_VERSION: u32 = 1;

/// A secret that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret in.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret, for the one place that sends it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Where a webhook goes, and how it proves itself.
#[derive(Debug, Clone)]
pub struct WebhookSettings {
    /// The receiver's name.
    pub name: String,
    /// The address, `https` or `http`. Treated as a secret: it is never shown beyond its host.
    pub url: Secret,
    /// The key for the `Dab-Signature` header; without one, bodies are not signed.
    pub secret: Option<Secret>,
    /// More headers, such as `Authorization`.
    pub headers: Vec<(String, Secret)>,
}

/// A receiver that posts alerts to an address.
#[derive(Debug)]
pub struct Webhook {
    name: String,
    url: SecretUrl,
    secret: Option<Secret>,
    headers: Vec<(String, Secret)>,
    client: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
}

struct SecretUrl(Url);

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}/…", self.0.scheme(), self.0.host_str().unwrap_or_default())
    }
}

/// Headers that are ours to set.
const RESERVED: [&str; 5] =
    ["content-type", "content-length", "host", "idempotency-key", "dab-signature"];

impl Webhook {
    /// Checks the settings. Connects to nothing.
    ///
    /// # Errors
    /// [`NotifyError::Settings`] for the first mistake.
    pub fn new(
        settings: WebhookSettings,
        client: Arc<dyn HttpClient>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, NotifyError> {
        let WebhookSettings { name, url, secret, headers } = settings;
        match check(&name, &url, secret.as_ref(), &headers) {
            Ok(url) => Ok(Self { name, url: SecretUrl(url), secret, headers, client, clock }),
            Err(message) => Err(NotifyError::Settings { receiver: name, message }),
        }
    }

    fn request_headers(&self, notification: &Notification, body: &[u8]) -> Vec<(String, String)> {
        let own = [
            ("content-type", "application/json"),
            ("idempotency-key", notification.idempotency_key()),
        ];
        let mut headers: Vec<(String, String)> =
            own.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        if let Some(secret) = &self.secret {
            let value = signature(secret, self.clock.now(), body);
            headers.push(("dab-signature".to_owned(), value));
        }
        let more = self.headers.iter();
        headers.extend(more.map(|(name, value)| (name.clone(), value.expose().to_owned())));
        headers
    }
}

fn check(
    name: &str,
    url: &Secret,
    secret: Option<&Secret>,
    headers: &[(String, Secret)],
) -> Result<Url, String> {
    if !is_name(name) {
        return Err("a name has 1 to 64 of the characters `A-Z a-z 0-9 _ . -`".to_owned());
    }
    let url = Url::parse(url.expose()).map_err(|error| format!("`url` is no address: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("`url` begins with `{}:`, not with `https:`", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("`url` holds a user or password; send it as a header".to_owned());
    }
    if secret.is_some_and(|secret| secret.expose().is_empty()) {
        return Err("`secret` is empty; leave it out to send without a signature".to_owned());
    }
    for (header, value) in headers {
        let shown = header.escape_debug();
        if RESERVED.iter().any(|reserved| header.eq_ignore_ascii_case(reserved)) {
            return Err(format!("header `{shown}` is set by dab"));
        }
        let is_token =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if header.is_empty() || !header.bytes().all(is_token) {
            return Err(format!("`{shown}` is no name of a header"));
        }
        if !value.expose().bytes().all(|byte| byte == b'\t' || (byte >= 0x20 && byte != 0x7f)) {
            return Err(format!("the value of header `{shown}` holds a control character"));
        }
    }
    Ok(url)
}

#[async_trait]
impl Receiver for Webhook {
    fn name(&self) -> &str {
        &self.name
    }

    async fn send(&self, notification: &Notification) -> Result<(), SendError> {
        let body = body(notification)
            .map_err(|error| SendError::Refused { message: format!("no JSON: {error}") })?;
        let headers = self.request_headers(notification, &body);
        match self.client.post(&self.url.0, &headers, &body).await {
            Ok(reply) => judge(&reply, self.clock.now()),
            Err(HttpFailure::Invalid(message)) => Err(SendError::Refused { message }),
            Err(failure) => Err(SendError::Retry { message: failure.to_string(), after: None }),
        }
    }
}

/// The value of the `Dab-Signature` header: `t=<seconds since 1970>,v1=<hex>`, where the hex is the
/// HMAC-SHA256 (RFC 2104) of `<seconds>.<body>` under the secret.
///
/// The time is signed too, so that a recorded request can't be played back much later.
#[must_use]
pub fn signature(secret: &Secret, at: Timestamp, body: &[u8]) -> String {
    let seconds = at.as_micros().div_euclid(1_000_000);
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.expose().as_bytes());
    let mut context = ring::hmac::Context::with_key(&key);
    context.update(format!("{seconds}.").as_bytes());
    context.update(body);
    format!("t={seconds},v1={}", hash::hex(context.sign().as_ref()))
}

/// What to make of an answer.
///
/// 401, 403 and 404 count as passing: whoever runs the other side rotates keys and moves routes
/// without dab knowing, and repairs it within the day for which a notification is kept.
fn judge(reply: &HttpReply, now: Timestamp) -> Result<(), SendError> {
    match reply.status {
        200..=299 => Ok(()),
        401 | 403 | 404 | 408 | 409 | 421 | 423 | 425 | 429 | 500..=599 => Err(SendError::Retry {
            message: answer(reply),
            after: reply.header("retry-after").and_then(|value| retry_after(value, now)),
        }),
        300..=399 => Err(SendError::Refused {
            message: format!("answered {} to redirect, which is not followed", reply.status),
        }),
        _ => Err(SendError::Refused { message: answer(reply) }),
    }
}

/// The status and the beginning of the body, in one line.
fn answer(reply: &HttpReply) -> String {
    let text = String::from_utf8_lossy(&reply.body);
    let line: Vec<&str> = text.split_whitespace().collect();
    let line: String = line.join(" ").chars().take(limits::NOTIFY_ANSWER_CHARS_MAX).collect();
    if line.is_empty() {
        return format!("answered {}", reply.status);
    }
    format!("answered {}: {}", reply.status, line.escape_debug())
}

/// Reads `Retry-After` (RFC 9110, 10.2.3): seconds, or an HTTP date. Never more than a retry waits
/// at most, whatever the other side asks for.
fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    let asked = match value.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => Timestamp::parse_http_date(value)?.since(now),
    };
    Some(asked.min(Duration::from_secs(limits::NOTIFY_RETRY_SECONDS_MAX)))
}

#[derive(Serialize)]
struct Body<'a> {
    version: u32,
    kind: &'static str,
    alert: AlertBody<'a>,
}

#[derive(Serialize)]
struct AlertBody<'a> {
    id: &'a str,
    raised_time: Timestamp,
    level: Level,
    title: &'a str,
    rule: RuleBody<'a>,
    log_source: &'a str,
    event_time: Timestamp,
    event_id: &'a str,
    dedup: Vec<DedupBody<'a>>,
    reasons: &'a [Reason],
    /// The event as an object, or, if it was cut, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_text: Option<&'a str>,
}

#[derive(Serialize)]
struct RuleBody<'a> {
    id: &'a str,
    file: &'a str,
    tags: &'a [String],
}

#[derive(Serialize)]
struct DedupBody<'a> {
    field: &'a str,
    value: &'a str,
}

/// The body that is posted: compact JSON, the same bytes for the same notification.
fn body(notification: &Notification) -> serde_json::Result<Vec<u8>> {
    let alert = &notification.alert;
    let hit = &alert.first_match;
    let event: Option<&RawValue> = serde_json::from_str(&hit.event).ok();
    let pairs = hit.rule.dedup.iter().zip(&hit.dedup_values);
    serde_json::to_vec(&Body {
        version: BODY_VERSION,
        kind: "alert",
        alert: AlertBody {
            id: &alert.id,
            raised_time: alert.raised_time,
            level: hit.rule.level,
            title: &hit.rule.title,
            rule: RuleBody { id: &hit.rule.id, file: &hit.rule.file, tags: &hit.rule.tags },
            log_source: &hit.log_source,
            event_time: hit.time,
            event_id: &hit.event_id,
            dedup: pairs.map(|(field, value)| DedupBody { field, value }).collect(),
            reasons: &hit.reasons,
            event,
            event_text: event.is_none().then_some(&hit.event),
        },
    })
}

#[cfg(test)]
mod tests;
