//! Access logs, of Apache and nginx.

use proptest::prelude::*;

use crate::fixture::decoded;

fn one(line: &str) -> String {
    let found = decoded("combined", line);
    assert_eq!(found.len(), 1, "{found:?}");
    found.into_iter().next().unwrap()
}

#[test]
fn lines_are_taken_apart() {
    let time = "[24/Nov/2026:08:00:00 +0000]";
    let stamp = r#""time_local":"24/Nov/2026:08:00:00 +0000""#;
    for (line, expected) in [
        (
            format!(r#"192.0.2.1 - - {time} "GET /a?b=1&c=%20 HTTP/1.1" 200 12 "-" "curl/8""#),
            format!(
                r#"{{"remote_addr":"192.0.2.1","remote_ident":"-","remote_user":"-",{stamp},"request":"GET /a?b=1&c=%20 HTTP/1.1","method":"GET","uri":"/a?b=1&c=%20","path":"/a","query":"b=1&c=%20","protocol":"HTTP/1.1","status":200,"body_bytes_sent":12,"http_referer":"-","http_user_agent":"curl/8"}}"#
            ),
        ),
        // The common format; a name with a space.
        (
            format!(r#"2001:db8::1 - anna b {time} "HEAD / HTTP/1.0" 304 -"#),
            format!(
                r#"{{"remote_addr":"2001:db8::1","remote_ident":"-","remote_user":"anna b",{stamp},"request":"HEAD / HTTP/1.0","method":"HEAD","uri":"/","path":"/","protocol":"HTTP/1.0","status":304,"body_bytes_sent":null}}"#
            ),
        ),
        // A virtual host in front, escapes, and more behind.
        (
            format!(
                r#"www.example.com:80 192.0.2.1 - anna {time} "GET /\"x\" HTTP/1.1" 200 1 "a\\b" "c\x22" 0.12 "y""#
            ),
            format!(
                r#"{{"host":"www.example.com:80","remote_addr":"192.0.2.1","remote_ident":"-","remote_user":"anna",{stamp},"request":"GET /\"x\" HTTP/1.1","method":"GET","uri":"/\"x\"","path":"/\"x\"","protocol":"HTTP/1.1","status":200,"body_bytes_sent":1,"http_referer":"a\\b","http_user_agent":"c\"","extra":"0.12 \"y\""}}"#
            ),
        ),
        // No HTTP, an empty request, a path with spaces, HTTP/0.9.
        (
            format!(r#"192.0.2.1 - - {time} "\x16\x03\x01" 400 150 "-" "-""#),
            format!(
                r#"{{"remote_addr":"192.0.2.1","remote_ident":"-","remote_user":"-",{stamp},"request":"\u0016\u0003\u0001","status":400,"body_bytes_sent":150,"http_referer":"-","http_user_agent":"-"}}"#
            ),
        ),
        (
            format!(r#"192.0.2.1 - - {time} "" 400 0"#),
            format!(
                r#"{{"remote_addr":"192.0.2.1","remote_ident":"-","remote_user":"-",{stamp},"request":"","status":400,"body_bytes_sent":0}}"#
            ),
        ),
        (
            format!(r#"192.0.2.1 - - {time} "GET /a b HTTP/1.1" 200 x"#),
            format!(
                r#"{{"remote_addr":"192.0.2.1","remote_ident":"-","remote_user":"-",{stamp},"request":"GET /a b HTTP/1.1","method":"GET","uri":"/a b","path":"/a b","protocol":"HTTP/1.1","status":200,"body_bytes_sent":"x"}}"#
            ),
        ),
        (
            format!(r#"host ident - {time} "GET /" 200 1"#),
            format!(
                r#"{{"remote_addr":"host","remote_ident":"ident","remote_user":"-",{stamp},"request":"GET /","method":"GET","uri":"/","path":"/","status":200,"body_bytes_sent":1}}"#
            ),
        ),
    ] {
        assert_eq!(one(&line), expected);
    }
    for (line, expected) in [
        (
            "2026/11/24 08:00:00 error",
            "!! expected ` [` in front of the time, at byte 25 of the record",
        ),
        (
            "a b [x] \"\" 1",
            "!! expected an address, an identity and a user in front of the time, at byte 0 of the record",
        ),
        ("a b c [x", "!! expected `]` behind the time, at byte 6 of the record"),
        ("a b c [x] GET", "!! expected `\"` in front of the request, at byte 10 of the record"),
        ("a b c [x] \"GET", "!! expected `\"` behind the request, at byte 10 of the record"),
    ] {
        assert_eq!(one(line), expected);
    }
}

proptest! {
    #[test]
    fn no_text_is_too_odd(text in "[a0-1.\\[\\]\"\\\\ -/?é]{0,60}") {
        decoded("combined", &text);
        decoded("common", &format!("a - b [c] \"{text}"));
    }

    #[test]
    fn what_is_written_is_read_back(path in "/[!-~]{0,20}", agent in "\\PC{0,20}", status in 100_i64..600) {
        let escape = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        let line = format!(
            "192.0.2.1 - - [x] \"GET {} HTTP/1.1\" {status} 0 \"\" \"{}\"", escape(&path), escape(&agent)
        );
        let found: serde_json::Value = serde_json::from_str(&one(&line)).unwrap();
        prop_assert_eq!(&found["uri"], &path);
        prop_assert_eq!(&found["http_user_agent"], &agent);
        prop_assert_eq!(&found["status"], status);
    }
}
