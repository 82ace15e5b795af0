//! What a message announces, in the forms that buckets send.
//!
//! | form | of |
//! |---|---|
//! | `{"Records": […]}` | [S3](https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html); keys are encoded as in forms |
//! | `{"Type": "Notification", "Message": "…"}` | SNS, around one of the others |
//! | `{"detail-type": "Object Created", "detail": {…}}` | EventBridge; keys are as they are |
//! | attributes `bucketId`, `objectId`, `eventType` | [Cloud Storage](https://cloud.google.com/storage/docs/pubsub-notifications) by Pub/Sub |

use std::collections::BTreeMap;

use base::limits;
use serde::Deserialize;
use serde_json::Value;

/// An object that is announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The bucket.
    pub bucket: String,
    /// The whole key in it.
    pub key: String,
}

#[derive(Deserialize)]
struct S3Bucket {
    name: String,
}

#[derive(Deserialize)]
struct S3Object {
    key: String,
}

#[derive(Deserialize)]
struct S3 {
    bucket: S3Bucket,
    object: S3Object,
}

#[derive(Deserialize)]
struct S3Record {
    #[serde(rename = "eventName", default)]
    event_name: String,
    s3: S3,
}

/// What a message of SQS names: nothing, if it says that the queue works or that objects are gone.
///
/// # Errors
///
/// What is wrong with it, if it is none of S3's, bare or in an envelope of SNS or `EventBridge`.
pub fn of_s3(body: &[u8]) -> Result<Vec<Named>, String> {
    let message: Value =
        serde_json::from_slice(body).map_err(|error| format!("no JSON: {error}"))?;
    // SNS puts what it has to say into a text, and may itself be told by EventBridge.
    match inner(&message) {
        Some(text) => {
            let message: Value = serde_json::from_str(text)
                .map_err(|error| format!("no JSON in SNS's envelope: {error}"))?;
            of_s3_message(&message)
        }
        None => of_s3_message(&message),
    }
}

/// What is in the envelope of SNS.
fn inner(message: &Value) -> Option<&str> {
    let is_sns = message.get("Type").and_then(Value::as_str) == Some("Notification");
    message.get("Message").and_then(Value::as_str).filter(|_| is_sns)
}

fn of_s3_message(message: &Value) -> Result<Vec<Named>, String> {
    if message.get("Event").and_then(Value::as_str) == Some("s3:TestEvent") {
        return Ok(Vec::new());
    }
    if let Some(kind) = message.get("detail-type").and_then(Value::as_str) {
        return of_eventbridge(kind, message);
    }
    let Some(records) = message.get("Records").and_then(Value::as_array) else {
        return Err("neither S3 nor EventBridge sends such a message".to_owned());
    };
    if records.len() > limits::ANNOUNCED_OBJECTS_MAX {
        return Err(format!("it has more than {} records", limits::ANNOUNCED_OBJECTS_MAX));
    }
    let mut named = Vec::new();
    for record in records {
        let record = S3Record::deserialize(record)
            .map_err(|error| format!("a record is not as S3 writes it: {error}"))?;
        // `ObjectRestore:Completed`: what was archived can be read now.
        let name = record.event_name.trim_start_matches("s3:");
        if name.starts_with("ObjectCreated:") || name == "ObjectRestore:Completed" {
            let key = decoded(&record.s3.object.key)?;
            named.push(Named { bucket: record.s3.bucket.name, key });
        }
    }
    Ok(named)
}

fn of_eventbridge(kind: &str, message: &Value) -> Result<Vec<Named>, String> {
    if message.get("source").and_then(Value::as_str) != Some("aws.s3") {
        return Err("an event of EventBridge that is not of S3".to_owned());
    }
    if kind != "Object Created" && kind != "Object Restore Completed" {
        return Ok(Vec::new());
    }
    let detail = message.get("detail").ok_or("an event of EventBridge without `detail`")?;
    let S3 { bucket, object } = S3::deserialize(detail)
        .map_err(|error| format!("`detail` is not as S3 writes it: {error}"))?;
    Ok(vec![Named { bucket: bucket.name, key: object.key }])
}

/// What Cloud Storage says in the attributes of a message, or in its data.
pub(super) fn of_gcs(
    attributes: &BTreeMap<String, String>,
    data: &[u8],
) -> Result<Vec<Named>, String> {
    match attributes.get("eventType").map(String::as_str) {
        Some("OBJECT_FINALIZE") => {}
        // The object is gone, archived, or its content is as it was.
        Some("OBJECT_DELETE" | "OBJECT_ARCHIVE" | "OBJECT_METADATA_UPDATE") => {
            return Ok(Vec::new());
        }
        Some(other) => return Err(format!("`eventType` is `{other}`")),
        None => return Err("it has no attribute `eventType`".to_owned()),
    }
    if let (Some(bucket), Some(key)) = (attributes.get("bucketId"), attributes.get("objectId")) {
        return Ok(vec![Named { bucket: bucket.clone(), key: key.clone() }]);
    }
    let object: Value = serde_json::from_slice(data)
        .map_err(|_| "it has no attributes `bucketId` and `objectId`, and no JSON".to_owned())?;
    let text = |name: &str| object.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
    match (text("bucket"), text("name")) {
        (Some(bucket), Some(key)) => Ok(vec![Named { bucket, key }]),
        _ => Err("it names no bucket and object".to_owned()),
    }
}

/// A key as it is: blanks are sent as `+`, other bytes as `%` and two digits.
fn decoded(key: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(key.len());
    let mut rest = key.bytes();
    let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (high, low) = (digit(rest.next()), digit(rest.next()));
                let value = high.zip(low).map(|(high, low)| high * 16 + low);
                value
                    .and_then(|value| u8::try_from(value).ok())
                    .ok_or_else(|| format!("the key `{key}` is not encoded as S3 does"))?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| format!("the key `{key}` is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn shown(named: Result<Vec<Named>, String>) -> String {
        match named {
            Err(reason) => format!("! {reason}"),
            Ok(named) => {
                let all = named.iter().map(|named| format!("{}:{}", named.bucket, named.key));
                all.collect::<Vec<_>>().join(" ")
            }
        }
    }

    fn record(event: &str, key: &str) -> Value {
        json!({"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": event,
            "s3": {"s3SchemaVersion": "1.0", "bucket": {"name": "logs", "arn": "arn:aws:s3:::logs"},
                "object": {"key": key, "size": 3, "sequencer": "00"}}})
    }

    #[test]
    fn each_form_names_its_objects() {
        let direct = json!({"Records": [
            record("ObjectCreated:Put", "app/a+b%2B%C3%A9.json"),
            record("ObjectRemoved:Delete", "app/gone"),
            record("s3:ObjectCreated:CompleteMultipartUpload", "app%2Fold+shape"),
            record("ObjectRestore:Completed", "cold"),
        ]});
        let bridge = json!({"version": "0", "detail-type": "Object Created", "source": "aws.s3",
            "detail": {"bucket": {"name": "logs"}, "object": {"key": "a+b é.json", "size": 1}}});
        let sns = |inner: &Value| json!({"Type": "Notification", "Message": inner.to_string()});
        let test = json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "logs"});
        for (message, expected) in [
            (direct.clone(), "logs:app/a b+é.json logs:app/old shape logs:cold"),
            (sns(&direct), "logs:app/a b+é.json logs:app/old shape logs:cold"),
            (bridge.clone(), "logs:a+b é.json"),
            (sns(&bridge), "logs:a+b é.json"),
            (test.clone(), ""),
            (sns(&test), ""),
            (json!({"detail-type": "Object Deleted", "source": "aws.s3"}), ""),
            (
                json!({"detail-type": "Object Created", "source": "mine"}),
                "! an event of EventBridge that is not of S3",
            ),
            (
                json!({"Records": [record("ObjectCreated:Put", "a%zz")]}),
                "! the key `a%zz` is not encoded as S3 does",
            ),
            (
                json!({"Records": [record("ObjectCreated:Put", "a%ff")]}),
                "! the key `a%ff` is not UTF-8",
            ),
            (json!({"hello": 1}), "! neither S3 nor EventBridge sends such a message"),
            (json!(["Records"]), "! neither S3 nor EventBridge sends such a message"),
        ] {
            assert_eq!(shown(of_s3(message.to_string().as_bytes())), expected, "{message}");
        }
        assert!(of_s3(b"{").is_err());
    }

    #[test]
    fn cloud_storage_says_it_in_attributes() {
        let attributes = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let object = [("bucketId", "logs"), ("objectId", "app/a+b%20é.json")];
        let with = |event| attributes(&[&object[..], &[("eventType", event)]].concat());
        for (attributes, data, expected) in [
            (with("OBJECT_FINALIZE"), "", "logs:app/a+b%20é.json"),
            (with("OBJECT_DELETE"), "", ""),
            (with("OBJECT_METADATA_UPDATE"), "", ""),
            (with("OBJECT_EATEN"), "", "! `eventType` is `OBJECT_EATEN`"),
            (attributes(&[]), "", "! it has no attribute `eventType`"),
            (
                attributes(&[("eventType", "OBJECT_FINALIZE")]),
                r#"{"bucket":"logs","name":"x"}"#,
                "logs:x",
            ),
            (
                attributes(&[("eventType", "OBJECT_FINALIZE")]),
                "{}",
                "! it names no bucket and object",
            ),
        ] {
            assert_eq!(shown(of_gcs(&attributes, data.as_bytes())), expected);
        }
    }

    proptest! {
        #[test]
        fn keys_come_back_as_they_were(key in "\\PC{1,40}") {
            let encoded: String = url::form_urlencoded::byte_serialize(key.as_bytes()).collect();
            prop_assert_eq!(decoded(&encoded), Ok(key));
        }

        #[test]
        fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _named = of_s3(&bytes);
            let _named = of_gcs(&BTreeMap::from([("eventType".into(), "OBJECT_FINALIZE".into())]), &bytes);
        }
    }
}
