//! What tests say when they have run: for people, as JSON lines, and as comma-separated values.

use serde_json::{Value as Json, json};

use super::{Case, Failure, Suite, Verdict};
use crate::trace::{self, Layout, cut};

/// How many tests came out how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many were run.
    pub tests: usize,
    /// How many of these failed.
    pub failed: usize,
    /// How many rules there are.
    pub rules: usize,
    /// How many of these have no test.
    pub untested: usize,
    /// How many tests and rules could not be read.
    pub problems: usize,
}

impl Summary {
    /// For the tests of a suite, of which `failed` failed.
    #[must_use]
    pub const fn new(suite: &Suite, failed: usize, rule_problems: usize) -> Self {
        Self {
            tests: suite.cases.len(),
            failed,
            rules: suite.rules,
            untested: suite.untested.len(),
            problems: suite.problems.len() + rule_problems,
        }
    }

    /// As a line for people.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { tests, failed, rules, untested, problems } = *self;
        let mut line = format!(
            "{} of {}: {} passed, {failed} failed",
            counted(tests, "test"),
            counted(rules - untested, "rule"),
            tests - failed
        );
        if untested > 0 {
            let verb = if untested == 1 { "has" } else { "have" };
            line.push_str(&format!("; {} {verb} no test", counted(untested, "rule")));
        }
        if problems > 0 {
            line.push_str(&format!("; {}", counted(problems, "problem")));
        }
        line
    }

    /// As JSON.
    #[must_use]
    pub fn json(&self) -> Json {
        json!({
            "tests": self.tests,
            "passed": self.tests - self.failed,
            "failed": self.failed,
            "rules": self.rules,
            "untested": self.untested,
            "problems": self.problems,
        })
    }
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

impl Case {
    /// A failure for people: what was to be, what is, and why.
    #[must_use]
    pub fn failure_text(&self, failure: &Failure, layout: &Layout) -> String {
        let mark = if layout.color { "\x1b[31mFAIL\x1b[0m" } else { "FAIL" };
        let mut out = format!(
            "{mark} {}:{}:{}: {}\n     {} [{}]\n",
            self.file,
            self.line,
            self.column,
            cut(&self.name, layout.width),
            cut(&self.rule.info.title, layout.width),
            self.log_source
        );
        out.push_str(&format!("  {}", self.sentence(failure)));
        if let Failure::Missed { why, .. } | Failure::Matched { why, .. } = failure {
            out.push_str(":\n");
            let layout = Layout { indent: layout.indent + 4, ..*layout };
            out.push_str(&trace::text(why, &self.log_source, &layout));
        } else {
            out.push('\n');
        }
        out
    }

    /// A failure in one sentence.
    #[must_use]
    pub fn sentence(&self, failure: &Failure) -> String {
        let which = |event: &usize| match self.events.len() {
            1 => "the event".to_owned(),
            count => format!("event {event} of {count}"),
        };
        match failure {
            Failure::Undecoded { event, reason } => {
                format!("{} can't be decoded: {reason}", which(event))
            }
            Failure::Missed { event, .. } => {
                format!("the rule was to match {}, and does not", which(event))
            }
            Failure::Matched { event, .. } => {
                format!("the rule was not to match {}, and does", which(event))
            }
            Failure::Title { expected, found } => {
                format!("the title was to be `{expected}`, and is `{found}`")
            }
            Failure::Dedup { fields } => {
                let one = |(field, expected, found): &(String, String, String)| {
                    format!("`{field}` was to be `{expected}`, and is `{found}`")
                };
                format!("dedup: {}", fields.iter().map(one).collect::<Vec<_>>().join("; "))
            }
        }
    }

    /// The test and what came of it, as JSON.
    #[must_use]
    pub fn json(&self, verdict: &Verdict) -> Json {
        let failure = verdict.failure.as_ref();
        let (event, why) = match failure {
            Some(Failure::Missed { event, why } | Failure::Matched { event, why }) => {
                (Some(event), Some(trace::json(why)))
            }
            _ => (None, None),
        };
        json!({
            "test": self.name,
            "rule": self.rule.info.id,
            "title": self.rule.info.title,
            "file": self.file,
            "line": self.line,
            "log_source": self.log_source,
            "passed": failure.is_none(),
            "failure": failure.map(|failure| self.sentence(failure)),
            "event": event,
            "why": why,
        })
    }

    /// The columns of [`Self::row`].
    pub const HEADER: [&'static str; 6] = ["file", "line", "rule", "test", "passed", "failure"];

    /// The test and what came of it, as a row.
    #[must_use]
    pub fn row(&self, verdict: &Verdict) -> [String; 6] {
        let failure = verdict.failure.as_ref();
        [
            self.file.clone(),
            self.line.to_string(),
            self.rule.info.id.clone(),
            self.name.clone(),
            failure.is_none().to_string(),
            failure.map(|failure| self.sentence(failure)).unwrap_or_default(),
        ]
    }
}
