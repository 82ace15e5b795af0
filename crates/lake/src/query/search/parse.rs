//! Understands a search line; `docs/reference/search.md` is its definition.

use base::{Timestamp, limits};

use super::{
    ast::{Comparison, FieldTest, Node, Number, Operand, Search, Test, ValueTest, Word},
    lex::{Cursor, Lexeme},
};
use crate::query::{error::QueryError, pattern::Pattern};

/// Understands a search line.
///
/// # Errors
/// With the place of the first mistake.
pub(crate) fn parse(text: &str) -> Result<Search, QueryError> {
    if text.len() > limits::QUERY_TEXT_BYTES_MAX {
        return Err(QueryError::TooLarge {
            what: format!("has {} bytes", text.len()),
            limit: limits::QUERY_TEXT_BYTES_MAX,
        });
    }
    let mut parser =
        Parser { cursor: Cursor::new(text), depth: 0, terms: 0, tables: None, spaced: false };
    let condition = parser.condition(true)?;
    let mut pipes = Vec::new();
    while parser.cursor.eat("|") {
        parser.count_term()?;
        pipes.push(parser.pipe()?);
    }
    parser.expect_end()?;
    Ok(Search { tables: parser.tables, condition, pipes })
}

/// The words between which a comparison stands.
const OPERATORS: [(&str, Operator); 9] = [
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
enum Operator {
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
    spaced: bool,
}

impl Parser<'_> {
    /// The condition of a `where`.
    pub(super) fn where_condition(&mut self) -> Result<Node, QueryError> {
        self.spaced = true;
        let at = self.cursor.at;
        let node = self.condition(false)?;
        if node == Node::All {
            return Err(self.cursor.error_at(at, "`where` needs a condition", None));
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

    fn nested(
        &mut self,
        at: usize,
        inner: impl FnOnce(&mut Self) -> Result<Node, QueryError>,
    ) -> Result<Node, QueryError> {
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
        let (token, operator) = *OPERATORS.iter().find(|(token, _)| rest.starts_with(token))?;
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
        let test = match operator {
            Operator::Compare(comparison) => Test::Any(vec![self.comparison(comparison, false)?]),
            Operator::Is | Operator::IsNot => self.test(&name)?,
        };
        let node = Node::Field(FieldTest { field: name.clone(), test });
        Ok(Some(if operator == Operator::IsNot {
            let exists = Node::Field(FieldTest { field: name, test: Test::Exists });
            Node::And(vec![exists, Node::Not(Box::new(node))])
        } else {
            node
        }))
    }

    /// What stands after `field:`.
    fn test(&mut self, name: &str) -> Result<Test, QueryError> {
        let at = self.cursor.at;
        if self.cursor.peek() != Some('(') {
            let lexeme = self.cursor.clone().word(false);
            if lexeme.parts.len() == 2 && lexeme.text() == "*" {
                self.cursor.at += 1;
                return Ok(Test::Exists);
            }
            return Ok(Test::Any(vec![self.value_test(name, false)?]));
        }
        self.cursor.bump();
        let mut tests = Vec::new();
        while !self.cursor.eat(")") {
            if self.cursor.is_at_end() {
                return Err(self.cursor.error_at(at, "the list has no end", Some("add a `)`")));
            }
            let is_first = tests.is_empty();
            let separated = self.cursor.eat(",") || self.cursor.eat_keyword("OR", false);
            if separated && is_first {
                return Err(self.cursor.error_at(at, "the list begins without a value", None));
            }
            self.cursor.skip_space();
            self.count_term()?;
            tests.push(self.value_test(name, true)?);
        }
        if tests.is_empty() {
            return Err(self.cursor.error_at(at, "the list is empty", None));
        }
        Ok(Test::Any(tests))
    }

    fn value_test(&mut self, name: &str, in_list: bool) -> Result<ValueTest, QueryError> {
        for (token, operator) in OPERATORS {
            if let Operator::Compare(comparison) = operator
                && self.cursor.rest().starts_with(token)
            {
                self.cursor.at += token.len();
                return self.comparison(comparison, in_list);
            }
        }
        let lexeme = self.value(name, in_list)?;
        let number = Number::parse(&lexeme.text());
        Ok(ValueTest::Is(Pattern::new(&lexeme.parts), number))
    }

    fn value(&mut self, name: &str, in_list: bool) -> Result<Lexeme, QueryError> {
        let at = self.cursor.at;
        if self.cursor.peek() == Some('"') {
            return self.cursor.phrase();
        }
        // Commas divide the values of a list, and are part of a value that stands alone.
        let lexeme = self.cursor.word(in_list);
        if lexeme.text().is_empty() {
            let message = format!("a value is missing after `{name}`");
            let help = "write the value without a space before it, `*` for any, `\"\"` for empty";
            return Err(self.cursor.error_at(at, &message, Some(help)));
        }
        Ok(lexeme)
    }

    fn comparison(
        &mut self,
        comparison: Comparison,
        in_list: bool,
    ) -> Result<ValueTest, QueryError> {
        let at = self.cursor.at;
        let lexeme = self.value("<", in_list)?;
        let Some(operand) = operand(&lexeme) else {
            return Err(self.cursor.error_at(
                at,
                "only numbers and times can be larger or smaller",
                Some("write a number, or a time such as `2026-11-24T08:00:00Z`"),
            ));
        };
        Ok(ValueTest::Compare(comparison, operand))
    }

    /// `index:a`, `index:a,b` or `index:(a b)`.
    fn index(&mut self, at: usize, outermost: bool) -> Result<(), QueryError> {
        if !outermost || self.depth > 0 {
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

fn one_or(mut nodes: Vec<Node>, many: fn(Vec<Node>) -> Node) -> Node {
    match (nodes.pop(), nodes.is_empty()) {
        (Some(only), true) => only,
        (last, _) => {
            nodes.extend(last);
            many(nodes)
        }
    }
}

/// A number, or a time: RFC 3339, UTC where no zone is given, midnight where no time of day is.
fn operand(lexeme: &Lexeme) -> Option<Operand> {
    let text = lexeme.text();
    if let Some(number) = Number::parse(&text) {
        return Some(Operand::Number(number));
    }
    let time = Timestamp::parse_local(&text, 0)
        .or_else(|| Timestamp::parse_local(&format!("{text}T00:00:00"), 0))?;
    Some(Operand::Time(time))
}
