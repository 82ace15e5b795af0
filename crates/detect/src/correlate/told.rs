//! What a correlation says when it matches.

use std::sync::Arc;

use base::{Match, Reason, Timestamp, event::write_json_text, limits};

use super::{Correlation, condition::Outcome, correlator::Hit, group::Group};

/// The match that an event completes.
pub(super) fn tell(correlation: &Correlation, group: &Group, hit: &Hit, outcome: Outcome) -> Match {
    Match {
        rule: Arc::new(correlation.info.clone()),
        time: Timestamp::from_micros(hit.entry.time),
        event_id: hit.entry.id.to_string().into(),
        log_source: Arc::clone(&hit.log_source),
        reasons: reasons(correlation, group, hit, outcome),
        dedup_values: dedup_values(correlation, hit),
        event: event(correlation, group, hit, outcome).into(),
        facts: None,
    }
}

fn dedup_values(correlation: &Correlation, hit: &Hit) -> Vec<String> {
    let by = correlation.group_by.iter().zip(&hit.group);
    let value = |name: &String| {
        if let Some((_, value)) = by.clone().find(|(known, _)| *known == name) {
            return value.clone();
        }
        let passed = correlation.passed.iter().zip(&hit.passed);
        passed.filter(|(known, _)| *known == name).map(|(_, values)| values.join(",")).collect()
    };
    correlation.info.dedup.iter().map(value).collect()
}

fn reasons(correlation: &Correlation, group: &Group, hit: &Hit, outcome: Outcome) -> Vec<Reason> {
    let condition = &correlation.condition;
    let first = group.entries().front().map_or(hit.entry.time, |entry| entry.time);
    let last = group.last().unwrap_or(hit.entry.time);
    let mut reasons = vec![Reason {
        field: condition.subject(correlation.kind, outcome).into(),
        test: format!("within {}, wanted {}", correlation.timespan_words, condition.words()).into(),
        value: format!("{} to {}", Timestamp::from_micros(first), Timestamp::from_micros(last)),
    }];
    for (name, value) in correlation.group_by.iter().zip(&hit.group) {
        reasons.push(Reason {
            field: name.as_str().into(),
            test: "is the same in all".into(),
            value: cut(value),
        });
    }
    let values = group.values().take(limits::CORRELATION_SHOWN_MAX).collect::<Vec<_>>();
    if !values.is_empty() {
        reasons.push(Reason {
            field: condition.fields.join(", ").into(),
            test: "has the values".into(),
            value: cut(&values.join(", ")),
        });
    }
    if correlation.members.len() > 1 {
        let members = group.members(correlation.members.len());
        for (member, (count, last)) in correlation.members.iter().zip(members) {
            if count > 0 {
                let times = if count == 1 { "once" } else { "several times" };
                reasons.push(Reason {
                    field: member.title.as_str().into(),
                    test: format!("matched {times}").into(),
                    value: format!("{count}, last at {}", Timestamp::from_micros(last)),
                });
            }
        }
    }
    reasons.truncate(limits::MATCH_REASONS_MAX);
    reasons
}

fn cut(text: &str) -> String {
    text.chars().take(limits::REASON_VALUE_CHARS_MAX).collect()
}

/// The match as JSON, in place of an event: the group, and the events in the window.
fn event(correlation: &Correlation, group: &Group, hit: &Hit, outcome: Outcome) -> String {
    let mut out = String::from("{\"correlation\":");
    write_json_text(correlation.kind.as_str(), &mut out);
    let key = |out: &mut String, name: &str, value: &str| {
        out.push_str(",\"");
        out.push_str(name);
        out.push_str("\":");
        out.push_str(value);
    };
    key(&mut out, "value", &outcome.amount().to_string());
    key(&mut out, "timespan", &json(&correlation.timespan_words));
    let by = correlation.group_by.iter().zip(&hit.group);
    let by = by.map(|(name, value)| format!("{}:{}", json(name), json(value))).collect::<Vec<_>>();
    key(&mut out, "group", &format!("{{{}}}", by.join(",")));
    let entries = group.entries();
    let first = entries.front().map_or(hit.entry.time, |entry| entry.time);
    let last = group.last().unwrap_or(hit.entry.time);
    key(&mut out, "first_time", &json(&Timestamp::from_micros(first).to_string()));
    key(&mut out, "last_time", &json(&Timestamp::from_micros(last).to_string()));
    key(&mut out, "events", &entries.len().to_string());
    let shown = entries.len().saturating_sub(limits::CORRELATION_SHOWN_MAX);
    let ids = entries.iter().skip(shown).map(|entry| json(&entry.id.to_string()));
    key(&mut out, "event_ids", &format!("[{}]", ids.collect::<Vec<_>>().join(",")));
    let members = correlation.members.iter().zip(group.members(correlation.members.len()));
    let members = members.map(|(member, (count, _))| format!("{}:{count}", json(&member.id)));
    key(&mut out, "rules", &format!("{{{}}}", members.collect::<Vec<_>>().join(",")));
    let values = group.values().take(limits::CORRELATION_SHOWN_MAX).map(json).collect::<Vec<_>>();
    if !values.is_empty() {
        key(&mut out, "values", &format!("[{}]", values.join(",")));
    }
    out.push('}');
    out
}

fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    write_json_text(text, &mut out);
    out
}
