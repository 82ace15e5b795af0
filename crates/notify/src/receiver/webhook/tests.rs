//! What is posted, and what is made of the answers.

use std::sync::Mutex;

use base::FixedClock;

use super::*;
use crate::fixture::{at, hit, notification};

type Change<'a> = &'a dyn Fn(&mut WebhookSettings);
type Request = (String, Vec<(String, String)>, Vec<u8>);

/// A client that answers from a list and remembers what was posted.
#[derive(Debug, Default)]
struct FakeClient {
    answers: Mutex<Vec<Result<HttpReply, HttpFailure>>>,
    requests: Mutex<Vec<Request>>,
}

#[async_trait]
impl HttpClient for FakeClient {
    async fn post(
        &self,
        url: &Url,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Result<HttpReply, HttpFailure> {
        self.requests.lock().unwrap().push((url.to_string(), headers.to_vec(), body.to_vec()));
        self.answers.lock().unwrap().pop().unwrap()
    }
}

fn settings() -> WebhookSettings {
    WebhookSettings {
        name: "ticket".to_owned(),
        url: Secret::new("https://hooks.example.com/T0/secret-path"),
        secret: Some(Secret::new("key")),
        headers: vec![("Authorization".to_owned(), Secret::new("Bearer hush"))],
    }
}

fn webhook(answer: Result<HttpReply, HttpFailure>) -> (Webhook, Arc<FakeClient>) {
    let client =
        Arc::new(FakeClient { answers: Mutex::new(vec![answer]), ..FakeClient::default() });
    let shared: Arc<dyn HttpClient> = Arc::<FakeClient>::clone(&client);
    (Webhook::new(settings(), shared, Arc::new(FixedClock::new(at(0)))).unwrap(), client)
}

fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> HttpReply {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    HttpReply { status, headers: headers.collect(), body: body.as_bytes().to_vec() }
}

#[tokio::test]
async fn posts_the_documented_body_and_headers() {
    let (webhook, client) = webhook(Ok(reply(204, &[], "")));
    webhook.send(&notification("a1b2")).await.unwrap();
    let requests = client.requests.lock().unwrap();
    let (url, headers, body) = &requests[0];
    assert_eq!(url, "https://hooks.example.com/T0/secret-path");
    // Version 1 of a wire format: fields may be added, these must stay.
    let expected = concat!(
        r#"{"version":1,"kind":"alert","alert":{"id":"a1b2","raised_time":"2026-11-24T08:00:01Z","#,
        r#""level":"high","title":"Access to LSASS memory","rule":{"id":"lsass","#,
        r#""file":"detections/lsass.yml","tags":["attack.t1003.001"]},"#,
        r#""log_source":"windows_sysmon","event_time":"2026-11-24T08:00:00Z","#,
        r#""event_id":"e0-1000","dedup":[{"field":"User","value":"jdoe"}],"reasons":[{"#,
        r#""field":"TargetImage","test":"endswith '\\lsass.exe'","#,
        r#""value":"C:\\Windows\\System32\\lsass.exe"}],"#,
        r#""event":{"EventID":10,"big":123456789012345678901234567890}}}"#,
    );
    assert_eq!(std::str::from_utf8(body).unwrap(), expected);
    let signed = signature(&Secret::new("key"), at(0), body);
    let expected = [
        ("content-type", "application/json"),
        ("idempotency-key", "a1b2"),
        ("dab-signature", &signed),
        ("Authorization", "Bearer hush"),
    ];
    assert_eq!(*headers, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn an_event_that_was_cut_is_sent_as_text() {
    let mut cut = notification("a1b2");
    cut.alert.first_match.event = r#"{"EventID":10,"#.into();
    let body: serde_json::Value = serde_json::from_slice(&body(&cut).unwrap()).unwrap();
    assert_eq!(body["alert"]["event_text"], r#"{"EventID":10,"#);
    assert!(body["alert"].get("event").is_none());
}

#[test]
fn signs_as_an_independent_implementation_does() {
    // python: hmac.new(b"key", b'1795507200.{"a":1}', hashlib.sha256).hexdigest()
    let expected =
        "t=1795507200,v1=d4f9983fa99ca2f3ad186cbe1507cd06f746abd17ec8e1e7d6cc218acf21438c";
    assert_eq!(signature(&Secret::new("key"), at(0), br#"{"a":1}"#), expected);
}

#[tokio::test]
async fn answers_say_whether_to_try_again() {
    let retry = |message: &str, after: Option<u64>| {
        Err(SendError::Retry { message: message.to_owned(), after: after.map(Duration::from_secs) })
    };
    let refused = |message: &str| Err(SendError::Refused { message: message.to_owned() });
    let long = "x".repeat(500);
    let cases = [
        (reply(200, &[], ""), Ok(())),
        (reply(299, &[], "no"), Ok(())),
        (reply(429, &[("retry-after", "17")], ""), retry("answered 429", Some(17))),
        (reply(503, &[("retry-after", "999999999")], ""), retry("answered 503", Some(7200))),
        (
            reply(503, &[("retry-after", "Tue, 24 Nov 2026 08:01:30 GMT")], "busy\n  now"),
            retry("answered 503: busy now", Some(90)),
        ),
        (
            reply(503, &[("retry-after", "Tue, 24 Nov 2020 08:01:30 GMT")], ""),
            retry("answered 503", Some(0)),
        ),
        (reply(503, &[("retry-after", "soon")], ""), retry("answered 503", None)),
        (reply(500, &[], "\u{1b}[31mred"), retry(r"answered 500: \u{1b}[31mred", None)),
        (reply(401, &[], ""), retry("answered 401", None)),
        (reply(404, &[], ""), retry("answered 404", None)),
        (reply(400, &[], &long), refused(&format!("answered 400: {}", "x".repeat(200)))),
        (reply(410, &[], ""), refused("answered 410")),
        (
            reply(302, &[("location", "https://evil.example/")], ""),
            refused("answered 302 to redirect, which is not followed"),
        ),
    ];
    for (answer, expected) in cases {
        let (webhook, _) = webhook(Ok(answer.clone()));
        assert_eq!(webhook.send(&notification("a")).await, expected, "{answer:?}");
    }
}

#[tokio::test]
async fn failures_to_connect_are_tried_again_and_mistakes_are_not() {
    let (hook, _) = webhook(Err(HttpFailure::Unreachable("connection refused".to_owned())));
    let error = hook.send(&notification("a")).await.unwrap_err();
    let message = "can't connect: connection refused".to_owned();
    assert_eq!(error, SendError::Retry { message, after: None });
    let (hook, _) = webhook(Err(HttpFailure::Invalid("header `x`".to_owned())));
    let error = hook.send(&notification("a")).await.unwrap_err();
    assert!(matches!(error, SendError::Refused { .. }));
}

#[test]
fn settings_are_checked_and_secrets_never_shown() {
    let set = |change: &dyn Fn(&mut WebhookSettings)| {
        let mut settings = settings();
        change(&mut settings);
        let client: Arc<dyn HttpClient> = Arc::new(FakeClient::default());
        let made = Webhook::new(settings, client, Arc::new(FixedClock::new(at(0))));
        made.map(|webhook| format!("{webhook:?}")).map_err(|error| error.to_string())
    };
    let shown = set(&|_| {}).unwrap();
    for secret in ["hush", "secret-path", "\"key\""] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(shown.contains("https://hooks.example.com/…"), "{shown}");
    let header = |name: &'static str, value: &'static str| {
        move |settings: &mut WebhookSettings| {
            settings.headers = vec![(name.to_owned(), Secret::new(value))];
        }
    };
    let cases: [(Change<'_>, &str); 9] = [
        (&|s| s.name = "a/b".into(), "a name has 1 to 64"),
        (&|s| s.name = "..".into(), "a name has 1 to 64"),
        (&|s| s.url = Secret::new("hooks.example.com/x"), "`url` is no address"),
        (&|s| s.url = Secret::new("ftp://example.com"), "`url` begins with `ftp:`"),
        (&|s| s.url = Secret::new("https://u:pw@example.com"), "`url` holds a user"),
        (&|s| s.secret = Some(Secret::new("")), "`secret` is empty"),
        (&header("Host", "x"), "header `Host` is set by dab"),
        (&header("a b", "x"), "`a b` is no name of a header"),
        (&header("x-a", "1\r\nx-b: hush"), "the value of header `x-a` holds a control"),
    ];
    for (change, expected) in cases {
        let message = set(change).unwrap_err();
        assert!(message.contains(expected), "{message}");
        assert!(!message.contains("hush") && !message.contains("pw"), "{message}");
    }
}

#[test]
fn the_same_notification_makes_the_same_bytes() {
    let mut other = notification("a");
    other.alert.first_match = hit("jdoe", 0, "e0-1000");
    assert_eq!(body(&notification("a")).unwrap(), body(&other).unwrap());
}
