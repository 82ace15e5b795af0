//! What the engines have in common: they parse lines into events, and evaluate those.

use crate::{Failure, lane::Lane, rules::RuleFile};

/// How much is made of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// What rules need: the fields. All that RSigma makes.
    Fields,
    /// What dab needs to store an event, too: its time, its id, and the normalized fields.
    Event,
}

/// An engine with its rules loaded.
pub(crate) trait Side: Sized {
    /// What it makes of a line, borrowing from it.
    type Event<'l>;
    /// Whether it knows more of an event than its fields.
    const HAS_EVENTS: bool;
    /// What is kept from one event to the next.
    type Scratch: Default;
    /// Memory for what an event can't borrow from its line, used again for later ones.
    type Room: Default;

    /// Loads the rules for a lane; answers the paths of those that it refused, too.
    fn load(lane: &Lane, files: &[RuleFile]) -> Result<(Self, Vec<String>), Failure>;

    /// How many rules it has.
    fn rules(&self) -> usize;

    /// Makes an event of a line.
    fn parse<'l>(
        &'l self,
        line: &'l str,
        depth: Depth,
        room: &'l mut Self::Room,
    ) -> Option<Self::Event<'l>>;

    /// Evaluates all rules over an event and answers how many matched.
    fn evaluate(&self, event: &Self::Event<'_>, scratch: &mut Self::Scratch) -> usize;

    /// Of the texts that were looked at and may be remembered, how many were known, in percent.
    fn known_percent(&self) -> Option<f64> {
        None
    }

    /// The ids of the rules that match an event, through every log source that it belongs to.
    fn matching(&self, event: &Self::Event<'_>) -> Vec<String>;
}
