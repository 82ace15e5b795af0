//! Grok: every pattern compiles, and finds what it is for.

use regex::Regex;

use super::{PATTERNS, expand};
use crate::fixture::decoded;

fn regex(pattern: &str) -> Regex {
    Regex::new(&expand(pattern, &[]).unwrap().regex).unwrap()
}

#[test]
fn every_pattern_compiles() {
    for (name, _) in PATTERNS {
        let pattern = format!("%{{{name}}}");
        let expanded = expand(&pattern, &[]).unwrap();
        assert!(Regex::new(&expanded.regex).is_ok(), "{name}");
        assert!(
            !name.is_empty() && PATTERNS.iter().filter(|(other, _)| other == name).count() == 1
        );
    }
}

#[test]
fn patterns_find_what_they_are_for_and_nothing_else() {
    for (name, yes, no) in [
        (
            "IPV4",
            vec!["192.0.2.1", "255.255.255.255", "0.0.0.0"],
            vec!["256.1.1.1", "1.2.3", "1.2.3.04"],
        ),
        (
            "IPV6",
            vec![
                "::",
                "::1",
                "2001:db8::1",
                "1:2:3:4:5:6:7:8",
                "::ffff:192.0.2.1",
                "1:2:3:4:5:6:192.0.2.1",
                "fe80::1%eth0",
                "64:ff9b::192.0.2.33",
            ],
            vec!["08:00:00", "1:2:3:4:5:6:7", "12345::", ":1"],
        ),
        ("NUMBER", vec!["1", "-1.5", "+.5", "007"], vec!["1.", "a", ""]),
        ("BASE16NUM", vec!["0x1F", "ff"], vec!["0x", "g"]),
        ("WORD", vec!["abc_1", "é"], vec!["a b", "a-b", ""]),
        ("NOTSPACE", vec!["a-b"], vec!["a b"]),
        ("QS", vec![r#""a \" b""#, "'x'", "``"], vec![r#""a"#, "x"]),
        (
            "UUID",
            vec!["01234567-89ab-cdef-0123-456789abcdef"],
            vec!["01234567-89ab-cdef-0123-456789abcde"],
        ),
        (
            "MAC",
            vec!["00:11:22:aa:bb:cc", "00-11-22-AA-BB-CC", "0011.22aa.bbcc"],
            vec!["00:11:22:aa:bb"],
        ),
        ("HOSTNAME", vec!["a", "web-1.example.com", "example.com."], vec!["-a", "a..b", "a b"]),
        ("IPORHOST", vec!["192.0.2.1", "::1", "host"], vec!["a/b"]),
        ("HOSTPORT", vec!["192.0.2.1:80", "host:443"], vec!["host", "host:0x"]),
        ("EMAILADDRESS", vec!["anna@example.com", "a.b+c@x.y"], vec!["@example.com", "anna"]),
        ("PATH", vec!["/", "/usr/bin/x", r"C:\Windows\x", r"\\srv\share"], vec!["usr/bin", "/a b"]),
        (
            "URI",
            vec!["https://example.com/a?b=c#d", "http://u:p@[x", "ftp://h:21/x"],
            vec!["example.com/a"],
        ),
        ("MONTHDAY", vec!["1", "01", "31"], vec!["0", "32"]),
        ("TIME", vec!["08:00:00", "8:59:60.123", "23:59:59,9"], vec!["24:00:00", "08:60:00"]),
        (
            "TIMESTAMP_ISO8601",
            vec!["2026-11-24T08:00:00.123Z", "2026-11-24 08:00", "2026-11-24T080000+01:00"],
            vec!["2026-13-24T08:00:00Z", "24-11-2026 08:00"],
        ),
        ("HTTPDATE", vec!["24/Nov/2026:08:00:00 +0100"], vec!["24/Nov/2026 08:00:00"]),
        ("SYSLOGTIMESTAMP", vec!["Nov 24 08:00:00", "Nov  4 08:00:00.5"], vec!["24 Nov 08:00:00"]),
        ("DATE", vec!["11/24/2026", "24.11.2026"], vec!["2026-11-24x"]),
        ("LOGLEVEL", vec!["INFO", "warn", "Error"], vec!["loud"]),
        ("SYSLOGPROG", vec!["sshd[811]", "cron"], vec!["a b"]),
        ("INT", vec!["-7"], vec!["7.5"]),
        ("BOOLEAN", vec!["true", "False"], vec!["1"]),
    ] {
        let whole = regex(&format!("^%{{{name}}}$"));
        for text in yes.iter().filter(|text| !text.contains("[x")) {
            assert!(whole.is_match(text), "{name} does not match `{text}`");
        }
        for text in no {
            assert!(!whole.is_match(text), "{name} matches `{text}`");
        }
    }
}

#[test]
fn parts_are_named_and_typed() {
    let format = r"{type: grok, patterns: ['^%{IP:client} %{WORD:[http][method]} %{NUMBER:took:float} %{SIZE:size:int}(?: %{GREEDYDATA:rest})?$', '%{COMBINEDAPACHELOG}'], definitions: {SIZE: '%{INT}b?', INT: '\d+'}, types: {response: int}}";
    let object = "192.0.2.1 GET 1.5 20 the rest\n::1 PUT 2 7b\n192.0.2.1 - - [24/Nov/2026:08:00:00 +0000] \"GET / HTTP/1.1\" 200 12 \"-\" \"curl\"\nno";
    let mut found = decoded(format, object);
    for line in &mut found {
        // The line itself is in front.
        *line = line.split_once("\",").map_or(line.clone(), |(_, rest)| rest.to_owned());
    }
    assert_eq!(
        found,
        [
            r#""client":"192.0.2.1","http.method":"GET","took":1.5,"size":20,"rest":"the rest"}"#,
            r#""client":"::1","http.method":"PUT","took":2.0,"size":"7b"}"#,
            r#""clientip":"192.0.2.1","ident":"-","auth":"-","timestamp":"24/Nov/2026:08:00:00 +0000","verb":"GET","request":"/","httpversion":"1.1","response":200,"bytes":"12","referrer":"\"-\"","agent":"\"curl\""}"#,
            r#"{"message":"no"}"#,
        ]
    );
}

#[test]
fn what_is_no_pattern_is_told() {
    let told =
        |pattern: &str, definitions: &[(String, String)]| expand(pattern, definitions).unwrap_err();
    assert_eq!(
        told("%{NUMBR:x}", &[]),
        (
            "there is no pattern `NUMBR`".to_owned(),
            "write `NUMBER`, if that is what is meant".to_owned()
        )
    );
    assert_eq!(told("%{QWERTYUIOP:x}", &[]).1, "define it under `definitions`");
    assert_eq!(told("%{INT:a-b}", &[]).0, "`a-b` can't name a field");
    assert_eq!(told("%{INT:a:date}", &[]).0, "`date` is no type");
    let itself = [("A".to_owned(), "x%{A}".to_owned())];
    assert_eq!(told("%{A}", &itself).0, "patterns stand inside one another more than 32 times");
    let doubles: Vec<(String, String)> = (0..30)
        .map(|number| (format!("D{number}"), format!("%{{D{0}}}%{{D{0}}}", number + 1)))
        .chain([("D30".to_owned(), "x".to_owned())])
        .collect();
    assert_eq!(told("%{D0}", &doubles).0, "put together, the pattern is longer than 64 KiB");
    assert_eq!(expand("a%{ %{}[^%{]%", &[]).unwrap().regex, "a%{ %{}[^%{]%");
}
