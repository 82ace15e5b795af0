//! Writes a parsed expression as text again, for people: "why" shows which test held.

use cel_parser::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue};

use crate::functions;

/// The expression on one line.
pub(crate) fn expression(expr: &IdedExpr) -> String {
    let mut out = String::new();
    write(expr, 0, &mut out);
    out
}

/// As [`expression`], but without the field that it tests where that stands at the left.
///
/// `user.name == "root"` is `== "root"`, and `path.endsWith(".exe")` is `endsWith(".exe")`.
pub(crate) fn test(expr: &IdedExpr) -> String {
    let Expr::Call(call) = &expr.expr else {
        return if is_path(expr) { "is true".to_owned() } else { expression(expr) };
    };
    let mut out = String::new();
    match (&call.target, call.args.as_slice()) {
        (Some(target), _) if is_path(target) && !is_namespace(target) => {
            out.push_str(&call.func_name);
            write_arguments(&call.args, &mut out);
        }
        (None, [left, right]) if is_path(left) => match binary(&call.func_name) {
            Some((operator, precedence)) => {
                out.push_str(operator);
                out.push(' ');
                write(right, precedence + 1, &mut out);
            }
            None => return expression(expr),
        },
        (None, [field]) if call.func_name == "has" && is_path(field) => out.push_str("exists"),
        _ => return expression(expr),
    }
    out
}

/// Whether it is a name, or selections from one.
pub(crate) fn is_path(expr: &IdedExpr) -> bool {
    match &expr.expr {
        Expr::Ident(_) => true,
        Expr::Select(select) => is_path(&select.operand),
        _ => false,
    }
}

/// Whether it is the `net` of `net.inCidr(…)`.
fn is_namespace(expr: &IdedExpr) -> bool {
    matches!(&expr.expr, Expr::Ident(name) if functions::is_namespace(name))
}

/// An operator's sign and how tightly it binds.
fn binary(name: &str) -> Option<(&'static str, u8)> {
    Some(match name {
        "_||_" => ("||", 2),
        "_&&_" => ("&&", 3),
        "_==_" => ("==", 4),
        "_!=_" => ("!=", 4),
        "_<_" => ("<", 4),
        "_<=_" => ("<=", 4),
        "_>_" => (">", 4),
        "_>=_" => (">=", 4),
        "@in" => ("in", 4),
        "_+_" => ("+", 5),
        "_-_" => ("-", 5),
        "_*_" => ("*", 6),
        "_/_" => ("/", 6),
        "_%_" => ("%", 6),
        _ => return None,
    })
}

/// Writes `expr`, in parentheses if it binds less tightly than `around`.
fn write(expr: &IdedExpr, around: u8, out: &mut String) {
    match &expr.expr {
        Expr::Call(call) => write_call(call, around, out),
        Expr::Ident(name) => out.push_str(name),
        Expr::Literal(literal) => {
            let negative = match literal {
                LiteralValue::Int(number) => *number.inner() < 0,
                LiteralValue::Double(number) => number.inner().is_sign_negative(),
                _ => false,
            };
            in_parentheses(negative && around > 7, out, |out| write_literal(literal, out));
        }
        Expr::Select(select) => {
            write(&select.operand, 8, out);
            out.push('.');
            write_field(&select.field, out);
        }
        Expr::List(list) => {
            out.push('[');
            for (index, member) in list.elements.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                if list.optional_indices.contains(&index) {
                    out.push('?');
                }
                write(member, 0, out);
            }
            out.push(']');
        }
        Expr::Map(map) => {
            out.push('{');
            for (index, entry) in map.entries.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                if let EntryExpr::MapEntry(entry) = &entry.expr {
                    if entry.optional {
                        out.push('?');
                    }
                    write(&entry.key, 0, out);
                    out.push_str(": ");
                    write(&entry.value, 0, out);
                }
            }
            out.push('}');
        }
        // The compiler refuses these before it prints anything.
        Expr::Struct(_) | Expr::Comprehension(_) | Expr::Unspecified => out.push('…'),
    }
}

fn write_call(call: &CallExpr, around: u8, out: &mut String) {
    if let Some(target) = &call.target {
        write(target, 8, out);
        out.push('.');
        out.push_str(&call.func_name);
        return write_arguments(&call.args, out);
    }
    match (call.func_name.as_str(), call.args.as_slice()) {
        ("_?_:_", [condition, yes, no]) => in_parentheses(around > 1, out, |out| {
            write(condition, 2, out);
            out.push_str(" ? ");
            write(yes, 2, out);
            out.push_str(" : ");
            write(no, 1, out);
        }),
        ("_?._", [operand, field]) => {
            write(operand, 8, out);
            out.push_str(".?");
            if let Expr::Literal(LiteralValue::String(name)) = &field.expr {
                write_field(name.inner(), out);
            }
        }
        (name @ ("_[_]" | "_[?_]"), [operand, index]) => {
            write(operand, 8, out);
            out.push_str(if name == "_[_]" { "[" } else { "[?" });
            write(index, 0, out);
            out.push(']');
        }
        (name @ ("!_" | "-_"), [operand]) => in_parentheses(around > 7, out, |out| {
            out.push_str(name.trim_end_matches('_'));
            let mut inner = String::new();
            write(operand, 8, &mut inner);
            // `-1.b` would be a field of the number -1.
            in_parentheses(inner.starts_with(|c: char| c.is_ascii_digit()), out, |out| {
                out.push_str(&inner);
            });
        }),
        (name, [left, right]) if binary(name).is_some() => {
            let Some((operator, precedence)) = binary(name) else { return };
            in_parentheses(around > precedence, out, |out| {
                write(left, precedence, out);
                out.push(' ');
                out.push_str(operator);
                out.push(' ');
                write(right, precedence + 1, out);
            });
        }
        (name, arguments) => {
            out.push_str(name);
            write_arguments(arguments, out);
        }
    }
}

/// A field's name, in backquotes if it is no plain word.
fn write_field(name: &str, out: &mut String) {
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !name.starts_with(|c: char| c.is_ascii_digit());
    if is_plain && !matches!(name, "in" | "true" | "false" | "null") {
        out.push_str(name);
    } else {
        out.push('`');
        out.push_str(name);
        out.push('`');
    }
}

fn in_parentheses(wanted: bool, out: &mut String, inner: impl FnOnce(&mut String)) {
    if wanted {
        out.push('(');
    }
    inner(out);
    if wanted {
        out.push(')');
    }
}

fn write_arguments(arguments: &[IdedExpr], out: &mut String) {
    out.push('(');
    write_list(arguments, out);
    out.push(')');
}

fn write_list(members: &[IdedExpr], out: &mut String) {
    for (index, member) in members.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        write(member, 0, out);
    }
}

fn write_literal(literal: &LiteralValue, out: &mut String) {
    match literal {
        LiteralValue::Boolean(value) => out.push_str(if *value.inner() { "true" } else { "false" }),
        LiteralValue::Bytes(bytes) => {
            out.push_str("b\"");
            for byte in bytes.inner() {
                out.extend(std::ascii::escape_default(*byte).map(char::from));
            }
            out.push('"');
        }
        LiteralValue::Double(number) => out.push_str(&format!("{:?}", number.inner())),
        LiteralValue::Int(number) => out.push_str(&number.inner().to_string()),
        LiteralValue::Null => out.push_str("null"),
        LiteralValue::String(text) => base::event::write_json_text(text.inner(), out),
        LiteralValue::UInt(number) => {
            out.push_str(&number.inner().to_string());
            out.push('u');
        }
    }
}
