//! Times in every form, and what is said of those that are none.

use super::*;

fn at(format: TimeFormat, zone_seconds: Option<i32>, value: Value<'_>) -> Result<String, String> {
    let rule = TimeRule {
        fields: vec![base::FieldPath::new("a.t"), base::FieldPath::new("u")],
        format,
        zone_seconds,
        ..TimeRule::default()
    };
    let mut fields = Object::new();
    fields.push("u", value);
    let now = Timestamp::parse("2026-01-01T12:00:00Z").unwrap();
    EventTime::new(rule).of(&fields, now).map(|t| t.to_string()).map_err(|e| e.to_string())
}

#[test]
fn reads_every_form() {
    let pattern = |text: &str| TimeFormat::Pattern(text.into());
    let unix = |per_second| TimeFormat::Unix { per_second };
    let text = Value::text;
    for (format, zone, value, expected) in [
        (
            TimeFormat::Rfc3339,
            None,
            text("2025-06-01T00:00:00.5+02:00"),
            "2025-05-31T22:00:00.500Z",
        ),
        (TimeFormat::Rfc3339, Some(3600), text("2025-06-01 00:00:00"), "2025-05-31T23:00:00Z"),
        (unix(1), None, Value::Int(1_750_000_000), "2025-06-15T15:06:40Z"),
        (unix(1), None, Value::Float(1_750_000_000.25), "2025-06-15T15:06:40.250Z"),
        (unix(1_000), None, text("1750000000123"), "2025-06-15T15:06:40.123Z"),
        (unix(1_000), None, text("2025-06-15T15:06:40Z"), "2025-06-15T15:06:40Z"),
        (
            unix(1_000_000_000),
            None,
            Value::Int(1_750_000_000_123_456_789),
            "2025-06-15T15:06:40.123456Z",
        ),
        (
            pattern("%d/%b/%Y:%H:%M:%S %z"),
            None,
            text("24/Nov/2025:08:00:00 +0100"),
            "2025-11-24T07:00:00Z",
        ),
        (pattern("%Y%m%d"), Some(0), text("20251124"), "2025-11-24T00:00:00Z"),
        (pattern("%s"), None, text("1750000000"), "2025-06-15T15:06:40Z"),
        (
            pattern("%d.%m.%y %H:%M:%S%.f"),
            Some(0),
            text("24.11.25 08:00:00.25"),
            "2025-11-24T08:00:00.250Z",
        ),
        (
            pattern("%m/%d/%Y %I:%M %p"),
            Some(-3600),
            text("11/24/2025 01:05 PM"),
            "2025-11-24T14:05:00Z",
        ),
        (pattern("%b %e %H:%M:%S"), Some(0), text("2025-06-01T00:00:00Z"), "2025-06-01T00:00:00Z"),
        (pattern("%b %e %H:%M:%S"), Some(0), text("Dec 31 23:59:59"), "2025-12-31T23:59:59Z"),
        (pattern("%b %e %H:%M:%S"), Some(0), text("Jan  2 11:00:00"), "2026-01-02T11:00:00Z"),
        (pattern("%b %e %H:%M:%S"), Some(0), text("Jan  3 11:00:00"), "2025-01-03T11:00:00Z"),
        (pattern("%b %e %H:%M:%S"), Some(0), text("Feb 29 00:00:00"), "2024-02-29T00:00:00Z"),
        (unix(1), None, text("1750000000.1234569"), "2025-06-15T15:06:40.123456Z"),
        (
            unix(1_000),
            None,
            Value::Number("1750000000123.45678901234567890".into()),
            "2025-06-15T15:06:40.123456Z",
        ),
        (unix(1), None, text("1.75e9"), "2025-06-15T15:06:40Z"),
        (
            TimeFormat::Filetime,
            None,
            Value::Int(133_765_056_001_234_567),
            "2024-11-19T16:00:00.123456Z",
        ),
        (TimeFormat::Filetime, None, text("133765056000000000"), "2024-11-19T16:00:00Z"),
    ] {
        assert_eq!(at(format, zone, value.clone()).as_deref(), Ok(expected), "{value:?}");
    }
}

#[test]
fn reads_what_is_written_by_convention() {
    let (clf, syslog) = (TimeFormat::Clf, TimeFormat::Syslog);
    for (format, zone, value, expected) in [
        (&clf, None, "24/Nov/2025:08:00:00 +0100", "2025-11-24T07:00:00Z"),
        (&clf, None, "[24/Nov/2025:08:00:00.250 -0530]", "2025-11-24T13:30:00.250Z"),
        (&clf, Some(3600), "24/nov/2025:08:00:00", "2025-11-24T07:00:00Z"),
        (&syslog, Some(0), "Dec 31 23:59:59", "2025-12-31T23:59:59Z"),
        (&syslog, Some(0), "Jan  2 11:00:00", "2026-01-02T11:00:00Z"),
        (&syslog, Some(0), "Jan  3 11:00:00", "2025-01-03T11:00:00Z"),
        (&syslog, Some(0), "Feb 29 00:00:00.5", "2024-02-29T00:00:00.500Z"),
        // The year is the local one: on New Year's Eve in the east it is the next already.
        (&syslog, Some(46_800), "Jan  2 23:30:00", "2026-01-02T10:30:00Z"),
        (&syslog, None, "*Mar  1 18:46:11.123 UTC:", "2025-03-01T18:46:11.123Z"),
        (&syslog, None, "Nov 24 2025 07:59:59 CET", "2025-11-24T06:59:59Z"),
        (&syslog, Some(0), "2025 Nov 24 07:59:59", "2025-11-24T07:59:59Z"),
        (&syslog, Some(0), "Mon Nov 24 07:59:59 2025", "2025-11-24T07:59:59Z"),
        (&syslog, Some(0), "[Mon Nov 24 07:59:59.25 2025]", "2025-11-24T07:59:59.250Z"),
        (&syslog, None, "Nov 24 07:59:59 2025 EST", "2025-11-24T12:59:59Z"),
        (&syslog, None, "2025-11-24T07:59:59.1234567+01:00", "2025-11-24T06:59:59.123456Z"),
        (&syslog, Some(3600), "2025-11-24 07:59:59", "2025-11-24T06:59:59Z"),
    ] {
        assert_eq!(
            at(format.clone(), zone, Value::text(value)).as_deref(),
            Ok(expected),
            "{value}"
        );
    }
    for (format, value) in [
        (&clf, "24/Nov/2025:08:00:00"),
        (&clf, "32/Nov/2025:08:00:00 +0000"),
        (&clf, "24/Nov/25:08:00:00 +0000"),
        (&clf, "24/Nov/2025:08:00:00 IST"),
        (&syslog, "Nov 24 08:00:00"),
        (&syslog, "Nov 24 08:00:00 IST"),
        (&syslog, "Nov 31 08:00:00 UTC"),
        (&syslog, "Nov 24"),
        (&syslog, ""),
    ] {
        assert!(at(format.clone(), None, Value::text(value)).is_err(), "{value}");
    }
}

#[test]
fn years_and_parts_are_as_the_log_source_says() {
    let rule = TimeRule {
        fields: vec![base::FieldPath::new("date"), base::FieldPath::new("time")],
        is_joined: true,
        zone_seconds: Some(0),
        ..TimeRule::default()
    };
    let mut fields = Object::new();
    fields.push("date", Value::text("2025-11-24"));
    let now = Timestamp::parse("2026-01-01T12:00:00Z").unwrap();
    let reject = EventTime::new(rule.clone()).of(&fields, now).unwrap_err();
    assert_eq!(reject.to_string(), "the event has no time: no `date` and `time`");
    fields.push("time", Value::text("08:00:01"));
    let time = EventTime::new(rule).of(&fields, now).unwrap();
    assert_eq!(time.to_string(), "2025-11-24T08:00:01Z");
    for format in [TimeFormat::Syslog, TimeFormat::Pattern("%b %e %H:%M:%S".into())] {
        let rule = TimeRule {
            fields: vec![base::FieldPath::new("at")],
            format,
            year: Some(2013),
            zone_seconds: Some(0),
            ..TimeRule::default()
        };
        let mut fields = Object::new();
        fields.push("at", Value::text("Jan  5 08:00:01"));
        let time = EventTime::new(rule).of(&fields, now).unwrap();
        assert_eq!(time.to_string(), "2013-01-05T08:00:01Z");
    }
}

proptest::proptest! {
    /// A pattern of chrono's and our reader agree on what both can read.
    #[test]
    fn conventions_are_read_as_patterns_are(seconds in 946_684_800_i64..4_102_444_800) {
        let time = Timestamp::from_seconds(seconds);
        let (year, month, day) = time.day().to_civil();
        let text = time.to_string();
        let clock = text.get(11..19).unwrap();
        let name = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let name = name[usize::try_from(month).unwrap() - 1];
        let clf = format!("{day:02}/{name}/{year}:{clock} +0000");
        let written = forms::clf(&clf).unwrap();
        proptest::prop_assert_eq!(written.at(year, None), Some(time));
        let bsd = format!("{name} {day:>2} {clock}");
        proptest::prop_assert_eq!(forms::syslog(&bsd).unwrap().at(year, Some(0)), Some(time));
    }

    #[test]
    fn no_text_is_too_odd(text in "[A-Za-z0-9:/ .*+\\[\\],-]{0,32}|\\PC{0,12}") {
        let _ = (forms::clf(&text), forms::syslog(&text), forms::decimal(&text, 1_000_000_000));
    }
}

#[test]
fn what_cannot_be_right_is_said_plainly() {
    let wrong = |value| at(TimeFormat::Rfc3339, None, value).unwrap_err();
    assert_eq!(wrong(Value::Null), "the event has no time: no `a.t` or `u`");
    let expected = "`u` is `yesterday`, which is not an RFC 3339 time with its zone";
    assert_eq!(wrong(Value::text("yesterday")), expected);
    let expected = "`u` says 1970-01-01T00:00:00Z, before 2000-01-01T00:00:00Z";
    assert_eq!(wrong(Value::text("1970-01-01T00:00:00Z")), expected);
    let expected = "`u` says 9999-01-01T00:00:00Z, more than a day after it was received";
    assert_eq!(wrong(Value::text("9999-01-01T00:00:00Z")), expected);
}
