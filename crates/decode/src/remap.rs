//! The step `vrl` of a log source: a program in the Vector Remap Language, for what `fields` can't say.
//!
//! It is part of a build with the feature `vrl` only, as it stands on some hundred crates. Without it,
//! a log source that has the step is refused when it is read.

#[cfg(feature = "vrl")]
mod convert;
#[cfg(feature = "vrl")]
mod program;

#[cfg(feature = "vrl")]
pub(crate) use program::Program;

#[cfg(test)]
mod tests;

/// A mistake in a program.
#[derive(Debug)]
pub(crate) struct Mistake {
    pub(crate) message: String,
    pub(crate) help: Option<String>,
    /// The byte of the program that it is at.
    pub(crate) at: usize,
}

/// What stands in a program's place where none can run.
#[cfg(not(feature = "vrl"))]
#[derive(Debug)]
pub(crate) enum Program {}

#[cfg(not(feature = "vrl"))]
impl Program {
    pub(crate) fn new(_: &str) -> Result<Self, Vec<Mistake>> {
        Err(vec![Mistake {
            message: "this build of dab has no VRL".to_owned(),
            help: Some("build it with `--features vrl`, or say it with `fields:`".to_owned()),
            at: 0,
        }])
    }

    pub(crate) const fn apply<'a>(
        &self,
        _: base::Object<'a>,
    ) -> Result<base::Object<'a>, crate::Reject> {
        match *self {}
    }
}
