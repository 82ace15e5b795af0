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
    basic::Encoding, file::properties::WriterPropertiesBuilder, schema::types::ColumnPath,
};

use crate::schema;

/// How many values are looked at. Fewer would not do: of addresses that come again and again, half
/// of the first thousand are new.
const VALUES_MAX: usize = 8192;
/// How many are looked at of a column that repeats.
const VALUES_FEW: usize = 1024;
/// Below this there is nothing to be gained.
const VALUES_MIN: usize = 64;

/// Tells the writer of columns whose values are mostly different from each other.
pub(crate) fn suit(
    properties: WriterPropertiesBuilder,
    first: &RecordBatch,
) -> WriterPropertiesBuilder {
    let mut unlike = Vec::new();
    for (field, column) in first.schema().fields().iter().zip(first.columns()) {
        // The event's id has an encoding of its own.
        if field.name() == schema::EVENT_ID {
            continue;
        }
        look(&mut vec![field.name().clone()], column, &mut unlike);
    }
    let suited = |properties: WriterPropertiesBuilder, path| {
        properties
            .set_column_dictionary_enabled(ColumnPath::clone(&path), false)
            .set_column_encoding(path, Encoding::DELTA_LENGTH_BYTE_ARRAY)
    };
    unlike.into_iter().fold(properties, suited)
}

/// Looks at a column, or at the members of an object. Lists repeat: they are those of the pivots.
fn look(path: &mut Vec<String>, column: &ArrayRef, unlike: &mut Vec<ColumnPath>) {
    if let Some(object) = column.as_struct_opt() {
        for (field, member) in object.fields().iter().zip(object.columns()) {
            path.push(field.name().clone());
            look(path, member, unlike);
            path.pop();
        }
        return;
    }
    if column.as_string_opt::<i32>().is_some_and(hardly_repeats) {
        unlike.push(ColumnPath::new(path.clone()));
    }
}

/// Not if too little is known.
fn hardly_repeats(texts: &StringArray) -> bool {
    let mut seen = HashSet::with_capacity(VALUES_FEW);
    let mut values = 0;
    for text in texts.iter().flatten().take(VALUES_MAX) {
        values += 1;
        seen.insert(text);
        if values == VALUES_FEW && seen.len() < VALUES_FEW / 4 {
            return false;
        }
    }
    values >= VALUES_MIN && seen.len() * 2 >= values
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
        let judged = |rows, text: fn(usize) -> Option<String>| {
            hardly_repeats(texts(rows, text).as_string_opt::<i32>().unwrap())
        };
        assert!(judged(5000, |row| Some(format!("{row:036}"))));
        assert!(!judged(5000, |row| Some(format!("10.0.0.{}", row % 200))));
        assert!(!judged(5000, |row| Some(format!("10.0.{}", row % 2000))));
        assert!(judged(5000, |row| (row % 50 == 0).then(|| row.to_string())));
        assert!(!judged(50, |row| Some(row.to_string())), "too few to say");
        assert!(!judged(5000, |_| None));
        assert!(!judged(0, |_| None));
    }

    #[test]
    fn the_event_s_id_keeps_its_encoding() {
        let ids = texts(1000, |row| Some(format!("{row:036}")));
        let schema = Schema::new(vec![Field::new(schema::EVENT_ID, DataType::Utf8, true)]);
        let rows = RecordBatch::try_new(Arc::new(schema), vec![ids]).unwrap();
        let base = super::super::base_properties();
        let properties = suit(base, &rows).build();
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
        let properties = suit(WriterProperties::builder(), &rows).build();
        let path = |name: &str| ColumnPath::new(vec!["user".to_owned(), name.to_owned()]);
        assert!(!properties.dictionary_enabled(&path("id")));
        assert_eq!(properties.encoding(&path("id")), Some(Encoding::DELTA_LENGTH_BYTE_ARRAY));
        assert!(properties.dictionary_enabled(&path("kind")));
    }
}
