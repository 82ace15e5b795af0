//! What an expression may cost, before it meets an event.
//!
//! The unit is the step of an evaluation: an operator, a member visited, 256 bytes of text. What an
//! event contains is not known, so its lists count as `CEL_COST_MEMBERS` members and its texts as
//! `CEL_COST_TEXT_STEPS` steps. An expression that goes beyond `CEL_COST_MAX` at such sizes is refused
//! when it is loaded, rather than stopped on some event at night.

use base::limits;
use cel_parser::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SourceInfo};

use crate::{
    error::{CelError, CelErrorKind},
    lower::error_at,
    macros::Macros,
};

/// What an expression costs, and how many members its value has.
#[derive(Debug, Clone, Copy)]
struct Cost {
    steps: u64,
    members: u64,
}

/// The steps of one evaluation, at most, for events of ordinary size.
///
/// # Errors
///
/// Fails, at the innermost part that is too dear, if they are more than [`limits::CEL_COST_MAX`].
pub(crate) fn check(
    source: &str,
    info: &SourceInfo,
    expr: &IdedExpr,
    macros: Option<&Macros>,
) -> Result<u64, CelError> {
    let mut estimate = Estimate { macros, too_dear: None };
    let cost = estimate.of(expr);
    match estimate.too_dear {
        Some((expr, steps)) => Err(error_at(source, info, expr, CelErrorKind::TooCostly { steps })),
        None => Ok(cost.steps),
    }
}

struct Estimate<'e> {
    macros: Option<&'e Macros>,
    /// The first part that goes beyond the limit, with its steps.
    too_dear: Option<(&'e IdedExpr, u64)>,
}

impl<'e> Estimate<'e> {
    fn of(&mut self, expr: &'e IdedExpr) -> Cost {
        let members = limits::CEL_COST_MEMBERS;
        let cost = match &expr.expr {
            Expr::Literal(LiteralValue::String(text)) => {
                Cost { steps: 1, members: u64::try_from(text.inner().len()).unwrap_or(u64::MAX) }
            }
            Expr::Literal(_) => Cost { steps: 1, members: 1 },
            Expr::Select(select) => {
                let operand = self.of(&select.operand);
                Cost { steps: operand.steps, members }
            }
            Expr::List(list) => {
                let steps = self.sum(&list.elements);
                let size = u64::try_from(list.elements.len()).unwrap_or(u64::MAX);
                Cost { steps: steps.saturating_add(1), members: size }
            }
            Expr::Map(map) => {
                let mut steps = 1_u64;
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        steps = steps.saturating_add(self.of(&entry.key).steps);
                        steps = steps.saturating_add(self.of(&entry.value).steps);
                    }
                }
                Cost { steps, members: u64::try_from(map.entries.len()).unwrap_or(u64::MAX) }
            }
            Expr::Call(call) => self.of_call(call),
            Expr::Ident(_) | Expr::Struct(_) | Expr::Comprehension(_) | Expr::Unspecified => {
                Cost { steps: 1, members }
            }
        };
        if cost.steps > limits::CEL_COST_MAX && self.too_dear.is_none() {
            self.too_dear = Some((expr, cost.steps));
        }
        cost
    }

    fn sum(&mut self, exprs: &'e [IdedExpr]) -> u64 {
        exprs.iter().fold(0, |steps, expr| steps.saturating_add(self.of(expr).steps))
    }

    fn of_call(&mut self, call: &'e CallExpr) -> Cost {
        let members = limits::CEL_COST_MEMBERS;
        let Some(target) = &call.target else {
            let steps = self.sum(&call.args);
            if let Some(known) = self.macros.and_then(|macros| macros.get(&call.func_name)) {
                // Each of the body's steps may be one of a parameter's.
                return Cost { steps: known.steps.saturating_mul(steps.max(1)), members };
            }
            return match call.func_name.as_str() {
                "_&&_" | "_||_" | "!_" | "_?_:_" | "has" => {
                    Cost { steps: steps.saturating_add(1), members }
                }
                // `in` goes through a list.
                "@in" => {
                    let through = call.args.last().map_or(members, size_of);
                    Cost { steps: steps.saturating_add(1 + through), members }
                }
                _ => Cost { steps: steps.saturating_add(1 + limits::CEL_COST_TEXT_STEPS), members },
            };
        };
        let target_cost = self.of(target);
        match call.func_name.as_str() {
            "all" | "exists" | "exists_one" | "existsOne" | "map" | "filter" | "sortBy"
            | "transformList" | "transformMap" | "transformMapEntry" => {
                let body = self.sum(&call.args);
                let each = body.saturating_add(1).saturating_mul(target_cost.members);
                Cost { steps: target_cost.steps.saturating_add(each), members: target_cost.members }
            }
            _ => {
                let steps = self.sum(&call.args).saturating_add(target_cost.steps);
                Cost { steps: steps.saturating_add(1 + limits::CEL_COST_TEXT_STEPS), members }
            }
        }
    }
}

fn size_of(expr: &IdedExpr) -> u64 {
    match &expr.expr {
        Expr::List(list) => u64::try_from(list.elements.len()).unwrap_or(u64::MAX),
        _ => limits::CEL_COST_MEMBERS,
    }
}
