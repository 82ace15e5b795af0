//! Functions of lists, and of lists as sets.

use std::cmp::Ordering;

use base::limits;

use super::{Evaluated, Evaluation, overload};
use crate::{
    error::EvalError,
    functions::{Function, ListFunction},
    value::{CelList, CelValue},
};

impl<'a> Evaluation<'a> {
    pub(super) fn list_function(
        &mut self,
        function: ListFunction,
        values: &[CelValue<'a>],
    ) -> Evaluated<'a> {
        use CelValue::{Bool, Int, List};
        match (function, values) {
            (ListFunction::Range, [Int(size)]) => {
                self.steps.take_many(usize::try_from(*size).unwrap_or(0))?;
                Ok(CelValue::list((0..*size).map(Int).collect()))
            }
            (ListFunction::Slice, [List(list), Int(start), Int(end)]) => {
                self.slice(list, *start, *end)
            }
            (ListFunction::Flatten, [List(list)]) => self.flatten(list, 1),
            (ListFunction::Flatten, [List(list), Int(depth)]) => {
                let Ok(depth) = usize::try_from(*depth) else {
                    return Err(EvalError::Text("level must be non-negative".into()));
                };
                self.flatten(list, depth)
            }
            (ListFunction::Sort, [List(list)]) => {
                let keyed = list.iter().map(|member| (member.clone(), member)).collect();
                self.sort(keyed)
            }
            (ListFunction::Distinct, [List(list)]) => self.distinct(list),
            (ListFunction::SetContains, [List(list), List(part)]) => {
                self.covers(list, part).map(Bool)
            }
            (ListFunction::SetEquivalent, [List(a), List(b)]) => {
                Ok(Bool(self.covers(a, b)? && self.covers(b, a)?))
            }
            (ListFunction::SetIntersects, [List(a), List(b)]) => self.intersects(a, b).map(Bool),
            (_, values) => Err(overload(Function::List(function), values)),
        }
    }

    fn slice(&mut self, list: &CelList<'a>, start: i64, end: i64) -> Evaluated<'a> {
        let (Ok(from), Ok(until)) = (usize::try_from(start), usize::try_from(end)) else {
            let message = format!("cannot slice({start}, {end}), negative indexes not supported");
            return Err(EvalError::Text(message.into()));
        };
        if from > until || until > list.len() {
            let size = list.len();
            let message = format!("cannot slice({start}, {end}), list is length {size}");
            return Err(EvalError::Text(message.into()));
        }
        self.steps.take_many(until - from)?;
        Ok(CelValue::list((from..until).filter_map(|at| list.get(at)).collect()))
    }

    fn flatten(&mut self, list: &CelList<'a>, depth: usize) -> Evaluated<'a> {
        let mut members = Vec::new();
        self.flatten_into(list, depth.min(limits::CEL_DEPTH_MAX), &mut members)?;
        Ok(CelValue::list(members))
    }

    fn flatten_into(
        &mut self,
        list: &CelList<'a>,
        depth: usize,
        into: &mut Vec<CelValue<'a>>,
    ) -> Result<(), EvalError> {
        for member in list.iter() {
            self.steps.take(1)?;
            match (member, depth) {
                (CelValue::List(inner), 1..) => self.flatten_into(&inner, depth - 1, into)?,
                (member, _) => into.push(member),
            }
        }
        Ok(())
    }

    /// Sorts members by their keys, which are all of one type or all numbers.
    pub(in crate::eval) fn sort(
        &mut self,
        mut keyed: Vec<(CelValue<'a>, CelValue<'a>)>,
    ) -> Evaluated<'a> {
        let mut keys = keyed.iter().map(|(key, _)| key);
        if let Some(first) = keys.next() {
            for key in keys {
                self.steps.take(1)?;
                if key.kind() != first.kind() || key.order(first).is_none() {
                    return Err(EvalError::overload("sort", &[first.kind(), key.kind()]));
                }
            }
        }
        // A comparison for each member and each doubling of their number.
        let doublings = usize::try_from(keyed.len().checked_ilog2().unwrap_or(0)).unwrap_or(0);
        self.steps.take_many(keyed.len().saturating_mul(doublings))?;
        keyed.sort_by(|(a, _), (b, _)| a.order(b).unwrap_or(Ordering::Equal));
        Ok(CelValue::list(keyed.into_iter().map(|(_, member)| member).collect()))
    }

    fn distinct(&mut self, list: &CelList<'a>) -> Evaluated<'a> {
        let mut members: Vec<CelValue<'a>> = Vec::new();
        for member in list.iter() {
            if !self.is_among(&member, members.iter().cloned())? {
                members.push(member);
            }
        }
        Ok(CelValue::list(members))
    }

    fn covers(&mut self, list: &CelList<'a>, part: &CelList<'a>) -> Result<bool, EvalError> {
        for member in part.iter() {
            if !self.is_among(&member, list.iter())? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn intersects(&mut self, a: &CelList<'a>, b: &CelList<'a>) -> Result<bool, EvalError> {
        for member in a.iter() {
            if self.is_among(&member, b.iter())? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn is_among(
        &mut self,
        member: &CelValue<'a>,
        others: impl Iterator<Item = CelValue<'a>>,
    ) -> Result<bool, EvalError> {
        for other in others {
            self.steps.take(1)?;
            if member.equals(&other, &mut self.steps)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) fn reverse_list(&mut self, list: &CelList<'a>) -> Evaluated<'a> {
        self.steps.take_many(list.len())?;
        Ok(CelValue::list((0..list.len()).rev().filter_map(|at| list.get(at)).collect()))
    }
}
