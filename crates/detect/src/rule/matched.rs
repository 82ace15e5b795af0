//! What a rule says of an event that it holds for.

use std::{collections::BTreeMap, sync::Arc};

use base::{
    Event, Fact, Facts, FieldPath, Match, Reason, RuleInfo, event::write_json_text, limits,
};

use super::Rule;

/// What all matches with one event have in common, made when the first is.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    event_id: Option<Arc<str>>,
    log_source: Option<Arc<str>>,
    json: Option<Arc<str>>,
    empty: Option<Arc<str>>,
}

/// Where the values are that a match carries, under one mapping of fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Those of [`RuleInfo::dedup`].
    dedup: Vec<FieldPath>,
    /// Those of [`Rule::facts`].
    facts: Vec<FieldPath>,
}

impl Asked {
    /// The places of a rule's values where `mapping` says how the event calls Sigma's fields.
    pub(crate) fn new(rule: &Rule, mapping: &BTreeMap<String, String>) -> Self {
        let path = |name: &String| {
            FieldPath::new(mapping.get(name).map_or_else(|| name.clone(), Clone::clone))
        };
        Self {
            dedup: rule.info.dedup.iter().map(path).collect(),
            facts: rule.facts.iter().map(path).collect(),
        }
    }
}

impl Rule {
    /// The match with an event that the rule holds for. `reasons` are asked for only if somebody
    /// will read them: a silent match costs a few short texts.
    pub(crate) fn matched(
        &self,
        event: &Event<'_>,
        asked: &Asked,
        shared: &mut Shared,
        reasons: impl FnOnce() -> Vec<Reason>,
    ) -> Match {
        let facts = self.facts_of(event, asked);
        let event_id = share(&mut shared.event_id, || event.id.to_string().into());
        let log_source = share(&mut shared.log_source, || event.log_source.into());
        let (rule, time) = (Arc::clone(self.shared_info()), event.time);
        if self.is_silent {
            return Match {
                rule,
                time,
                event_id,
                log_source,
                reasons: Vec::new(),
                dedup_values: Vec::new(),
                event: share(&mut shared.empty, || "".into()),
                facts,
            };
        }
        Match {
            rule,
            time,
            event_id,
            log_source,
            reasons: reasons(),
            dedup_values: asked.dedup.iter().map(|path| values(event, path).join(",")).collect(),
            event: share(&mut shared.json, || event_json(event).into()),
            facts,
        }
    }

    /// What its matches tell of it: of a silent one, nothing but what correlations look at.
    fn shared_info(&self) -> &Arc<RuleInfo> {
        self.shared.get_or_init(|| match self.is_silent {
            true => Arc::new(slim(&self.info)),
            false => Arc::new(self.info.clone()),
        })
    }

    fn facts_of(&self, event: &Event<'_>, asked: &Asked) -> Option<Box<Facts>> {
        if !self.is_correlated {
            return None;
        }
        let mut fields = Vec::with_capacity(self.facts.len());
        for (name, path) in self.facts.iter().zip(&asked.facts) {
            let mut values = values(event, path);
            values.truncate(limits::CORRELATION_EVENT_VALUES_MAX);
            if !values.is_empty() {
                fields.push(Fact { name: name.clone(), values });
            }
        }
        Some(Box::new(Facts { is_silent: self.is_silent, fields }))
    }
}

/// What is there, or is made now.
fn share(slot: &mut Option<Arc<str>>, make: impl FnOnce() -> Arc<str>) -> Arc<str> {
    Arc::clone(slot.get_or_insert_with(make))
}

/// The rule's id alone: all that correlations look at.
fn slim(info: &RuleInfo) -> RuleInfo {
    RuleInfo {
        id: info.id.clone(),
        title: String::new(),
        level: info.level,
        tags: Vec::new(),
        dedup: Vec::new(),
        dedup_window_seconds: 0,
        file: String::new(),
    }
}

/// The values of a field as text; none if it is absent or null.
fn values(event: &Event<'_>, path: &FieldPath) -> Vec<String> {
    let mut values = Vec::new();
    event.any(path, &mut |value| {
        values.extend(value.display().map(std::borrow::Cow::into_owned));
        false
    });
    values
}

/// The event as JSON; for one that is too long, an object that says so.
fn event_json(event: &Event<'_>) -> String {
    let json = event.to_json();
    if json.len() <= limits::MATCH_EVENT_BYTES_MAX {
        return json;
    }
    let mut out = String::from("{\"event_id\":");
    write_json_text(&event.id.to_string(), &mut out);
    out.push_str(",\"omitted\":");
    let reason = format!(
        "the event has {} bytes, more than the {} that a match carries; find it by its event_id",
        json.len(),
        limits::MATCH_EVENT_BYTES_MAX
    );
    write_json_text(&reason, &mut out);
    out.push('}');
    out
}
