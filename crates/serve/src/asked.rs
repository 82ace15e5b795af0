//! Lookup tables, as searches and SQL ask them.

use std::sync::Arc;

use base::{Object, Timestamp};
use cel::{Lookups as _, Tables};
use lake::query::Lookups;

/// The lookup tables of a project.
#[derive(Debug)]
pub struct Asked(pub Arc<Tables>);

impl Lookups for Asked {
    fn names(&self) -> Vec<String> {
        self.0.names()
    }

    fn columns(&self, table: &str) -> Option<Vec<String>> {
        self.0.columns(table)
    }

    fn find(&self, table: &str, key: &str, at: Option<Timestamp>) -> Option<Arc<Object<'static>>> {
        self.0.find(table, key, at)
    }
}
