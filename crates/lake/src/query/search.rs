//! The search language: its words, their order, and their meaning for one event.

pub(crate) mod ast;
mod commands;
pub(crate) mod eval;
mod lex;
mod parse;

pub(crate) use ast::Search;
pub(crate) use commands::COMMANDS;
pub(crate) use parse::parse;
