//! Runs tests: raw event, decoder, matcher.

use std::{collections::BTreeMap, sync::Arc};

use base::{Event, Match, ObjectHash, Timestamp};
use decode::{At, DecodeError, Decoder, Header};
use detect::{
    Engine, Matcher, Rule,
    explain::{Explanation, explain},
};

use super::Case;
use crate::Project;

/// Runs tests over the log sources of a project.
#[derive(Debug)]
pub struct Runner {
    decoders: BTreeMap<String, Decoder>,
}

/// What came of a test.
#[derive(Debug)]
pub struct Verdict {
    /// Why it failed; `None` if it passed.
    pub failure: Option<Failure>,
}

/// Why a test failed. Events count from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The log source can't decode an event.
    Undecoded {
        /// Which event.
        event: usize,
        /// Why.
        reason: String,
    },
    /// The rule was to match an event, and does not.
    Missed {
        /// Which event.
        event: usize,
        /// Why not.
        why: Box<Explanation>,
    },
    /// The rule was not to match an event, and does.
    Matched {
        /// Which event.
        event: usize,
        /// Why.
        why: Box<Explanation>,
    },
    /// The match has another title.
    Title {
        /// The one that was to be.
        expected: String,
        /// The one that it has.
        found: String,
    },
    /// The rule's `dedup` fields have other values.
    Dedup {
        /// Each field, with the value that was to be and the one that it has.
        fields: Vec<(String, String, String)>,
    },
}

impl Runner {
    /// Compiles the log sources.
    ///
    /// # Errors
    /// If one can't be compiled, which loading it has ruled out.
    pub fn new(project: &Project) -> Result<Self, Vec<DecodeError>> {
        let mut decoders = BTreeMap::new();
        for source in &project.log_sources {
            let decoder = Decoder::new(crate::without_times(source))?;
            decoder.use_lookups(Arc::clone(&project.lookups) as _);
            decoders.insert(source.name.clone(), decoder);
        }
        Ok(Self { decoders })
    }

    /// Runs one test, as if its events arrived at `now`; one without a time happened then, too.
    #[must_use]
    pub fn run(&self, case: &Case, now: Timestamp) -> Verdict {
        Verdict { failure: self.check(case, now).err() }
    }

    /// The decoder of a log source.
    #[must_use]
    pub fn decoder(&self, log_source: &str) -> Option<&Decoder> {
        self.decoders.get(log_source)
    }

    fn check(&self, case: &Case, now: Timestamp) -> Result<(), Failure> {
        let Some(decoder) = self.decoders.get(&case.log_source) else {
            let reason = format!("there is no log source `{}`", case.log_source);
            return Err(Failure::Undecoded { event: 1, reason });
        };
        let tried = Tried::new(&case.rule, decoder, now);
        for (index, raw) in case.events.iter().enumerate() {
            let number = index + 1;
            let mut failure = Ok(());
            let records = raw.records(&decoder.log_source().format, &mut |record, header| {
                if failure.is_ok() {
                    failure = tried.record(case, number, record, header);
                }
            });
            records.map_err(|reason| Failure::Undecoded { event: number, reason })?;
            failure?;
        }
        Ok(())
    }
}

/// A rule with all that is needed to try it on records of one log source.
struct Tried<'t> {
    decoder: &'t Decoder,
    matcher: Engine,
    now: Timestamp,
}

impl<'t> Tried<'t> {
    fn new(rule: &Arc<Rule>, decoder: &'t Decoder, now: Timestamp) -> Self {
        let source = decoder.log_source();
        let routes = BTreeMap::from([(source.name.clone(), source.sigma.clone())]);
        Self { decoder, matcher: Engine::new(vec![Arc::clone(rule)], &routes), now }
    }

    fn record(
        &self,
        case: &Case,
        number: usize,
        record: &[u8],
        header: Option<&Header>,
    ) -> Result<(), Failure> {
        let hash = ObjectHash::of(&["test", &case.file, &case.name]);
        let at = At {
            object: &case.file,
            object_hash: hash,
            offset: u64::try_from(number).unwrap_or(u64::MAX),
            ingest_time: self.now,
            header,
        };
        let event = self
            .decoder
            .decode(record, &at)
            .map_err(|reject| Failure::Undecoded { event: number, reason: told(&reject) })?;
        let mut matches = Vec::new();
        self.matcher.evaluate(&event, &mut matches);
        let found = matches.pop();
        match (found, case.must_match) {
            (None, false) => Ok(()),
            (None, true) => {
                Err(Failure::Missed { event: number, why: self.explain(&case.rule, &event) })
            }
            (Some(_), false) => {
                Err(Failure::Matched { event: number, why: self.explain(&case.rule, &event) })
            }
            (Some(found), true) => compare(case, &found),
        }
    }

    fn explain(&self, rule: &Rule, event: &Event<'_>) -> Box<Explanation> {
        Box::new(explain(rule, &self.decoder.log_source().sigma, event))
    }
}

fn told(reject: &decode::Reject) -> String {
    match base::Explain::help(reject) {
        Some(help) => format!("{reject}; {help}"),
        None => reject.to_string(),
    }
}

fn compare(case: &Case, found: &Match) -> Result<(), Failure> {
    if let Some(expected) = case.title.as_ref().filter(|title| **title != found.rule.title) {
        let (expected, found) = (expected.clone(), found.rule.title.clone());
        return Err(Failure::Title { expected, found });
    }
    let Some(expected) = case.dedup.as_ref().filter(|values| **values != found.dedup_values) else {
        return Ok(());
    };
    let values = expected.iter().zip(&found.dedup_values);
    let fields =
        found.rule.dedup.iter().zip(values).filter(|(_, (expected, found))| expected != found);
    let fields =
        fields.map(|(field, (expected, found))| (field.clone(), expected.clone(), found.clone()));
    Err(Failure::Dedup { fields: fields.collect() })
}
