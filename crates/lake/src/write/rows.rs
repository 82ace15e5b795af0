//! Builds the columns of a table's rows, adding columns as fields appear.
//!
//! Every leaf counts rows from the start of the builder and is padded with nulls only when it is
//! next written, so a row costs its own fields, not the table's columns.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{
        Array as _, ArrayBuilder as _, ArrayRef, BooleanBufferBuilder, BooleanBuilder,
        Float64Builder, Int64Builder, ListBuilder, StringBuilder, StructArray,
        TimestampMicrosecondBuilder,
    },
    buffer::NullBuffer,
    datatypes::{DataType, Field, Fields, Schema, SchemaRef},
    error::ArrowError,
    record_batch::RecordBatch,
};
use base::{Event, Object, Value};
use foldhash::HashMap;

use super::rest::Rest;
use crate::schema::{
    self, REST, STRUCT_DEPTH_MAX, envelope_fields, is_column_name, is_json, json_field,
    text_list_member,
};

/// Whole numbers up to here are exact as `f64`.
const FLOAT_EXACT_MAX: u64 = 1 << 53;

/// A builder of rows for one table.
#[derive(Debug)]
pub struct Rows {
    time: TimestampMicrosecondBuilder,
    ingest_time: TimestampMicrosecondBuilder,
    event_id: StringBuilder,
    log_source: StringBuilder,
    origin_object: StringBuilder,
    origin_offset: Int64Builder,
    own: Struct,
    rest_column: StringBuilder,
    rest: Rest,
    rows: usize,
    growth: Growth,
    /// How often a field's value had another type than its column, by field.
    conflicts: BTreeMap<String, u64>,
    scratch: String,
}

/// How many more leaves may become columns.
#[derive(Debug)]
struct Growth {
    leaves_left: usize,
    grew: bool,
}

impl Rows {
    /// A builder for a table that has the columns `own` already and may have `columns_max` leaves.
    #[must_use]
    pub fn new<'f>(own: impl IntoIterator<Item = &'f Arc<Field>>, columns_max: usize) -> Self {
        let mut root = Struct::default();
        for field in own {
            root.add(Arc::clone(field));
        }
        let leaves_left = columns_max.saturating_sub(root.leaves());
        Self {
            time: TimestampMicrosecondBuilder::new().with_timezone("UTC"),
            ingest_time: TimestampMicrosecondBuilder::new().with_timezone("UTC"),
            event_id: StringBuilder::new(),
            log_source: StringBuilder::new(),
            origin_object: StringBuilder::new(),
            origin_offset: Int64Builder::new(),
            own: root,
            rest_column: StringBuilder::new(),
            rest: Rest::default(),
            rows: 0,
            growth: Growth { leaves_left, grew: false },
            conflicts: BTreeMap::new(),
            scratch: String::new(),
        }
    }

    /// How many rows there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Whether columns were added since the builder was made.
    #[must_use]
    pub const fn grew(&self) -> bool {
        self.growth.grew
    }

    /// The columns of the source, as they are now.
    #[must_use]
    pub fn own_fields(&self) -> Fields {
        self.own.fields()
    }

    /// How often a value went to `_rest` because its column has another type, by field.
    #[must_use]
    pub const fn conflicts(&self) -> &BTreeMap<String, u64> {
        &self.conflicts
    }

    /// Adds an event as a row. Everything it says is in the row: in a column, or in `_rest`.
    pub fn append(&mut self, event: &Event<'_>) {
        self.time.append_value(event.time.as_micros());
        self.ingest_time.append_value(event.ingest_time.as_micros());
        self.scratch.clear();
        std::fmt::Write::write_fmt(&mut self.scratch, format_args!("{}", event.id))
            .unwrap_or_default();
        self.event_id.append_value(&self.scratch);
        self.log_source.append_value(event.log_source);
        self.origin_object.append_value(&event.origin.object);
        // Offsets past i64 do not exist: objects are smaller than 8 EiB.
        self.origin_offset.append_value(i64::try_from(event.origin.offset).unwrap_or(i64::MAX));
        let mut row = Row {
            at: self.rows,
            rest: &mut self.rest,
            growth: &mut self.growth,
            conflicts: &mut self.conflicts,
            scratch: &mut self.scratch,
        };
        // Normalized fields first: their columns are declared, and a source's own field that is in
        // the way of one gives way to it.
        self.own.put_object(&event.normalized, 0, &mut row);
        self.own.put_object(&event.fields, 0, &mut row);
        self.rest_column.append_option(self.rest.finish());
        self.rest.clear();
        self.rows += 1;
    }

    /// The rows as a batch without the partition column; the builder is empty afterwards and keeps
    /// its columns.
    ///
    /// # Errors
    ///
    /// If Arrow finds the columns inconsistent, which would be a defect here.
    pub fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        let rows = std::mem::take(&mut self.rows);
        let origin = StructArray::try_new(
            schema::origin_fields(),
            vec![Arc::new(self.origin_object.finish()), Arc::new(self.origin_offset.finish())],
            None,
        )?;
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(self.time.finish()),
            Arc::new(self.ingest_time.finish()),
            Arc::new(self.event_id.finish()),
            Arc::new(self.log_source.finish()),
            Arc::new(origin),
        ];
        let schema = self.schema();
        for child in &mut self.own.children {
            columns.push(child.node.finish(rows)?);
        }
        columns.push(Arc::new(self.rest_column.finish()));
        RecordBatch::try_new(schema, columns)
    }

    /// The schema of the batch that [`Self::finish`] makes.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        let mut fields: Vec<Arc<Field>> = envelope_fields().into_iter().map(Arc::new).collect();
        fields.extend(self.own.fields().iter().map(Arc::clone));
        fields.push(Arc::new(json_field(REST)));
        Arc::new(Schema::new(fields))
    }
}

/// What is needed while one row is written.
struct Row<'r> {
    at: usize,
    rest: &'r mut Rest,
    growth: &'r mut Growth,
    conflicts: &'r mut BTreeMap<String, u64>,
    scratch: &'r mut String,
}

impl Row<'_> {
    fn conflict(&mut self, key: &str, value: &Value<'_>) {
        match self.conflicts.get_mut(key) {
            Some(count) => *count += 1,
            None => {
                self.conflicts.insert(key.to_owned(), 1);
            }
        }
        self.rest.put(key, value);
    }
}

#[derive(Debug, Default)]
struct Struct {
    children: Vec<Child>,
    by_name: HashMap<String, usize>,
    /// Names in lower case: two that differ only in case can't both be columns.
    folded: HashMap<String, usize>,
    /// Which rows have the object.
    present: Presence,
}

#[derive(Debug)]
struct Child {
    field: Arc<Field>,
    node: Node,
}

#[derive(Debug)]
enum Node {
    Struct(Struct),
    Text(StringBuilder),
    Json(StringBuilder),
    Int(Int64Builder),
    Float(Float64Builder),
    Bool(BooleanBuilder),
    TextList(ListBuilder<StringBuilder>),
    /// A column of a type that dab never makes: another writer's. It is kept, and left null.
    Foreign(DataType),
}

#[derive(Debug)]
struct Presence(BooleanBufferBuilder);

impl Default for Presence {
    fn default() -> Self {
        Self(BooleanBufferBuilder::new(0))
    }
}

impl Struct {
    fn add(&mut self, field: Arc<Field>) -> usize {
        let at = self.children.len();
        self.by_name.insert(field.name().clone(), at);
        self.folded.insert(field.name().to_lowercase(), at);
        let node = Node::for_field(&field);
        self.children.push(Child { field, node });
        at
    }

    fn leaves(&self) -> usize {
        self.children.iter().map(|child| child.node.leaves()).sum()
    }

    fn fields(&self) -> Fields {
        self.children.iter().map(Child::current_field).collect()
    }

    fn put_object(&mut self, object: &Object<'_>, depth: usize, row: &mut Row<'_>) {
        let mut guess = 0;
        for (key, value) in object {
            match self.find(key, guess) {
                Some(at) => {
                    guess = at + 1;
                    if let Some(child) = self.children.get_mut(at) {
                        child.node.put(key, value, depth, row);
                    }
                }
                None => self.put_new(key, value, depth, row),
            }
        }
    }

    /// Logs repeat the order of their fields, so the one after the last is tried before hashing.
    fn find(&self, key: &str, guess: usize) -> Option<usize> {
        match self.children.get(guess) {
            Some(child) if child.field.name() == key => Some(guess),
            _ => self.by_name.get(key).copied(),
        }
    }

    fn put_new(&mut self, key: &str, value: &Value<'_>, depth: usize, row: &mut Row<'_>) {
        if matches!(value, Value::Null) {
            return; // Absent and null are one in a column, so null needs none.
        }
        let free = || !self.folded.contains_key(&key.to_lowercase());
        let fits = row.growth.leaves_left > 0 && is_column_name(key, depth > 0);
        let Some(field) = column_for(key, value, depth).filter(|_| fits && free()) else {
            row.rest.put(key, value);
            return;
        };
        if !matches!(field.data_type(), DataType::Struct(_)) {
            row.growth.leaves_left -= 1;
        }
        row.growth.grew = true;
        let at = self.add(Arc::new(field));
        if let Some(child) = self.children.get_mut(at) {
            child.node.put(key, value, depth, row);
        }
    }
}

impl Child {
    fn current_field(&self) -> Arc<Field> {
        match &self.node {
            Node::Struct(inner) => {
                let data_type = DataType::Struct(inner.fields());
                Arc::new(self.field.as_ref().clone().with_data_type(data_type))
            }
            _ => Arc::clone(&self.field),
        }
    }
}

/// The column that a field would get from its first value; `None` if it gets none.
fn column_for(key: &str, value: &Value<'_>, depth: usize) -> Option<Field> {
    let data_type = match value {
        Value::Null | Value::Number(_) => return None,
        Value::Bool(_) => DataType::Boolean,
        Value::Int(_) => DataType::Int64,
        Value::Float(_) => DataType::Float64,
        Value::Text(_) => DataType::Utf8,
        Value::List(members) if members.is_empty() => return None,
        Value::List(members) if members.iter().all(|member| member.as_str().is_some()) => {
            schema::text_list_type()
        }
        Value::List(_) => return Some(json_field(key)),
        // An object becomes a struct only when a field inside can be a column: a struct without
        // members can't be stored.
        Value::Object(object) => {
            let fits = |(name, inner): &(_, Value<'_>)| {
                let name: &str =
                    std::borrow::Borrow::<str>::borrow(name as &std::borrow::Cow<'_, str>);
                is_column_name(name, true) && column_for(name, inner, depth + 1).is_some()
            };
            if depth >= STRUCT_DEPTH_MAX || !object.iter().any(fits) {
                return None;
            }
            DataType::Struct(Fields::empty())
        }
    };
    Some(Field::new(key, data_type, true))
}

impl Node {
    fn for_field(field: &Field) -> Self {
        match field.data_type() {
            DataType::Utf8 if is_json(field) => Self::Json(StringBuilder::new()),
            DataType::Utf8 => Self::Text(StringBuilder::new()),
            DataType::Int64 => Self::Int(Int64Builder::new()),
            DataType::Float64 => Self::Float(Float64Builder::new()),
            DataType::Boolean => Self::Bool(BooleanBuilder::new()),
            DataType::Struct(fields) => {
                let mut inner = Struct::default();
                for field in fields {
                    inner.add(Arc::clone(field));
                }
                Self::Struct(inner)
            }
            DataType::List(member) if *member.data_type() == DataType::Utf8 => Self::TextList(
                ListBuilder::new(StringBuilder::new()).with_field(text_list_member()),
            ),
            other => Self::Foreign(other.clone()),
        }
    }

    fn leaves(&self) -> usize {
        match self {
            Self::Struct(inner) => inner.leaves(),
            _ => 1,
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Struct(inner) => inner.present.0.len(),
            Self::Text(builder) | Self::Json(builder) => builder.len(),
            Self::Int(builder) => builder.len(),
            Self::Float(builder) => builder.len(),
            Self::Bool(builder) => builder.len(),
            Self::TextList(builder) => builder.len(),
            Self::Foreign(_) => 0,
        }
    }

    /// Writes the row's value, or keeps it in `_rest` where the column can't hold it.
    fn put(&mut self, key: &str, value: &Value<'_>, depth: usize, row: &mut Row<'_>) {
        match (&mut *self, value) {
            (_, Value::Null) => return,
            // What nearly all fields are goes the shortest way.
            (Self::Text(builder), Value::Text(text)) if builder.len() <= row.at => {
                if builder.len() < row.at {
                    builder.append_nulls(row.at - builder.len());
                }
                builder.append_value(text);
                return;
            }
            (Self::Struct(inner), Value::Object(object)) => {
                // A repeated object adds to the first one where it can.
                if inner.present.0.len() <= row.at {
                    inner.present.0.append_n(row.at - inner.present.0.len(), false);
                    inner.present.0.append(true);
                }
                row.rest.enter(key);
                inner.put_object(object, depth + 1, row);
                row.rest.leave();
                return;
            }
            _ => {}
        }
        if self.len() > row.at || !self.accepts(value) {
            row.conflict(key, value);
            return;
        }
        self.pad(row.at);
        self.append(value, row.scratch);
    }

    fn accepts(&self, value: &Value<'_>) -> bool {
        match (self, value) {
            (Self::Text(_), Value::Text(_))
            | (Self::Int(_), Value::Int(_))
            | (Self::Float(_), Value::Float(_))
            | (Self::Bool(_), Value::Bool(_))
            | (Self::Json(_), Value::List(_) | Value::Object(_)) => true,
            (Self::Float(_), Value::Int(number)) => number.unsigned_abs() <= FLOAT_EXACT_MAX,
            (Self::TextList(_), Value::List(members)) => {
                members.iter().all(|member| member.as_str().is_some())
            }
            _ => false,
        }
    }

    /// Appends a value that [`Self::accepts`].
    fn append(&mut self, value: &Value<'_>, scratch: &mut String) {
        match (self, value) {
            (Self::Text(builder), Value::Text(text)) => builder.append_value(text),
            (Self::Int(builder), Value::Int(number)) => builder.append_value(*number),
            (Self::Float(builder), Value::Float(number)) => builder.append_value(*number),
            #[expect(
                clippy::cast_precision_loss,
                reason = "`accepts` lets only exact ones through"
            )]
            (Self::Float(builder), Value::Int(number)) => builder.append_value(*number as f64),
            (Self::Bool(builder), Value::Bool(truth)) => builder.append_value(*truth),
            (Self::Json(builder), value) => {
                scratch.clear();
                value.write_json(scratch);
                builder.append_value(&*scratch);
            }
            (Self::TextList(builder), Value::List(members)) => {
                for member in members {
                    builder.values().append_option(member.as_str());
                }
                builder.append(true);
            }
            _ => debug_assert!(false, "a value that the column does not accept"),
        }
    }

    /// Fills up with nulls to `rows`.
    fn pad(&mut self, rows: usize) {
        let missing = rows.saturating_sub(self.len());
        if missing == 0 {
            return;
        }
        match self {
            Self::Struct(inner) => inner.present.0.append_n(missing, false),
            Self::Text(builder) | Self::Json(builder) => builder.append_nulls(missing),
            Self::Int(builder) => builder.append_nulls(missing),
            Self::Float(builder) => builder.append_nulls(missing),
            Self::Bool(builder) => builder.append_nulls(missing),
            Self::TextList(builder) => builder.append_nulls(missing),
            Self::Foreign(_) => {}
        }
    }

    fn finish(&mut self, rows: usize) -> Result<ArrayRef, ArrowError> {
        self.pad(rows);
        Ok(match self {
            Self::Struct(inner) => {
                let fields = inner.fields();
                let children = inner.children.iter_mut().map(|child| child.node.finish(rows));
                let children = children.collect::<Result<Vec<_>, _>>()?;
                let present = NullBuffer::new(inner.present.0.finish());
                Arc::new(StructArray::try_new_with_length(fields, children, Some(present), rows)?)
            }
            Self::Text(builder) | Self::Json(builder) => {
                let texts = builder.finish();
                // As many again are to be expected: without room for them, each column doubles and is
                // copied ten times.
                *builder = StringBuilder::with_capacity(texts.len(), texts.value_data().len());
                Arc::new(texts)
            }
            Self::Int(builder) => {
                let numbers = builder.finish();
                *builder = Int64Builder::with_capacity(numbers.len());
                Arc::new(numbers)
            }
            Self::Float(builder) => {
                let numbers = builder.finish();
                *builder = Float64Builder::with_capacity(numbers.len());
                Arc::new(numbers)
            }
            Self::Bool(builder) => Arc::new(builder.finish()),
            Self::TextList(builder) => Arc::new(builder.finish()),
            Self::Foreign(data_type) => arrow::array::new_null_array(data_type, rows),
        })
    }
}

#[cfg(test)]
mod tests;
