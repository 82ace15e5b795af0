//! Which events of a stretch of time a table has: so that pulling it again stores none of them twice.

use std::{collections::HashSet, fmt::Write as _, sync::Arc, time::Duration};

use base::{Problem, Timestamp, limits};
use collect::{EventKey, PullError, PullPlan};
use lake::{
    Lake,
    query::{Engine, OutputFormat, QuerySettings, render},
};

use crate::lane::blocking;

/// An API may go by another time than that of the event, such as when a file was written: so much
/// earlier and later is looked at too.
const MARGIN: Duration = Duration::from_secs(3 * 86_400);

/// The keys of the events that the table has of a stretch of time.
pub(super) async fn keys(
    lake: &Arc<Lake>,
    table: &str,
    plan: &PullPlan,
    (from, to): (Timestamp, Timestamp),
) -> Result<HashSet<EventKey>, Problem> {
    let lake = lake.another_handle();
    if lake.table(table).await?.snapshot().await?.is_none() {
        return Ok(HashSet::new());
    }
    let sql = query(table, &plan.ids, (from.minus(MARGIN), to.plus(MARGIN)));
    let rows = Engine::new(Arc::new(lake) as _, QuerySettings::default()).sql(&sql).await?;
    let parts = plan.ids.len();
    let found = blocking(&plan.name, move || {
        let mut json = Vec::new();
        // Writing to memory does not fail.
        render(&rows, OutputFormat::Json, None, &mut json).unwrap_or_default();
        let lines = json.split(|byte| *byte == b'\n');
        lines.filter_map(|line| key(line, parts)).collect::<HashSet<_>>()
    })
    .await?;
    if found.len() > limits::PULL_IDS_MAX {
        return Err(PullError::TooManyIds { name: plan.name.clone() }.into());
    }
    Ok(found)
}

fn query(table: &str, ids: &[Vec<String>], (from, to): (Timestamp, Timestamp)) -> String {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let mut columns = String::new();
    for (index, path) in ids.iter().enumerate() {
        let path = path.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(".");
        // Writing to a string can't fail.
        write!(columns, "CAST(t.{path} AS VARCHAR) AS k{index}, ").unwrap_or_default();
    }
    format!(
        "SELECT {} FROM {} t WHERE t.time >= TIMESTAMP '{from}' AND t.time < TIMESTAMP '{to}' LIMIT {}",
        columns.trim_end_matches(", "),
        quoted(table),
        limits::PULL_IDS_MAX + 1
    )
}

fn key(line: &[u8], parts: usize) -> Option<EventKey> {
    let row: serde_json::Value = serde_json::from_slice(line).ok()?;
    let part = |index: usize| row.get(format!("k{index}"))?.as_str().map(ToOwned::to_owned);
    let values = (0..parts).map(part).collect::<Option<Vec<_>>>()?;
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    Some(EventKey::of_id(&values))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_asked_for_and_read_back() {
        let at = |text| Timestamp::parse(text).unwrap();
        let ids = [vec!["id".to_owned(), "un\"ique".to_owned()], vec!["uuid".to_owned()]];
        let times = (at("2026-11-01T00:00:00Z"), at("2026-11-02T00:00:00Z"));
        assert_eq!(
            query("t", &ids, times),
            "SELECT CAST(t.\"id\".\"un\"\"ique\" AS VARCHAR) AS k0, CAST(t.\"uuid\" AS VARCHAR) AS k1 \
             FROM \"t\" t WHERE t.time >= TIMESTAMP '2026-11-01T00:00:00Z' \
             AND t.time < TIMESTAMP '2026-11-02T00:00:00Z' LIMIT 2000001"
        );
        assert_eq!(key(br#"{"k0":"a","k1":"b"}"#, 2), Some(EventKey::of_id(&["a", "b"])));
        for none in [&br#"{"k0":"a","k1":null}"#[..], br#"{"k0":"a"}"#, b""] {
            assert_eq!(key(none, 2), None);
        }
    }
}
