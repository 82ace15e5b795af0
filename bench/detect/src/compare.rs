//! Whether two engines find the same: every pair of event and rule that only one of them found.

use std::collections::{BTreeMap, BTreeSet};

use dab_detect::{Engine, FullScan};
use serde_json::{Value, json};

use crate::{
    Arguments, Failure,
    dab::Dab,
    lane::Lane,
    rsigma::Rsigma,
    rules,
    side::{Depth, Side},
};

/// How many events are shown of those that one rule is disputed on.
const SHOWN: usize = 3;

/// The rules that one engine alone found, each with the events.
type Only = BTreeMap<String, Vec<usize>>;

/// Compares what dab finds with what another engine does: RSigma, or its own plain one.
pub(crate) fn run(arguments: &Arguments) -> Result<String, Failure> {
    let lane = Lane::read(arguments)?;
    let files = rules::read(lane.rules, arguments)?;
    let lines: Vec<&str> = lane.lots(arguments.take).concat();
    match arguments.engine.as_str() {
        "rsigma" => compare::<Dab<Engine>, Rsigma>(arguments, &lane, &files, &lines),
        "full_scan" => compare::<Dab<Engine>, Dab<FullScan>>(arguments, &lane, &files, &lines),
        engine => Err(format!("there is nothing to compare the engine `{engine}` with")),
    }
}

fn compare<One: Side, Other: Side>(
    arguments: &Arguments,
    lane: &Lane,
    files: &[rules::RuleFile],
    lines: &[&str],
) -> Result<String, Failure> {
    let (one, one_refused) = One::load(lane, files)?;
    let (other, other_refused) = Other::load(lane, files)?;
    let (mut only_one, mut only_other) = (Only::new(), Only::new());
    let mut pairs = 0_usize;
    let mut fired = BTreeSet::new();
    for (number, line) in lines.iter().enumerate() {
        let ours = matching(&one, line)?;
        let theirs = matching(&other, line)?;
        pairs += ours.intersection(&theirs).count();
        fired.extend(ours.intersection(&theirs).cloned());
        for id in ours.difference(&theirs) {
            only_one.entry(id.clone()).or_default().push(number);
        }
        for id in theirs.difference(&ours) {
            only_other.entry(id.clone()).or_default().push(number);
        }
    }
    let list = |only: Only| -> Vec<Value> {
        let entry = |(id, events): (String, Vec<usize>)| {
            let shown = events.get(..SHOWN.min(events.len())).unwrap_or_default().to_vec();
            json!({"rule": id, "count": events.len(), "events": shown})
        };
        only.into_iter().map(entry).collect()
    };
    let only = |mine: &[String], theirs: &[String]| -> Vec<String> {
        mine.iter().filter(|path| !theirs.contains(path)).cloned().collect()
    };
    Ok(json!({
        "lane": arguments.lane,
        "with": arguments.engine,
        "events": lines.len(),
        "agreed": pairs,
        "rules_fired": fired.len(),
        "only_dab": list(only_one),
        "only_other": list(only_other),
        "refused_by_dab_alone": only(&one_refused, &other_refused),
        "refused_by_other_alone": only(&other_refused, &one_refused),
        "refused_by_both": one_refused.iter().filter(|path| other_refused.contains(path)).count(),
    })
    .to_string())
}

/// The rules that match a line, as a set.
fn matching<S: Side>(side: &S, line: &str) -> Result<BTreeSet<String>, Failure> {
    let mut room = S::Room::default();
    let event =
        side.parse(line, Depth::Event, &mut room).ok_or_else(|| format!("not parsed: {line}"))?;
    Ok(side.matching(&event).into_iter().collect())
}
