//! The functions that queries are made of: those that SQL may call, and those that a search's plan
//! uses over whole columns.

use std::{
    borrow::Cow,
    hash::{Hash, Hasher},
    sync::Arc,
};

use arrow::{
    array::{Array as _, ArrayRef, AsArray, BooleanArray, StringArray, StringBuilder},
    compute::cast,
    datatypes::DataType,
};
use base::{FieldPath, Value};
use datafusion::{
    common::{Result, ScalarValue, exec_err, plan_err},
    logical_expr::{
        ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
    },
};

use super::{
    hits::{mark_any, mark_field, mark_word},
    json,
    regexp::Regexp,
    search::{
        ast::{Node, Test, Word},
        eval,
    },
    shape::{Edit, Rebuild, Shape, value_at, with_fields},
};

/// `rest(json, 'a', 'b')`: what stands at `a.b` in a JSON text, as text.
pub(crate) const REST_FUNCTION: &str = "rest";
/// `json_get(json, 'a.b')`: the same, with the path in one.
pub(crate) const JSON_GET_FUNCTION: &str = "json_get";

/// What a function computes.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// Whether a word is in any of the columns.
    HasWord {
        word: Word,
        shapes: Vec<Shape>,
    },
    /// Whether a value in any of the columns passes.
    AnyPasses {
        test: Test,
        shapes: Vec<Shape>,
    },
    /// Whether a value of the column passes.
    FieldPasses {
        test: Test,
        shape: Shape,
        path: Option<FieldPath>,
    },
    /// Whether an event, as JSON, passes.
    EventPasses(Node),
    /// The event of the row, as JSON.
    Event(Rebuild),
    /// An event, as JSON, with changed fields.
    Edited(Edit),
    /// The value as a person would write it.
    Text(Shape),
    /// An event, as JSON, with other values of these fields; without those that are null.
    With {
        names: Vec<String>,
        shapes: Vec<Shape>,
    },
    /// What a group of the expression holds.
    Capture {
        regexp: Regexp,
        group: String,
    },
    Rest,
    JsonGet,
}

/// One function with what it was made for.
#[derive(Debug)]
pub(crate) struct RowFunction {
    name: &'static str,
    /// Tells functions of the same name apart.
    key: String,
    kind: Kind,
    signature: Signature,
}

impl RowFunction {
    /// The function as DataFusion takes it.
    pub(crate) fn udf(kind: Kind) -> ScalarUDF {
        let name = match kind {
            Kind::HasWord { .. } => "has_word",
            Kind::AnyPasses { .. } => "any_passes",
            Kind::FieldPasses { .. } => "field_passes",
            Kind::EventPasses(_) => "event_passes",
            Kind::Event(_) => "event",
            Kind::Edited(_) => "edited",
            Kind::Text(_) => "text_of",
            Kind::With { .. } => "with_fields",
            Kind::Capture { .. } => "capture",
            Kind::Rest => REST_FUNCTION,
            Kind::JsonGet => JSON_GET_FUNCTION,
        };
        let key = format!("{kind:?}");
        let signature = Signature::variadic_any(Volatility::Immutable);
        ScalarUDF::new_from_impl(Self { name, key, kind, signature })
    }

    /// What it computes.
    pub(crate) const fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The function over these columns.
    pub(crate) fn call(kind: Kind, args: Vec<Expr>) -> Expr {
        Self::udf(kind).call(args)
    }
}

impl PartialEq for RowFunction {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.key == other.key
    }
}

impl Eq for RowFunction {}

impl Hash for RowFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.key.hash(state);
    }
}

impl ScalarUDFImpl for RowFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        match self.kind {
            Kind::HasWord { .. }
            | Kind::AnyPasses { .. }
            | Kind::FieldPasses { .. }
            | Kind::EventPasses(_) => Ok(DataType::Boolean),
            Kind::Rest | Kind::JsonGet if args.len() < 2 => {
                plan_err!("`{0}` needs a JSON text and a path: `{0}(_rest, 'name')`", self.name)
            }
            Kind::Rest
            | Kind::JsonGet
            | Kind::Event(_)
            | Kind::Edited(_)
            | Kind::Text(_)
            | Kind::With { .. }
            | Kind::Capture { .. } => Ok(DataType::Utf8),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        match &self.kind {
            Kind::HasWord { word, shapes } => {
                mark(args, shapes, |array, shape, hits| mark_word(array, shape, word, hits))
            }
            Kind::AnyPasses { test, shapes } => {
                mark(args, shapes, |array, shape, hits| mark_any(array, shape, test, hits))
            }
            Kind::FieldPasses { test, shape, path } => {
                let mut hits = vec![false; rows];
                if let Some(array) = args.args.into_iter().next().filter(|array| !is_null(array)) {
                    let array = array.into_array(rows)?;
                    mark_field(&array, shape, path.as_ref(), test, &mut hits);
                }
                Ok(booleans(hits))
            }
            Kind::EventPasses(node) => {
                let texts = texts(first(args)?, rows)?;
                let passes = |text: Option<&str>| {
                    text.and_then(json::parse_object)
                        .is_some_and(|event| eval::matches(node, &event))
                };
                Ok(booleans(texts.iter().map(passes).collect()))
            }
            Kind::Event(rebuild) => {
                let arrays = ColumnarValue::values_to_arrays(&args.args)?;
                let events = (0..rows).map(|row| Some(rebuild.json(&arrays, row)));
                Ok(strings(events.collect()))
            }
            Kind::Edited(edit) => {
                let texts = texts(first(args)?, rows)?;
                let edited = |text: Option<&str>| {
                    let event = edit.apply(json::parse_object(text?)?);
                    let mut out = String::with_capacity(text?.len());
                    event.write_json(&mut out);
                    Some(out)
                };
                Ok(strings(texts.iter().map(edited).collect()))
            }
            Kind::Text(shape) => {
                let array = first(args)?.into_array(rows)?;
                Ok(strings((0..rows).map(|row| display_at(&array, shape, row)).collect()))
            }
            Kind::With { names, shapes } => {
                let arrays = ColumnarValue::values_to_arrays(&args.args)?;
                let Some((events, values)) = arrays.split_first() else {
                    return exec_err!("an event is missing");
                };
                let events = cast(events, &DataType::Utf8)?;
                let texts = events.as_string::<i32>();
                let with = |row: usize| {
                    let event = json::parse_object(texts.is_valid(row).then(|| texts.value(row))?)?;
                    let fields = names.iter().zip(values.iter().zip(shapes));
                    let fields = fields
                        .map(|(name, (array, shape))| (name.as_str(), value_at(array, shape, row)));
                    let mut out = String::new();
                    with_fields(event, fields).write_json(&mut out);
                    Some(out)
                };
                Ok(strings((0..rows).map(with).collect()))
            }
            Kind::Capture { regexp, group } => {
                let texts = texts(first(args)?, rows)?;
                let captured = |text: Option<&str>| Some(regexp.capture(text?, group)?.to_owned());
                Ok(strings(texts.iter().map(captured).collect()))
            }
            Kind::Rest | Kind::JsonGet => self.extract(args),
        }
    }
}

impl RowFunction {
    fn extract(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let mut args = args.args.into_iter();
        let Some(json) = args.next() else { return exec_err!("`{}` needs a JSON text", self.name) };
        let mut path = Vec::new();
        for arg in args {
            let ColumnarValue::Scalar(scalar) = arg else {
                return exec_err!("the path of `{}` must be a constant text", self.name);
            };
            let Some(Some(key)) = scalar.try_as_str() else {
                return exec_err!("the path of `{}` must be a text, not {scalar}", self.name);
            };
            path.push(key.to_owned());
        }
        if matches!(self.kind, Kind::JsonGet) {
            path = path.iter().flat_map(|key| key.split('.')).map(str::to_owned).collect();
        }
        if is_null(&json) {
            return Ok(ColumnarValue::Scalar(ScalarValue::Utf8(None)));
        }
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let texts = texts(json, rows)?;
        let mut out = StringBuilder::new();
        for text in &texts {
            match text.and_then(|text| extract(text, &path)) {
                Some(value) => out.append_value(value),
                None => out.append_null(),
            }
        }
        Ok(ColumnarValue::Array(Arc::new(out.finish())))
    }
}

/// What stands at a path of a JSON text, as text: strings without quotes, anything else as JSON.
fn extract<'t>(text: &'t str, path: &[&str]) -> Option<Cow<'t, str>> {
    let value = json::parse(text)?;
    match json::get(&value, path)? {
        Cow::Borrowed(Value::Text(Cow::Borrowed(text))) => Some(Cow::Borrowed(*text)),
        value => value.display().map(|text| Cow::Owned(text.into_owned())),
    }
}

/// A cell as a person would write it.
pub(crate) fn display_at(array: &ArrayRef, shape: &Shape, row: usize) -> Option<String> {
    value_at(array, shape, row)?.display().map(Cow::into_owned)
}

/// The rows that are marked in any of the columns.
fn mark(
    args: ScalarFunctionArgs,
    shapes: &[Shape],
    mark: impl Fn(&ArrayRef, &Shape, &mut [bool]),
) -> Result<ColumnarValue> {
    let rows = args.number_rows;
    let mut hits = vec![false; rows];
    for (array, shape) in args.args.into_iter().zip(shapes) {
        if is_null(&array) {
            continue;
        }
        mark(&array.into_array(rows)?, shape, &mut hits);
        if !hits.contains(&false) {
            break;
        }
    }
    Ok(booleans(hits))
}

fn first(args: ScalarFunctionArgs) -> Result<ColumnarValue> {
    match args.args.into_iter().next() {
        Some(arg) => Ok(arg),
        None => exec_err!("an argument is missing"),
    }
}

/// Whether a column is null throughout, as one that its file lacks is.
fn is_null(value: &ColumnarValue) -> bool {
    matches!(value, ColumnarValue::Scalar(scalar) if scalar.is_null())
}

fn texts(value: ColumnarValue, rows: usize) -> Result<StringArray> {
    let array = value.into_array(rows)?;
    Ok(cast(&array, &DataType::Utf8)?.as_string::<i32>().clone())
}

fn booleans(hits: Vec<bool>) -> ColumnarValue {
    ColumnarValue::Array(Arc::new(BooleanArray::from(hits)))
}

fn strings(values: Vec<Option<String>>) -> ColumnarValue {
    ColumnarValue::Array(Arc::new(StringArray::from(values)))
}
