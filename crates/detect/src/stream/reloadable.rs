//! A matcher whose rules can be replaced while it runs.

use std::{
    cell::RefCell,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use base::{Event, Match};

use super::{Matcher, RuleFailures};
use crate::rule::Rule;

/// For how many of these matchers a thread remembers what is current.
const PER_THREAD_MAX: usize = 16;

/// Evaluates with whichever matcher is current.
///
/// Each event is evaluated by exactly one matcher, the old or the new one as a whole; none is lost
/// and none waits. A thread drops the old matcher when it evaluates its next event.
#[derive(Debug)]
pub struct Reloadable {
    /// Unlike that of any other, so that threads find what they remember.
    number: u64,
    /// Grows with each replacement, after `current` has changed.
    generation: AtomicU64,
    current: Mutex<Arc<dyn Matcher>>,
}

/// What a thread remembers of a [`Reloadable`], so that it takes no lock for an event.
struct Remembered {
    number: u64,
    generation: u64,
    matcher: Arc<dyn Matcher>,
}

thread_local! {
    static REMEMBERED: RefCell<Vec<Remembered>> = const { RefCell::new(Vec::new()) };
}

impl Reloadable {
    /// Begins with this matcher.
    #[must_use]
    pub fn new(matcher: Arc<dyn Matcher>) -> Self {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        Self {
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            generation: AtomicU64::new(0),
            current: Mutex::new(matcher),
        }
    }

    /// Evaluates the events that begin from now on with another matcher; answers the old one, which
    /// threads may still be busy with.
    pub fn replace(&self, matcher: Arc<dyn Matcher>) -> Arc<dyn Matcher> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *current, matcher);
        // Under the lock, so that whoever sees the number finds at least this matcher.
        self.generation.fetch_add(1, Ordering::Release);
        old
    }

    /// The matcher for the next event.
    #[must_use]
    pub fn current(&self) -> Arc<dyn Matcher> {
        let generation = self.generation.load(Ordering::Acquire);
        REMEMBERED.with_borrow_mut(|all| {
            let at = all.iter().position(|known| known.number == self.number);
            if let Some(known) = at.and_then(|at| all.get(at))
                && known.generation == generation
            {
                return Arc::clone(&known.matcher);
            }
            at.map(|at| all.swap_remove(at));
            if all.len() >= PER_THREAD_MAX {
                all.remove(0);
            }
            let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
            let matcher = Arc::clone(&current);
            // If it was replaced since, the number is too low, and the next event looks again.
            all.push(Remembered { number: self.number, generation, matcher: Arc::clone(&matcher) });
            matcher
        })
    }
}

impl Matcher for Reloadable {
    fn evaluate(&self, event: &Event<'_>, matches: &mut Vec<Match>) {
        self.current().evaluate(event, matches);
    }

    fn rules(&self) -> Arc<[Arc<Rule>]> {
        self.current().rules()
    }

    fn errors(&self) -> Vec<RuleFailures> {
        self.current().errors()
    }
}

#[cfg(test)]
mod tests {
    use std::{borrow::Cow, collections::BTreeMap, thread};

    use base::{EventId, Object, ObjectHash, Origin, Timestamp, Value};

    use super::*;
    use crate::{load_file, stream::Engine};

    /// A matcher with two rules that match every event; their ids begin with its name.
    fn engine(name: &str) -> Arc<dyn Matcher> {
        let rule = |number: u32| {
            format!("title: T\nid: {name}{number}\ndetection: {{s: {{f: 1}}, condition: s}}\n")
        };
        let text = format!("{}---\n{}", rule(1), rule(2));
        let rules = load_file("r.yml", &text).into_iter().map(|rule| Arc::new(rule.unwrap()));
        Arc::new(Engine::new(rules.collect(), &BTreeMap::new()))
    }

    fn event() -> Event<'static> {
        let mut fields = Object::new();
        fields.push("f", Value::Int(1));
        Event {
            time: Timestamp::from_seconds(1_795_507_200),
            ingest_time: Timestamp::from_seconds(1_795_507_200),
            id: EventId { object: ObjectHash::of(&["x"]), offset: 0 },
            log_source: "any",
            origin: Origin { object: Cow::Borrowed("x"), offset: 0 },
            fields,
            normalized: Object::new(),
            json: None,
        }
    }

    /// The ids of what matches, without their numbers.
    fn evaluated_by(matcher: &dyn Matcher) -> String {
        let mut matches = Vec::new();
        matcher.evaluate(&event(), &mut matches);
        let ids = matches.iter().map(|found| found.rule.id.as_str()).collect::<Vec<_>>();
        let name = ids[0].trim_end_matches('1');
        assert_eq!(ids, [format!("{name}1"), format!("{name}2")]);
        name.to_owned()
    }

    #[test]
    fn the_next_event_meets_the_new_rules() {
        let matcher = Reloadable::new(engine("old"));
        let other = Reloadable::new(engine("other"));
        assert_eq!(evaluated_by(&matcher), "old");
        let old = matcher.replace(engine("new"));
        assert_eq!(evaluated_by(&matcher), "new");
        assert_eq!(evaluated_by(&other), "other");
        assert_eq!(evaluated_by(&*old), "old");
        assert_eq!(matcher.rules()[0].info.id, "new1");
    }

    #[test]
    fn every_event_meets_one_set_of_rules_as_a_whole() {
        const EVENTS: usize = 2000;
        let matcher = Reloadable::new(engine("a"));
        let seen = thread::scope(|scope| {
            let evaluate = || (0..EVENTS).map(|_| evaluated_by(&matcher)).collect::<Vec<_>>();
            let threads = [scope.spawn(evaluate), scope.spawn(evaluate)];
            for name in ["b", "c", "d", "e"] {
                thread::yield_now();
                drop(matcher.replace(engine(name)));
            }
            threads.map(|thread| thread.join().unwrap())
        });
        for names in seen {
            assert_eq!(names.len(), EVENTS);
            assert!(names.is_sorted(), "a replaced set came back");
        }
        assert_eq!(evaluated_by(&matcher), "e");
    }
}
