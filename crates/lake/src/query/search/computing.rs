//! Understands the commands that compute: `eval`, `rex`, `regex`, `lookup`, `join`, `sql`.

use super::{
    ast::{Command, FieldTest, Node, Test, ValueTest},
    formula::{Formula, Statement},
    parse::{Parser, test_of},
};
use crate::query::{error::QueryError, regexp::Regexp};

impl Parser<'_> {
    /// `None` if it is another command.
    pub(super) fn computing(&mut self, name: &str) -> Result<Option<Command>, QueryError> {
        Ok(Some(match name {
            "eval" | "extend" => self.formulas(name)?,
            "rex" => self.rex()?,
            "regex" => Command::Where(self.regex()?),
            "lookup" => self.lookup()?,
            "join" => self.join()?,
            "sql" => self.sql()?,
            _ => return Ok(None),
        }))
    }

    /// `name = expression`, divided by commas.
    fn formulas(&mut self, command: &str) -> Result<Command, QueryError> {
        let mut formulas = Vec::new();
        loop {
            self.count_term()?;
            self.cursor.skip_space();
            let at = self.cursor.at;
            let name = self.backticked().map_or_else(|| self.field_name(), Ok)?;
            if !self.cursor.eat("=") {
                let help = format!("write `{command} name = expression`");
                return Err(self.argument_error(self.cursor.at, "`=` was expected here", &help));
            }
            if [crate::schema::TIME, crate::schema::LOG_SOURCE].contains(&name.as_str()) {
                let message = format!("`{name}` can't be computed");
                return Err(self.argument_error(at, &message, "give the field another name"));
            }
            self.cursor.skip_space();
            let at = self.cursor.at;
            let text = self.expression();
            let text = self.with_values(&text)?;
            let formula = Formula::parse(&text, at).map_err(|(message, byte)| {
                let help = "write SQL: text in quotes, a field's name in backticks if it has \
                            special characters";
                self.argument_error(at + byte, &message, help)
            })?;
            formulas.push((name, formula));
            if !self.cursor.eat(",") {
                return Ok(Command::Eval(formulas));
            }
        }
    }

    /// A name in backticks.
    fn backticked(&mut self) -> Option<String> {
        let rest = self.cursor.rest().strip_prefix('`')?;
        let (name, _) = rest.split_once('`')?;
        self.cursor.at += name.len() + 2;
        Some(name.to_owned())
    }

    /// The text of an expression: up to a comma, a `|` or the end of the brackets that it is in.
    fn expression(&mut self) -> String {
        let from = self.cursor.at;
        let mut depth = 0_usize;
        let mut quote = None;
        while let Some(next) = self.cursor.peek() {
            if self.cursor.eat_value().is_some() {
                continue;
            }
            let is_pipe = next == '|' && !self.cursor.rest().starts_with("||");
            match (quote, next) {
                (Some(open), c) => quote = (open != c).then_some(open),
                (None, '\'' | '"' | '`') => quote = Some(next),
                (None, '(' | '[' | '{') => depth += 1,
                (None, ')' | ']' | '}') if depth > 0 => depth -= 1,
                (None, ']') if self.cursor.brackets => break,
                (None, ',') if depth == 0 => break,
                (None, '|') if is_pipe => break,
                (None, '|') => {
                    self.cursor.bump();
                }
                (None, _) => {}
            }
            self.cursor.bump();
        }
        self.cursor.text.get(from..self.cursor.at).unwrap_or_default().trim_end().to_owned()
    }

    /// SQL in the line with its values, which is the text up to here.
    fn with_values(&self, text: &str) -> Result<String, QueryError> {
        if self.cursor.values.is_empty() {
            return Ok(text.to_owned());
        }
        self.cursor.values.in_sql(text).map_err(|(message, _)| {
            let at = self.cursor.at.saturating_sub(text.len());
            self.argument_error(at, &message, "let the value stand alone, or in quotes")
        })
    }

    /// `rex field=f "…(?<name>…)…"`.
    fn rex(&mut self) -> Result<Command, QueryError> {
        let help = "write `rex field=user_agent \"(?<browser>\\w+)/\"`";
        let at = self.cursor.at;
        let has_word = self.cursor.eat("field=");
        self.cursor.skip_space();
        let (field, _) = if !has_word && self.cursor.peek() == Some('"') {
            (String::new(), at)
        } else {
            self.cursor.name()?
        };
        if field.is_empty() {
            return Err(self.argument_error(at, "`rex` needs a field", help));
        }
        self.cursor.skip_space();
        let at = self.cursor.at;
        let source = self.quoted_source()?;
        let regexp = Regexp::new(&source, false)
            .map_err(|bad| self.argument_error(at + 1 + bad.at, &bad.message, help))?;
        if regexp.groups().is_empty() {
            let message = "the regular expression names no group";
            return Err(self.argument_error(at, message, help));
        }
        for name in regexp.groups() {
            if [crate::schema::TIME, crate::schema::LOG_SOURCE].contains(&name) {
                let message = format!("`{name}` can't be extracted");
                return Err(self.argument_error(at, &message, "give the group another name"));
            }
        }
        Ok(Command::Rex { field, regexp })
    }

    /// Splunk's `regex field="…"` and `regex field!="…"`.
    fn regex(&mut self) -> Result<Node, QueryError> {
        let help = "write `regex user_agent=\"^curl/\"`";
        let at = self.cursor.at;
        let (field, _) = self.cursor.name()?;
        let is_not = self.cursor.eat("!=");
        if field.is_empty() || !(is_not || self.cursor.eat("=")) {
            return Err(self.argument_error(at, "`regex` needs a field and a `=`", help));
        }
        self.cursor.skip_space();
        let at = self.cursor.at;
        let source = self.quoted_source()?;
        let regexp = Regexp::new(&source, true)
            .map_err(|bad| self.argument_error(at + 1 + bad.at, &bad.message, help))?;
        let test = Test::Any(vec![ValueTest::Regexp(regexp)]);
        if is_not {
            // Unlike `!=` this keeps events without the field, as Splunk does.
            return Ok(Node::Not(Box::new(Node::Field(FieldTest { field, test }))));
        }
        Ok(test_of(field, test, false))
    }

    /// `lookup table field output a, b as c`; `key as field` names the table's key, too.
    fn lookup(&mut self) -> Result<Command, QueryError> {
        let help = "write `lookup table field output column, column as name`";
        self.cursor.skip_space();
        let at = self.cursor.at;
        let (table, _) = self.cursor.name()?;
        let (mut field, field_at) = self.cursor.name()?;
        if table.is_empty() || field.is_empty() {
            let at = if table.is_empty() { at } else { field_at };
            return Err(self.argument_error(at, "`lookup` needs a table and a field", help));
        }
        if self.cursor.eat_keyword("as", true) {
            field = self.field_name()?;
        }
        let has_output =
            self.cursor.eat_keyword("output", true) || self.cursor.eat_keyword("outputnew", true);
        let mut columns: Vec<(String, String)> = Vec::new();
        while has_output && !self.cursor.is_at_end() {
            self.count_term()?;
            self.cursor.skip_space();
            let place = self.cursor.at;
            let column = self.field_name()?;
            let name = if self.cursor.eat_keyword("as", true) {
                self.field_name()?
            } else {
                column.clone()
            };
            if columns.iter().any(|(_, other)| *other == name) {
                let message = format!("two fields would be named `{name}`");
                return Err(self.argument_error(place, &message, "name one of them with `as`"));
            }
            columns.push((column, name));
            self.cursor.eat(",");
        }
        if has_output && columns.is_empty() {
            return Err(self.argument_error(self.cursor.at, "a column's name is missing", help));
        }
        Ok(Command::Lookup { table, field, columns })
    }

    /// `join type=left user, host [search]`.
    fn join(&mut self) -> Result<Command, QueryError> {
        let help = "write `join type=left user [index:web | stats count by user]`";
        self.cursor.skip_space();
        let at = self.cursor.at;
        let kind = if self.cursor.eat("type=") || self.cursor.eat("kind=") {
            self.cursor.name()?.0
        } else {
            "inner".to_owned()
        };
        let keeps_all = match kind.as_str() {
            "inner" => false,
            "left" | "outer" | "leftouter" => true,
            other => {
                let message = format!("`{other}` is no kind of join: they are `inner` and `left`");
                return Err(self.argument_error(at, &message, help));
            }
        };
        let mut on = Vec::new();
        loop {
            self.count_term()?;
            self.cursor.skip_space();
            if self.cursor.peek().is_none_or(|next| next == '[') {
                break;
            }
            let name = self.field_name()?;
            if on.contains(&name) {
                let message = format!("`{name}` is named twice");
                return Err(self.argument_error(at, &message, "leave one of them out"));
            }
            on.push(name);
            self.cursor.eat(",");
        }
        if on.is_empty() {
            return Err(self.argument_error(at, "`join` needs a field", help));
        }
        let search = Box::new(self.inner_search()?);
        Ok(Command::Join { keeps_all, on, search })
    }

    /// Everything up to the end is SQL.
    fn sql(&mut self) -> Result<Command, QueryError> {
        self.cursor.skip_space();
        let at = self.cursor.at;
        let help = "write `sql SELECT … FROM events`, with no command behind it";
        if self.cursor.brackets {
            return Err(self.argument_error(at, "`sql` can't stand in brackets", help));
        }
        let text = self.cursor.rest();
        self.cursor.at = self.cursor.text.len();
        let text = self.with_values(text)?;
        Statement::parse(&text, at)
            .map(Command::Sql)
            .map_err(|(message, byte)| self.argument_error(at + byte, &message, help))
    }
}
