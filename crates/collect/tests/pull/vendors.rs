//! The APIs of vendors, as far as pulls need them: their paging, their credentials, their faults.
//!
//! Each answers from the same made-up events, some of which become visible late. Faults come from a
//! seed: pauses (429, or 403 as GitHub has them), broken servers, tokens and pages that end early,
//! pages without events that have a successor.

use std::collections::{BTreeMap, BTreeSet};

use base::Timestamp;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

/// An event of a vendor.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    /// Two that are alike in every way have the same.
    pub(crate) n: u64,
    /// What tells it from all others; not every vendor shows it.
    pub(crate) id: u64,
    pub(crate) time: Timestamp,
    /// When the API begins to show it.
    pub(crate) visible: Timestamp,
}

/// What a server is asked.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) base: String,
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn new(method: &str, url: &str, headers: &[(String, String)], body: &[u8]) -> Self {
        let url = url::Url::parse(url).unwrap();
        let mut query = BTreeMap::new();
        for (name, value) in url.query_pairs() {
            let twice = query.insert(name.to_string(), value.to_string());
            assert!(twice.is_none(), "the parameter {name} is sent twice");
        }
        Self {
            method: method.to_owned(),
            base: url.origin().ascii_serialization(),
            path: url.path().to_owned(),
            query,
            headers: headers.iter().cloned().collect(),
            body: body.to_vec(),
        }
    }

    fn query(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    fn form(&self) -> BTreeMap<String, String> {
        assert_eq!(self.header("content-type"), "application/x-www-form-urlencoded");
        url::form_urlencoded::parse(&self.body).into_owned().collect()
    }
}

/// What a server answers.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    fn json(status: u16, body: &Value) -> Self {
        // As people's servers write it: with line breaks.
        let body = serde_json::to_vec_pretty(body).unwrap();
        Self { status, headers: Vec::new(), body }
    }

    fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }
}

fn refuse(status: u16, code: &str) -> Reply {
    Reply::json(status, &json!({"error": code}))
}

/// Numbers from a seed (`SplitMix64`).
#[derive(Debug, Clone)]
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let bits = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub(crate) fn one_in(&mut self, many: u64) -> bool {
        many > 0 && self.below(many) == 0
    }
}

/// A vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vendor {
    Okta,
    Google,
    Github,
    Slack,
    OnePassword,
    Cloudflare,
    DuoAuthentication,
    DuoAdministrators,
    M365,
    Graph,
    Salesforce,
    Zoom,
    Atlassian,
    Taxii,
    Misp,
}

/// Its server.
#[derive(Debug)]
pub(crate) struct Server {
    vendor: Vendor,
    events: Vec<Event>,
    chance: Chance,
    /// One in so many requests meets a fault; 0: none does.
    faults: u64,
    tokens: BTreeMap<String, Timestamp>,
    subscribed: BTreeSet<String>,
    /// How many requests for events there were.
    pub(crate) requests: u64,
    /// What went wrong with requests, for the test to see.
    pub(crate) complaints: Vec<String>,
}

pub(crate) const SECRET: &str = "hush-hush-hush";
pub(crate) const KEY: &str = include_str!("key-of-these-tests.pem");

impl Server {
    pub(crate) fn new(vendor: Vendor, events: Vec<Event>, faults: u64, seed: u64) -> Self {
        Self {
            vendor,
            events,
            chance: Chance(seed),
            faults,
            tokens: BTreeMap::new(),
            subscribed: BTreeSet::new(),
            requests: 0,
            complaints: Vec::new(),
        }
    }

    pub(crate) fn events(&self) -> &[Event] {
        &self.events
    }

    pub(crate) fn answer(&mut self, request: &Request, now: Timestamp) -> Reply {
        let reply = if request.method == "POST" && request.path.contains("/token") {
            self.give_token(request, now)
        } else if let Some(fault) = self.fault(now) {
            fault
        } else {
            self.requests += 1;
            match self.vendor {
                Vendor::Okta => self.okta(request, now),
                Vendor::Google => self.google(request, now),
                Vendor::Github => self.github(request, now),
                Vendor::Slack => self.slack(request, now),
                Vendor::OnePassword => self.onepassword(request, now),
                Vendor::Cloudflare => self.cloudflare(request, now),
                Vendor::DuoAuthentication => self.duo_authentication(request, now),
                Vendor::DuoAdministrators => self.duo_administrators(request, now),
                Vendor::M365 => self.m365(request, now),
                Vendor::Graph => self.graph(request, now),
                Vendor::Salesforce => self.salesforce(request, now),
                Vendor::Zoom => self.zoom(request, now),
                Vendor::Atlassian => self.atlassian(request, now),
                Vendor::Taxii => self.taxii(request, now),
                Vendor::Misp => self.misp(request, now),
            }
        };
        if reply.status == 401 || (reply.status == 400 && !is_fine(&reply)) {
            self.complaints.push(format!("{} {}: {request:?}", reply.status, show(&reply)));
        }
        reply.with("date", now.http_date("GMT"))
    }

    fn fault(&mut self, now: Timestamp) -> Option<Reply> {
        if !self.chance.one_in(self.faults) {
            return None;
        }
        let later = now.as_micros() / 1_000_000 + 17;
        Some(match (self.chance.below(4), self.vendor) {
            (0, Vendor::Github) => refuse(403, "rate limit")
                .with("x-ratelimit-remaining", 0)
                .with("x-ratelimit-reset", later),
            (0, Vendor::Okta) => refuse(429, "E0000047")
                .with("x-rate-limit-remaining", 0)
                .with("x-rate-limit-reset", later),
            (0, _) => refuse(429, "slow down").with("retry-after", 9),
            (1, _) => refuse(429, "slow down"),
            (2, _) => refuse(503, "away").with("retry-after", "2"),
            _ => refuse(500, "broken"),
        })
    }

    // ── credentials ──

    fn give_token(&mut self, request: &Request, now: Timestamp) -> Reply {
        let form = request.form();
        let is = |name: &str, value: &str| form.get(name).map(String::as_str) == Some(value);
        let is_client = is("client_id", "client") && is("client_secret", SECRET);
        let is_right = match self.vendor {
            Vendor::Google => return self.give_google_token(&form, now),
            Vendor::M365 => is_client && is("scope", "https://manage.office.com/.default"),
            Vendor::Graph => is_client && is("scope", "https://graph.microsoft.com/.default"),
            Vendor::Salesforce => is_client && is("grant_type", "client_credentials"),
            Vendor::Zoom => {
                let basic = format!("Basic {}", STANDARD.encode(format!("client:{SECRET}")));
                is("grant_type", "account_credentials")
                    && is("account_id", "acc")
                    && request.header("authorization") == basic
            }
            _ => false,
        };
        if !is_right {
            return refuse(400, "invalid_client");
        }
        self.issue(now)
    }

    fn issue(&mut self, now: Timestamp) -> Reply {
        let token = format!("token-{}", self.chance.next());
        // Some end before they say.
        let life = if self.faults > 0 && self.chance.one_in(3) { 120 } else { 900 };
        self.tokens.insert(token.clone(), now.plus(std::time::Duration::from_secs(life)));
        Reply::json(200, &json!({"access_token": token, "token_type": "Bearer", "expires_in": 900}))
    }

    fn give_google_token(&mut self, form: &BTreeMap<String, String>, now: Timestamp) -> Reply {
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;
        use ring::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
        let assertion = form.get("assertion").cloned().unwrap_or_default();
        let (text, signature) = assertion.rsplit_once('.').unwrap();
        let (_, claims) = text.split_once('.').unwrap();
        let claims: Value =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
        let der: String = KEY.lines().filter(|line| !line.starts_with('-')).collect();
        let der = STANDARD.decode(der).unwrap();
        let pair = ring::signature::RsaKeyPair::from_pkcs8(&der).unwrap();
        let public =
            UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref());
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let seconds = now.as_micros() / 1_000_000;
        let is_right = public.verify(text.as_bytes(), &signature).is_ok()
            && claims["iss"] == "robot@acme.iam.gserviceaccount.com"
            && claims["sub"] == "admin@acme.example"
            && claims["aud"].as_str().is_some_and(|aud| aud.ends_with("/token"))
            && claims["scope"] == "https://www.googleapis.com/auth/admin.reports.audit.readonly"
            && claims["exp"].as_i64().is_some_and(|exp| exp > seconds && exp <= seconds + 3600);
        if !is_right {
            return refuse(400, "invalid_grant");
        }
        self.issue(now)
    }

    fn has_token(&self, request: &Request, now: Timestamp) -> bool {
        let token = request.header("authorization").strip_prefix("Bearer ").unwrap_or_default();
        self.tokens.get(token).is_some_and(|until| *until > now)
    }

    // ── events and pages ──

    /// What is visible of a stretch of time, earliest first.
    fn select(&self, now: Timestamp, is_in: impl Fn(&Event) -> bool) -> Vec<Event> {
        let seen = self.events.iter().filter(|event| event.visible <= now && is_in(event));
        let mut all: Vec<_> = seen.cloned().collect();
        all.sort_by_key(|event| (event.time, event.id));
        all
    }

    /// A page after the place that a token names, and the token of the next one. A token is the place of
    /// the last event before it, so that pages stay right while events come in.
    fn page(
        &mut self,
        mut all: Vec<Event>,
        token: Option<&str>,
        size: usize,
        is_newest_first: bool,
    ) -> Result<(Vec<Event>, Option<String>), ()> {
        if is_newest_first {
            all.reverse();
        }
        if let Some(token) = token.filter(|token| !token.is_empty()) {
            // Pages end early now and then.
            if self.faults > 0 && self.chance.one_in(self.faults * 2) {
                return Err(());
            }
            let (time, rest) = token.split_once('.').unwrap();
            let (id, _) = rest.split_once('.').unwrap();
            let place = (time.parse::<i64>().unwrap(), id.parse::<u64>().unwrap());
            let is_after = |event: &Event| {
                let own = (event.time.as_micros(), event.id);
                if is_newest_first { own < place } else { own > place }
            };
            all.retain(is_after);
        }
        let name =
            |event: &Event, salt: u64| format!("{}.{}.{salt}", event.time.as_micros(), event.id);
        let salt = self.chance.next() % 1000;
        // Now and then a page is empty and has a successor all the same.
        let is_hollow = self.faults > 0 && !all.is_empty() && self.chance.one_in(self.faults);
        if let Some(token) = token.filter(|token| is_hollow && !token.is_empty()) {
            let (place, _) = token.rsplit_once('.').unwrap();
            return Ok((Vec::new(), Some(format!("{place}.{}", salt + 1000))));
        }
        let more = all.len() > size;
        all.truncate(size);
        let next = all.last().filter(|_| more).map(|event| name(event, salt));
        Ok((all, next))
    }

    fn size(&mut self) -> usize {
        3 + usize::try_from(self.chance.below(6)).unwrap()
    }

    fn okta(&mut self, request: &Request, now: Timestamp) -> Reply {
        if request.header("authorization") != format!("SSWS {SECRET}") {
            return refuse(401, "E0000011");
        }
        assert_eq!(request.query("sortOrder"), Some("ASCENDING"));
        let (since, until) = (time(request.query("since")), time(request.query("until")));
        let all = self.select(now, |event| event.time >= since && event.time < until);
        let size = self.size();
        let Ok((events, next)) = self.page(all, request.query("after"), size, false) else {
            return refuse(400, "the value of `after` is invalid");
        };
        let body: Vec<Value> = events
            .iter()
            .map(|event| json!({"uuid": event.id.to_string(), "n": event.n, "published": event.time}))
            .collect();
        let url = link(request, "after", "x");
        let mut reply = Reply::json(200, &json!(body))
            .with("link", format!("<{url}>; rel=\"self\""))
            .with("x-rate-limit-remaining", u64::from(!self.chance.one_in(self.faults)))
            .with("x-rate-limit-reset", now.as_micros() / 1_000_000 + 5);
        if let Some(next) = next {
            let url = link(request, "after", &next);
            reply = reply.with("link", format!("<{url}>; rel=\"next\""));
        }
        reply
    }

    fn google(&mut self, request: &Request, now: Timestamp) -> Reply {
        if !self.has_token(request, now) {
            return refuse(401, "UNAUTHENTICATED");
        }
        let application = request.path.rsplit('/').next().unwrap().to_owned();
        let (from, to) = (time(request.query("startTime")), time(request.query("endTime")));
        let number = if application == "login" { 0 } else { 1 };
        let is_in = |event: &Event| event.n % 2 == number && event.time >= from && event.time <= to;
        let (all, size) = (self.select(now, is_in), self.size());
        let Ok((events, next)) = self.page(all, request.query("pageToken"), size, true) else {
            return refuse(400, "Invalid Page Token");
        };
        let item = |event: &Event| {
            // Unique only together with the time and the application.
            let qualifier = (event.id / 2 % 3).to_string();
            json!({"id": {"time": event.time, "uniqueQualifier": qualifier, "applicationName": application,
                "customerId": "C0"}, "n": event.n, "actor": {"email": "a@acme.example"}})
        };
        let mut body = json!({"kind": "admin#reports#activities"});
        if !events.is_empty() {
            body["items"] = events.iter().map(item).collect();
        }
        if let Some(next) = next {
            body["nextPageToken"] = next.into();
        }
        Reply::json(200, &body)
    }

    fn github(&mut self, request: &Request, now: Timestamp) -> Reply {
        if request.header("authorization") != format!("Bearer {SECRET}") {
            return refuse(401, "Bad credentials");
        }
        assert_eq!(request.path, "/orgs/acme/audit-log");
        let phrase = request.query("phrase").unwrap().strip_prefix("created:").unwrap();
        let (from, to) = phrase.split_once("..").unwrap();
        // Both ends are part of it, and seconds are all it knows.
        let (from, to) = (time(Some(from)), time(Some(to)).plus_micros(999_999));
        let all = self.select(now, |event| event.time >= from && event.time <= to);
        let size = self.size();
        let Ok((events, next)) = self.page(all, request.query("after"), size, false) else {
            return refuse(422, "invalid cursor");
        };
        let entry = |event: &Event| {
            let id = format!("doc{}", event.id);
            json!({"@timestamp": event.time.as_micros() / 1000, "_document_id": id, "n": event.n})
        };
        let body: Vec<Value> = events.iter().map(entry).collect();
        let mut reply = Reply::json(200, &json!(body))
            .with("github-authentication-token-expiration", "2026-12-05 10:00:00 UTC");
        if let Some(next) = next {
            let (next, first) = (link(request, "after", &next), link(request, "after", ""));
            let value = format!("<{next}>; rel=\"next\", <{first}>; rel=\"first\"");
            reply = reply.with("link", value);
        }
        reply
    }

    fn slack(&mut self, request: &Request, now: Timestamp) -> Reply {
        if request.header("authorization") != format!("Bearer {SECRET}") {
            return refuse(401, "invalid_auth");
        }
        let (oldest, latest) = (seconds(request.query("oldest")), seconds(request.query("latest")));
        let second = |event: &Event| event.time.as_micros().div_euclid(1_000_000);
        let all = self.select(now, |event| second(event) >= oldest && second(event) <= latest);
        let size = self.size();
        let Ok((events, next)) = self.page(all, request.query("cursor"), size, true) else {
            return Reply::json(400, &json!({"ok": false, "error": "invalid_cursor"}));
        };
        let entry = |event: &Event| json!({"id": format!("s{}", event.id), "date_create": second(event), "n": event.n});
        let entries: Vec<Value> = events.iter().map(entry).collect();
        let next = next.unwrap_or_default();
        Reply::json(200, &json!({"entries": entries, "response_metadata": {"next_cursor": next}}))
    }

    fn onepassword(&mut self, request: &Request, now: Timestamp) -> Reply {
        if request.header("authorization") != format!("Bearer {SECRET}") {
            return refuse(401, "Unauthorized");
        }
        let kind = request.path.rsplit('/').next().unwrap();
        let number = ["auditevents", "itemusages", "signinattempts"]
            .iter()
            .position(|own| *own == kind)
            .unwrap() as u64;
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        // In the order in which they came in: a cursor misses no late one.
        let mut all = self.select(now, |event| event.id % 3 == number);
        all.sort_by_key(|event| (event.visible, event.id));
        let place = |event: &Event| (event.visible.as_micros(), event.id);
        let mut after = (i64::MIN, 0);
        match (body["cursor"].as_str(), body["start_time"].as_str()) {
            (Some(cursor), None) if body.as_object().unwrap().len() == 1 => {
                if self.faults > 0 && self.chance.one_in(self.faults * 3) {
                    return refuse(400, "the cursor is not valid");
                }
                let mut parts = cursor.split('.');
                after = (
                    parts.next().unwrap().parse().unwrap(),
                    parts.next().unwrap().parse().unwrap(),
                );
                all.retain(|event| place(event) > after);
            }
            (None, Some(start)) => all.retain(|event| event.time >= time(Some(start))),
            _ => return refuse(422, "either a cursor, or a start"),
        }
        let size = self.size();
        let has_more = all.len() > size;
        all.truncate(size);
        let last = all.last().map_or(after, place);
        // Of a reset without events: nothing is before it, and all that comes is after it.
        let last = if last.0 == i64::MIN { (now.as_micros(), u64::MAX) } else { last };
        let item = |event: &Event| json!({"uuid": event.id.to_string(), "timestamp": event.time, "n": event.n});
        let items: Vec<Value> = all.iter().map(item).collect();
        let cursor = format!("{}.{}.{}", last.0, last.1, self.chance.next());
        Reply::json(200, &json!({"cursor": cursor, "has_more": has_more, "items": items}))
    }

    fn cloudflare(&mut self, request: &Request, now: Timestamp) -> Reply {
        if request.header("authorization") != format!("Bearer {SECRET}") {
            return refuse(403, "Authentication error");
        }
        assert_eq!(request.path, "/client/v4/accounts/acc/audit_logs");
        let (since, before) = (time(request.query("since")), time(request.query("before")));
        let number = |name| request.query(name).unwrap().parse::<usize>().unwrap();
        let (page, size) = (number("page"), number("per_page"));
        let all = self.select(now, |event| event.time >= since && event.time < before);
        let entry = |event: &Event| json!({"id": format!("c{}", event.id), "when": event.time, "n": event.n});
        let result: Vec<Value> = all.iter().skip((page - 1) * size).take(size).map(entry).collect();
        Reply::json(200, &json!({"result": result, "success": true}))
    }

    fn is_signed(&self, request: &Request) -> bool {
        use ring::{digest, hmac};
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let nothing = hex(digest::digest(&digest::SHA512, b"").as_ref());
        let quote = |text: &str| {
            let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            let quote = |byte: u8| {
                if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
            };
            text.bytes().map(quote).collect::<String>()
        };
        let query: Vec<_> = request
            .query
            .iter()
            .map(|(name, value)| format!("{}={}", quote(name), quote(value)))
            .collect();
        let host = request.base.split("//").nth(1).unwrap().split(':').next().unwrap();
        let parts = [
            request.header("date"),
            "GET",
            host,
            &request.path,
            &query.join("&"),
            &nothing,
            &nothing,
        ];
        let key = hmac::Key::new(hmac::HMAC_SHA512, SECRET.as_bytes());
        let signature = hex(hmac::sign(&key, parts.join("\n").as_bytes()).as_ref());
        let expected = format!("Basic {}", STANDARD.encode(format!("ikey:{signature}")));
        request.header("authorization") == expected
    }

    fn duo_authentication(&mut self, request: &Request, now: Timestamp) -> Reply {
        if !self.is_signed(request) {
            return refuse(401, "Invalid signature in request credentials");
        }
        let millis = |name| request.query(name).unwrap().parse::<i64>().unwrap();
        let (from, to) = (millis("mintime"), millis("maxtime"));
        let own = |event: &Event| event.time.as_micros().div_euclid(1000);
        let now = now.minus(std::time::Duration::from_secs(120));
        let all = self.select(now, |event| own(event) >= from && own(event) <= to);
        let token = request.query("next_offset").map(|token| token.replace(',', "."));
        let size = self.size();
        let Ok((events, next)) = self.page(all, token.as_deref(), size, false) else {
            return refuse(500, "the offset is lost");
        };
        let log = |event: &Event| json!({"txid": format!("d{}", event.id), "timestamp": own(event) / 1000, "n": event.n});
        let logs: Vec<Value> = events.iter().map(log).collect();
        let next = next.map(|next| {
            let (time, rest) = next.split_once('.').unwrap();
            json!([time, rest])
        });
        Reply::json(
            200,
            &json!({"stat": "OK", "response": {"authlogs": logs, "metadata": {"next_offset": next}}}),
        )
    }

    fn duo_administrators(&mut self, request: &Request, now: Timestamp) -> Reply {
        if !self.is_signed(request) {
            return refuse(401, "Invalid signature in request credentials");
        }
        let from = seconds(request.query("mintime"));
        let second = |event: &Event| event.time.as_micros().div_euclid(1_000_000);
        let mut all = self.select(now, |event| second(event) >= from);
        all.truncate(1000);
        let log = |event: &Event| json!({"action": "admin_login", "timestamp": second(event), "username": "a", "n": event.n});
        let logs: Vec<Value> = all.iter().map(log).collect();
        Reply::json(200, &json!({"stat": "OK", "response": logs}))
    }

    fn m365(&mut self, request: &Request, now: Timestamp) -> Reply {
        if !self.has_token(request, now) {
            return refuse(401, "Authorization has been denied for this request.");
        }
        assert_eq!(request.query("PublisherIdentifier"), Some("tenant"), "{request:?}");
        let kind = request.query("contentType").unwrap_or_default().to_owned();
        let feed = "/api/v1.0/tenant/activity/feed";
        let is_of = |event: &Event| event.n.is_multiple_of(2) == (kind == "Audit.General");
        if request.path == format!("{feed}/subscriptions/start") {
            if self.subscribed.insert(kind) {
                return Reply::json(200, &json!({"status": "enabled"}));
            }
            return refuse(
                400,
                "AF20024: The subscription is already enabled. No property change.",
            );
        }
        if let Some(blob) = request.path.strip_prefix(&format!("{feed}/audit/")) {
            return self.m365_blob(blob);
        }
        assert_eq!(request.path, format!("{feed}/subscriptions/content"));
        if !self.subscribed.contains(&kind) {
            return refuse(400, "AF20022: No subscription found for the specified content type.");
        }
        let moment = |name| Timestamp::parse_local(request.query(name).unwrap(), 0).unwrap();
        let (from, to) = (moment("startTime"), moment("endTime"));
        let day = std::time::Duration::from_secs(86_400);
        if to.since(from) > day || now.since(from) > 7 * day || from > to {
            return refuse(
                400,
                "AF20030: the times must be within 24 hours, and 7 days ago at most",
            );
        }
        // By the time at which the content came to be, not by that of its events.
        let mut all =
            self.select(now, |event| is_of(event) && event.visible >= from && event.visible < to);
        for event in &mut all {
            event.time = event.visible;
        }
        all.sort_by_key(|event| (event.time, event.id));
        let size = self.size();
        let Ok((events, next)) = self.page(all, request.query("nextPage"), size, false) else {
            return refuse(400, "AF20031: Invalid nextPage Input");
        };
        let blob = |event: &Event| {
            let id = format!("{}", event.id);
            let uri = format!("{}{feed}/audit/{id}", request.base);
            json!({"contentType": kind, "contentId": id, "contentUri": uri, "contentCreated": event.time})
        };
        let body: Vec<Value> = events.iter().map(blob).collect();
        let reply = Reply::json(200, &json!(body));
        match next {
            Some(next) => reply.with("nextpageuri", link(request, "nextPage", &next)),
            None => reply,
        }
    }

    fn m365_blob(&self, blob: &str) -> Reply {
        let id: u64 = blob.parse().unwrap();
        let blob = self.events.iter().find(|event| event.id == id).unwrap();
        // It may hold what another one held shortly before.
        let shortly = std::time::Duration::from_secs(1800);
        let is_before = |event: &Event| {
            event.id % 2 == id % 2
                && event.visible < blob.visible
                && blob.visible.since(event.visible) < shortly
        };
        let own = self.events.iter().filter(|event| event.id == id || is_before(event));
        let records: Vec<Value> = own
            .map(|event| json!({"Id": format!("m{}", event.id), "CreationTime": event.time, "n": event.n}))
            .collect();
        Reply::json(200, &json!(records))
    }

    fn graph(&mut self, request: &Request, now: Timestamp) -> Reply {
        if !self.has_token(request, now) {
            return refuse(401, "InvalidAuthenticationToken");
        }
        let filter = request.query("$filter").unwrap();
        let words: Vec<_> = filter.split(' ').collect();
        assert_eq!((words[1], words[5]), ("ge", "lt"), "{filter}");
        let (from, to) = (time(Some(words[2])), time(Some(words[6])));
        let all = self.select(now, |event| event.time >= from && event.time < to);
        let size = self.size();
        let Ok((events, next)) = self.page(all, request.query("$skiptoken"), size, true) else {
            return refuse(400, "Skip token is null or has expired");
        };
        let entry = |event: &Event| json!({"id": format!("g{}", event.id), "createdDateTime": event.time, "n": event.n});
        let value: Vec<Value> = events.iter().map(entry).collect();
        let mut body = json!({"value": value});
        if let Some(next) = next {
            body["@odata.nextLink"] = link(request, "$skiptoken", &next).into();
        }
        Reply::json(200, &body)
    }

    fn salesforce(&mut self, request: &Request, now: Timestamp) -> Reply {
        if !self.has_token(request, now) {
            return refuse(401, "INVALID_SESSION_ID");
        }
        if let Some(rest) = request.path.strip_prefix("/services/data/v60.0/sobjects/EventLogFile/")
        {
            return self.salesforce_file(rest.strip_suffix("/LogFile").unwrap());
        }
        // The place is in the path: `query/<from>_<to>_<token>`.
        let given = request.path.strip_prefix("/services/data/v60.0/query/");
        let (from, to, token) = match given {
            Some(place) => {
                let mut parts = place.split('_');
                let mut next = || parts.next().unwrap();
                let micros = |text: &str| Timestamp::from_micros(text.parse().unwrap());
                (micros(next()), micros(next()), Some(next().to_owned()))
            }
            None => {
                let query = request.query("q").unwrap();
                assert!(query.contains("WHERE Interval = 'Hourly' AND CreatedDate >= "), "{query}");
                let after = |sign: &str| {
                    let (_, rest) = query.split_once(sign).unwrap();
                    time(rest.split(' ').next())
                };
                (after("CreatedDate >= "), after("CreatedDate < "), None)
            }
        };
        // Each event is a file: created when it becomes visible.
        let mut all = self.select(now, |event| event.visible >= from && event.visible < to);
        for event in &mut all {
            event.time = event.visible;
        }
        all.sort_by_key(|event| (event.time, event.id));
        let size = self.size();
        let Ok((events, next)) = self.page(all, token.as_deref(), size, false) else {
            return refuse(400, "INVALID_QUERY_LOCATOR");
        };
        let record =
            |event: &Event| json!({"Id": format!("0AT{}", event.id), "CreatedDate": event.time});
        let records: Vec<Value> = events.iter().map(record).collect();
        let mut body = json!({"totalSize": 1, "done": next.is_none(), "records": records});
        if let Some(next) = next {
            let place = format!("{}_{}_{next}", from.as_micros(), to.as_micros());
            body["nextRecordsUrl"] = format!("/services/data/v60.0/query/{place}").into();
        }
        Reply::json(200, &body)
    }

    fn salesforce_file(&self, id: &str) -> Reply {
        let id: u64 = id.strip_prefix("0AT").unwrap().parse().unwrap();
        let event = self.events.iter().find(|event| event.id == id).unwrap();
        let at = event.time;
        // Each type of event has columns of its own; a file may have rows that are alike.
        let text = if id.is_multiple_of(2) {
            format!(
                "\"EVENT_TYPE\",\"TIMESTAMP_DERIVED\",\"n\",\"REMARK\"\n\
                 \"Login\",\"{at}\",\"{n}\",\"two\nlines, and \"\"quotes\"\"\"\n\
                 \"Login\",\"{at}\",\"{n}\",\"two\nlines, and \"\"quotes\"\"\"\n",
                n = event.n
            )
        } else {
            format!(
                "\"n\",\"EVENT_TYPE\",\"TIMESTAMP_DERIVED\"\n\"{}\",\"API\",\"{at}\"\n",
                event.n
            )
        };
        Reply { status: 200, headers: Vec::new(), body: text.into_bytes() }
    }

    fn zoom(&mut self, request: &Request, now: Timestamp) -> Reply {
        if !self.has_token(request, now) {
            return refuse(401, "Access token is expired.");
        }
        let day = |name| base::Day::parse(request.query(name).unwrap()).unwrap();
        let (from, to) = (day("from"), day("to"));
        if to.as_days() - from.as_days() > 31 {
            return refuse(400, "the range is more than a month");
        }
        let all = self.select(now, |event| event.time.day() >= from && event.time.day() <= to);
        let size = self.size();
        let token = request.query("next_page_token");
        let Ok((events, next)) = self.page(all, token, size, true) else {
            let message = "The next page token is invalid or expired.";
            return Reply::json(400, &json!({"code": 300, "message": message}));
        };
        let log = |event: &Event| {
            let at = Timestamp::from_seconds(event.time.as_micros().div_euclid(1_000_000));
            json!({"time": at, "operator": "a@acme.example", "action": "Update", "n": event.n})
        };
        let logs: Vec<Value> = events.iter().map(log).collect();
        let next = next.unwrap_or_default();
        Reply::json(
            200,
            &json!({"page_size": size, "next_page_token": next, "operation_logs": logs}),
        )
    }

    fn atlassian(&mut self, request: &Request, now: Timestamp) -> Reply {
        if request.header("authorization") != format!("Bearer {SECRET}") {
            return refuse(401, "Unauthorized");
        }
        assert_eq!(request.path, "/admin/v1/orgs/org/events-stream");
        let millis = |name| request.query(name).unwrap().parse::<i64>().unwrap();
        let (from, to) = (millis("from"), millis("to"));
        let own = |event: &Event| event.time.as_micros().div_euclid(1000);
        let all = self.select(now, |event| own(event) >= from && own(event) < to);
        let size = self.size();
        let Ok((events, next)) = self.page(all, request.query("cursor"), size, false) else {
            return refuse(400, "cursor is not valid");
        };
        let entry = |event: &Event| {
            json!({"id": format!("a{}", event.id), "type": "events", "n": event.n,
                "attributes": {"time": event.time, "action": "x"}})
        };
        let data: Vec<Value> = events.iter().map(entry).collect();
        let meta = next.map_or(json!({}), |next| json!({"next": next}));
        Reply::json(200, &json!({"data": data, "meta": meta, "links": {"self": "x"}}))
    }
}

impl Server {
    fn taxii(&mut self, request: &Request, now: Timestamp) -> Reply {
        let basic = format!("Basic {}", STANDARD.encode(format!("robot:{SECRET}")));
        if request.header("authorization") != basic {
            return refuse(401, "Unauthorized");
        }
        assert_eq!(request.header("accept"), "application/taxii+json;version=2.1");
        if request.path == "/collections/" {
            return self.taxii_collections(now);
        }
        let is_first = match request.path.as_str() {
            "/collections/indicators/objects/" => true,
            "/collections/more/objects/" => false,
            other => panic!("{other} is no collection that may be read"),
        };
        assert_eq!(request.query("match[type]"), Some("indicator"));
        let after = time(request.query("added_after"));
        // By when they were added; what they say of themselves may be much older.
        let is_here = |event: &Event| event.id.is_multiple_of(2) == is_first;
        let mut all = self.select(now, |event| event.visible > after && is_here(event));
        for event in &mut all {
            event.time = event.visible;
        }
        all.sort_by_key(|event| (event.time, event.id));
        let size = self.size();
        let Ok((events, next)) = self.page(all, request.query("next"), size, false) else {
            return refuse(400, "the value of next is not valid");
        };
        let object = |event: &Event| {
            let ip = format!("203.0.113.{}", event.n % 250);
            let modified = event.time.minus(std::time::Duration::from_secs(90 * 86_400));
            json!({"type": "indicator", "id": format!("indicator--{}", event.id), "n": event.n,
                "created": modified, "modified": modified, "valid_from": modified, "name": "Heron",
                "pattern_type": "stix", "pattern": format!("[ipv4-addr:value = '{ip}']")})
        };
        let objects: Vec<Value> = events.iter().map(object).collect();
        if objects.is_empty() && next.is_none() {
            return Reply::json(200, &json!({"more": false}));
        }
        let mut body = json!({"more": next.is_some(), "objects": objects});
        if let Some(next) = next {
            body["next"] = next.into();
        }
        Reply::json(200, &body)
    }

    /// One of them is not listed for some hours, and one may not be read.
    fn taxii_collections(&self, now: Timestamp) -> Reply {
        let collection = |id: &str| json!({"id": id, "title": id, "can_read": id != "secret"});
        let begun = self.events.iter().map(|event| event.time).min().unwrap_or(now);
        let hours = now.as_micros().saturating_sub(begun.as_micros()) / 3_600_000_000;
        let mut all = vec![collection("secret"), collection("indicators")];
        if !(23..26).contains(&hours) {
            all.push(collection("more"));
        }
        Reply::json(200, &json!({"collections": all}))
    }

    fn misp(&mut self, request: &Request, now: Timestamp) -> Reply {
        if request.header("authorization") != SECRET {
            return refuse(403, "Authentication failed.");
        }
        assert_eq!(request.path, "/attributes/restSearch");
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!((&body["to_ids"], &body["returnFormat"]), (&json!(true), &json!("json")));
        let from: i64 = body["timestamp"].as_str().unwrap().parse().unwrap();
        let number = |name: &str| usize::try_from(body[name].as_u64().unwrap()).unwrap();
        let (page, size) = (number("page"), number("limit"));
        let second = |event: &Event| event.time.as_micros().div_euclid(1_000_000);
        let mut all = self.select(now, |event| second(event) >= from);
        all.sort_by_key(|event| (event.visible, event.id));
        let attribute = |event: &Event| {
            json!({"uuid": format!("u{}", event.id), "timestamp": second(event).to_string(),
                "type": "ip-dst", "value": format!("203.0.113.{}", event.n % 250), "n": event.n})
        };
        let list: Vec<Value> =
            all.iter().skip((page - 1) * size).take(size).map(attribute).collect();
        Reply::json(200, &json!({"response": {"Attribute": list}}))
    }
}

/// A refusal that is part of how the vendor works.
fn is_fine(reply: &Reply) -> bool {
    let body = show(reply).to_ascii_lowercase();
    ["af20024", "af20031", "cursor", "page token", "skip token", "locator", "after", "next"]
        .iter()
        .any(|word| body.contains(word))
}

fn show(reply: &Reply) -> String {
    String::from_utf8_lossy(&reply.body).into_owned()
}

fn time(text: Option<&str>) -> Timestamp {
    Timestamp::parse(text.unwrap()).unwrap_or_else(|| panic!("{text:?} is no time"))
}

fn seconds(text: Option<&str>) -> i64 {
    text.unwrap().parse().unwrap()
}

/// The request's own address, with one parameter replaced.
fn link(request: &Request, name: &str, value: &str) -> String {
    let mut url = url::Url::parse(&format!("{}{}", request.base, request.path)).unwrap();
    let others = request.query.iter().filter(|(own, _)| *own != name);
    url.query_pairs_mut().extend_pairs(others).append_pair(name, value);
    url.to_string()
}
