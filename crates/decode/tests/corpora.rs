//! Real logs decode: those of `DAB_CORPORA`, which others recorded.
//!
//! Where the folder is absent the tests say so and pass, except on a build server (`CI=true`).

#![cfg(test)]

use std::{collections::BTreeMap, fs::File, io::Read as _, path::PathBuf};

use base::{ColumnType, Event, ObjectHash, Timestamp};
use dab_decode::{At, Decoder, Frame, FrameState, Framer, LogSource, shipped};

fn corpora() -> Option<PathBuf> {
    let folder = std::env::var_os("DAB_CORPORA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora"),
        PathBuf::from,
    );
    if folder.is_dir() {
        return Some(folder);
    }
    let is_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(!is_ci, "DAB_CORPORA names no folder");
    println!("skipped: DAB_CORPORA names no folder");
    None
}

fn decoder(file: &str) -> Decoder {
    let (_, text) = shipped().iter().find(|(name, _)| *name == file).unwrap();
    Decoder::new(LogSource::parse(file, text).unwrap()).unwrap()
}

/// Decodes an object in pieces as large as those that are read from buckets. Answers how many
/// events there were; anything else than an event fails the test.
fn decode(decoder: &Decoder, object: &[u8], each: &mut dyn FnMut(&Event<'_>)) -> usize {
    const PIECE: usize = 256 << 10;
    let mut framer = Framer::new(&decoder.log_source().format, FrameState::default(), 0);
    let (mut boundary, mut end, mut count) = (0, 0, 0);
    while end < object.len() {
        end = object.len().min(end + PIECE);
        boundary += framer.frame(&object[boundary..end], end == object.len(), &mut |frame| {
            let Frame::Record { offset, bytes, header } = frame else { panic!("{frame:?}") };
            let at = At {
                object: "o",
                object_hash: ObjectHash::of(&["o"]),
                offset,
                ingest_time: Timestamp::parse("2026-11-24T08:00:00Z").unwrap(),
                header: header.as_ref(),
            };
            match decoder.decode(bytes, &at) {
                Ok(event) => each(&event),
                Err(reject) => panic!("{reject}\n{}", String::from_utf8_lossy(bytes)),
            }
            count += 1;
        });
    }
    assert_eq!(boundary, object.len());
    count
}

/// What is normalized has the type that its column declares.
fn check_types(columns: &[(base::FieldPath, ColumnType)], event: &Event<'_>) {
    use base::Value;
    for (path, column) in columns {
        let fits = match (event.normalized.get_path(path), column) {
            (None | Some(Value::Text(_)), ColumnType::Text)
            | (None | Some(Value::Int(_)), ColumnType::Int)
            | (None | Some(Value::Float(_)), ColumnType::Float)
            | (None | Some(Value::Bool(_)), ColumnType::Bool)
            | (None, ColumnType::TextList) => true,
            (Some(Value::List(members)), ColumnType::TextList) => {
                members.iter().all(|member| member.as_str().is_some())
            }
            _ => false,
        };
        assert!(fits, "{} in {}", path.as_str(), event.to_json());
    }
}

#[test]
fn every_cloudtrail_record_decodes() {
    let Some(corpora) = corpora() else { return };
    let decoder = decoder("aws_cloudtrail.yml");
    let columns = decoder.log_source().normalized_columns();
    let (mut files, mut events, mut with_address) = (0, 0, 0);
    for folder in ["aws_dataset", "stratus"] {
        for entry in std::fs::read_dir(corpora.join("cloudtrail").join(folder)).unwrap() {
            let file = File::open(entry.unwrap().path()).unwrap();
            let mut object = Vec::new();
            flate2::read::MultiGzDecoder::new(file).read_to_end(&mut object).unwrap();
            let ip = base::FieldPath::new("source.ip");
            events += decode(&decoder, &object, &mut |event| {
                check_types(&columns, event);
                assert_same_json(&object, event, &|_| {});
                with_address += usize::from(event.normalized.get_path(&ip).is_some());
            });
            files += 1;
        }
    }
    println!("{events} CloudTrail events in {files} files, {with_address} with an address");
    assert!(files >= 80 && events >= 2_900 && with_address > 1_000, "{files} {events}");
}

/// What the log source adds to records that are flat already.
fn as_lifted(record: &mut serde_json::Map<String, serde_json::Value>) {
    for (from, to) in [("SourceName", "Provider_Name"), ("Hostname", "Computer")] {
        if let (Some(value), None) = (record.get(from), record.get(to)) {
            record.insert(to.to_owned(), value.clone());
        }
    }
    if let Some(host) = record.remove("host") {
        record.insert("logstash_host".to_owned(), host);
    }
    if let (Some(_), None) = (record.get("message"), record.get("Message")) {
        let message = record.remove("message").unwrap();
        record.insert("Message".to_owned(), message);
    }
}

/// The event's fields are the record's, as `serde_json` reads both and `change` changes them.
fn assert_same_json(
    object: &[u8],
    event: &Event<'_>,
    change: &dyn Fn(&mut serde_json::Map<String, serde_json::Value>),
) {
    let start = usize::try_from(event.origin.offset).unwrap();
    let mut values = serde_json::Deserializer::from_slice(&object[start..]).into_iter();
    let mut record: serde_json::Value = values.next().unwrap().unwrap();
    change(record.as_object_mut().unwrap());
    let fields: serde_json::Value = serde_json::from_str(&event.to_json()).unwrap();
    assert_eq!(fields, record);
}

#[test]
fn windows_events_decode() {
    let Some(corpora) = corpora() else { return };
    let file = File::open(corpora.join("mordor/windows-attacks.ndjson.zst")).unwrap();
    let mut object = Vec::new();
    zstd::stream::read::Decoder::new(file).unwrap().read_to_end(&mut object).unwrap();
    let decoder = decoder("windows_events.yml");
    let columns = decoder.log_source().normalized_columns();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let mut number = 0;
    let count = decode(&decoder, &object, &mut |event| {
        number += 1;
        // Reading everything back is slow in a debug build.
        if number % 7 == 0 {
            check_types(&columns, event);
            let is_flat = !event.fields.iter().any(|(key, _)| key == "@metadata");
            if is_flat {
                assert_same_json(&object, event, &as_lifted);
            }
        }
        // What Sigma's rules name is at the top, whichever collector wrote the record.
        for name in ["Channel", "EventID", "Provider_Name", "Computer"] {
            assert!(event.fields.get(name).is_some(), "{name} in {}", event.to_json());
        }
        for (path, _) in &columns {
            if event.normalized.get_path(path).is_some() {
                *seen.entry(path.as_str()).or_default() += 1;
            }
        }
    });
    println!("{count} Windows events");
    for (path, _) in &columns {
        println!("{:>8} {}", seen.get(path.as_str()).unwrap_or(&0), path.as_str());
    }
    assert!(count >= 120_000, "{count}");
    assert!(seen["process.executable"] > 90_000 && seen["process.pid"] > 90_000, "{seen:?}");
}

/// The lines of a log type in the crowdsec corpus that look like what the log source is for.
fn crowdsec_lines(corpora: &std::path::Path, log_types: &[&str]) -> Vec<String> {
    let file = File::open(corpora.join("crowdsec/crowdsec.dev.ndjson.gz")).unwrap();
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
    let mut lines = Vec::new();
    for case in text.lines() {
        let case: serde_json::Value = serde_json::from_str(case).unwrap();
        if log_types.contains(&case["log_type"].as_str().unwrap_or_default()) {
            lines.extend(case["log"].as_str().unwrap().lines().map(str::to_owned));
        }
    }
    lines
}

#[test]
fn nginx_lines_are_taken_apart() {
    let Some(corpora) = corpora() else { return };
    let mut lines = crowdsec_lines(&corpora, &["nginx"]);
    lines.retain(|line| line.contains("] \"") && !line.contains("[error]"));
    let decoder = decoder("nginx_access.yml");
    let status = base::FieldPath::new("http.response.status_code");
    let ip = base::FieldPath::new("source.ip");
    let mut matched = 0;
    let count = decode(&decoder, lines.join("\n").as_bytes(), &mut |event| {
        let found = |path| event.normalized.get_path(path).is_some();
        matched += usize::from(found(&status) && found(&ip));
    });
    println!("{matched} of {count} nginx lines");
    assert!(count > 100 && matched * 100 >= count * 98, "{matched} of {count}");
}

#[test]
fn sshd_lines_tell_who_and_from_where() {
    let Some(corpora) = corpora() else { return };
    let mut lines = crowdsec_lines(&corpora, &["syslog", "ssh", "sshd"]);
    lines.retain(|line| line.contains(" sshd["));
    let decoder = decoder("linux_sshd.yml");
    let (program, ip) = (base::FieldPath::new("program"), base::FieldPath::new("source.ip"));
    let (mut matched, mut with_address) = (0, 0);
    let count = decode(&decoder, lines.join("\n").as_bytes(), &mut |event| {
        matched += usize::from(event.fields.get_path(&program).is_some());
        with_address += usize::from(event.normalized.get_path(&ip).is_some());
    });
    println!("{matched} of {count} sshd lines, {with_address} with an address");
    assert!(count > 100 && matched * 100 >= count * 99, "{matched} of {count}");
    // Some of sshd's messages name no address.
    assert!(with_address * 100 >= count * 88, "{with_address} of {count}");
}

#[test]
fn normalized_names_and_types_are_those_of_ecs() {
    let Some(corpora) = corpora() else { return };
    let csv = std::fs::read_to_string(corpora.join("schemas/ecs-fields.csv")).unwrap();
    // ECS_Version,Indexed,Field_Set,Field,Type,…: none of these has commas or quotes.
    let types: BTreeMap<&str, &str> = csv
        .lines()
        .filter_map(|line| {
            let mut cells = line.split(',').skip(3);
            Some((cells.next()?, cells.next()?))
        })
        .collect();
    assert!(types.len() > 1_000);
    for (file, _) in shipped() {
        for (path, column) in decoder(file).log_source().normalized_columns() {
            let name = path.as_str();
            // Ours: people pivot by domain, too.
            if name == "related.domain" {
                continue;
            }
            let ecs = types.get(name).unwrap_or_else(|| panic!("{file}: ECS has no `{name}`"));
            let fits = match column {
                ColumnType::Int => matches!(*ecs, "long" | "integer"),
                ColumnType::Float => *ecs == "float",
                ColumnType::Bool => *ecs == "boolean",
                ColumnType::Text | ColumnType::TextList => {
                    matches!(
                        *ecs,
                        "keyword" | "ip" | "wildcard" | "match_only_text" | "constant_keyword"
                    )
                }
            };
            assert!(fits, "{file}: `{name}` is {column:?}, but {ecs} in ECS");
        }
    }
}
