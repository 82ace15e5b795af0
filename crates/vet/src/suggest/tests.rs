//! Samples of many formats, and what is suggested for them.

use super::*;

fn sample(text: &str) -> Sample<'_> {
    let now = Timestamp::parse("2026-11-24T09:00:00Z").unwrap();
    Sample { bytes: text.as_bytes(), is_whole: true, now }
}

fn suggested(text: &str) -> String {
    let found = suggest(sample(text)).unwrap();
    assert_eq!(found.decoded, found.records, "{}", found.yaml);
    let (_, yaml) = found.yaml.split_once('\n').unwrap();
    yaml.to_owned()
}

#[test]
fn json_lines_get_time_and_key_fields() {
    let text = "{\"at\":\"2026-11-24T08:00:00Z\",\"n\":1,\"action\":\"export\",\"client\":\"203.0.113.9\",\"account\":{\"login\":\"mira\"}}\n\
        {\"at\":\"2026-11-24T08:00:01Z\",\"n\":2,\"action\":\"import\",\"client\":\"::1\",\"account\":{\"login\":\"kim\"}}\n";
    let expected = "format: ndjson\n\
        time: {field: at, format: rfc3339}\n\
        fields:\n  event.action: action\n  source.ip: client\n  user.name: account.login\n\
        related:\n  ip: [client]\n  user: [account.login]\n";
    assert_eq!(suggested(text), expected);
}

#[test]
fn formats_and_times_are_told_apart() {
    for (text, format, time) in [
        (
            "{\"data\":{\"items\":[{\"ts\":1795507200123,\"a\":1},{\"ts\":1795507201123,\"a\":2}]},\"next\":null}",
            "{type: json, records: data.items}",
            "{field: ts, format: unix_millis}",
        ),
        (
            "<38>1 2026-11-24T08:00:00Z web shop 1 - - paid\n<38>1 2026-11-24T08:00:01Z web shop 1 - - paid\n",
            "syslog",
            "{field: syslog.timestamp, format: rfc3339}",
        ),
        (
            "<38>Nov 24 08:00:00 web shop[1]: order 1\n<38>Nov 24 08:00:00 web shop[1]: order 2\n",
            "syslog",
            "{field: syslog.timestamp, format: syslog, timezone: UTC}   # these times name no zone: say which, if it is not UTC",
        ),
        (
            "<38>Nov 24 08:00:00 web app: {\"ts\":1795507200,\"a\":1}\n",
            "{type: syslog, payload: {match: '^\\s*(?:@cee:)?\\s*\\{', type: json}, unmatched: quarantine}",
            "{field: ts, format: unix_seconds}",
        ),
        (
            "when,user,ip\n2026-11-24 08:00:00,kim,192.0.2.1\n2026-11-24 08:00:01,mira,192.0.2.2\n",
            "csv",
            "{field: when, format: rfc3339, timezone: UTC}   # these times name no zone: say which, if it is not UTC",
        ),
        (
            "level=info msg=\"it works\" ts=2026-11-24T08:00:00Z user=kim\nlevel=warn msg=no ts=2026-11-24T08:00:00Z user=kim\n",
            "logfmt",
            "{field: ts, format: rfc3339}",
        ),
        (
            "192.0.2.1 - kim [24/Nov/2026:08:00:00 +0000] \"GET / HTTP/1.1\" 200 612 \"-\" \"curl/8\"\n",
            "combined",
            "{field: time_local, format: clf}",
        ),
        (
            "type=LOGIN msg=audit(1795507200.123:77): pid=1 uid=0 auid=1000\n",
            "auditd",
            "{field: timestamp, format: unix_seconds}",
        ),
        (
            "CEF:0|V|P|1|100|Name|7|src=192.0.2.1 rt=1795507200000\n",
            "cef",
            "{field: rt, format: unix_millis}",
        ),
        (
            "#Fields: date time c-ip cs-method\n2026-11-24 08:00:00 192.0.2.1 GET\n",
            "w3c",
            "{join: [date, time], timezone: UTC}",
        ),
        (
            "something happened\nand something else\n",
            "lines",
            "{missing: ingest_time}   # no field is a time in all records: that of receipt counts",
        ),
    ] {
        let yaml = suggested(text);
        let expected = format!("format: {format}\ntime: {time}\n");
        assert!(yaml.starts_with(&expected), "{text}\n{yaml}\n{expected}");
    }
}

#[test]
fn a_sample_that_is_cut_is_read_up_to_its_last_whole_record() {
    let text = "{\"t\":\"2026-11-24T08:00:00Z\"}\n{\"t\":\"2026-11-2";
    let found = suggest(Sample { is_whole: false, ..sample(text) }).unwrap();
    assert_eq!((found.records, found.decoded), (1, 1));
}

#[test]
fn what_is_no_sample_is_told() {
    assert!(matches!(suggest(sample(" \n")), Err(SuggestError::Empty)));
    let bytes = b"\xff\xfe\x00\x01\n\xff\xfe\xfa\n";
    let error = suggest(Sample { bytes, ..sample("") }).unwrap_err();
    assert_eq!(
        (error.code().0, error.to_string().as_str()),
        ("DAB0335", "no format reads the sample: it is no text")
    );
    assert!(error.help().is_some());
}

#[test]
fn samples_of_shipped_log_sources_are_read_by_what_is_suggested() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../decode/tests/samples");
    let mut read = 0;
    for (file, _) in decode::shipped() {
        let path = folder.join(file).with_extension("log");
        let bytes = std::fs::read(&path).unwrap();
        let found = suggest(Sample { bytes: &bytes, ..sample("") });
        let Ok(found) = found else { panic!("{file}: {found:?}") };
        LogSource::parse("s.yml", &found.yaml).unwrap_or_else(|e| panic!("{file}: {e:?}"));
        read += usize::from(found.decoded * 10 >= found.records * 9);
    }
    assert_eq!(read, decode::shipped().len());
}
