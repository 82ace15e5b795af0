//! Evaluates the quick form. No step allocates, but where an expression falls back to `eval`.

use base::{Event, Value, limits};

use super::{
    Each, Quickly,
    check::Check,
    place::{LOCALS_MAX, Place, REPEATED_MAX},
};
use crate::{
    error::EvalError,
    eval::{Evaluation, RegexCache, Root},
    lookup::Lookups,
    node::{MacroKind, Node},
    steps::Steps,
    value::CelValue,
};

/// What a boolean expression answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    No,
    Yes,
    /// Something that it reads is absent.
    Absent,
    /// It has no value for another reason.
    Failed,
    /// It took too many steps; nothing absorbs this.
    Exhausted,
}

impl From<bool> for Answer {
    #[inline]
    fn from(value: bool) -> Self {
        if value { Self::Yes } else { Self::No }
    }
}

/// One evaluation.
struct Quick<'a> {
    event: &'a Event<'a>,
    regexes: &'a RegexCache,
    lookups: Option<&'a dyn Lookups>,
    steps: Steps,
    /// The variables of the macros being evaluated, outermost first.
    locals: [Option<&'a Value<'a>>; LOCALS_MAX],
    /// How many of these there are.
    depth: usize,
    /// The values of fields that are read several times, once they were looked up.
    repeated: [Option<Option<&'a Value<'a>>>; REPEATED_MAX],
}

/// What an expression says of an event.
#[inline]
pub(crate) fn answer<'a>(
    expression: &'a Quickly,
    event: &'a Event<'a>,
    regexes: &'a RegexCache,
    lookups: Option<&'a dyn Lookups>,
) -> Answer {
    match expression {
        Quickly::Check(place, check) => alone(place, check, event),
        expression => Quick::new(event, regexes, lookups).answer(expression),
    }
}

/// A lone test, which needs nothing to be remembered.
#[inline(never)]
fn alone(place: &Place, check: &Check, event: &Event<'_>) -> Answer {
    let mut steps = Steps::new(limits::CEL_STEPS_MAX);
    match place.in_event(event) {
        Some(value) if steps.spend(1) => check.of(value, &mut steps),
        Some(_) => Answer::Exhausted,
        None => Answer::Absent,
    }
}

impl<'a> Quick<'a> {
    fn new(
        event: &'a Event<'a>,
        regexes: &'a RegexCache,
        lookups: Option<&'a dyn Lookups>,
    ) -> Self {
        let steps = Steps::new(limits::CEL_STEPS_MAX);
        Self {
            event,
            regexes,
            lookups,
            steps,
            locals: [None; LOCALS_MAX],
            depth: 0,
            repeated: [None; REPEATED_MAX],
        }
    }

    #[inline(never)]
    fn answer(&mut self, expression: &'a Quickly) -> Answer {
        match expression {
            Quickly::Check(place, check) => self.check(place, check),
            Quickly::All(members) => self.decide(members, Answer::No, Answer::Yes),
            Quickly::Any(members) => self.decide(members, Answer::Yes, Answer::No),
            Quickly::Not(inner) => match self.answer(inner) {
                Answer::Yes => Answer::No,
                Answer::No => Answer::Yes,
                other => other,
            },
            Quickly::Has(place) => Answer::from(place.in_event(self.event).is_some()),
            Quickly::Constant(value) => Answer::from(*value),
            Quickly::If(parts) => {
                let [test, yes, no] = &**parts;
                match self.answer(test) {
                    Answer::Yes => self.answer(yes),
                    Answer::No => self.answer(no),
                    other => other,
                }
            }
            Quickly::Same { places, wanted } => self.same(places, *wanted),
            Quickly::Each(each) => self.each(each),
            Quickly::Slow(node) => self.slow(node),
        }
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "measured: a call costs as much as the test")]
    fn check(&mut self, place: &'a Place, check: &'a Check) -> Answer {
        if !self.steps.spend(1) {
            return Answer::Exhausted;
        }
        match self.value(place) {
            Ok(value) => check.of(value, &mut self.steps),
            Err(answer) => answer,
        }
    }

    /// The first member that answers `deciding` decides, errors of the others notwithstanding.
    fn decide(&mut self, members: &'a [Quickly], deciding: Answer, otherwise: Answer) -> Answer {
        let mut result = otherwise;
        for member in members {
            let answer = match member {
                Quickly::Check(place, check) => self.check(place, check),
                other => self.answer(other),
            };
            if answer == deciding || answer == Answer::Exhausted {
                return answer;
            }
            if answer != otherwise && result == otherwise {
                result = answer;
            }
        }
        result
    }

    /// The value at a place.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "measured: a call costs as much as the look-up")]
    fn value(&mut self, place: &'a Place) -> Result<&'a Value<'a>, Answer> {
        let (slot, found) = match place {
            Place::Plain(_) | Place::Two(_) | Place::Deep(_) => {
                return place.in_event(self.event).ok_or(Answer::Absent);
            }
            Place::Repeated(slot, inner) => {
                return self.repeated(*slot, inner).ok_or(Answer::Absent);
            }
            Place::Local(slot) => return self.local(*slot).ok_or(Answer::Failed),
            Place::LocalPlain(slot, name) => match self.local(*slot) {
                Some(Value::Object(object)) => (slot, name.find(object)),
                _ => return Err(Answer::Failed),
            },
            Place::LocalDeep(slot, path) => match self.local(*slot) {
                Some(Value::Object(object)) => (slot, path.in_object(object)),
                _ => return Err(Answer::Failed),
            },
        };
        debug_assert!(*slot < self.depth, "a variable is read inside its macro");
        found.ok_or(Answer::Absent)
    }

    /// The value of a field that is read several times.
    fn repeated(&mut self, slot: usize, place: &'a Place) -> Option<&'a Value<'a>> {
        if let Some(Some(found)) = self.repeated.get(slot) {
            return *found;
        }
        let found = place.in_event(self.event);
        if let Some(known) = self.repeated.get_mut(slot) {
            *known = Some(found);
        }
        found
    }

    #[inline]
    fn local(&self, slot: usize) -> Option<&'a Value<'a>> {
        self.locals.get(slot).copied().flatten()
    }

    #[inline(never)]
    fn same(&mut self, [left, right]: &'a [Place; 2], wanted: bool) -> Answer {
        if !self.steps.spend(1) {
            return Answer::Exhausted;
        }
        let (left, right) = match (self.value(left), self.value(right)) {
            (Ok(left), Ok(right)) => (left, right),
            (Err(answer), _) | (_, Err(answer)) => return answer,
        };
        match CelValue::of(left).equals(&CelValue::of(right), &mut self.steps) {
            Ok(equal) => Answer::from(equal == wanted),
            Err(_) => Answer::Exhausted,
        }
    }

    #[inline(never)]
    fn each(&mut self, each: &'a Each) -> Answer {
        let mut tally = Tally { kind: each.kind, count: 0, failed: None };
        let members = match self.value(&each.range) {
            Ok(Value::List(members)) => members,
            // Over a map's keys, which are no values of the event.
            Ok(Value::Object(_)) => return self.slow(&each.node),
            Ok(_) => return Answer::Failed,
            Err(answer) => return answer,
        };
        for member in members {
            if let Some(answer) = self.visit(each, member, &mut tally) {
                return answer;
            }
        }
        tally.answer()
    }

    /// Evaluates a macro for one member; answers if that decides it.
    fn visit(
        &mut self,
        each: &'a Each,
        member: &'a Value<'a>,
        tally: &mut Tally,
    ) -> Option<Answer> {
        if !self.steps.spend(1) {
            return Some(Answer::Exhausted);
        }
        let Some(slot) = self.locals.get_mut(self.depth) else { return Some(Answer::Failed) };
        *slot = Some(member);
        self.depth += 1;
        let answer = self.answer(&each.body);
        self.depth -= 1;
        tally.add(answer)
    }

    #[inline(never)]
    fn slow(&mut self, node: &'a Node) -> Answer {
        let steps = std::mem::replace(&mut self.steps, Steps::new(0));
        let locals = self
            .locals
            .iter()
            .take(self.depth)
            .flatten()
            .map(|local| CelValue::of(local))
            .collect();
        let root = Root::Event(self.event);
        let mut evaluation =
            Evaluation::new(root, self.regexes, self.lookups).resuming(steps, locals);
        let answer = match evaluation.eval(node) {
            Ok(CelValue::Bool(value)) => Answer::from(value),
            Ok(_) => Answer::Failed,
            Err(EvalError::TooManySteps) => Answer::Exhausted,
            Err(error) if error.is_absence() => Answer::Absent,
            Err(_) => Answer::Failed,
        };
        self.steps = evaluation.into_steps();
        answer
    }
}

/// What a macro has seen so far.
struct Tally {
    kind: MacroKind,
    count: usize,
    failed: Option<Answer>,
}

impl Tally {
    /// Takes note of one member's answer; answers if that decides.
    fn add(&mut self, answer: Answer) -> Option<Answer> {
        match (self.kind, answer) {
            (_, Answer::Exhausted) => Some(Answer::Exhausted),
            (MacroKind::Exists, Answer::Yes) => Some(Answer::Yes),
            (MacroKind::All, Answer::No) => Some(Answer::No),
            (_, Answer::Yes) => {
                self.count += 1;
                None
            }
            (_, Answer::No) => None,
            (MacroKind::ExistsOne, failed) => Some(failed),
            (_, failed) => {
                self.failed = self.failed.or(Some(failed));
                None
            }
        }
    }

    fn answer(self) -> Answer {
        match (self.failed, self.kind) {
            (Some(failed), _) => failed,
            (None, MacroKind::ExistsOne) => Answer::from(self.count == 1),
            (None, kind) => Answer::from(kind == MacroKind::All),
        }
    }
}
