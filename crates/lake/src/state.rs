//! Small shared state: [`base::StateStore`] on this machine, or in the bucket.

mod local;
mod object;

pub use local::LocalState;
pub use object::ObjectState;

#[cfg(test)]
mod tests;
