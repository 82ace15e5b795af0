//! The schema of an event table: the envelope, the columns that appeared, and what may become one.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use base::{ColumnType, FieldPath};

/// The event's own time.
pub const TIME: &str = "time";
/// When dab took the event in.
pub const INGEST_TIME: &str = "ingest_time";
/// The event's id.
pub const EVENT_ID: &str = "event_id";
/// The event's log source.
pub const LOG_SOURCE: &str = "log_source";
/// Where the event was read: `object` and `offset`.
pub const ORIGIN: &str = "origin";
/// What has no column of its own, as JSON text.
pub const REST: &str = "_rest";
/// The partition column: the day of `time`, UTC.
pub const DAY: &str = "day";

/// The columns that every event table has: no field of a source takes these names.
pub const RESERVED: [&str; 7] = [TIME, INGEST_TIME, EVENT_ID, LOG_SOURCE, ORIGIN, REST, DAY];

/// The key of a field's metadata that marks a text column as holding JSON.
pub const JSON_MARK: &str = "dab:json";

/// How deeply objects become structs; deeper ones go to `_rest`.
pub const STRUCT_DEPTH_MAX: usize = 8;

/// Microseconds, UTC: how every time is stored.
#[must_use]
pub fn timestamp_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from("UTC")))
}

/// A list of text. Delta names a list's member `element`.
#[must_use]
pub fn text_list_type() -> DataType {
    DataType::List(Arc::new(text_list_member()))
}

pub(crate) fn text_list_member() -> Field {
    Field::new("element", DataType::Utf8, true)
}

/// The members of `origin`.
#[must_use]
pub fn origin_fields() -> Fields {
    Fields::from(vec![
        Field::new("object", DataType::Utf8, true),
        Field::new("offset", DataType::Int64, true),
    ])
}

/// A text column that holds JSON.
#[must_use]
pub fn json_field(name: &str) -> Field {
    Field::new(name, DataType::Utf8, true)
        .with_metadata([(JSON_MARK.to_owned(), "true".to_owned())].into())
}

/// Whether a text column holds JSON.
#[must_use]
pub fn is_json(field: &Field) -> bool {
    field.metadata().get(JSON_MARK).is_some_and(|mark| mark == "true")
}

/// The columns before the source's own.
#[must_use]
pub fn envelope_fields() -> Vec<Field> {
    vec![
        Field::new(TIME, timestamp_type(), true),
        Field::new(INGEST_TIME, timestamp_type(), true),
        Field::new(EVENT_ID, DataType::Utf8, true),
        Field::new(LOG_SOURCE, DataType::Utf8, true),
        Field::new(ORIGIN, DataType::Struct(origin_fields()), true),
    ]
}

/// The schema of an event table with these columns of its source, partition column last.
#[must_use]
pub fn event_schema(own: impl IntoIterator<Item = Arc<Field>>) -> SchemaRef {
    let mut fields: Vec<Arc<Field>> = envelope_fields().into_iter().map(Arc::new).collect();
    fields.extend(own);
    fields.push(Arc::new(json_field(REST)));
    fields.push(Arc::new(Field::new(DAY, DataType::Date32, true)));
    Arc::new(Schema::new(fields))
}

/// The columns of an event table that are its source's own.
pub fn own_fields(schema: &Schema) -> impl Iterator<Item = &Arc<Field>> {
    schema.fields().iter().filter(|field| !RESERVED.contains(&field.name().as_str()))
}

/// The columns that a log source declares, nested by their paths. A name that is under another
/// one that is no object is left out.
#[must_use]
pub fn declared_fields(columns: &[(FieldPath, ColumnType)]) -> Fields {
    let mut fields = Vec::new();
    for (path, column_type) in columns {
        let parts: Vec<&str> = path.parts().collect();
        declare(&mut fields, &parts, *column_type);
    }
    Fields::from(fields)
}

fn declare(fields: &mut Vec<Arc<Field>>, path: &[&str], column_type: ColumnType) {
    let Some((name, inner)) = path.split_first() else { return };
    let known = fields.iter().position(|field| field.name() == name);
    if inner.is_empty() {
        if known.is_none() {
            fields.push(Arc::new(Field::new(*name, data_type(column_type), true)));
        }
        return;
    }
    let mut children = match known.and_then(|at| fields.get(at)).map(|field| field.data_type()) {
        None => Vec::new(),
        Some(DataType::Struct(children)) => children.iter().map(Arc::clone).collect(),
        Some(_) => return,
    };
    declare(&mut children, inner, column_type);
    let field = Arc::new(Field::new(*name, DataType::Struct(Fields::from(children)), true));
    match known.and_then(|at| fields.get_mut(at)) {
        Some(slot) => *slot = field,
        None => fields.push(field),
    }
}

fn data_type(column_type: ColumnType) -> DataType {
    match column_type {
        ColumnType::Text => DataType::Utf8,
        ColumnType::Int => DataType::Int64,
        ColumnType::Float => DataType::Float64,
        ColumnType::Bool => DataType::Boolean,
        ColumnType::TextList => text_list_type(),
    }
}

/// Two sets of columns as one; `None` if one name has two types.
#[must_use]
pub fn merge(current: &Fields, wanted: &Fields) -> Option<Fields> {
    let mut merged: Vec<Arc<Field>> = current.iter().map(Arc::clone).collect();
    for field in wanted {
        let Some(slot) = merged.iter_mut().find(|known| known.name() == field.name()) else {
            merged.push(Arc::clone(field));
            continue;
        };
        match (slot.data_type(), field.data_type()) {
            (DataType::Struct(known), DataType::Struct(new)) => {
                let inner = DataType::Struct(merge(known, new)?);
                *slot = Arc::new(slot.as_ref().clone().with_data_type(inner));
            }
            (known, new) if known.equals_datatype(new) => {}
            _ => return None,
        }
    }
    Some(Fields::from(merged))
}

/// Adds to a table's columns those that its log source declares, as far as their types agree: a
/// column that is there keeps its type.
#[must_use]
pub fn with_declared(current: &Fields, declared: &Fields) -> Fields {
    declared.iter().fold(current.clone(), |fields, field| {
        merge(&fields, &Fields::from(vec![Arc::clone(field)])).unwrap_or(fields)
    })
}

/// Whether a field's name can be a column's: not reserved, not empty, and without the characters
/// that Delta forbids (`PROTOCOL.md`, "Column Mapping": ` ,;{}()\n\t=`), nor dots, which mean
/// nesting.
#[must_use]
pub fn is_column_name(name: &str, nested: bool) -> bool {
    let reserved = !nested && RESERVED.iter().any(|word| word.eq_ignore_ascii_case(name));
    let forbidden =
        |c: char| matches!(c, ' ' | ',' | ';' | '{' | '}' | '(' | ')' | '=' | '.' | '`');
    !name.is_empty()
        && name.len() <= 128
        && !reserved
        && !name.chars().any(|c| forbidden(c) || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_columns_nest_and_leave_what_is_there_alone() {
        let columns = [
            (FieldPath::new("source.ip"), ColumnType::Text),
            (FieldPath::new("source.port"), ColumnType::Int),
            (FieldPath::new("source.ip.x"), ColumnType::Text),
            (FieldPath::new("related.ip"), ColumnType::TextList),
        ];
        let declared = declared_fields(&columns);
        let names = |fields: &Fields| {
            fields.iter().map(|field| format!("{} {}", field.name(), field.data_type())).collect()
        };
        let shown: Vec<String> = names(&declared);
        assert_eq!(shown.len(), 2, "{shown:?}");
        let current = Fields::from(vec![Field::new("source", DataType::Utf8, true)]);
        let both: Vec<String> = names(&with_declared(&current, &declared));
        assert_eq!(both.first().map(String::as_str), Some("source Utf8"));
        assert_eq!(both.len(), 2, "{both:?}");
    }

    #[test]
    fn names_that_engines_stumble_over_are_no_columns() {
        for name in ["eventName", "@timestamp", "cs-method", "größe", "a_b"] {
            assert!(is_column_name(name, false), "{name}");
        }
        for name in ["", "a b", "a.b", "x;", "Time", "EVENT_ID", "a\nb", "a=b"] {
            assert!(!is_column_name(name, false), "{name}");
        }
        assert!(is_column_name("time", true), "inside an object the name is free");
    }
}
