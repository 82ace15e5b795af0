//! Understands what stands behind a field: values, lists, ranges, networks, regular expressions; in
//! the signs of search engines, and in the words of Kusto, Splunk and SQL.

use base::Timestamp;

use super::{
    ast::{Comparison, FieldTest, Node, Number, Operand, Test, ValueTest, Word},
    lex::Lexeme,
    parse::{OPERATORS, Operator, Parser, test_of},
};
use crate::query::{
    error::{Excerpt, QueryError},
    network::{Network, address},
    pattern::Pattern,
    regexp::Regexp,
};

/// The words that compare a field in `where`, as Kusto and SQL have them. Longer ones come first.
const WORDS: [(&str, Comparator); 14] = [
    ("matches regex", Comparator::Regex),
    ("has_any", Comparator::HasAny),
    ("has_all", Comparator::HasAll),
    ("has_cs", Comparator::Has),
    ("has", Comparator::Has),
    ("contains", Comparator::Part(true, true)),
    ("startswith", Comparator::Part(false, true)),
    ("endswith", Comparator::Part(true, false)),
    ("between", Comparator::Between),
    ("in~", Comparator::In),
    ("in", Comparator::In),
    ("like", Comparator::Like),
    ("is not null", Comparator::Exists(true)),
    ("is null", Comparator::Exists(false)),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparator {
    Regex,
    HasAny,
    HasAll,
    Has,
    /// A part of the text: whether more may stand before it, and behind it.
    Part(bool, bool),
    Between,
    In,
    Like,
    Exists(bool),
}

/// The calls that may stand alone in `where`, as Splunk and Kusto have them.
const CALLS: [&str; 8] = [
    "isnull",
    "isnotnull",
    "isempty",
    "isnotempty",
    "like",
    "match",
    "cidrmatch",
    "ipv4_is_in_range",
];

/// A bound, and which values are inside of it; `None` for none.
type Bound = Option<(Comparison, Operand)>;

impl Parser<'_> {
    /// `*:value`: any field has it.
    pub(super) fn any_field(&mut self) -> Result<Option<Node>, QueryError> {
        let rest = self.cursor.rest();
        if !rest.starts_with("*:") || rest.get(2..).is_none_or(|rest| rest.starts_with([' ', ':']))
        {
            return Ok(None);
        }
        self.cursor.at += 2;
        let test = self.test("*")?;
        Ok(Some(if test == Test::Exists { Node::All } else { Node::AnyField(test) }))
    }

    /// What stands after `field:`.
    pub(super) fn test(&mut self, name: &str) -> Result<Test, QueryError> {
        if self.cursor.peek() != Some('(') {
            let mut ahead = self.cursor.clone();
            let lexeme = ahead.word(false);
            if lexeme.parts.len() == 2 && lexeme.text() == "*" {
                self.cursor.at = ahead.at;
                return Ok(Test::Exists);
            }
            return Ok(Test::Any(vec![self.value_test(name, false)?]));
        }
        self.list(name).map(Test::Any)
    }

    /// `(a b, c OR d)`, at least one.
    fn list(&mut self, name: &str) -> Result<Vec<ValueTest>, QueryError> {
        let at = self.cursor.at;
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
        Ok(tests)
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
        if let Some(source) = self.regex_source(in_list) {
            return self.regexp(source);
        }
        if let Some(range) = self.range()? {
            return Ok(range);
        }
        let lexeme = self.value(name, in_list)?;
        if let Some(network) = self.network(&lexeme)? {
            return Ok(network);
        }
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

    pub(super) fn comparison(
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

    /// What stands between the slashes of `/…/`, if that is what comes next: without spaces, and
    /// nothing behind it. Other paths are text.
    fn regex_source(&mut self, in_list: bool) -> Option<(String, usize)> {
        let start = self.cursor.at;
        let mut ahead = self.cursor.clone();
        if ahead.bump() != Some('/') {
            return None;
        }
        let mut source = String::new();
        loop {
            if let Some((_, value)) = ahead.eat_value() {
                source.push_str(&regex::escape(value));
                continue;
            }
            match ahead.bump()? {
                '/' => break,
                '\\' if ahead.peek() == Some('/') => source.extend(ahead.bump()),
                '\\' => {
                    source.push('\\');
                    source.extend(ahead.bump());
                }
                c if c.is_whitespace() => return None,
                other => source.push(other),
            }
        }
        let brackets = ahead.brackets;
        let ends = |next: char| {
            next.is_whitespace()
                || matches!(next, ')' | '|')
                || (in_list && next == ',')
                || (brackets && next == ']')
        };
        if source.is_empty() || !ahead.peek().is_none_or(ends) {
            return None;
        }
        self.cursor.at = ahead.at;
        Some((source, start + 1))
    }

    fn regexp(&self, (source, at): (String, usize)) -> Result<ValueTest, QueryError> {
        Regexp::new(&source, true)
            .map(ValueTest::Regexp)
            .map_err(|bad| self.bad_regexp(at + bad.at, bad.message))
    }

    pub(super) fn bad_regexp(&self, at: usize, message: String) -> QueryError {
        QueryError::Search {
            message,
            at: Excerpt::at_byte(self.cursor.text, at),
            help: Some(
                "in `/…/` write `\\/` for a slash; put a path in quotes to search for its text"
                    .to_owned(),
            ),
        }
    }

    /// `[low TO high]` with its bounds, `{low TO high}` without; `*` for none.
    fn range(&mut self) -> Result<Option<ValueTest>, QueryError> {
        let at = self.cursor.at;
        let mut ahead = self.cursor.clone();
        let low = match ahead.bump() {
            Some('[') => Comparison::GreaterOrEqual,
            Some('{') => Comparison::Greater,
            _ => return Ok(None),
        };
        let rest = ahead.rest();
        let Some(end) = self.range_end(rest) else { return Ok(None) };
        let (inside, close) = rest.split_at(end);
        let Some((from, to)) = inside.split_once(" TO ") else { return Ok(None) };
        let is_value = |text: &str| self.cursor.values.at(text.trim()).is_some();
        if [from, to].iter().any(|text| !is_value(text) && text.contains(['[', '{', '|'])) {
            return Ok(None);
        }
        let high = if close.starts_with(']') { Comparison::LessOrEqual } else { Comparison::Less };
        let range = self.bounds((low, from), (high, to), at)?;
        self.cursor.at = ahead.at + end + 1;
        Ok(Some(range))
    }

    /// Where the range ends whose inside is next.
    fn range_end(&self, rest: &str) -> Option<usize> {
        let mut at = 0;
        loop {
            let here = rest.get(at..)?;
            if let Some((_, _, length)) = self.cursor.values.at(here) {
                at += length;
            } else if here.starts_with([']', '}']) {
                return Some(at);
            } else {
                at += here.chars().next()?.len_utf8();
            }
        }
    }

    /// What lies between two bounds, both of one kind.
    fn bounds(
        &self,
        (low, from): (Comparison, &str),
        (high, to): (Comparison, &str),
        at: usize,
    ) -> Result<ValueTest, QueryError> {
        let wrong = |message: &str| {
            let help = "write numbers, times or addresses, and `*` for no bound: `[400 TO 499]`";
            self.cursor.error_at(at, message, Some(help))
        };
        let bound = |comparison: Comparison, text: &str| -> Result<Bound, QueryError> {
            let text = text.trim();
            let text = match self.cursor.values.at(text) {
                Some((_, value, length)) if length == text.len() => value,
                _ => text.trim_matches('"'),
            };
            if text == "*" {
                return Ok(None);
            }
            let lexeme = Lexeme { parts: vec![text.to_owned()], at, quoted: false };
            let found = operand(&lexeme).or_else(|| address(text).map(Operand::Address));
            let message = format!("`{text}` is no bound of a range");
            found.map(|operand| Some((comparison, operand))).ok_or_else(|| wrong(&message))
        };
        let (low, high) = (bound(low, from)?, bound(high, to)?);
        let is_ordered = match (&low, &high) {
            (Some((_, Operand::Number(a))), Some((_, Operand::Number(b)))) => {
                a.compare(*b).is_some_and(std::cmp::Ordering::is_le)
            }
            (Some((_, Operand::Time(a))), Some((_, Operand::Time(b)))) => a <= b,
            (Some((_, Operand::Address(a))), Some((_, Operand::Address(b)))) => {
                a.is_ipv4() == b.is_ipv4() && a <= b
            }
            (Some(_), Some(_)) => return Err(wrong("the bounds of the range differ in kind")),
            (None, None) => return Err(wrong("the range has no bound")),
            _ => true,
        };
        if is_ordered {
            Ok(ValueTest::Range(low, high))
        } else {
            Err(wrong("the range is empty: its end is before its begin"))
        }
    }

    /// `10.0.0.0/8`: an address in the network, or that very text.
    fn network(&self, lexeme: &Lexeme) -> Result<Option<ValueTest>, QueryError> {
        let text = lexeme.text();
        let Some((spelled, bits)) = text.split_once('/') else { return Ok(None) };
        let is_number = !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
        if lexeme.quoted || !is_number || address(spelled).is_none() {
            return Ok(None);
        }
        let help = "put it in quotes to search for the text";
        let network = Network::parse(&text)
            .map_err(|message| self.cursor.error_at(lexeme.at, &message, Some(help)))?;
        Ok(Some(ValueTest::Network(network, Pattern::new(&lexeme.parts))))
    }

    /// What a word says of the field before it: `in (…)` everywhere, the others in `where`.
    pub(super) fn word_operator(&mut self, name: &str) -> Result<Option<Node>, QueryError> {
        let start = self.cursor.at;
        let is_list = |parser: &mut Self| {
            parser.cursor.skip_space();
            parser.cursor.peek() == Some('(')
        };
        if !self.spaced {
            if self.cursor.eat_keyword("IN", false) && is_list(self) {
                let test = Test::Any(self.list(name)?);
                return Ok(Some(test_of(name.to_owned(), test, false)));
            }
            self.cursor.at = start;
            return Ok(None);
        }
        let is_not = self.cursor.eat("!") || self.cursor.eat_keyword("not", true);
        let found = WORDS.into_iter().find(|(word, _)| self.eat_words(word));
        let Some((_, comparator)) = found else {
            self.cursor.at = start;
            return Ok(None);
        };
        self.cursor.skip_space();
        let field = name.to_owned();
        Ok(Some(match comparator {
            Comparator::Exists(exists) => {
                let node = Node::Field(FieldTest { field, test: Test::Exists });
                if exists { node } else { Node::Not(Box::new(node)) }
            }
            Comparator::HasAll => {
                let words = self.words(name)?;
                let each = words.into_iter().map(|word| {
                    let test = Test::Any(vec![ValueTest::Word(word)]);
                    Node::Field(FieldTest { field: field.clone(), test })
                });
                let all = Node::And(each.collect());
                if is_not { Node::Not(Box::new(all)) } else { all }
            }
            other => {
                let test = self.compared(other, name)?;
                test_of(field, test, is_not)
            }
        }))
    }

    fn eat_words(&mut self, words: &str) -> bool {
        let start = self.cursor.at;
        let found = words.split(' ').all(|word| self.cursor.eat_keyword(word, true));
        if !found {
            self.cursor.at = start;
        }
        found
    }

    fn compared(&mut self, comparator: Comparator, name: &str) -> Result<Test, QueryError> {
        let one = match comparator {
            Comparator::In => return self.expect_list(name).map(Test::Any),
            Comparator::HasAny => {
                let words = self.words(name)?;
                return Ok(Test::Any(words.into_iter().map(ValueTest::Word).collect()));
            }
            Comparator::Between => return Ok(Test::Any(vec![self.between()?])),
            Comparator::Regex => {
                let at = self.cursor.at;
                return Ok(Test::Any(vec![self.quoted_regexp(at)?]));
            }
            Comparator::Like => {
                let at = self.cursor.at;
                let text = self.value(name, false)?.text();
                return Ok(Test::Any(vec![self.like(&text, at)?]));
            }
            Comparator::Part(before, behind) => {
                let mut parts = self.value(name, false)?.parts;
                if before {
                    parts.insert(0, String::new());
                }
                if behind {
                    parts.push(String::new());
                }
                ValueTest::Is(Pattern::new(&parts), None)
            }
            Comparator::Has | Comparator::HasAll | Comparator::Exists(_) => {
                ValueTest::Word(word_of(&self.value(name, false)?))
            }
        };
        Ok(Test::Any(vec![one]))
    }

    fn expect_list(&mut self, name: &str) -> Result<Vec<ValueTest>, QueryError> {
        if self.cursor.peek() == Some('(') {
            return self.list(name);
        }
        let help = "write `(a, b)`";
        Err(self.cursor.error_at(self.cursor.at, "a list was expected here", Some(help)))
    }

    fn words(&mut self, name: &str) -> Result<Vec<Word>, QueryError> {
        let at = self.cursor.at;
        let tests = self.expect_list(name)?;
        let words = tests.into_iter().map(|test| match test {
            ValueTest::Is(pattern, number) => Some(Word { pattern, number }),
            _ => None,
        });
        words.collect::<Option<Vec<_>>>().ok_or_else(|| {
            self.cursor.error_at(at, "only words may stand in this list", Some("quote them"))
        })
    }

    /// `(low .. high)`, or SQL's `low and high`.
    fn between(&mut self) -> Result<ValueTest, QueryError> {
        let at = self.cursor.at;
        let (low, high) = (Comparison::GreaterOrEqual, Comparison::LessOrEqual);
        if self.cursor.eat("(") {
            let rest = self.cursor.rest();
            let inside = rest.split_once(')').and_then(|(inside, _)| {
                let (from, to) = inside.split_once("..")?;
                Some((inside.len(), from, to))
            });
            if let Some((length, from, to)) = inside {
                let range = self.bounds((low, from), (high, to), at)?;
                self.cursor.at += length + 1;
                return Ok(range);
            }
        } else {
            let from = self.value("between", false)?.text();
            if self.cursor.eat_keyword("and", true) {
                self.cursor.skip_space();
                let to = self.value("and", false)?.text();
                return self.bounds((low, &from), (high, &to), at);
            }
        }
        let help = "write `between (400 .. 499)`";
        Err(self.cursor.error_at(at, "a range was expected here", Some(help)))
    }

    fn quoted_regexp(&mut self, at: usize) -> Result<ValueTest, QueryError> {
        let source = self.quoted_source()?;
        self.regexp((source, at + 1))
    }

    /// A regular expression in quotes, with `\"` for a quote and all else as it is written.
    pub(super) fn quoted_source(&mut self) -> Result<String, QueryError> {
        self.cursor.skip_space();
        let at = self.cursor.at;
        if self.cursor.peek() != Some('"') {
            let help = "write it in double quotes, `\\\"` for a quote inside";
            return Err(self.cursor.error_at(
                at,
                "a regular expression was expected here",
                Some(help),
            ));
        }
        self.cursor.bump();
        let mut source = String::new();
        loop {
            if let Some((_, value)) = self.cursor.eat_value() {
                source.push_str(&regex::escape(value));
                continue;
            }
            match self.cursor.bump() {
                None => {
                    let message = "the regular expression has no end";
                    return Err(self.cursor.error_at(at, message, Some("add a `\"`")));
                }
                Some('"') => return Ok(source),
                Some('\\') if self.cursor.peek() == Some('"') => source.extend(self.cursor.bump()),
                Some('\\') => {
                    source.push('\\');
                    source.extend(self.cursor.bump());
                }
                Some(other) => source.push(other),
            }
        }
    }

    /// SQL's `LIKE`: `%` for any text, `_` for any character, over the whole value.
    fn like(&self, text: &str, at: usize) -> Result<ValueTest, QueryError> {
        let mut source = "(?s)^".to_owned();
        for c in text.chars() {
            match c {
                '%' | '*' => source.push_str(".*"),
                '_' => source.push('.'),
                other => source.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
            }
        }
        source.push('$');
        self.regexp((source, at))
    }

    /// `isnull(field)` and the like, in `where`.
    pub(super) fn call_term(&mut self) -> Result<Option<Node>, QueryError> {
        if !self.spaced {
            return Ok(None);
        }
        let start = self.cursor.at;
        let name = self.cursor.name()?.0.to_ascii_lowercase();
        if self.cursor.peek() != Some('(') || !CALLS.contains(&name.as_str()) {
            self.cursor.at = start;
            return Ok(None);
        }
        self.cursor.bump();
        let node = self.call_of(&name, start)?;
        if !self.cursor.eat(")") {
            let message = format!("`{name}` has no end here");
            return Err(self.cursor.error_at(self.cursor.at, &message, Some("add a `)`")));
        }
        Ok(Some(node))
    }

    fn call_of(&mut self, name: &str, start: usize) -> Result<Node, QueryError> {
        let exists =
            |field: &String| Node::Field(FieldTest { field: field.clone(), test: Test::Exists });
        if name == "cidrmatch" {
            let at = self.cursor.at;
            self.cursor.skip_space();
            let network = self.value(name, true)?.text();
            self.cursor.eat(",");
            let field = self.field_argument(name)?;
            let test = self.in_network(&network, at)?;
            return Ok(test_of(field, test, false));
        }
        let field = self.field_argument(name)?;
        let has_second = self.cursor.eat(",");
        let empty = || Test::Any(vec![ValueTest::Is(Pattern::new(&[String::new()]), None)]);
        Ok(match (name, has_second) {
            ("isnull", false) => Node::Not(Box::new(exists(&field))),
            ("isnotnull", false) => exists(&field),
            ("isempty", false) => Node::Not(Box::new(test_of(field, empty(), true))),
            ("isnotempty", false) => test_of(field, empty(), true),
            ("match", true) => {
                self.cursor.skip_space();
                let at = self.cursor.at;
                let test = Test::Any(vec![self.quoted_regexp(at)?]);
                test_of(field, test, false)
            }
            ("like", true) => {
                self.cursor.skip_space();
                let at = self.cursor.at;
                let text = self.value(name, true)?.text();
                test_of(field, Test::Any(vec![self.like(&text, at)?]), false)
            }
            ("ipv4_is_in_range", true) => {
                self.cursor.skip_space();
                let at = self.cursor.at;
                let network = self.value(name, true)?.text();
                test_of(field, self.in_network(&network, at)?, false)
            }
            (_, has_second) => {
                let message = if has_second {
                    format!("`{name}` takes one field")
                } else {
                    format!("`{name}` needs a second value")
                };
                let help = Some("write `isnull(field)`, `like(field, \"a%\")`, for example");
                return Err(self.cursor.error_at(start, &message, help));
            }
        })
    }

    fn field_argument(&mut self, call: &str) -> Result<String, QueryError> {
        let (field, at) = self.cursor.name()?;
        if field.is_empty() {
            let message = format!("`{call}` needs a field");
            return Err(self.cursor.error_at(at, &message, None));
        }
        Ok(field)
    }

    fn in_network(&self, text: &str, at: usize) -> Result<Test, QueryError> {
        let network = Network::parse(text).map_err(|message| {
            self.cursor.error_at(at, &message, Some("write a network such as `10.0.0.0/8`"))
        })?;
        Ok(Test::Any(vec![ValueTest::Network(network, Pattern::new(&[text.to_owned()]))]))
    }
}

/// A word or phrase, and the number that it spells.
pub(super) fn word_of(lexeme: &Lexeme) -> Word {
    Word { pattern: Pattern::new(&lexeme.parts), number: Number::parse(&lexeme.text()) }
}

/// A number, or a time: RFC 3339, UTC where no zone is given, midnight where no time of day is.
pub(super) fn operand(lexeme: &Lexeme) -> Option<Operand> {
    let text = lexeme.text();
    if let Some(number) = Number::parse(&text) {
        return Some(Operand::Number(number));
    }
    let time = Timestamp::parse_local(&text, 0)
        .or_else(|| Timestamp::parse_local(&format!("{text}T00:00:00"), 0))?;
    Some(Operand::Time(time))
}
