//! Understands a search line; `docs/reference/search.md` is its definition.

use base::limits;

use super::{
    ast::{Comparison, FieldTest, Node, Number, Search, Test, Word},
    lex::{Cursor, Lexeme},
    values::operand,
};
use crate::query::{error::QueryError, params::Values, pattern::Pattern};

/// Understands a search line.
///
/// # Errors
/// With the place of the first mistake.
#[cfg(test)]
pub(crate) fn parse(text: &str) -> Result<Search, QueryError> {
    parse_with(text, &Values::default())
}

/// Understands a search line in which values stand for `${name}`.
///
/// # Errors
/// With the place of the first mistake.
pub(crate) fn parse_with(text: &str, values: &Values) -> Result<Search, QueryError> {
    if text.len() > limits::QUERY_TEXT_BYTES_MAX {
        return Err(QueryError::TooLarge {
            what: format!("has {} bytes", text.len()),
            limit: limits::QUERY_TEXT_BYTES_MAX,
        });
    }
    let mut parser = Parser {
        cursor: Cursor::new(text, values),
        depth: 0,
        terms: 0,
        tables: None,
        spaced: false,
    };
    let search = parser.search()?;
    parser.expect_end()?;
    Ok(search)
}

/// The signs between which a comparison stands. Those with `~` only in `where`, where values begin
/// with no sign.
pub(super) const OPERATORS: [(&str, Operator); 11] = [
    ("=~", Operator::Is),
    ("!~", Operator::IsNot),
    ("!=", Operator::IsNot),
    ("<>", Operator::IsNot),
    ("<=", Operator::Compare(Comparison::LessOrEqual)),
    (">=", Operator::Compare(Comparison::GreaterOrEqual)),
    ("==", Operator::Is),
    ("<", Operator::Compare(Comparison::Less)),
    (">", Operator::Compare(Comparison::Greater)),
    (":", Operator::Is),
    ("=", Operator::Is),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Is,
    IsNot,
    Compare(Comparison),
}

pub(super) struct Parser<'t> {
    pub(super) cursor: Cursor<'t>,
    depth: usize,
    terms: usize,
    tables: Option<Vec<(Pattern, String, usize)>>,
    /// Whether spaces may stand around operators: in `where`.
    pub(super) spaced: bool,
}

impl Parser<'_> {
    /// A condition, and the commands behind it.
    fn search(&mut self) -> Result<Search, QueryError> {
        let condition = self.condition(true)?;
        let mut pipes = Vec::new();
        while self.cursor.eat("|") {
            self.count_term()?;
            self.pipe(&mut pipes)?;
        }
        Ok(Search { tables: self.tables.take(), condition, pipes })
    }

    /// A search in brackets; the opening one is next. What it says of tables is its own.
    pub(super) fn inner_search(&mut self) -> Result<Search, QueryError> {
        let at = self.cursor.at;
        if !self.cursor.eat("[") {
            let help = "write `join user [index:web | stats count by user]`, for example";
            return Err(self.cursor.error_at(at, "a search in brackets is missing", Some(help)));
        }
        let outer = (self.tables.take(), self.spaced, self.cursor.brackets);
        (self.spaced, self.cursor.brackets) = (false, true);
        let search = self.nested(at, Self::search);
        (self.tables, self.spaced, self.cursor.brackets) = outer;
        let search = search?;
        if !self.cursor.eat("]") {
            return Err(self.cursor.error_at(at, "the bracket has no end", Some("add a `]`")));
        }
        Ok(search)
    }

    /// The condition of a `where`, or, without spaces around operators, of a `search`.
    pub(super) fn command_condition(
        &mut self,
        command: &str,
        spaced: bool,
    ) -> Result<Node, QueryError> {
        let outer = std::mem::replace(&mut self.spaced, spaced);
        let at = self.cursor.at;
        let node = self.condition(false);
        self.spaced = outer;
        let node = node?;
        if node == Node::All {
            let message = format!("`{command}` needs a condition");
            return Err(self.cursor.error_at(at, &message, None));
        }
        Ok(node)
    }

    /// An `OR` of `AND`s; nothing at all holds always. `outermost` is where `index:` may stand.
    fn condition(&mut self, outermost: bool) -> Result<Node, QueryError> {
        let mut alternatives = Vec::new();
        let mut last = self.conjunction(outermost)?;
        let mut needs_both = None;
        while self.cursor.eat_keyword("OR", false) {
            needs_both = needs_both.or(Some(self.cursor.at));
            if last.is_none() {
                break;
            }
            alternatives.extend(last);
            last = self.conjunction(false)?;
        }
        if let (None, Some(at)) = (&last, needs_both) {
            return Err(self.cursor.error_at(at, "`OR` needs a condition on both sides", None));
        }
        alternatives.extend(last);
        if alternatives.is_empty() {
            return Ok(Node::All);
        }
        Ok(one_or(alternatives, Node::Or))
    }

    /// `None` if there is nothing, or nothing but a choice of tables.
    fn conjunction(&mut self, outermost: bool) -> Result<Option<Node>, QueryError> {
        let mut parts = Vec::new();
        loop {
            let before_and = self.cursor.at;
            let and = self.cursor.eat_keyword("AND", false);
            let at_end = self.cursor.is_at_end() || self.at_keyword("OR");
            if and && (at_end || parts.is_empty()) {
                return Err(self.cursor.error_at(
                    before_and,
                    "`AND` needs a condition on both sides",
                    None,
                ));
            }
            if at_end {
                break;
            }
            if let Some(part) = self.unary(outermost)? {
                parts.push(part);
            }
        }
        Ok(if parts.is_empty() { None } else { Some(one_or(parts, Node::And)) })
    }

    fn at_keyword(&self, keyword: &str) -> bool {
        self.cursor.clone().eat_keyword(keyword, false)
    }

    /// One term; `None` if it only chose tables.
    fn unary(&mut self, outermost: bool) -> Result<Option<Node>, QueryError> {
        self.cursor.skip_space();
        let at = self.cursor.at;
        // `-x` is not `x`, but `->` and `--flag` are words.
        let minus = self.cursor.rest().strip_prefix('-');
        let begins = |c: char| c.is_alphanumeric() || matches!(c, '"' | '(' | '_' | '@' | '*');
        if minus.is_some_and(|rest| rest.starts_with(begins)) {
            self.cursor.bump();
            return self.negated(at).map(Some);
        }
        if self.cursor.eat_keyword("NOT", false) {
            return self.negated(at).map(Some);
        }
        if self.cursor.eat("(") {
            return self.group(at).map(Some);
        }
        self.term(outermost)
    }

    fn negated(&mut self, at: usize) -> Result<Node, QueryError> {
        if self.cursor.is_at_end() {
            return Err(self.cursor.error_at(at, "`NOT` needs a condition", None));
        }
        self.nested(at, |parser| {
            let inner = parser.unary(false)?.unwrap_or(Node::All);
            Ok(Node::Not(Box::new(inner)))
        })
    }

    fn group(&mut self, at: usize) -> Result<Node, QueryError> {
        let inner = self.nested(at, |parser| parser.condition(false))?;
        if !self.cursor.eat(")") {
            return Err(self.cursor.error_at(at, "the parenthesis has no end", Some("add a `)`")));
        }
        Ok(inner)
    }

    fn nested<T>(
        &mut self,
        at: usize,
        inner: impl FnOnce(&mut Self) -> Result<T, QueryError>,
    ) -> Result<T, QueryError> {
        if self.depth >= limits::SEARCH_DEPTH_MAX {
            let message = format!("conditions nest deeper than {}", limits::SEARCH_DEPTH_MAX);
            return Err(self.cursor.error_at(at, &message, None));
        }
        self.depth += 1;
        let node = inner(self);
        self.depth -= 1;
        node
    }

    pub(super) fn count_term(&mut self) -> Result<(), QueryError> {
        self.terms += 1;
        if self.terms > limits::SEARCH_TERMS_MAX {
            return Err(QueryError::TooLarge {
                what: format!("has more than {} terms", limits::SEARCH_TERMS_MAX),
                limit: limits::SEARCH_TERMS_MAX,
            });
        }
        Ok(())
    }

    fn term(&mut self, outermost: bool) -> Result<Option<Node>, QueryError> {
        self.count_term()?;
        let start = self.cursor.at;
        if let Some(node) = self.any_field()? {
            return Ok(Some(node));
        }
        if let Some(node) = self.call_term()? {
            return Ok(Some(node));
        }
        // What `stats` made may be named after its function: `dc(user) > 3`.
        let name = if self.spaced && self.column_is_call() {
            self.call_text()
        } else {
            self.cursor.name()?.0
        };
        if !name.is_empty()
            && !self.is_address(start, &name)
            && let Some(operator) = self.operator()
        {
            return self.field_term(name, start, operator, outermost);
        }
        if !name.is_empty()
            && let Some(node) = self.word_operator(&name)?
        {
            return Ok(Some(node));
        }
        self.cursor.at = start;
        let lexeme = if self.cursor.peek() == Some('"') {
            self.cursor.phrase()?
        } else {
            self.cursor.word(false)
        };
        self.word(&lexeme).map(Some)
    }

    /// Whether what looks like `field:value` is an address or a path, which people don't quote:
    /// `https://x`, `fe80::1`, `10.0.0.1:443`, `C:\Windows`.
    fn is_address(&self, start: usize, name: &str) -> bool {
        let quoted = self.cursor.text.get(start..).is_some_and(|text| text.starts_with('"'));
        let Some(after) = self.cursor.rest().strip_prefix(':') else { return false };
        let drive = name.len() == 1 && after.starts_with('\\');
        let digit = name.starts_with(|c: char| c.is_ascii_digit());
        !quoted && (digit || drive || after.starts_with("//") || after.starts_with(':'))
    }

    /// The operator that makes the name before it a field. A `<` or `>` without a colon does so
    /// only before a number or time: `<script>` and `a->b` are words.
    fn operator(&mut self) -> Option<Operator> {
        let start = self.cursor.at;
        if self.spaced {
            self.cursor.skip_space();
        }
        let rest = self.cursor.rest();
        let is_meant = |token: &str| self.spaced || !token.ends_with('~');
        let found = OPERATORS.iter().find(|(token, _)| is_meant(token) && rest.starts_with(token));
        let Some((token, operator)) = found.copied() else {
            self.cursor.at = start;
            return None;
        };
        self.cursor.at += token.len();
        if !matches!(operator, Operator::Compare(_)) || self.spaced {
            return Some(operator);
        }
        let mut ahead = self.cursor.clone();
        let value =
            if ahead.peek() == Some('"') { ahead.phrase().ok() } else { Some(ahead.word(false)) };
        if value.is_some_and(|value| operand(&value).is_some()) {
            return Some(operator);
        }
        self.cursor.at = start;
        None
    }

    fn field_term(
        &mut self,
        name: String,
        at: usize,
        operator: Operator,
        outermost: bool,
    ) -> Result<Option<Node>, QueryError> {
        if self.spaced {
            self.cursor.skip_space();
        }
        if name == "index" && !self.spaced {
            let outermost = outermost && operator == Operator::Is;
            return self.index(at, outermost).map(|()| None);
        }
        if name == "_exists_" && operator == Operator::Is {
            let (field, at) = self.cursor.name()?;
            if field.is_empty() {
                return Err(self.cursor.error_at(at, "a field's name was expected here", None));
            }
            return Ok(Some(Node::Field(FieldTest { field, test: Test::Exists })));
        }
        let test = match operator {
            Operator::Compare(comparison) => Test::Any(vec![self.comparison(comparison, false)?]),
            Operator::Is | Operator::IsNot => self.test(&name)?,
        };
        Ok(Some(test_of(name, test, operator == Operator::IsNot)))
    }

    /// `index:a`, `index:a,b` or `index:(a b)`.
    fn index(&mut self, at: usize, outermost: bool) -> Result<(), QueryError> {
        if !outermost {
            return Err(self.cursor.error_at(
                at,
                "`index` chooses the tables of the whole search, so it can't stand under `OR`, `NOT` \
                 or in parentheses",
                Some("move it to the beginning, several tables divided by commas"),
            ));
        }
        let in_list = self.cursor.eat("(");
        let mut tables = self.tables.take().unwrap_or_default();
        loop {
            self.cursor.skip_space();
            let lexeme = match self.cursor.peek() {
                Some('"') => self.cursor.phrase()?,
                _ => self.cursor.word(true),
            };
            if lexeme.text().is_empty() {
                return Err(self.cursor.error_at(lexeme.at, "a table's name is missing", None));
            }
            tables.push((Pattern::new(&lexeme.parts), lexeme.text(), lexeme.at));
            let more = if in_list {
                let _comma = self.cursor.eat(",") || self.cursor.eat_keyword("OR", false);
                !self.cursor.eat(")")
            } else {
                self.cursor.peek() == Some(',') && self.cursor.bump().is_some()
            };
            if !more {
                break;
            }
        }
        self.tables = Some(tables);
        Ok(())
    }

    fn word(&self, lexeme: &Lexeme) -> Result<Node, QueryError> {
        let pattern = Pattern::new(&lexeme.parts);
        if pattern.is_anything() {
            return Ok(Node::All);
        }
        if lexeme.text().is_empty() {
            let message =
                if lexeme.quoted { "the phrase is empty" } else { "a condition was expected here" };
            return Err(self.cursor.error_at(lexeme.at, message, None));
        }
        let number = Number::parse(&lexeme.text());
        Ok(Node::Word(Word { pattern, number }))
    }

    fn expect_end(&mut self) -> Result<(), QueryError> {
        self.cursor.skip_space();
        match self.cursor.peek() {
            None => Ok(()),
            Some(')') => Err(self.cursor.error_at(
                self.cursor.at,
                "the parenthesis closes nothing",
                Some("remove it, or put it in quotes to search for it"),
            )),
            Some(_) => Err(self.cursor.error_at(
                self.cursor.at,
                "the command is complete before this",
                Some("put a `|` before the next command"),
            )),
        }
    }
}

/// The field passes the test, or is there and does not.
pub(super) fn test_of(field: String, test: Test, is_not: bool) -> Node {
    let exists = Node::Field(FieldTest { field: field.clone(), test: Test::Exists });
    let node = Node::Field(FieldTest { field, test });
    if is_not { Node::And(vec![exists, Node::Not(Box::new(node))]) } else { node }
}

fn one_or(mut nodes: Vec<Node>, many: fn(Vec<Node>) -> Node) -> Node {
    match (nodes.pop(), nodes.is_empty()) {
        (Some(only), true) => only,
        (last, _) => {
            nodes.extend(last);
            many(nodes)
        }
    }
}
