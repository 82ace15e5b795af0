//! Finds words and values in columns: the column-wise form of `search/eval.rs`.
//!
//! A word is looked for in the whole buffer of a text column at once and the hits are mapped to
//! rows: testing row by row, or column by column with `OR`, costs many times that.

use arrow::{
    array::{Array, ArrayRef, AsArray, DictionaryArray, ListArray, StringArray},
    compute::take,
    datatypes::Int32Type,
};
use base::{FieldPath, Value};

use super::{
    json,
    pattern::Needle,
    search::{
        ast::{Test, Word},
        eval::{any_scalar, passes, word_passes},
    },
    shape::{Shape, value_at},
};

/// Marks the rows of a column that a word is in. Rows that are marked already may be skipped.
pub(crate) fn mark_word(array: &ArrayRef, shape: &Shape, word: &Word, hits: &mut [bool]) {
    if let Some(dictionary) = array.as_dictionary_opt::<Int32Type>() {
        let mark = |texts: &ArrayRef, hits: &mut [bool]| mark_word(texts, shape, word, hits);
        return mark_dictionary(dictionary, hits, mark);
    }
    match shape {
        Shape::Text => {
            if let Some(texts) = array.as_string_opt::<i32>() {
                mark_text(texts, word, hits);
            }
        }
        Shape::Json => {
            if let Some(texts) = array.as_string_opt::<i32>() {
                mark_json(texts, word, hits);
            }
        }
        Shape::Int | Shape::Float if word.number.is_some() => {
            mark_rows(array, hits, |row| {
                value_at(array, shape, row).is_some_and(|value| word_passes(word, &value))
            });
        }
        Shape::List(member) => {
            if let Some(list) = array.as_list_opt::<i32>() {
                mark_list(list, hits, |inner| mark_word(list.values(), member, word, inner));
            }
        }
        Shape::Struct(members) => mark_struct(array, members, hits, |column, shape, inner| {
            mark_word(column, shape, word, inner);
        }),
        Shape::Int | Shape::Float | Shape::Bool | Shape::Time | Shape::Other => {}
    }
}

/// Marks the rows of a column in which any value passes a test, however deep inside.
pub(crate) fn mark_any(array: &ArrayRef, shape: &Shape, test: &Test, hits: &mut [bool]) {
    if let Some(dictionary) = array.as_dictionary_opt::<Int32Type>() {
        let mark = |texts: &ArrayRef, hits: &mut [bool]| mark_any(texts, shape, test, hits);
        return mark_dictionary(dictionary, hits, mark);
    }
    match shape {
        Shape::List(member) => {
            if let Some(list) = array.as_list_opt::<i32>() {
                mark_list(list, hits, |inner| mark_any(list.values(), member, test, inner));
            }
        }
        Shape::Struct(members) => mark_struct(array, members, hits, |column, shape, inner| {
            mark_any(column, shape, test, inner);
        }),
        _ => mark_rows(array, hits, |row| {
            value_at(array, shape, row)
                .is_some_and(|value| any_scalar(&value, &mut |scalar| passes(test, scalar)))
        }),
    }
}

/// Marks the rows of a column in which a value passes a field's test: the column's own values, or
/// what stands at `path` inside its JSON.
pub(crate) fn mark_field(
    array: &ArrayRef,
    shape: &Shape,
    path: Option<&FieldPath>,
    test: &Test,
    hits: &mut [bool],
) {
    if let Some(dictionary) = array.as_dictionary_opt::<Int32Type>() {
        let mark = |texts: &ArrayRef, hits: &mut [bool]| {
            mark_field(texts, shape, path, test, hits);
        };
        return mark_dictionary(dictionary, hits, mark);
    }
    match (shape, path) {
        (Shape::Json, _) => {
            let Some(texts) = array.as_string_opt::<i32>() else { return };
            let key = path.and_then(|path| path.part(path.len() - 1)).map(Needle::new);
            mark_rows(array, hits, |row| json_passes(texts.value(row), key.as_ref(), path, test));
        }
        (Shape::Text, None) => {
            let Some(texts) = array.as_string_opt::<i32>() else { return };
            mark_rows(array, hits, |row| passes(test, &Value::text(texts.value(row))));
        }
        (Shape::List(member), path) => {
            if let Some(list) = array.as_list_opt::<i32>() {
                mark_list(list, hits, |inner| {
                    mark_field(list.values(), member, path, test, inner);
                });
            }
        }
        (_, Some(_)) => {}
        (_, None) => mark_rows(array, hits, |row| {
            value_at(array, shape, row).is_some_and(|value| passes(test, &value))
        }),
    }
}

fn json_passes(text: &str, key: Option<&Needle>, path: Option<&FieldPath>, test: &Test) -> bool {
    // A row without the key needs no parsing, unless the key may be spelt with escapes.
    if let Some(key) = key
        && key.find(text.as_bytes(), 0).is_none()
        && !text.contains('\\')
    {
        return false;
    }
    let value = json::parse(text).unwrap_or_else(|| Value::text(text));
    json::any(&value, path, &mut |value| passes(test, value))
}

/// Marks the valid rows that pass.
fn mark_rows(array: &dyn Array, hits: &mut [bool], test: impl Fn(usize) -> bool) {
    for (row, hit) in hits.iter_mut().enumerate().take(array.len()) {
        *hit = *hit || (array.is_valid(row) && test(row));
    }
}

/// Scans the texts of all rows as one.
fn mark_text(texts: &StringArray, word: &Word, hits: &mut [bool]) {
    let Some(needle) = word.pattern.longest() else { return };
    rows_with(texts, needle, |row| {
        if let Some(hit) = hits.get_mut(row) {
            *hit = *hit || word.pattern.matches_word(texts.value(row));
        }
    });
}

/// Calls `each` with every row that has a text with the needle in it, once.
fn rows_with(texts: &StringArray, needle: &Needle, mut each: impl FnMut(usize)) {
    let offsets = texts.value_offsets();
    let end = |row: usize| offsets.get(row + 1).and_then(|end| usize::try_from(*end).ok());
    let Some(data) = offsets
        .last()
        .and_then(|last| usize::try_from(*last).ok())
        .and_then(|last| texts.value_data().get(..last))
    else {
        return;
    };
    let mut at = offsets.first().and_then(|first| usize::try_from(*first).ok()).unwrap_or(0);
    let mut row = 0;
    while let Some(found) = needle.find(data, at) {
        let ends = offsets.get(row + 1..).unwrap_or_default();
        row += ends.partition_point(|end| usize::try_from(*end).is_ok_and(|end| end <= found));
        let Some(row_end) = end(row) else { return };
        if found + needle.len() <= row_end && texts.is_valid(row) {
            each(row);
        }
        // The row is decided: whatever else it contains doesn't matter.
        at = row_end;
    }
}

/// JSON's keys are not searched and its escapes are not text, so a row that may hold the word is
/// parsed.
fn mark_json(texts: &StringArray, word: &Word, hits: &mut [bool]) {
    let passes = |row: usize| {
        let text = texts.value(row);
        let value = json::parse(text).unwrap_or_else(|| Value::text(text));
        any_scalar(&value, &mut |scalar| word_passes(word, scalar))
    };
    let needle = if word.number.is_some() { None } else { word.pattern.longest() };
    let Some(needle) = needle else { return mark_rows(texts, hits, passes) };
    let mut look = |needle: &Needle| {
        rows_with(texts, needle, |row| {
            if let Some(hit) = hits.get_mut(row) {
                *hit = *hit || passes(row);
            }
        });
    };
    match needle.unescaped() {
        // It stands there as it is, unless it is written in numbers.
        Some(part) => {
            look(&part);
            look(&Needle::new("\\u"));
        }
        None => {
            look(needle);
            look(&Needle::new("\\"));
        }
    }
}

/// Marks the rows whose text is marked. Each text is tested once, however many rows have it; those that no
/// row has are not, where they are many.
fn mark_dictionary(
    dictionary: &DictionaryArray<Int32Type>,
    hits: &mut [bool],
    mark: impl FnOnce(&ArrayRef, &mut [bool]),
) {
    let keys = dictionary.keys();
    if dictionary.values().len() > keys.len() {
        if let Ok(texts) = take(dictionary.values(), keys, None) {
            mark(&texts, hits);
        }
        return;
    }
    let mut inner = vec![false; dictionary.values().len()];
    mark(dictionary.values(), &mut inner);
    if inner.contains(&true) {
        mark_rows(keys, hits, |row| {
            let key = usize::try_from(keys.value(row)).ok();
            key.and_then(|key| inner.get(key)).is_some_and(|hit| *hit)
        });
    }
}

fn mark_list(list: &ListArray, hits: &mut [bool], mark: impl FnOnce(&mut [bool])) {
    let mut inner = vec![false; list.values().len()];
    mark(&mut inner);
    let offsets = list.value_offsets();
    mark_rows(list, hits, |row| {
        let range = offsets.get(row).zip(offsets.get(row + 1)).and_then(|(start, end)| {
            inner.get(usize::try_from(*start).ok()?..usize::try_from(*end).ok()?)
        });
        range.is_some_and(|members| members.contains(&true))
    });
}

fn mark_struct(
    array: &ArrayRef,
    members: &[(String, Shape)],
    hits: &mut [bool],
    mark: impl Fn(&ArrayRef, &Shape, &mut [bool]),
) {
    let Some(object) = array.as_struct_opt() else { return };
    let mut inner = vec![false; object.len()];
    for ((_, shape), column) in members.iter().zip(object.columns()) {
        mark(column, shape, &mut inner);
    }
    mark_rows(array, hits, |row| inner.get(row).is_some_and(|hit| *hit));
}
