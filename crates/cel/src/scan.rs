//! A first look at an expression's text: is it small and shallow enough to be parsed?
//!
//! The parser recurses once for each bracket and each operator in a row, so its stack must be
//! bounded before it sees the text. The scan never counts less than the parser recurses: what it
//! can't tell apart it counts, and a string that the lexer would not read as one is refused here.

use std::{iter::Peekable, str::Chars};

use base::limits;

use crate::error::{CelError, CelErrorKind};

/// Checks the length and the depth of `source`.
pub(crate) fn check(source: &str) -> Result<(), CelError> {
    if source.len() > limits::CEL_SOURCE_BYTES_MAX {
        return Err(CelError { line: 1, column: 1, kind: CelErrorKind::TooLarge("long") });
    }
    let rest = source.chars().peekable();
    Scan { rest, line: 1, column: 1, levels: vec![Level::default()], last: ' ' }.run()
}

/// What is open inside one pair of brackets.
#[derive(Debug, Default)]
struct Level {
    /// Operators, selections and calls in a row.
    chain: usize,
    /// Conditionals, which nest to the right.
    conditionals: usize,
}

struct Scan<'s> {
    rest: Peekable<Chars<'s>>,
    line: u32,
    column: u32,
    levels: Vec<Level>,
    /// The last sign that is neither space nor part of a word or string.
    last: char,
}

impl Scan<'_> {
    fn run(mut self) -> Result<(), CelError> {
        while let Some(&next) = self.rest.peek() {
            let (line, column) = (self.line, self.column);
            match next {
                '"' | '\'' => self.string(false)?,
                c if c.is_alphanumeric() || c == '_' => self.word()?,
                _ => self.punctuation(),
            }
            let depth: usize =
                self.levels.iter().map(|level| 1 + level.chain + level.conditionals).sum();
            if depth > limits::CEL_DEPTH_MAX {
                let kind = CelErrorKind::TooLarge("deeply nested");
                return Err(CelError { line, column, kind });
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest.next()?;
        if next == '\n' {
            self.line += 1;
            self.column = 1;
        } else {
            self.column += 1;
        }
        Some(next)
    }

    fn next_if(&mut self, wanted: char) -> bool {
        self.rest.peek() == Some(&wanted) && self.next().is_some()
    }

    fn word(&mut self) -> Result<(), CelError> {
        self.last = ' ';
        let mut word = String::new();
        while let Some(&c) = self.rest.peek() {
            if !c.is_alphanumeric() && c != '_' {
                break;
            }
            word.push(c);
            self.next();
        }
        let is_prefix = matches!(word.to_ascii_lowercase().as_str(), "r" | "b" | "rb" | "br");
        if is_prefix && matches!(self.rest.peek(), Some('"' | '\'')) {
            return self.string(word.contains(['r', 'R']));
        }
        if word == "in" {
            self.chain();
        }
        Ok(())
    }

    fn punctuation(&mut self) {
        let Some(c) = self.next() else { return };
        let before = self.last;
        if !c.is_whitespace() {
            self.last = c;
        }
        match c {
            // The mark of an optional field, index, member or entry.
            '?' if matches!(before, '.' | '[' | '{' | ',') => {}
            '/' if self.next_if('/') => while self.next().is_some_and(|c| c != '\n') {},
            '(' | '[' | '{' => {
                self.chain();
                self.levels.push(Level::default());
            }
            ')' | ']' | '}' if self.levels.len() > 1 => {
                self.levels.pop();
            }
            ',' => self.set(Level::default()),
            ':' | '&' | '|' => {
                let conditionals = self.levels.last().map_or(0, |level| level.conditionals);
                self.set(Level { chain: 0, conditionals });
            }
            '?' => {
                if let Some(level) = self.levels.last_mut() {
                    level.conditionals += 1;
                    level.chain = 0;
                }
            }
            '!' => while self.next_if('!') {},
            '=' | '<' | '>' => {
                self.next_if('=');
                self.chain();
            }
            '.' | '+' | '-' | '*' | '/' | '%' => self.chain(),
            _ => {}
        }
    }

    fn chain(&mut self) {
        if let Some(level) = self.levels.last_mut() {
            level.chain += 1;
        }
    }

    fn set(&mut self, level: Level) {
        if let Some(last) = self.levels.last_mut() {
            *last = level;
        }
    }

    fn string(&mut self, raw: bool) -> Result<(), CelError> {
        let (line, column) = (self.line, self.column);
        let unclosed = || CelError {
            line,
            column,
            kind: CelErrorKind::syntax("the string that begins here is not closed"),
        };
        let quote = self.next().unwrap_or('"');
        self.last = ' ';
        let mut triple = false;
        if self.next_if(quote) {
            if !self.next_if(quote) {
                return Ok(());
            }
            triple = true;
        }
        let mut closing = 0;
        loop {
            let (line, column) = (self.line, self.column);
            let c = self.next().ok_or_else(unclosed)?;
            closing = if c == quote { closing + 1 } else { 0 };
            match c {
                '\\' if !raw && !self.escape() => {
                    let kind = CelErrorKind::syntax("unknown escape sequence in a string");
                    return Err(CelError { line, column, kind });
                }
                '\n' | '\r' if !triple => return Err(unclosed()),
                _ if closing == if triple { 3 } else { 1 } => return Ok(()),
                _ => {}
            }
        }
    }

    /// What follows a backslash. The grammar: "Escape sequences" in the language definition.
    fn escape(&mut self) -> bool {
        let digits = match self.next() {
            Some('a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '"' | '\'' | '`' | '?' | '\\') => {
                return true;
            }
            Some('x' | 'X') => 2,
            Some('u') => 4,
            Some('U') => 8,
            Some('0'..='3') => {
                return (0..2).all(|_| self.next().is_some_and(|c| c.is_digit(8)));
            }
            _ => return false,
        };
        (0..digits).all(|_| self.next().is_some_and(|c| c.is_ascii_hexdigit()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(source: &str) -> Option<CelErrorKind> {
        check(source).err().map(|error| error.kind)
    }

    #[test]
    fn refuses_what_is_too_long_or_too_deep() {
        let long = format!("'{}'", "x".repeat(limits::CEL_SOURCE_BYTES_MAX));
        assert_eq!(kind(&long), Some(CelErrorKind::TooLarge("long")));
        let deep = Some(CelErrorKind::TooLarge("deeply nested"));
        for part in ["(", "[", "{", "1+", "a.", "a[", "-1", "a?b:", "f(", "1 in ", "x == ", "--1*"]
        {
            assert_eq!(kind(&part.repeat(97)), deep, "{part}");
            assert_eq!(kind(&format!("'{}'", part.repeat(97))), None, "{part}");
            assert_eq!(kind(&format!("// {}", part.repeat(97))), None, "{part}");
        }
        assert_eq!(kind(&"a == 1 || ".repeat(1000)), None);
        assert_eq!(kind(&"[a, b], ".repeat(1000)), None);
    }

    #[test]
    fn knows_where_strings_end() {
        for source in [
            r#"'\'' + "\"" "#,
            r#"r"\" + r'\'"#,
            "'''it's ' ''' + \"\"\"a\n\"b\" \"\"\"",
            r#"b'\x00\377' + "\u00e9\U0001F600""#,
            "'' + \"\" + ''''''",
        ] {
            assert_eq!(kind(source), None, "{source}");
        }
        for source in ["'", "\"a\nb\"", "'''a''", "\"\"\"", "r'", "'\\"] {
            assert!(matches!(kind(source), Some(CelErrorKind::Syntax { .. })), "{source}");
        }
        for source in [r"'\q'", r"'\x0'", r"'\400'", r"'\u12'"] {
            let error = check(source).unwrap_err();
            assert_eq!((error.line, error.column), (1, 2), "{source}");
        }
    }
}
