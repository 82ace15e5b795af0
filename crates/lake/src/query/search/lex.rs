//! Reads a search line's characters: words, quoted phrases, wildcards and escapes.

use crate::query::{
    error::{Excerpt, QueryError},
    params::{ParameterType, Values},
};

/// A place in the line that only moves forward, except where a guess was wrong.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'t> {
    pub(crate) text: &'t str,
    pub(crate) at: usize,
    /// Whether it is inside of brackets, where `]` ends words.
    pub(crate) brackets: bool,
    /// What stands for `${name}`.
    pub(crate) values: &'t Values,
}

/// A word or phrase: the texts between its wildcards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lexeme {
    pub(crate) parts: Vec<String>,
    /// Where it begins.
    pub(crate) at: usize,
    /// Whether it stood in quotes.
    pub(crate) quoted: bool,
}

impl Lexeme {
    /// The text, wildcards as `*`.
    pub(crate) fn text(&self) -> String {
        self.parts.join("*")
    }
}

/// What may stand in a field's name without quotes.
pub(crate) fn is_name_char(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.' | '@' | '$' | '-' | '/' | '#')
}

impl<'t> Cursor<'t> {
    pub(crate) const fn new(text: &'t str, values: &'t Values) -> Self {
        Self { text, at: 0, brackets: false, values }
    }

    /// Steps over a value if one is next, and answers it.
    pub(crate) fn eat_value(&mut self) -> Option<(ParameterType, &'t str)> {
        let (kind, value, length) = self.values.at(self.rest())?;
        self.at += length;
        Some((kind, value))
    }

    /// Adds a value to a word, each of its characters standing for itself.
    fn value_into(parts: &mut Vec<String>, kind: ParameterType, value: &str) {
        for c in value.chars() {
            if c == '*' && kind == ParameterType::Pattern {
                parts.push(String::new());
            } else {
                push(parts, c);
            }
        }
    }

    /// What is left.
    pub(crate) fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(crate) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(crate) fn bump(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    pub(crate) fn skip_space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    /// Steps over `token` if it is next, spaces before it included.
    pub(crate) fn eat(&mut self, token: &str) -> bool {
        self.skip_space();
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    /// Steps over `keyword` if it is the whole next word.
    pub(crate) fn eat_keyword(&mut self, keyword: &str, any_case: bool) -> bool {
        self.skip_space();
        let rest = self.rest();
        let (Some(word), Some(after)) = (rest.get(..keyword.len()), rest.get(keyword.len()..))
        else {
            return false;
        };
        let same = word == keyword || (any_case && word.eq_ignore_ascii_case(keyword));
        let whole = after.chars().next().is_none_or(|next| {
            next.is_whitespace() || matches!(next, '(' | ')' | '"' | '|' | ',' | '[' | ']')
        });
        if same && whole {
            self.at += keyword.len();
        }
        same && whole
    }

    /// Whether nothing but spaces, a `|` or a `)` follows; inside of brackets also a `]`.
    pub(crate) fn is_at_end(&mut self) -> bool {
        self.skip_space();
        self.peek().is_none_or(|next| matches!(next, '|' | ')') || self.ends_brackets(next))
    }

    pub(crate) fn ends_brackets(&self, next: char) -> bool {
        self.brackets && next == ']'
    }

    /// A field's name, in quotes or plain; empty if none is next.
    pub(crate) fn name(&mut self) -> Result<(String, usize), QueryError> {
        self.skip_space();
        let at = self.at;
        if self.peek() == Some('"') {
            return Ok((self.phrase()?.text(), at));
        }
        if let Some((kind, value)) = self.clone().eat_value()
            && kind == ParameterType::Name
        {
            self.eat_value();
            return Ok((value.to_owned(), at));
        }
        let rest = self.rest();
        let length = rest.find(|c| !is_name_char(c)).unwrap_or(rest.len());
        // The sign of a value is no part of the name before it.
        let is_value = !self.values.is_empty()
            && rest.get(..length).is_some_and(|name| name.ends_with('$'))
            && rest.get(length..).is_some_and(|after| after.starts_with('{'));
        let length = length - usize::from(is_value);
        self.at += length;
        Ok((rest.get(..length).unwrap_or_default().to_owned(), at))
    }

    /// A quoted phrase. `\"`, `\*` and `\\` stand for the character itself; any other backslash is
    /// one, so that Windows paths need no doubling.
    pub(crate) fn phrase(&mut self) -> Result<Lexeme, QueryError> {
        let at = self.at;
        self.bump();
        let mut parts = vec![String::new()];
        loop {
            if let Some((kind, value)) = self.eat_value() {
                Self::value_into(&mut parts, kind, value);
                continue;
            }
            match self.bump() {
                None => {
                    return Err(self.error_at(
                        at,
                        "the quoted phrase has no end",
                        Some("add a `\"`; a backslash before the last `\"` is written `\\\\`"),
                    ));
                }
                Some('"') => return Ok(Lexeme { parts, at, quoted: true }),
                Some('*') => parts.push(String::new()),
                Some('\\') => self.escaped(&mut parts, &['"', '*', '\\']),
                Some(other) => push(&mut parts, other),
            }
        }
    }

    /// A word without quotes, up to a space or one of `()"|` (and `,` if `commas` divide words).
    /// Empty if none is next.
    pub(crate) fn word(&mut self, commas: bool) -> Lexeme {
        let at = self.at;
        let mut parts = vec![String::new()];
        let mut quoted = false;
        while let Some(next) = self.peek() {
            if let Some((kind, value)) = self.eat_value() {
                Self::value_into(&mut parts, kind, value);
                quoted |= matches!(kind, ParameterType::Text | ParameterType::Pattern);
                continue;
            }
            if next.is_whitespace()
                || matches!(next, '(' | ')' | '"' | '|')
                || (commas && next == ',')
                || self.ends_brackets(next)
            {
                break;
            }
            self.bump();
            match next {
                '*' => parts.push(String::new()),
                '\\' => self.escaped(&mut parts, &['"', '*', '\\', '(', ')', '|', ' ']),
                other => push(&mut parts, other),
            }
        }
        Lexeme { parts, at, quoted }
    }

    fn escaped(&mut self, parts: &mut [String], special: &[char]) {
        match self.peek() {
            Some(next) if special.contains(&next) => {
                self.bump();
                push(parts, next);
            }
            _ => push(parts, '\\'),
        }
    }

    /// A mistake in the search's own syntax.
    pub(crate) fn error_at(&self, at: usize, message: &str, help: Option<&str>) -> QueryError {
        QueryError::Search {
            message: message.to_owned(),
            at: Excerpt::at_byte(self.text, at),
            help: help.map(str::to_owned),
        }
    }
}

fn push(parts: &mut [String], c: char) {
    if let Some(last) = parts.last_mut() {
        last.push(c);
    }
}
