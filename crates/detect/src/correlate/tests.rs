//! Correlations by example: what is read, what is reported where, and what matches when.

mod documents;
mod fixture;
mod kinds;
mod properties;
mod state;
