//! Events made from the rules themselves: for each rule, values that its tests ask for, in many
//! spellings, so that recorded logs are not the only judge of whether two engines mean the same.
//!
//! Most of these events match the rule that they were made from; others miss it narrowly. Which do
//! is for the engines to say: nothing here decides. Where the specification leaves open what a test
//! means, no event is made that would tell; `docs/reference/benchmarks.md` lists those cases.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use regex_syntax::hir::{Class, Hir, HirKind};
use rsigma_parser::{
    Detection, DetectionItem, LogSource, Modifier, SigmaRule, SigmaValue, SpecialChar, StringPart,
    parse_sigma_yaml,
};
use serde_json::{Map, Value, json};

use crate::{mutate::Random, rules::RuleFile};

/// The field by which events are routed to the log source of the rule that they were made from.
const ROUTE: &str = "MadeFor";

/// Makes `count` events in all, and the log source that routes them.
pub(crate) fn make(files: &[RuleFile], count: usize) -> (Vec<Value>, String) {
    let rules: Vec<SigmaRule> = files
        .iter()
        .filter_map(|file| parse_sigma_yaml(&file.text).ok())
        .flat_map(|parsed| parsed.rules)
        .collect();
    let targets = reference_targets(&rules);
    let mut routes: Vec<LogSource> = Vec::new();
    let mut events = Vec::new();
    for number in 0..count {
        let Some(rule) = rules.get(number % rules.len().max(1)) else { break };
        let source = &rule.logsource;
        let is_same = |route: &LogSource| {
            (&route.product, &route.category, &route.service)
                == (&source.product, &source.category, &source.service)
        };
        let route = routes.iter().position(is_same).unwrap_or_else(|| {
            routes.push(source.clone());
            routes.len() - 1
        });
        let mut maker =
            Maker { random: Random::new(number), targets: &targets, fields: BTreeMap::new() };
        maker.rule(rule);
        events.push(maker.event(route));
    }
    (events, log_source(&routes))
}

fn log_source(routes: &[LogSource]) -> String {
    let route = |(number, source): (usize, &LogSource)| {
        let mut route = Map::new();
        let keys = [
            ("product", &source.product),
            ("category", &source.category),
            ("service", &source.service),
        ];
        for (key, value) in keys {
            if let Some(value) = value {
                route.insert(key.to_owned(), json!(value));
            }
        }
        route.insert("when".to_owned(), json!({ROUTE: [number.to_string()]}));
        Value::Object(route)
    };
    let routes: Vec<Value> = routes.iter().enumerate().map(route).collect();
    // JSON is YAML.
    json!({
        "description": "events made from rules",
        "format": "ndjson",
        "time": {"field": "NoTime", "missing": "ingest_time"},
        "sigma": routes,
    })
    .to_string()
}

/// What the tests on one field ask for.
#[derive(Debug, Default)]
struct Wanted {
    whole: Option<Value>,
    start: String,
    middle: Vec<String>,
    end: String,
    /// Whether lists and null would be read differently, and neither reading be wrong.
    is_scalar: bool,
}

/// The fields that a `fieldref` names.
fn reference_targets(rules: &[SigmaRule]) -> BTreeSet<String> {
    fn gather(detection: &Detection, targets: &mut BTreeSet<String>) {
        match detection {
            Detection::AllOf(items) => {
                for item in items.iter().filter(|item| item.field.has_modifier(Modifier::FieldRef))
                {
                    let names = item.values.iter().filter_map(|value| match value {
                        SigmaValue::String(name) => Some(name.original.clone()),
                        _ => None,
                    });
                    targets.extend(names);
                }
            }
            Detection::AnyOf(members) | Detection::And(members) => {
                members.iter().for_each(|member| gather(member, targets));
            }
            Detection::Keywords(_)
            | Detection::ArrayMatch { .. }
            | Detection::Conditional { .. } => {}
        }
    }
    let mut targets = BTreeSet::new();
    for detection in rules.iter().flat_map(|rule| rule.detection.named.values()) {
        gather(detection, &mut targets);
    }
    targets
}

/// The text with another dash where words begin with one.
fn with_dash(text: &str, dash: char) -> String {
    let mut before = ' ';
    let mut swap = |char| {
        let is_start = matches!(char, '-' | '/') && !before.is_alphanumeric() && before != '_';
        before = char;
        if is_start { dash } else { char }
    };
    text.chars().map(&mut swap).collect()
}

struct Maker<'r> {
    random: Random,
    /// Fields that others are compared with: never lists or null, whose reading differs.
    targets: &'r BTreeSet<String>,
    fields: BTreeMap<String, Wanted>,
}

impl Maker<'_> {
    fn rule(&mut self, rule: &SigmaRule) {
        let mut named: Vec<(&String, &Detection)> = rule.detection.named.iter().collect();
        named.sort_by_key(|(name, _)| *name);
        for (name, detection) in named {
            let is_exclusion = name.contains("filter");
            if self.random.one_in(if is_exclusion { 4 } else { 20 }) == is_exclusion {
                self.detection(detection);
            }
        }
    }

    fn detection(&mut self, detection: &Detection) {
        match detection {
            Detection::AllOf(items) => {
                for item in items {
                    // A test left out now and then makes a near miss.
                    if !self.random.one_in(16) {
                        self.item(item);
                    }
                }
            }
            Detection::AnyOf(members) => {
                if let Some(member) = self.random.pick(members) {
                    self.detection(member);
                }
            }
            Detection::And(members) => members.iter().for_each(|member| self.detection(member)),
            Detection::Keywords(values) => {
                if let Some(value) = self.random.pick(values) {
                    let text = self.text(value, &[]);
                    self.fields.entry("Message".to_owned()).or_default().middle.push(text);
                }
            }
            // Extensions that no rule of the corpora uses.
            Detection::ArrayMatch { .. } | Detection::Conditional { .. } => {}
        }
    }

    fn item(&mut self, item: &DetectionItem) {
        let modifiers = &item.field.modifiers;
        let has = |modifier| modifiers.contains(&modifier);
        let picked: Vec<&SigmaValue> = if has(Modifier::All) {
            item.values.iter().collect()
        } else {
            self.random.pick(&item.values).into_iter().collect()
        };
        let name = item.field.name.clone().unwrap_or_else(|| "Message".to_owned());
        for value in picked {
            if let (SigmaValue::Null, true) = (value, self.random.one_in(2)) {
                self.fields.remove(&name);
                continue;
            }
            let is_text = matches!(value, SigmaValue::String(_));
            let text = self.text(value, modifiers);
            let scalar = match value {
                SigmaValue::Integer(number) if self.random.one_in(4) => {
                    json!(number - 2 + i64::try_from(self.random.below(5)).unwrap_or(0))
                }
                SigmaValue::Integer(number) if !self.random.one_in(3) => json!(number),
                SigmaValue::Float(number) if self.random.one_in(4) => json!(number + 0.5),
                SigmaValue::Float(number) if !self.random.one_in(3) => json!(number),
                SigmaValue::Bool(truth) if !self.random.one_in(3) => json!(truth),
                SigmaValue::Null => Value::Null,
                _ => Value::String(text.clone()),
            };
            if has(Modifier::FieldRef) {
                self.same(&name, &text);
                continue;
            }
            let wanted = self.fields.entry(name.clone()).or_default();
            wanted.is_scalar |= matches!(value, SigmaValue::Null) || has(Modifier::Exists);
            if has(Modifier::Contains)
                || (has(Modifier::Re) && is_text)
                || item.field.name.is_none()
            {
                wanted.middle.push(text);
            } else if has(Modifier::StartsWith) {
                wanted.start = text;
            } else if has(Modifier::EndsWith) {
                wanted.end = text;
            } else {
                wanted.whole = Some(scalar);
            }
        }
    }

    /// Two fields with the same value, most of the time.
    fn same(&mut self, one: &str, other: &str) {
        for name in [one, other] {
            let value = if self.random.one_in(4) { "Other" } else { "same" };
            let spelled = self.spell(value.to_owned());
            let wanted = self.fields.entry(name.to_owned()).or_default();
            wanted.whole = Some(json!(spelled));
            wanted.is_scalar = true;
        }
    }

    /// A text that passes the test, most of the time.
    fn text(&mut self, value: &SigmaValue, modifiers: &[Modifier]) -> String {
        let has = |modifier| modifiers.contains(&modifier);
        let mut text = match value {
            SigmaValue::String(string) if has(Modifier::Re) => return self.regex(&string.original),
            SigmaValue::String(string) => {
                string.parts.iter().map(|part| self.part(part)).collect::<String>()
            }
            SigmaValue::Integer(number) => number.to_string(),
            SigmaValue::Float(number) => number.to_string(),
            SigmaValue::Bool(truth) => truth.to_string(),
            SigmaValue::Null => String::new(),
        };
        if has(Modifier::Cidr) {
            let network = text.split_once('/').map_or(text.as_str(), |(network, _)| network);
            return network.to_owned();
        }
        if has(Modifier::WindAsh) && self.random.one_in(2) {
            let dash = self.random.pick(&['-', '/', '\u{2013}', '\u{2014}', '\u{2015}']);
            text = with_dash(&text, dash.copied().unwrap_or('-'));
        }
        let is_encoded = has(Modifier::Base64) || has(Modifier::Base64Offset);
        if !is_encoded {
            return self.spell(text);
        }
        let mut bytes = text.into_bytes();
        if has(Modifier::Wide) || has(Modifier::Utf16) {
            bytes = bytes.into_iter().flat_map(|byte| [byte, 0]).collect();
        }
        if has(Modifier::Base64Offset) {
            let before = self.random.below(3);
            bytes = [vec![b'x'; before], bytes, vec![b'y'; 3]].concat();
        }
        BASE64_STANDARD.encode(bytes)
    }

    fn part(&mut self, part: &StringPart) -> String {
        match part {
            StringPart::Plain(text) => text.clone(),
            StringPart::Special(SpecialChar::WildcardSingle) => {
                self.random.pick(&["q", "\u{e4}", "\n", ""]).copied().unwrap_or("q").to_owned()
            }
            StringPart::Special(SpecialChar::WildcardMulti) => {
                let fillers = ["", "z", " some words\nand a line ", "\\", "*", "\u{1F600}"];
                self.random.pick(&fillers).copied().unwrap_or("").to_owned()
            }
        }
    }

    /// The same without regard to case, and now and then not quite the same.
    fn spell(&mut self, text: String) -> String {
        match self.random.below(8) {
            0 => text.to_uppercase(),
            1 => text.to_lowercase(),
            2 => text.chars().map(|char| self.flip(char)).collect(),
            3 if !text.is_empty() => {
                let gap = self.random.below(text.chars().count());
                let kept = text.chars().enumerate().filter(|(index, _)| *index != gap);
                kept.map(|(_, char)| char).collect()
            }
            _ => text,
        }
    }

    fn flip(&mut self, char: char) -> char {
        match self.random.one_in(2) {
            true if char.is_ascii_lowercase() => char.to_ascii_uppercase(),
            true => char.to_ascii_lowercase(),
            false => char,
        }
    }

    /// A text in a regular expression's language.
    fn regex(&mut self, pattern: &str) -> String {
        let mut out = String::new();
        if let Ok(hir) = regex_syntax::parse(pattern) {
            self.hir(&hir, &mut out);
        }
        if self.random.one_in(8) { self.spell(out) } else { out }
    }

    fn hir(&mut self, hir: &Hir, out: &mut String) {
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => {}
            HirKind::Literal(literal) => out.push_str(&String::from_utf8_lossy(&literal.0)),
            HirKind::Class(Class::Unicode(class)) => {
                let range = self.random.pick(class.ranges());
                // `.` and negated classes begin with characters that no log has.
                out.push(match range {
                    Some(range) if range.start() < ' ' && range.end() >= 'k' => 'k',
                    Some(range) => range.start(),
                    None => 'k',
                });
            }
            HirKind::Class(Class::Bytes(_)) => out.push('k'),
            HirKind::Repetition(repetition) => {
                let extra = u32::try_from(self.random.below(2)).unwrap_or(0);
                let most = repetition.max.unwrap_or(u32::MAX);
                for _ in 0..(repetition.min + extra).min(most) {
                    self.hir(&repetition.sub, out);
                }
            }
            HirKind::Capture(capture) => self.hir(&capture.sub, out),
            HirKind::Concat(members) => members.iter().for_each(|member| self.hir(member, out)),
            HirKind::Alternation(members) => {
                if let Some(member) = self.random.pick(members) {
                    self.hir(member, out);
                }
            }
        }
    }

    /// Puts the fields together.
    fn event(mut self, route: usize) -> Value {
        let mut event = Map::new();
        event.insert(ROUTE.to_owned(), json!(route.to_string()));
        for (name, wanted) in std::mem::take(&mut self.fields) {
            let filler = [" ", "", "\\", " x "];
            let mut text = wanted.start;
            for middle in wanted.middle {
                text += self.random.pick(&filler).copied().unwrap_or_default();
                text += &middle;
            }
            if !wanted.end.is_empty() {
                text += self.random.pick(&filler).copied().unwrap_or_default();
                text += &wanted.end;
            }
            let value = wanted.whole.unwrap_or(Value::String(text));
            let value = match self.random.below(24) {
                _ if wanted.is_scalar || self.targets.contains(&name) => value,
                0 if value.is_null() => value,
                0 => json!(["other", value]),
                1 => json!([]),
                2 => Value::Null,
                _ => value,
            };
            if self.random.one_in(2) {
                event.insert(name, value);
            } else {
                nest(&mut event, &name, value);
            }
        }
        Value::Object(event)
    }
}

/// Puts a value where its dotted name leads; an object or scalar in the way stays.
fn nest(object: &mut Map<String, Value>, name: &str, value: Value) {
    match name.split_once('.') {
        None => {
            object.insert(name.to_owned(), value);
        }
        Some((outer, inner)) => {
            let next = object.entry(outer.to_owned()).or_insert_with(|| json!({}));
            if let Some(next) = next.as_object_mut() {
                nest(next, inner, value);
            }
        }
    }
}
