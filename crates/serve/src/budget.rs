//! How much memory batches in the making take together: sources read side by side share it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use base::limits;

/// What all batches take.
#[derive(Debug, Default)]
pub(crate) struct Budget(AtomicUsize);

/// What one batch takes of it; given back when the batch is done with.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Share {
    pub(crate) const fn new(budget: Arc<Budget>) -> Self {
        Self { budget, bytes: 0 }
    }

    /// Notes how much the batch takes now.
    pub(crate) fn set(&mut self, bytes: usize) {
        // Only a sum to compare with a limit: nothing else depends on its order.
        self.budget.0.fetch_add(bytes, Ordering::Relaxed);
        self.budget.0.fetch_sub(self.bytes, Ordering::Relaxed);
        self.bytes = bytes;
    }

    /// Whether the batch is to be committed before it grows: together they take too much, and it is
    /// large enough to be worth a commit.
    pub(crate) fn is_spent(&self) -> bool {
        self.bytes >= limits::BATCH_MEMORY_MIN
            && self.budget.0.load(Ordering::Relaxed) > limits::BATCHES_MEMORY_MAX
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_that_take_too_much_together_end_with_the_larger_ones() {
        let budget = Arc::new(Budget::default());
        let share = || Share::new(Arc::clone(&budget));
        let (mut large, mut small) = (share(), share());
        large.set(limits::BATCHES_MEMORY_MAX);
        small.set(limits::BATCH_MEMORY_MIN - 1);
        assert!(large.is_spent() && !small.is_spent());
        large.set(limits::BATCH_MEMORY_MIN);
        assert!(!large.is_spent());
        large.set(limits::BATCHES_MEMORY_MAX);
        drop(small);
        assert!(!large.is_spent(), "what a batch took is given back");
    }
}
