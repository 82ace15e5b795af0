//! The shipped log sources are sound, and decode what they are for.

use base::{ObjectHash, Timestamp};
use dab_decode::{self as decode, At, Decoder, Frame, FrameState, Framer, LogSource};

/// Decodes a whole object; events as JSON of their fields and normalized fields, rejects as text.
fn decoded(name: &str, object: &[u8]) -> Vec<String> {
    let decoder = decoder(name);
    let mut framer = Framer::new(&decoder.log_source().format, FrameState::default(), 0);
    let mut found = Vec::new();
    framer.frame(object, true, &mut |frame| {
        let Frame::Record { offset, bytes } = frame else { panic!("{frame:?}") };
        let ingest_time = Timestamp::parse("2026-11-24T08:00:00Z").unwrap();
        let object_hash = ObjectHash::of(&["o"]);
        let at = At { object: "file:o", object_hash, offset, ingest_time };
        found.push(match decoder.decode(bytes, &at) {
            Err(reject) => reject.to_string(),
            Ok(event) => {
                let mut json = String::new();
                event.normalized.write_json(&mut json);
                format!("{} {json}", event.time)
            }
        });
    });
    found
}

fn decoder(name: &str) -> Decoder {
    let (file, text) = decode::shipped().iter().find(|(file, _)| file.starts_with(name)).unwrap();
    let source = LogSource::parse(file, text).unwrap_or_else(|errors| panic!("{errors:?}"));
    assert_eq!(source.name, name);
    Decoder::new(source).unwrap()
}

#[test]
fn every_shipped_log_source_loads() {
    for (file, _) in decode::shipped() {
        decoder(file.strip_suffix(".yml").unwrap());
    }
}

#[test]
fn sshd_lines_tell_who_and_from_where() {
    let lines = b"Nov 24 07:59:58 bastion sshd[811]: Failed password for invalid user admin from 203.0.113.9 port 4022 ssh2\n\
        <38>Nov 24 07:59:59 bastion sshd[811]: Accepted publickey for deploy from 2001:db8::7 port 5022 ssh2: ED25519 SHA256:x\n\
        2026-11-24T07:59:59.5+00:00 bastion sshd-session[9]: Invalid user oracle from 198.51.100.3 port 1\n\
        not a syslog line\n";
    let expected = [
        r#"2026-11-24T07:59:58Z {"event":{"action":"failed","outcome":"failure"},"host":{"name":"bastion"},"process":{"name":"sshd","pid":811},"source":{"ip":"203.0.113.9","port":4022},"user":{"name":"admin"}}"#,
        r#"2026-11-24T07:59:59Z {"event":{"action":"accepted","outcome":"success"},"host":{"name":"bastion"},"process":{"name":"sshd","pid":811},"source":{"ip":"2001:db8::7","port":5022},"user":{"name":"deploy"}}"#,
        r#"2026-11-24T07:59:59.500Z {"event":{"action":"invalid","outcome":"failure"},"host":{"name":"bastion"},"process":{"name":"sshd-session","pid":9},"source":{"ip":"198.51.100.3","port":1},"user":{"name":"oracle"}}"#,
        "2026-11-24T08:00:00Z {}",
    ];
    assert_eq!(decoded("linux_sshd", lines), expected);
}

#[test]
fn nginx_lines_are_taken_apart() {
    let lines = br#"203.0.113.5 - - [24/Nov/2026:07:00:00 +0000] "GET /a?b=1 HTTP/1.1" 404 12 "-" "curl/8.1"
www.example.com 203.0.113.5 - bob [24/Nov/2026:07:00:01 +0100] "POST /login HTTP/2.0" 200 0 "https://example.com/\"q\"" "Mozilla/5.0"
203.0.113.5 - - [24/Nov/2026:07:00:02 +0000] "\x16\x03\x01" 400 150 "-" "-"
"#;
    let expected = [
        r#"2026-11-24T07:00:00Z {"event":{"action":"GET","outcome":"failure"},"http":{"request":{"method":"GET"},"response":{"body":{"bytes":12},"status_code":404}},"source":{"ip":"203.0.113.5"},"url":{"path":"/a","query":"b=1"},"user_agent":{"original":"curl/8.1"},"related":{"ip":["203.0.113.5"]}}"#,
        r#"2026-11-24T06:00:01Z {"event":{"action":"POST","outcome":"success"},"http":{"request":{"method":"POST","referrer":"https://example.com/\\\"q\\\""},"response":{"body":{"bytes":0},"status_code":200}},"source":{"ip":"203.0.113.5"},"url":{"domain":"www.example.com","path":"/login"},"user":{"name":"bob"},"user_agent":{"original":"Mozilla/5.0"},"related":{"ip":["203.0.113.5"]}}"#,
        r#"2026-11-24T07:00:02Z {"event":{"outcome":"failure"},"http":{"response":{"body":{"bytes":150},"status_code":400}},"source":{"ip":"203.0.113.5"},"related":{"ip":["203.0.113.5"]}}"#,
    ];
    assert_eq!(decoded("nginx_access", lines), expected);
}

#[test]
fn cloudtrail_files_are_read_record_by_record() {
    let file = br#"{"Records":[{"eventTime":"2026-11-24T07:00:00Z","eventSource":"s3.amazonaws.com","eventName":"GetObject","errorCode":"AccessDenied","userIdentity":{"type":"IAMUser","userName":"eve"},"sourceIPAddress":"203.0.113.1"},
        {"eventTime":"soon"}, {}, 7]}"#;
    let expected = [
        r#"2026-11-24T07:00:00Z {"cloud":{"provider":"aws"},"event":{"action":"GetObject","code":"AccessDenied","outcome":"failure","provider":"s3.amazonaws.com"},"source":{"ip":"203.0.113.1"},"user":{"name":"eve"},"related":{"ip":["203.0.113.1"],"user":["eve"]}}"#,
        "`eventTime` is `soon`, which is not an RFC 3339 time with its zone",
        "the event has no time: no `eventTime`",
        "the record is a number, not an object, at byte 0 of the record",
    ];
    assert_eq!(decoded("aws_cloudtrail", file), expected);
}
