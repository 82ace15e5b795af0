//! The search language: its words, their order, and their meaning for one event.

pub(crate) mod ast;
mod commands;
mod computing;
pub(crate) mod eval;
pub(crate) mod formula;
mod lex;
mod parse;
mod values;

pub(crate) use ast::Search;
pub(crate) use commands::COMMANDS;
#[cfg(test)]
pub(crate) use parse::parse;
pub(crate) use parse::parse_with;
