//! Who may send events: tokens, in whichever form a client puts them, and how much each may send.

use std::sync::{Mutex, PoisonError};

use axum::http::{HeaderMap, header};
use base::Timestamp;
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{Refusal, text};

/// Who may send events.
#[derive(Debug, Clone)]
pub struct Token {
    /// Its name, for the log.
    pub name: String,
    /// The token itself.
    pub secret: Secret,
    /// The log sources it is for; empty: all.
    pub log_sources: Vec<String>,
    /// How many requests it may send in a second; `None`: as many as are committed.
    pub requests_per_second_max: Option<u32>,
    /// How many bytes of bodies, as sent.
    pub bytes_per_second_max: Option<u64>,
}

impl Token {
    pub(super) fn is_for(&self, log_source: &str) -> bool {
        self.log_sources.is_empty() || self.log_sources.iter().any(|name| name == log_source)
    }
}

/// Text that is never printed.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// Compares in a time that does not depend on where they differ.
    fn is(&self, other: &str) -> bool {
        let (a, b) = (self.0.as_bytes(), other.as_bytes());
        let difference = a.iter().zip(b).fold(0, |sum, (x, y)| sum | (x ^ y));
        a.len() == b.len() && difference == 0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A token and what it has used up.
#[derive(Debug)]
pub(super) struct Holder {
    pub(super) token: Token,
    requests: Allowance,
    bytes: Allowance,
}

impl Holder {
    pub(super) fn new(token: Token) -> Self {
        let requests = Allowance::new(token.requests_per_second_max.map(u64::from));
        let bytes = Allowance::new(token.bytes_per_second_max);
        Self { token, requests, bytes }
    }

    /// Counts a request, if there may be one now.
    pub(super) fn begin(&self, now: Timestamp) -> Result<(), Refusal> {
        self.bytes.wait(now).map_or(Ok(()), |seconds| self.refuse(seconds))?;
        self.requests.wait(now).map_or(Ok(()), |seconds| self.refuse(seconds))?;
        self.requests.use_up(now, 1);
        Ok(())
    }

    /// Counts a body: it may be larger than what is left, and those after it wait for it.
    pub(super) fn charge(&self, now: Timestamp, bytes: usize) {
        self.bytes.use_up(now, bytes as u64);
    }

    fn refuse(&self, retry_after_seconds: u64) -> Result<(), Refusal> {
        Err(Refusal::Rate { token: self.token.name.clone(), retry_after_seconds })
    }
}

/// A second's worth of something, refilled as time passes.
#[derive(Debug)]
struct Allowance {
    per_second: Option<u64>,
    /// When it is full again, in microseconds; what is used up moves it on.
    full_at: Mutex<i64>,
}

impl Allowance {
    const fn new(per_second: Option<u64>) -> Self {
        Self { per_second, full_at: Mutex::new(i64::MIN) }
    }

    /// How many seconds to wait until some is left; `None`: there is now.
    fn wait(&self, now: Timestamp) -> Option<u64> {
        self.per_second?;
        let over = self.lock().saturating_sub(now.as_micros()).saturating_sub(1_000_000);
        (over >= 0).then(|| u64::try_from(over / 1_000_000 + 1).unwrap_or(1))
    }

    fn use_up(&self, now: Timestamp, amount: u64) {
        let Some(per_second) = self.per_second else { return };
        let micros = amount.saturating_mul(1_000_000).div_ceil(per_second.max(1));
        let mut full_at = self.lock();
        let from = (*full_at).max(now.as_micros());
        *full_at = from.saturating_add(i64::try_from(micros).unwrap_or(i64::MAX));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, i64> {
        self.full_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The holder of the token that a request carries, wherever its client puts it: `Authorization` with
/// `Bearer`, `Splunk`, `ApiKey` or `Basic` (its password), or `X-API-Key`.
pub(super) fn find<'h>(headers: &HeaderMap, holders: &'h [Holder]) -> Result<&'h Holder, Refusal> {
    let given = given(headers);
    let is_theirs = |holder: &&Holder| given.iter().any(|text| holder.token.secret.is(text));
    holders.iter().find(is_theirs).ok_or(Refusal::Unauthorized)
}

/// What may be the token.
fn given(headers: &HeaderMap) -> Vec<String> {
    let mut given: Vec<String> = headers
        .get("x-api-key")
        .and_then(|value| value.to_str().ok())
        .map(|value| value.trim().to_owned())
        .into_iter()
        .collect();
    let authorization =
        text(headers, header::AUTHORIZATION).and_then(|value| value.split_once(' '));
    let Some((scheme, value)) = authorization else { return given };
    let value = value.trim();
    let behind_colon = || {
        let decoded = STANDARD.decode(value).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        decoded.and_then(|text| text.split_once(':').map(|(_, secret)| secret.to_owned()))
    };
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" | "splunk" => given.push(value.to_owned()),
        "basic" => given.extend(behind_colon()),
        // Elastic's clients send an id and a key, or the two as the server once gave them out.
        "apikey" => {
            given.push(value.to_owned());
            given.extend(behind_colon());
        }
        _ => {}
    }
    given
}

/// Whether a request carries anything that may be a token.
pub(super) fn has_any(headers: &HeaderMap) -> bool {
    !given(headers).is_empty()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn token(name: &str, log_sources: &[&str]) -> Token {
        Token {
            name: name.to_owned(),
            secret: Secret::new(format!("{name}-secret")),
            log_sources: log_sources.iter().map(ToString::to_string).collect(),
            requests_per_second_max: None,
            bytes_per_second_max: None,
        }
    }

    #[test]
    fn tokens_are_found_in_each_clients_form() {
        let holders = [Holder::new(token("any", &[])), Holder::new(token("web", &["nginx"]))];
        let basic = STANDARD.encode("someone:web-secret");
        for (name, value, expected) in [
            ("authorization", "Bearer any-secret", Some("any")),
            ("authorization", "bearer  any-secret ", Some("any")),
            ("authorization", "Splunk web-secret", Some("web")),
            ("authorization", "ApiKey web-secret", Some("web")),
            ("authorization", &format!("ApiKey {basic}"), Some("web")),
            ("authorization", &format!("Basic {basic}"), Some("web")),
            ("x-api-key", "any-secret", Some("any")),
            ("authorization", "Basic any-secret", None),
            ("authorization", "Bearer web-secre", None),
            ("authorization", "Bearer web-secret!", None),
            ("authorization", "Bearer ", None),
            ("authorization", "any-secret", None),
            ("authorization", "Digest any-secret", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            let found = find(&headers, &holders).ok().map(|holder| holder.token.name.as_str());
            assert_eq!(found, expected, "{name}: {value}");
        }
        assert!(find(&HeaderMap::new(), &holders).is_err());
    }

    #[test]
    fn secrets_are_not_printed() {
        assert!(!format!("{:?}", Holder::new(token("any", &[]))).contains("-secret"));
    }

    #[test]
    fn a_token_may_send_so_much_in_a_second() {
        let limited = Token {
            requests_per_second_max: Some(2),
            bytes_per_second_max: Some(100),
            ..token("t", &[])
        };
        let holder = Holder::new(limited);
        let at = |millis: i64| Timestamp::from_seconds(1_000_000).plus_micros(millis * 1000);
        let wait = |millis| match holder.begin(at(millis)) {
            Ok(()) => None,
            Err(Refusal::Rate { retry_after_seconds, .. }) => Some(retry_after_seconds),
            Err(other) => panic!("{other}"),
        };
        assert_eq!((wait(0), wait(0)), (None, None), "a second's worth at once");
        assert_eq!(wait(0), Some(1));
        assert_eq!(wait(1), None, "as long as anything is left");
        assert_eq!((wait(1), wait(500)), (Some(1), Some(1)));
        assert_eq!(wait(501), None, "it is refilled as time passes");
        holder.charge(at(10_000), 350);
        assert_eq!(wait(10_000), Some(3), "a large body goes through, and those after it wait");
        assert_eq!(wait(12_400), Some(1));
        assert_eq!(wait(12_501), None);
    }
}
