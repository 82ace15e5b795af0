//! Queues that are read, tokens that are proven. The real servers are asked in `dab-serve` and in the scenarios.

use std::{
    collections::VecDeque,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use base::{
    Clock as _, Explain as _, FixedClock, HttpExchange, HttpFailure, HttpReply, HttpRequest,
    Timestamp,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    rand::SystemRandom,
    signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents},
};
use serde_json::{Value, json};

use super::*;

/// A queue in memory that remembers what it was told.
#[derive(Debug, Default)]
struct Fake {
    waiting: Mutex<VecDeque<Result<Vec<Delivery>, AnnounceError>>>,
    told: Mutex<Vec<String>>,
    refusals: AtomicUsize,
}

impl Fake {
    fn told(&self) -> Vec<String> {
        std::mem::take(&mut *self.told.lock().unwrap())
    }

    fn answer(&self, told: String) -> Result<(), AnnounceError> {
        self.told.lock().unwrap().push(told);
        let left = self.refusals.load(Ordering::Relaxed);
        self.refusals.store(left.saturating_sub(1), Ordering::Relaxed);
        if left == 0 { Ok(()) } else { Err(down()) }
    }
}

fn down() -> AnnounceError {
    AnnounceError::Unavailable { queue: "fake".into(), reason: "it is down".into() }
}

#[async_trait]
impl AnnounceQueue for Fake {
    fn name(&self) -> &str {
        "fake"
    }

    fn batch_max(&self) -> usize {
        2
    }

    async fn receive(&self, _lease: Duration) -> Result<Vec<Delivery>, AnnounceError> {
        let next = self.waiting.lock().unwrap().pop_front();
        match next {
            Some(next) => next,
            None => std::future::pending().await,
        }
    }

    async fn settle(&self, handles: &[String]) -> Result<(), AnnounceError> {
        self.answer(format!("settle {}", handles.join(",")))
    }

    async fn extend(&self, handles: &[String], _lease: Duration) -> Result<(), AnnounceError> {
        let mut handles = handles.to_vec();
        handles.sort();
        self.answer(format!("extend {}", handles.join(",")))
    }
}

fn delivery(handle: &str) -> Delivery {
    Delivery {
        handle: handle.to_owned(),
        origin: format!("fake, message {handle}"),
        id: handle.to_owned(),
        body: Bytes::new(),
        says: Ok(Vec::new()),
    }
}

/// A reader at work on a queue.
struct Reader {
    queue: Arc<Fake>,
    inbox: mpsc::Receiver<Announcement>,
    troubles: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

fn read(queue: Fake) -> Reader {
    let (sender, inbox) = mpsc::channel(limits::ANNOUNCED_MAX);
    let (queue, troubles) = (Arc::new(queue), Arc::<Mutex<Vec<String>>>::default());
    let told = Arc::clone(&troubles);
    let tell: Teller = Arc::new(move |report: Report| told.lock().unwrap().push(report.code));
    let task = tokio::spawn(receive_announcements(Arc::clone(&queue) as _, sender, tell));
    Reader { queue, inbox, troubles, task }
}

/// Lets time pass, which in these tests costs none.
async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_held_is_renewed_until_it_is_dealt_with() {
    let queue = Fake::default();
    let batches = [vec![delivery("a"), delivery("b")], vec![delivery("c")]];
    queue.waiting.lock().unwrap().extend(batches.map(Ok));
    let mut reader = read(queue);
    let a = reader.inbox.recv().await.unwrap();
    let b = reader.inbox.recv().await.unwrap();
    let c = reader.inbox.recv().await.unwrap();
    pass(1).await;
    assert_eq!(reader.queue.told(), [""; 0], "nothing is answered before it is dealt with");
    pass(40).await;
    let renewed = reader.queue.told();
    let all: Vec<&str> =
        renewed.iter().flat_map(|told| told.trim_start_matches("extend ").split(',')).collect();
    assert_eq!(renewed.len(), 4, "twice, in batches of two: {renewed:?}");
    assert!(["a", "b", "c"].iter().all(|one| all.contains(one)), "{renewed:?}");

    a.settle();
    c.settle();
    pass(1).await;
    assert_eq!(reader.queue.told(), ["settle a,c"], "what one commit settles is answered together");
    // What is dropped is neither answered nor kept from others.
    drop(b);
    pass(60).await;
    assert_eq!(reader.queue.told(), [""; 0]);
    drop(reader.inbox);
    reader.task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_get_through_is_given_again() {
    let queue = Fake { refusals: AtomicUsize::new(1), ..Fake::default() };
    queue.waiting.lock().unwrap().push_back(Ok(vec![delivery("a")]));
    let mut reader = read(queue);
    reader.inbox.recv().await.unwrap().settle();
    pass(1).await;
    assert_eq!(reader.queue.told(), ["settle a"]);
    pass(30).await;
    assert_eq!(reader.queue.told(), ["settle a"]);
    pass(60).await;
    assert_eq!(reader.queue.told(), [""; 0]);
    assert_eq!(*reader.troubles.lock().unwrap(), ["DAB0336"]);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_down_is_told_of_once_and_tried_again() {
    let queue = Fake::default();
    let failures = (0..4).map(|_| Err(down()));
    queue.waiting.lock().unwrap().extend(failures.chain([Ok(vec![delivery("a")])]));
    let mut reader = read(queue);
    let began = tokio::time::Instant::now();
    let announcement = reader.inbox.recv().await.unwrap();
    assert_eq!(began.elapsed().as_secs(), 2 + 4 + 8 + 16, "each pause is twice the last");
    assert_eq!(*reader.troubles.lock().unwrap(), ["DAB0336"]);
    announcement.settle();
    drop(reader.inbox);
    reader.task.await.unwrap();
    assert_eq!(reader.queue.told(), ["settle a"], "what is dealt with is answered at the end, too");
}

#[tokio::test(start_paused = true)]
async fn no_more_is_taken_than_may_be_held() {
    let queue = Fake::default();
    let batch = |n: usize| Ok(vec![delivery(&format!("{n}a")), delivery(&format!("{n}b"))]);
    queue.waiting.lock().unwrap().extend((0..limits::ANNOUNCED_MAX).map(batch));
    let reader = read(queue);
    pass(1).await;
    assert_eq!(reader.inbox.len(), limits::ANNOUNCED_MAX);
    assert_eq!(reader.queue.waiting.lock().unwrap().len(), limits::ANNOUNCED_MAX / 2);
}

/// Serves keys, and counts how often it was asked.
#[derive(Debug, Default)]
struct KeyServer {
    keys: Mutex<Option<Value>>,
    asked: AtomicUsize,
}

#[async_trait]
impl HttpExchange for KeyServer {
    async fn exchange(&self, _request: HttpRequest<'_>) -> Result<HttpReply, HttpFailure> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let body = match &*self.keys.lock().unwrap() {
            Some(keys) => keys.to_string().into_bytes(),
            None => return Err(HttpFailure::Timeout),
        };
        Ok(HttpReply { status: 200, headers: Vec::new(), body })
    }
}

const PEM: &str = include_str!("../../tests/pull/key-of-these-tests.pem");

fn pair() -> RsaKeyPair {
    let text: String = PEM.lines().filter(|line| !line.starts_with('-')).collect();
    let der = base64::engine::general_purpose::STANDARD.decode(text).unwrap();
    RsaKeyPair::from_pkcs8(&der).unwrap()
}

/// The key under a name, as issuers publish it.
fn published(id: &str) -> Value {
    let RsaPublicKeyComponents { n, e } =
        RsaPublicKeyComponents::<Vec<u8>>::from(pair().public_key());
    let part = |part: Vec<u8>| URL_SAFE_NO_PAD.encode(part);
    json!({"keys": [{"kty": "EC", "kid": "other"},
        {"kty": "RSA", "kid": id, "alg": "RS256", "use": "sig", "n": part(n), "e": part(e)}]})
}

fn signed(head: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", part(head), part(claims));
    let pair = pair();
    let mut signature = vec![0; pair.public_key().modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

struct Gate {
    server: Arc<KeyServer>,
    clock: Arc<FixedClock>,
    verifier: OidcVerifier,
}

impl Gate {
    fn new() -> Self {
        let server = Arc::new(KeyServer::default());
        *server.keys.lock().unwrap() = Some(published("one"));
        let now = Timestamp::parse("2026-11-24T08:00:00Z").unwrap();
        let clock = Arc::new(FixedClock::new(now));
        let settings = OidcSettings {
            audience: "https://dab.example/announcements/logs".into(),
            email: "push@acme.iam.gserviceaccount.com".into(),
            issuer: None,
            keys_url: None,
        };
        let verifier =
            OidcVerifier::new(settings, Arc::clone(&server) as _, Arc::clone(&clock) as _);
        Self { server, clock, verifier }
    }

    fn claims(&self) -> Value {
        let now = self.clock.now().as_micros() / 1_000_000;
        json!({
            "aud": "https://dab.example/announcements/logs",
            "azp": "1234",
            "email": "push@acme.iam.gserviceaccount.com",
            "email_verified": true,
            "exp": now + 3600,
            "iat": now,
            "iss": "https://accounts.google.com",
            "sub": "1234",
        })
    }

    async fn try_(&self, token: Option<&str>) -> String {
        match self.verifier.verify(token).await {
            Ok(()) => "ok".to_owned(),
            Err(error) => format!("{} {error}", error.code().0),
        }
    }

    async fn with(&self, name: &str, value: Value) -> String {
        let mut claims = self.claims();
        claims[name] = value;
        let head = json!({"alg": "RS256", "kid": "one", "typ": "JWT"});
        self.try_(Some(&signed(&head, &claims))).await
    }

    async fn of_key(&self, id: &str) -> String {
        let head = json!({"alg": "RS256", "kid": id, "typ": "JWT"});
        self.try_(Some(&signed(&head, &self.claims()))).await
    }

    fn asked(&self) -> usize {
        self.server.asked.swap(0, Ordering::Relaxed)
    }
}

#[tokio::test]
async fn tokens_prove_who_pushes() {
    let gate = Gate::new();
    let now = gate.clock.now().as_micros() / 1_000_000;
    assert_eq!(gate.of_key("one").await, "ok");
    for (name, value, expected) in [
        ("aud", json!(["x", "https://dab.example/announcements/logs"]), "ok"),
        ("aud", json!("https://dab.example/"), "its token is for \"https://dab.example/\""),
        ("aud", json!(null), "its token is for null"),
        ("email", json!("x@acme.iam.gserviceaccount.com"), "of `x@acme.iam.gserviceaccount.com`"),
        ("email_verified", json!(false), "of `push@acme.iam.gserviceaccount.com`"),
        ("email_verified", json!("true"), "ok"),
        ("iss", json!("accounts.google.com"), "ok"),
        (
            "iss",
            json!("https://accounts.google.com.example"),
            "from `https://accounts.google.com.e",
        ),
        ("exp", json!(now - 59), "ok"),
        ("exp", json!(now - 60), "its token has ended"),
        ("exp", json!("soon"), "no readable claims"),
        ("iat", json!(now + 60), "ok"),
        ("iat", json!(now + 61), "its token is not good yet"),
        ("nbf", json!(now + 61), "its token is not good yet"),
    ] {
        let found = gate.with(name, value.clone()).await;
        let is_as_expected = match expected {
            "ok" => found == "ok",
            reason => found.starts_with("DAB0342 ") && found.contains(reason),
        };
        assert!(is_as_expected, "{name} {value}: {found}");
    }
}

#[tokio::test]
async fn what_is_not_signed_by_the_issuer_proves_nothing() {
    let gate = Gate::new();
    let good = signed(&json!({"alg": "RS256", "kid": "one"}), &gate.claims());
    let (rest, signature) = good.rsplit_once('.').unwrap();
    let (head, _) = rest.split_once('.').unwrap();
    let mut other = gate.claims();
    other["sub"] = json!("5678");
    let other = URL_SAFE_NO_PAD.encode(other.to_string());
    let none = signed(&json!({"alg": "none", "kid": "one"}), &gate.claims());
    // What a verifier takes for a signature that reads the public key as a shared secret.
    let hmac = signed(&json!({"alg": "HS256", "kid": "one"}), &gate.claims());
    for (name, token) in [
        ("other claims", format!("{head}.{other}.{signature}")),
        ("no signature", format!("{rest}.")),
        ("no algorithm", none),
        ("another algorithm", hmac),
        ("cut", good.split_at(good.len() - 4).0.to_owned()),
        ("no token", "hello".to_owned()),
        ("empty", String::new()),
        ("too long", format!("{good}{}", "A".repeat(9000))),
    ] {
        let found = gate.try_(Some(&token)).await;
        assert!(found.starts_with("DAB0342 "), "{name}: {found}");
    }
    assert!(gate.try_(None).await.starts_with("DAB0342 "));
    assert_eq!(gate.try_(Some(&good)).await, "ok");
}

#[tokio::test]
async fn keys_are_rotated() {
    let gate = Gate::new();
    assert_eq!(gate.of_key("one").await, "ok");
    assert_eq!((gate.of_key("one").await, gate.asked()), ("ok".into(), 1), "keys are kept");
    // A key that is not known is asked for, but not by everybody who makes one up.
    let unknown = gate.of_key("two").await;
    assert!(unknown.starts_with("DAB0342 ") && gate.asked() == 0, "{unknown}");
    gate.clock.advance(Duration::from_secs(10));
    *gate.server.keys.lock().unwrap() = Some(published("two"));
    assert_eq!((gate.of_key("two").await, gate.asked()), ("ok".into(), 1));
    assert!(gate.of_key("one").await.starts_with("DAB0342 "), "what is withdrawn is not good");
    // A server that is away does not matter for a day.
    *gate.server.keys.lock().unwrap() = None;
    gate.clock.advance(Duration::from_secs(6 * 3600));
    assert_eq!((gate.of_key("two").await, gate.asked()), ("ok".into(), 1));
    gate.clock.advance(Duration::from_secs(18 * 3600));
    assert!(gate.of_key("two").await.starts_with("DAB0343 "));
    *gate.server.keys.lock().unwrap() = Some(published("two"));
    gate.clock.advance(Duration::from_secs(10));
    assert_eq!(gate.of_key("two").await, "ok");
}

#[test]
fn what_pubsub_pushes_is_read() {
    let data = base64::engine::general_purpose::STANDARD.encode("{}");
    let body = json!({"message": {"data": data, "messageId": "7", "message_id": "7",
            "attributes": {"eventType": "OBJECT_FINALIZE", "bucketId": "logs", "objectId": "a b"}},
        "subscription": "projects/p/subscriptions/s"});
    let read = pushed(&Bytes::from(body.to_string()), "r1");
    let named = Named { bucket: "logs".into(), key: "a b".into() };
    assert_eq!((read.says, read.id.as_str()), (Ok(vec![named]), "7"));
    assert_eq!(read.origin, "projects/p/subscriptions/s, message 7");
    let read = pushed(&Bytes::from_static(b"{\"hello\":1}"), "r1");
    assert!(read.says.is_err() && read.id == "r1" && read.body.len() == 11);
}

#[test]
fn names_of_queues_are_checked_before_anything_is_asked() {
    let server: Arc<dyn HttpExchange> = Arc::new(KeyServer::default());
    let subscription = |name| PubsubQueue::new(name, None, None, Arc::clone(&server)).is_ok();
    assert!(subscription("projects/acme-1/subscriptions/logs"));
    for name in
        ["logs", "projects//subscriptions/x", "projects/a/topics/x", "projects/a/subscriptions/x/y"]
    {
        assert!(!subscription(name), "{name}");
    }
    let clock = Arc::new(FixedClock::new(Timestamp::from_seconds(0)));
    let options = [("aws_access_key_id", "k"), ("aws_secret_access_key", "s")];
    let options = options.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let bucket = crate::Location::parse("s3://logs/app", ".".as_ref(), &options).unwrap();
    let folder = crate::Location::parse("./logs", ".".as_ref(), &[]).unwrap();
    let queue = |url, region, location| {
        SqsQueue::new(url, region, location, Arc::clone(&server), Arc::clone(&clock) as _).is_ok()
    };
    let real = "https://sqs.eu-central-1.amazonaws.com/123456789012/logs";
    assert!(queue(real, None, &bucket));
    assert!(queue("http://127.0.0.1:14566/000000000000/logs", Some("eu-central-1"), &bucket));
    assert!(!queue("http://127.0.0.1:14566/000000000000/logs", None, &bucket), "no region");
    assert!(!queue(real, None, &folder), "no credentials");
    assert!(!queue("arn:aws:sqs:eu-central-1:123456789012:logs", None, &bucket));
}
