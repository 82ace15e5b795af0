//! What a `SELECT` can name, and what becomes of a name.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::sql::sqlparser::{
    ast::{Expr, Ident},
    tokenizer::Span,
};

use super::{
    Columns, spelled,
    syntax::{call, function, quoted},
};
use crate::{
    query::{error::nearest, functions::REST_FUNCTION},
    schema,
};

/// What one `SELECT` can name.
#[derive(Debug, Default)]
pub(super) struct Scope {
    pub(super) relations: Vec<Relation>,
    /// The names that the projection gives.
    pub(super) aliases: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Relation {
    /// The name that qualifies its columns.
    pub(super) name: String,
    /// `None` for what is no table of the lake.
    pub(super) table: Option<Arc<Columns>>,
}

/// A column of a table, and the path that is left to go inside it.
pub(super) struct Found<'s> {
    pub(super) relation: &'s Relation,
    pub(super) column: &'s Field,
    pub(super) qualified: bool,
    /// How many of the path's names chose the column.
    pub(super) used: usize,
}

pub(super) enum Lookup<'s> {
    Column(Found<'s>),
    /// No column, but certainly of this relation; so many of the path's names chose it.
    Rest(&'s Relation, usize),
    /// Something that isn't ours to decide.
    Foreign,
    /// Nothing here has that name.
    Nothing,
}

pub(super) fn is_alias(scope: &Scope, path: &[Ident]) -> bool {
    let [only] = path else { return false };
    scope.aliases.contains(&only.value)
}

pub(super) fn lookup<'s>(scope: &'s Scope, path: &[Ident]) -> Lookup<'s> {
    let Some((first, rest)) = path.split_first() else { return Lookup::Foreign };
    let names = scope.relations.iter().map(|relation| relation.name.as_str());
    if let Some(second) = rest.first()
        && let Some(name) = spelled(&first.value, names)
        && let Some(relation) = scope.relations.iter().find(|relation| relation.name == name)
    {
        return match &relation.table {
            None => Lookup::Foreign,
            Some(table) => match field_of(table, &second.value) {
                Some(column) => {
                    Lookup::Column(Found { relation, column, qualified: true, used: 2 })
                }
                None => Lookup::Rest(relation, 1),
            },
        };
    }
    let tables = || scope.relations.iter().filter_map(|r| r.table.as_ref().map(|table| (r, table)));
    let columns = || tables().flat_map(|(_, table)| table.schema.fields());
    let mut spellings: Vec<&str> = columns().map(|field| field.name().as_str()).collect();
    spellings.sort_unstable();
    spellings.dedup();
    let Some(name) = spelled(&first.value, spellings.iter().copied()) else {
        let all_tables = tables().count() == scope.relations.len();
        return if all_tables { Lookup::Nothing } else { Lookup::Foreign };
    };
    let mut owners = tables().filter_map(|(relation, table)| {
        table.schema.field_with_name(name).ok().map(|column| (relation, column))
    });
    match (owners.next(), owners.next()) {
        (Some((relation, column)), None) => {
            Lookup::Column(Found { relation, column, qualified: false, used: 1 })
        }
        // Ambiguous: DataFusion says so.
        _ => Lookup::Foreign,
    }
}

fn field_of<'t>(table: &'t Columns, name: &str) -> Option<&'t Field> {
    let names = table.schema.fields().iter().map(|field| field.name().as_str());
    table.schema.field_with_name(spelled(name, names)?).ok()
}

/// The expression for a column and the path inside it, with a notice if that ends in `_rest`.
pub(super) fn column(found: &Found<'_>, path: &[Ident]) -> (Option<Expr>, Option<String>) {
    let asked = path.get(found.used - 1);
    let ident = Ident {
        value: found.column.name().clone(),
        quote_style: Some('"'),
        span: asked.map_or_else(Span::empty, |ident| ident.span),
    };
    let qualifier = path.first().is_some_and(|first| first.value == found.relation.name);
    let same =
        asked.is_some_and(|asked| asked.value == ident.value) && (qualifier || !found.qualified);
    let mut expr = if found.qualified {
        Expr::CompoundIdentifier(vec![quoted(&found.relation.name), ident])
    } else {
        Expr::Identifier(ident)
    };
    let members = path.get(found.used..).unwrap_or_default();
    if members.is_empty() {
        return ((!same).then_some(expr), None);
    }
    let mut names = vec![found.column.name().as_str()];
    let mut field = found.column;
    for (index, member) in members.iter().enumerate() {
        let DataType::Struct(fields) = field.data_type() else {
            let rest = members.iter().skip(index).map(|ident| ident.value.as_str());
            names.extend(rest.clone());
            if schema::is_json(field) {
                let inside = call(REST_FUNCTION, expr, rest);
                return (Some(either(inside, rest_of(found.relation, &names))), None);
            }
            return (rest_of(found.relation, &names), Some(notice(found.relation, &names)));
        };
        let known = fields.iter().map(|field| field.name().as_str());
        let inner = spelled(&member.value, known)
            .and_then(|name| fields.iter().find(|field| field.name() == name));
        let Some(inner) = inner else {
            names.extend(members.iter().skip(index).map(|ident| ident.value.as_str()));
            return (rest_of(found.relation, &names), Some(notice(found.relation, &names)));
        };
        expr = call("get_field", expr, std::iter::once(inner.name().as_str()));
        names.push(inner.name());
        field = inner;
    }
    (Some(expr), None)
}

/// `rest("table"."_rest", 'a', 'b')`, if the relation has `_rest`.
pub(super) fn rest_of(relation: &Relation, path: &[&str]) -> Option<Expr> {
    relation.table.as_ref()?.schema.field_with_name(schema::REST).ok()?;
    let rest = Expr::CompoundIdentifier(vec![quoted(&relation.name), quoted(schema::REST)]);
    Some(call(REST_FUNCTION, rest, path.iter().copied()))
}

fn either(first: Expr, second: Option<Expr>) -> Expr {
    let Some(second) = second else { return first };
    function("coalesce", vec![first, second])
}

pub(super) fn notice(relation: &Relation, path: &[&str]) -> String {
    let name = path.join(".");
    let table = relation.table.as_ref();
    let columns = table.map(|table| leaves(&table.schema)).unwrap_or_default();
    let near = nearest(&name, columns.iter().map(String::as_str));
    let guess = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    let table = table.map(|table| table.name.as_str()).unwrap_or_default();
    format!("`{name}` is no column of `{table}`, so it is read from `_rest`{guess}")
}

/// The names of all columns, members of structs with their path.
fn leaves(schema: &Schema) -> Vec<String> {
    fn add(prefix: &str, field: &Field, names: &mut Vec<String>) {
        let name = format!("{prefix}{}", field.name());
        if let DataType::Struct(members) = field.data_type() {
            for member in members {
                add(&format!("{name}."), member, names);
            }
        }
        names.push(name);
    }
    let mut names = Vec::new();
    for field in schema.fields() {
        add("", field, &mut names);
    }
    names
}
