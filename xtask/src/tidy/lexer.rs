//! As much of Rust's syntax as the rules need: what is comment, what is string, what is test.

/// A source file with its comments, and once more with its strings too, blanked out. Line numbers
/// stay as they are.
#[derive(Debug)]
pub(super) struct Code {
    /// Without comments.
    pub(super) with_strings: String,
    /// Without comments and without the contents of strings.
    pub(super) bare: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Code,
    LineComment,
    BlockComment(usize),
    Text,
    RawText(usize),
}

impl Code {
    /// Splits `source`.
    pub(super) fn of(source: &str) -> Self {
        let mut code = Self { with_strings: String::new(), bare: String::new() };
        let mut state = State::Code;
        let mut rest = source;
        while let Some(next) = rest.chars().next() {
            let (length, after) = step(state, rest, code.bare.chars().next_back());
            let (taken, remaining) = rest.split_at_checked(length).unwrap_or((rest, ""));
            let comment =
                |state: State| matches!(state, State::LineComment | State::BlockComment(_));
            let text = |state: State| matches!(state, State::Text | State::RawText(_));
            let in_comment = comment(state) || comment(after);
            let in_text = text(state) || text(after) || (next == '\'' && length > 1);
            push(&mut code.with_strings, taken, !in_comment);
            push(&mut code.bare, taken, !in_comment && !in_text);
            state = after;
            rest = remaining;
        }
        code
    }

    /// The part before the tests, which stand at the end.
    pub(super) fn without_tests(self) -> Self {
        let Some(at) = self.bare.find("\n#[cfg(test)]\nmod ") else { return self };
        let cut = |text: String| text.get(..at).unwrap_or(&text).to_owned();
        Self { with_strings: cut(self.with_strings), bare: cut(self.bare) }
    }
}

/// What the next token is: its length in bytes, and the state after it.
fn step(state: State, rest: &str, before: Option<char>) -> (usize, State) {
    let first = rest.chars().next().map_or(1, char::len_utf8);
    match state {
        State::LineComment if rest.starts_with('\n') => (1, State::Code),
        State::BlockComment(depth) if rest.starts_with("/*") => (2, State::BlockComment(depth + 1)),
        State::BlockComment(1) if rest.starts_with("*/") => (2, State::Code),
        State::BlockComment(depth) if rest.starts_with("*/") => (2, State::BlockComment(depth - 1)),
        State::Text if rest.starts_with('\\') => {
            (1 + rest.chars().nth(1).map_or(0, char::len_utf8), State::Text)
        }
        State::Text if rest.starts_with('"') => (1, State::Code),
        State::RawText(hashes) if closes_raw(rest, hashes) => (1 + hashes, State::Code),
        State::LineComment | State::BlockComment(_) | State::Text | State::RawText(_) => {
            (first, state)
        }
        State::Code => step_code(rest, before, first),
    }
}

fn step_code(rest: &str, before: Option<char>, first: usize) -> (usize, State) {
    let in_word = before.is_some_and(|char| char.is_alphanumeric() || char == '_');
    if rest.starts_with("//") {
        (2, State::LineComment)
    } else if rest.starts_with("/*") {
        (2, State::BlockComment(1))
    } else if rest.starts_with('"') {
        (1, State::Text)
    } else if let (false, Some(hashes)) = (in_word, opens_raw(rest)) {
        (hashes + rest.find('"').unwrap_or(0) - hashes + 1, State::RawText(hashes))
    } else if rest.starts_with('\'') {
        (char_literal(rest).unwrap_or(1), State::Code)
    } else {
        (first, State::Code)
    }
}

/// `r"`, `r#"`, `br##"` and so on: how many hashes.
fn opens_raw(rest: &str) -> Option<usize> {
    let rest = rest.strip_prefix(['b', 'c']).unwrap_or(rest).strip_prefix('r')?;
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    rest.get(hashes..)?.starts_with('"').then_some(hashes)
}

fn closes_raw(rest: &str, hashes: usize) -> bool {
    let Some(rest) = rest.strip_prefix('"') else { return false };
    rest.len() - rest.trim_start_matches('#').len() >= hashes
}

/// The length of a character literal; `None` for a lifetime.
fn char_literal(rest: &str) -> Option<usize> {
    let mut chars = rest.char_indices().skip(1);
    let (_, first) = chars.next()?;
    if first == '\\' {
        chars.next()?;
    }
    let (end, _) =
        chars.take(if first == '\\' { 10 } else { 1 }).find(|(_, char)| *char == '\'')?;
    Some(end + 1)
}

/// Adds the text, or blanks of the same length with the same line ends.
fn push(out: &mut String, text: &str, visible: bool) {
    if visible {
        out.push_str(text);
    } else {
        // A blank for each byte: offsets are the same in both views.
        out.extend(text.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: &str, with_strings: &str, bare: &str) {
        let code = Code::of(source);
        assert_eq!(code.with_strings.trim_end(), with_strings, "with strings");
        let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(squeeze(&code.bare), bare, "bare");
        assert_eq!(code.bare.lines().count(), source.lines().count(), "lines stay");
        assert_eq!(code.bare.len(), source.len(), "offsets stay");
    }

    #[test]
    fn tells_code_from_comment_and_string() {
        check("a // b \"c\"\n", "a", "a");
        check("a /* b /* c */ d */ e", "a                   e", "a e");
        check("f(\"// no\\\" comment\"); g", "f(\"// no\\\" comment\"); g", "f( ); g");
        check("f(r#\"a \"b\" // c\"#); g", "f(r#\"a \"b\" // c\"#); g", "f( ); g");
        check(
            "f('\"', '\\'', '/'); g::<'a>()",
            "f('\"', '\\'', '/'); g::<'a>()",
            "f( , , ); g::<'a>()",
        );
        check("f('é'); r#type // x", "f('é'); r#type", "f( ); r#type");
    }

    #[test]
    fn cuts_the_tests_off() {
        let code = Code::of("fn a() {}\n\n#[cfg(test)]\nmod tests { fn b() {} }\n").without_tests();
        assert_eq!(code.bare.trim(), "fn a() {}");
        let code = Code::of("#[cfg(test)]\nfn of() {}\nfn a() {}\n").without_tests();
        assert!(code.bare.contains("fn a"));
    }
}
