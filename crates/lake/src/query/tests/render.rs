//! What people and programs get to see.

use super::{company, search};
use crate::query::{OutputFormat, Rows, render};

fn rendered(rows: &Rows, format: OutputFormat, width: Option<usize>) -> String {
    let mut out = Vec::new();
    render(rows, format, width, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[tokio::test]
async fn tables_are_aligned_and_cut() {
    let engine = company().await;
    let rows = search(&engine, "index:cloud | stats count by eventName").await.unwrap();
    assert_eq!(
        rendered(&rows, OutputFormat::Table, None),
        "eventName     count\nAssumeRole    1\nConsoleLogin  2\nDeleteTrail   1\n"
    );
    let rows = search(&engine, "event_id:w1").await.unwrap();
    let shown = rendered(&rows, OutputFormat::Table, Some(60));
    assert!(shown.lines().all(|line| line.chars().count() <= 60), "{shown}");
    assert!(shown.contains("2026-11-02T11:00:00Z  web"), "{shown}");
}

#[tokio::test]
async fn json_lines_are_the_events() {
    let engine = company().await;
    let rows = search(&engine, "event_id:c3").await.unwrap();
    assert_eq!(
        rendered(&rows, OutputFormat::Json, None),
        "{\"time\":\"2026-11-02T10:00:00Z\",\"log_source\":\"cloud\",\"eventName\":\"AssumeRole\",\
         \"status\":403,\"user\":{\"name\":\"alice\",\"ip\":\"10.0.0.1\",\"mfa\":{\"kind\":\"totp\"}},\
         \"tags\":[\"red\",\"Blue sky\"],\
         \"resources\":[{\"ARN\":\"arn:one\",\"n\":1},{\"ARN\":\"arn:two\"}],\
         \"ingest_time\":\"2026-11-02T10:00:00Z\",\"event_id\":\"c3\",\
         \"origin\":{\"object\":\"file:x\",\"offset\":7}}\n"
    );
    let rows =
        engine.sql("SELECT status, tags, extra FROM cloud WHERE status = 403").await.unwrap();
    assert_eq!(
        rendered(&rows, OutputFormat::Json, None),
        "{\"status\":403,\"tags\":[\"red\",\"Blue sky\"]}\n"
    );
}

#[tokio::test]
async fn a_log_cannot_drive_the_terminal() {
    let engine = company().await;
    // Escape, the eight-bit CSI, delete, a right-to-left override, a carriage return.
    let sql = "SELECT chr(27) || chr(155) || chr(127) || chr(8238) || chr(13) || 'x' AS evil";
    let evil = engine.sql(sql).await.unwrap();
    let events = search(&engine, "event_id:c4").await.unwrap();
    for format in [OutputFormat::Table, OutputFormat::Json, OutputFormat::Csv] {
        for rows in [&evil, &events] {
            let shown = rendered(rows, format, None);
            let bad = |c: char| (c.is_control() && c != '\n' && c != '\r') || c == '\u{202e}';
            let lone_return = shown.replace("\r\n", "").contains('\r');
            assert!(!shown.contains(bad) && !lone_return, "{format:?}: {shown:?}");
        }
    }
    let json = rendered(&evil, OutputFormat::Json, None);
    let back: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(back["evil"], "\u{1b}\u{9b}\u{7f}\u{202e}\rx", "JSON keeps the value");
}
