//! What the search index can know of a filter: which tokens and grams a block must have so that a row
//! of it may pass.
//!
//! Promises: over-approximates. What is not understood here says nothing.

use arrow::datatypes::Schema;
use datafusion::{
    common::ScalarValue,
    logical_expr::{BinaryExpr, Expr, Like, Operator, expr::ScalarFunction},
};

use super::{
    functions::{Kind, RowFunction},
    pattern::Pattern,
    plan::find,
    regexp::wanted_of_sql,
    search::ast::{FieldTest, Node, Number, Test, ValueTest, Word},
    shape::{Shape, shapes},
};
use crate::{index::Wanted, schema, snapshot::TableSnapshot};

/// What rows that pass all filters over a table of this schema need.
pub(super) fn wanted(schema: &Schema, filters: &[Expr]) -> Wanted {
    Wanted::all(filters.iter().map(|filter| of_expr(schema, filter)))
}

/// What rows of a table that pass a search's condition need.
pub(super) fn wanted_of(table: &TableSnapshot, node: &Node) -> Wanted {
    match node {
        Node::All | Node::Not(_) => Wanted::Anything,
        Node::And(parts) => Wanted::all(parts.iter().map(|part| wanted_of(table, part))),
        Node::Or(parts) => Wanted::any(parts.iter().map(|part| wanted_of(table, part))),
        Node::Word(word) => of_word(word),
        Node::AnyField(test) => of_test(test),
        Node::Field(FieldTest { field, test }) => {
            let Some(place) = find(table, field) else { return of_test(test) };
            let is_known = place.steps.first().is_some_and(|column| is_indexed(column));
            let own = if is_known { of_test(test) } else { Wanted::Anything };
            // It may be in `_rest` too, which is indexed, under either spelling.
            let rests = if place.name == *field { 1 } else { 2 };
            Wanted::any(std::iter::once(own).chain((0..rests).map(|_| of_test(test))))
        }
    }
}

fn of_expr(schema: &Schema, expr: &Expr) -> Wanted {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            Wanted::all([of_expr(schema, left), of_expr(schema, right)])
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            Wanted::any([of_expr(schema, left), of_expr(schema, right)])
        }
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: op @ (Operator::RegexMatch | Operator::RegexIMatch),
            right,
        }) => match literal(right) {
            Some(source) if is_text_column(schema, left) => {
                wanted_of_sql(source, *op == Operator::RegexIMatch)
            }
            _ => Wanted::Anything,
        },
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => {
            match (literal(left), literal(right)) {
                (None, Some(text)) => equal(schema, left, text),
                (Some(text), None) => equal(schema, right, text),
                _ => Wanted::Anything,
            }
        }
        Expr::InList(list) if !list.negated => Wanted::any(list.list.iter().map(|member| {
            literal(member).map_or(Wanted::Anything, |text| equal(schema, &list.expr, text))
        })),
        Expr::Like(like) if !like.negated && like.escape_char.is_none() => of_like(schema, like),
        Expr::ScalarFunction(call) if call.func.name() == "regexp_like" => of_regex(schema, call),
        Expr::ScalarFunction(call) => of_call(call),
        _ => Wanted::Anything,
    }
}

fn literal(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(
            ScalarValue::Utf8(Some(text))
            | ScalarValue::LargeUtf8(Some(text))
            | ScalarValue::Utf8View(Some(text)),
            _,
        ) => Some(text),
        _ => None,
    }
}

/// A value is this text.
fn equal(schema: &Schema, value: &Expr, text: &str) -> Wanted {
    let is_text = is_text_column(schema, value);
    // Objects and lists inside JSON are JSON as text, whose keys and quotes are not indexed.
    let is_scalar = || is_from_json(value) && !text.contains(['{', '[', '"']);
    if is_text || is_scalar() { Wanted::text(text, true, true) } else { Wanted::Anything }
}

/// `%` and `_` cut the pattern into texts.
fn of_like(schema: &Schema, like: &Like) -> Wanted {
    let Some(pattern) = literal(&like.pattern) else { return Wanted::Anything };
    if pattern.contains('\\') || !is_text_column(schema, &like.expr) {
        return Wanted::Anything;
    }
    // Letters beyond ASCII have these as their lower case: `K` for Kelvin, and the long `ſ`.
    let is_odd = |c: char| like.case_insensitive && matches!(c, 'k' | 'K' | 's' | 'S');
    let is_cut = |c: char| matches!(c, '%' | '_') || is_odd(c);
    let last = pattern.split(is_cut).count().saturating_sub(1);
    Wanted::all(
        pattern.split(is_cut).enumerate().map(|(at, part)| Wanted::text(part, at == 0, at == last)),
    )
}

/// `regexp_like(column, 'expression')`, without flags.
fn of_regex(schema: &Schema, call: &ScalarFunction) -> Wanted {
    match call.args.as_slice() {
        [value, source] if is_text_column(schema, value) => {
            literal(source).map_or(Wanted::Anything, |source| wanted_of_sql(source, false))
        }
        _ => Wanted::Anything,
    }
}

fn of_call(call: &ScalarFunction) -> Wanted {
    let Some(function) = call.func.inner().downcast_ref::<RowFunction>() else {
        return Wanted::Anything;
    };
    match function.kind() {
        Kind::HasWord { word, .. } => of_word(word),
        Kind::AnyPasses { test, .. } => of_test(test),
        Kind::FieldPasses { test, .. } => {
            let is_indexed = call.args.first().and_then(root).is_some_and(is_indexed);
            if is_indexed { of_test(test) } else { Wanted::Anything }
        }
        _ => Wanted::Anything,
    }
}

fn of_word(word: &Word) -> Wanted {
    with_number(&word.pattern, word.number)
}

fn of_test(test: &Test) -> Wanted {
    match test {
        Test::Exists => Wanted::Anything,
        Test::Any(tests) => Wanted::any(tests.iter().map(|test| match test {
            ValueTest::Is(pattern, number) => with_number(pattern, *number),
            ValueTest::Word(word) => of_word(word),
            ValueTest::Regexp(regexp) => regexp.wanted().clone(),
            ValueTest::Compare(..) | ValueTest::Range(..) | ValueTest::Network(..) => {
                Wanted::Anything
            }
        })),
    }
}

#[expect(clippy::cast_precision_loss, reason = "numbers are indexed as floats")]
fn with_number(pattern: &Pattern, number: Option<Number>) -> Wanted {
    let last = pattern.texts().count().saturating_sub(1);
    // A whole number is looked up as one; behind a wildcard it may be a part of another.
    let of = if last == 0 { Wanted::text } else { Wanted::part };
    let texts = pattern.texts().enumerate();
    let texts = Wanted::all(texts.map(|(at, text)| of(text, at == 0, at == last)));
    match number {
        None => texts,
        Some(Number::Int(number)) => Wanted::any([texts, Wanted::number(number as f64)]),
        Some(Number::Float(number)) => Wanted::any([texts, Wanted::number(number)]),
    }
}

/// The column that an expression is, or is a member of.
fn root(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Column(column) => Some(&column.name),
        Expr::ScalarFunction(call) if call.func.name() == "get_field" => root(call.args.first()?),
        _ => None,
    }
}

fn is_indexed(column: &str) -> bool {
    !schema::RESERVED.contains(&column) || [schema::EVENT_ID, schema::REST].contains(&column)
}

/// Whether it is a column of text, or a member of one that is text.
fn is_text_column(schema: &Schema, expr: &Expr) -> bool {
    fn shape(schema: &Schema, expr: &Expr) -> Option<Shape> {
        match expr {
            Expr::Column(column) => {
                let is_it = |(name, _): &(String, Shape)| *name == column.name;
                shapes(schema).into_iter().find(is_it).map(|(_, shape)| shape)
            }
            Expr::ScalarFunction(call) if call.func.name() == "get_field" => {
                let (object, path) = call.args.split_first()?;
                let mut found = shape(schema, object)?;
                for part in path {
                    let name = literal(part)?;
                    let Shape::Struct(members) = found else { return None };
                    found = members.into_iter().find(|(member, _)| member == name)?.1;
                }
                Some(found)
            }
            _ => None,
        }
    }
    root(expr).is_some_and(is_indexed) && shape(schema, expr) == Some(Shape::Text)
}

/// Whether it is what stands somewhere in JSON.
fn is_from_json(expr: &Expr) -> bool {
    let Expr::ScalarFunction(call) = expr else { return false };
    let function = call.func.inner().downcast_ref::<RowFunction>();
    let extracts =
        function.is_some_and(|function| matches!(function.kind(), Kind::Rest | Kind::JsonGet));
    extracts && call.args.first().and_then(root).is_some_and(is_indexed)
}
