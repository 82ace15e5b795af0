//! Elasticsearch's `_bulk`: actions and documents, line by line.

use std::borrow::Cow;

use super::record::{Members, PushError, Pushed, Record, add_member, check_count, quoted, text_of};

const PROTOCOL: &str = "Elasticsearch bulk request";

/// One action of a bulk request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkItem<'a> {
    /// `index`, `create`, `update` or `delete`.
    pub action: String,
    /// The index it names, or the request does.
    pub index: String,
    /// The document's id, where the client gives one.
    pub id: Option<String>,
    /// The document; `None` where the action is not one that adds a document.
    pub document: Option<Pushed<'a>>,
}

/// The actions of a bulk request. `index`: the one that the request's path names.
///
/// # Errors
/// If a line that should be an action is none, a document is missing, or there are too many.
pub fn bulk<'a>(body: &'a [u8], index: Option<&str>) -> Result<Vec<BulkItem<'a>>, PushError> {
    let mut items = Vec::new();
    let text = std::str::from_utf8(body)
        .map_err(|error| PushError::malformed(PROTOCOL, items.len(), error))?;
    let mut lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    while let Some(line) = lines.next() {
        if line.trim().is_empty() {
            continue;
        }
        let mut item = action(line, index, items.len())?;
        if item.action != "delete" {
            let document = lines.next().filter(|line| !line.trim().is_empty());
            let document = document.ok_or_else(|| {
                PushError::malformed(PROTOCOL, items.len(), "the action has no document")
            })?;
            if item.action != "update" {
                item.document = Some(bulk_document(document, &item.index, item.id.as_deref()));
            }
        }
        items.push(item);
        check_count(items.len())?;
    }
    Ok(items)
}

/// A document that is to be stored in an index.
#[must_use]
pub fn bulk_document<'a>(document: &'a str, index: &str, id: Option<&str>) -> Pushed<'a> {
    let mut about = String::new();
    add_member(&mut about, "index", &quoted(index));
    if let Some(id) = id {
        add_member(&mut about, "id", &quoted(id));
    }
    Pushed { names: names(index), about, record: Record::Json(Cow::Borrowed(document)) }
}

/// The index's name, and of a data stream (`logs-okta.system-default`) the data set.
fn names(index: &str) -> Vec<String> {
    let mut names = vec![index.to_owned()];
    let mut parts = index.splitn(3, '-');
    if let (Some("logs"), Some(data_set)) = (parts.next(), parts.next()) {
        names.push(data_set.to_owned());
    }
    names
}

fn action<'a>(line: &str, index: Option<&str>, number: usize) -> Result<BulkItem<'a>, PushError> {
    let malformed = |reason: &dyn std::fmt::Display| {
        PushError::malformed(PROTOCOL, number, format!("the action can't be read: {reason}"))
    };
    let Members(actions) = serde_json::from_str(line).map_err(|error| malformed(&error))?;
    let [(name, value)] = actions.as_slice() else {
        return Err(malformed(&"an action is an object with one member"));
    };
    if !matches!(name.as_str(), "index" | "create" | "update" | "delete") {
        return Err(malformed(&format!(
            "`{name}` is none of `index`, `create`, `update`, `delete`"
        )));
    }
    let Members(says) = serde_json::from_str(value.get()).map_err(|error| malformed(&error))?;
    let say =
        |key: &str| says.iter().find(|(name, _)| name == key).and_then(|(_, value)| text_of(value));
    let index = say("_index").or_else(|| index.map(ToOwned::to_owned));
    let index = index.ok_or_else(|| malformed(&"it names no index, nor does the path"))?;
    Ok(BulkItem { action: name.clone(), index, id: say("_id"), document: None })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn actions_are_read_with_their_documents() {
        let body = "{\"index\":{\"_index\":\"logs-okta.system-default\",\"_id\":\"7\"}}\n{\"a\":1}\r\n\
            {\"create\":{}}\n{\"b\":2}\n\n{\"delete\":{\"_id\":\"1\"}}\n{\"update\":{\"_id\":\"2\"}}\n{\"doc\":{}}\n\n";
        let items = bulk(body.as_bytes(), Some("web")).unwrap();
        let actions: Vec<_> = items.iter().map(|item| item.action.as_str()).collect();
        assert_eq!(actions, ["index", "create", "delete", "update"]);
        let first = items[0].document.as_ref().unwrap();
        assert_eq!(first.names, ["logs-okta.system-default", "okta.system"]);
        assert_eq!(first.about, r#""index":"logs-okta.system-default","id":"7""#);
        assert_eq!(first.record, Record::Json(r#"{"a":1}"#.into()));
        assert_eq!((items[1].index.as_str(), items[1].id.as_deref()), ("web", None));
        assert_eq!((&items[2].document, &items[3].document), (&None, &None));
    }

    #[test]
    fn what_is_no_action_is_told_with_its_number() {
        let good = "{\"index\":{\"_index\":\"a\"}}\n{}\n";
        for (line, expected) in [
            ("{\"index\":{\"_index\":\"a\"}}", "the action has no document"),
            (
                "{\"index\":{}}\n{}",
                "the action can't be read: it names no index, nor does the path",
            ),
            ("{}\n{}", "the action can't be read: an action is an object with one member"),
            (
                "{\"drop\":{}}",
                "the action can't be read: `drop` is none of `index`, `create`, `update`, `delete`",
            ),
        ] {
            let error = bulk(format!("{good}{line}").as_bytes(), None).unwrap_err();
            assert_eq!(error, PushError::malformed(PROTOCOL, 1, expected));
        }
        assert!(bulk(b"rubbish", None).is_err());
        assert!(bulk(b"{\"index\":{\"_index\":\"\xff\"}}", None).is_err());
    }

    proptest! {
        #[test]
        fn documents_come_as_they_were_written(
            documents in proptest::collection::vec("[^\\s][^\\n\\r]*", 0..6),
        ) {
            let line = |text: &String| format!("{{\"index\":{{}}}}\n{text}\n");
            let body: String = documents.iter().map(line).collect();
            let items = bulk(body.as_bytes(), Some("i")).unwrap();
            let found: Vec<_> =
                items.into_iter().map(|item| item.document.unwrap().record).collect();
            let expected: Vec<_> =
                documents.iter().map(|text| Record::Json(text.into())).collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn no_body_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(bulk(&body, None));
        }
    }
}
