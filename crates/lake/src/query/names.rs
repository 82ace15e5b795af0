//! Gives the names in a SQL statement their meaning before DataFusion sees them.
//!
//! - A table's or column's name that differs only in case from exactly one becomes that one.
//! - A path into a struct becomes a chain of `get_field`.
//! - A name that is no column is read from `_rest` (and a path into a JSON column from that
//!   column), by a call of `rest`.
//!
//! A name that something else may define (an alias, a common table expression, a derived table, a
//! lambda) is left alone: DataFusion then says what is wrong with it, if anything is.

mod scope;
mod syntax;

use std::{
    collections::{HashMap, HashSet},
    ops::ControlFlow,
    sync::Arc,
};

use arrow::datatypes::SchemaRef;
use datafusion::sql::sqlparser::{
    ast::{
        Distinct, Expr, GroupByExpr, Ident, JoinConstraint, ObjectName, ObjectNamePart, OrderBy,
        OrderByKind, Query, Select, SelectItem, SetExpr, TableAlias, TableFactor, TableWithJoins,
        VisitMut, VisitorMut,
    },
    tokenizer::Span,
};

pub(super) use self::syntax::{path_of, regroup};
use self::{
    scope::{Lookup, Relation, Scope, column, is_alias, lookup, notice, rest_of},
    syntax::{constraint, keyword, last_part},
};
use super::error::{Excerpt, QueryError, nearest};

type Tables = HashMap<String, Arc<Columns>>;

/// A table, as far as names go.
#[derive(Debug)]
pub(crate) struct Columns {
    pub(crate) name: String,
    pub(crate) schema: SchemaRef,
}

/// Rewrites a query in place, and answers what its reader should know.
///
/// # Errors
/// If a table is unknown.
pub(crate) fn resolve(
    query: &mut Query,
    text: &str,
    tables: &Tables,
    all_tables: &[String],
) -> Result<Vec<String>, QueryError> {
    let mut resolver = Resolver {
        text,
        tables,
        all_tables,
        ctes: Vec::new(),
        scopes: Vec::new(),
        notices: vec![],
    };
    resolver.query(query)?;
    Ok(resolver.notices)
}

/// The candidate spelled like `name`, or the only one that differs in case alone.
pub(crate) fn spelled<'c>(
    name: &str,
    candidates: impl Iterator<Item = &'c str> + Clone,
) -> Option<&'c str> {
    if let Some(exact) = candidates.clone().find(|candidate| *candidate == name) {
        return Some(exact);
    }
    let mut alike = candidates.filter(|candidate| candidate.eq_ignore_ascii_case(name));
    let first = alike.next()?;
    alike.next().is_none().then_some(first)
}

struct Resolver<'s> {
    text: &'s str,
    tables: &'s Tables,
    all_tables: &'s [String],
    /// The names of common table expressions, innermost last.
    ctes: Vec<HashSet<String>>,
    scopes: Vec<Scope>,
    notices: Vec<String>,
}

impl Resolver<'_> {
    fn query(&mut self, query: &mut Query) -> Result<(), QueryError> {
        self.ctes.push(HashSet::new());
        if let Some(with) = &mut query.with {
            let recursive = with.recursive;
            for cte in &mut with.cte_tables {
                let name = cte.alias.name.value.clone();
                if recursive {
                    self.define(name.clone());
                }
                self.query(&mut cte.query)?;
                self.define(name);
            }
        }
        let done = match query.body.as_mut() {
            SetExpr::Select(select) => self.select(select, query.order_by.as_mut()),
            body => self.set_expr(body),
        };
        self.ctes.pop();
        done
    }

    fn define(&mut self, name: String) {
        if let Some(frame) = self.ctes.last_mut() {
            frame.insert(name);
        }
    }

    fn set_expr(&mut self, body: &mut SetExpr) -> Result<(), QueryError> {
        match body {
            SetExpr::Select(select) => self.select(select, None),
            SetExpr::Query(query) => self.query(query),
            SetExpr::SetOperation { left, right, .. } => {
                self.set_expr(left)?;
                self.set_expr(right)
            }
            SetExpr::Values(values) => {
                for row in &mut values.rows {
                    self.exprs(row.content.iter_mut(), false)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn select(
        &mut self,
        select: &mut Select,
        order_by: Option<&mut OrderBy>,
    ) -> Result<(), QueryError> {
        let mut scope = Scope::default();
        for from in &mut select.from {
            self.from(from, &mut scope)?;
        }
        self.scopes.push(scope);
        let done = self.select_in_scope(select, order_by);
        self.scopes.pop();
        done
    }

    fn select_in_scope(
        &mut self,
        select: &mut Select,
        order_by: Option<&mut OrderBy>,
    ) -> Result<(), QueryError> {
        for from in &mut select.from {
            self.join_conditions(from)?;
        }
        if let Some(Distinct::On(exprs)) = &mut select.distinct {
            self.exprs(exprs.iter_mut(), false)?;
        }
        for item in &mut select.projection {
            self.select_item(item)?;
        }
        self.exprs(select.selection.iter_mut(), false)?;
        if let GroupByExpr::Expressions(exprs, _) = &mut select.group_by {
            self.exprs(exprs.iter_mut(), true)?;
        }
        self.exprs(select.having.iter_mut().chain(&mut select.qualify), true)?;
        for window in &mut select.named_window {
            self.visit(window, false)?;
        }
        if let Some(OrderByKind::Expressions(keys)) = order_by.map(|order_by| &mut order_by.kind) {
            self.exprs(keys.iter_mut().map(|key| &mut key.expr), true)?;
        }
        Ok(())
    }

    fn select_item(&mut self, item: &mut SelectItem) -> Result<(), QueryError> {
        match item {
            SelectItem::UnnamedExpr(expr) => {
                let name = self.output_name(expr);
                if self.visit(expr, false)? {
                    // The column keeps the name that it was asked for by.
                    let alias = Ident::with_quote('"', name.clone());
                    *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
                    self.name_output(name);
                }
            }
            SelectItem::ExprWithAlias { expr, alias } => {
                let name = alias.value.clone();
                self.visit(expr, false)?;
                self.name_output(name);
            }
            _ => {}
        }
        Ok(())
    }

    /// What an unnamed output column is called: a path without its table, or the expression as
    /// written.
    fn output_name(&self, expr: &Expr) -> String {
        let Some(path) = path_of(expr) else { return expr.to_string() };
        let names: Vec<&str> = path.iter().map(|ident| ident.value.as_str()).collect();
        match names.split_first() {
            Some((first, rest)) if !rest.is_empty() && self.is_relation(first) => rest.join("."),
            _ => names.join("."),
        }
    }

    fn is_relation(&self, name: &str) -> bool {
        let relations = self.scopes.last().map(|scope| scope.relations.as_slice());
        let names = relations.unwrap_or_default().iter().map(|relation| relation.name.as_str());
        spelled(name, names).is_some()
    }

    fn name_output(&mut self, name: String) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.aliases.push(name);
        }
    }

    fn from(&mut self, from: &mut TableWithJoins, scope: &mut Scope) -> Result<(), QueryError> {
        self.relation(&mut from.relation, scope)?;
        for join in &mut from.joins {
            self.relation(&mut join.relation, scope)?;
        }
        Ok(())
    }

    fn relation(&mut self, factor: &mut TableFactor, scope: &mut Scope) -> Result<(), QueryError> {
        match factor {
            TableFactor::Table { name, alias, args: None, .. } => {
                let table = self.table(name)?;
                // Renamed columns are no longer the table's.
                let renamed = alias.as_ref().is_some_and(|alias| !alias.columns.is_empty());
                let name = alias_or(alias.as_ref(), &last_part(name));
                scope.relations.push(Relation { name, table: table.filter(|_| !renamed) });
            }
            TableFactor::Derived { lateral, subquery, alias, .. } => {
                if *lateral {
                    self.scopes.push(std::mem::take(scope));
                }
                let done = self.query(subquery);
                if *lateral {
                    *scope = self.scopes.pop().unwrap_or_default();
                }
                done?;
                scope.relations.push(Relation { name: alias_or(alias.as_ref(), ""), table: None });
            }
            TableFactor::NestedJoin { table_with_joins, alias: None } => {
                self.from(table_with_joins, scope)?;
            }
            TableFactor::NestedJoin { table_with_joins, alias } => {
                self.from(table_with_joins, &mut Scope::default())?;
                scope.relations.push(Relation { name: alias_or(alias.as_ref(), ""), table: None });
            }
            TableFactor::Table { alias, .. }
            | TableFactor::TableFunction { alias, .. }
            | TableFactor::Function { alias, .. }
            | TableFactor::UNNEST { alias, .. } => {
                scope.relations.push(Relation { name: alias_or(alias.as_ref(), ""), table: None });
            }
            _ => scope.relations.push(Relation { name: String::new(), table: None }),
        }
        Ok(())
    }

    /// The table of this name; `None` if it is a common table expression.
    fn table(&self, name: &mut ObjectName) -> Result<Option<Arc<Columns>>, QueryError> {
        let ident = match name.0.as_mut_slice() {
            [ObjectNamePart::Identifier(ident)] => ident,
            _ => return Err(self.unknown_table(&name.to_string(), Span::empty())),
        };
        let ctes = self.ctes.iter().rev().flatten().map(String::as_str);
        if let Some(cte) = spelled(&ident.value, ctes) {
            ident.value = cte.to_owned();
            return Ok(None);
        }
        let Some(table) = spelled(&ident.value, self.tables.keys().map(String::as_str)) else {
            return Err(self.unknown_table(&ident.value, ident.span));
        };
        ident.value = table.to_owned();
        Ok(self.tables.get(table).map(Arc::clone))
    }

    fn unknown_table(&self, name: &str, span: Span) -> QueryError {
        let known = self.all_tables.iter().map(String::as_str);
        let near = nearest(name, known.chain(self.ctes.iter().flatten().map(String::as_str)));
        QueryError::UnknownTable {
            name: name.to_owned(),
            at: Excerpt::at_position(self.text, span.start.line, span.start.column),
            near: near.map(str::to_owned),
        }
    }

    fn join_conditions(&mut self, from: &mut TableWithJoins) -> Result<(), QueryError> {
        if let TableFactor::NestedJoin { table_with_joins, alias: None } = &mut from.relation {
            self.join_conditions(table_with_joins)?;
        }
        for join in &mut from.joins {
            if let Some(JoinConstraint::On(expr)) = constraint(&mut join.join_operator) {
                self.visit(expr, false)?;
            }
        }
        Ok(())
    }

    fn exprs<'e>(
        &mut self,
        exprs: impl Iterator<Item = &'e mut Expr>,
        aliases: bool,
    ) -> Result<(), QueryError> {
        for expr in exprs {
            self.visit(expr, aliases)?;
        }
        Ok(())
    }

    /// Resolves all names in an expression; answers whether anything changed. `aliases` tells
    /// whether the names that the projection gives can be used here.
    fn visit(&mut self, node: &mut impl VisitMut, aliases: bool) -> Result<bool, QueryError> {
        let mut visitor =
            Visitor { resolver: self, queries: 0, lambdas: Vec::new(), aliases, changed: false };
        match node.visit(&mut visitor) {
            ControlFlow::Break(error) => Err(*error),
            ControlFlow::Continue(()) => Ok(visitor.changed),
        }
    }

    /// What a name stands for, if that is not what DataFusion would take it for.
    fn meaning(&mut self, path: &[Ident], aliases: bool) -> Option<Expr> {
        let mut candidate = None;
        for (depth, scope) in self.scopes.iter().rev().enumerate() {
            if aliases && depth == 0 && is_alias(scope, path) {
                return None;
            }
            match lookup(scope, path) {
                Lookup::Column(found) => {
                    let (expr, notice) = column(&found, path);
                    self.notices.extend(notice.filter(|notice| !self.notices.contains(notice)));
                    return expr;
                }
                Lookup::Rest(relation, used) => {
                    // It names its table, so the tables further in have no claim to it.
                    candidate = Some((relation, used));
                    break;
                }
                Lookup::Foreign => return None,
                Lookup::Nothing => {
                    let mut tables = scope.relations.iter();
                    if let (Some(only), None) = (tables.next(), tables.next()) {
                        candidate = candidate.or(Some((only, 0)));
                    }
                }
            }
        }
        let (relation, used) = candidate?;
        let names: Vec<&str> = path.iter().skip(used).map(|ident| ident.value.as_str()).collect();
        let expr = rest_of(relation, &names)?;
        let notice = notice(relation, &names);
        if !self.notices.contains(&notice) {
            self.notices.push(notice);
        }
        Some(expr)
    }
}

fn alias_or(alias: Option<&TableAlias>, name: &str) -> String {
    alias.map_or_else(|| name.to_owned(), |alias| alias.name.value.clone())
}

struct Visitor<'r, 's> {
    resolver: &'r mut Resolver<'s>,
    /// How many subqueries deep: those are resolved in scopes of their own.
    queries: usize,
    /// The parameters of the lambdas around.
    lambdas: Vec<Vec<String>>,
    aliases: bool,
    changed: bool,
}

impl VisitorMut for Visitor<'_, '_> {
    type Break = Box<QueryError>;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        self.queries += 1;
        if self.queries == 1
            && let Err(error) = self.resolver.query(query)
        {
            return ControlFlow::Break(Box::new(error));
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<Self::Break> {
        self.queries -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        if self.queries > 0 {
            return ControlFlow::Continue(());
        }
        if let Expr::Lambda(lambda) = expr {
            let names = lambda.params.iter().map(|param| param.name.value.to_lowercase());
            self.lambdas.push(names.collect());
            return ControlFlow::Continue(());
        }
        // The path as it was written; what is left of it is put in order for DataFusion.
        let path = path_of(expr);
        if let Expr::CompoundFieldAccess { root, access_chain } = expr {
            regroup(root, access_chain);
        }
        let Some(path) = path else { return ControlFlow::Continue(()) };
        let first = path.first().map(|ident| ident.value.to_lowercase()).unwrap_or_default();
        if first.starts_with('@') || self.lambdas.iter().flatten().any(|param| *param == first) {
            return ControlFlow::Continue(());
        }
        if let Some(meaning) = self.resolver.meaning(&path, self.aliases) {
            *expr = meaning;
            self.changed = true;
        } else if let Expr::Function(function) = expr
            && let Some(ident) = keyword(function)
        {
            *expr = Expr::Identifier(Ident { quote_style: Some('"'), ..ident });
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        if self.queries == 0 && matches!(expr, Expr::Lambda(_)) {
            self.lambdas.pop();
        }
        ControlFlow::Continue(())
    }
}
