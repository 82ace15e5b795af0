//! The same log records in both forms.

use proptest::prelude::*;

use super::*;

/// A field of a message.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    varint(&mut out, bytes.len() as u64);
    [out, bytes.to_vec()].concat()
}

fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        out.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
        number >>= 7;
    }
    out.push(u8::try_from(number).unwrap());
}

fn number(field: u8, number: u64) -> Vec<u8> {
    let mut out = vec![field << 3];
    varint(&mut out, number);
    out
}

fn fixed64(field: u8, number: u64) -> Vec<u8> {
    [&[field << 3 | 1][..], &number.to_le_bytes()].concat()
}

/// An `AnyValue`.
fn value(any: &Any) -> Vec<u8> {
    match any {
        Any::Nothing => Vec::new(),
        Any::Text(text) => field(1, text.as_bytes()),
        Any::Bool(value) => number(2, u64::from(*value)),
        Any::Int(int) => number(3, (*int).cast_unsigned()),
        Any::Double(double) => fixed64(4, double.to_bits()),
        Any::List(values) => {
            let values: Vec<_> = values.iter().map(|one| field(1, &value(one))).collect();
            field(5, &values.concat())
        }
        Any::Map(map) => {
            let values: Vec<_> = map.iter().map(|(k, v)| field(1, &key_value(k, v))).collect();
            field(6, &values.concat())
        }
        Any::Bytes(_) => field(7, b"\x00\xff"),
    }
}

fn key_value(key: &str, any: &Any) -> Vec<u8> {
    [field(1, key.as_bytes()), field(2, &value(any))].concat()
}

/// An `AnyValue` in JSON.
fn json_value(any: &Any) -> serde_json::Value {
    use serde_json::json;
    let pairs = |(key, any): &(String, Any)| json!({"key": key, "value": json_value(any)});
    match any {
        Any::Nothing => serde_json::Value::Null,
        Any::Text(text) => json!({ "stringValue": text }),
        Any::Bool(value) => json!({ "boolValue": value }),
        Any::Int(int) => json!({ "intValue": int.to_string() }),
        Any::Double(double) => json!({ "doubleValue": double }),
        Any::Bytes(_) => json!({ "bytesValue": "AP8=" }),
        Any::List(values) => {
            let values: Vec<_> = values.iter().map(json_value).collect();
            json!({ "arrayValue": {"values": values} })
        }
        Any::Map(map) => {
            let values: Vec<_> = map.iter().map(pairs).collect();
            json!({ "kvlistValue": {"values": values} })
        }
    }
}

fn any_value() -> impl Strategy<Value = Any> {
    let leaf = prop_oneof![
        "\\PC*".prop_map(Any::Text),
        any::<bool>().prop_map(Any::Bool),
        any::<i64>().prop_map(Any::Int),
        (-1.0e9..1.0e9).prop_map(Any::Double),
        Just(Any::Bytes("AP8=".to_owned())),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Any::List),
            proptest::collection::vec(("\\PC*", inner), 0..4).prop_map(Any::Map),
        ]
    })
}

proptest! {
    #[test]
    fn both_forms_say_the_same(
        body in any_value(),
        attributes in proptest::collection::vec(("[a-z.]{1,9}", any_value()), 0..4),
        time in any::<u64>(),
        severity in 0_u64..25,
    ) {
        let service = key_value("service.name", &Any::Text("web".into()));
        let mut record = [fixed64(1, time), number(2, severity), field(5, &value(&body))].concat();
        for (key, any) in &attributes {
            record.extend(field(6, &key_value(key, any)));
        }
        record.extend(field(9, &[0xab; 16]));
        record.extend(number(99, 7));
        let scope_logs = [field(2, &record), field(1, &field(1, b"lib"))].concat();
        let resource_logs = [field(2, &scope_logs), field(1, &field(1, &service))].concat();
        let protobuf = otlp_protobuf(&field(1, &resource_logs)).unwrap();

        let pair = |(k, v): &(String, Any)| serde_json::json!({"key": k, "value": json_value(v)});
        let json = serde_json::json!({"resourceLogs": [{
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "web"}}]},
            "scopeLogs": [{"scope": {"name": "lib"}, "logRecords": [{
                "timeUnixNano": time.to_string(),
                "severityNumber": severity,
                "body": json_value(&body),
                "attributes": attributes.iter().map(pair).collect::<Vec<_>>(),
                "traceId": "AB".repeat(16),
                "notKnown": 1,
            }]}],
        }]});
        let from_json = otlp_json(json.to_string().as_bytes()).unwrap();
        prop_assert_eq!(&protobuf, &from_json);
        prop_assert_eq!(&protobuf[0].names, &["web"]);
        let about = format!("{{{}}}", protobuf[0].about);
        prop_assert!(serde_json::from_str::<serde_json::Value>(&about).is_ok(), "{}", about);
    }

    #[test]
    fn no_body_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        drop(otlp_protobuf(&body));
        drop(otlp_json(&body));
    }
}

#[test]
fn a_record_is_told_in_the_protocols_names() {
    let body = br#"{"resourceLogs":[{"resource":{"attributes":[{"key":"host.name","value":{"stringValue":"h"}}]},
        "scopeLogs":[{"logRecords":[{"timeUnixNano":"5","observedTimeUnixNano":6,"severityNumber":9,
        "severityText":"INFO","body":{"stringValue":"hi"},"eventName":"e","spanId":"00ff",
        "attributes":[{"key":"n","value":{"intValue":"9007199254740993"}},{"key":"d","value":{"doubleValue":"NaN"}},
        {"key":"none"}]},{}]}]}]}"#;
    let records = otlp_json(body).unwrap();
    assert_eq!(
        records[0].about,
        r#""time_unix_nano":5,"observed_time_unix_nano":6,"severity_number":9,"severity_text":"INFO","event_name":"e","span_id":"00ff","attributes":{"n":9007199254740993,"d":"NaN","none":null},"resource":{"host.name":"h"}"#
    );
    assert_eq!(records[0].record, Record::Text("hi".into()));
    assert_eq!(records[1].record, Record::None);
}

#[test]
fn bodies_that_are_none_are_refused() {
    for (body, reason) in [
        (&[0x0a][..], "the message ends inside a field"),
        (&[0x0a, 5, 0], "a field is longer than its message"),
        (&[0x0b], "a field has a type that protobuf does not have"),
        (&[0xff; 11], "a number is longer than 64 bits"),
    ] {
        let expected = super::super::record::PushError::malformed(PROTOCOL, 0, reason);
        assert_eq!(otlp_protobuf(body), Err(expected));
    }
    let mut deep = field(1, b"x");
    for _ in 0..=DEPTH_MAX {
        deep = field(5, &field(1, &deep));
    }
    let message = field(1, &field(2, &field(2, &field(5, &deep))));
    assert!(otlp_protobuf(&message).unwrap_err().to_string().contains("too deeply"));
    assert!(otlp_json(b"[]x").is_err());
}
