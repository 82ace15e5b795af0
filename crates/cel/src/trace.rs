//! An expression in its parts, each of which can be evaluated by itself: for whoever explains what
//! an expression made of an event.
//!
//! `&&`, `||`, `!` and `?:` are taken apart down to tests, and tests down to the values that they
//! compare. What stands inside a macro such as `exists` depends on the macro's variable and stays
//! whole.

use std::fmt::Write as _;

use base::Event;
use cel_parser::common::ast::{Expr, IdedExpr};

use crate::{
    CelError, CelMap, CelValue, Environment, EvalError, Program, eval::convert, functions, lower,
    print,
};

/// How much of a value is shown, in bytes; whatever begins before is shown whole.
const SHOWN_BYTES_MAX: usize = 400;

/// A part of an expression.
#[derive(Debug)]
pub struct Part {
    /// What it is.
    pub kind: PartKind,
    /// The part as text; for operators, the operator.
    pub text: String,
    /// Its own parts, in order.
    pub parts: Vec<Self>,
    program: Program,
}

/// What a part of an expression is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartKind {
    /// `&&`: all of its parts.
    All,
    /// `||`: any of its parts.
    Any,
    /// `!`: its part does not hold.
    Not,
    /// `a ? b : c`, with these three parts.
    Conditional,
    /// A test: a truth value that is not made of others.
    Test,
    /// A value that a test reads.
    Value,
}

/// What a part gave for an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// A truth value.
    Truth(bool),
    /// Any other value, as text.
    Value(String),
}

/// A part before it is compiled.
struct Draft {
    kind: PartKind,
    text: String,
    source: String,
    parts: Vec<Draft>,
}

impl Program {
    /// The expression in its parts.
    ///
    /// # Errors
    ///
    /// Fails for no expression that could be compiled.
    pub fn parts(&self) -> Result<Part, CelError> {
        let draft = lower::with_tree(&self.source, |expr, _| Ok(condition(expr)))?;
        let whole = Program::build(&self.source, true, "", self.environment.clone())?;
        Ok(draft.compiled(whole, &self.environment))
    }
}

impl Draft {
    fn compiled(self, program: Program, environment: &Environment) -> Part {
        let mut parts = Vec::with_capacity(self.parts.len());
        for part in self.parts {
            // What does not compile by itself is only shown as part of what is around it.
            if let Ok(program) = Program::build(&part.source, true, "", environment.clone()) {
                parts.push(part.compiled(program, environment));
            }
        }
        Part { kind: self.kind, text: self.text, parts, program }
    }
}

impl Part {
    /// What the part gives for an event.
    ///
    /// # Errors
    ///
    /// Fails if it has no value for this event.
    pub fn evaluate(&self, event: &Event<'_>) -> Result<Given, EvalError> {
        let mut evaluation = self.program.evaluation(crate::Root::Event(event));
        Ok(match evaluation.eval(&self.program.root)? {
            CelValue::Bool(truth) => Given::Truth(truth),
            value => {
                let mut out = String::new();
                show(&value, true, &mut out);
                Given::Value(out)
            }
        })
    }
}

/// Takes a truth value apart.
fn condition(expr: &IdedExpr) -> Draft {
    let draft = |kind, text: &str, parts| Draft {
        kind,
        text: text.to_owned(),
        source: print::expression(expr),
        parts,
    };
    if let Expr::Call(call) = &expr.expr
        && call.target.is_none()
    {
        let parts = || call.args.iter().map(condition).collect();
        match call.func_name.as_str() {
            "_&&_" => return draft(PartKind::All, "&&", flat(expr, "_&&_")),
            "_||_" => return draft(PartKind::Any, "||", flat(expr, "_||_")),
            "!_" => return draft(PartKind::Not, "!", parts()),
            "_?_:_" => return draft(PartKind::Conditional, "?:", parts()),
            _ => {}
        }
    }
    let mut values = Vec::new();
    operands(expr, &mut values);
    draft(PartKind::Test, &print::expression(expr), values)
}

/// The operands of a chain of one operator.
fn flat(expr: &IdedExpr, operator: &str) -> Vec<Draft> {
    match &expr.expr {
        Expr::Call(call) if call.target.is_none() && call.func_name == operator => {
            call.args.iter().flat_map(|inner| flat(inner, operator)).collect()
        }
        _ => vec![condition(expr)],
    }
}

/// The values that an expression is made of, without constants.
fn operands(expr: &IdedExpr, values: &mut Vec<Draft>) {
    match &expr.expr {
        Expr::Call(call) => {
            let name = call.func_name.as_str();
            // `has` binds no variable.
            let is_macro =
                name != "has" && functions::MACROS.iter().any(|(known, _)| *known == name);
            if let Some(target) = call.target.as_deref().filter(|target| !is_namespace(target)) {
                value(target, values);
            }
            if !is_macro {
                call.args.iter().for_each(|arg| value(arg, values));
            }
        }
        Expr::Select(select) => value(&select.operand, values),
        Expr::List(list) => list.elements.iter().for_each(|member| value(member, values)),
        _ => {}
    }
}

/// Whether it is the `net` of `net.inCidr(…)`, which has no value.
fn is_namespace(target: &IdedExpr) -> bool {
    matches!(&target.expr, Expr::Ident(name) if functions::is_namespace(name))
}

fn value(expr: &IdedExpr, values: &mut Vec<Draft>) {
    let mut parts = Vec::new();
    match &expr.expr {
        Expr::Literal(_) => return,
        Expr::List(_) | Expr::Map(_) => return operands(expr, values),
        _ if print::is_path(expr) => {}
        _ => operands(expr, &mut parts),
    }
    let text = print::expression(expr);
    if values.iter().any(|known| known.text == text) {
        return;
    }
    values.push(Draft { kind: PartKind::Value, source: text.clone(), text, parts });
}

/// Writes a value for a reader: text without quotes at the top, and anything else like JSON.
fn show(value: &CelValue<'_>, is_top: bool, out: &mut String) {
    if out.len() > SHOWN_BYTES_MAX {
        return;
    }
    match value {
        CelValue::Text(text) if is_top => out.push_str(text),
        CelValue::Text(text) => base::event::write_json_text(text, out),
        CelValue::Null => out.push_str("null"),
        CelValue::List(list) => {
            out.push('[');
            for (index, member) in list.iter().enumerate() {
                if out.len() > SHOWN_BYTES_MAX {
                    break;
                }
                out.push_str(if index > 0 { ", " } else { "" });
                show(&member, false, out);
            }
            out.push(']');
        }
        CelValue::Map(map) => show_map(map, out),
        // Writing to a string cannot fail.
        other => write!(out, "{}", convert::display(other)).unwrap_or_default(),
    }
}

fn show_map(map: &CelMap<'_>, out: &mut String) {
    out.push('{');
    for (index, (key, value)) in map.iter().enumerate() {
        if out.len() > SHOWN_BYTES_MAX {
            break;
        }
        out.push_str(if index > 0 { ", " } else { "" });
        show(&key, false, out);
        out.push_str(": ");
        show(&value, false, out);
    }
    out.push('}');
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use base::{EventId, Object, ObjectHash, Origin, Timestamp, Value};

    use super::*;

    fn event() -> Event<'static> {
        let mut user = Object::new();
        user.push("name", Value::text("Mira"));
        let mut fields = Object::new();
        fields.push("action", Value::text("export"));
        fields.push("rows", Value::Int(10));
        fields.push("user", Value::Object(user));
        fields.push("tags", Value::List(vec![Value::text("a"), Value::text("b")]));
        Event {
            time: Timestamp::parse("2026-11-24T08:00:00Z").unwrap(),
            ingest_time: Timestamp::parse("2026-11-24T08:00:01Z").unwrap(),
            id: EventId { object: ObjectHash::of(&["x"]), offset: 0 },
            log_source: "shop",
            origin: Origin { object: Cow::Borrowed("x"), offset: 0 },
            fields,
            normalized: Object::new(),
            json: None,
        }
    }

    fn write(part: &Part, depth: usize, out: &mut String) {
        let given = match part.evaluate(&event()) {
            Ok(Given::Truth(truth)) => truth.to_string(),
            Ok(Given::Value(value)) => value,
            Err(error) => error.to_string(),
        };
        out.push_str(&format!("{:1$}{2} = {given}\n", "", 2 * depth, part.text));
        part.parts.iter().for_each(|part| write(part, depth + 1, out));
    }

    #[test]
    fn every_part_has_its_value() {
        let source = "action == 'export' && (rows + 5 > 1000 || user.name.lowerAscii() == 'mira') \
                      && !tags.exists(t, t == 'x') && (has(gone) ? gone > 1 : size(tags) == 2) \
                      && net.inCidr(client, '10.0.0.0/8')";
        let program = Program::compile(source).unwrap();
        let mut out = String::new();
        write(&program.parts().unwrap(), 0, &mut out);
        let expected = "\
&& = the event has no field `client`
  action == \"export\" = true
    action = export
  || = true
    rows + 5 > 1000 = false
      rows + 5 = 15
        rows = 10
    user.name.lowerAscii() == \"mira\" = true
      user.name.lowerAscii() = mira
        user.name = Mira
  ! = true
    tags.exists(t, t == \"x\") = false
      tags = [\"a\", \"b\"]
  ?: = true
    has(gone) = false
      gone = the event has no field `gone`
    gone > 1 = the event has no field `gone`
      gone = the event has no field `gone`
    size(tags) == 2 = true
      size(tags) = 2
        tags = [\"a\", \"b\"]
  net.inCidr(client, \"10.0.0.0/8\") = the event has no field `client`
    client = the event has no field `client`
";
        assert_eq!(out, expected);
    }
}
