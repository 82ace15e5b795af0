//! Every error code has a page, and every page has a code.

use std::collections::BTreeMap;

use super::{Finding, lexer::Code, sources::is_test, tree::Tree};

const FOLDER: &str = "docs/errors/";

/// Compares the codes in the code with the pages in `docs/errors`.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let used = used(tree);
    for (code, (path, line)) in &used {
        if tree.text(&format!("{FOLDER}{code}.md")).is_none() {
            let message = format!("`{code}` has no page; write {FOLDER}{code}.md");
            findings.push(Finding::line(path, *line, message));
        }
    }
    for (path, text) in tree.ending(".md") {
        let Some(code) = path.strip_prefix(FOLDER).and_then(|name| name.strip_suffix(".md")) else {
            continue;
        };
        if !is_code(code) {
            // The folder's index.
            continue;
        }
        if !used.contains_key(code) {
            findings.push(Finding::file(path, "no code names this page; remove it"));
        }
        if !text.lines().next().is_some_and(|line| line.starts_with("# ") && line.contains(code)) {
            findings.push(Finding::line(path, 1, format!("the first line is not `# {code}: …`")));
        }
    }
    findings
}

/// The codes that appear as strings outside tests, each with its first place.
fn used(tree: &Tree) -> BTreeMap<String, (String, usize)> {
    let mut used = BTreeMap::new();
    for (path, text) in tree.ending(".rs").filter(|(path, _)| !is_test(path)) {
        if path.starts_with("xtask/") || path.starts_with("tests/") {
            continue;
        }
        let code = Code::of(text).without_tests().with_strings;
        for (index, line) in code.lines().enumerate() {
            for word in line.split(|char: char| !char.is_ascii_alphanumeric()) {
                if is_code(word) {
                    used.entry(word.to_owned()).or_insert((path.to_owned(), index + 1));
                }
            }
        }
    }
    used
}

/// `DAB` and four digits.
fn is_code(word: &str) -> bool {
    word.strip_prefix("DAB")
        .is_some_and(|digits| digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_pages_belong_together() {
        let code = "//! A.\n//! Not `DAB0199`.\nconst A: Code = Code(\"DAB0101\");\n\
                    const B: Code = Code(\"DAB0102\");\n\n#[cfg(test)]\nmod tests { \"DAB0198\" }\n";
        let tree = Tree::of(&[
            ("crates/x/src/a.rs", code),
            ("docs/errors/DAB0101.md", "# DAB0101: a thing\n"),
            ("docs/errors/DAB0103.md", "# another\n"),
            ("docs/errors/README.md", "# Errors\n"),
        ]);
        let found: Vec<String> = check(&tree).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "crates/x/src/a.rs:4: `DAB0102` has no page; write docs/errors/DAB0102.md",
                "docs/errors/DAB0103.md: no code names this page; remove it",
                "docs/errors/DAB0103.md:1: the first line is not `# DAB0103: …`",
            ]
        );
    }
}
