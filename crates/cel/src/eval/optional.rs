//! Values that may be absent: `a.?b`, `a[?b]`, `[?a]`, `{?k: a}`.

use super::{Evaluated, Evaluation, Root};
use crate::{
    error::EvalError,
    node::Node,
    path::Path,
    value::{CelMap, CelValue},
};

impl<'a> Evaluation<'a> {
    /// A field of what an optional value holds: itself optional.
    pub(super) fn select_in_optional(
        &mut self,
        value: Option<&CelValue<'a>>,
        path: &Path,
    ) -> Evaluated<'a> {
        let Some(value) = value else { return Ok(CelValue::Optional(None)) };
        match self.select(value.clone(), path) {
            Ok(found @ CelValue::Optional(_)) if path.len() > 1 => Ok(found),
            Ok(found) => Ok(CelValue::some(found)),
            Err(EvalError::NoSuchKey(_)) => Ok(CelValue::Optional(None)),
            Err(error) => Err(error),
        }
    }

    pub(super) fn optional_select(&mut self, operand: &'a Node, path: &Path) -> Evaluated<'a> {
        let operand = match self.eval(operand) {
            // An event's field that is absent has no fields, nor has a row that is not there.
            Err(EvalError::NoSuchRow { .. }) => return Ok(CelValue::Optional(None)),
            Err(EvalError::NoSuchField { .. }) if matches!(self.root, Root::Event(_)) => {
                return Ok(CelValue::Optional(None));
            }
            operand => operand?,
        };
        match operand {
            CelValue::Optional(value) => self.select_in_optional(value.as_deref(), path),
            CelValue::Map(CelMap::Built(_) | CelMap::Event(_)) => {
                self.select_in_optional(Some(&operand), path)
            }
            other => Err(EvalError::overload("select", &[other.kind()])),
        }
    }

    pub(super) fn optional_index(&mut self, [container, index]: &'a [Node; 2]) -> Evaluated<'a> {
        let container = match self.eval(container) {
            Err(EvalError::NoSuchField { .. }) if matches!(self.root, Root::Event(_)) => {
                CelValue::Optional(None)
            }
            container => container?,
        };
        let index = self.eval(index)?;
        match container {
            CelValue::Optional(None) => Ok(CelValue::Optional(None)),
            CelValue::Optional(Some(container)) => self.index_or_none(&container, &index),
            container => self.index_or_none(&container, &index),
        }
    }

    /// The member, as an optional value.
    pub(super) fn index_or_none(
        &mut self,
        container: &CelValue<'a>,
        index: &CelValue<'a>,
    ) -> Evaluated<'a> {
        match self.index(container, index) {
            Ok(value) => Ok(CelValue::some(value)),
            Err(EvalError::NoSuchKey(_) | EvalError::OutOfRange { .. }) => {
                Ok(CelValue::Optional(None))
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn optional_bind(
        &mut self,
        operand: &'a Node,
        body: &'a Node,
        is_flat: bool,
    ) -> Evaluated<'a> {
        let value = match self.eval(operand)? {
            CelValue::Optional(None) => return Ok(CelValue::Optional(None)),
            CelValue::Optional(Some(value)) => value.as_ref().clone(),
            other => return Err(EvalError::overload("optMap", &[other.kind()])),
        };
        self.locals.push(value);
        let value = self.eval(body);
        self.locals.pop();
        match value? {
            value if !is_flat => Ok(CelValue::some(value)),
            value @ CelValue::Optional(_) => Ok(value),
            other => Err(EvalError::overload("optFlatMap", &[other.kind()])),
        }
    }

    pub(super) fn optional_list(&mut self, members: &'a [(bool, Node)]) -> Evaluated<'a> {
        let mut built = Vec::with_capacity(members.len());
        for (is_optional, member) in members {
            match self.eval(member)? {
                value if !is_optional => built.push(value),
                CelValue::Optional(value) => built.extend(value.map(|value| (*value).clone())),
                other => return Err(EvalError::overload("[?]", &[other.kind()])),
            }
        }
        Ok(CelValue::list(built))
    }

    pub(super) fn optional_map(&mut self, entries: &'a [(bool, [Node; 2])]) -> Evaluated<'a> {
        let mut built = Vec::with_capacity(entries.len());
        for (is_optional, [key, value]) in entries {
            let key = self.eval(key)?;
            let value = match self.eval(value)? {
                value if !is_optional => value,
                CelValue::Optional(None) => continue,
                CelValue::Optional(Some(value)) => (*value).clone(),
                other => return Err(EvalError::overload("{?}", &[other.kind()])),
            };
            self.add_entry(&mut built, key, value)?;
        }
        Ok(CelValue::Map(CelMap::Built(built.into())))
    }
}
