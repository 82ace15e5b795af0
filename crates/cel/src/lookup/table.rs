//! One table in memory.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use base::{Object, Timestamp, Value};

use super::{Row, spec::KeyKind};
use crate::net::Network;

/// The rows of a table, by their keys.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) columns: Vec<String>,
    pub(super) rows: usize,
    /// A hash of the file's content.
    pub(super) version: u64,
    index: Index,
}

#[derive(Debug)]
enum Index {
    Texts {
        rows: HashMap<Box<str>, Versions>,
        is_caseless: bool,
    },
    /// For each length of a prefix, the longest first: the networks of that length.
    Networks(Vec<((bool, u8), HashMap<u128, Versions>)>),
    /// For each number of hex digits, the longest first.
    Macs(Vec<(usize, HashMap<Box<str>, Versions>)>),
    Mmdb(Box<super::mmdb::Database>),
}

/// What one key stood for, and when.
#[derive(Debug, Default)]
struct Versions(Vec<Version>);

#[derive(Debug)]
struct Version {
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    row: Row,
}

/// A row with its key, as it was read.
#[derive(Debug)]
pub(super) struct Keyed {
    pub(super) key: String,
    pub(super) from: Option<Timestamp>,
    pub(super) until: Option<Timestamp>,
    pub(super) row: Object<'static>,
}

impl Table {
    /// Builds a table of rows; fails at the number of the row whose key is not of its kind.
    pub(super) fn build(
        kind: KeyKind,
        columns: Vec<String>,
        version: u64,
        keyed: Vec<Keyed>,
    ) -> Result<Self, (usize, String)> {
        let rows = keyed.len();
        let index = match kind {
            KeyKind::Exact | KeyKind::Caseless => {
                let is_caseless = kind == KeyKind::Caseless;
                let mut texts: HashMap<Box<str>, Versions> = HashMap::new();
                for mut each in keyed {
                    if is_caseless {
                        each.key.make_ascii_lowercase();
                    }
                    let key = std::mem::take(&mut each.key);
                    texts.entry(key.into()).or_default().add(each);
                }
                Index::Texts { rows: texts, is_caseless }
            }
            KeyKind::Network => networks(keyed)?,
            KeyKind::Mac => macs(keyed)?,
        };
        Ok(Self { columns, rows, version, index })
    }

    /// A table that is asked in the form of its file.
    pub(super) const fn of_database(
        columns: Vec<String>,
        version: u64,
        database: Box<super::mmdb::Database>,
    ) -> Self {
        Self { columns, rows: 0, version, index: Index::Mmdb(database) }
    }

    pub(super) fn find(&self, key: &str, at: Option<Timestamp>) -> Option<Row> {
        match &self.index {
            Index::Texts { rows, is_caseless: false } => rows.get(key)?.at(at),
            Index::Texts { rows, is_caseless: true } => {
                rows.get(&*key.to_ascii_lowercase())?.at(at)
            }
            Index::Networks(lengths) => {
                let address: IpAddr = key.parse().ok()?;
                let address = address.to_canonical();
                lengths.iter().find_map(|((is_v4, bits), networks)| {
                    if address.is_ipv4() != *is_v4 {
                        return None;
                    }
                    networks.get(&prefix(address, *bits))?.at(at)
                })
            }
            Index::Macs(lengths) => {
                let digits = mac_digits(key).filter(|digits| digits.len() == 12)?;
                lengths
                    .iter()
                    .find_map(|(length, prefixes)| prefixes.get(digits.get(..*length)?)?.at(at))
            }
            Index::Mmdb(database) => database.find(key.parse().ok()?),
        }
    }
}

impl Versions {
    fn add(&mut self, keyed: Keyed) {
        let Keyed { from, until, row, .. } = keyed;
        self.0.push(Version { from, until, row: Arc::new(row) });
    }

    /// The row that is valid at a time, or the last of all; of several, the last in the file.
    fn at(&self, at: Option<Timestamp>) -> Option<Row> {
        let valid = |version: &&Version| {
            at.is_none_or(|at| {
                version.from.is_none_or(|from| from <= at)
                    && version.until.is_none_or(|until| at < until)
            })
        };
        self.0.iter().rev().find(valid).map(|version| Arc::clone(&version.row))
    }
}

fn networks(keyed: Vec<Keyed>) -> Result<Index, (usize, String)> {
    let mut lengths: HashMap<(bool, u8), HashMap<u128, Versions>> = HashMap::new();
    for (at, each) in keyed.into_iter().enumerate() {
        let network = Network::parse(&each.key).map_err(|reason| (at, reason))?;
        let address = network.address();
        let by_prefix = lengths.entry((address.is_ipv4(), network.bits())).or_default();
        by_prefix.entry(prefix(address, network.bits())).or_default().add(each);
    }
    let mut lengths: Vec<_> = lengths.into_iter().collect();
    lengths.sort_unstable_by_key(|((_, bits), _)| std::cmp::Reverse(*bits));
    Ok(Index::Networks(lengths))
}

/// The leading bits of an address, the others zero.
fn prefix(address: IpAddr, bits: u8) -> u128 {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits.min(32))).unwrap_or(0);
            u128::from(address.to_bits() & mask)
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits.min(128))).unwrap_or(0);
            address.to_bits() & mask
        }
    }
}

fn macs(keyed: Vec<Keyed>) -> Result<Index, (usize, String)> {
    let mut lengths: HashMap<usize, HashMap<Box<str>, Versions>> = HashMap::new();
    for (at, each) in keyed.into_iter().enumerate() {
        let digits = mac_digits(&each.key).filter(|digits| (6..=12).contains(&digits.len()));
        let Some(digits) = digits else {
            return Err((at, format!("`{}` is not the beginning of a MAC address", each.key)));
        };
        let by_prefix = lengths.entry(digits.len()).or_default();
        by_prefix.entry(digits.into()).or_default().add(each);
    }
    let mut lengths: Vec<_> = lengths.into_iter().collect();
    lengths.sort_unstable_by_key(|(length, _)| std::cmp::Reverse(*length));
    Ok(Index::Macs(lengths))
}

/// The hex digits of a MAC address, in capitals, without what stands between them.
fn mac_digits(text: &str) -> Option<String> {
    let mut digits = String::with_capacity(12);
    for c in text.trim().chars() {
        match c {
            ':' | '-' | '.' => {}
            c if c.is_ascii_hexdigit() => digits.push(c.to_ascii_uppercase()),
            _ => return None,
        }
    }
    Some(digits)
}

/// The text of a key's value.
pub(super) fn key_text(value: &Value<'_>) -> Option<String> {
    match value {
        Value::Text(_) | Value::Int(_) | Value::Number(_) | Value::Bool(_) => {
            value.display().map(std::borrow::Cow::into_owned)
        }
        _ => None,
    }
}
