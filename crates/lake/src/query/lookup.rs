//! Lookup tables, as queries ask them: `lookup('table', key, 'column')`.
//!
//! Whoever makes the engine hands them in; the lake knows neither where they come from nor when they
//! change.

use std::{
    borrow::Cow,
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use arrow::{
    array::{Array as _, AsArray as _, StringBuilder},
    compute::cast,
    datatypes::{DataType, Field, FieldRef, TimeUnit, TimestampMicrosecondType},
};
use base::{Object, Timestamp, Value};
use datafusion::{
    common::{Result, ScalarValue, exec_err, plan_err},
    logical_expr::{
        ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
        Volatility,
    },
};

use super::{error::nearest, json};

/// The function's name in SQL.
pub(crate) const LOOKUP_FUNCTION: &str = "lookup";

/// Lookup tables by name. A table may be replaced while queries run; a row that was found stays
/// whole.
pub trait Lookups: fmt::Debug + Send + Sync {
    /// The names of the tables.
    fn names(&self) -> Vec<String>;

    /// The columns of a table, or `None` if there is no such table.
    fn columns(&self, table: &str) -> Option<Vec<String>>;

    /// The row for a key as of a time, or as of now.
    fn find(&self, table: &str, key: &str, at: Option<Timestamp>) -> Option<Arc<Object<'static>>>;
}

/// No tables.
#[derive(Debug)]
pub(crate) struct NoLookups;

impl Lookups for NoLookups {
    fn names(&self) -> Vec<String> {
        Vec::new()
    }

    fn columns(&self, _table: &str) -> Option<Vec<String>> {
        None
    }

    fn find(&self, _: &str, _: &str, _: Option<Timestamp>) -> Option<Arc<Object<'static>>> {
        None
    }
}

/// Why a table, or a column of it, is not there.
pub(crate) fn missing(lookups: &dyn Lookups, table: &str, column: Option<&str>) -> Option<String> {
    let guess = |word: &str, names: &[String]| {
        let near = nearest(word, names.iter().map(String::as_str));
        let near = near.map(|near| format!("; did you mean `{near}`?"));
        near.unwrap_or_else(|| match names {
            [] => "; there are none".to_owned(),
            names => format!("; there are {}", names.join(", ")),
        })
    };
    let Some(columns) = lookups.columns(table) else {
        return Some(format!(
            "there is no lookup table `{table}`{}",
            guess(table, &lookups.names())
        ));
    };
    let column = column.filter(|column| !columns.iter().any(|known| known == column))?;
    // What the columns of an MMDB file are, only its rows say.
    if columns.is_empty() {
        return None;
    }
    Some(format!("the lookup table `{table}` has no column `{column}`{}", guess(column, &columns)))
}

/// `lookup('table', key, 'column'[, time])`: the column of the row for a key, as text.
#[derive(Debug)]
pub(crate) struct LookupFunction {
    lookups: Arc<dyn Lookups>,
    signature: Signature,
}

impl LookupFunction {
    pub(crate) fn udf(lookups: &Arc<dyn Lookups>) -> ScalarUDF {
        let signature = Signature::variadic_any(Volatility::Stable);
        ScalarUDF::new_from_impl(Self { lookups: Arc::clone(lookups), signature })
    }
}

impl PartialEq for LookupFunction {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.lookups, &other.lookups)
    }
}

impl Eq for LookupFunction {}

impl Hash for LookupFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        LOOKUP_FUNCTION.hash(state);
    }
}

impl ScalarUDFImpl for LookupFunction {
    fn name(&self) -> &str {
        LOOKUP_FUNCTION
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let constant = |at: usize| {
            let value: &ScalarValue = args.scalar_arguments.get(at).copied().flatten()?;
            value.try_as_str().flatten()
        };
        let is_counted = (3..=4).contains(&args.arg_fields.len());
        let (Some(table), Some(column), true) = (constant(0), constant(2), is_counted) else {
            return plan_err!(
                "`lookup` needs the name of a table, a key and the name of a column: \
                 lookup('table', key, 'column')"
            );
        };
        if let Some(message) = missing(self.lookups.as_ref(), table, Some(column)) {
            return plan_err!("{message}");
        }
        Ok(Arc::new(Field::new(LOOKUP_FUNCTION, DataType::Utf8, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let [table, key, column, at @ ..] = args.args.as_slice() else {
            return exec_err!("`lookup` needs three values");
        };
        let (Some(table), Some(column)) = (constant(table), constant(column)) else {
            return exec_err!("`lookup` needs the names of a table and a column as constants");
        };
        let keys = cast(&key.to_array(rows)?, &DataType::Utf8)?;
        let keys = keys.as_string::<i32>();
        let times = match at.first() {
            Some(time) => {
                let micros = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
                Some(cast(&time.to_array(rows)?, &micros)?)
            }
            None => None,
        };
        let times = times.as_ref().map(|times| times.as_primitive::<TimestampMicrosecondType>());
        let path: Vec<&str> = column.split('.').collect();
        let mut out = StringBuilder::new();
        for row in 0..keys.len() {
            let time = times.filter(|times| times.is_valid(row));
            let time = time.map(|times| Timestamp::from_micros(times.value(row)));
            let key = keys.is_valid(row).then(|| keys.value(row));
            let found = key.and_then(|key| self.lookups.find(table, key, time));
            out.append_option(found.and_then(|row| cell(&row, &path)));
        }
        Ok(ColumnarValue::Array(Arc::new(out.finish())))
    }
}

/// A column of a row, as text.
fn cell(row: &Arc<Object<'static>>, path: &[&str]) -> Option<String> {
    let whole = Value::Object(row.as_ref().clone());
    json::get(&whole, path)?.display().map(Cow::into_owned)
}

fn constant(value: &ColumnarValue) -> Option<&str> {
    match value {
        ColumnarValue::Scalar(scalar) => scalar.try_as_str().flatten(),
        ColumnarValue::Array(_) => None,
    }
}
