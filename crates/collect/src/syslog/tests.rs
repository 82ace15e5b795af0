//! Listeners on loopback, with a committer that tests play.

use base::SystemClock;
use bytes::Bytes;
use tokio::{io::AsyncWriteExt as _, task::JoinHandle};

use super::*;
use crate::{PushLimits, PushOutcome, PushQueue, PushRequest};

struct Listening {
    address: SocketAddr,
    queue: PushQueue,
    troubles: Arc<Troubles>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

async fn listen(settings: SyslogSettings) -> Listening {
    let listener = SyslogListener::bind(settings).await.unwrap();
    let (address, troubles) = (listener.address(), listener.troubles());
    let queue = PushQueue::new(PushLimits::default());
    let (stop, stopping) = watch::channel(false);
    let clock = Arc::new(SystemClock);
    let run = listener.run(Arc::new(queue.clone()), SyslogForm::Messages, clock, stopping);
    Listening { address, queue, troubles, stop, task: tokio::spawn(run) }
}

fn tcp() -> SyslogSettings {
    SyslogSettings::new("127.0.0.1:0", SyslogTransport::Tcp)
}

fn udp() -> SyslogSettings {
    SyslogSettings::new("127.0.0.1:0", SyslogTransport::Udp)
}

impl Listening {
    async fn take(&self) -> Vec<PushRequest> {
        self.queue.take(usize::MAX, Duration::ZERO).await
    }

    /// Commits what comes until so many lines are there.
    async fn lines(&self, count: usize) -> Vec<String> {
        let mut lines = Vec::new();
        while lines.len() < count {
            for request in self.take().await {
                lines.extend(text(&request.body).lines().map(str::to_owned));
                commit(request);
            }
        }
        lines
    }

    fn codes(&self) -> Vec<&'static str> {
        self.troubles.take().iter().map(|trouble| trouble.code().0).collect()
    }

    async fn end(self) {
        self.stop.send_replace(true);
        self.task.await.unwrap();
    }
}

fn text(body: &Bytes) -> String {
    let text = String::from_utf8(body.to_vec()).unwrap();
    text.replace("\u{1e}{\"syslog_sender\":\"127.0.0.1\"}\u{1e}", "|")
}

fn commit(request: PushRequest) {
    let outcome = PushOutcome::Committed { accepted: 1, quarantined: 0, rejected: Vec::new() };
    request.done.send(outcome).unwrap();
}

#[tokio::test]
async fn messages_of_connections_are_queued() {
    let listening = listen(tcp()).await;
    let mut one = TcpStream::connect(listening.address).await.unwrap();
    one.write_all(b"<34>a\n7 <34>b").await.unwrap();
    assert_eq!(listening.lines(1).await, ["|<34>a"]);
    one.write_all(b"c\n<34>end").await.unwrap();
    assert_eq!(listening.lines(1).await, ["|<34>bc"]);
    drop(one);
    assert_eq!(listening.lines(1).await, ["|<34>end"], "the end of the stream ends a message");
    assert!(listening.codes().is_empty());
    listening.end().await;
}

#[tokio::test]
async fn the_end_waits_for_what_was_read() {
    let listening = listen(tcp()).await;
    let mut one = TcpStream::connect(listening.address).await.unwrap();
    one.write_all(b"<34>a\n").await.unwrap();
    let [request] = <[_; 1]>::try_from(listening.take().await).unwrap();
    one.write_all(b"<34>b\n30 <34>begun").await.unwrap();
    listening.stop.send_replace(true);
    assert!(!listening.task.is_finished());
    assert_eq!(text(&request.body), "|<34>a\n");
    commit(request);
    assert_eq!(listening.lines(2).await, ["|<34>b", "|<34>begun"]);
    assert_eq!(listening.codes(), ["DAB0333"]);
    listening.task.await.unwrap();
}

#[tokio::test]
async fn what_fails_is_tried_again_under_the_same_name() {
    let listening = listen(tcp()).await;
    let mut one = TcpStream::connect(listening.address).await.unwrap();
    one.write_all(b"<34>a\n").await.unwrap();
    let [request] = <[_; 1]>::try_from(listening.take().await).unwrap();
    let (id, body) = (request.id.clone(), request.body.clone());
    drop(request.done);
    let [again] = <[_; 1]>::try_from(listening.take().await).unwrap();
    assert_eq!((&again.id, &again.body), (&id, &body));
    commit(again);
    drop(one);
    listening.end().await;
}

#[tokio::test]
async fn what_can_not_be_stored_by_the_end_is_told() {
    let listening = listen(tcp()).await;
    let mut one = TcpStream::connect(listening.address).await.unwrap();
    one.write_all(b"<34>a\n").await.unwrap();
    let taken = listening.take().await;
    listening.queue.close();
    listening.stop.send_replace(true);
    drop((taken, one));
    listening.task.await.unwrap();
    let troubles = listening.troubles.take();
    let told = troubles.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(told, ["37 bytes of messages could not be stored, and are lost: dab was ending"]);
}

#[tokio::test]
async fn beyond_the_limit_connections_wait() {
    let listening = listen(SyslogSettings { connections_max: 1, ..tcp() }).await;
    let mut one = TcpStream::connect(listening.address).await.unwrap();
    one.write_all(b"<34>a\n").await.unwrap();
    assert_eq!(listening.lines(1).await, ["|<34>a"]);
    let mut two = TcpStream::connect(listening.address).await.unwrap();
    two.write_all(b"<34>b\n").await.unwrap();
    assert_eq!(listening.codes(), ["DAB0330"]);
    drop(one);
    assert_eq!(listening.lines(1).await, ["|<34>b"]);
    listening.end().await;
}

#[tokio::test]
async fn a_silent_connection_is_closed() {
    let listening = listen(SyslogSettings { idle: Duration::from_millis(1), ..tcp() }).await;
    let stream = TcpStream::connect(listening.address).await.unwrap();
    stream.readable().await.unwrap();
    assert_eq!(stream.try_read(&mut [0]).unwrap(), 0);
    listening.end().await;
}

#[tokio::test]
async fn a_connection_that_brings_too_much_waits() {
    let settings = SyslogSettings { messages_per_second_max: Some(1), ..tcp() };
    let listening = listen(settings).await;
    let mut one = TcpStream::connect(listening.address).await.unwrap();
    let begun = tokio::time::Instant::now();
    for _ in 0..2 {
        one.write_all(b"<34>a\n").await.unwrap();
        assert_eq!(listening.lines(1).await, ["|<34>a"]);
    }
    one.write_all(b"<34>a\n").await.unwrap();
    assert_eq!(listening.lines(1).await, ["|<34>a"], "late, but it comes");
    assert!(begun.elapsed() >= Duration::from_millis(900));
    assert!(listening.codes().is_empty());
    drop(one);
    listening.end().await;
}

#[tokio::test]
async fn datagrams_are_messages() {
    let listening = listen(SyslogSettings { message_bytes_max: 10, ..udp() }).await;
    let sender = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for datagram in [&b"<34>a\n"[..], b"<34>b\nc", b"<34>7890123"] {
        sender.send_to(datagram, listening.address).await.unwrap();
    }
    let expected = ["|<34>a", "38 |<34>b", "c", "|<34>789012", "|3"];
    assert_eq!(listening.lines(5).await, expected);
    assert_eq!(listening.codes(), ["DAB0332"]);
    listening.end().await;
}

#[tokio::test]
async fn datagrams_beyond_the_limit_are_dropped_and_told() {
    let settings = SyslogSettings { messages_per_second_max: Some(2), ..udp() };
    let listening = listen(settings).await;
    let sender = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for _ in 0..20 {
        sender.send_to(b"<34>a\n", listening.address).await.unwrap();
    }
    let lines = listening.lines(1).await;
    let mut told = Vec::new();
    while told.is_empty() {
        tokio::task::yield_now().await;
        told = listening.troubles.take();
    }
    assert!(lines.len() < 20);
    assert_eq!(told[0].code().0, "DAB0331");
    listening.stop.send_replace(true);
    let queue = listening.queue.clone();
    let rest = tokio::spawn(async move {
        for request in queue.take(usize::MAX, Duration::ZERO).await {
            commit(request);
        }
    });
    listening.task.await.unwrap();
    rest.abort();
}

#[tokio::test]
async fn what_can_not_be_opened_is_told() {
    let tls = |certificate: &[u8], client_ca: Option<&[u8]>| {
        SyslogTransport::Tls(SyslogTls {
            certificate: certificate.to_vec(),
            key: b"-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n".to_vec(),
            client_ca: client_ca.map(<[u8]>::to_vec),
        })
    };
    for (address, transport, expected) in [
        ("127.0.0.1", SyslogTransport::Tcp, "DAB0327 syslog can't be taken in on `127.0.0.1`"),
        ("nowhere.invalid:1", SyslogTransport::Udp, "DAB0327 syslog can't be taken in on"),
        ("127.0.0.1:0", tls(b"", None), "DAB0328 TLS can't be spoken on `127.0.0.1:0`: `cert"),
        ("127.0.0.1:0", tls(b"", Some(b"x")), "DAB0328 TLS can't be spoken on `127.0.0.1:0`: `cli"),
    ] {
        let settings = SyslogSettings::new(address, transport);
        let error = SyslogListener::bind(settings).await.unwrap_err();
        let told = format!("{} {error}", error.code().0);
        assert!(told.starts_with(expected), "{told}");
        assert!(error.help().is_some());
    }
}
