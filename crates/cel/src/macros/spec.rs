//! How a macro is written: what its YAML deserializes into.

use std::collections::BTreeMap;

use base::{Object, Place};
use serde::Deserialize;

use super::error::{MacroError, MacroErrorKind};
use crate::{lookup::Any, types::Type, value::CelValue};

/// The definition of a macro.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MacroSpec {
    /// Its name in expressions.
    pub name: String,
    /// What it is given.
    #[serde(default)]
    pub parameters: Vec<Parameter>,
    /// The expression that it stands for.
    pub body: String,
    /// What it must give.
    #[serde(default)]
    pub tests: Vec<MacroTest>,
    /// Where it is defined.
    #[serde(skip)]
    pub place: Option<Place>,
}

/// A parameter of a macro.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// Its name in the body.
    pub name: String,
    /// Its type, such as `string` or `list(int)`; `dyn` takes anything.
    #[serde(default = "dyn_type", rename = "type")]
    pub kind: String,
}

fn dyn_type() -> String {
    "dyn".to_owned()
}

/// A test of a macro.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MacroTest {
    /// The values of the parameters and fields.
    #[serde(default)]
    given: BTreeMap<String, Any>,
    /// The value that must come out.
    expect: Any,
}

impl Parameter {
    /// Its type; `None` if there is no such type.
    pub(super) fn parsed(&self) -> Option<Type> {
        fn is_known(kind: &Type) -> bool {
            !matches!(kind, Type::Named(..)) && kind.parts().into_iter().all(is_known)
        }
        Type::parse(&self.kind).filter(is_known)
    }
}

impl MacroTest {
    pub(super) fn given(&self) -> Object<'static> {
        self.given.iter().map(|(name, value)| (name.clone().into(), value.0.clone())).collect()
    }

    pub(super) fn wanted(&self) -> CelValue<'_> {
        CelValue::of(&self.expect.0)
    }

    pub(super) fn expected(&self) -> String {
        self.expect.0.display().map_or("null".to_owned(), |text| text.into_owned())
    }
}

impl MacroSpec {
    pub(super) fn error(&self, kind: MacroErrorKind) -> MacroError {
        MacroError { place: self.place.clone(), kind }
    }
}
