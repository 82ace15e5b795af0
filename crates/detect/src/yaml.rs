//! YAML as rules are written in it: a tree in which everything knows its place.
//!
//! For whoever reads more of a rule's file than the rule itself, such as its tests.

pub use crate::sigma::node::{Kind, Node, Scalar, ScalarType, parse};
