//! Requests with a credential, and what their answers mean: go on, wait, try again, give up.

use std::{sync::Arc, time::Duration};

use base::{Clock, HttpExchange, HttpReply, HttpRequest, Timestamp, limits};
use url::Url;

use super::{
    PullError,
    auth::Authenticator,
    spec::Method,
    template::{Names, encode},
};

/// How long to wait where a server asks for a pause and does not say for how long.
const PAUSE: Duration = Duration::from_secs(30);

/// A request as it will be sent.
#[derive(Debug, Clone)]
pub(super) struct Built {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Built {
    /// Sets a parameter of the query, in place of one of the same name.
    pub(super) fn set_query(&mut self, name: &str, value: &str) {
        let mut pairs: Vec<(String, String)> =
            self.url.query_pairs().map(|(name, value)| (name.into(), value.into())).collect();
        match pairs.iter_mut().find(|(own, _)| own == name) {
            Some(pair) => value.clone_into(&mut pair.1),
            None => pairs.push((name.to_owned(), value.to_owned())),
        }
        self.write_query(&pairs);
    }

    /// Takes a parameter out of the query.
    pub(super) fn drop_query(&mut self, name: &str) {
        let pairs = self.url.query_pairs().map(|(name, value)| (name.into(), value.into()));
        let pairs: Vec<(String, String)> = pairs.filter(|(own, _)| own != name).collect();
        self.write_query(&pairs);
    }

    fn write_query(&mut self, pairs: &[(String, String)]) {
        // Not as forms are encoded: a blank as `+` is read as such by some servers.
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
            .collect();
        self.url.set_query((!pairs.is_empty()).then(|| pairs.join("&")).as_deref());
    }

    /// What may be shown of it: no query, no user.
    fn shown(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        let port = self.url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let (scheme, path) = (self.url.scheme(), self.url.path());
        format!("{} {scheme}://{host}{port}{path}", self.method.name())
    }
}

/// Sends requests for one pull.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) http: Arc<dyn HttpExchange>,
    pub(super) clock: Arc<dyn Clock>,
    /// What the settings gave; secrets among it are never shown.
    pub(super) names: Names,
    auth: Authenticator,
    /// Until when the server asked to be left alone.
    blocked_until: Option<Timestamp>,
    /// The header that says when the credential ends.
    ends_header: Option<String>,
    ends: Option<Timestamp>,
    /// How far this machine's clock is ahead, by the last answer.
    ahead_seconds: Option<i64>,
}

impl Exchange {
    pub(super) fn new(
        http: Arc<dyn HttpExchange>,
        clock: Arc<dyn Clock>,
        names: Names,
        auth: Authenticator,
        ends_header: Option<String>,
    ) -> Self {
        let ends_header = ends_header.map(|name| name.to_ascii_lowercase());
        let (blocked_until, ends, ahead_seconds) = (None, None, None);
        Self { http, clock, names, auth, blocked_until, ends_header, ends, ahead_seconds }
    }

    /// See [`super::PullApi::renewed`].
    pub(super) fn renewed(&mut self) -> Option<String> {
        self.auth.renewed(&self.names)
    }

    /// See [`super::PullApi::restore_renewed`].
    pub(super) fn restore_renewed(&mut self, sealed: &str) {
        self.auth.restore(sealed, &self.names);
    }

    /// When the credential ends, if the server said so.
    pub(super) const fn credential_ends(&self) -> Option<Timestamp> {
        self.ends
    }

    /// How far this machine's clock is ahead of the server's, in seconds, if that is known.
    pub(super) const fn ahead_seconds(&self) -> Option<i64> {
        self.ahead_seconds
    }

    /// What may be shown of a request.
    pub(super) fn shown(&self, request: &Built) -> String {
        self.names.redact(&request.shown())
    }

    /// Sends a request. An answer that is none of success comes back as an error, unless `is_fine` says
    /// that it will do.
    pub(super) async fn send(
        &mut self,
        request: &Built,
        is_fine: impl Fn(u16, &[u8]) -> bool + Send,
    ) -> Result<HttpReply, PullError> {
        let mut may_renew = true;
        loop {
            let now = self.clock.now();
            if let Some(until) = self.blocked_until.filter(|until| *until > now) {
                let wait = until.since(now).max(Duration::from_secs(1));
                return Err(PullError::Limited { request: self.shown(request), wait });
            }
            self.blocked_until = None;
            let mut signed = request.clone();
            self.auth.prove(&mut signed, self.http.as_ref(), now, &self.names).await?;
            let reply = self.raw(&signed).await?;
            self.note(&reply);
            if (200..300).contains(&reply.status) || is_fine(reply.status, &reply.body) {
                if reply.body.len() > limits::PULL_REPLY_BYTES_MAX {
                    return Err(PullError::TooLarge { request: self.shown(request) });
                }
                return Ok(reply);
            }
            // A token may end before its time.
            if reply.status == 401 && std::mem::take(&mut may_renew) && self.auth.renew() {
                continue;
            }
            return Err(self.refusal(request, &reply));
        }
    }

    async fn raw(&self, request: &Built) -> Result<HttpReply, PullError> {
        let sent = self.http.exchange(HttpRequest {
            method: request.method.name(),
            url: request.url.as_str(),
            headers: &request.headers,
            body: &request.body,
            // One more tells a body that is too large from one that just fits.
            reply_bytes_max: limits::PULL_REPLY_BYTES_MAX + 1,
        });
        sent.await.map_err(|failure| {
            let reason = match failure {
                base::HttpFailure::Timeout => {
                    format!("no answer within {} seconds", limits::PULL_TIMEOUT_SECONDS)
                }
                other => self.names.redact(&other.to_string()),
            };
            PullError::NoAnswer { request: self.shown(request), reason }
        })
    }

    /// Takes what an answer says beside itself.
    fn note(&mut self, reply: &HttpReply) {
        let now = self.clock.now();
        if let Some(date) = reply.header("date").and_then(Timestamp::parse_http_date) {
            self.ahead_seconds = Some((now.as_micros() - date.as_micros()) / 1_000_000);
        }
        if let Some(ends) = self.ends_header.as_deref().and_then(|name| reply.header(name)) {
            self.ends = Timestamp::parse(ends).or(self.ends);
        }
        if is_used_up(reply) && reply.status < 400 {
            self.blocked_until = asked_wait(reply, now).map(|wait| now.plus(wait));
        }
    }

    fn refusal(&mut self, request: &Built, reply: &HttpReply) -> PullError {
        let now = self.clock.now();
        let shown = self.shown(request);
        let answer = answer(&reply.body);
        let answer = self.auth.redact(&self.names.redact(&answer));
        let status = reply.status;
        let has_wait = reply.header("retry-after").is_some() || is_used_up(reply);
        match status {
            429 | 403 | 503 if status == 429 || has_wait => {
                let wait = asked_wait(reply, now).unwrap_or(PAUSE);
                self.blocked_until = Some(now.plus(wait));
                PullError::Limited { request: shown, wait }
            }
            401 | 403 => PullError::Forbidden { request: shown, status, answer },
            408 | 425 | 500.. => PullError::Broken { request: shown, status, answer },
            _ => PullError::Refused { request: shown, status, answer },
        }
    }
}

/// Whether the answer says that no further request is allowed for now.
fn is_used_up(reply: &HttpReply) -> bool {
    let names = ["x-rate-limit-remaining", "x-ratelimit-remaining", "ratelimit-remaining"];
    names.iter().any(|name| reply.header(name).is_some_and(|left| left.trim() == "0"))
}

/// How long the server asks to wait, within limits.
fn asked_wait(reply: &HttpReply, now: Timestamp) -> Option<Duration> {
    let names = ["retry-after", "x-rate-limit-reset", "x-ratelimit-reset", "ratelimit-reset"];
    let wait = names.iter().find_map(|name| wait_of(reply.header(name)?, now))?;
    Some(wait.clamp(Duration::from_secs(1), Duration::from_secs(limits::PULL_WAIT_SECONDS_MAX)))
}

/// Seconds from now, seconds since 1970, a date of HTTP, or RFC 3339: each is used by somebody.
fn wait_of(text: &str, now: Timestamp) -> Option<Duration> {
    /// More seconds than this are a time since 1970.
    const EPOCH: u64 = 1_000_000_000;
    let text = text.trim();
    let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
    if let Ok(seconds) = whole.parse::<u64>() {
        let up = u64::from(whole.len() < text.len());
        if seconds < EPOCH {
            return Some(Duration::from_secs(seconds + up));
        }
        let at = Timestamp::from_seconds(i64::try_from(seconds).ok()?);
        return Some(at.since(now));
    }
    let at = Timestamp::parse_http_date(text).or_else(|| Timestamp::parse(text))?;
    Some(at.since(now))
}

/// The beginning of a refusal's body, in one line, behind `: `; nothing if there is nothing to show.
pub(super) fn answer(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body.get(..4096).unwrap_or(body)).into_owned();
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line: String = line.chars().take(limits::PULL_ANSWER_CHARS_MAX).collect();
    if line.is_empty() { line } else { format!(": {}", line.escape_debug()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_read_in_every_form() {
        let now = Timestamp::parse("2026-11-24T08:00:00Z").unwrap();
        for (text, seconds) in [
            ("7", Some(7)),
            ("1.2", Some(2)),
            (" 30 ", Some(30)),
            ("1795507210", Some(10)),
            ("1", Some(1)),
            ("Tue, 24 Nov 2026 08:01:00 GMT", Some(60)),
            ("2026-11-24T08:00:05Z", Some(5)),
            ("Tue, 24 Nov 2020 08:01:00 GMT", Some(0)),
            ("soon", None),
            ("-3", None),
        ] {
            assert_eq!(wait_of(text, now).map(|wait| wait.as_secs()), seconds, "{text}");
        }
    }

    #[test]
    fn parameters_are_replaced_and_encoded() {
        let mut request = Built {
            method: Method::Get,
            url: Url::parse("https://u:p@a.example:8443/x?a=1&b=x%20y").unwrap(),
            headers: Vec::new(),
            body: Vec::new(),
        };
        request.set_query("b", "p q+r");
        request.set_query("c", "3");
        assert_eq!(request.url.query(), Some("a=1&b=p%20q%2Br&c=3"));
        request.drop_query("a");
        request.drop_query("b");
        assert_eq!(request.url.query(), Some("c=3"));
        assert_eq!(request.shown(), "GET https://a.example:8443/x");
        request.drop_query("c");
        assert_eq!(request.url.query(), None);
    }
}
