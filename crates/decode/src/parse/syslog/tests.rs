//! Syslog, of many senders.

use proptest::prelude::*;

use crate::fixture::{decoded, decoded_by, decoder};

/// What becomes of one line.
fn one(format: &str, line: &str) -> String {
    let found = decoded(format, line);
    assert_eq!(found.len(), 1, "{found:?}");
    found.into_iter().next().unwrap()
}

#[test]
fn rfc_5424_is_read_part_by_part() {
    for (line, expected) in [
        (
            "<165>1 2026-11-24T08:00:00.003Z web.example.com evntslog 123 ID47 \
             [ex@32473 iut=\"3\" say=\"a \\\"b\\\" \\] \\\\ \\n\"][meta seq=\"1\" seq=\"2\"] \u{feff}It's é",
            r#"{"syslog":{"priority":165,"facility":"local4","severity":"notice","version":1,"timestamp":"2026-11-24T08:00:00.003Z","hostname":"web.example.com","appname":"evntslog","procid":"123","msgid":"ID47","structured_data":{"ex":{"@":"32473","iut":"3","say":"a \"b\" ] \\ \\n"},"meta":{"seq":["1","2"]}}},"message":"It's é"}"#,
        ),
        (
            "<34>1 - - - - - -",
            r#"{"syslog":{"priority":34,"facility":"auth","severity":"crit","version":1},"message":""}"#,
        ),
        // Without structured data, or with something that is none: it is the message.
        (
            "<34>1 2026-11-24T08:00:00+01:00 h app - - hello",
            r#"{"syslog":{"priority":34,"facility":"auth","severity":"crit","version":1,"timestamp":"2026-11-24T08:00:00+01:00","hostname":"h","appname":"app"},"message":"hello"}"#,
        ),
        (
            "<34>1 2026-11-24T08:00:00Z h app - - [x y=\"1] z",
            r#"{"syslog":{"priority":34,"facility":"auth","severity":"crit","version":1,"timestamp":"2026-11-24T08:00:00Z","hostname":"h","appname":"app"},"message":"[x y=\"1] z"}"#,
        ),
    ] {
        assert_eq!(one("syslog", line), expected);
    }
}

#[test]
fn rfc_3164_is_read_as_its_senders_write_it() {
    for (line, header, message) in [
        (
            "<34>Nov 24 08:00:00 web su[12]: 'su root' failed",
            r#""priority":34,"facility":"auth","severity":"crit","timestamp":"Nov 24 08:00:00","hostname":"web","appname":"su","procid":"12""#,
            "'su root' failed",
        ),
        (
            "Nov  4 08:00:00 web sudo:    anna : TTY=pts/0",
            r#""timestamp":"Nov  4 08:00:00","hostname":"web","appname":"sudo""#,
            "anna : TTY=pts/0",
        ),
        // No host.
        (
            "<13>Nov 24 08:00:00 postfix/smtpd[9]: connect",
            r#""priority":13,"facility":"user","severity":"notice","timestamp":"Nov 24 08:00:00","appname":"postfix/smtpd","procid":"9""#,
            "connect",
        ),
        // No program.
        (
            "Nov 24 08:00:00 web last message repeated 3 times",
            r#""timestamp":"Nov 24 08:00:00","hostname":"web""#,
            "last message repeated 3 times",
        ),
        // rsyslog, with precise times.
        (
            "2026-11-24T08:00:00.123456+01:00 web CRON[7]: (root) CMD (true)",
            r#""timestamp":"2026-11-24T08:00:00.123456+01:00","hostname":"web","appname":"CRON","procid":"7""#,
            "(root) CMD (true)",
        ),
    ] {
        check(line, header, message);
    }
    for line in ["plain text", "<192>x", "<>x", "<abc>x", "<34", "Nov 24 nothing"] {
        assert_eq!(one("syslog", line), format!(r#"{{"message":"{line}"}}"#));
    }
}

fn check(line: &str, header: &str, message: &str) {
    let expected = format!(r#"{{"syslog":{{{header}}},"message":"{message}"}}"#);
    assert_eq!(one("syslog", line), expected, "{line}");
}

#[test]
fn devices_leave_parts_out_or_add_some() {
    for (line, header, message) in [
        // Cisco's routers and firewalls.
        (
            "<189>42: router1: *Nov 24 08:00:00.123 UTC: %SYS-5-CONFIG_I: Configured",
            r#""priority":189,"facility":"local7","severity":"notice","sequence":"42","hostname":"router1","timestamp":"*Nov 24 08:00:00.123 UTC","appname":"%SYS-5-CONFIG_I""#,
            "Configured",
        ),
        (
            "<166>Nov 24 2026 08:00:00 asa01 : %ASA-6-302013: Built",
            r#""priority":166,"facility":"local4","severity":"info","timestamp":"Nov 24 2026 08:00:00","hostname":"asa01","appname":"%ASA-6-302013""#,
            "Built",
        ),
        (
            "<166>Nov 24 2026 08:00:00: %ASA-6-302013: Built",
            r#""priority":166,"facility":"local4","severity":"info","timestamp":"Nov 24 2026 08:00:00","appname":"%ASA-6-302013""#,
            "Built",
        ),
        (
            "<166>%ASA-6-302013: Built",
            r#""priority":166,"facility":"local4","severity":"info","appname":"%ASA-6-302013""#,
            "Built",
        ),
        // Neither time nor host: FortiGate; a version in front of seconds: Meraki.
        (
            "<189>date=2026-11-24 time=08:00:00 devname=\"fg\"",
            r#""priority":189,"facility":"local7","severity":"notice""#,
            "date=2026-11-24 time=08:00:00 devname=\\\"fg\\\"",
        ),
        (
            "<134>1 1795507200.123456789 MX84 flows src=192.0.2.1",
            r#""priority":134,"facility":"local0","severity":"info","version":1,"timestamp":"1795507200.123456789","hostname":"MX84""#,
            "flows src=192.0.2.1",
        ),
        // What looks like a header and is none.
        (
            "<13>Nov 24 08:00:00 CEF:0|a|b|c|d|e|5|",
            r#""priority":13,"facility":"user","severity":"notice","timestamp":"Nov 24 08:00:00""#,
            "CEF:0|a|b|c|d|e|5|",
        ),
        (
            "<13>Nov 24 08:00:00 web {\\\"a\\\": 1}",
            r#""priority":13,"facility":"user","severity":"notice","timestamp":"Nov 24 08:00:00","hostname":"web""#,
            "{\\\\\\\"a\\\\\\\": 1}",
        ),
        (
            "<13>2026 Nov 24 08:00:00 web see http://example.com",
            r#""priority":13,"facility":"user","severity":"notice","timestamp":"2026 Nov 24 08:00:00","hostname":"web""#,
            "see http://example.com",
        ),
    ] {
        check(line, header, message);
    }
}

#[test]
fn messages_have_formats_of_their_own() {
    let json = "{type: syslog, payload: json}";
    assert_eq!(
        one(json, r#"<13>Nov 24 08:00:00 web app: {"user": "anna", "severity": 3}"#),
        r#"{"syslog":{"priority":13,"facility":"user","severity":"notice","timestamp":"Nov 24 08:00:00","hostname":"web","appname":"app"},"user":"anna","severity":3}"#
    );
    assert_eq!(one(json, r#"@cee: {"a": 1}"#), r#"{"a":1}"#);
    assert_eq!(
        one(json, r#"<13>Nov 24 08:00:00 w a: @cee:{"a": "\u00e9"}"#).split_once("},").unwrap().1,
        r#""a":"é"}"#
    );
    // What is not in the format is text, or goes to the quarantine with its place in the record.
    assert_eq!(one(json, "{broken"), r#"{"message":"{broken"}"#);
    assert_eq!(
        one(
            "{type: syslog, payload: json, unmatched: quarantine}",
            "<13>Nov 24 08:00:00 w a: {\"a\":}"
        ),
        "!! expected a JSON value, found `}`, at byte 30 of the record"
    );
    assert_eq!(
        one("{type: syslog, payload: json, unmatched: quarantine}", "<13>Nov 24 08:00:00 w a: [1]"),
        "!! the message is an array, not an object"
    );
    let several = r"
  type: syslog
  unmatched: quarantine
  payload:
    - {appname: sudo, type: lines, patterns: ['^(?P<user>\S+) : (?P<rest>.*)$']}
    - {appname: [pan, fw], match: ',TRAFFIC,', type: csv, columns: [a, b, c], types: {a: int}}
    - {match: '=', type: kv}
    - {match: '^[a-z]+=', type: grok, patterns: ['%{WORD:w}=%{INT:n:int}$']}
";
    let last = |line: &str| one(several, line).split_once("},").unwrap().1.to_owned();
    assert_eq!(
        last("Nov 24 08:00:00 w sudo: anna : x=1"),
        r#""message":"anna : x=1","user":"anna","rest":"x=1"}"#
    );
    assert_eq!(last("Nov 24 08:00:00 w fw: 1,TRAFFIC,x"), r#""a":1,"b":"TRAFFIC","c":"x"}"#);
    assert_eq!(last("Nov 24 08:00:00 w fw: a=\"1\""), r#""a":"1"}"#);
    // The first fails, the second takes it.
    assert_eq!(last("Nov 24 08:00:00 w sudo: a=1"), r#""a":"1"}"#);
    assert_eq!(last("Nov 24 08:00:00 w x: nothing"), r#""message":"nothing"}"#);
    assert_eq!(
        one(several, "Nov 24 08:00:00 w x: a=\"1"),
        "!! the message is in none of its formats"
    );
}

proptest! {
    #[test]
    fn what_is_written_by_rfc_5424_is_read_back(
        priority in 0_u8..192,
        parts in prop::array::uniform4("[!-~]{1,12}"),
        data in prop::collection::btree_map("[a-z]{1,6}", prop::collection::btree_map("[a-z]{1,6}", "\\PC{0,12}", 0..4), 0..4),
        message in "\\PC{0,40}",
    ) {
        let escape = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace(']', "\\]");
        let written: String = data.iter().map(|(id, parameters)| {
            let parameters: String = parameters
                .iter()
                .map(|(name, value)| format!(" {name}=\"{}\"", escape(value)))
                .collect();
            format!("[{id}{parameters}]")
        }).collect();
        let written = if written.is_empty() { "-".to_owned() } else { written };
        let [host, app, process, id] = &parts;
        let line = format!("<{priority}>1 2026-11-24T08:00:00Z {host} {app} {process} {id} {written} {message}");
        let found: serde_json::Value = serde_json::from_str(&one("syslog", &line)).unwrap();
        prop_assert_eq!(&found["syslog"]["priority"], priority);
        for (name, part) in ["hostname", "appname", "procid", "msgid"].iter().zip(&parts) {
            if part != "-" {
                prop_assert_eq!(&found["syslog"][*name], part);
            }
        }
        if !data.is_empty() {
            prop_assert_eq!(&found["syslog"]["structured_data"], &serde_json::to_value(&data).unwrap());
        }
        prop_assert_eq!(&found["message"], &message.strip_prefix('\u{feff}').unwrap_or(&message));
    }

    #[test]
    fn no_line_is_too_odd(
        line in "(<[0-9]{0,3}>)?([0-9]: )?(1 )?(Nov 24 08:00:00|2026-11-24T08:00:00Z|1795507200)?[:*. ]{0,2}[a-c\\[\\]:=\"\\\\ é|{}%@-]{0,40}",
        cut in any::<prop::sample::Index>(),
    ) {
        for format in ["syslog", "{type: syslog, payload: [json, cef, kv, auditd, {type: csv, columns: [a]}]}"] {
            let decoder = decoder(&format!("format: {format}\ntime: {{missing: ingest_time}}"));
            let whole = decoded_by(&decoder, line.as_bytes(), &[]);
            let cut = cut.index(line.len() + 1);
            prop_assert_eq!(decoded_by(&decoder, line.as_bytes(), &[cut]), whole);
        }
    }
}
