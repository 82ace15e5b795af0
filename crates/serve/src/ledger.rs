//! What came in and is not stored, or stored twice: an alert about each finding.
//!
//! A batch that does not add up when it is made says so with its own matches, in its own commit. What a
//! later look finds is dealt with under numbers of its own.

use std::{sync::Arc, time::Duration};

use base::{
    EventId, Explain as _, Level, Match, ObjectHash, Problem, Reason, RuleInfo, Timestamp, limits,
};
use lake::{
    batch::Manifest,
    check::Finding,
    reconcile::{Written, reconcile},
};

use tokio::runtime::Handle;

use crate::{
    Stop,
    happening::Happening,
    lane::{Stages, blocking},
};

/// Under which name these matches are committed. No source has it: their names have no dot.
pub(crate) const SOURCE: &str = "dab.ledger";

/// The id of the alerts' rule.
pub(crate) const RULE_ID: &str = "dab.ledger";

/// For how long the same finding joins its alert: it is found again until someone mends it.
const ALERT_WINDOW_SECONDS: u64 = 30 * 86_400;

/// The match about a batch whose records are not its rows and quarantined records.
pub(crate) fn mismatch(manifest: &Manifest, address: String) -> Option<Match> {
    let reason = manifest.mismatch()?;
    let (origin, number) = (manifest.source.clone(), manifest.number);
    let finding = Finding::Ledger { origin, number, reason, address };
    Some(alert(&finding, manifest.written, 1))
}

/// Looks at what was taken in since yesterday, once a day and when the process begins, until told to stop.
pub(crate) async fn watch(stages: Arc<Stages>, every: Duration, mut stop: Stop) {
    let mut last = None;
    loop {
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = stop.stopped() => return,
        }
        let now = stages.clock.now();
        if last == Some(now.day()) {
            continue;
        }
        let yesterday = now.minus(Duration::from_secs(86_400)).day().start();
        let (runtime, at_work, mut until) = (Handle::current(), Arc::clone(&stages), stop.clone());
        // Unpacking pages would hold up whoever shares the thread.
        let done = blocking(SOURCE, move || {
            runtime.block_on(async {
                tokio::select! {
                    done = look(&at_work, yesterday) => Some(done),
                    () = until.stopped() => None,
                }
            })
        });
        match done.await {
            Ok(Some(Ok(_))) => last = Some(now.day()),
            Ok(None) => return,
            Ok(Some(Err(problem))) | Err(problem) => {
                let report = problem.report();
                tracing::warn!(problem = %report, "the ledger can't be looked at");
                let happening = Happening::Trouble { source: "ledger", report: &report };
                stages.observer.happened(&happening);
            }
        }
    }
}

/// Looks at what was taken in from a time on, and alerts about what does not agree. Answers how many
/// findings there are.
pub(crate) async fn look(stages: &Stages, from: Timestamp) -> Result<usize, Problem> {
    let lake = stages.lake.another_handle();
    let written = Written { from: Some(from), to: None };
    let done = reconcile(&lake, &written, false).await?;
    let count = done.findings.len() + done.more;
    if count == 0 {
        return Ok(0);
    }
    let now = stages.clock.now();
    let some = done.findings.iter().take(limits::LEDGER_ALERTS_MAX);
    let matches: Vec<Match> = some.clone().map(|finding| alert(finding, now, count)).collect();
    for finding in some {
        let report = Problem::from(finding.clone()).report();
        tracing::error!(problem = %report, "what came in is not what is stored");
        let happening = Happening::Trouble { source: "ledger", report: &report };
        stages.observer.happened(&happening);
    }
    stages.alerts.raise(SOURCE, &matches).await?;
    Ok(count)
}

/// `count`: how many findings the same look has.
fn alert(finding: &Finding, time: Timestamp, count: usize) -> Match {
    let place = finding.place().map(|place| place.to_string()).unwrap_or_default();
    let (code, message) = (finding.code().0, finding.to_string());
    let reason = |field: &str, test: &str, value: String| Reason {
        field: field.into(),
        test: test.into(),
        value,
    };
    let object = ObjectHash::of(&["ledger", code, &message, &place]);
    Match {
        rule: Arc::new(RuleInfo {
            id: RULE_ID.to_owned(),
            title: "What came in is not what is stored".to_owned(),
            level: Level::High,
            tags: Vec::new(),
            dedup: vec!["finding".to_owned()],
            dedup_window_seconds: ALERT_WINDOW_SECONDS,
            file: String::new(),
        }),
        time,
        event_id: EventId { object, offset: 0 }.to_string().into(),
        log_source: "dab".into(),
        reasons: vec![
            reason("ledger", code, message.clone()),
            reason(
                "what to do",
                "run `dab lake reconcile`",
                format!("{count} findings; {}", finding.help().unwrap_or_default()),
            ),
        ],
        dedup_values: vec![format!("{code} {message}")],
        event: serde_json::json!({
            "code": code,
            "message": message,
            "place": place,
            "findings": count,
        })
        .to_string()
        .into(),
        facts: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_that_does_not_add_up_says_so() {
        let text = include_str!("../../lake/tests/samples/manifest-v1.json");
        let mut manifest: Manifest = serde_json::from_str(text).unwrap();
        let address = "file:///lake/batches/s/1.json".to_owned();
        assert_eq!(mismatch(&manifest, address.clone()), None);
        manifest.records += 1;
        let found = mismatch(&manifest, address).unwrap();
        assert_eq!((found.rule.id.as_str(), found.time), (RULE_ID, manifest.written));
        assert!(found.reasons[0].value.contains("records came in, and became"), "{found:?}");
        assert_eq!(&*found.reasons[0].test, "DAB0545");
    }
}
