//! Which crate may use which.
//!
//! Stages do not know each other: what passes between them is a noun in `base`. A new edge is a
//! decision, and is made here, where a reviewer sees it.

use std::collections::BTreeMap;

use toml_edit::{DocumentMut, TableLike};

use super::{Finding, tree::Tree};

/// Each crate of ours with the crates of ours that it may use. The order is that of the data.
const ALLOWED: &[(&str, &[&str])] = &[
    ("dab-base", &[]),
    ("dab-cel", &["dab-base"]),
    ("dab-collect", &["dab-base"]),
    ("dab-decode", &["dab-base", "dab-cel"]),
    ("dab-lake", &["dab-base"]),
    ("dab-detect", &["dab-base", "dab-cel", "dab-lake"]),
    ("dab-notify", &["dab-base", "dab-cel"]),
    ("dab-respond", &["dab-base", "dab-cel", "dab-notify"]),
    ("dab-vet", STAGES),
    ("dab-serve", COMPOSED),
    // Its own tests play the story through the decoders and the shipped detections.
    ("dab-testkit", &["dab-base", "dab-decode", "dab-detect"]),
    // The binary turns settings into the stages' own; `dab demo` plays the logs that the tests'
    // generator makes.
    ("dab", BINARY),
    // Measures detection beside another engine.
    ("dab-bench-detect", &["dab-base", "dab-decode", "dab-detect"]),
    // Feeds bytes to whatever reads bytes.
    (
        "dab-fuzz",
        &[
            "dab-base",
            "dab-cel",
            "dab-collect",
            "dab-decode",
            "dab-detect",
            "dab-lake",
            "dab-testkit",
        ],
    ),
    ("dab-libfuzzer", &["dab-fuzz"]),
    ("xtask", &[]),
];

const STAGES: &[&str] = &[
    "dab-base",
    "dab-cel",
    "dab-collect",
    "dab-decode",
    "dab-detect",
    "dab-lake",
    "dab-notify",
    "dab-respond",
];

const BINARY: &[&str] = &[
    "dab-base",
    "dab-collect",
    "dab-decode",
    "dab-detect",
    "dab-lake",
    "dab-notify",
    "dab-serve",
    "dab-testkit",
    "dab-vet",
];

const COMPOSED: &[&str] = &[
    "dab-base",
    "dab-cel",
    "dab-collect",
    "dab-decode",
    "dab-detect",
    "dab-lake",
    "dab-notify",
    "dab-respond",
    // Its tests play the story through the whole pipeline.
    "dab-testkit",
    "dab-vet",
];

/// Heavy crates of others, each with the one crate of ours that may name it.
const OWNED: &[(&str, &str)] =
    &[("axum", "dab-serve"), ("deltalake", "dab-lake"), ("deltalake-core", "dab-lake")];

/// Compares every Cargo.toml with the table.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let root = tree.text("Cargo.toml").and_then(parse);
    let packages = root.as_ref().map(workspace_packages).unwrap_or_default();
    for (path, text) in tree.ending("Cargo.toml") {
        let Some(document) = parse(text) else {
            findings.push(Finding::file(path, "is not TOML"));
            continue;
        };
        let Some(name) = string(document.get("package"), "name") else { continue };
        let Some((_, allowed)) = ALLOWED.iter().find(|(package, _)| *package == name) else {
            let message =
                format!("`{name}` is not in the table of allowed edges (xtask/src/tidy/edges.rs)");
            findings.push(Finding::file(path, message));
            continue;
        };
        for (kind, used) in dependencies(&document, &packages) {
            findings.extend(judge(path, &name, allowed, (&kind, &used)));
        }
        findings.extend(emptiness(tree, path));
    }
    findings
}

/// Whether one edge may be.
fn judge(path: &str, name: &str, allowed: &[&str], edge: (&str, &str)) -> Option<Finding> {
    let (kind, used) = edge;
    if let Some((_, owner)) = OWNED.iter().find(|(package, _)| *package == used) {
        let message = format!("`{name}` uses `{used}`, which only `{owner}` may");
        return (*owner != name).then(|| Finding::file(path, message));
    }
    let ours = used == "dab" || used.starts_with("dab-") || used == "xtask";
    // Detection is tested on records as they are decoded in earnest.
    let decoded = (name, used) == ("dab-detect", "dab-decode");
    let for_tests = kind == "dev-dependencies" && (used == "dab-testkit" || decoded);
    if !ours || for_tests || allowed.contains(&used) {
        return None;
    }
    let list = if allowed.is_empty() { "none of ours".to_owned() } else { allowed.join(", ") };
    Some(Finding::file(path, format!("`{name}` uses `{used}` ({kind}); it may use: {list}")))
}

/// A crate whose every file is comments.
fn emptiness(tree: &Tree, manifest: &str) -> Option<Finding> {
    let folder = manifest.strip_suffix("Cargo.toml")?;
    let is_source = |path: &str| {
        let inside = path.strip_prefix(folder).unwrap_or_default();
        inside.starts_with("src/") || inside.starts_with("fuzz_targets/")
    };
    let mut sources = tree.ending(".rs").filter(|(path, _)| is_source(path));
    let has_code = sources.any(|(_, text)| {
        text.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with("//"))
    });
    (!has_code).then(|| Finding::file(manifest, "a crate without code; add it with its first item"))
}

/// Every dependency as (kind, package name).
fn dependencies(
    document: &DocumentMut,
    packages: &BTreeMap<String, String>,
) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let targets = document.get("target").and_then(|item| item.as_table_like());
    let tables =
        targets.into_iter().flat_map(TableLike::iter).filter_map(|(_, item)| item.as_table_like());
    let whole: &dyn TableLike = document.as_table();
    for table in std::iter::once(whole).chain(tables) {
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(entries) = table.get(kind).and_then(|item| item.as_table_like()) else {
                continue;
            };
            for (key, item) in entries.iter() {
                let renamed = string(Some(item), "package");
                let package = renamed.or_else(|| packages.get(key).cloned());
                found.push((kind.to_owned(), package.unwrap_or_else(|| key.to_owned())));
            }
        }
    }
    found
}

/// The workspace's names for packages: `base` for `dab-base`.
fn workspace_packages(document: &DocumentMut) -> BTreeMap<String, String> {
    let entries = document
        .get("workspace")
        .and_then(|item| item.get("dependencies"))
        .and_then(|item| item.as_table_like());
    let entries = entries.into_iter().flat_map(TableLike::iter);
    entries
        .filter_map(|(key, item)| Some((key.to_owned(), string(Some(item), "package")?)))
        .collect()
}

fn parse(text: &str) -> Option<DocumentMut> {
    text.parse().ok()
}

fn string(item: Option<&toml_edit::Item>, key: &str) -> Option<String> {
    Some(item?.get(key)?.as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "[workspace.dependencies]\n\
        base = { package = \"dab-base\", path = \"crates/base\" }\n\
        decode = { package = \"dab-decode\", path = \"crates/decode\" }\n\
        testkit = { package = \"dab-testkit\", path = \"crates/testkit\" }\n\
        serde = \"1\"\n";

    #[track_caller]
    fn check_one(package: &str, dependencies: &str, expected: &[&str]) {
        let manifest = format!("[package]\nname = \"{package}\"\n{dependencies}");
        let tree = Tree::of(&[
            ("Cargo.toml", ROOT),
            ("crates/x/Cargo.toml", &manifest),
            ("crates/x/src/lib.rs", "//! X.\nfn x() {}\n"),
        ]);
        let messages: Vec<String> = check(&tree).into_iter().map(|one| one.message).collect();
        assert_eq!(messages, expected);
    }

    #[test]
    fn lets_allowed_edges_pass() {
        check_one(
            "dab-decode",
            "[dependencies]\nbase.workspace = true\nserde.workspace = true\n",
            &[],
        );
        check_one("dab-lake", "[dependencies]\ndeltalake-core = \"1\"\n", &[]);
        check_one("dab-lake", "[dev-dependencies]\ntestkit.workspace = true\n", &[]);
        check_one("dab", "[dependencies]\ntestkit.workspace = true\n", &[]);
    }

    #[test]
    fn finds_a_new_edge_in_every_form() {
        let expected = ["`dab-lake` uses `dab-decode` (dependencies); it may use: dab-base"];
        check_one("dab-lake", "[dependencies]\ndecode.workspace = true\n", &expected);
        check_one("dab-lake", "[dependencies.decode]\nworkspace = true\n", &expected);
        check_one(
            "dab-lake",
            "[dependencies]\nx = { package = \"dab-decode\", path = \"\" }\n",
            &expected,
        );
        check_one(
            "dab-lake",
            "[target.'cfg(unix)'.dependencies]\ndecode.workspace = true\n",
            &expected,
        );
        check_one(
            "dab-base",
            "[build-dependencies]\ntestkit.workspace = true\n",
            &["`dab-base` uses `dab-testkit` (build-dependencies); it may use: none of ours"],
        );
    }

    #[test]
    fn finds_unlisted_crates_owned_crates_and_empty_ones() {
        check_one(
            "dab-extra",
            "",
            &["`dab-extra` is not in the table of allowed edges (xtask/src/tidy/edges.rs)"],
        );
        check_one(
            "dab-collect",
            "[dependencies]\naxum = \"0.8\"\n",
            &["`dab-collect` uses `axum`, which only `dab-serve` may"],
        );
        let tree = Tree::of(&[
            ("crates/x/Cargo.toml", "[package]\nname = \"dab-base\"\n"),
            ("crates/x/src/lib.rs", "//! Later.\n\n// Nothing yet.\n"),
        ]);
        assert_eq!(check(&tree).len(), 1);
    }
}
