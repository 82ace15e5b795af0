//! Whatever the bytes of a rule's file: it is read without a panic, and both matchers, the indexed
//! and the plain one, find the same.

use std::{collections::BTreeMap, sync::Arc};

use ::base::{Explain as _, Object, Value};
use ::detect::{Definitions, Engine, FullScan, Matcher, RuleSet, load_documents};

use super::event;

/// Takes one input.
pub fn rule(bytes: &[u8]) {
    let text = &*String::from_utf8_lossy(bytes);
    let mut documents = Vec::new();
    for document in load_documents("fuzz.yml", text, &Definitions::default()) {
        match document {
            Ok(document) => documents.push(document),
            Err(error) => assert!(error.place().is_some(), "{error}"),
        }
    }
    let (set, _) = RuleSet::assemble(documents);
    if set.rules.is_empty() {
        return;
    }
    let mut fields = Object::new();
    fields.push("Image", Value::text(r"C:\Windows\System32\cmd.exe"));
    fields.push("EventID", Value::Int(1));
    fields.push("a", Value::text("b"));
    let event = event(fields);
    let found = |matcher: &dyn Matcher| {
        let mut matches = Vec::new();
        matcher.evaluate(&event, &mut matches);
        matches.iter().map(|found| found.rule.id.to_string()).collect::<Vec<_>>()
    };
    let routes = BTreeMap::new();
    let rules: Vec<_> = set.rules.iter().map(Arc::clone).collect();
    let indexed = Engine::new(rules.clone(), &routes);
    let plain = FullScan::new(rules, &routes);
    assert_eq!(found(&indexed), found(&plain));
}
