//! Rules that can't be evaluated on some events: counted in the status, and told once.

use std::{collections::HashMap, sync::Arc};

use base::{Code, Explain, Place, Problem};
use detect::{Matcher as _, Rule, RuleFailures};

use crate::{happening::Happening, lane::Stages, status::RuleErrors};

/// How many rules are told of at a time: a field that changed its type may break very many. The status
/// has them all.
const TOLD_MAX: usize = 10;

/// A rule could not be evaluated on an event.
#[derive(Debug, thiserror::Error)]
#[error("`{}` can't be evaluated on the event `{}`, and does not match it: {}", .0.title, .0.event_id, .0.message)]
struct Failed(RuleErrors);

impl Explain for Failed {
    fn code(&self) -> Code {
        Code("DAB0708")
    }

    fn place(&self) -> Option<Place> {
        Some(Place::File { path: self.0.file.clone(), line: self.0.line, column: 1 })
    }

    fn help(&self) -> Option<String> {
        Some(format!("look at it with `dab search 'event_id:{}'`", self.0.event_id))
    }
}

/// Notes on the board which rules can't be evaluated, and tells of those that are new.
pub(crate) fn note(stages: &Stages) {
    let failures = stages.matcher.errors();
    let rules = stages.matcher.rules();
    let rules: HashMap<&str, &Arc<Rule>> = match failures.as_slice() {
        [] => HashMap::new(),
        _ => rules.iter().map(|rule| (rule.info.id.as_str(), rule)).collect(),
    };
    // A rule that is not there was replaced in between.
    let errors = failures.into_iter().filter_map(|failures| {
        let rule = rules.get(failures.rule.as_str())?;
        Some(RuleErrors::new(rule, &failures))
    });
    for new in stages.board.rule_errors(errors.collect()).into_iter().take(TOLD_MAX) {
        let report = Problem::from(Failed(new)).report();
        stages.observer.happened(&Happening::Trouble { source: "rules", report: &report });
    }
}

impl RuleErrors {
    fn new(rule: &Rule, failures: &RuleFailures) -> Self {
        Self {
            rule: failures.rule.clone(),
            title: rule.info.title.clone(),
            file: rule.info.file.clone(),
            line: rule.line,
            count: failures.count,
            event_id: failures.event_id.to_string(),
            message: failures.message.clone(),
        }
    }
}
