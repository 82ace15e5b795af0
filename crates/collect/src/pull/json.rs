//! Answers in JSON, taken apart without being rewritten: a record keeps every digit of its numbers.

use std::{borrow::Cow, collections::BTreeMap};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::spec::Path;

type Members<'j> = BTreeMap<Cow<'j, str>, &'j RawValue>;

/// Borrowed where a name has no escapes in it.
#[derive(Deserialize)]
#[serde(transparent)]
struct Object<'j>(#[serde(borrow)] Members<'j>);

/// The value at a path; `None` if there is none.
pub(super) fn at<'j>(value: &'j RawValue, path: &Path) -> Option<&'j RawValue> {
    let mut value = value;
    for name in &path.0 {
        let Object(members) = serde_json::from_str(value.get()).ok()?;
        value = members.get(name.as_str()).copied()?;
    }
    Some(value)
}

/// The elements of a list.
pub(super) fn elements(list: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(list.get()).ok()
}

/// A value as text: a text as it is, a number as it is written, a list with commas between; `None` for
/// nothing, an empty text and objects.
pub(super) fn text(value: &RawValue) -> Option<String> {
    let written = value.get();
    let text = match written.as_bytes().first()? {
        b'"' => serde_json::from_str::<String>(written).ok()?,
        b'[' => {
            let parts = elements(value)?;
            parts.iter().map(|part| text(part)).collect::<Option<Vec<_>>>()?.join(",")
        }
        b'{' | b'n' => return None,
        _ => written.to_owned(),
    };
    (!text.is_empty()).then_some(text)
}

/// The text at a path.
pub(super) fn text_at(value: &RawValue, path: &Path) -> Option<String> {
    text(at(value, path)?)
}

/// A record on one line. JSON has line breaks between its parts alone, never inside a text.
pub(super) fn on_one_line(value: &RawValue) -> Vec<u8> {
    let breaks = |byte: u8| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte };
    value.get().bytes().map(breaks).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(names: &[&str]) -> Path {
        Path(names.iter().map(|&name| name.to_owned()).collect())
    }

    #[test]
    fn values_are_found_and_kept_as_they_are_written() {
        let body = r#"{"meta":{"next":"a\/b","n":1.50,"none":null,"off":["1","x"]},
            "@odata.nextLink":"u","list":[{"a":
            10000000000000000000001},{}]}"#;
        let body: &RawValue = serde_json::from_str(body).unwrap();
        assert_eq!(text_at(body, &path(&["meta", "next"])).as_deref(), Some("a/b"));
        assert_eq!(text_at(body, &path(&["meta", "n"])).as_deref(), Some("1.50"));
        assert_eq!(text_at(body, &path(&["meta", "off"])).as_deref(), Some("1,x"));
        assert_eq!(text_at(body, &path(&["@odata.nextLink"])).as_deref(), Some("u"));
        for nothing in [&["meta", "none"][..], &["meta"], &["meta", "x"], &["list", "a"]] {
            assert_eq!(text_at(body, &path(nothing)), None, "{nothing:?}");
        }
        let list = elements(at(body, &path(&["list"])).unwrap()).unwrap();
        let line = String::from_utf8(on_one_line(list[0])).unwrap();
        assert!(line.contains("10000000000000000000001") && !line.contains('\n'), "{line}");
        assert!(elements(body).is_none());
    }
}
