//! What people read, compared with golden files in `golden/`.

use std::{io, sync::Arc};

use base::Match;

use super::*;
use crate::fixture::{at, hit, notification};

fn alert(first_match: Match) -> Alert {
    Alert { id: "5c755d8d057478c904e471e1f5285ebe".to_owned(), raised_time: at(1), first_match }
}

fn full() -> Match {
    let mut full = hit(r"CORP\jdoe", 0, "1be95bb0619b3fd1a025-1000");
    Arc::make_mut(&mut full.rule).dedup.push("Computer".to_owned());
    full.dedup_values.push("ws-17".to_owned());
    full.reasons.push(base::Reason {
        field: "".into(),
        test: "contains 'mimikatz'".into(),
        value: "x".repeat(300),
    });
    full
}

#[test]
fn renders_what_a_person_needs() {
    assert_eq!(render(&alert(full()), Style::Plain), include_str!("golden/plain.txt"));
}

#[test]
fn escapes_what_could_deceive() {
    let mut hostile = hit("\u{1b}]0;title\u{7}", 0, "e\u{9b}2J");
    let rule = Arc::make_mut(&mut hostile.rule);
    rule.title = "one\ntwo\r\u{202e}gnp.exe".to_owned();
    rule.file = String::new();
    hostile.reasons[0].value = "tab\there \u{200b}zero é 漢 \u{85} \\".to_owned();
    let text = render(&alert(hostile), Style::Plain);
    assert_eq!(text, include_str!("golden/hostile.txt"));
    assert!(text.chars().all(|char| char == '\n' || !is_unsafe(char)));
}

#[test]
fn color_adds_nothing_but_color() {
    let colored = render(&alert(full()), Style::Color);
    assert_ne!(colored, render(&alert(full()), Style::Plain));
    let mut plain = String::new();
    let mut rest = colored.as_str();
    while let Some((before, sequence)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        rest = sequence.split_once('m').unwrap().1;
    }
    plain.push_str(rest);
    assert_eq!(plain, render(&alert(full()), Style::Plain));
    let colors: std::collections::BTreeSet<&str> =
        [Level::Informational, Level::Low, Level::Medium, Level::High, Level::Critical]
            .map(color)
            .into();
    assert_eq!(colors.len(), 5);
}

/// Takes nothing.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn prints_to_what_it_is_given() {
    let out = Arc::new(Mutex::new(Vec::new()));
    let shared: Arc<Mutex<dyn Write + Send>> = Arc::<Mutex<Vec<u8>>>::clone(&out);
    let printer = PrintReceiver::new("print", Style::Plain, shared);
    printer.send(&notification("a1")).await.unwrap();
    let printed = String::from_utf8(out.lock().unwrap().clone()).unwrap();
    assert_eq!(printed, render(&notification("a1").alert, Style::Plain));

    let printer = PrintReceiver::new("print", Style::Plain, Arc::new(Mutex::new(Closed)));
    let error = printer.send(&notification("a1")).await.unwrap_err();
    assert!(matches!(error, SendError::Retry { .. }));
}
