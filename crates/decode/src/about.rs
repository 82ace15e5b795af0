//! What a client said beside a record, where it came by a protocol that has room for it.
//!
//! It stands before the record, on the same line: the character U+001E, a JSON object, U+001E, the
//! record. So it is in the cold tier and in the quarantine along with the record, and is there again
//! when either is replayed. Its members become fields of the event.

use base::{ABOUT_MARK, Object, Value};

use crate::parse;

/// What is said beside a record, and the record. One whose beginning only looks like it is left whole.
pub(crate) fn split(bytes: &[u8]) -> (Option<Object<'_>>, &[u8]) {
    let parts = || {
        let inner = bytes.strip_prefix(&[ABOUT_MARK])?;
        let end = memchr::memchr(ABOUT_MARK, inner)?;
        let text = std::str::from_utf8(inner.get(..end)?).ok()?;
        let Ok(Value::Object(about)) = parse::parse_text(text, None) else { return None };
        Some((about, inner.get(end + 1..)?))
    };
    parts().map_or((None, bytes), |(about, record)| (Some(about), record))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_record_is_told_from_what_is_said_beside_it() {
        let (about, record) = split(b"\x1e{\"hec\":{\"host\":\"h\"}}\x1erec\x1eord");
        let mut json = String::new();
        about.unwrap().write_json(&mut json);
        assert_eq!((json.as_str(), record), ("{\"hec\":{\"host\":\"h\"}}", &b"rec\x1eord"[..]));
        for whole in [&b"record"[..], b"\x1e{}", b"\x1e[]\x1ex", b"\x1e{\"a\":1\x1ex", b"", b"\x1e"]
        {
            assert_eq!(split(whole), (None, whole));
        }
    }

    proptest! {
        #[test]
        fn any_record_can_be_shielded(record in proptest::collection::vec(any::<u8>(), 0..40)) {
            let bytes = [b"\x1e{}\x1e", record.as_slice()].concat();
            prop_assert_eq!(split(&bytes), (Some(Object::new()), record.as_slice()));
        }
    }
}
