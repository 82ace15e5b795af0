//! The parser's complaints in plain words.

use crate::error::CelErrorKind;

/// Rewrites a message of the parser generator; anything unknown stays as it is.
pub(super) fn plain(message: &str) -> CelErrorKind {
    let message = message.trim_start_matches("Syntax error: ");
    if let Some(rest) = message.strip_prefix("missing ")
        && let Some((wanted, _)) = rest.split_once(" at ")
    {
        return CelErrorKind::syntax(format!("`{}` is missing here", wanted.trim_matches('\'')));
    }
    let prefixes = [
        "mismatched input ",
        "extraneous input ",
        "no viable alternative at input ",
        "token recognition error at: ",
    ];
    let Some(rest) = prefixes.iter().find_map(|prefix| message.strip_prefix(prefix)) else {
        return CelErrorKind::syntax(message);
    };
    let found = rest.split(" expecting ").next().unwrap_or(rest);
    match found.trim_matches('\'').trim() {
        "<EOF>" => CelErrorKind::syntax("the expression ends too early"),
        found => CelErrorKind::Syntax {
            message: format!("`{found}` is not expected here"),
            help: instead(found),
        },
    }
}

/// What people used to other languages mean.
fn instead(found: &str) -> Option<&'static str> {
    match found {
        "=" => Some("write `==` to compare"),
        "and" | "AND" | "&" => Some("write `&&`"),
        "or" | "OR" | "|" => Some("write `||`"),
        "not" | "NOT" => Some("write `!`"),
        "?" => Some("put the inner condition in parentheses"),
        _ => None,
    }
}
