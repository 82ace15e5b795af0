//! The steps that one evaluation may take.

use crate::error::EvalError;

/// How many bytes of text count as one step: reading them takes about as long as an operator.
const BYTES_PER_STEP: usize = 256;

/// Steps left.
#[derive(Debug)]
pub(crate) struct Steps(u32);

impl Steps {
    pub(crate) const fn new(steps: u32) -> Self {
        Self(steps)
    }

    /// Takes `count` steps.
    pub(crate) fn take(&mut self, count: u32) -> Result<(), EvalError> {
        self.0 = self.0.checked_sub(count).ok_or(EvalError::TooManySteps)?;
        Ok(())
    }

    /// Takes `count` steps; answers whether there were so many.
    #[inline]
    pub(crate) const fn spend(&mut self, count: u32) -> bool {
        match self.0.checked_sub(count) {
            Some(left) => {
                self.0 = left;
                true
            }
            None => false,
        }
    }

    /// Takes the steps for reading `bytes` of text; answers whether there were so many.
    #[inline]
    pub(crate) fn spend_bytes(&mut self, bytes: usize) -> bool {
        bytes < BYTES_PER_STEP || self.take_bytes(bytes).is_ok()
    }

    /// Takes a step for each of `count` members.
    pub(crate) fn take_many(&mut self, count: usize) -> Result<(), EvalError> {
        self.take(u32::try_from(count).map_err(|_| EvalError::TooManySteps)?)
    }

    /// Takes the steps for reading or building `bytes` of text.
    pub(crate) fn take_bytes(&mut self, bytes: usize) -> Result<(), EvalError> {
        self.take_many(bytes / BYTES_PER_STEP)
    }
}
