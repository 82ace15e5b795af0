//! The fast evaluator finds what the plain one finds, over made-up rules and events: every modifier
//! and form of condition, over values that differ in case, spelling, type and nesting.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::panic,
    reason = "a test that can't go on is to stop there"
)]

use std::{borrow::Cow, collections::BTreeMap, fmt::Write as _, sync::Arc};

use base::{
    Event, EventId, Match, Object, ObjectHash, Origin, RecordJson, SigmaRoute, Timestamp, Value,
};
use dab_detect::{Engine, FullScan, Matcher, Placeholders, Rule, load_file_with};
use serde_json::{Map, Value as Json, json};

const FIELDS: [&str; 9] = ["a", "b", "c", "n", "a.b", "user.name", "x-y", "Ünï", "net.src.ip"];

/// As expressions name them: those that can be, and the parts of others.
const CEL_FIELDS: [&str; 12] = [
    "a",
    "b",
    "c",
    "n",
    "a.b",
    "user.name",
    "user",
    "net.src.ip",
    "net.src",
    "src.ip",
    "kind",
    "net.src.ip.a",
];

/// What texts are made of: all that case, escapes, encodings and paths can trip over.
const PIECES: [&str; 40] = [
    "a",
    "B",
    "ab",
    "ABC",
    "abcde",
    "-a",
    "/a",
    " -e ",
    "–enc",
    "é",
    "É",
    "ß",
    "İ",
    "ſ",
    "s",
    "S",
    "K",
    "k",
    "K",
    "Σ",
    "ς",
    "\\x.exe",
    "\\X.EXE",
    "c:\\dir\\",
    "/bin/sh",
    "powershell",
    ".ps1",
    "0",
    "1",
    "16",
    "0x10",
    "4688",
    "1.5",
    " ",
    "\n",
    "10.0.0.1",
    "::ffff:10.0.0.1",
    "fe80::1",
    "2026-11-24T23:05:59Z",
    "true",
];

/// Texts that events often have, and expressions ask for parts of.
const COMMON: [&str; 6] =
    ["c:\\dir\\x.exe", "ABC", "powershell -e É", "Straße ſ", "10.0.0.1", "4688 true"];

const WILD: [&str; 8] = ["*", "?", "\\*", "\\?", "\\\\", "*a*", "a?c", "\\"];

const REGEX: [&str; 24] = [
    "a",
    "B",
    "abc",
    "ab+c",
    ".",
    ".*",
    "^",
    "$",
    "\\d+",
    "\\s",
    "[ab]",
    "[^a]",
    "(abc|powershell)",
    "(a|)",
    "x?",
    "\\b",
    "(?i)powerShell",
    "(?i:s)",
    "k",
    "ſ",
    "é",
    "\\\\x\\.exe",
    "[sS]{2}",
    "(abc){1,3}",
];

/// Modifiers, and what kind of value they take.
const MODIFIERS: [(&str, Kind); 54] = [
    ("", Kind::Any),
    ("", Kind::Any),
    ("", Kind::Any),
    ("", Kind::Number),
    ("cased", Kind::Text),
    ("contains", Kind::Text),
    ("contains", Kind::Text),
    ("startswith", Kind::Text),
    ("endswith", Kind::Text),
    ("endswith", Kind::Text),
    ("contains|all", Kind::Text),
    ("all|startswith", Kind::Text),
    ("contains|cased", Kind::Text),
    ("startswith|cased", Kind::Text),
    ("endswith|cased", Kind::Text),
    ("windash", Kind::Text),
    ("contains|windash", Kind::Text),
    ("windash|contains|all", Kind::Text),
    ("windash|endswith|cased", Kind::Text),
    ("neq", Kind::Any),
    ("contains|neq", Kind::Text),
    ("all|neq", Kind::Text),
    ("re", Kind::Regex),
    ("re|i", Kind::Regex),
    ("re|m", Kind::Regex),
    ("re|s", Kind::Regex),
    ("re|i|m|s", Kind::Regex),
    ("re|startswith", Kind::Regex),
    ("re|endswith", Kind::Regex),
    ("re|all", Kind::Regex),
    ("re|neq", Kind::Regex),
    ("cidr", Kind::Network),
    ("cidr|neq", Kind::Network),
    ("lt", Kind::Number),
    ("lte", Kind::Number),
    ("gt", Kind::Number),
    ("gte", Kind::Number),
    ("exists", Kind::Bool),
    ("fieldref", Kind::Field),
    ("fieldref|neq", Kind::Field),
    ("fieldref|cased", Kind::Field),
    ("fieldref|startswith", Kind::Field),
    ("fieldref|endswith", Kind::Field),
    ("fieldref|contains", Kind::Field),
    ("base64", Kind::Text),
    ("base64offset|contains", Kind::Text),
    ("wide|base64offset|contains", Kind::Text),
    ("utf16be|contains", Kind::Text),
    ("utf16|base64", Kind::Text),
    ("minute", Kind::Number),
    ("hour|gte", Kind::Number),
    ("week", Kind::Number),
    ("expand", Kind::Placeholder),
    ("expand|contains", Kind::Placeholder),
];

/// Modifiers of a search in all fields.
const KEYWORD_MODIFIERS: [(&str, Kind); 9] = [
    ("", Kind::Any),
    ("|all", Kind::Text),
    ("|contains", Kind::Text),
    ("|startswith", Kind::Text),
    ("|endswith", Kind::Text),
    ("|cased", Kind::Text),
    ("|re", Kind::Regex),
    ("|re|i", Kind::Regex),
    ("|cidr", Kind::Network),
];

#[derive(Debug, Clone, Copy)]
enum Kind {
    Any,
    Text,
    Number,
    Regex,
    Network,
    Bool,
    Field,
    Placeholder,
}

/// Makes rules and events out of a seed (xorshift64*).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let roll = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(roll).unwrap() % sides
    }

    fn one<'t, T>(&mut self, all: &'t [T]) -> &'t T {
        &all[self.roll(all.len())]
    }

    fn is(&mut self, percent: usize) -> bool {
        self.roll(100) < percent
    }

    fn text(&mut self) -> String {
        (0..self.roll(4)).map(|_| *self.one(&PIECES)).collect()
    }

    fn scalar(&mut self) -> Json {
        match self.roll(12) {
            0 => Json::Null,
            1 => json!(self.is(50)),
            2 => json!(*self.one(&[0, 1, -1, 16, 4688, 10, 1_790_000_000])),
            3 => json!(*self.one(&[1.0, 1.5, 4688.0, -0.5])),
            _ => json!(self.text()),
        }
    }

    /// A value as a rule asks for it.
    fn asked(&mut self, kind: Kind) -> Json {
        match kind {
            Kind::Any => self.scalar(),
            Kind::Text => {
                let mut text = self.text();
                if self.is(30) {
                    let wild = *self.one(&WILD);
                    text = if self.is(50) {
                        format!("{text}{wild}{}", self.text())
                    } else {
                        wild.to_owned() + &text
                    };
                }
                json!(text)
            }
            Kind::Number => {
                json!(*self.one(&["0", "1", "16", "4688", "1.5", "0x10", "5", "23", "48"]))
            }
            Kind::Regex => {
                json!((0..=self.roll(4)).map(|_| *self.one(&REGEX)).collect::<String>())
            }
            Kind::Network => {
                json!(*self.one(&["10.0.0.0/8", "10.0.0.1", "fe80::/10", "0.0.0.0/0", "::/0"]))
            }
            Kind::Bool => json!(self.is(50)),
            Kind::Field => json!(*self.one(&FIELDS)),
            Kind::Placeholder => json!(*self.one(&["%names%", "a%names%", "plain"])),
        }
    }

    fn values(&mut self, kind: Kind) -> Json {
        if self.is(60) || matches!(kind, Kind::Bool) {
            return self.asked(kind);
        }
        Json::Array((0..=self.roll(4)).map(|_| self.asked(kind)).collect())
    }

    fn mapping(&mut self) -> Json {
        let mut map = Map::new();
        for _ in 0..=self.roll(3) {
            let field = *self.one(&FIELDS);
            let (modifiers, kind) = *self.one(&MODIFIERS);
            let separator = if modifiers.is_empty() { "" } else { "|" };
            map.insert(format!("{field}{separator}{modifiers}"), self.values(kind));
        }
        Json::Object(map)
    }

    fn selection(&mut self) -> Json {
        match self.roll(12) {
            0 => {
                let (modifiers, kind) = *self.one(&KEYWORD_MODIFIERS);
                json!({ modifiers: self.values(kind) })
            }
            1 => Json::Array((0..=self.roll(3)).map(|_| self.asked(Kind::Any)).collect()),
            2 | 3 => Json::Array((0..=self.roll(3)).map(|_| self.mapping()).collect()),
            _ => self.mapping(),
        }
    }

    fn condition(&mut self, names: &[String], depth: usize) -> String {
        match self.roll(if depth == 0 { 5 } else { 10 }) {
            0 | 1 => self.one(names).clone(),
            2 => {
                let quantifier = *self.one(&["1", "all", "any", "2"]);
                format!("{quantifier} of {}", self.one(&["s_*", "them", "f*", "*"]))
            }
            3 => format!("not {}", self.one(names)),
            4 => format!("{} and not {}", self.one(names), self.one(names)),
            5 | 6 => format!(
                "({}) and ({})",
                self.condition(names, depth - 1),
                self.condition(names, depth - 1)
            ),
            7 | 8 => format!(
                "({}) or ({})",
                self.condition(names, depth - 1),
                self.condition(names, depth - 1)
            ),
            _ => format!("not ({})", self.condition(names, depth - 1)),
        }
    }

    /// A text as expressions ask for it.
    fn cel_text(&mut self) -> String {
        if self.is(20) {
            return self.text();
        }
        let common = self.one(&COMMON).chars().collect::<Vec<_>>();
        let (from, to) = (self.roll(common.len()), 1 + self.roll(common.len()));
        let part = match self.roll(4) {
            0 => &common[..to],
            1 => &common[from..],
            2 => &common[from.min(to)..from.max(to)],
            _ => &common,
        };
        part.iter().collect()
    }

    fn literal(&mut self) -> String {
        match self.roll(8) {
            0 => (*self.one(&["0", "1", "-1", "16", "4688", "10", "1u", "16.0", "1.5"])).to_owned(),
            1 => (*self.one(&["true", "false", "null"])).to_owned(),
            _ => json!(self.cel_text()).to_string(),
        }
    }

    /// A test of `subject`.
    fn cel_test(&mut self, subject: &str) -> String {
        let text = json!(self.cel_text());
        match self.roll(14) {
            0..=2 => format!("{subject} == {}", self.literal()),
            3 => format!("{subject} != {}", self.literal()),
            4 => {
                let members = (0..self.roll(4)).map(|_| self.literal()).collect::<Vec<_>>();
                format!("{subject} in [{}]", members.join(", "))
            }
            5 => format!("{subject}.contains({text})"),
            6 => format!("{subject}.startsWith({text})"),
            7 => format!("{subject}.endsWith({text})"),
            8 => format!("{subject}.lowerAscii().contains({text})"),
            9 => format!("{text} == {subject}.upperAscii()"),
            10 => {
                let regex = self.asked(Kind::Regex);
                format!("{subject}.matches({regex})")
            }
            11 => format!("cidr('10.0.0.0/8').containsIP({subject})"),
            12 => format!("{subject} > {}", self.literal()),
            _ => format!("size({subject}) > 2"),
        }
    }

    /// An expression that is true, false, or has no value.
    fn cel(&mut self, depth: usize) -> String {
        let field = *self.one(&CEL_FIELDS);
        match self.roll(if depth == 0 { 9 } else { 16 }) {
            0 => format!("has({field})"),
            1 => format!("!has({field})"),
            2 => field.to_owned(),
            3 => {
                let quantifier = *self.one(&["exists", "exists_one", "all"]);
                let subject = *self.one(&["x", "x.a", "x.src.ip", "x.b.name"]);
                format!("{field}.{quantifier}(x, {})", self.cel_test(subject))
            }
            4..=8 => self.cel_test(field),
            9..=11 => format!("({}) && ({})", self.cel(depth - 1), self.cel(depth - 1)),
            12 | 13 => format!("({}) || ({})", self.cel(depth - 1), self.cel(depth - 1)),
            14 => format!("!({})", self.cel(depth - 1)),
            _ => format!(
                "({}) ? ({}) : ({})",
                self.cel(depth - 1),
                self.cel(depth - 1),
                self.cel(depth - 1)
            ),
        }
    }

    /// A rule's text. JSON is YAML.
    fn rule(&mut self, index: usize) -> String {
        if self.is(30) {
            let names = *self.one(&["routed", "other"]);
            let names = if self.is(30) { json!([names]) } else { json!([]) };
            return json!({
                "title": format!("rule {index}"), "id": format!("r{index}"), "log_source": names,
                "dedup": ["a", "n"], "cel": self.cel(2),
            })
            .to_string();
        }
        let mut detection = Map::new();
        let mut names = Vec::new();
        for selection in 0..=self.roll(3) {
            let name = format!("{}_{selection}", self.one(&["s", "f", "_x"]));
            detection.insert(name.clone(), self.selection());
            names.push(name);
        }
        detection.insert("condition".to_owned(), json!(self.condition(&names, 2)));
        let log_source = match self.roll(6) {
            0 => json!({"product": "p"}),
            1 => json!({"category": "one"}),
            2 => json!({"category": "two", "product": "P"}),
            3 => json!({"service": "none"}),
            _ => json!({}),
        };
        json!({
            "title": format!("rule {index}"), "id": format!("r{index}"), "logsource": log_source,
            "dedup": ["a", "n"], "detection": detection,
        })
        .to_string()
    }

    fn value(&mut self, depth: usize) -> Value<'static> {
        match self.roll(if depth == 0 { 14 } else { 18 }) {
            0 => Value::Null,
            1 => Value::Bool(self.is(50)),
            2 | 3 => Value::Int(*self.one(&[0, 1, -1, 16, 4688, 10, 1_790_000_000])),
            4 => Value::Float(*self.one(&[1.0, 1.5, 4688.0, -0.5])),
            5 => {
                Value::Number(Cow::Borrowed(*self.one(&["1e400", "4688", "18446744073709551616"])))
            }
            14 | 15 => Value::List((0..self.roll(4)).map(|_| self.value(depth - 1)).collect()),
            16 | 17 => Value::Object(self.object(depth - 1)),
            6..=8 => Value::text(*self.one(&COMMON)),
            _ => Value::text(self.text()),
        }
    }

    fn object(&mut self, depth: usize) -> Object<'static> {
        let mut object = Object::new();
        for _ in 0..self.roll(7) {
            let key = *self.one(&[
                "a",
                "b",
                "c",
                "n",
                "a.b",
                "user",
                "name",
                "x-y",
                "Ünï",
                "net",
                "src.ip",
                "src",
                "ip",
                "user.name",
            ]);
            object.push(key, self.value(depth));
        }
        object
    }

    /// An object as JSON, where characters may be spelled by their numbers.
    fn json(&mut self, object: &Object<'_>) -> String {
        let mut json = String::new();
        object.write_json(&mut json);
        let odd = *self.one(&[0, 0, 1, 10]);
        let (mut out, mut is_escaped, mut is_text) = (String::new(), false, false);
        for char in json.chars() {
            is_text ^= char == '"' && !is_escaped;
            let is_plain = is_text && !is_escaped && (char.is_alphabetic() || char == '/');
            is_escaped = char == '\\' && !is_escaped;
            match char {
                '/' if is_plain && self.is(odd) => out.push_str("\\/"),
                char if is_plain && u32::from(char) < 0xffff && self.is(odd) => {
                    write!(out, "\\u{:04x}", u32::from(char)).unwrap();
                }
                char => out.push(char),
            }
        }
        out
    }

    fn event(&mut self) -> Event<'static> {
        let mut fields = self.object(3);
        if self.is(50) {
            fields.push("kind", Value::text(*self.one(&["One", "two", "x"])));
        }
        Event {
            time: Timestamp::parse("2026-11-24T08:00:00Z").unwrap(),
            ingest_time: Timestamp::parse("2026-11-24T08:00:01Z").unwrap(),
            id: EventId { object: ObjectHash::of(&["x"]), offset: 7 },
            log_source: ["routed", "routed", "other"][self.roll(3)],
            origin: Origin { object: Cow::Borrowed("x"), offset: 7 },
            fields,
            normalized: if self.is(50) { self.object(2) } else { Object::new() },
            json: None,
        }
    }
}

/// Two routes that are open under different conditions, one with other names for fields, and one
/// that is always open.
fn routes() -> BTreeMap<String, Vec<SigmaRoute>> {
    let route = |category: Option<&str>, kinds: &[&str], fields: &[(&str, &str)]| SigmaRoute {
        product: Some("p".to_owned()),
        category: category.map(str::to_owned),
        service: None,
        when: match kinds {
            [] => BTreeMap::new(),
            kinds => BTreeMap::from([(
                "kind".to_owned(),
                kinds.iter().map(|&kind| kind.to_owned()).collect(),
            )]),
        },
        fields: fields.iter().map(|&(name, to)| (name.to_owned(), to.to_owned())).collect(),
    };
    let routes = vec![
        route(None, &[], &[]),
        route(Some("one"), &["one"], &[("a", "b"), ("c", "user.name")]),
        route(Some("one"), &["ONE", "Two"], &[]),
        route(Some("two"), &["two"], &[]),
    ];
    BTreeMap::from([("routed".to_owned(), routes)])
}

/// After so many events, two thirds of them of one log source, the engine has learned from them.
const LEARNED_FROM: usize = 1000;

fn evaluate(matcher: &dyn Matcher, event: &Event<'_>) -> Vec<Match> {
    let mut matches = Vec::new();
    matcher.evaluate(event, &mut matches);
    matches
}

#[test]
fn made_up_rules_match_alike() {
    let placeholders =
        Placeholders::from([("names".to_owned(), vec!["abc".to_owned(), "É*".to_owned()])]).into();
    let (mut loaded, mut refused, mut matches, mut of_cel) = (0, 0, 0, 0);
    for seed in 1..=400_u64 {
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
        let mut rules: Vec<Arc<Rule>> = Vec::new();
        let mut texts = BTreeMap::new();
        for index in 0..20 {
            let text = dice.rule(index);
            for rule in load_file_with("r.yml", &text, &placeholders) {
                match rule {
                    Ok(rule) => {
                        texts.insert(rule.info.id.clone(), text.clone());
                        rules.push(Arc::new(rule));
                        loaded += 1;
                    }
                    Err(_) => refused += 1,
                }
            }
        }
        let plain = FullScan::new(rules.clone(), &routes());
        let fast = Engine::new(rules, &routes());
        if seed % 2 == 0 {
            // What rules wait for is chosen anew by what it saw.
            (0..LEARNED_FROM).for_each(|_| drop(evaluate(&fast, &dice.event())));
        }
        for _ in 0..40 {
            let event = dice.event();
            let json = dice.json(&event.fields);
            // Laid flat, its strings stood elsewhere in the record, and there were others.
            let is_same = dice.is(50);
            let text = if is_same { json } else { format!("{{\"kind\":\"zwei\",\"in\":{json}}}") };
            let own = RecordJson { text: &text, is_same };
            let event = Event { json: Some(own).filter(|_| dice.is(70)), ..event };
            let expected = evaluate(&plain, &event);
            // The second time, its keys and values were seen before.
            for _ in 0..2 {
                let seen = evaluate(&fast, &event);
                if seen != expected {
                    explain(seed, &event, &texts, &seen, &expected);
                }
            }
            matches += expected.len();
            let is_cel = |found: &&Match| texts[&found.rule.id].contains("\"cel\"");
            of_cel += expected.iter().filter(is_cel).count();
        }
    }
    println!("{loaded} rules loaded, {refused} refused, {matches} matches, {of_cel} of CEL");
    // What is compared must be worth it.
    assert!(loaded > 2 * refused, "{loaded} loaded, {refused} refused");
    assert!(matches > 20_000 && of_cel > 5_000, "{matches}, {of_cel}");
}

/// Shows the first rule that differs.
fn explain(
    seed: u64,
    event: &Event<'_>,
    texts: &BTreeMap<String, String>,
    seen: &[Match],
    expected: &[Match],
) {
    let differs = |(id, text): &(&String, &String)| {
        let of = |matches: &[Match]| matches.iter().find(|found| found.rule.id == **id).cloned();
        let (seen, expected) = (of(seen), of(expected));
        if seen != expected {
            println!("{text}\nseen: {seen:#?}\nexpected: {expected:#?}");
        }
        seen != expected
    };
    texts.iter().find(differs);
    panic!(
        "seed {seed}, {}: {} {:?}\nnormalized {:?}",
        event.log_source,
        event.to_json(),
        event.fields,
        event.normalized
    );
}
