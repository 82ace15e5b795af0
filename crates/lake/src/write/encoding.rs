//! Which encoding suits a column, judged by the first rows of its file.
//!
//! Parquet's dictionaries are right for what repeats: names, addresses, codes. Ids, times as text and
//! whole messages hardly do. A dictionary of them is a second copy with numbers beside it: it costs
//! the most of all encoding, and whoever reads one page must read all of it. Such columns are written
//! as their lengths and then their texts, which zstd does better on than on the two mixed.
//!
//! A wrong guess costs bytes, and is never seen otherwise.

use arrow::{
    array::{ArrayRef, AsArray, StringArray},
    record_batch::RecordBatch,
};
use foldhash::{HashSet, HashSetExt as _};
use parquet::{
    basic::{Compression, Encoding, ZstdLevel},
    file::properties::WriterPropertiesBuilder,
    schema::types::ColumnPath,
};

use crate::schema;

/// How many values are looked at. Fewer would not do: of addresses that come again and again, half
/// of the first thousand are new.
const VALUES_MAX: usize = 8192;
/// How many are looked at of a column that repeats.
const VALUES_FEW: usize = 1024;
/// Below this there is nothing to be gained.
const VALUES_MIN: usize = 64;
/// From this length on, on average, a text is a message: long enough to have much in common with the one
/// before, which zstd's first level does not find.
const MESSAGE_BYTES: usize = 128;

/// What is said of a text column that hardly repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unlike {
    /// Ids, times.
    Short,
    /// Messages.
    Message,
}

/// Tells the writer of columns whose values are mostly different from each other. `level` is that of
/// zstd for messages.
pub(crate) fn suit(
    properties: WriterPropertiesBuilder,
    first: &RecordBatch,
    level: ZstdLevel,
) -> WriterPropertiesBuilder {
    let mut unlike = Vec::new();
    for (field, column) in first.schema().fields().iter().zip(first.columns()) {
        // The event's id has an encoding of its own.
        if field.name() == schema::EVENT_ID {
            continue;
        }
        look(&mut vec![field.name().clone()], column, &mut unlike);
    }
    let suited = |properties: WriterPropertiesBuilder, (path, kind)| {
        let properties = properties
            .set_column_dictionary_enabled(ColumnPath::clone(&path), false)
            .set_column_encoding(ColumnPath::clone(&path), Encoding::DELTA_LENGTH_BYTE_ARRAY);
        match kind {
            Unlike::Short => properties,
            Unlike::Message => properties.set_column_compression(path, Compression::ZSTD(level)),
        }
    };
    unlike.into_iter().fold(properties, suited)
}

/// Looks at a column, or at the members of an object. Lists repeat: they are those of the pivots.
fn look(path: &mut Vec<String>, column: &ArrayRef, unlike: &mut Vec<(ColumnPath, Unlike)>) {
    if let Some(object) = column.as_struct_opt() {
        for (field, member) in object.fields().iter().zip(object.columns()) {
            path.push(field.name().clone());
            look(path, member, unlike);
            path.pop();
        }
        return;
    }
    if let Some(kind) = column.as_string_opt::<i32>().and_then(judge) {
        unlike.push((ColumnPath::new(path.clone()), kind));
    }
}

/// `None` for a column that repeats, or of which too little is known.
fn judge(texts: &StringArray) -> Option<Unlike> {
    let mut seen = HashSet::with_capacity(VALUES_FEW);
    let (mut values, mut bytes) = (0, 0);
    for text in texts.iter().flatten().take(VALUES_MAX) {
        values += 1;
        bytes += text.len();
        seen.insert(text);
        if values == VALUES_FEW && seen.len() < VALUES_FEW / 4 {
            return None;
        }
    }
    if values < VALUES_MIN || seen.len() * 2 < values {
        return None;
    }
    Some(if bytes / values >= MESSAGE_BYTES { Unlike::Message } else { Unlike::Short })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{Array as _, StructArray},
        datatypes::{DataType, Field, Schema},
    };
    use parquet::file::properties::WriterProperties;

    use super::*;

    fn texts(rows: usize, text: impl Fn(usize) -> Option<String>) -> ArrayRef {
        Arc::new((0..rows).map(text).collect::<StringArray>())
    }

    #[test]
    fn tells_what_repeats_from_what_does_not() {
        let kind = |rows, text: fn(usize) -> Option<String>| {
            judge(texts(rows, text).as_string_opt::<i32>().unwrap())
        };
        assert_eq!(kind(5000, |row| Some(format!("{row:036}"))), Some(Unlike::Short));
        assert_eq!(kind(5000, |row| Some(format!("{row:0200}"))), Some(Unlike::Message));
        assert_eq!(kind(5000, |row| Some(format!("10.0.0.{}", row % 200))), None);
        assert_eq!(kind(5000, |row| Some(format!("10.0.{}", row % 2000))), None);
        assert_eq!(kind(5000, |row| (row % 50 == 0).then(|| row.to_string())), Some(Unlike::Short));
        assert_eq!(kind(50, |row| Some(row.to_string())), None, "too few to say");
        assert_eq!(kind(5000, |_| None), None);
        assert_eq!(kind(0, |_| None), None);
    }

    #[test]
    fn the_event_s_id_keeps_its_encoding() {
        let ids = texts(1000, |row| Some(format!("{row:036}")));
        let schema = Schema::new(vec![Field::new(schema::EVENT_ID, DataType::Utf8, true)]);
        let rows = RecordBatch::try_new(Arc::new(schema), vec![ids]).unwrap();
        let base = super::super::base_properties();
        let properties = suit(base, &rows, ZstdLevel::default()).build();
        let path = ColumnPath::from(schema::EVENT_ID);
        assert_eq!(properties.encoding(&path), Some(Encoding::DELTA_BYTE_ARRAY));
    }

    #[test]
    fn members_of_objects_are_named_by_their_paths() {
        let id = texts(1000, |row| Some(format!("{row:036}")));
        let kind = texts(1000, |row| Some(format!("kind {}", row % 7)));
        let member = |name| Arc::new(Field::new(name, DataType::Utf8, true));
        let object = StructArray::from(vec![(member("id"), id), (member("kind"), kind)]);
        let schema = Schema::new(vec![Field::new("user", object.data_type().clone(), true)]);
        let rows = RecordBatch::try_new(Arc::new(schema), vec![Arc::new(object)]).unwrap();
        let level = ZstdLevel::default();
        let properties = suit(WriterProperties::builder(), &rows, level).build();
        let path = |name: &str| ColumnPath::new(vec!["user".to_owned(), name.to_owned()]);
        assert!(!properties.dictionary_enabled(&path("id")));
        assert_eq!(properties.encoding(&path("id")), Some(Encoding::DELTA_LENGTH_BYTE_ARRAY));
        assert!(properties.dictionary_enabled(&path("kind")));
    }
}
