//! Links between the repository's Markdown files lead somewhere.

use super::{Finding, tree::Tree};

/// Checks the relative links of every Markdown file, anchors included.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.ending(".md") {
        for (line, target) in links(text) {
            if let Some(message) = broken(tree, path, &target) {
                findings.push(Finding::line(path, line, message));
            }
        }
    }
    findings
}

/// Why a link does not resolve; `None` if it does or leads outside.
fn broken(tree: &Tree, from: &str, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let resolved = if path.is_empty() { Some(from.to_owned()) } else { resolve(from, path) };
    let Some(resolved) = resolved else {
        return Some(format!("links to `{target}`, which is outside the repository"));
    };
    if !tree.has(&resolved) {
        return Some(format!("links to `{target}`, but there is no {resolved}"));
    }
    let text = tree.text(&resolved)?;
    if anchor.is_empty() || !resolved.ends_with(".md") {
        return None;
    }
    let found = outside_fences(text)
        .filter(|(_, line)| line.starts_with('#'))
        .any(|(_, line)| slug(line.trim_start_matches('#')) == anchor);
    (!found).then(|| format!("links to `{target}`, but {resolved} has no such heading"))
}

/// The path that `target` means in the file `from`; `None` above the root.
fn resolve(from: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    if target.starts_with('/') {
        parts.clear();
    }
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// A heading's anchor, as the usual renderers make it.
fn slug(heading: &str) -> String {
    let kept =
        heading.trim().chars().filter(|char| char.is_alphanumeric() || " -_".contains(*char));
    kept.flat_map(char::to_lowercase).map(|char| if char == ' ' { '-' } else { char }).collect()
}

/// The targets of inline links with their lines, outside code.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in outside_fences(text) {
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("``");
        for after in prose.split("](").skip(1) {
            if let Some((target, _)) = after.split_once(')') {
                let target = target.split_whitespace().next().unwrap_or_default();
                found.push((number, target.trim_matches(['<', '>']).to_owned()));
            }
        }
    }
    found
}

/// The lines that are not in a fenced block, with their numbers.
fn outside_fences(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            return None;
        }
        (!fenced).then_some((index + 1, line))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_somewhere() {
        let text = "# One\n[a](b.md) [c](../src) [d](https://example.org/x) [e](#one)\n\
                    [f](gone.md) `[g](code.md)`\n```\n[h](code.md)\n```\n\
                    [i](b.md#a-heading-here) [j](b.md#none) [k](../../../up.md)\n";
        let tree = Tree::of(&[
            ("docs/a.md", text),
            ("docs/b.md", "## A heading, `here`\n"),
            ("src/main.rs", "//! M.\n"),
        ]);
        let found: Vec<(usize, String)> =
            check(&tree).into_iter().map(|one| (one.line, one.message)).collect();
        assert_eq!(
            found,
            [
                (3, "links to `gone.md`, but there is no docs/gone.md".to_owned()),
                (7, "links to `b.md#none`, but docs/b.md has no such heading".to_owned()),
                (7, "links to `../../../up.md`, which is outside the repository".to_owned()),
            ]
        );
    }
}
