//! Understands what stands after a `|`.

use super::{
    ast::{Aggregate, AggregateFunction, Command, Pipe, SortKey},
    parse::Parser,
};
use crate::{
    query::error::{Excerpt, QueryError, nearest},
    schema,
};

/// The commands that may stand after a `|`.
pub(crate) const COMMANDS: [&str; 29] = [
    "count",
    "dedup",
    "distinct",
    "eval",
    "extend",
    "fields",
    "head",
    "join",
    "limit",
    "lookup",
    "order",
    "project",
    "project-away",
    "project-rename",
    "rare",
    "regex",
    "rename",
    "rex",
    "search",
    "sort",
    "sql",
    "stats",
    "summarize",
    "table",
    "tail",
    "take",
    "timechart",
    "top",
    "where",
];

/// How many rows `head`, `tail`, `top` and `rare` keep where they don't say.
const ROWS_DEFAULT: usize = 10;

const MICROS_PER_SECOND: i64 = 1_000_000;

impl Parser<'_> {
    /// One command with its arguments; the `|` has been read. Some are short for two.
    pub(super) fn pipe(&mut self, pipes: &mut Vec<Pipe>) -> Result<(), QueryError> {
        self.cursor.skip_space();
        let at = self.cursor.at;
        let name = self.cursor.word(false).text();
        let command = match name.as_str() {
            "distinct" => {
                let names = self.names(at)?;
                pipes.push(Pipe { command: Command::Dedup(names.clone()), at });
                Command::Keep(names)
            }
            "top" if self.is_top_by() => {
                let count = self.optional_count()?.unwrap_or(ROWS_DEFAULT);
                self.cursor.eat_keyword("by", true);
                pipes.push(Pipe { command: Command::Sort(self.sort_keys(true)?), at });
                Command::Head(count)
            }
            _ => match self.computing(&name)? {
                Some(command) => command,
                None => self.shaping(name, at)?,
            },
        };
        pipes.push(Pipe { command, at });
        Ok(())
    }

    /// Whether Kusto's `top 5 by x` is next.
    fn is_top_by(&self) -> bool {
        let mut ahead = self.cursor.clone();
        ahead.skip_space();
        while ahead.peek().is_some_and(|c| c.is_ascii_digit()) {
            ahead.bump();
        }
        ahead.eat_keyword("by", true)
    }

    /// The commands that choose rows and columns, and count.
    fn shaping(&mut self, name: String, at: usize) -> Result<Command, QueryError> {
        Ok(match name.as_str() {
            "where" => Command::Where(self.command_condition("where", true)?),
            "search" => Command::Where(self.command_condition("search", false)?),
            "fields" | "table" | "project" => self.fields()?,
            "project-away" => Command::Drop(self.names(at)?),
            "sort" | "order" => {
                let is_kusto = self.cursor.eat_keyword("by", true);
                Command::Sort(self.sort_keys(is_kusto)?)
            }
            "head" | "take" | "limit" => Command::Head(self.row_count()?),
            "tail" => Command::Tail(self.row_count()?),
            "count" => self.count(at)?,
            "stats" | "summarize" => {
                let aggregates = self.aggregates(at)?;
                let by = self.by()?;
                self.check_columns(at, &aggregates, by.iter().map(String::as_str))?;
                Command::Stats { aggregates, by }
            }
            "top" | "rare" => {
                let count = self.optional_count()?.unwrap_or(ROWS_DEFAULT);
                let fields = self.names(at)?;
                self.check_columns(at, &[Aggregate::rows()], fields.iter().map(String::as_str))?;
                Command::Top { count, fields, rarest: name == "rare" }
            }
            "rename" => Command::Rename(self.renames(at, false)?),
            "project-rename" => Command::Rename(self.renames(at, true)?),
            "dedup" => Command::Dedup(self.names(at)?),
            "timechart" => self.timechart(at)?,
            _ => return Err(self.unknown(name, at)),
        })
    }

    fn unknown(&self, name: String, at: usize) -> QueryError {
        let at = Excerpt::at_byte(self.cursor.text, at);
        let near = nearest(&name, COMMANDS).map(str::to_owned);
        QueryError::UnknownPipe { name, at, near }
    }

    pub(super) fn argument_error(&self, at: usize, message: &str, help: &str) -> QueryError {
        QueryError::Pipe {
            message: message.to_owned(),
            at: Excerpt::at_byte(self.cursor.text, at),
            help: Some(help.to_owned()),
        }
    }

    fn fields(&mut self) -> Result<Command, QueryError> {
        let at = self.cursor.at;
        let drop = self.cursor.eat("-");
        if !drop {
            self.cursor.eat("+");
        }
        let names = self.names(at)?;
        Ok(if drop { Command::Drop(names) } else { Command::Keep(names) })
    }

    /// Names divided by commas or spaces, at least one, up to a `|` or `by`.
    pub(super) fn names(&mut self, at: usize) -> Result<Vec<String>, QueryError> {
        let mut names: Vec<String> = Vec::new();
        while !self.cursor.is_at_end() && !self.at_word("by") {
            self.count_term()?;
            self.cursor.skip_space();
            let place = self.cursor.at;
            let name = self.field_name()?;
            if names.contains(&name) {
                let message = format!("`{name}` is named twice");
                return Err(self.argument_error(place, &message, "leave one of them out"));
            }
            names.push(name);
            self.cursor.eat(",");
        }
        if names.is_empty() {
            return Err(self.argument_error(
                at,
                "a field's name is missing",
                "write one name or several, divided by commas",
            ));
        }
        Ok(names)
    }

    pub(super) fn field_name(&mut self) -> Result<String, QueryError> {
        let (name, at) = self.cursor.name()?;
        if name.is_empty() {
            return Err(self.argument_error(
                at,
                "a field's name was expected here",
                "put a name with special characters in quotes",
            ));
        }
        Ok(name)
    }

    fn at_word(&self, word: &str) -> bool {
        self.cursor.clone().eat_keyword(word, true)
    }

    fn by(&mut self) -> Result<Vec<String>, QueryError> {
        let at = self.cursor.at;
        if self.cursor.eat_keyword("by", true) { self.names(at) } else { Ok(Vec::new()) }
    }

    fn optional_count(&mut self) -> Result<Option<usize>, QueryError> {
        self.cursor.skip_space();
        let value = self.cursor.values.at(self.cursor.rest());
        if value.is_none() && !self.cursor.peek().is_some_and(|c| c.is_ascii_digit()) {
            return Ok(None);
        }
        let lexeme = self.cursor.word(true);
        lexeme.text().parse().map(Some).map_err(|_| {
            self.argument_error(
                lexeme.at,
                "a number of rows was expected here",
                "write it in digits",
            )
        })
    }

    fn row_count(&mut self) -> Result<usize, QueryError> {
        let count = self.optional_count()?;
        if !self.cursor.is_at_end() {
            return Err(self.argument_error(
                self.cursor.at,
                "a number of rows was expected here",
                "write it in digits, and a `|` before the next command",
            ));
        }
        Ok(count.unwrap_or(ROWS_DEFAULT))
    }

    /// `-` in front, or `desc` behind, for the largest first; `falls`: that is so by itself.
    fn sort_keys(&mut self, falls: bool) -> Result<Vec<SortKey>, QueryError> {
        let at = self.cursor.at;
        let mut keys = Vec::new();
        while !self.cursor.is_at_end() {
            self.count_term()?;
            let minus = self.cursor.eat("-");
            let rises = !minus && self.cursor.eat("+");
            self.cursor.skip_space();
            let field = if self.column_is_call() { self.call_text() } else { self.field_name()? };
            let descending = if self.cursor.eat_keyword("desc", true) {
                true
            } else if self.cursor.eat_keyword("asc", true) {
                false
            } else {
                minus || (falls && !rises)
            };
            keys.push(SortKey { field, descending });
            self.cursor.eat(",");
        }
        if keys.is_empty() {
            return Err(self.argument_error(
                at,
                "`sort` needs a field",
                "write `sort -time` for the newest first",
            ));
        }
        Ok(keys)
    }

    /// Whether a name like `dc(user)` is next: how `stats` names what has no name.
    pub(super) fn column_is_call(&self) -> bool {
        let mut ahead = self.cursor.clone();
        let name = ahead.name().map(|(name, _)| name).unwrap_or_default();
        ahead.peek() == Some('(') && aggregate_function(&name).is_some()
    }

    pub(super) fn call_text(&mut self) -> String {
        let rest = self.cursor.rest();
        let length = rest.find(')').map_or(rest.len(), |end| end + 1);
        self.cursor.at += length;
        rest.get(..length).unwrap_or_default().to_owned()
    }

    fn count(&mut self, at: usize) -> Result<Command, QueryError> {
        let by = self.by()?;
        if !self.cursor.is_at_end() {
            return Err(self.argument_error(
                self.cursor.at,
                "only `by` may follow `count`",
                "write `count by` and the fields, or use `stats`",
            ));
        }
        let aggregates = vec![Aggregate::rows()];
        self.check_columns(at, &aggregates, by.iter().map(String::as_str))?;
        Ok(Command::Stats { aggregates, by })
    }

    /// Whether each column of the rows that a command makes has a name of its own.
    fn check_columns<'n>(
        &self,
        at: usize,
        aggregates: &[Aggregate],
        mut by: impl Iterator<Item = &'n str>,
    ) -> Result<(), QueryError> {
        let Some(name) = by.find(|name| aggregates.iter().any(|one| one.name == *name)) else {
            return Ok(());
        };
        let message = format!("two columns would be named `{name}`");
        Err(self.argument_error(
            at,
            &message,
            "name the figure with `as`, or `rename` the field first",
        ))
    }

    /// `f(x) [as y]`, divided by commas or spaces, at least one, up to a `|` or `by`.
    fn aggregates(&mut self, at: usize) -> Result<Vec<Aggregate>, QueryError> {
        let mut aggregates: Vec<Aggregate> = Vec::new();
        while !self.cursor.is_at_end() && !self.at_word("by") {
            self.count_term()?;
            let place = self.cursor.at;
            let aggregate = self.aggregate()?;
            if aggregates.iter().any(|other| other.name == aggregate.name) {
                let message = format!("two columns would be named `{}`", aggregate.name);
                return Err(self.argument_error(place, &message, "name one of them with `as`"));
            }
            aggregates.push(aggregate);
            self.cursor.eat(",");
        }
        if aggregates.is_empty() {
            return Err(self.argument_error(
                at,
                "a figure is missing",
                "write `stats count by user`, for example",
            ));
        }
        Ok(aggregates)
    }

    /// `f(x) as y`, or Kusto's `y = f(x)`.
    fn aggregate(&mut self) -> Result<Aggregate, QueryError> {
        let (mut word, mut at) = self.cursor.name()?;
        let mut name_before = None;
        if self.cursor.eat("=") {
            name_before = Some(word);
            (word, at) = self.cursor.name()?;
        }
        let Some(function) = aggregate_function(&word) else {
            let names = AggregateFunction::NAMES.map(|(name, _)| name);
            let guess = nearest(&word, names).map(|near| format!("did you mean `{near}`? "));
            let help =
                format!("{}the functions are {}", guess.unwrap_or_default(), names.join(", "));
            return Err(self.argument_error(at, &format!("there is no function `{word}`"), &help));
        };
        let field = if self.cursor.peek() == Some('(') { self.call_argument(&word)? } else { None };
        if field.is_none() && function != AggregateFunction::Count {
            let help = format!("write `{word}(field)`");
            return Err(self.argument_error(at, &format!("`{word}` needs a field"), &help));
        }
        let default = field.as_ref().map_or(word.clone(), |field| format!("{word}({field})"));
        let name = match name_before {
            Some(name) => name,
            None if self.cursor.eat_keyword("as", true) => self.field_name()?,
            None => default,
        };
        Ok(Aggregate { function, field, name })
    }

    fn call_argument(&mut self, word: &str) -> Result<Option<String>, QueryError> {
        let at = self.cursor.at;
        self.cursor.bump();
        let (name, _) = self.cursor.name()?;
        self.cursor.eat("*");
        if !self.cursor.eat(")") {
            let help =
                format!("write `{word}(field)`, and a field with special characters in quotes");
            return Err(self.argument_error(at, "the parenthesis has no end", &help));
        }
        Ok(Some(name).filter(|name| !name.is_empty()))
    }

    /// `old as new`, or Kusto's `new = old`.
    fn renames(&mut self, at: usize, is_kusto: bool) -> Result<Vec<(String, String)>, QueryError> {
        let mut renames: Vec<(String, String)> = Vec::new();
        while !self.cursor.is_at_end() {
            self.count_term()?;
            self.cursor.skip_space();
            let from = if self.column_is_call() { self.call_text() } else { self.field_name()? };
            let is_there =
                if is_kusto { self.cursor.eat("=") } else { self.cursor.eat_keyword("as", true) };
            if !is_there {
                let (word, help) = if is_kusto {
                    ("=", "write `project-rename new = old`")
                } else {
                    ("as", "write `rename old as new`")
                };
                let message = format!("`{word}` was expected here");
                return Err(self.argument_error(self.cursor.at, &message, help));
            }
            self.cursor.skip_space();
            let place = self.cursor.at;
            let to = self.field_name()?;
            let (from, to) = if is_kusto { (to, from) } else { (from, to) };
            if renames.iter().any(|(other, _)| *other == from) {
                let message = format!("`{from}` is named twice");
                return Err(self.argument_error(place, &message, "leave one of them out"));
            }
            if renames.iter().any(|(_, other)| *other == to) {
                let message = format!("two fields would be named `{to}`");
                return Err(self.argument_error(place, &message, "give one of them another name"));
            }
            renames.push((from, to));
            self.cursor.eat(",");
        }
        if renames.is_empty() {
            return Err(self.argument_error(
                at,
                "a field's name is missing",
                "write `rename old as new`",
            ));
        }
        Ok(renames)
    }

    fn timechart(&mut self, at: usize) -> Result<Command, QueryError> {
        let span_micros =
            if self.cursor.eat("span=") { self.span()? } else { 3600 * MICROS_PER_SECOND };
        let aggregates = self.aggregates(at)?;
        let by = self.by()?;
        let columns = by.iter().map(String::as_str).chain([schema::TIME]);
        self.check_columns(at, &aggregates, columns)?;
        if by.iter().any(|name| name == schema::TIME) {
            let message = "`timechart` already has a column `time`";
            return Err(self.argument_error(at, message, "leave it out after `by`"));
        }
        Ok(Command::Timechart { span_micros, aggregates, by })
    }

    fn span(&mut self) -> Result<i64, QueryError> {
        let lexeme = self.cursor.word(true);
        let text = lexeme.text();
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = match text.strip_prefix(digits) {
            Some("s") => 1,
            Some("m" | "min") => 60,
            Some("h") => 3600,
            Some("d") => 86_400,
            Some("w") => 7 * 86_400,
            _ => 0,
        };
        let span = digits.parse::<i64>().ok().and_then(|count| {
            count.checked_mul(unit * MICROS_PER_SECOND).filter(|micros| *micros > 0)
        });
        span.ok_or_else(|| {
            self.argument_error(
                lexeme.at,
                &format!("`{text}` is no span of time"),
                "write a number and one of s, m, h, d and w, such as `span=15m`",
            )
        })
    }
}

fn aggregate_function(word: &str) -> Option<AggregateFunction> {
    let known = AggregateFunction::NAMES.iter().find(|(name, _)| *name == word);
    known.map(|(_, function)| *function)
}
