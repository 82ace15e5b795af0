//! What every Rust file keeps to.

use super::{Finding, lexer::Code, tree::Tree};

/// A word that only some files may say, outside comments, strings and tests.
struct Reserved {
    word: &'static str,
    /// The beginnings of the paths that may.
    allowed: &'static [&'static str],
    message: &'static str,
}

const RESERVED: &[Reserved] = &[
    Reserved {
        word: "env::var",
        allowed: &["src/settings.rs", "xtask/"],
        message: "reads the environment; only src/settings.rs does, and hands on what others need",
    },
    Reserved {
        word: "axum",
        allowed: &["crates/serve/src/api.rs", "crates/serve/src/api/"],
        message: "names `axum`; only serve::api knows HTTP",
    },
    Reserved {
        word: "deltalake",
        allowed: &["crates/lake/"],
        message: "names `deltalake`; only lake knows the table format",
    },
];

/// Marks of unfinished work. Written in two parts, so that this file has none.
const UNFINISHED: &[(&str, &str)] =
    &[("TO", "DO"), ("FIX", "ME"), ("todo", "!"), ("unimplemented", "!"), ("#[igno", "re")];

/// Checks every Rust file.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.ending(".rs") {
        if !text.starts_with("//! ") {
            findings.push(Finding::line(path, 1, "does not begin with `//!` and what it is"));
        }
        findings.extend(unfinished(path, text));
        if !is_test(path) {
            findings.extend(reserved(path, &Code::of(text).without_tests().bare));
        }
    }
    findings
}

/// Whether the whole file is only compiled for tests.
pub(super) fn is_test(path: &str) -> bool {
    let in_folder = |name: &str| path.split('/').rev().skip(1).any(|part| part == name);
    path.ends_with("/tests.rs") || in_folder("tests") || in_folder("benches")
}

fn unfinished(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for (start, end) in UNFINISHED {
            let mark = format!("{start}{end}");
            if line.contains(&mark) {
                let message = format!("`{mark}` marks unfinished work; finish it or leave it out");
                findings.push(Finding::line(path, index + 1, message));
            }
        }
    }
    findings
}

fn reserved(path: &str, code: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rule in
        RESERVED.iter().filter(|rule| !rule.allowed.iter().any(|start| path.starts_with(start)))
    {
        for (index, line) in code.lines().enumerate() {
            if says(line, rule.word) {
                findings.push(Finding::line(path, index + 1, rule.message));
            }
        }
    }
    findings
}

/// Whether the line has `word` at the beginning of a name.
fn says(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|start| start.chars().next_back());
        !before.is_some_and(|char| char.is_alphanumeric() || char == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_one(path: &str, text: &str, lines: &[usize]) {
        let found = check(&Tree::of(&[(path, text)]));
        let found: Vec<usize> = found.into_iter().map(|finding| finding.line).collect();
        assert_eq!(found, lines, "{path}: {text}");
    }

    #[test]
    fn every_file_says_what_it_is() {
        check_one("src/a.rs", "//! A.\n", &[]);
        check_one("src/a.rs", "// A.\n", &[1]);
        check_one("src/a.rs", "", &[1]);
    }

    #[test]
    fn nothing_is_left_unfinished() {
        for (start, end) in UNFINISHED {
            check_one("crates/x/tests/a.rs", &format!("//! A.\n// {start}{end}\n"), &[2]);
        }
    }

    #[test]
    fn reserved_words_stay_where_they_belong() {
        let reads = "//! A.\nlet a = std::env::var(\"A\");\nlet b = env::var_os(\"B\");\n";
        check_one("crates/lake/src/a.rs", reads, &[2, 3]);
        check_one("src/settings.rs", reads, &[]);
        check_one("crates/lake/tests/a.rs", reads, &[]);
        check_one("crates/lake/src/a/tests.rs", reads, &[]);
        let tests = format!("//! A.\n\n#[cfg(test)]\nmod tests {{\n{reads}}}\n");
        check_one("crates/lake/src/a.rs", &tests, &[]);
        check_one("crates/lake/src/a.rs", "//! env::var\nlet a = \"env::var\"; // env::var\n", &[]);
        check_one("crates/notify/src/a.rs", "//! A.\nuse axum::Router;\n", &[2]);
        check_one("crates/serve/src/api/a.rs", "//! A.\nuse axum::Router;\n", &[]);
        check_one("crates/detect/src/a.rs", "//! A.\nuse deltalake_core::X;\n", &[2]);
        check_one("crates/detect/src/a.rs", "//! A.\nlet my_axum = 1;\n", &[]);
    }
}
