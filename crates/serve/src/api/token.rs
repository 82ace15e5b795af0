//! Who may send events: tokens, in whichever form a client puts them, and how much each may send.

use std::time::Duration;

use axum::http::{HeaderMap, header};
use base::Timestamp;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use collect::Allowance;

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
        self.bytes.wait(now).map_or(Ok(()), |wait| self.refuse(wait))?;
        self.requests.wait(now).map_or(Ok(()), |wait| self.refuse(wait))?;
        self.requests.use_up(now, 1);
        Ok(())
    }

    /// Counts a body: it may be larger than what is left, and those after it wait for it.
    pub(super) fn charge(&self, now: Timestamp, bytes: usize) {
        self.bytes.use_up(now, bytes as u64);
    }

    fn refuse(&self, wait: Duration) -> Result<(), Refusal> {
        let retry_after_seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Err(Refusal::Rate { token: self.token.name.clone(), retry_after_seconds })
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
