//! Logs of a small company with an attack in them, from a seed: what `dab demo` plays, and what
//! tests and benchmarks feed on. With them, the detections that ship with dab.
//!
//! The same seed, start, length and rate give the same bytes on every machine. Records look as the
//! products write them, but for the rendered `Message` of Windows events, which many shippers leave
//! out too. This crate does no I/O and knows nothing of the stages.

mod cast;
mod detections;
mod random;
mod scenario;
mod source;
mod story;
mod text;

pub use detections::shipped_detections;
pub use random::Random;
pub use scenario::{Generated, Scenario};
pub use story::{Step, steps};
