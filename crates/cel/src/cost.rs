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
pub(crate) fn check(source: &str, info: &SourceInfo, expr: &IdedExpr) -> Result<u64, CelError> {
    let mut too_dear = None;
    let cost = of(expr, &mut too_dear);
    match too_dear {
        Some((expr, steps)) => Err(error_at(source, info, expr, CelErrorKind::TooCostly { steps })),
        None => Ok(cost.steps),
    }
}

/// The cost of `expr`; notes the first part that goes beyond the limit.
fn of<'e>(expr: &'e IdedExpr, too_dear: &mut Option<(&'e IdedExpr, u64)>) -> Cost {
    let members = limits::CEL_COST_MEMBERS;
    let cost = match &expr.expr {
        Expr::Literal(LiteralValue::String(text)) => {
            Cost { steps: 1, members: u64::try_from(text.inner().len()).unwrap_or(u64::MAX) }
        }
        Expr::Literal(_) => Cost { steps: 1, members: 1 },
        Expr::Select(select) => {
            let operand = of(&select.operand, too_dear);
            Cost { steps: operand.steps, members }
        }
        Expr::List(list) => {
            let steps = sum(&list.elements, too_dear);
            let size = u64::try_from(list.elements.len()).unwrap_or(u64::MAX);
            Cost { steps: steps.saturating_add(1), members: size }
        }
        Expr::Map(map) => {
            let mut steps = 1_u64;
            for entry in &map.entries {
                if let EntryExpr::MapEntry(entry) = &entry.expr {
                    steps = steps.saturating_add(of(&entry.key, too_dear).steps);
                    steps = steps.saturating_add(of(&entry.value, too_dear).steps);
                }
            }
            Cost { steps, members: u64::try_from(map.entries.len()).unwrap_or(u64::MAX) }
        }
        Expr::Call(call) => of_call(call, too_dear),
        Expr::Ident(_) | Expr::Struct(_) | Expr::Comprehension(_) | Expr::Unspecified => {
            Cost { steps: 1, members }
        }
    };
    if cost.steps > limits::CEL_COST_MAX && too_dear.is_none() {
        *too_dear = Some((expr, cost.steps));
    }
    cost
}

fn sum<'e>(exprs: &'e [IdedExpr], too_dear: &mut Option<(&'e IdedExpr, u64)>) -> u64 {
    exprs.iter().fold(0, |steps, expr| steps.saturating_add(of(expr, too_dear).steps))
}

fn of_call<'e>(call: &'e CallExpr, too_dear: &mut Option<(&'e IdedExpr, u64)>) -> Cost {
    let members = limits::CEL_COST_MEMBERS;
    let Some(target) = &call.target else {
        let steps = sum(&call.args, too_dear);
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
    let target_cost = of(target, too_dear);
    match call.func_name.as_str() {
        "all" | "exists" | "exists_one" | "existsOne" | "map" | "filter" | "sortBy"
        | "transformList" | "transformMap" | "transformMapEntry" => {
            let body = sum(&call.args, too_dear);
            let each = body.saturating_add(1).saturating_mul(target_cost.members);
            Cost { steps: target_cost.steps.saturating_add(each), members: target_cost.members }
        }
        _ => {
            let steps = sum(&call.args, too_dear).saturating_add(target_cost.steps);
            Cost { steps: steps.saturating_add(1 + limits::CEL_COST_TEXT_STEPS), members }
        }
    }
}

fn size_of(expr: &IdedExpr) -> u64 {
    match &expr.expr {
        Expr::List(list) => u64::try_from(list.elements.len()).unwrap_or(u64::MAX),
        _ => limits::CEL_COST_MEMBERS,
    }
}
