//! The real client against a tiny server on loopback.

use std::{net::SocketAddr, time::Duration};

use base::limits;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use url::Url;

use super::*;

/// What the server does once it has read a request.
#[derive(Clone, Copy)]
enum Then {
    /// Answers with these bytes and closes.
    Say(&'static str),
    /// Sends an endless body.
    Flood,
    /// Keeps the connection open and silent.
    Hang,
    /// Closes without a word.
    Hangup,
}

/// Serves one request; answers with what was asked.
async fn serve(then: Then) -> (SocketAddr, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let request = read_request(&mut stream).await;
        match then {
            Then::Say(answer) => stream.write_all(answer.as_bytes()).await.unwrap(),
            Then::Flood => {
                let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
                stream.write_all(head.as_bytes()).await.unwrap();
                let chunk = format!("8000\r\n{}\r\n", "x".repeat(0x8000));
                // Ends when the client closes.
                while stream.write_all(chunk.as_bytes()).await.is_ok() {}
            }
            Then::Hang => std::future::pending().await,
            Then::Hangup => {}
        }
        request
    });
    (address, task)
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.unwrap_or("0").parse().unwrap() {
                return text;
            }
        }
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).await.unwrap();
        assert!(count > 0, "the client closed early: {text}");
        bytes.extend_from_slice(&buffer[..count]);
    }
}

async fn post(client: &ReqwestClient, address: SocketAddr) -> Result<HttpReply, HttpFailure> {
    let url = Url::parse(&format!("http://{address}/hook/secret?token=hush")).unwrap();
    let headers = [("idempotency-key".to_owned(), "a1b2".to_owned())];
    client.post(&url, &headers, br#"{"a":1}"#).await
}

#[tokio::test]
async fn sends_the_request_as_given_and_reads_the_answer() {
    let (address, server) =
        serve(Then::Say("HTTP/1.1 429 Slow\r\nRetry-After: 7\r\ncontent-length: 4\r\n\r\nwait"))
            .await;
    let reply = post(&ReqwestClient::new().unwrap(), address).await.unwrap();
    assert_eq!(reply.status, 429);
    assert_eq!(reply.header("retry-after"), Some("7"));
    assert_eq!(reply.body, b"wait");
    let request = server.await.unwrap();
    assert!(request.starts_with("POST /hook/secret?token=hush HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("\r\nidempotency-key: a1b2\r\n"), "{request}");
    let agent = concat!("\r\nuser-agent: dab/", env!("CARGO_PKG_VERSION"), "\r\n");
    assert!(request.contains(agent), "{request}");
    assert!(request.ends_with("\r\n\r\n{\"a\":1}"), "{request}");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let answer =
        "HTTP/1.1 307 Moved\r\nlocation: http://127.0.0.1:1/x\r\ncontent-length: 0\r\n\r\n";
    let (address, _server) = serve(Then::Say(answer)).await;
    assert_eq!(post(&ReqwestClient::new().unwrap(), address).await.unwrap().status, 307);
}

#[tokio::test]
async fn reads_no_more_than_the_limit() {
    let (address, server) = serve(Then::Flood).await;
    let reply = post(&ReqwestClient::new().unwrap(), address).await.unwrap();
    assert_eq!(reply.status, 200);
    assert_eq!(reply.body.len(), limits::HTTP_CLIENT_REPLY_BYTES_MAX);
    // The connection is closed, so the server comes to its end.
    server.await.unwrap();
}

#[tokio::test]
async fn failures_are_told_apart_and_show_no_url() {
    let client = ReqwestClient::with_timeout(Duration::from_millis(300)).unwrap();
    let (address, server) = serve(Then::Hang).await;
    assert_eq!(post(&client, address).await, Err(HttpFailure::Timeout));
    server.abort();

    let (address, _server) = serve(Then::Hangup).await;
    let broken = post(&client, address).await.unwrap_err();
    assert!(matches!(broken, HttpFailure::Broken(_)), "{broken:?}");

    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let refused = post(&client, closed).await.unwrap_err();
    assert!(matches!(refused, HttpFailure::Unreachable(_)), "{refused:?}");
    for failure in [broken, refused] {
        let text = failure.to_string();
        assert!(!text.contains("secret") && !text.contains("hush"), "{text}");
    }

    let url = Url::parse("http://127.0.0.1:1/").unwrap();
    let headers = [("x-a".to_owned(), "hush\r\nx-b: 1".to_owned())];
    let invalid = client.post(&url, &headers, b"").await.unwrap_err();
    assert_eq!(invalid, HttpFailure::Invalid("header `x-a`".to_owned()));
}
