//! Expressions and statements in SQL inside of a search line: which fields they read, and what the
//! names of other languages' functions mean.
//!
//! In an expression text stands in single or double quotes, and a name with special characters in
//! backticks. A name with dots is one field.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::{
    ast::{
        Cte, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Query, Select,
        SelectItem, SetExpr, Statement as SqlStatement, TableFactor, Value, VisitMut as _,
        VisitorMut,
    },
    dialect::GenericDialect,
    parser::{Parser, ParserError},
};

use crate::query::names::{path_of, regroup};

/// What SQL calls the rows so far.
pub(crate) const ROWS: &str = "events";

/// How deeply an expression may nest.
const DEPTH_MAX: usize = 64;

/// An expression that computes a field.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Formula {
    pub(crate) expr: Expr,
    /// The fields that it reads.
    pub(crate) fields: Vec<String>,
    /// Where it begins in the line.
    pub(crate) at: usize,
}

/// A query over the rows so far.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Statement {
    pub(crate) query: Box<Query>,
    /// The names that it may read.
    pub(crate) fields: Vec<String>,
    pub(crate) at: usize,
}

/// What is wrong, and at which byte.
type Wrong = (String, usize);

impl Formula {
    pub(crate) fn parse(text: &str, at: usize) -> Result<Self, Wrong> {
        if text.is_empty() {
            return Err(("an expression is missing".to_owned(), 0));
        }
        let wrong = |error: ParserError| wrong(&error, text);
        let spelled = function_words(text);
        let mut parser = Parser::new(&GenericDialect {})
            .with_recursion_limit(DEPTH_MAX)
            .try_with_sql(&spelled)
            .map_err(wrong)?;
        let mut expr = parser.parse_expr().map_err(wrong)?;
        let next = parser.peek_token();
        if next.token != datafusion::sql::sqlparser::tokenizer::Token::EOF {
            let place = byte_of(text, next.span.start.line, next.span.start.column);
            return Err((format!("`{next}` was not expected here"), place));
        }
        let mut names = Names::new(true);
        if let ControlFlow::Break(message) = expr.visit(&mut names) {
            return Err((message, 0));
        }
        Ok(Self { expr, fields: names.fields, at })
    }
}

impl Statement {
    pub(crate) fn parse(text: &str, at: usize) -> Result<Self, Wrong> {
        let parsed = Parser::new(&GenericDialect {})
            .with_recursion_limit(DEPTH_MAX)
            .try_with_sql(text)
            .and_then(|mut parser| parser.parse_statements());
        let mut statements = parsed.map_err(|error| wrong(&error, text))?;
        let (Some(SqlStatement::Query(mut query)), true) =
            (statements.pop(), statements.is_empty())
        else {
            return Err(("one `SELECT` was expected here".to_owned(), 0));
        };
        let mut names = Names::new(false);
        names.define(&query);
        if let ControlFlow::Break(message) = query.visit(&mut names) {
            return Err((message, 0));
        }
        let Names { fields, aliases, .. } = names;
        let fields = fields.into_iter().filter(|name| !aliases.contains(name)).collect();
        Ok(Self { query, fields, at })
    }
}

/// Collects the fields that are read, and gives everything the spelling that the engine knows.
struct Names {
    fields: Vec<String>,
    /// What a statement itself gives names to.
    aliases: Vec<String>,
    /// Whether double quotes are text.
    is_formula: bool,
}

impl Names {
    const fn new(is_formula: bool) -> Self {
        Self { fields: Vec::new(), aliases: Vec::new(), is_formula }
    }

    fn read(&mut self, name: &str) -> Expr {
        if !self.fields.iter().any(|known| known == name) {
            self.fields.push(name.to_owned());
        }
        Expr::Identifier(Ident::with_quote('`', name))
    }

    /// Notes the names that a query gives to columns and tables.
    fn define(&mut self, query: &Query) {
        for Cte { alias, query, .. } in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.aliases.push(alias.name.value.clone());
            self.define(query);
        }
        self.define_set(&query.body);
    }

    fn define_set(&mut self, body: &SetExpr) {
        match body {
            SetExpr::Select(select) => self.define_select(select),
            SetExpr::Query(query) => self.define(query),
            SetExpr::SetOperation { left, right, .. } => {
                self.define_set(left);
                self.define_set(right);
            }
            _ => {}
        }
    }

    fn define_select(&mut self, select: &Select) {
        for item in &select.projection {
            if let SelectItem::ExprWithAlias { alias, .. } = item {
                self.aliases.push(alias.value.clone());
            }
        }
        for from in &select.from {
            let joined = from.joins.iter().map(|join| &join.relation);
            for factor in std::iter::once(&from.relation).chain(joined) {
                match factor {
                    TableFactor::Table { alias: Some(alias), .. } => {
                        self.aliases.push(alias.name.value.clone());
                    }
                    TableFactor::Derived { subquery, alias, .. } => {
                        self.aliases.extend(alias.iter().map(|alias| alias.name.value.clone()));
                        self.define(subquery);
                    }
                    _ => {}
                }
            }
        }
    }

    /// The field that a path names, without the table before it.
    fn path(&self, parts: &[Ident]) -> Option<(Option<Ident>, String)> {
        let joined = |parts: &[Ident]| {
            parts.iter().map(|part| part.value.as_str()).collect::<Vec<_>>().join(".")
        };
        match parts {
            [table, rest @ ..]
                if !self.is_formula
                    && !rest.is_empty()
                    && (table.value == ROWS || self.aliases.contains(&table.value)) =>
            {
                Some((Some(table.clone()), joined(rest)))
            }
            [] => None,
            parts => Some((None, joined(parts))),
        }
    }
}

impl VisitorMut for Names {
    type Break = String;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<String> {
        let is_path = matches!(expr, Expr::CompoundFieldAccess { .. } | Expr::Function(_));
        if let (true, Some(mut path)) = (is_path, path_of(expr)) {
            *expr = match (path.pop(), path.is_empty()) {
                (Some(only), true) => Expr::Identifier(only),
                (last, _) => {
                    path.extend(last);
                    Expr::CompoundIdentifier(path)
                }
            };
        } else if let Expr::CompoundFieldAccess { root, access_chain } = expr {
            regroup(root, access_chain);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<String> {
        match expr {
            Expr::Identifier(ident) if self.is_formula && ident.quote_style == Some('"') => {
                *expr = Expr::value(Value::SingleQuotedString(ident.value.clone()));
            }
            Expr::Identifier(ident) => {
                let name = ident.value.clone();
                *expr = self.read(&name);
            }
            Expr::CompoundIdentifier(parts) => {
                let Some((table, name)) = self.path(parts) else {
                    return ControlFlow::Continue(());
                };
                let field = self.read(&name);
                *expr = match (table, field) {
                    (Some(table), Expr::Identifier(field)) => {
                        Expr::CompoundIdentifier(vec![table, field])
                    }
                    (_, field) => field,
                };
            }
            Expr::Function(function) if self.is_formula => {
                if function.over.is_some() {
                    let message = "no window function may stand here; use `sql`";
                    return ControlFlow::Break(message.to_owned());
                }
                match meant(function) {
                    Some(Ok(meant)) => *expr = meant,
                    Some(Err(message)) => return ControlFlow::Break(message),
                    None => {}
                }
            }
            Expr::Subquery(_) | Expr::InSubquery { .. } | Expr::Exists { .. }
                if self.is_formula =>
            {
                return ControlFlow::Break("no query may stand here; use `join`".to_owned());
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// The arguments of a call, if they are plain ones.
fn arguments(function: &Function) -> Option<Vec<String>> {
    let FunctionArguments::List(list) = &function.args else { return None };
    let plain = list.args.iter().map(|arg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.to_string()),
        _ => None,
    });
    plain.collect()
}

/// What a function of Splunk or Kusto is in SQL; `None` if it is none of theirs.
fn meant(function: &Function) -> Option<Result<Expr, String>> {
    let name = function.name.to_string().to_ascii_lowercase();
    let args = arguments(function)?;
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let sql = match (name.as_str(), args.as_slice()) {
        ("if" | "iff" | "iif", [test, yes, no]) => {
            format!("CASE WHEN {test} THEN {yes} ELSE {no} END")
        }
        ("cas_", args @ [_, _, ..]) => {
            let (pairs, rest) = args.as_chunks::<2>();
            let pairs: Vec<String> =
                pairs.iter().map(|[test, value]| format!("WHEN {test} THEN {value}")).collect();
            let last = rest.first().map(|last| format!(" ELSE {last}")).unwrap_or_default();
            format!("CASE {}{last} END", pairs.join(" "))
        }
        ("len" | "strlen", [text]) => format!("character_length({text})"),
        ("tolower", [text]) => format!("lower({text})"),
        ("toupper", [text]) => format!("upper({text})"),
        ("tonumber" | "todouble" | "toreal", [value]) => format!("TRY_CAST({value} AS DOUBLE)"),
        ("toint" | "tolong", [value]) => format!("TRY_CAST({value} AS BIGINT)"),
        ("tostring", [value]) => format!("CAST({value} AS VARCHAR)"),
        ("todatetime", [value]) => format!("TRY_CAST({value} AS TIMESTAMP)"),
        ("isnull", [value]) => format!("({value} IS NULL)"),
        ("isnotnull", [value]) => format!("({value} IS NOT NULL)"),
        ("isempty", [value]) => format!("(coalesce({value}, '') = '')"),
        ("isnotempty", [value]) => format!("(coalesce({value}, '') <> '')"),
        ("strcat", args) if !args.is_empty() => format!("concat({})", args.join(", ")),
        ("matc_", [text, regex]) => format!("regexp_like({text}, {regex})"),
        ("lik_", [text, pattern]) => format!("({text} LIKE {pattern})"),
        ("extract", [regex, group, text]) => format!("regexp_extract({text}, {regex}, {group})"),
        ("cidrmatch", [network, address]) | ("ipv4_is_in_range", [address, network]) => {
            format!("ip_in_cidr({address}, {network})")
        }
        (
            "if" | "iff" | "iif" | "cas_" | "len" | "strlen" | "tolower" | "toupper" | "tonumber"
            | "todouble" | "toreal" | "toint" | "tolong" | "tostring" | "isnull" | "isnotnull"
            | "isempty" | "isnotempty" | "strcat" | "matc_" | "lik_" | "cidrmatch"
            | "ipv4_is_in_range",
            args,
        ) => {
            let name =
                WORDS.iter().find(|(_, mark)| *mark == name).map_or(&*name, |(word, _)| word);
            return Some(Err(format!("`{name}` does not take {} values", args.len())));
        }
        _ => return None,
    };
    Some(parsed(&sql))
}

fn parsed(sql: &str) -> Result<Expr, String> {
    Parser::new(&GenericDialect {})
        .with_recursion_limit(4 * DEPTH_MAX)
        .try_with_sql(sql)
        .and_then(|mut parser| parser.parse_expr())
        .map_err(|error| wrong(&error, sql).0)
}

/// Words of SQL that are functions elsewhere, and what stands for them, of the same length.
const WORDS: [(&str, &str); 3] = [("case", "cas_"), ("match", "matc_"), ("like", "lik_")];

/// Marks the words of SQL that are functions elsewhere: outside of quotes, with a parenthesis right
/// behind them.
fn function_words(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut quote = None;
    let mut before = ' ';
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let is_begin = quote.is_none() && !before.is_alphanumeric() && before != '_';
        let found = WORDS.iter().find(|(word, _)| {
            let head = rest.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word));
            head && rest.get(word.len()..).is_some_and(|tail| tail.starts_with('('))
        });
        if let (true, Some((word, mark))) = (is_begin, found) {
            out.push_str(mark);
            rest = rest.get(word.len()..).unwrap_or_default();
            before = '_';
            continue;
        }
        match quote {
            Some(open) if open == next => quote = None,
            None if matches!(next, '\'' | '"' | '`') => quote = Some(next),
            _ => {}
        }
        out.push(next);
        before = next;
        rest = rest.get(next.len_utf8()..).unwrap_or_default();
    }
    out
}

/// What the parser said, and at which byte: it ends with `at Line: 1, Column: 8`.
fn wrong(error: &ParserError, text: &str) -> Wrong {
    let message = match error {
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => {
            message.as_str()
        }
        ParserError::RecursionLimitExceeded => "the expression nests too deeply",
    };
    let (said, place) = message.rsplit_once(" at Line: ").unwrap_or((message, ""));
    let place = place.split_once(", Column: ").and_then(|(line, column)| {
        Some(byte_of(text, line.parse().ok()?, column.trim().parse().ok()?))
    });
    let mut chars = said.chars();
    let first = chars.next().map(|c| c.to_lowercase().to_string()).unwrap_or_default();
    let end = if said.ends_with("found: EOF") { text.len() } else { 0 };
    (format!("{first}{}", chars.as_str()), place.unwrap_or(end))
}

/// The byte at a line and column, both from 1; 0 stands for the end.
fn byte_of(text: &str, line: u64, column: u64) -> usize {
    let (Ok(line), Ok(column)) = (usize::try_from(line), usize::try_from(column)) else {
        return text.len();
    };
    if line == 0 || column == 0 {
        return text.len();
    }
    let before: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
    let rest = text.get(before..).unwrap_or_default();
    before + rest.chars().take(column - 1).map(char::len_utf8).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_functions_are_understood() {
        for (text, expr, fields) in [
            ("bytes / 1024", "`bytes` / 1024", "bytes"),
            ("user.name || \"@x\"", "`user.name` || '@x'", "user.name"),
            ("if(a > 1, \"x\", b)", "CASE WHEN `a` > 1 THEN 'x' ELSE `b` END", "a b"),
            (
                "case(a = 1, 'one', b = 2, 'two', 'more')",
                "CASE WHEN `a` = 1 THEN 'one' WHEN `b` = 2 THEN 'two' ELSE 'more' END",
                "a b",
            ),
            ("case when a = 1 then 2 end", "CASE WHEN `a` = 1 THEN 2 END", "a"),
            ("len(`user agent`)", "character_length(`user agent`)", "user agent"),
            ("match(a, '^x')", "regexp_like(`a`, '^x')", "a"),
            ("'case(' || a", "'case(' || `a`", "a"),
            ("cidrmatch(\"10.0.0.0/8\", src.ip)", "ip_in_cidr(`src.ip`, '10.0.0.0/8')", "src.ip"),
        ] {
            let formula =
                Formula::parse(text, 0).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"));
            assert_eq!(formula.expr.to_string(), expr, "{text}");
            assert_eq!(formula.fields.join(" "), fields, "{text}");
        }
    }

    #[test]
    fn mistakes_have_a_place() {
        for (text, message, at) in [
            ("", "an expression is missing", 0),
            ("a b", "`b` was not expected here", 2),
            ("if(a)", "`if` does not take 1 values", 0),
            ("match(a)", "`match` does not take 1 values", 0),
            ("(SELECT 1)", "no query may stand here; use `join`", 0),
            ("sum(a) OVER ()", "no window function may stand here; use `sql`", 0),
        ] {
            let wrong = Formula::parse(text, 0).unwrap_err();
            assert_eq!((wrong.0.as_str(), wrong.1), (message, at), "{text}");
        }
        assert!(Formula::parse(&format!("{}1{}", "(".repeat(5000), ")".repeat(5000)), 0).is_err());
        assert_eq!(Formula::parse("a +", 0).unwrap_err().1, 3);
    }

    #[test]
    fn statements_read_what_is_not_theirs() {
        let statement = Statement::parse(
            "WITH x AS (SELECT user.name AS who, count(*) AS n FROM events GROUP BY user.name) \
             SELECT x.who, n FROM x WHERE e.b > 1 ORDER BY n",
            0,
        );
        assert_eq!(statement.unwrap().fields, ["user.name", "e.b"]);
        assert!(Statement::parse("DROP TABLE events", 0).is_err());
        assert!(Statement::parse("SELECT 1; SELECT 2", 0).is_err());
    }
}
