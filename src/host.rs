//! Where dab runs: adapters without logic. So far: a process of its own.

pub(crate) mod process;
mod pulls;
mod watch;
