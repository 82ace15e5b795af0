//! Objects announced by the real Pub/Sub, as its emulator: pulled, and pushed with tokens.
//!
//! The bucket is one in memory: there is no emulation of Google's storage that its client can read.

use std::{
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
};

use axum::{Router, extract::State, http::StatusCode, routing};
use base::{HttpExchange, HttpRequest, SystemClock};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use collect::{OidcSettings, OidcVerifier, PubsubQueue};
use notify::ReqwestClient;
use object_store::{ObjectStore, ObjectStoreExt as _, memory::InMemory, path::Path as Key};
use ring::{
    rand::SystemRandom,
    signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents},
};
use serde_json::{Value, json};

use super::*;
use crate::{Announced, Ingest, Stop, StopSwitch};

const PEM: &str = include_str!("../../../collect/tests/pull/key-of-these-tests.pem");

/// Where Debian's package of the emulator has its program.
const EMULATOR: &str = "/usr/lib/google-cloud-sdk/platform/pubsub-emulator/lib";

const AUDIENCE: &str = "https://dab.example/announcements/doors";
const EMAIL: &str = "push@acme.iam.gserviceaccount.com";

/// A running emulator, ended when it goes out of scope.
struct Emulator {
    child: Child,
    url: String,
    client: ReqwestClient,
}

/// Waits a moment, then looks again; gives up after a minute.
#[expect(clippy::disallowed_methods, reason = "watches a process from outside, in real time")]
async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..1200 {
        if let Some(found) = look().await {
            return found;
        }
        tokio::task::yield_now().await;
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{what}: not within a minute");
}

impl Emulator {
    #[expect(clippy::disallowed_methods, reason = "tests say where their programs are")]
    async fn start() -> Option<Self> {
        let folder = std::env::var("DAB_PUBSUB_EMULATOR").unwrap_or_else(|_| EMULATOR.to_owned());
        let entries = fs::read_dir(Path::new(&folder)).ok().into_iter().flatten();
        let jar = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| path.extension().is_some_and(|extension| extension == "jar"));
        let Some(jar) = jar else {
            let is_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
            assert!(!is_ci, "CI needs the Pub/Sub emulator: google-cloud-cli-pubsub-emulator");
            eprintln!("skipped: no Pub/Sub emulator in {folder}");
            return None;
        };
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("java")
            .arg("-Xmx256m")
            .arg("-cp")
            .arg(jar)
            .arg("com.google.cloud.pubsub.testing.v1.Main")
            .args(["--host=127.0.0.1", &format!("--port={port}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let client = ReqwestClient::with_timeout(Duration::from_secs(20)).unwrap();
        let emulator = Self { child, url: format!("http://127.0.0.1:{port}"), client };
        let address = format!("127.0.0.1:{port}");
        until("the emulator", async || TcpStream::connect(&address).ok()).await;
        emulator.call("PUT", "topics/doors", &json!({})).await;
        Some(emulator)
    }

    async fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let reply = self
            .client
            .exchange(HttpRequest {
                method,
                url: &format!("{}/v1/projects/acme/{path}", self.url),
                headers: &[("content-type".to_owned(), "application/json".to_owned())],
                body: body.to_string().as_bytes(),
                reply_bytes_max: 1 << 20,
            })
            .await
            .unwrap();
        assert_eq!(reply.status, 200, "{path}: {}", String::from_utf8_lossy(&reply.body));
        serde_json::from_slice(&reply.body).unwrap()
    }

    async fn subscribe(&self, more: Value) {
        let mut body = json!({"topic": "projects/acme/topics/doors", "ackDeadlineSeconds": 10});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        self.call("PUT", "subscriptions/doors", &body).await;
    }

    /// Says what Cloud Storage says of a new object.
    async fn announce(&self, bucket: &str, key: &str, event: &str) {
        let data = STANDARD.encode(json!({"kind": "storage#object", "name": key}).to_string());
        let attributes = json!({"eventType": event, "payloadFormat": "JSON_API_V1",
            "bucketId": bucket, "objectId": key, "objectGeneration": "1"});
        let body = json!({"messages": [{"data": data, "attributes": attributes}]});
        self.call("POST", "topics/doors:publish", &body).await;
    }

    /// How many messages the subscription gives out now.
    async fn left(&self) -> usize {
        let body = json!({"maxMessages": 100, "returnImmediately": true});
        let reply = self.call("POST", "subscriptions/doors:pull", &body).await;
        reply["receivedMessages"].as_array().map_or(0, Vec::len)
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A building whose doors write logs into a bucket.
struct Remote {
    building: Building,
    store: Arc<InMemory>,
}

impl Remote {
    fn new() -> Self {
        Self { building: Building::new(), store: Arc::default() }
    }

    async fn put(&self, key: &str, lines: &[String]) {
        self.store.put(&Key::parse(key).unwrap(), lines.concat().into()).await.unwrap();
    }

    fn parts(&self, announced: Announced, http: Option<Ingest>) -> Parts {
        let store = Arc::clone(&self.store) as Arc<dyn ObjectStore>;
        let location = Location::with_store("gs://logs/doors", store, Key::from("doors"));
        let mut spec = BucketSpec { location, ..self.building.spec("./logs") };
        spec.announced = Some(announced);
        // Only the listing at the start: what comes later is announced, or not read.
        spec.poll = Duration::from_secs(86_400);
        spec.commit_every = Duration::from_millis(100);
        spec.settings.settle = Duration::ZERO;
        let clock = Arc::new(SystemClock);
        Parts { buckets: vec![spec], clock, http, once: false, ..self.building.parts(DOORS) }
    }

    fn start(&self, parts: Parts) -> Work {
        let (switch, stop): (StopSwitch, Stop) = stop_signal();
        Work { switch: switch.clone(), task: tokio::spawn(run(parts, switch, stop)) }
    }

    async fn rows_are(&self, rows: u64) {
        until("the rows", async || (self.building.rows("doors").await >= rows).then_some(())).await;
        assert_eq!(self.building.rows("doors").await, rows);
    }
}

/// A pipeline at work.
struct Work {
    switch: StopSwitch,
    task: tokio::task::JoinHandle<Result<Status, base::Problem>>,
}

impl Work {
    async fn end(self) -> Status {
        self.switch.stop();
        self.task.await.unwrap().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn announcements_are_pulled_and_acknowledged_after_the_commit() {
    let Some(emulator) = Emulator::start().await else { return };
    emulator.subscribe(json!({})).await;
    let remote = Remote::new();
    let queue = || {
        let http = Arc::new(emulator.client.clone());
        let name = "projects/acme/subscriptions/doors";
        Announced::Queue(Arc::new(PubsubQueue::new(name, Some(&emulator.url), None, http).unwrap()))
    };
    let work = remote.start(remote.parts(queue(), None));
    remote.put("doors/a b+%20.json", &[event(1, "north", "open"), event(2, "north", "shut")]).await;
    emulator.announce("logs", "doors/a b+%20.json", "OBJECT_FINALIZE").await;
    remote.rows_are(2).await;
    remote.put("doors/b.json", &[event(3, "north", "open")]).await;
    remote.put("doors/unannounced.json", &[event(4, "north", "open")]).await;
    emulator.announce("logs", "doors/b.json", "OBJECT_FINALIZE").await;
    emulator.announce("logs", "doors/b.json", "OBJECT_FINALIZE").await;
    emulator.announce("logs", "doors/b.json", "OBJECT_DELETE").await;
    emulator.announce("logs", "doors/gone.json", "OBJECT_FINALIZE").await;
    emulator.announce("elsewhere", "doors/b.json", "OBJECT_FINALIZE").await;
    emulator.announce("logs", "doors/b.json", "OBJECT_EATEN").await;
    remote.rows_are(3).await;
    let lake = remote.building.lake();
    let waiting = until("the quarantine", async || {
        let waiting = quarantined(&lake).await.unwrap();
        (waiting.len() == 2).then_some(waiting)
    })
    .await;
    let mut codes: Vec<&str> = waiting.iter().map(|one| one.problem.code.as_str()).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["DAB0338", "DAB0339"]);
    let text = String::from_utf8_lossy(&waiting[0].bytes).into_owned();
    assert!(text.contains("bucketId"), "the message is kept: {text}");
    let held = async || {
        let status = Status::read(&lake).await.unwrap()?;
        (status.sources["doors"].announcements_held == Some(0)).then_some(status)
    };
    until("the answers", held).await;
    let status = work.end().await;
    assert_eq!((status.sources["doors"].rows, status.sources["doors"].quarantined), (3, 2));
    assert!(
        remote.building.told.take().contains(&"trouble doors DAB0340".to_owned()),
        "one is gone"
    );
    // What is answered does not come again, not even after its time is over.
    assert_eq!(emulator.left().await, 0);

    // What nobody announced is found by the listing at the next start; what is known is not read again.
    let work = remote.start(remote.parts(queue(), None));
    remote.rows_are(4).await;
    work.end().await;
}

fn pair() -> RsaKeyPair {
    let text: String = PEM.lines().filter(|line| !line.starts_with('-')).collect();
    RsaKeyPair::from_pkcs8(&STANDARD.decode(text).unwrap()).unwrap()
}

/// A token as Google gives them.
fn token(audience: &str) -> String {
    let now = SystemClock.now().as_micros() / 1_000_000;
    let head = json!({"alg": "RS256", "kid": "k", "typ": "JWT"});
    let claims = json!({"aud": audience, "email": EMAIL, "email_verified": true,
        "iss": "https://accounts.google.com", "iat": now, "exp": now + 3600});
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", part(&head), part(&claims));
    let pair = pair();
    let mut signature = vec![0; pair.public_key().modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// Stands between the emulator, which sends no tokens, and dab: adds one, and counts what dab answers.
#[derive(Debug, Default)]
struct Gateway {
    /// Where dab listens; nowhere as long as it does not run.
    to: Mutex<Option<String>>,
    client: Mutex<Option<ReqwestClient>>,
    good: AtomicUsize,
    bad: AtomicUsize,
}

async fn keys() -> String {
    let RsaPublicKeyComponents { n, e } =
        RsaPublicKeyComponents::<Vec<u8>>::from(pair().public_key());
    let part = |part: Vec<u8>| URL_SAFE_NO_PAD.encode(part);
    json!({"keys": [{"kty": "RSA", "kid": "k", "alg": "RS256", "n": part(n), "e": part(e)}]})
        .to_string()
}

async fn forward(State(gateway): State<Arc<Gateway>>, body: String) -> StatusCode {
    let status = gateway.pass_on(&body, Some(token(AUDIENCE))).await;
    let counter = if status == 204 { &gateway.good } else { &gateway.bad };
    counter.fetch_add(1, Ordering::Relaxed);
    StatusCode::from_u16(status).unwrap()
}

impl Gateway {
    async fn pass_on(&self, body: &str, token: Option<String>) -> u16 {
        let (to, client) = (self.to.lock().unwrap().clone(), self.client.lock().unwrap().clone());
        let (Some(to), Some(client)) = (to, client) else { return 503 };
        let headers: Vec<_> = token
            .map(|token| ("authorization".to_owned(), format!("Bearer {token}")))
            .into_iter()
            .collect();
        let request = HttpRequest {
            method: "POST",
            url: &format!("http://{to}/announcements/doors"),
            headers: &headers,
            body: body.as_bytes(),
            reply_bytes_max: 1 << 20,
        };
        client.exchange(request).await.map_or(503, |reply| reply.status)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn announcements_are_pushed_with_tokens_and_answered_after_the_commit() {
    let Some(emulator) = Emulator::start().await else { return };
    let gateway = Arc::new(Gateway::default());
    *gateway.client.lock().unwrap() = Some(emulator.client.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new()
        .route("/keys", routing::get(keys))
        .route("/push", routing::post(forward))
        .with_state(Arc::clone(&gateway));
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });
    emulator.subscribe(json!({"pushConfig": {"pushEndpoint": format!("{own}/push")}})).await;

    let remote = Remote::new();
    remote.put("doors/a.json", &[event(1, "north", "open")]).await;
    // Nobody is there yet: it is sent again until somebody answers.
    emulator.announce("logs", "doors/a.json", "OBJECT_FINALIZE").await;
    until("a try", async || (gateway.bad.load(Ordering::Relaxed) > 0).then_some(())).await;
    let settings = OidcSettings {
        audience: AUDIENCE.to_owned(),
        email: EMAIL.to_owned(),
        issuer: None,
        keys_url: Some(format!("{own}/keys")),
    };
    let verifier =
        OidcVerifier::new(settings, Arc::new(emulator.client.clone()), Arc::new(SystemClock));
    let http = Ingest {
        address: "127.0.0.1:0".to_owned(),
        tokens: Vec::new(),
        routes: Vec::new(),
        mixed: Vec::new(),
    };
    let work = remote.start(remote.parts(Announced::Push(Arc::new(verifier)), Some(http)));
    let lake = remote.building.lake();
    let listening = async || Status::read(&lake).await.unwrap().and_then(|status| status.listening);
    let address = until("the server", listening).await;
    *gateway.to.lock().unwrap() = Some(address);
    remote.put("doors/b.json", &[event(2, "north", "open"), event(3, "south", "open")]).await;
    emulator.announce("logs", "doors/b.json", "OBJECT_FINALIZE").await;
    remote.rows_are(3).await;
    until("both answers", async || (gateway.good.load(Ordering::Relaxed) == 2).then_some(())).await;

    // Others than the subscription are refused, and leave nothing.
    for wrong in [None, Some(token("https://other.example")), Some("a.b.c".to_owned())] {
        assert_eq!(gateway.pass_on("{}", wrong).await, 401);
    }
    // What is no announcement is kept, and answered: it would never become one.
    assert_eq!(gateway.pass_on("{\"hello\":1}", Some(token(AUDIENCE))).await, 204);
    let waiting = quarantined(&lake).await.unwrap();
    assert_eq!(waiting.len(), 1);
    assert_eq!(
        (waiting[0].problem.code.as_str(), waiting[0].bytes.as_slice()),
        ("DAB0338", b"{\"hello\":1}".as_slice())
    );
    work.end().await;
    serving.abort();
}
