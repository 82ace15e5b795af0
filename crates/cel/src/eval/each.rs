//! Macros: an expression for each member of a list, or entry of a map.

use std::sync::Arc;

use super::{Evaluated, Evaluation, truth};
use crate::{
    error::EvalError,
    node::{Macro, MacroKind},
    value::{CelMap, CelValue},
};

/// What a macro has gathered so far.
#[derive(Default)]
struct Gathered<'a> {
    /// The first error, for the macros that go on after one.
    failed: Option<EvalError>,
    count: usize,
    members: Vec<CelValue<'a>>,
    entries: Vec<(CelValue<'a>, CelValue<'a>)>,
    /// Members with what they are sorted by before them.
    keyed: Vec<(CelValue<'a>, CelValue<'a>)>,
}

impl<'a> Evaluation<'a> {
    pub(super) fn each(&mut self, each: &'a Macro) -> Evaluated<'a> {
        let range = self.eval(&each.range)?;
        let size = match &range {
            CelValue::List(list) => list.len(),
            CelValue::Map(map) => map.len(),
            other => return Err(EvalError::overload("macro", &[other.kind()])),
        };
        let mut gathered = Gathered::default();
        let depth = self.locals.len();
        for at in 0..size {
            let Some((first, second)) = variables(&range, at, each.two) else { break };
            let key = first.clone();
            self.locals.push(first);
            self.locals.extend(second);
            let decided = self.visit(each, key, &mut gathered);
            self.locals.truncate(depth);
            if let Some(value) = decided? {
                return Ok(value);
            }
        }
        if each.kind == MacroKind::SortBy {
            return self.sort(gathered.keyed);
        }
        finish(each.kind, gathered)
    }

    /// Evaluates the macro for one member. Answers its value if this member decides it.
    fn visit(
        &mut self,
        each: &'a Macro,
        key: CelValue<'a>,
        gathered: &mut Gathered<'a>,
    ) -> Result<Option<CelValue<'a>>, EvalError> {
        self.steps.take(1)?;
        if let Some(filter) = &each.filter
            && !truth(&self.eval(filter)?, "filter")?
        {
            return Ok(None);
        }
        let value = self.eval(&each.body);
        match each.kind {
            MacroKind::All | MacroKind::Exists => {
                let deciding = each.kind == MacroKind::Exists;
                match value.and_then(|value| truth(&value, "macro")) {
                    Ok(value) if value == deciding => return Ok(Some(CelValue::Bool(deciding))),
                    Ok(_) => {}
                    Err(EvalError::TooManySteps) => return Err(EvalError::TooManySteps),
                    Err(error) => gathered.failed = gathered.failed.take().or(Some(error)),
                }
            }
            MacroKind::ExistsOne => {
                gathered.count += usize::from(truth(&value?, "exists_one")?);
            }
            MacroKind::List => gathered.members.push(value?),
            MacroKind::Map => self.add_entry(&mut gathered.entries, key, value?)?,
            MacroKind::MapEntry => {
                let CelValue::Map(map) = value? else {
                    return Err(EvalError::overload("transformMapEntry", &[]));
                };
                for (key, value) in map.iter() {
                    self.add_entry(&mut gathered.entries, key, value)?;
                }
            }
            MacroKind::SortBy => gathered.keyed.push((value?, key)),
        }
        Ok(None)
    }
}

/// The values of a macro's variables for the member at `at`.
fn variables<'a>(
    range: &CelValue<'a>,
    at: usize,
    two: bool,
) -> Option<(CelValue<'a>, Option<CelValue<'a>>)> {
    match range {
        CelValue::List(list) if two => {
            Some((CelValue::Int(i64::try_from(at).ok()?), Some(list.get(at)?)))
        }
        CelValue::List(list) => Some((list.get(at)?, None)),
        CelValue::Map(map) => {
            let (key, value) = map.entry(at)?;
            Some((key, two.then_some(value)))
        }
        _ => None,
    }
}

fn finish(kind: MacroKind, gathered: Gathered<'_>) -> Evaluated<'_> {
    if let Some(error) = gathered.failed {
        return Err(error);
    }
    Ok(match kind {
        MacroKind::All => CelValue::Bool(true),
        MacroKind::Exists => CelValue::Bool(false),
        MacroKind::ExistsOne => CelValue::Bool(gathered.count == 1),
        MacroKind::List | MacroKind::SortBy => CelValue::list(gathered.members),
        MacroKind::Map | MacroKind::MapEntry => {
            CelValue::Map(CelMap::Built(Arc::new(gathered.entries)))
        }
    })
}
