//! The `lift` of a log source.

use base::FieldPath;

use super::{
    super::{
        Lift,
        yaml::{Content, Node},
    },
    shape::{Keys, Report},
};

const LIFT_KEYS: &[&str] = &["from", "to", "inner", "keep", "pairs"];
const PAIR_KEYS: &[&str] = &["name", "value"];

pub(super) fn read_lifts(node: Option<&Node>, report: &mut Report<'_>) -> Vec<Lift> {
    let Some(node) = node else { return Vec::new() };
    let members = report.list(node, "`lift`").unwrap_or_default();
    members.iter().filter_map(|member| read_lift(member, report)).collect()
}

fn read_lift(node: &Node, report: &mut Report<'_>) -> Option<Lift> {
    if !matches!(node.content, Content::Map(_)) {
        let from = FieldPath::new(report.text(node, "a member of `lift`")?);
        return Some(Lift::Members { from, inner: false });
    }
    let keys = Keys::of(node, "a member of `lift`", LIFT_KEYS, report)?;
    let from: Vec<FieldPath> =
        keys.one_or_many("from", report).into_iter().map(FieldPath::new).collect();
    let Some(first) = from.first().cloned() else {
        report.wrong(node.at, "`from` is missing", "name the field to lift");
        return None;
    };
    let to = keys.text("to", report).map(|(_, text)| text.to_owned());
    let (inner, keep) = (keys.bool("inner", report), keys.bool("keep", report));
    let lift = match (keys.get("pairs"), to) {
        (Some(pairs), to) => {
            let pairs = Keys::of(pairs, "`pairs`", PAIR_KEYS, report)?;
            let mut paths = |key| -> Vec<FieldPath> {
                pairs.one_or_many(key, report).into_iter().map(FieldPath::new).collect()
            };
            let (name, value) = (paths("name"), paths("value"));
            Lift::Pairs { from: first, name, value, to: to.map(FieldPath::new), keep }
        }
        (None, Some(to)) => Lift::Value { from: from.clone(), to, keep },
        (None, None) => Lift::Members { from: first, inner },
    };
    check(node, &lift, &from, inner, keep, report);
    Some(lift)
}

/// Refuses what would have no effect.
fn check(
    node: &Node,
    lift: &Lift,
    from: &[FieldPath],
    inner: bool,
    keep: bool,
    report: &mut Report<'_>,
) {
    let is_members = matches!(lift, Lift::Members { .. });
    if from.len() > 1 && !matches!(lift, Lift::Value { .. }) {
        let help = "write one member of `lift` for each, or `to` with the name to give";
        report.wrong(node.at, "`from` is a list", help);
    }
    if inner && !is_members {
        report.wrong(
            node.at,
            "`inner` has no meaning here",
            "remove it, or remove `to` and `pairs`",
        );
    }
    if keep && is_members {
        report.wrong(node.at, "`keep` has no meaning here", "remove it, or write `to` or `pairs`");
    }
}
