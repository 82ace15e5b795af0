//! Functions that ask lookup tables.

use std::sync::Arc;

use super::{Evaluated, Evaluation, Root, convert};
use crate::{
    error::EvalError,
    functions::{Function, LookupFunction},
    lookup::Row,
    value::{CelMap, CelValue},
};

impl<'a> Evaluation<'a> {
    pub(super) fn lookup(
        &mut self,
        function: LookupFunction,
        values: &[CelValue<'a>],
    ) -> Evaluated<'a> {
        match (function, values) {
            (LookupFunction::Row, [CelValue::Text(table), key]) => {
                let row = self.row(table, key)?;
                self.steps.take_many(row.len())?;
                let entries = row.iter().map(|(name, value)| {
                    (CelValue::owned(name.clone().into_owned()), CelValue::of(value).into_owned())
                });
                Ok(CelValue::Map(CelMap::Built(Arc::new(entries.collect()))))
            }
            (LookupFunction::Contains, [CelValue::Text(table), key]) => {
                match self.row(table, key) {
                    Ok(_) => Ok(CelValue::Bool(true)),
                    Err(EvalError::NoSuchRow { .. }) => Ok(CelValue::Bool(false)),
                    Err(error) => Err(error),
                }
            }
            (LookupFunction::Column { table, column, .. }, [key]) => {
                let row = self.row(table, key)?;
                row.get(column)
                    .map(|value| CelValue::of(value).into_owned())
                    .ok_or_else(|| EvalError::NoSuchKey(format!("{table}.{column}")))
            }
            (_, values) => {
                let types: Vec<_> = values.iter().map(CelValue::kind).collect();
                Err(EvalError::overload(Function::Lookup(function).name(), &types))
            }
        }
    }

    fn row(&mut self, table: &str, key: &CelValue<'a>) -> Result<Row, EvalError> {
        if !matches!(
            key,
            CelValue::Text(_) | CelValue::Int(_) | CelValue::Uint(_) | CelValue::Ip(_)
        ) {
            return Err(EvalError::overload("lookup", &[key.kind()]));
        }
        // A look-up costs about as much as ten operators.
        self.steps.take(10)?;
        let at = match self.root {
            Root::Event(event) => Some(event.time),
            Root::Bindings(_) | Root::Values(_) => None,
        };
        let found = match (self.lookups, key) {
            (None, _) => None,
            (Some(lookups), CelValue::Text(key)) => lookups.find(table, key, at),
            (Some(lookups), key) => lookups.find(table, &convert::display(key), at),
        };
        found.ok_or_else(|| EvalError::NoSuchRow {
            table: table.to_owned(),
            key: convert::display(key),
        })
    }
}
