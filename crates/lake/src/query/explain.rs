//! What DataFusion and its parser say, in the words and with the place that a reader needs.

use datafusion::{
    common::{Column, SchemaError, diagnostic::Diagnostic, utils::quote_identifier},
    error::DataFusionError,
    sql::sqlparser::parser::ParserError,
};

use super::error::{Excerpt, QueryError, nearest};

/// DataFusion lists all functions and all columns after the first line.
pub(super) fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim_end_matches('.').to_owned()
}

/// Why a text is no SQL. The parser ends its messages with the place: `… at Line: 1, Column: 8`.
pub(super) fn syntax(error: &ParserError, text: &str) -> QueryError {
    let message = match error {
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message.clone(),
        ParserError::RecursionLimitExceeded => "the query nests too deeply".to_owned(),
    };
    let (said, place) = message.rsplit_once(" at Line: ").unwrap_or((&message, ""));
    let at = place.split_once(", Column: ").and_then(|(line, column)| {
        Excerpt::at_position(text, line.parse().ok()?, column.trim().parse().ok()?)
    });
    QueryError::Syntax { message: lower_first(said), at }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_lowercase().to_string()).unwrap_or_default();
    format!("{first}{}", chars.as_str())
}

/// Why well-formed SQL means nothing.
pub(super) fn plan_error(error: &DataFusionError, text: &str) -> QueryError {
    let spanned = error.diagnostic().and_then(|diagnostic| place(diagnostic, text));
    let message = match error.find_root() {
        DataFusionError::SchemaError(error, _) => return schema_error(error, spanned, text),
        DataFusionError::Plan(message) => first_line(message),
        DataFusionError::NotImplemented(message) => {
            format!("not supported: {}", first_line(message))
        }
        root => first_line(&root.strip_backtrace()),
    };
    // What the planner quotes is looked for in the text: a caret at its first place.
    let quoted = message.split(['\'', '`', '"']).nth(1).filter(|quoted| quoted.len() > 1);
    let found = quoted.and_then(|quoted| text.find(quoted));
    let at = spanned.or_else(|| found.map(|byte| Excerpt::at_byte(text, byte)));
    QueryError::Plan { message: lower_first(&message), at, help: None }
}

fn place(diagnostic: &Diagnostic, text: &str) -> Option<Excerpt> {
    let start = diagnostic.span?.start;
    Excerpt::at_position(text, start.line, start.column)
}

fn schema_error(error: &SchemaError, at: Option<Excerpt>, text: &str) -> QueryError {
    let find = |name: &str| text.find(name).map(|byte| Excerpt::at_byte(text, byte));
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let near = nearest(&field.name, valid_fields.iter().map(Column::name));
            let help = match near {
                Some(near) if near != field.name => format!("did you mean `{near}`?"),
                _ => format!(
                    "if it is in `_rest`, say of which table: `table.{}`",
                    quote_identifier(&field.name)
                ),
            };
            QueryError::Plan {
                message: format!("there is no column `{}`", field.flat_name()),
                at: at.or_else(|| find(&field.name)),
                help: Some(help),
            }
        }
        SchemaError::AmbiguousReference { field } => QueryError::Plan {
            message: format!("more than one table has a column `{}`", field.name),
            at: at.or_else(|| find(&field.name)),
            help: Some(format!("say which: `table.{}`", quote_identifier(&field.name))),
        },
        other => QueryError::Plan { message: first_line(&other.to_string()), at, help: None },
    }
}
