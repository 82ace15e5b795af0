//! From events to matches: reads rules, routes them to log sources, and evaluates them.
//!
//! A rule is a Sigma file as others publish it, or one of ours with a `cel:` expression instead of
//! Sigma's `detection`. [`load_documents`] reads a file, [`RuleSet`] puts the documents of all files
//! together; what can't be run is a [`RuleError`] that says why, never a silent omission.
//! [`FullScan`] evaluates every rule that is
//! routed to an event's log source, plainly; whatever evaluates faster implements [`Matcher`] too
//! and must find the same matches.
//!
//! [`explain`] says why a rule matches an event, or why not, test by test.
//!
//! [`Correlator`] makes matches of correlations out of those of the rules they name.
//!
//! Not here: scheduled SQL is recognized and refused with a reason; deduplication of matches is the
//! next stage's.

mod correlate;
mod definitions;
mod error;
pub mod explain;
mod needs;
mod reads;
mod rule;
mod sigma;
mod stream;
pub mod yaml;

pub use correlate::{Correlation, CorrelationKind, Correlator, Counts, RestoreError};
pub use definitions::{
    Defined, Definitions, KnownLogSource, Values, may_define, placeholder_lines, read_definitions,
};
pub use error::{RuleError, RuleErrorKind};
pub use needs::may_hold;
pub use reads::Reads;
pub use rule::{
    Document, Filter, LogSourceSelector, Placeholders, Rule, RuleSet, load_documents, load_file,
    load_file_with,
};
pub use stream::{Engine, FullScan, Matcher, Reloadable, Remembering, RuleFailures};
