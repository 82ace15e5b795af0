//! The file that says how an API is pulled, as it is written.

use std::{collections::BTreeMap, fmt, time::Duration};

use base::Timestamp;
use serde::{Deserialize, Deserializer, de, de::Error as _};

use super::template::Template;

/// A file of a pull. `docs/reference/pull.md` explains every key.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) description: String,
    /// The vendor's manual.
    #[serde(default)]
    pub(super) manual: Option<String>,
    pub(super) log_source: String,
    #[serde(default = "Span::five_minutes")]
    pub(super) every: Span,
    #[serde(default)]
    pub(super) inputs: BTreeMap<String, Input>,
    #[serde(default)]
    pub(super) auth: Auth,
    #[serde(default)]
    pub(super) partitions: Option<Partitions>,
    /// Sent once for each partition when a pull begins.
    #[serde(default)]
    pub(super) prepare: Option<Prepare>,
    pub(super) request: Request,
    pub(super) records: Records,
    #[serde(default)]
    pub(super) paging: Paging,
    #[serde(default)]
    pub(super) fetch: Option<Fetch>,
    pub(super) window: Window,
    /// How the server says that a place in its pages is no longer known.
    #[serde(default)]
    pub(super) expired: Option<Matching>,
    /// The header that says when the credential ends.
    #[serde(default)]
    pub(super) credential_ends: Option<String>,
}

/// What the settings must or may give.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    pub(super) description: String,
    #[serde(default)]
    pub(super) secret: bool,
    /// An address: `https`, or `http` on this machine.
    #[serde(default)]
    pub(super) url: bool,
    #[serde(default)]
    pub(super) default: Option<String>,
}

/// Queries that are alike but for one value.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Partitions {
    pub(super) name: String,
    #[serde(default)]
    pub(super) values: Vec<String>,
    /// The API is asked which there are.
    #[serde(default)]
    pub(super) list: Option<PartitionList>,
}

/// How the API is asked for its partitions.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PartitionList {
    pub(super) request: Request,
    /// Where the list is; the whole answer if it is left out.
    #[serde(default)]
    pub(super) at: Path,
    /// What of an element is the partition; the element itself if it is left out.
    #[serde(default)]
    pub(super) value: Path,
    /// What must be true of an element.
    #[serde(default)]
    pub(super) only: Option<Path>,
    #[serde(default)]
    pub(super) paging: Paging,
    /// How often it is asked.
    #[serde(default = "Span::one_hour")]
    pub(super) every: Span,
    /// For how long the place of one that is no longer listed is kept.
    #[serde(default = "Span::thirty_days")]
    pub(super) kept: Span,
}

/// How the server knows us.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Auth {
    #[default]
    None,
    Bearer(Template),
    Basic(Basic),
    Header(Named),
    Query(Named),
    Oauth2(Oauth2),
    Jwt(Jwt),
    Google(Google),
    Duo(Duo),
}

impl File {
    /// The request for the partitions, as a file of its own: what it finds are ids.
    pub(super) fn of_list(&self) -> Option<Self> {
        let list = self.partitions.as_ref()?.list.as_ref()?;
        let records = Records {
            format: Form::Json,
            at: list.at.clone(),
            optional: false,
            id: vec![list.value.clone()],
            time: None,
            time_format: TimeForm::default(),
        };
        let window = Window { cursor: false, ..self.window.clone() };
        Some(Self {
            request: list.request.clone(),
            records,
            paging: list.paging.clone(),
            partitions: None,
            prepare: None,
            fetch: None,
            window,
            ..self.clone()
        })
    }
}

impl Auth {
    /// Every template in it.
    pub(super) fn templates(&self) -> Vec<&Template> {
        match self {
            Self::None => Vec::new(),
            Self::Bearer(token) => vec![token],
            Self::Basic(basic) => vec![&basic.user, &basic.password],
            Self::Header(named) | Self::Query(named) => vec![&named.value],
            Self::Oauth2(oauth) => {
                let own = [&oauth.token_url, &oauth.client_id, &oauth.client_secret];
                own.into_iter().chain(&oauth.refresh_token).chain(oauth.form.values()).collect()
            }
            Self::Jwt(jwt) => {
                let own = [&jwt.token_url, &jwt.key, &jwt.issuer];
                let more = jwt.subject.iter().chain(&jwt.audience).chain(&jwt.key_id);
                own.into_iter().chain(more).chain(jwt.form.values()).collect()
            }
            Self::Google(google) => vec![&google.key, &google.subject],
            Self::Duo(duo) => vec![&duo.integration_key, &duo.secret_key],
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Basic {
    pub(super) user: Template,
    pub(super) password: Template,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) value: Template,
}

/// RFC 6749, 4.4 and 6: a client with a secret.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Oauth2 {
    pub(super) token_url: Template,
    pub(super) client_id: Template,
    pub(super) client_secret: Template,
    #[serde(default)]
    pub(super) scope: Option<String>,
    /// `client_credentials` if it is left out.
    #[serde(default)]
    pub(super) grant: Option<String>,
    #[serde(default)]
    pub(super) refresh_token: Option<Template>,
    /// The client is named in an `Authorization` header, not in the form.
    #[serde(default)]
    pub(super) client_in_header: bool,
    #[serde(default)]
    pub(super) form: BTreeMap<String, Template>,
}

/// RFC 7523: a client with a private key.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Jwt {
    pub(super) token_url: Template,
    pub(super) key: Template,
    #[serde(default)]
    pub(super) key_id: Option<Template>,
    pub(super) issuer: Template,
    #[serde(default)]
    pub(super) subject: Option<Template>,
    /// The token's address if it is left out.
    #[serde(default)]
    pub(super) audience: Option<Template>,
    #[serde(default)]
    pub(super) scope: Option<String>,
    /// The assertion stands for the client (RFC 7523, 2.2); else it is the grant (2.1).
    #[serde(default)]
    pub(super) as_client: bool,
    #[serde(default)]
    pub(super) form: BTreeMap<String, Template>,
}

/// A service account of Google that acts for an administrator.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Google {
    /// The key file's JSON.
    pub(super) key: Template,
    pub(super) subject: Template,
    pub(super) scopes: Vec<String>,
}

/// Duo's signature of each request.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Duo {
    pub(super) integration_key: Template,
    pub(super) secret_key: Template,
}

/// A request.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {
    #[serde(default)]
    pub(super) method: Method,
    pub(super) url: Template,
    #[serde(default)]
    pub(super) query: BTreeMap<String, Template>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, Template>,
    #[serde(default)]
    pub(super) json: Option<BTreeMap<String, Json>>,
}

impl Request {
    /// Every template in it.
    pub(super) fn templates(&self) -> Vec<&Template> {
        let mut all = vec![&self.url];
        all.extend(self.query.values());
        all.extend(self.headers.values());
        all.extend(self.json.iter().flat_map(BTreeMap::values).filter_map(|value| match value {
            Json::Text(template) => Some(template),
            Json::Whole(_) | Json::Truth(_) => None,
        }));
        all
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.templates().iter().any(|template| template.has(name))
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Method {
    #[default]
    Get,
    Post,
}

impl Method {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}

/// A value of a JSON body.
#[derive(Debug, Clone)]
pub(super) enum Json {
    Text(Template),
    Whole(i64),
    Truth(bool),
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Json;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a whole number or a truth value")
            }
            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Json, E> {
                Ok(Json::Truth(value))
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Json, E> {
                Ok(Json::Whole(value))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Json, E> {
                i64::try_from(value).map(Json::Whole).map_err(E::custom)
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<Json, E> {
                Template::parse(value).map(Json::Text).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// A request whose answer does not matter.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Prepare {
    pub(super) request: Request,
    /// What a refusal says that is none: what was asked for is so already.
    #[serde(default)]
    pub(super) done: Option<Matching>,
}

/// What an answer must be like.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Matching {
    pub(super) status: Vec<u16>,
    /// What its body must have somewhere in it; upper and lower case are the same.
    #[serde(default)]
    pub(super) contains: Vec<String>,
}

impl Matching {
    pub(super) fn is(&self, status: u16, body: &[u8]) -> bool {
        let body = String::from_utf8_lossy(body).to_ascii_lowercase();
        let has = |text: &String| body.contains(&text.to_ascii_lowercase());
        self.status.contains(&status) && (self.contains.is_empty() || self.contains.iter().any(has))
    }
}

/// How an answer is cut into records.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Records {
    #[serde(default)]
    pub(super) format: Form,
    /// Where the list is; the whole answer if it is left out.
    #[serde(default)]
    pub(super) at: Path,
    /// An answer without the list has no records.
    #[serde(default)]
    pub(super) optional: bool,
    /// The fields that together tell one event from another; the whole record if there are none.
    #[serde(default)]
    pub(super) id: Vec<Path>,
    /// The event's time, where windows have no end to them.
    #[serde(default)]
    pub(super) time: Option<Path>,
    #[serde(default)]
    pub(super) time_format: TimeForm,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Form {
    /// A JSON document with a list in it.
    #[default]
    Json,
    /// A JSON document on each line.
    Ndjson,
    /// CSV with a header.
    Csv,
}

/// How the next page is asked for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Paging {
    /// There is one page.
    #[default]
    None,
    /// RFC 8288: `Link: <…>; rel="next"`.
    Link(Rel),
    /// The answer has the next address.
    NextUrl(NextUrl),
    /// The answer has a token for the next request.
    Token(Token),
    /// Pages have numbers.
    Page(Numbered),
    /// Records have numbers.
    Offset(Numbered),
    /// The next page begins where the last record ends.
    Keyset(Keyset),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rel {
    pub(super) rel: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum NextUrl {
    Body(Path),
    Header(String),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Token {
    pub(super) at: Path,
    /// Whether there is more; a token means so if it is left out.
    #[serde(default)]
    pub(super) more: Option<Path>,
    /// The parameter of the query that it goes to.
    #[serde(default)]
    pub(super) query: Option<String>,
    /// The member of the JSON body that it goes to.
    #[serde(default)]
    pub(super) json: Option<String>,
    /// The other parameters, or members, that the first request alone has.
    #[serde(default)]
    pub(super) first_only: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Numbered {
    /// The parameter of the query that it goes to.
    #[serde(default)]
    pub(super) query: Option<String>,
    /// The member of the JSON body that it goes to.
    #[serde(default)]
    pub(super) json: Option<String>,
    #[serde(default)]
    pub(super) first: u64,
    /// How many records a full page has.
    pub(super) size: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Keyset {
    pub(super) at: Path,
    pub(super) query: String,
    /// How many records a full page has.
    pub(super) size: u64,
}

/// What is fetched for each item of a list.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fetch {
    /// The fields that tell one item from another.
    pub(super) id: Vec<Path>,
    /// What requests may use of an item, by name.
    pub(super) values: BTreeMap<String, Path>,
    pub(super) request: Request,
    pub(super) records: Records,
}

/// Which time is asked for.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Window {
    #[serde(default)]
    pub(super) format: TimeForm,
    /// How far behind now it ends.
    #[serde(default)]
    pub(super) lag: Span,
    /// How much of what was read is asked for again, for events that came late.
    pub(super) overlap: Span,
    /// How long it is at most.
    #[serde(default = "Span::one_day")]
    pub(super) max: Span,
    /// How far back the API goes.
    #[serde(default)]
    pub(super) kept: Option<Span>,
    /// The token of the last page is kept, and the next round goes on from it.
    #[serde(default)]
    pub(super) cursor: bool,
    /// The API goes by when it got its events, not by their time: all that came before it was asked was
    /// shown.
    #[serde(default)]
    pub(super) by_arrival: bool,
    /// The latest events come first, and the pages go on into the past: they end where it begins.
    #[serde(default)]
    pub(super) newest_first: bool,
}

/// How a time is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum TimeForm {
    /// With milliseconds.
    #[default]
    Rfc3339,
    Rfc3339Seconds,
    /// As RFC 3339, without a zone: UTC.
    IsoSeconds,
    UnixSeconds,
    UnixMillis,
    Date,
}

const MICROS_PER_SECOND: i64 = 1_000_000;

impl TimeForm {
    pub(super) fn write(self, time: Timestamp) -> String {
        let micros = time.as_micros();
        let second = || Timestamp::from_seconds(micros.div_euclid(MICROS_PER_SECOND));
        match self {
            Self::Rfc3339 => {
                let millis = micros.div_euclid(1000).rem_euclid(1000);
                let text = second().to_string();
                format!("{}.{millis:03}Z", text.trim_end_matches('Z'))
            }
            Self::Rfc3339Seconds => second().to_string(),
            Self::IsoSeconds => second().to_string().trim_end_matches('Z').to_owned(),
            Self::UnixSeconds => micros.div_euclid(MICROS_PER_SECOND).to_string(),
            Self::UnixMillis => micros.div_euclid(1000).to_string(),
            Self::Date => time.day().to_string(),
        }
    }

    /// The latest time that it can write and that is not after `time`: a window must not end later than
    /// the server is told.
    pub(super) fn floor(self, time: Timestamp) -> Timestamp {
        let unit = match self {
            Self::Rfc3339 | Self::UnixMillis => 1000,
            Self::Rfc3339Seconds | Self::IsoSeconds | Self::UnixSeconds | Self::Date => {
                MICROS_PER_SECOND
            }
        };
        Timestamp::from_micros(time.as_micros().div_euclid(unit) * unit)
    }

    /// From when on the server answers if it is asked from `time` on.
    pub(super) fn reach(self, time: Timestamp) -> Timestamp {
        if self == Self::Date { time.day().start() } else { self.floor(time) }
    }

    /// Reads a field of a record.
    pub(super) fn read(self, text: &str) -> Option<Timestamp> {
        match self {
            Self::Rfc3339 | Self::Rfc3339Seconds | Self::IsoSeconds => {
                Timestamp::parse_local(text, 0)
            }
            Self::UnixSeconds => text.parse().ok().map(Timestamp::from_seconds),
            Self::UnixMillis => {
                let millis: i64 = text.parse().ok()?;
                Some(Timestamp::from_micros(millis.saturating_mul(1000)))
            }
            Self::Date => base::Day::parse(text).map(base::Day::start),
        }
    }
}

/// A length of time, such as `30s`, `5m`, `12h` or `7d`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Span(pub(super) Duration);

impl Span {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => return None,
        };
        let number: u64 = number.parse().ok()?;
        // A bound well below what times can be computed with.
        let seconds = number.checked_mul(seconds).filter(|seconds| *seconds <= 3660 * 86_400)?;
        Some(Self(Duration::from_secs(seconds)))
    }

    const fn five_minutes() -> Self {
        Self(Duration::from_secs(300))
    }

    const fn one_hour() -> Self {
        Self(Duration::from_secs(3600))
    }

    const fn thirty_days() -> Self {
        Self(Duration::from_secs(30 * 86_400))
    }

    const fn one_day() -> Self {
        Self(Duration::from_secs(86_400))
    }
}

/// Reads a length of time as the settings write it, such as `30s`, `5m`, `12h` or `7d`; `None` for
/// anything else.
#[must_use]
pub fn parse_span(text: &str) -> Option<Duration> {
    Span::parse(text).map(|span| span.0)
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            D::Error::custom(format!("`{text}` is no length of time such as `30s`, `5m` or `7d`"))
        })
    }
}

/// Names of members inside one another; empty for the value itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Path(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for Path {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Path;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a path such as `meta.next`, or a list of names")
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<Path, E> {
                let parts = value.split('.').filter(|part| !part.is_empty());
                Ok(Path(parts.map(ToOwned::to_owned).collect()))
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Path, A::Error> {
                let mut parts = Vec::new();
                while let Some(part) = seq.next_element()? {
                    parts.push(part);
                }
                Ok(Path(parts))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_and_read_in_every_form() {
        let time = Timestamp::parse("2026-11-24T08:09:10.123456Z").unwrap();
        for (form, text) in [
            (TimeForm::Rfc3339, "2026-11-24T08:09:10.123Z"),
            (TimeForm::Rfc3339Seconds, "2026-11-24T08:09:10Z"),
            (TimeForm::IsoSeconds, "2026-11-24T08:09:10"),
            (TimeForm::UnixSeconds, "1795507750"),
            (TimeForm::UnixMillis, "1795507750123"),
            (TimeForm::Date, "2026-11-24"),
        ] {
            assert_eq!(form.write(time), text);
            if form != TimeForm::Date {
                assert_eq!(form.read(text), Some(form.floor(time)), "{text}");
                assert_eq!(form.write(form.floor(time)), text);
            }
        }
        assert_eq!(TimeForm::Rfc3339.write(Timestamp::default()), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn lengths_of_time_have_a_unit() {
        assert_eq!(parse_span("90s"), Some(Duration::from_secs(90)));
        assert_eq!(parse_span("7d"), Some(Duration::from_secs(7 * 86_400)));
        for bad in ["", "s", "5", "-5m", "5 m", "5w", "99999999999d", "1.5h", "5µ"] {
            assert_eq!(parse_span(bad), None, "{bad}");
        }
    }
}
