//! The shipped log sources are sound, and make of their samples what is written beside them.
//!
//! `samples/NAME.log` is decoded as one object; `samples/NAME.expected` has a line for each of its
//! records: the time, the own fields and the normalized ones as JSON, or why it was rejected. With
//! `UPDATE_EXPECTED=1` it is written anew, to be proofread.

#![cfg(test)]

use std::path::PathBuf;

use base::{ObjectHash, Timestamp};
use dab_decode::{At, Decoder, Frame, FrameState, Framer, Header, LogSource, shipped};

fn decoder(file: &str) -> Decoder {
    let (_, text) = shipped().iter().find(|(name, _)| *name == file).unwrap();
    let source = LogSource::parse(file, text).unwrap_or_else(|errors| panic!("{errors:#?}"));
    assert_eq!(Some(source.name.as_str()), file.strip_suffix(".yml"));
    Decoder::new(source).unwrap()
}

fn decoded(decoder: &Decoder, object: &[u8]) -> String {
    let mut framer = Framer::new(&decoder.log_source().format, FrameState::default(), 0);
    let mut out = String::new();
    let consumed = framer.frame(object, true, &mut |frame| {
        match frame {
            Frame::Record { offset, bytes, header } => {
                record(decoder, (offset, bytes), header.as_ref(), &mut out);
            }
            Frame::Malformed { offset, bytes, problem } => {
                out.push_str(&format!("{offset}: {} bytes malformed: {problem}", bytes.len()));
            }
            Frame::Oversize { .. } => panic!("no sample is that long"),
        }
        out.push('\n');
    });
    assert_eq!(consumed, object.len());
    out
}

fn record(
    decoder: &Decoder,
    (offset, bytes): (u64, &[u8]),
    header: Option<&Header>,
    out: &mut String,
) {
    let at = At {
        object: "file:sample.log",
        object_hash: ObjectHash::of(&["file:sample.log"]),
        offset,
        ingest_time: Timestamp::parse("2026-11-24T08:00:00Z").unwrap(),
        header,
    };
    match decoder.decode(bytes, &at) {
        Err(reject) => out.push_str(&format!("{offset}: rejected: {reject}")),
        Ok(event) => {
            assert_eq!(event.origin.offset, event.id.offset);
            out.push_str(&format!("{offset}: {} {}\n  = ", event.time, event.to_json()));
            event.normalized.write_json(out);
        }
    }
}

#[test]
fn samples_become_the_expected_events() {
    let samples = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/samples");
    for (file, _) in shipped() {
        let stem = file.strip_suffix(".yml").unwrap();
        let sample = std::fs::read(samples.join(format!("{stem}.log")))
            .unwrap_or_else(|error| panic!("{file} has no sample: {error}"));
        let found = decoded(&decoder(file), &sample);
        let path = samples.join(format!("{stem}.expected"));
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            std::fs::write(&path, &found).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap();
        assert_eq!(found, expected, "{}", path.display());
    }
}

#[test]
fn every_sigma_route_names_fields_that_the_samples_have() {
    let decoder = decoder("nginx_access.yml");
    let route = decoder.log_source().sigma.first().unwrap();
    let names: Vec<&str> = route.fields.values().map(String::as_str).collect();
    let sample = include_str!("samples/nginx_access.log");
    let out = decoded(&decoder, sample.as_bytes());
    for name in names {
        assert!(out.contains(&format!("\"{name}\":")), "no event has `{name}`");
    }
}

#[test]
fn windows_events_are_the_same_as_xml() {
    let [json, xml] = ["windows_events.yml", "windows_events_xml.yml"].map(decoder);
    let (json, xml) = (json.log_source(), xml.log_source());
    assert_eq!(xml.table, json.table);
    assert_eq!((&xml.lift, &xml.time), (&json.lift, &json.time));
    assert_eq!((&xml.fields, &xml.related, &xml.sigma), (&json.fields, &json.related, &json.sigma));
    // A record in both spellings has the same fields at the top.
    let as_xml = "<Event><System><Provider Name='P'/><EventID Qualifiers='7'>4624</EventID>\
        <TimeCreated SystemTime='2026-11-24T07:00:00Z'/><Channel>Security</Channel>\
        <Computer>web</Computer></System><EventData><Data Name='TargetUserName'>anna</Data>\
        <Data Name='IpAddress'>192.0.2.1</Data></EventData></Event>";
    let as_json = r##"{"Event":{"System":{"Provider":{"#attributes":{"Name":"P"}},"EventID":{"#attributes":{"Qualifiers":7},"#text":4624},"TimeCreated":{"#attributes":{"SystemTime":"2026-11-24T07:00:00Z"}},"Channel":"Security","Computer":"web"},"EventData":{"TargetUserName":"anna","IpAddress":"192.0.2.1"}}}"##;
    assert_eq!(
        decoded(&decoder("windows_events_xml.yml"), as_xml.as_bytes()),
        decoded(&decoder("windows_events.yml"), as_json.as_bytes())
    );
}

#[test]
fn declared_columns_hold_what_is_normalized() {
    for (file, _) in shipped() {
        let decoder = decoder(file);
        let columns = decoder.log_source().normalized_columns();
        let mut names: Vec<&str> = columns.iter().map(|(path, _)| path.as_str()).collect();
        assert!(names.iter().any(|name| name.starts_with("related.")), "{file}");
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), columns.len(), "{file} declares a column twice");
    }
}
