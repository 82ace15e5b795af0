//! Events by HTTP: what is answered with 200 is durable.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use serde_json::Value;

use crate::harness::{Project, Running, events, gzip};

/// A project that takes events in, with a token for all and one for Okta's alone.
pub(crate) fn project() -> Project {
    let project = Project::new(
        "listen: 127.0.0.1:0\nlog_sources: [./sources]\ningest:\n  tokens:\n    \
         - {name: all, token: {file: ./token}}\n    \
         - {name: okta, token: {file: ./okta-token}, log_sources: [okta_system]}",
    );
    project.write("sources/plain.yml", b"format: {type: ndjson}\ntime: {field: t}\n");
    project.write("token", b"secret\n");
    project.write("okta-token", b"other\n");
    project
}

/// Posts a body. Answers the status, or `None` if the connection broke.
pub(crate) fn try_post(address: &str, path: &str, headers: &str, body: &[u8]) -> Option<u16> {
    let mut stream = TcpStream::connect(address).ok()?;
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body).ok()?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply).ok()?;
    reply.split(' ').nth(1)?.parse().ok()
}

/// Posts a body. Answers the status and the body of the reply.
pub(crate) fn post(address: &str, path: &str, headers: &str, body: &[u8]) -> (u16, Value) {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // A server that refuses early closes early: what is left to write does not matter then.
    stream.write_all(body).unwrap_or_default();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).unwrap_or_default();
    let reply = String::from_utf8_lossy(&reply);
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

/// Asks for a page. Answers the whole reply.
fn get(address: &str, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply
}

/// What the token for all looks like in a request.
pub(crate) const BEARER: &str = "Authorization: Bearer secret\r\n";

#[test]
fn bodies_in_every_form_are_taken() {
    let project = project();
    let mut running = Running::start(&project, &[]);
    let at = &running.address;
    let lines = events(0, 10);
    let array =
        format!("[{}]", String::from_utf8(events(10, 5)).unwrap().trim().replace('\n', ","));
    let zstd = zstd::encode_all(&*events(30, 7), 1).unwrap();
    let encoded = |name: &str| format!("{BEARER}Content-Encoding: {name}\r\n");
    for (headers, body, count) in [
        (BEARER.to_owned(), lines, 10),
        (BEARER.to_owned(), array.into_bytes(), 5),
        (encoded("gzip"), gzip(&events(20, 6)), 6),
        (encoded("zstd"), zstd, 7),
    ] {
        let (status, reply) = post(at, "/ingest/plain", &headers, &body);
        assert_eq!((status, reply["accepted"].as_u64()), (200, Some(count)), "{reply}");
    }
    let (status, reply) =
        post(at, "/ingest/plain", BEARER, b"{\"t\":\"2026-11-20T08:00:00Z\"}\nrubbish\n");
    assert_eq!(
        (status, reply["accepted"].as_u64(), reply["quarantined"].as_u64()),
        (200, Some(1), Some(1))
    );
    let cloudtrail = br#"{"Records":[{"eventTime":"2026-11-20T08:00:00Z","eventName":"X"}]}"#;
    let (status, reply) = post(at, "/ingest/aws_cloudtrail", BEARER, cloudtrail);
    assert_eq!((status, reply["accepted"].as_u64()), (200, Some(1)), "{reply}");
    running.kill();
    assert_eq!(project.rows("plain"), 29, "what was acknowledged survives kill -9");
    assert_eq!(project.rows("aws_cloudtrail"), 1);
}

#[test]
fn requests_that_can_not_be_taken_are_told_why() {
    let project = project();
    let running = Running::start(&project, &[]);
    let at = &running.address;
    let other = "Authorization: Bearer other\r\n";
    let brotli = format!("{BEARER}Content-Encoding: br\r\n");
    let cut = format!("{BEARER}Content-Encoding: gzip\r\n");
    let large = vec![b' '; (32 << 20) + 1];
    let truncated = gzip(&events(0, 1000));
    for (path, headers, body, status, code) in [
        ("/ingest/plain", "", &b"{}"[..], 401, "DAB0711"),
        ("/ingest/plain", "Authorization: Bearer wrong\r\n", b"{}", 401, "DAB0711"),
        ("/ingest/plain", other, b"{}", 403, "DAB0712"),
        ("/ingest/nothing", BEARER, b"{}", 404, "DAB0713"),
        ("/ingest/plain", &brotli, b"{}", 400, "DAB0409"),
        ("/ingest/plain", &cut, &truncated[..truncated.len() / 2], 400, "DAB04"),
        ("/ingest/plain", BEARER, &large, 413, "DAB0714"),
    ] {
        let (got, reply) = post(at, path, headers, body);
        assert_eq!(got, status, "{path} {headers} {reply}");
        assert!(reply["code"].as_str().unwrap().starts_with(code), "{reply}");
        assert!(reply["message"].is_string(), "{reply}");
    }
    assert!(project.json(&["tables"]).is_empty(), "nothing of it was stored");
}

#[test]
fn metrics_tell_what_came_in() {
    let project = project();
    let running = Running::start(&project, &[]);
    assert_eq!(post(&running.address, "/ingest/plain", BEARER, &events(0, 10)).0, 200);
    let refused = get(&running.address, "/metrics", "");
    assert!(refused.starts_with("HTTP/1.1 401 "), "{refused}");
    let page = get(&running.address, "/metrics", BEARER);
    assert!(page.starts_with("HTTP/1.1 200 "), "{page}");
    assert!(page.contains("content-type: text/plain; version=0.0.4"), "{page}");
    let line = "dab_source_events_total{source=\"http.plain\",log_source=\"plain\"} 10";
    assert!(page.lines().any(|known| known == line), "{page}");
    let writes = "dab_store_requests_total{store=\"lake\",operation=\"write\"} ";
    assert!(page.lines().any(|known| known.starts_with(writes)), "{page}");
}
