//! Which types fit which, while some of them are still to be found out.
//!
//! The rules are those of the reference implementation's checker: a value whose type is `dyn` fits
//! everywhere, and a type parameter becomes the most general of the types it stands for.

use crate::types::Type;

/// What is known of the types that are to be found out.
#[derive(Debug, Clone, Default)]
pub(super) struct Unknowns(Vec<Option<Type>>);

impl Unknowns {
    /// A type that is to be found out.
    pub(super) fn fresh(&mut self) -> Type {
        self.0.push(None);
        Type::Variable(self.0.len() - 1)
    }

    /// The numbers of `count` new unknowns begin here.
    pub(super) fn reserve(&mut self, count: usize) -> usize {
        let first = self.0.len();
        self.0.resize(first + count, None);
        first
    }

    /// The type with all that is known put in; what is not is `dyn` if `is_final`.
    pub(super) fn resolve(&self, kind: &Type, is_final: bool) -> Type {
        match kind {
            Type::Variable(number) => match self.0.get(*number) {
                Some(Some(known)) => self.resolve(known, is_final),
                _ if is_final => Type::Dyn,
                _ => kind.clone(),
            },
            kind => kind.with_parts(&mut |part| self.resolve(part, is_final)),
        }
    }

    /// Whether a value of type `value` fits where `wanted` is wanted; takes note of what follows.
    pub(super) fn fits(&mut self, value: &Type, wanted: &Type) -> bool {
        let before = self.clone();
        let fits = self.assign(value, wanted);
        if !fits {
            *self = before;
        }
        fits
    }

    /// As [`Self::fits`], for all of several.
    pub(super) fn fit_all(&mut self, values: &[Type], wanted: &[Type]) -> bool {
        let before = self.clone();
        let fits = values.len() == wanted.len()
            && values.iter().zip(wanted).all(|(value, wanted)| self.assign(value, wanted));
        if !fits {
            *self = before;
        }
        fits
    }

    /// A type for both, or `dyn`.
    pub(super) fn join(&mut self, a: &Type, b: &Type) -> Type {
        if !self.fits(b, a) {
            return Type::Dyn;
        }
        if self.is_as_general(a, b) { a.clone() } else { b.clone() }
    }

    fn assign(&mut self, value: &Type, wanted: &Type) -> bool {
        if let Type::Variable(number) = wanted {
            return self.assign_variable(*number, value, true);
        }
        if let Type::Variable(number) = value {
            return self.assign_variable(*number, wanted, false);
        }
        match (value, wanted) {
            (Type::Dyn, _) | (_, Type::Dyn) => true,
            // As in protocol buffers, these may be null.
            (Type::Null, Type::Null) => true,
            (
                Type::Null,
                Type::Timestamp | Type::Duration | Type::Optional(_) | Type::Named(..),
            )
            | (
                Type::Timestamp | Type::Duration | Type::Optional(_) | Type::Named(..),
                Type::Null,
            ) => true,
            // A type is a value whatever it is the type of.
            (Type::TypeOf(_), Type::TypeOf(_)) => true,
            (value, wanted) if value.is_like(wanted) => {
                let (values, wanted) = (value.parts(), wanted.parts());
                values.len() == wanted.len()
                    && values.iter().zip(wanted).all(|(value, wanted)| self.assign(value, wanted))
            }
            _ => false,
        }
    }

    /// `other` meets an unknown, which is what is wanted or what is given.
    fn assign_variable(&mut self, number: usize, other: &Type, is_wanted: bool) -> bool {
        let variable = Type::Variable(number);
        if *other == variable {
            return true;
        }
        match self.0.get(number).cloned().flatten() {
            Some(known) => {
                let fits =
                    if is_wanted { self.assign(other, &known) } else { self.assign(&known, other) };
                if fits && self.is_as_general(other, &known) && !self.is_inside(number, other) {
                    self.set(number, other);
                }
                fits
            }
            None if self.is_inside(number, other) => false,
            None => {
                self.set(number, other);
                true
            }
        }
    }

    fn set(&mut self, number: usize, kind: &Type) {
        if let Some(slot) = self.0.get_mut(number) {
            *slot = Some(kind.clone());
        }
    }

    /// Whether an unknown occurs in a type, which can then not be what it stands for.
    fn is_inside(&self, number: usize, kind: &Type) -> bool {
        match kind {
            Type::Variable(other) if *other == number => true,
            Type::Variable(other) => match self.0.get(*other) {
                Some(Some(known)) => self.is_inside(number, known),
                _ => false,
            },
            kind => kind.parts().into_iter().any(|part| self.is_inside(number, part)),
        }
    }

    /// Whether `a` says no more than `b`.
    fn is_as_general(&self, a: &Type, b: &Type) -> bool {
        match (a, b) {
            (Type::Dyn | Type::Variable(_), _) => true,
            (Type::Null, _) => false,
            (_, Type::Dyn | Type::Variable(_)) => false,
            (_, Type::Null) => true,
            (a, b) => {
                let (a_parts, b_parts) = (a.parts(), b.parts());
                a.is_like(b)
                    && a_parts.len() == b_parts.len()
                    && a_parts.iter().zip(b_parts).all(|(a, b)| self.is_as_general(a, b))
            }
        }
    }
}
