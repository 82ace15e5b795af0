//! dab's own matchers, behind its own decoder.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use dab_base::{
    Event, EventId, Match, Object, ObjectHash, Origin, RecordJson, SigmaRoute, Timestamp, Value,
};
use dab_decode::{At, Decoder, LogSource, Scratch, parse_json_in};
use dab_detect::{Engine, FullScan, Matcher, Remembering, Rule, load_file};

use crate::{
    Failure,
    lane::Lane,
    rules::RuleFile,
    side::{Depth, Side},
};

/// A way to build a matcher.
pub(crate) trait Build: Matcher + Sized {
    /// How often texts repeated in events of a log source, if it remembers them.
    fn remembering(&self, _log_source: &str) -> Remembering {
        Remembering::default()
    }

    /// Builds it.
    fn build(rules: Vec<Arc<Rule>>, routes: &BTreeMap<String, Vec<SigmaRoute>>) -> Self;
}

impl Build for FullScan {
    fn build(rules: Vec<Arc<Rule>>, routes: &BTreeMap<String, Vec<SigmaRoute>>) -> Self {
        Self::new(rules, routes)
    }
}

impl Build for Engine {
    fn remembering(&self, log_source: &str) -> Remembering {
        self.remembering(log_source)
    }

    fn build(rules: Vec<Arc<Rule>>, routes: &BTreeMap<String, Vec<SigmaRoute>>) -> Self {
        Self::new(rules, routes)
    }
}

/// dab with one of its matchers.
#[derive(Debug)]
pub(crate) struct Dab<M> {
    decoder: Decoder,
    matcher: M,
    at: (ObjectHash, Timestamp),
}

impl<M: Build> Side for Dab<M> {
    type Event<'l> = Event<'l>;
    const HAS_EVENTS: bool = true;
    type Scratch = Vec<Match>;
    type Room = Scratch;

    fn load(lane: &Lane, files: &[RuleFile]) -> Result<(Self, Vec<String>), Failure> {
        let (mut rules, mut refused) = (Vec::new(), Vec::new());
        for file in files {
            for rule in load_file(&file.path, &file.text) {
                match rule {
                    Ok(rule) => rules.push(Arc::new(rule)),
                    Err(_) => refused.push(file.path.clone()),
                }
            }
        }
        // As a project has them: every log source that is shipped.
        let mut routes = BTreeMap::new();
        for (name, yaml) in dab_decode::shipped() {
            let source = LogSource::parse(name, yaml).map_err(|errors| format!("{errors:?}"))?;
            routes.insert(source.name, source.sigma);
        }
        routes.insert(lane.source.name.clone(), lane.source.sigma.clone());
        let decoder = Decoder::new(lane.source.clone()).map_err(|errors| format!("{errors:?}"))?;
        let ingest_time = Timestamp::from_seconds(1_795_507_200);
        let side = Self {
            decoder,
            matcher: M::build(rules, &routes),
            at: (ObjectHash::of(&["lane"]), ingest_time),
        };
        Ok((side, refused))
    }

    fn rules(&self) -> usize {
        self.matcher.rules().len()
    }

    fn parse<'l>(
        &'l self,
        line: &'l str,
        depth: Depth,
        room: &'l mut Scratch,
    ) -> Option<Event<'l>> {
        let (object_hash, ingest_time) = self.at;
        if depth == Depth::Event {
            let at = At { object: "lane", object_hash, offset: 0, ingest_time, header: None };
            return self.decoder.decode_in(line.as_bytes(), &at, room).ok();
        }
        let parsed = parse_json_in(line.as_bytes(), room);
        let Ok(Value::Object(fields)) = parsed else { return None };
        Some(Event {
            time: ingest_time,
            ingest_time,
            id: EventId { object: object_hash, offset: 0 },
            log_source: &self.decoder.log_source().name,
            origin: Origin { object: Cow::Borrowed("lane"), offset: 0 },
            fields,
            normalized: Object::new(),
            json: Some(RecordJson { text: line, is_same: true }),
        })
    }

    fn evaluate(&self, event: &Event<'_>, matches: &mut Vec<Match>) -> usize {
        matches.clear();
        self.matcher.evaluate(event, matches);
        matches.len()
    }

    fn known_percent(&self) -> Option<f64> {
        let Remembering { texts, known } =
            self.matcher.remembering(&self.decoder.log_source().name);
        (texts > 0).then(|| 100.0 * known as f64 / texts as f64)
    }

    fn matching(&self, event: &Event<'_>) -> Vec<String> {
        let mut matches = Vec::new();
        self.matcher.evaluate(event, &mut matches);
        matches.into_iter().map(|found| found.rule.id.clone()).collect()
    }
}
