//! The nouns that every stage of dab shares, and nothing that does I/O.
//!
//! What passes between two stages is defined here, so that no stage needs to import another:
//! [`Event`] (decode to detect and lake), [`Match`] (detect to notify), [`Alert`] (notify onward),
//! and [`Problem`], the one form in which a mistake reaches a person.

mod about;
mod alert;
mod column;
mod damage;
pub mod event;
pub mod fault;
mod http;
mod ids;
pub mod limits;
mod need;
mod problem;
mod quarantine;
mod sigma_route;
mod state;
#[cfg(feature = "conformance")]
pub mod state_conformance;
mod syslog;
mod time;

pub use about::ABOUT_MARK;
pub use alert::{Alert, Fact, Facts, Level, Match, Reason, RuleInfo};
pub use column::ColumnType;
pub use damage::{DAMAGE_MARK, read_damage, write_damage};
pub use event::{Event, FieldPath, Object, Origin, RecordJson, Value};
pub use http::{HttpExchange, HttpFailure, HttpReply, HttpRequest};
pub use ids::{EventId, ObjectHash};
pub use need::{Clause, Holds, Need};
pub use problem::{Code, Explain, Place, Problem, Report};
pub use quarantine::Quarantined;
pub use sigma_route::SigmaRoute;
pub use state::{MemoryState, StateError, StateStore, Versioned};
pub use syslog::SyslogFrame;
pub use time::{Clock, Day, FixedClock, SystemClock, Timestamp};
