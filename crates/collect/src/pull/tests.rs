//! What only shows inside; all parts together are tried in `tests/pull.rs`.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use base::{
    Explain as _, FixedClock, HttpExchange, HttpFailure, HttpReply, HttpRequest, Timestamp, limits,
};

use proptest::strategy::Strategy as _;

use super::*;

/// Answers what it was told to, and remembers what it was asked.
#[derive(Debug, Default)]
struct Script {
    replies: Mutex<VecDeque<HttpReply>>,
    asked: Mutex<Vec<String>>,
}

impl Script {
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

#[async_trait]
impl HttpExchange for Script {
    async fn exchange(&self, request: HttpRequest<'_>) -> Result<HttpReply, HttpFailure> {
        let body = String::from_utf8_lossy(request.body);
        let line = format!("{} {} {body}", request.method, request.url).trim_end().to_owned();
        self.asked.lock().unwrap().push(line);
        let reply = self.replies.lock().unwrap().pop_front();
        reply.ok_or(HttpFailure::Unreachable("connection refused".into()))
    }
}

fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> HttpReply {
    let headers = headers.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
    HttpReply { status, headers: headers.collect(), body: body.as_bytes().to_vec() }
}

fn now() -> Timestamp {
    Timestamp::parse("2026-11-24T08:00:00Z").unwrap()
}

/// A pull of a file, before a server that will answer this.
fn puller(file: &str, replies: &[HttpReply]) -> (Puller, Arc<Script>) {
    puller_at(file, replies, &Arc::new(FixedClock::new(now())))
}

fn puller_at(file: &str, replies: &[HttpReply], clock: &Arc<FixedClock>) -> (Puller, Arc<Script>) {
    let definition = PullDefinition::parse(file, "mine.yml").unwrap();
    let http = Arc::new(Script::default());
    http.replies.lock().unwrap().extend(replies.iter().cloned());
    let secret = PullValue::Secret(PullSecret::new("hush-hush".into()));
    let mut choices = PullChoices { name: "p".into(), ..PullChoices::default() };
    choices.values.insert("token".into(), secret);
    let (api, plan) =
        definition.open(choices, Arc::clone(&http) as _, Arc::clone(clock) as _).unwrap();
    let mut puller = Puller::new(api, plan, Arc::clone(clock) as _);
    puller.begin_round();
    (puller, http)
}

const FILE: &str = "\
description: mine
log_source: mine
inputs: {token: {description: a token, secret: true}}
auth: {query: {name: key, value: '{token}'}}
request: {url: 'https://api.example/v1/events', query: {from: '{from}', to: '{to}'}}
records: {at: data, id: [id]}
paging: {next_url: {body: next}}
window: {overlap: 1h}
";

#[tokio::test]
async fn the_credential_goes_to_no_other_server() {
    for next in
        ["https://evil.example/x", "http://api.example/v1/events?a=1", "https://api.example:8443/"]
    {
        let body = format!(r#"{{"data":[],"next":"{next}"}}"#);
        let (mut puller, http) = puller(FILE, &[reply(200, &[], &body)]);
        assert!(matches!(puller.step().await.unwrap(), Step::Piece(_)));
        puller.took(0);
        let error = puller.step().await.unwrap_err();
        assert_eq!(error.code().0, "DAB0359", "{error}");
        assert!(error.to_string().contains("it leads to another server"), "{error}");
        assert_eq!(http.asked().len(), 1, "{next} was not asked");
    }
}

#[tokio::test]
async fn a_next_address_may_be_relative_and_no_error_shows_the_key() {
    let first = reply(200, &[], r#"{"data":[{"id":1},{"id":1},{"id":2}],"next":"/v1/more?at=3"}"#);
    let refused = reply(400, &[], "the key hush-hush is not for {\"at\": 3}");
    let (mut puller, http) = puller(FILE, &[first, refused]);
    let Step::Piece(piece) = puller.step().await.unwrap() else { panic!("records") };
    assert_eq!((piece.records.len(), piece.repeats), (2, 1));
    puller.took(2);
    let error = puller.step().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "GET https://api.example/v1/more: the server answered 400: the key … is not for {\\\"at\\\": 3}"
    );
    let asked = http.asked();
    assert!(asked[0].ends_with("&to=2026-11-24T08%3A00%3A00.000Z&key=hush-hush"), "{asked:?}");
    assert_eq!(asked[1], "GET https://api.example/v1/more?at=3&key=hush-hush");
    let error = puller.step().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "GET https://api.example/v1/more: can't connect: connection refused"
    );
    assert_eq!(error.wait(1), Some(std::time::Duration::from_secs(2)));
}

#[tokio::test]
async fn a_page_that_names_itself_is_no_next_page() {
    let body = r#"{"data":[],"next":"https://api.example/v1/events?p=2"}"#;
    let replies = [reply(200, &[], body), reply(200, &[], body)];
    let (mut puller, _) = puller(FILE, &replies);
    puller.step().await.unwrap();
    puller.took(0);
    let error = puller.step().await.unwrap_err();
    assert_eq!(error.code().0, "DAB0362", "{error}");
    assert_eq!(error.wait(1), None);
    puller.give_up();
    assert_eq!(puller.step().await.unwrap(), Step::Idle);
}

/// As `medallion`, a TAXII server, has it: one token for all pages, and each is handed out once.
#[tokio::test]
async fn a_server_may_keep_the_place_under_one_token() {
    let file = FILE.replace("{next_url: {body: next}}", "{token: {at: next, query: t}}");
    let page = |id: u32| reply(200, &[], &format!("{{\"data\":[{{\"id\":{id}}}],\"next\":\"k\"}}"));
    let broken = reply(500, &[], "");
    let last = reply(200, &[], "{\"data\":[{\"id\":4}]}");
    let (mut puller, http) =
        puller(&file, &[page(1), page(2), page(3), broken, page(1), page(2), page(3), last]);
    let (mut ids, mut errors) = (Vec::new(), 0);
    loop {
        match puller.step().await {
            Ok(Step::Piece(piece)) => {
                ids.extend(piece.records.iter().map(|one| one.bytes.clone()));
                puller.took(piece.records.len());
            }
            Ok(Step::Window) => {}
            Ok(Step::Idle) => break,
            Err(error) => {
                assert!(error.wait(1).is_some(), "{error}");
                errors += 1;
            }
        }
    }
    let ids: Vec<_> = ids.iter().map(|one| String::from_utf8_lossy(one).into_owned()).collect();
    assert_eq!(ids, ["{\"id\":1}", "{\"id\":2}", "{\"id\":3}", "{\"id\":4}"]);
    assert_eq!(errors, 1);
    let tokens: Vec<_> = http.asked().iter().map(|line| line.contains("t=k")).collect();
    assert_eq!(tokens, [false, true, true, true, false, true, true, true]);
}

#[tokio::test]
async fn answers_that_are_not_understood_are_errors() {
    for (body, reason) in [
        ("<html>", "it is no JSON: expected value at line 1 column 1"),
        ("{\"data\":[{]}", "it is no JSON: key must be a string at line 1 column 11"),
        ("{}", "there is no list at `data`"),
        ("{\"data\":null}", "there is no list at `data`"),
        ("{\"data\":{}}", "what is at `data` is no list"),
        ("[]", "there is no list at `data`"),
    ] {
        let (mut puller, _) = puller(FILE, &[reply(200, &[], body)]);
        let error = puller.step().await.unwrap_err();
        let expected =
            format!("GET https://api.example/v1/events: the answer is not understood: {reason}");
        assert_eq!(error.to_string(), expected, "{body}");
    }
}

#[tokio::test]
async fn a_server_that_asks_for_a_pause_is_not_asked_before() {
    let busy = reply(429, &[("retry-after", "30")], "");
    let (mut puller, http) = puller(FILE, &[busy]);
    for _ in 0..3 {
        let error = puller.step().await.unwrap_err();
        assert_eq!(error.wait(1), Some(std::time::Duration::from_secs(30)), "{error}");
    }
    assert_eq!(http.asked().len(), 1);
}

#[tokio::test]
async fn a_pull_that_was_away_for_too_long_says_what_is_gone() {
    let file = FILE.replace("overlap: 1h", "overlap: 1h, kept: 7d");
    let (mut puller, http) = puller(&file, &[reply(200, &[], r#"{"data":[]}"#)]);
    let text = r#"{"kind":"pull","version":1,"places":{"partitions":{"":{"through":"2026-11-01T00:00:00Z"}}}}"#;
    puller.restore_places(text).unwrap();
    puller.begin_round();
    let notices = puller.notices();
    assert_eq!(
        notices[0].message,
        "the pull `p` was away for too long: the API has no events from 2026-11-01T00:00:00Z to \
         2026-11-17T08:00:00Z"
    );
    puller.step().await.unwrap();
    let asked = http.asked();
    let first = "from=2026-11-17T08%3A00%3A00.000Z&to=2026-11-18T08%3A00%3A00.000Z";
    assert!(asked[0].contains(first), "{asked:?}");
}

#[test]
fn every_mistake_of_a_file_is_told_at_once() {
    let file = "\
description: mine
log_source: mine
every: 10s
inputs: {from: {description: x}}
request: {url: 'https://a.example/{org}'}
records: {}
paging: {token: {at: next}}
window: {overlap: 0s, cursor: true}
";
    let mistakes = PullDefinition::parse(file, "mine.yml").unwrap_err();
    let told: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
    assert!(mistakes.iter().all(|mistake| mistake.code().0 == "DAB0351"));
    let expected = [
        "`{org}` in `request` stands for nothing",
        "`from` in `inputs` has a meaning of its own",
        "`every` is not between 1 minute and 1 day",
        "`window.overlap` is nothing",
        "the request does not say from when on",
        "`paging.token` goes nowhere, or to two places",
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_file_that_is_no_yaml_of_ours_says_where() {
    for (file, expected) in [
        (FILE.replace("paging:", "pageing:"), "mine.yml:7:1: unknown key `pageing`"),
        (FILE.replace("overlap: 1h", "overlap: soon"), "mine.yml:8:"),
        (FILE.replace("'{token}'", "'{token'"), "mine.yml:4:"),
        ("description: [".to_owned(), "mine.yml:"),
    ] {
        let mistakes = PullDefinition::parse(&file, "mine.yml").unwrap_err();
        let mistake = mistakes.first().unwrap();
        let said = format!("{}: {mistake}", mistake.place().unwrap());
        assert!(said.starts_with(expected), "{said}");
        assert_eq!(mistake.code().0, "DAB0350");
    }
}

#[test]
fn what_comes_with_dab_is_right() {
    let mut last = "";
    for (name, _) in shipped_pulls() {
        assert!(*name > last, "{name} is in its place");
        last = name;
        let definition =
            PullDefinition::shipped(name).unwrap_or_else(|why| panic!("{name}: {why:?}"));
        assert!(definition.manual().is_some_and(|url| url.starts_with("https://")), "{name}");
        assert!(definition.inputs().any(|input| input.is_secret), "{name}");
        assert!(definition.inputs().all(|input| !input.description.is_empty()), "{name}");
    }
    let error = PullDefinition::shipped("none").unwrap_err();
    assert_eq!(error.first().unwrap().code().0, "DAB0352");
}

#[test]
fn a_credential_is_not_sent_in_the_clear() {
    let file = FILE.replace("https://api.example", "http://api.example");
    let (mut puller, http) = puller(&file, &[]);
    let step = std::pin::pin!(puller.step());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(Err(error)) = step.poll(&mut context) else { panic!("an error") };
    assert_eq!(error.code().0, "DAB0353", "{error}");
    assert!(http.asked().is_empty());
}

/// Without a beginning in the request: the pages go on into the past, and end where they are before the
/// window; what is older is not taken.
#[tokio::test]
async fn pages_into_the_past_end_where_the_window_begins() {
    let file = "\
description: mine
log_source: mine
inputs: {token: {description: a token, secret: true}}
auth: {basic: {user: me, password: '{token}'}}
request: {url: 'https://api.example/v1/events'}
records: {id: [id], time: at}
paging: {offset: {query: skip, size: 2}}
window: {overlap: 1h, newest_first: true}
";
    let page = |events: &[(u32, &str)]| {
        let event = |(id, at): &(u32, &str)| format!("{{\"id\":{id},\"at\":\"2026-11-{at}:00Z\"}}");
        let events: Vec<_> = events.iter().map(event).collect();
        reply(200, &[], &format!("[{}]", events.join(",")))
    };
    let first = page(&[(5, "24T07:00"), (4, "23T20:00")]);
    let second = page(&[(3, "23T09:00"), (2, "23T07:00")]);
    let third = page(&[(1, "22T07:00"), (0, "22T06:00")]);
    let (mut puller, http) = puller(file, &[first, second, third]);
    let mut counts = Vec::new();
    loop {
        match puller.step().await.unwrap() {
            Step::Piece(piece) => {
                counts.push(piece.records.len());
                puller.took(piece.records.len());
            }
            Step::Window => {}
            Step::Idle => break,
        }
    }
    assert_eq!(counts, [2, 1, 0]);
    let asked = http.asked();
    let numbers: Vec<_> = asked.iter().map(|line| line.split_once('?').unwrap().1).collect();
    assert_eq!(numbers, ["skip=0", "skip=2", "skip=4"]);
    // The latest event, not the time of the round.
    assert!(
        puller.places().contains("\"through\":\"2026-11-24T07:00:00Z\""),
        "{}",
        puller.places()
    );
}

#[tokio::test]
async fn tokens_are_asked_for_in_every_way_and_again_when_they_end() {
    let key = include_str!("../../tests/pull/key-of-these-tests.pem").replace('\n', "\\n");
    for (auth, said) in [
        (
            "oauth2: {token_url: 'https://login.example/t', client_id: me, client_secret: '{token}', \
             grant: refresh_token, refresh_token: r1, client_in_header: true}",
            "grant_type=refresh_token&refresh_token=r1".to_owned(),
        ),
        (
            "oauth2: {token_url: 'https://login.example/t', client_id: me, client_secret: '{token}', scope: a b}",
            "grant_type=client_credentials&client_id=me&client_secret=hush-hush&scope=a%20b".to_owned(),
        ),
        (
            "jwt: {token_url: 'https://login.example/t', key: KEY, issuer: me, as_client: true, scope: s}",
            "grant_type=client_credentials&client_id=me&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3A\
             client-assertion-type%3Ajwt-bearer&client_assertion=eyJ"
                .to_owned(),
        ),
        (
            "jwt: {token_url: 'https://login.example/t', key: KEY, issuer: me, subject: them}",
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=eyJ".to_owned(),
        ),
    ] {
        let auth = auth.replace("KEY", &format!("'{key}'"));
        let file = FILE.replace("auth: {query: {name: key, value: '{token}'}}", &format!("auth: {{{auth}}}"));
        let token = |name: &str| {
            let body = format!("{{\"access_token\":\"{name}\",\"expires_in\":\"3600\"}}");
            reply(200, &[], &body)
        };
        let refused = reply(401, &[], "token t1-secret has ended");
        let replies = [token("t1-secret"), refused.clone(), token("t2-secret"), refused];
        let (mut puller, http) = puller(&file, &replies);
        let error = puller.step().await.unwrap_err();
        assert!(matches!(error, PullError::Forbidden { status: 401, .. }), "{error}");
        assert!(!error.to_string().contains("t2-secret"), "{error}");
        let asked = http.asked();
        let grants: Vec<_> = asked.iter().filter(|line| line.starts_with("POST")).collect();
        assert_eq!((asked.len(), grants.len()), (4, 2), "{asked:?}");
        let body = grants[0].strip_prefix("POST https://login.example/t ").unwrap();
        assert!(body.starts_with(&said), "{body}");
    }
}

#[tokio::test]
async fn a_refresh_token_that_the_server_replaces_is_kept_sealed() {
    let auth = "oauth2: {token_url: 'https://login.example/t', client_id: me, client_secret: x, \
        grant: refresh_token, refresh_token: '{token}'}";
    let file =
        FILE.replace("auth: {query: {name: key, value: '{token}'}}", &format!("auth: {{{auth}}}"));
    let token = |refresh: &str| {
        reply(200, &[], &format!("{{\"access_token\":\"t\",\"refresh_token\":\"{refresh}\"}}"))
    };
    let used = |http: &Script| -> Vec<String> {
        let asked = http.asked();
        let grants = asked.iter().filter(|line| line.starts_with("POST"));
        grants.map(|line| line.rsplit_once("refresh_token=").unwrap().1.to_owned()).collect()
    };
    let refused = reply(401, &[], "next-2");
    let (mut first, http) =
        puller(&file, &[token("next-1"), refused.clone(), token("next-2"), refused.clone()]);
    let error = first.step().await.unwrap_err();
    assert!(!error.to_string().contains("next-2"), "it is not shown: {error}");
    assert_eq!(used(&http), ["hush-hush", "next-1"]);
    let sealed = first.renewed().unwrap();
    assert!(!sealed.contains("next"), "{sealed}");
    assert_eq!(first.renewed(), None, "it is told once");
    // Another process goes on with it; one that the server answers none with changes nothing.
    let (mut second, http) = puller(
        &file,
        &[reply(200, &[], "{\"access_token\":\"t\"}"), refused.clone(), refused.clone()],
    );
    second.restore_renewed(&sealed);
    second.step().await.unwrap_err();
    assert_eq!(used(&http)[0], "next-2");
    assert_eq!(second.renewed(), None);
    // Where it is no longer good, that of the settings may be.
    let invalid = reply(400, &[], "{\"error\":\"invalid_grant\"}");
    let (mut third, http) = puller(&file, &[invalid, token("next-3"), refused.clone(), refused]);
    third.restore_renewed(&sealed);
    third.step().await.unwrap_err();
    assert_eq!(used(&http)[..2], ["next-2", "hush-hush"]);
    // What was sealed with another token of the settings is none.
    let (mut fourth, http) = puller(&file, &[token("next-4")]);
    fourth.restore_renewed("AAAA");
    fourth.step().await.unwrap_err();
    assert_eq!(used(&http), ["hush-hush"]);
}

proptest::proptest! {
    /// Whatever a server answers, it is records or an error, and nothing is lost or doubled of it.
    #[test]
    fn no_answer_panics(
        status in 100_u16..600,
        body in proptest::prop_oneof![
            proptest::collection::vec(proptest::num::u8::ANY, 0..60),
            "[\\[\\]{}\":,a-d0-9 \\\\u]{0,60}".prop_map(String::into_bytes),
            "\\{\"data\":\\[(\\{\"id\":[0-9]\\},){0,5}\\{\\}\\],\"next\":\"[a-z:/?.]{0,12}\"\\}"
                .prop_map(String::into_bytes),
        ],
        header in "[a-z0-9<>;,:=\" -]{0,30}",
    ) {
        let answer = HttpReply {
            status,
            headers: ["link", "retry-after", "x-ratelimit-remaining", "date"]
                .map(|name| (name.to_owned(), header.clone()))
                .to_vec(),
            body,
        };
        let (mut puller, _) = puller(FILE, &[answer]);
        let step = {
            let step = std::pin::pin!(puller.step());
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            let std::task::Poll::Ready(step) = step.poll(&mut context) else { panic!("it waits") };
            step
        };
        if let Ok(Step::Piece(piece)) = step {
            let keys: std::collections::HashSet<_> = piece.records.iter().map(|one| one.key).collect();
            proptest::prop_assert_eq!(keys.len(), piece.records.len());
            puller.took(piece.records.len());
            proptest::prop_assert!(puller.checkpoint(true).contains("\"kind\":\"pull\""));
        }
    }
}

const LISTED: &str = "\
description: mine
log_source: mine
inputs: {token: {description: a token, secret: true}}
auth: {query: {name: key, value: '{token}'}}
partitions:
  name: org
  list: {request: {url: 'https://api.example/v1/orgs'}, value: login, paging: {link: {rel: next}}, kept: 2d}
request: {url: 'https://api.example/v1/{org}', query: {from: '{from}', to: '{to}'}}
records: {id: [id]}
window: {overlap: 1h, max: 7d, format: rfc3339_seconds}
";

fn orgs(names: &[&str]) -> HttpReply {
    let names: Vec<String> = names.iter().map(|name| format!(r#"{{"login": "{name}"}}"#)).collect();
    reply(200, &[], &format!("[{}]", names.join(",")))
}

/// A pull whose partitions are listed, its server and its clock.
struct Listed {
    puller: Puller,
    http: Arc<Script>,
    clock: Arc<FixedClock>,
}

impl Listed {
    fn new(clock: Arc<FixedClock>) -> Self {
        let (puller, http) = puller_at(LISTED, &[], &clock);
        Self { puller, http, clock }
    }

    /// A round before a server that answers this: what was asked, without days and the key.
    async fn round(&mut self, replies: &[HttpReply]) -> Vec<String> {
        *self.http.replies.lock().unwrap() = replies.iter().cloned().collect();
        self.puller.begin_round();
        loop {
            match self.puller.step().await {
                Ok(Step::Piece(piece)) => self.puller.took(piece.records.len()),
                Ok(Step::Window) => {}
                Ok(Step::Idle) => break,
                Err(_) => self.puller.give_up(),
            }
        }
        let short = |line: String| {
            let line = line.replace("GET https://api.example/v1/", "").replace("%3A00%3A00Z", "h");
            line.split("&key").next().unwrap_or_default().replace("key=hush-hush", "")
        };
        self.http.asked().into_iter().map(short).collect()
    }

    /// As a process that begins anew, from what is stored.
    fn restart(&mut self) {
        let stored = self.puller.checkpoint(true);
        *self = Self::new(Arc::clone(&self.clock));
        let restoring = Restoring::new(self.puller.plan(), &stored).unwrap();
        self.puller.restore(restoring);
    }
}

fn none() -> HttpReply {
    reply(200, &[], "[]")
}

#[tokio::test]
async fn partitions_that_the_api_names_come_go_and_come_back() {
    let mut listed = Listed::new(Arc::new(FixedClock::new(now())));
    let link = ("link", "</v1/orgs?page=2>; rel=next");
    let first = HttpReply { headers: reply(200, &[link], "").headers, ..orgs(&["b"]) };
    let asked = listed.round(&[first, orgs(&["a"]), none(), none()]).await;
    let expected = [
        "orgs?",
        "orgs?page=2",
        "a?from=2026-11-23T08h&to=2026-11-24T08h",
        "b?from=2026-11-23T08h&to=2026-11-24T08h",
    ];
    assert_eq!(asked, expected, "from a day back");

    // Within the hour it is not asked again, and in a new process it is.
    listed.clock.advance(std::time::Duration::from_secs(1800));
    assert_eq!(listed.round(&[none(), none()]).await.len(), 2);
    listed.restart();
    listed.clock.advance(std::time::Duration::from_secs(1800));
    let asked = listed.round(&[orgs(&["a", "c"]), none(), none()]).await;
    let expected = [
        "orgs?",
        "a?from=2026-11-24T07%3A30%3A00Z&to=2026-11-24T09h",
        "c?from=2026-11-23T09h&to=2026-11-24T09h",
    ];
    assert_eq!(asked, expected, "`b` is gone, `c` is new");

    // The list can't be had: what is known goes on, also in a new process.
    for is_new in [false, true] {
        listed.clock.advance(std::time::Duration::from_secs(3600));
        if is_new {
            listed.restart();
        }
        let asked = listed.round(&[reply(404, &[], ""), none(), none()]).await;
        let names: Vec<_> = asked.iter().filter_map(|line| line.split('?').next()).collect();
        assert_eq!(names, ["orgs", "a", "c"], "{is_new}");
    }

    // It comes back within two days, and goes on from where it was.
    listed.clock.advance(std::time::Duration::from_secs(24 * 3600));
    let asked = listed.round(&[orgs(&["b"]), none()]).await;
    assert_eq!(asked, ["orgs?", "b?from=2026-11-24T07%3A30%3A00Z&to=2026-11-25T11h"]);
    // `a` does not, and begins anew.
    listed.clock.advance(std::time::Duration::from_secs(72 * 3600));
    listed.round(&[orgs(&["b"]), none()]).await;
    let asked = listed.round(&[none()]).await;
    assert_eq!(asked.len(), 0, "nothing is new in the same moment");
    listed.clock.advance(std::time::Duration::from_secs(3600));
    let asked = listed.round(&[orgs(&["a"]), none()]).await;
    assert_eq!(asked, ["orgs?", "a?from=2026-11-27T12h&to=2026-11-28T12h"]);
}

#[tokio::test]
async fn there_are_not_more_partitions_than_the_limit() {
    let mut listed = Listed::new(Arc::new(FixedClock::new(now())));
    let names: Vec<String> =
        (0..limits::PULL_PARTITIONS_MAX + 5).map(|n| format!("o{n:03}")).collect();
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    let long = "x".repeat(limits::PULL_PARTITION_BYTES_MAX + 1);
    names.push(&long);
    let replies: Vec<_> = std::iter::once(orgs(&names))
        .chain((0..limits::PULL_PARTITIONS_MAX).map(|_| none()))
        .collect();
    let asked = listed.round(&replies).await;
    assert_eq!(asked.len(), 1 + limits::PULL_PARTITIONS_MAX);
    let [notice] = &listed.puller.notices()[..] else { panic!("a notice") };
    assert_eq!(notice.code, "DAB0371");
    assert!(
        notice.message.ends_with("asks 200 of the partitions that the API names; 6 are left out")
    );
}

#[tokio::test]
async fn without_a_list_a_first_round_fails() {
    let mut listed = Listed::new(Arc::new(FixedClock::new(now())));
    listed.puller.begin_round();
    listed.http.replies.lock().unwrap().push_back(reply(200, &[], r#"[{"name": "a"}]"#));
    let error = listed.puller.step().await.unwrap_err();
    assert!(
        error.to_string().ends_with("an element of the list of partitions has no value"),
        "{error}"
    );
    listed.puller.give_up();
    assert!(matches!(listed.puller.step().await, Ok(Step::Idle)));
}

#[test]
fn mistakes_in_lists_of_partitions_are_told() {
    let told = |file: &str| {
        let mistakes = PullDefinition::parse(file, "mine.yml").unwrap_err();
        mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    };
    for (from, to, expected) in [
        ("name: org\n", "name: org\n  values: [a]\n", "`partitions` has both `values` and `list`"),
        (
            "https://api.example/v1/{org}",
            "{org}/v1",
            "an address begins with a partition that the API names",
        ),
        ("v1/orgs", "v1/{org}", "`{org}` in `partitions.list.request` stands for nothing"),
        ("kept: 2d", "every: 1s", "`partitions.list.every` is not between 1 minute and 1 day"),
        ("link: {rel: next}", "page: {size: 0, query: p}", "`size` is 0"),
    ] {
        assert!(LISTED.contains(from));
        assert_eq!(told(&LISTED.replace(from, to)), expected, "{from}");
    }
}
