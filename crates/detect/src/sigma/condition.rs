//! Sigma's conditions: `or` binds less than `and`, `and` less than `not`, and `1 of …` most.

use base::limits;

/// A condition with its selections as indices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Condition {
    Selection(usize),
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Not(Box<Condition>),
    /// At least so many of these selections.
    AtLeast(usize, Vec<usize>),
}

/// The names in an expression that says all of them, each once and with its place: no `of`.
pub(crate) fn names(text: &str) -> Result<Vec<(usize, String)>, ConditionError> {
    let mut names: Vec<(usize, String)> = Vec::new();
    for token in tokenize(text)? {
        match token.kind {
            TokenKind::Word(word) if !names.iter().any(|(_, known)| known == word) => {
                names.push((token.column, word.to_owned()));
            }
            TokenKind::Of => {
                return Err(ConditionError {
                    column: token.column,
                    message: "`of` needs a list to count in".to_owned(),
                    help: Some("list the rules under `rules`".to_owned()),
                });
            }
            _ => {}
        }
    }
    Ok(names)
}

impl Condition {
    /// The selections that it is about.
    pub(crate) fn selections(&self) -> Vec<usize> {
        match self {
            Self::Selection(index) => vec![*index],
            Self::And(all) | Self::Or(all) => all.iter().flat_map(Self::selections).collect(),
            Self::Not(inner) => inner.selections(),
            Self::AtLeast(_, members) => members.clone(),
        }
    }

    /// The same over selections whose numbers are higher by `by`.
    pub(crate) fn shifted(self, by: usize) -> Self {
        let all = |all: Vec<Self>| all.into_iter().map(|inner| inner.shifted(by)).collect();
        match self {
            Self::Selection(index) => Self::Selection(index + by),
            Self::And(inner) => Self::And(all(inner)),
            Self::Or(inner) => Self::Or(all(inner)),
            Self::Not(inner) => Self::Not(Box::new(inner.shifted(by))),
            Self::AtLeast(least, members) => {
                Self::AtLeast(least, members.into_iter().map(|index| index + by).collect())
            }
        }
    }
}

/// What is wrong with a condition: where in its text (in characters), and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConditionError {
    pub(crate) column: usize,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

/// Reads a condition over the selections named.
pub(crate) fn parse(text: &str, selections: &[&str]) -> Result<Condition, ConditionError> {
    let tokens = tokenize(text)?;
    let mut parser = Parser { tokens: &tokens, selections, end: text.chars().count(), depth: 0 };
    let condition = parser.or()?;
    match parser.tokens.first() {
        None => Ok(condition),
        Some(token) => Err(unexpected(token, "`and`, `or` or the end")),
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Token<'t> {
    column: usize,
    kind: TokenKind<'t>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TokenKind<'t> {
    Open,
    Close,
    And,
    Or,
    Not,
    Of,
    Word(&'t str),
}

impl TokenKind<'_> {
    const fn as_str(&self) -> &str {
        match self {
            Self::Open => "(",
            Self::Close => ")",
            Self::And => "and",
            Self::Or => "or",
            Self::Not => "not",
            Self::Of => "of",
            Self::Word(word) => word,
        }
    }
}

fn tokenize(text: &str) -> Result<Vec<Token<'_>>, ConditionError> {
    let mut tokens = Vec::new();
    let mut rest = text;
    let mut column = 0;
    while let Some(first) = rest.chars().next() {
        let is_word = |char: char| !char.is_whitespace() && !matches!(char, '(' | ')' | '|');
        let length = if is_word(first) {
            rest.find(|char| !is_word(char)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (token, behind) = rest.split_at_checked(length).unwrap_or((rest, ""));
        let kind = match token {
            "(" => Some(TokenKind::Open),
            ")" => Some(TokenKind::Close),
            "|" => {
                return Err(ConditionError {
                    column,
                    message: "aggregations behind `|` are not part of Sigma 2".to_owned(),
                    help: Some("count with a correlation rule instead".to_owned()),
                });
            }
            word if word.eq_ignore_ascii_case("and") => Some(TokenKind::And),
            word if word.eq_ignore_ascii_case("or") => Some(TokenKind::Or),
            word if word.eq_ignore_ascii_case("not") => Some(TokenKind::Not),
            word if word.eq_ignore_ascii_case("of") => Some(TokenKind::Of),
            word if word.trim().is_empty() => None,
            word => Some(TokenKind::Word(word)),
        };
        tokens.extend(kind.map(|kind| Token { column, kind }));
        column += token.chars().count();
        rest = behind;
    }
    Ok(tokens)
}

struct Parser<'p> {
    tokens: &'p [Token<'p>],
    selections: &'p [&'p str],
    end: usize,
    depth: usize,
}

type Parsed = Result<Condition, ConditionError>;

impl<'p> Parser<'p> {
    fn next(&mut self) -> Option<&'p Token<'p>> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first)
    }

    fn next_if(&mut self, kind: TokenKind<'_>) -> bool {
        let is_next = self.tokens.first().is_some_and(|token| token.kind == kind);
        if is_next {
            self.next();
        }
        is_next
    }

    fn or(&mut self) -> Parsed {
        let first = self.and()?;
        let mut all = vec![first];
        while self.next_if(TokenKind::Or) {
            all.push(self.and()?);
        }
        Ok(if all.len() == 1 { all.swap_remove(0) } else { Condition::Or(all) })
    }

    fn and(&mut self) -> Parsed {
        let first = self.not()?;
        let mut all = vec![first];
        while self.next_if(TokenKind::And) {
            all.push(self.not()?);
        }
        Ok(if all.len() == 1 { all.swap_remove(0) } else { Condition::And(all) })
    }

    fn not(&mut self) -> Parsed {
        let mut is_negated = false;
        while self.next_if(TokenKind::Not) {
            is_negated = !is_negated;
        }
        let inner = self.operand()?;
        Ok(if is_negated { Condition::Not(Box::new(inner)) } else { inner })
    }

    fn operand(&mut self) -> Parsed {
        let Some(token) = self.next() else {
            return Err(self.at_end("a selection's name"));
        };
        match token.kind {
            TokenKind::Open => self.parenthesized(token),
            TokenKind::Word(word) if self.next_if(TokenKind::Of) => self.of(token, word),
            TokenKind::Word(name) => {
                match self.selections.iter().position(|known| *known == name) {
                    Some(index) => Ok(Condition::Selection(index)),
                    None => Err(self.unknown(token, name)),
                }
            }
            _ => Err(unexpected(token, "a selection's name")),
        }
    }

    fn parenthesized(&mut self, open: &Token<'_>) -> Parsed {
        self.depth += 1;
        if self.depth > limits::RULE_DEPTH_MAX {
            return Err(ConditionError {
                column: open.column,
                message: format!(
                    "parentheses are nested more than {} deep",
                    limits::RULE_DEPTH_MAX
                ),
                help: None,
            });
        }
        let inner = self.or()?;
        match self.next() {
            Some(Token { kind: TokenKind::Close, .. }) => {}
            Some(token) => return Err(unexpected(token, "`)`")),
            None => return Err(self.at_end("`)`")),
        }
        self.depth -= 1;
        Ok(inner)
    }

    /// What follows `1 of`, `any of`, `all of` or `3 of`.
    fn of(&mut self, quantifier: &Token<'_>, word: &str) -> Parsed {
        let Some(token) = self.next() else {
            return Err(self.at_end("`them` or a pattern of selection names"));
        };
        let TokenKind::Word(pattern) = token.kind else {
            return Err(unexpected(token, "`them` or a pattern of selection names"));
        };
        let is_them = pattern.eq_ignore_ascii_case("them");
        let is_named = |name: &str| {
            if is_them { !name.starts_with('_') } else { matches_name(pattern, name) }
        };
        let members = (0_usize..)
            .zip(self.selections)
            .filter_map(|(index, name)| is_named(name).then_some(index))
            .collect::<Vec<_>>();
        if members.is_empty() {
            return Err(self.unknown(token, pattern));
        }
        let least = match word {
            word if word.eq_ignore_ascii_case("all") => members.len(),
            word if word.eq_ignore_ascii_case("any") => 1,
            word => match word.parse::<usize>() {
                Ok(least) if least > 0 => least,
                _ => return Err(unexpected(quantifier, "`1`, `any` or `all` before `of`")),
            },
        };
        if least > members.len() {
            return Err(ConditionError {
                column: quantifier.column,
                message: format!(
                    "`{word} of {pattern}` can't hold: only {} selections are meant",
                    members.len()
                ),
                help: None,
            });
        }
        Ok(Condition::AtLeast(least, members))
    }

    fn at_end(&self, expected: &str) -> ConditionError {
        let message = format!("the condition ends where {expected} should stand");
        ConditionError { column: self.end, message, help: None }
    }

    fn unknown(&self, token: &Token<'_>, name: &str) -> ConditionError {
        let names = self.selections.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>();
        let what = if name.contains('*') { "no selection fits" } else { "there is no selection" };
        ConditionError {
            column: token.column,
            message: format!("{what} `{name}`; there are {}", names.join(", ")),
            help: None,
        }
    }
}

fn unexpected(token: &Token<'_>, expected: &str) -> ConditionError {
    let found = token.kind.as_str();
    let message = format!("`{found}` stands where {expected} should stand");
    ConditionError { column: token.column, message, help: None }
}

/// Whether a name fits a pattern with `*` anywhere.
fn matches_name(pattern: &str, name: &str) -> bool {
    let Some((start, mut pattern)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut rest) = name.strip_prefix(start) else { return false };
    while let Some((middle, behind)) = pattern.split_once('*') {
        match rest.split_once(middle) {
            Some((_, after)) => rest = after,
            None => return false,
        }
        pattern = behind;
    }
    rest.ends_with(pattern)
}

#[cfg(test)]
mod tests;
