//! What documents do to each other: filters, references, repeated ids and names.

use std::{borrow::Cow, collections::BTreeMap};

use base::{Event, EventId, Explain, FieldPath, Object, ObjectHash, Origin, Timestamp, Value};

use super::*;
use crate::{Engine, FullScan, Matcher, Placeholders, load_documents};

/// Puts files together, each a name and its text; the problems come as `file:line:column code text`.
fn assemble(files: &[(&str, &str)]) -> (RuleSet, Vec<String>) {
    let placeholders = Placeholders::from([("admins".to_owned(), vec!["root".to_owned()])]).into();
    let mut documents = Vec::new();
    let mut problems = Vec::new();
    for (path, text) in files {
        for document in load_documents(path, text, &placeholders) {
            match document {
                Ok(document) => documents.push(document),
                Err(problem) => problems.push(problem),
            }
        }
    }
    let (set, more) = RuleSet::assemble(documents);
    problems.extend(more);
    (set, problems.iter().map(shown).collect())
}

fn shown(error: &RuleError) -> String {
    format!("{}:{}:{} {} {error}", error.path, error.line, error.column, error.code().0)
}

/// Which rules of a set match an event with these fields.
fn matching(set: &RuleSet, fields: &[(&str, &str)]) -> Vec<String> {
    matches_of(set, fields).into_iter().map(|found| found.rule.id.clone()).collect()
}

fn matches_of(set: &RuleSet, fields: &[(&str, &str)]) -> Vec<base::Match> {
    let mut object = Object::new();
    for (name, value) in fields {
        object.set_path(&FieldPath::new(*name), Value::text((*value).to_owned()));
    }
    let event = Event {
        time: Timestamp::default(),
        ingest_time: Timestamp::default(),
        id: EventId { object: ObjectHash::of(&["x"]), offset: 0 },
        log_source: "windows",
        origin: Origin { object: Cow::Borrowed("x"), offset: 0 },
        fields: object,
        normalized: Object::new(),
        json: None,
    };
    let route = base::SigmaRoute {
        product: Some("windows".to_owned()),
        category: Some("process_creation".to_owned()),
        fields: BTreeMap::from([("User".to_owned(), "user.name".to_owned())]),
        ..Default::default()
    };
    let routes = BTreeMap::from([("windows".to_owned(), vec![route])]);
    let mut matches = Vec::new();
    FullScan::new(set.rules.clone(), &routes).evaluate(&event, &mut matches);
    let mut others = Vec::new();
    Engine::new(set.rules.clone(), &routes).evaluate(&event, &mut others);
    assert_eq!(matches, others, "both evaluators");
    matches
}

const RAR: &str = "title: Rar\nid: RAR-1\nname: rar\nlogsource: {product: windows, category: process_creation}\n\
    detection:\n  selection: {Image|endswith: rar.exe}\n  other: {Image: '*'}\n  condition: selection and 1 of other*\n";
const CEL: &str = "title: Cel\nid: cel-1\nlogsource: {product: windows, category: process_creation}\n\
    cel: Image.endsWith('rar.exe')\n";

#[test]
fn a_filter_adds_its_condition_to_the_rules_it_names() {
    // Its selections have the names of the rule's, and the pattern `other*` must not find them.
    let filter = "title: F\nlogsource: {product: windows}\nfilter:\n  rules: [rar]\n  \
        selection: {User|startswith: adm_}\n  other2: {Image: no}\n  condition: not selection\n";
    let (set, problems) = assemble(&[("f.yml", filter), ("r.yml", RAR), ("c.yml", CEL)]);
    assert_eq!(problems, [""; 0]);
    assert_eq!((set.rules.len(), set.filters), (2, 1));
    // `User` is found where the route of the log source says.
    let admin = [("Image", "rar.exe"), ("user.name", "adm_bob")];
    assert_eq!(matching(&set, &admin), ["cel-1"]);
    assert_eq!(matching(&set, &[("Image", "rar.exe"), ("user.name", "bob")]), ["RAR-1", "cel-1"]);
    assert_eq!(matching(&set, &[("Image", "rar.exe")]), ["RAR-1", "cel-1"]);
    assert_eq!(matching(&set, &[("Image", "zip.exe"), ("user.name", "bob")]), [""; 0]);
}

#[test]
fn a_filter_applies_to_expressions_too_and_several_filters_all_hold() {
    let filter = |rules: &str, user: &str| {
        format!(
            "title: F\nid: {user}\nlogsource: {{product: windows, category: process_creation}}\n\
             filter: {{rules: {rules}, sel: {{User: {user}}}, condition: not sel}}\n"
        )
    };
    let (one, two) = (filter("any", "bob"), filter("[CEL-1, rar-1]", "eve"));
    let (set, problems) =
        assemble(&[("r.yml", RAR), ("c.yml", CEL), ("f.yml", &one), ("g.yml", &two)]);
    assert_eq!(problems, [""; 0]);
    for user in ["bob", "eve"] {
        assert_eq!(matching(&set, &[("Image", "rar.exe"), ("user.name", user)]), [""; 0], "{user}");
    }
    let other = [("Image", "rar.exe"), ("user.name", "ann")];
    assert_eq!(matching(&set, &other), ["RAR-1", "cel-1"]);
}

#[test]
fn filters_may_include_compare_fields_and_use_placeholders() {
    let include = "title: F\nlogsource: {product: windows}\nfilter:\n  rules: rar\n  \
        servers: {Computer|startswith: srv}\n  same: {Computer|fieldref: Image}\n  \
        admins: {User|expand: '%admins%'}\n  condition: (servers or same) and not admins\n";
    let (set, problems) = assemble(&[("f.yml", include), ("r.yml", RAR)]);
    assert_eq!(problems, [""; 0]);
    let event = |computer, user| {
        matching(&set, &[("Image", "rar.exe"), ("Computer", computer), ("user.name", user)]).len()
    };
    assert_eq!(event("srv1", "bob"), 1);
    assert_eq!(event("pc1", "bob"), 0);
    assert_eq!(event("RAR.exe", "bob"), 1, "compared with the rule's own field");
    assert_eq!(event("srv1", "root"), 0);
    let unknown = include.replace("admins%", "others%");
    let (set, problems) = assemble(&[("f.yml", &unknown), ("r.yml", RAR)]);
    assert_eq!(problems, ["f.yml:7:25 DAB0207 the placeholder `%others%` has no values here"]);
    assert_eq!(set.filters, 0);
}

#[test]
fn filters_that_do_not_fit_are_reported_where_they_say_so() {
    let filter = |rest: &str| {
        format!(
            "title: F\nlogsource: {{product: linux}}\nfilter:\n  rules: {rest}\n  s: {{a: b}}\n  condition: not s\n"
        )
    };
    let check = |text: &str, expected: &str| {
        let (set, problems) = assemble(&[("r.yml", RAR), ("f.yml", text)]);
        assert_eq!(problems, [expected], "{text}");
        assert_eq!((set.rules.len(), set.filters), (1, 0), "{text}");
        assert_eq!(matching(&set, &[("Image", "rar.exe"), ("a", "b")]), ["RAR-1"]);
    };
    check(
        &filter("[rar]"),
        "f.yml:4:11 DAB0211 the filter is for product: linux and not for product: windows, \
         category: process_creation, so `Rar` runs without it",
    );
    check(&filter("[nobody]"), "f.yml:4:11 DAB0210 no rule has the id or name `nobody`");
    check(&filter("any"), "f.yml:4:10 DAB0212 the filter `F` applies to no rule");
    check(&filter("[]"), "f.yml:4:10 DAB0212 the filter `F` applies to no rule");
    check(&filter("{a: b}"), "f.yml:4:10 DAB0202 `rules` must name rules, and holds a mapping");
    check(&filter("[rar, rar]"), "f.yml:4:16 DAB0202 `rules` names `rar` twice");
    check(
        "title: F\nlogsource: {}\nfilter:\n  s: {a: b}\n  condition: s\n",
        "f.yml:3:1 DAB0202 the filter has no `rules`",
    );
    check(
        "title: F\nfilter:\n  rules: any\n  s: {a: b}\n  condition: s\n",
        "f.yml:1:1 DAB0202 the filter has no `logsource`",
    );
    check(
        "title: F\nlogsource: {}\nfilter: {rules: any, s: {a: b}, condition: [s]}\n",
        "f.yml:3:44 DAB0202 the `condition` of a filter must be a string, and is a list",
    );
    check(
        "title: F\nlogsource: {}\nfilter: {rules: any, s: {a: b}}\n",
        "f.yml:3:9 DAB0202 `filter` has no `condition`",
    );
    check(
        "title: F\nlogsource: {}\nfilter: {rules: any, s: {a: b}, condition: not t}\n",
        "f.yml:3:48 DAB0206 there is no selection `t`; there are `s`",
    );
}

#[test]
fn a_filter_covers_rules_whose_log_source_lies_within_its_own() {
    let selector = |product: &str, category: &str, names: &str| {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        crate::LogSourceSelector {
            product: some(product),
            category: some(category),
            service: None,
            names: names.split_whitespace().map(ToOwned::to_owned).collect(),
        }
    };
    let filter = |log_source| Filter {
        id: String::new(),
        title: String::new(),
        file: String::new(),
        line: 1,
        log_source,
        rules: None,
        rules_place: (1, 1),
        detection: crate::sigma::Detection {
            fields: Vec::new(),
            names: Vec::new(),
            selections: Vec::new(),
            condition: crate::sigma::condition::Condition::And(Vec::new()),
            forms: 0,
        },
    };
    for (own, asked, expected) in [
        (("windows", "", ""), ("windows", "x", ""), true),
        (("windows", "x", ""), ("windows", "", ""), false),
        (("", "", ""), ("windows", "x", "a"), true),
        (("", "", "a b"), ("", "", "a"), true),
        (("", "", "a"), ("", "", "a b"), false),
        (("", "", "a"), ("", "", ""), false),
    ] {
        let covers = filter(selector(own.0, own.1, own.2));
        let asked = selector(asked.0, asked.1, asked.2);
        assert_eq!(covers.covers(&asked), expected, "{own:?} {asked:?}");
    }
}

#[test]
fn repeated_ids_and_names_are_found() {
    let rule = |id: &str, name: &str| {
        format!("title: T\nid: {id}\nname: {name}\ndetection: {{s: {{a: b}}, condition: s}}\n")
    };
    let (set, problems) = assemble(&[
        ("a.yml", &rule("1", "x")),
        ("b.yml", &rule("2", "x")),
        ("c.yml", &rule("1", "y")),
    ]);
    assert_eq!(
        problems,
        [
            "c.yml:1:1 DAB0209 the id `1` is that of `T` in a.yml:1 too",
            "b.yml:1:1 DAB0213 the name `x` is that of `T` in a.yml:1 too",
        ]
    );
    assert_eq!(set.rules.len(), 2);
}

#[test]
fn rules_for_correlations_alone_make_slim_matches() {
    let count = "title: Many\ncorrelation: {type: value_count, rules: [rar], group-by: [User], timespan: 5m, condition: {field: Image, gte: 2}}\n";
    let (set, problems) = assemble(&[("r.yml", RAR), ("c.yml", CEL), ("m.yml", count)]);
    assert_eq!(problems, [""; 0]);
    let fields = [("Image", "rar.exe"), ("user.name", "bob"), ("secret", "x")];
    let matches = matches_of(&set, &fields);
    let [silent, loud] = matches.as_slice() else { panic!("{matches:?}") };
    assert!(silent.is_silent() && !loud.is_silent());
    assert_eq!((silent.rule.id.as_str(), &*silent.event), ("RAR-1", ""));
    assert!(silent.reasons.is_empty() && silent.rule.title.is_empty());
    // The field is asked for as the correlation calls it, and found where the route says.
    let facts = silent.facts.as_ref().unwrap();
    let facts = facts.fields.iter().map(|fact| format!("{}={}", fact.name, fact.values.join(",")));
    assert_eq!(facts.collect::<Vec<_>>(), ["User=bob", "Image=rar.exe"]);
    assert_eq!(loud.facts, None);
    let stored = serde_json::to_string(silent).unwrap();
    assert_eq!(serde_json::from_str::<base::Match>(&stored).unwrap(), *silent);
}
