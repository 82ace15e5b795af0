//! What rules may name and don't say themselves: macros, lookup tables, the values of placeholders.
//!
//! They stand in YAML under the keys `macros`, `lookups` and `placeholders`: in files of their own,
//! for all rules, and `macros` in a rule too, for that rule.

use std::sync::Arc;

use base::{Place, SigmaRoute};
use cel::{
    Environment, LookupError, LookupErrorKind, LookupSpec, MacroError, MacroErrorKind, MacroSpec,
    Macros, Schema,
};
use serde::de::DeserializeOwned;

use crate::{
    error::{RuleError, RuleErrorKind},
    rule::{LogSourceSelector, Placeholders},
    sigma::node::{Kind, Node},
};

/// What the rules of a project share.
#[derive(Debug, Clone, Default)]
pub struct Definitions {
    /// The values of placeholders.
    pub placeholders: Placeholders,
    /// Macros and lookup tables.
    pub environment: Environment,
    /// What is known of the events that rules meet.
    pub log_sources: Vec<KnownLogSource>,
}

/// What is known of a log source's events before one comes.
#[derive(Debug, Clone)]
pub struct KnownLogSource {
    /// Its name.
    pub name: String,
    /// How its events appear to rules with a `logsource`.
    pub routes: Vec<SigmaRoute>,
    /// The types of its fields, as far as they are known.
    pub schema: Schema,
}

impl Definitions {
    /// The log sources whose events get to a rule that asks for some.
    pub(crate) fn reaching(
        &self,
        asked: &LogSourceSelector,
    ) -> impl Iterator<Item = &KnownLogSource> {
        let asks = asked.needs_route() || !asked.names.is_empty();
        self.log_sources.iter().filter(move |source| {
            asks && asked.accepts_name(&source.name)
                && (!asked.needs_route() || source.routes.iter().any(|route| asked.accepts(route)))
        })
    }
}

impl From<Placeholders> for Definitions {
    fn from(placeholders: Placeholders) -> Self {
        Self { placeholders, ..Self::default() }
    }
}

/// What a file defines for all rules.
#[derive(Debug, Clone, Default)]
pub struct Defined {
    /// Macros.
    pub macros: Vec<MacroSpec>,
    /// Lookup tables.
    pub lookups: Vec<LookupSpec>,
    /// Placeholders: where each is defined, its name, and its values.
    pub placeholders: Vec<(Place, String, Values)>,
}

/// The values of a placeholder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Values {
    /// They are written out.
    Listed(Vec<String>),
    /// They stand in a file, one in a line, whose path is relative to the file that names it.
    File(String),
}

/// The keys of a file of definitions.
const KEYS: [&str; 3] = ["macros", "lookups", "placeholders"];

/// Whether a file may hold definitions, by a look at its lines: most files are rules and need not be
/// read twice.
#[must_use]
pub fn may_define(text: &str) -> bool {
    let begins = |line: &str, key: &str| {
        let rest = line.trim_start_matches(['{', '"', '\'', ' ']).strip_prefix(key);
        rest.is_some_and(|rest| rest.trim_start_matches(['"', '\'', ' ']).starts_with(':'))
    };
    text.lines().any(|line| KEYS.iter().any(|key| begins(line, key)))
}

/// Whether a document is one of definitions: a rule has a title.
pub(crate) fn is_definitions(node: &Node) -> bool {
    let is_ours = |key: &Node| key.as_str().is_some_and(|key| KEYS.contains(&key));
    node.as_map().is_some_and(|entries| entries.iter().any(|(key, _)| is_ours(key)))
        && node.get("title").is_none()
}

/// Reads a document of definitions; `None` if it is something else, such as a rule with macros of
/// its own. `path` is shown in problems.
pub fn read_definitions(path: &str, node: &Node) -> Option<Result<Defined, Vec<RuleError>>> {
    let entries = node.as_map().filter(|_| is_definitions(node))?;
    let mut defined = Defined::default();
    let mut problems = Vec::new();
    for (key, value) in entries {
        let read = match key.as_str() {
            Some("macros") => macros(path, value).map(|read| defined.macros = read),
            Some("lookups") => lookups(path, value).map(|read| defined.lookups = read),
            Some("placeholders") => {
                placeholders(path, value).map(|read| defined.placeholders = read)
            }
            _ => {
                let name = key.as_str().unwrap_or_default();
                let message = format!("a file of definitions has no key `{name}`");
                Err(key.shape(message).with_help(
                    "definitions are `macros`, `lookups` and `placeholders`; a rule has a `title`",
                ))
            }
        };
        problems.extend(read.err().map(|error| error.in_file(path)));
    }
    Some(if problems.is_empty() { Ok(defined) } else { Err(problems) })
}

/// The environment of a rule: the shared one, with the rule's own macros if it has any.
pub(crate) fn environment_of(
    path: &str,
    node: &Node,
    shared: &Environment,
) -> Result<Environment, RuleError> {
    let Some(value) = node.get("macros").filter(|value| !value.is_null()) else {
        return Ok(shared.clone());
    };
    let specs = macros(path, value)?;
    let mut own = shared.macros.as_deref().map_or_else(Macros::default, Clone::clone);
    let mut problems = own.add(&specs);
    problems.extend(own.test(&specs, shared));
    match problems.into_iter().next() {
        Some(problem) => Err(of_macro(value, problem)),
        None => Ok(Environment { macros: Some(Arc::new(own)), ..shared.clone() }),
    }
}

/// The error of a rule whose macro is wrong.
fn of_macro(value: &Node, problem: MacroError) -> RuleError {
    let (line, column) = match &problem.place {
        Some(Place::File { line, column, .. }) => (*line, *column),
        _ => (value.line, value.column),
    };
    RuleError::at(line, column, RuleErrorKind::Macro(Box::new(problem)))
}

fn macros(path: &str, node: &Node) -> Result<Vec<MacroSpec>, RuleError> {
    let mut specs = Vec::new();
    for member in members(node, "macros")? {
        let place = place(path, member);
        let read = deserialize::<MacroSpec>(member);
        let mut spec = read.map_err(|reason| {
            let kind = MacroErrorKind::Malformed(reason);
            of_macro(member, MacroError { place: Some(place.clone()), kind })
        })?;
        spec.place = Some(place);
        specs.push(spec);
    }
    Ok(specs)
}

fn lookups(path: &str, node: &Node) -> Result<Vec<LookupSpec>, RuleError> {
    let mut specs = Vec::new();
    for member in members(node, "lookups")? {
        let place = place(path, member);
        let read = deserialize::<LookupSpec>(member).map_err(|reason| LookupError {
            place: Some(place.clone()),
            kind: LookupErrorKind::Declaration(format!("the lookup table doesn't read: {reason}")),
        });
        let read = read.and_then(|spec| {
            let spec = LookupSpec { place: Some(place), ..spec };
            spec.check().map(|()| spec)
        });
        specs.push(read.map_err(|problem| member.error(RuleErrorKind::Lookup(Box::new(problem))))?);
    }
    Ok(specs)
}

fn placeholders(path: &str, node: &Node) -> Result<Vec<(Place, String, Values)>, RuleError> {
    let help = "write a list of values, or `{file: values.txt}` with one value in a line";
    let Some(entries) = node.as_map() else {
        let message = format!("`placeholders` must be a mapping, and is {}", node.kind_name());
        return Err(node.shape(message).with_help("write `name: [value, value]`"));
    };
    let mut all = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        let name = key.as_str().unwrap_or_default().to_owned();
        let wrong = |node: &Node| {
            let message =
                format!("`{name}` must be a list of values, and holds {}", node.kind_name());
            node.shape(message).with_help(help)
        };
        let values = match &value.kind {
            Kind::Scalar(_) => {
                Values::Listed(vec![value.as_word().ok_or_else(|| wrong(value))?.to_owned()])
            }
            Kind::List(members) => {
                let text = |member: &Node| match member.as_scalar() {
                    Some(scalar) if !member.is_null() => Ok(scalar.text.clone()),
                    _ => Err(wrong(member)),
                };
                Values::Listed(members.iter().map(text).collect::<Result<_, _>>()?)
            }
            Kind::Map(entries) => match entries.as_slice() {
                [(key, file)] if key.as_str() == Some("file") && file.as_word().is_some() => {
                    Values::File(file.as_word().unwrap_or_default().to_owned())
                }
                _ => return Err(wrong(value)),
            },
        };
        all.push((place(path, key), name, values));
    }
    Ok(all)
}

fn members<'n>(node: &'n Node, key: &str) -> Result<&'n [Node], RuleError> {
    match &node.kind {
        Kind::List(members) => Ok(members),
        Kind::Scalar(_) | Kind::Map(_) => {
            let message = format!("`{key}` must be a list, and is {}", node.kind_name());
            Err(node.shape(message).with_help(format!("begin each of the `{key}` with `- name:`")))
        }
    }
}

fn place(path: &str, node: &Node) -> Place {
    Place::File { path: path.to_owned(), line: node.line, column: node.column }
}

/// Reads a node as what it says; answers what is wrong with it.
fn deserialize<T: DeserializeOwned>(node: &Node) -> Result<T, String> {
    serde_json::from_str(&node.to_json()).map_err(|error| {
        // The line and column are those of a JSON text that nobody wrote.
        let words = error.to_string();
        words.split_once(" at line ").map_or(words.clone(), |(words, _)| words.to_owned())
    })
}

/// The values of a placeholder in a text: one in a line; blank lines and those that begin with `#`
/// don't count.
#[must_use]
pub fn placeholder_lines(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use base::Explain as _;

    use super::*;
    use crate::{load_file_with, sigma::node};

    fn read(text: &str) -> Result<Defined, Vec<String>> {
        assert!(may_define(text), "{text}");
        let node = node::parse(text).pop().unwrap().unwrap();
        let shown = |error: RuleError| {
            format!("{} {}:{} {error}", error.code().0, error.line, error.column)
        };
        read_definitions("d.yml", &node)
            .expect("it is one of definitions")
            .map_err(|errors| errors.into_iter().map(shown).collect())
    }

    #[test]
    fn reads_all_kinds_with_their_places() {
        let text = "placeholders:\n  admins: [root, 7]\n  one: x\n  hosts: {file: hosts.txt}\n\
                    macros:\n  - {name: is_admin, parameters: [{name: u}], body: u == 'root'}\n\
                    lookups:\n  - name: tor\n    file: tor.csv\n    key: ip\n";
        let defined = read(text).unwrap();
        let place = |line, column| Place::File { path: "d.yml".into(), line, column };
        assert_eq!(defined.macros[0].name, "is_admin");
        assert_eq!(defined.macros[0].place, Some(place(6, 5)));
        assert_eq!(defined.lookups[0].place, Some(place(8, 5)));
        let listed = |values: &[&str]| {
            Values::Listed(values.iter().map(|value| (*value).to_owned()).collect())
        };
        let expected = [
            (place(2, 3), "admins".to_owned(), listed(&["root", "7"])),
            (place(3, 3), "one".to_owned(), listed(&["x"])),
            (place(4, 3), "hosts".to_owned(), Values::File("hosts.txt".into())),
        ];
        assert_eq!(defined.placeholders, expected);
        assert_eq!(placeholder_lines("# hosts\na\n\n b \r\n"), ["a", "b"]);
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        for (text, expected) in [
            ("macros: {a: b}", "DAB0202 1:9 `macros` must be a list, and is a mapping"),
            ("macros:\n  - {name: a}", "DAB0261 2:5 the macros don't read: missing field `body`"),
            (
                "lookups:\n  - {name: a, file: a.csv, key: k, colour: red}",
                "DAB0284 2:5 the lookup table doesn't read: unknown field `colour`, expected one \
                 of `name`, `file`, `sql`, `format`, `key`, `kind`, `columns`, `valid_from`, \
                 `valid_until`, `refresh_seconds`",
            ),
            ("lookups:\n  - {name: a, file: a.csv}", "DAB0284 2:5 the table `a` needs a `key`"),
            ("placeholders: [a]", "DAB0202 1:15 `placeholders` must be a mapping, and is a list"),
            (
                "placeholders:\n  a: [[b]]",
                "DAB0202 2:7 `a` must be a list of values, and holds a list",
            ),
            ("placeholders: {}\nrules: []", "DAB0202 2:1 a file of definitions has no key `rules`"),
        ] {
            assert_eq!(read(text).unwrap_err(), [expected], "{text}");
        }
    }

    #[test]
    fn a_rule_has_macros_of_its_own_beside_the_shared_ones() {
        let mut shared = Macros::default();
        let spec = serde_json::from_str(r#"{"name": "is_root", "body": "user == 'root'"}"#);
        assert_eq!(shared.add(&[spec.unwrap()]), []);
        let environment = Environment { macros: Some(Arc::new(shared)), lookups: None };
        let definitions = Definitions { environment, ..Definitions::default() };
        let rule = |macros: &str, expression: &str| {
            let text = format!("title: T\nmacros:\n{macros}cel: {expression}\n");
            let read = load_file_with("r.yml", &text, &definitions).pop().unwrap();
            read.map(drop).map_err(|error| {
                format!("{} {}:{} {error}", error.code().0, error.line, error.column)
            })
        };
        let own = "  - {name: is_login, body: event == 'login' && is_root()}\n";
        assert_eq!(rule(own, "is_login() && is_root()"), Ok(()));
        for (macros, expression, expected) in [
            (own, "is_logout()", "DAB0271 4:6 the expression can't be compiled: "),
            (
                "  - {name: is_root, body: 'true'}\n",
                "is_root()",
                "DAB0261 3:5 two macros are named `is_root`",
            ),
            (
                "  - {name: a, body: '1', tests: [{expect: 2}]}\n",
                "a() == 1",
                "DAB0264 3:5 a test of the macro `a` expects 2, and it gives 1",
            ),
            (own, "1 + 1", "DAB0278 4:8 the expression can't be compiled: "),
        ] {
            let error = rule(macros, expression).expect_err(expression);
            assert!(error.starts_with(expected), "{error}");
        }
        // What one rule defines, another does not know.
        assert!(rule("", "is_login()").is_err());
    }

    #[test]
    fn expressions_are_checked_with_the_types_of_the_log_sources_that_reach_them() {
        let schema = Schema::open().with("user.name", cel::Type::Text);
        let route = SigmaRoute { product: Some("shop".into()), ..SigmaRoute::default() };
        let known = KnownLogSource { name: "shop".into(), routes: vec![route], schema };
        let definitions = Definitions { log_sources: vec![known], ..Definitions::default() };
        let rule = |keys: &str, expression: &str| {
            let text = format!("title: T\n{keys}\ncel: {expression}\n");
            let read = load_file_with("r.yml", &text, &definitions).pop().unwrap();
            read.map(drop).map_err(|error| format!("{} {error}", error.code().0))
        };
        let error = "DAB0278 the expression can't be compiled: for events of `shop`: ";
        for keys in ["log_source: shop", "logsource: {product: shop}"] {
            assert_eq!(rule(keys, "user.name == 'a' && count > 3"), Ok(()));
            let found = rule(keys, "user.name > 3").unwrap_err();
            assert!(found.starts_with(error), "{found}");
        }
        for keys in ["log_source: other", "logsource: {product: other}", "level: low"] {
            assert_eq!(rule(keys, "user.name > 3"), Ok(()), "{keys}");
        }
    }

    #[test]
    fn most_rules_need_no_second_look() {
        for text in ["macros:\n", "a: 1\nlookups: []", "{\"macros\": []}", "placeholders : {}"] {
            assert!(may_define(text), "{text}");
        }
        for text in ["title: T\ncel: x\n", "# macros\ntags: [macros]", "a:\n    b: macros"] {
            assert!(!may_define(text), "{text}");
        }
        let rule = node::parse("title: T\nmacros: []\ncel: x").pop().unwrap().unwrap();
        assert!(read_definitions("r.yml", &rule).is_none());
    }
}
