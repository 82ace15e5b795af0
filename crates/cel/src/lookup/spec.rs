//! How a lookup table is declared: what its YAML deserializes into.

use std::collections::BTreeMap;

use base::Place;
use serde::Deserialize;

use super::error::{LookupError, LookupErrorKind};

/// The declaration of one table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LookupSpec {
    /// Its name in expressions.
    pub name: String,
    /// Its file, relative to the file that declares it; empty where there is a query.
    #[serde(default)]
    pub file: String,
    /// The query that answers its rows, over the tables of the lake.
    #[serde(default)]
    pub sql: Option<String>,
    /// What the file holds; by default as its name ends.
    #[serde(default)]
    pub format: Option<LookupFormat>,
    /// The column of the keys. An MMDB file has none.
    #[serde(default)]
    pub key: Option<String>,
    /// How keys are found.
    #[serde(default)]
    pub kind: KeyKind,
    /// The columns to keep: the name in expressions, and where it is in the file, with dots. By
    /// default all, under their own names.
    #[serde(default)]
    pub columns: BTreeMap<String, String>,
    /// The column of the time from which a row is valid.
    #[serde(default)]
    pub valid_from: Option<String>,
    /// The column of the time until which a row is valid, itself not included.
    #[serde(default)]
    pub valid_until: Option<String>,
    /// How often the file is looked at, in seconds.
    #[serde(default = "refresh_default")]
    pub refresh_seconds: u64,
    /// Where it is declared.
    #[serde(skip)]
    pub place: Option<Place>,
}

const fn refresh_default() -> u64 {
    base::limits::LOOKUP_REFRESH_SECONDS_DEFAULT
}

/// What a table's file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LookupFormat {
    /// Comma-separated values with a line of names.
    Csv,
    /// An array of JSON objects.
    Json,
    /// A JSON object in each line.
    Ndjson,
    /// An MMDB file.
    Mmdb,
}

/// How the key of a table is compared with what is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyKind {
    /// The same text.
    #[default]
    Exact,
    /// The same text, but for the case of the letters A to Z.
    Caseless,
    /// A network that contains the address; the longest prefix wins.
    Network,
    /// The beginning of a MAC address: 24, 28 or 36 bits; the longest wins.
    Mac,
}

impl LookupSpec {
    /// What the file holds.
    #[must_use]
    pub fn format(&self) -> Option<LookupFormat> {
        if self.sql.is_some() {
            return Some(LookupFormat::Ndjson);
        }
        self.format.or_else(|| match self.file.rsplit_once('.')?.1.to_ascii_lowercase().as_str() {
            "csv" => Some(LookupFormat::Csv),
            "json" => Some(LookupFormat::Json),
            "ndjson" | "jsonl" => Some(LookupFormat::Ndjson),
            "mmdb" => Some(LookupFormat::Mmdb),
            _ => None,
        })
    }

    /// Whether its keys fit one another.
    ///
    /// # Errors
    ///
    /// Says what contradicts what, at its place.
    pub fn check(&self) -> Result<(), LookupError> {
        self.contradiction()
            .map_or(Ok(()), |message| Err(self.error(LookupErrorKind::Declaration(message))))
    }

    /// An error at the place of its declaration.
    #[must_use]
    pub fn error(&self, kind: LookupErrorKind) -> LookupError {
        LookupError { place: self.place.clone(), kind }
    }

    fn contradiction(&self) -> Option<String> {
        let name = &self.name;
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if name.is_empty() || !name.chars().all(is_word) {
            return Some(format!("`{name}` is no name for a table: use letters, digits and `_`"));
        }
        match (self.file.is_empty(), &self.sql) {
            (true, None) => return Some(format!("the table `{name}` needs a `file` or `sql`")),
            (false, Some(_)) => {
                return Some(format!("the table `{name}` has both a `file` and `sql`"));
            }
            (true, Some(_)) if self.format.is_some() => {
                return Some(format!("the rows of `{name}` come from `sql` and have no `format`"));
            }
            (true, Some(_)) if self.columns.is_empty() => {
                let message = format!("the table `{name}` must name the `columns` of its query");
                return Some(message);
            }
            _ => {}
        }
        match (self.format(), &self.key) {
            (None, _) => Some(format!("`{}` ends in no known way: say its `format`", self.file)),
            (Some(LookupFormat::Mmdb), None) if self.valid_from.is_none() => None,
            (Some(LookupFormat::Mmdb), _) => {
                Some(format!("an MMDB file as `{name}` has neither `key` nor validity"))
            }
            (Some(_), None) => Some(format!("the table `{name}` needs a `key`")),
            (Some(_), Some(_)) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_a_file_holds_and_what_contradicts() {
        for (declaration, expected) in [
            ("{name: tor, file: tor.csv, key: ip, kind: network}", Ok(LookupFormat::Csv)),
            ("{name: geo, file: geo.MMDB}", Ok(LookupFormat::Mmdb)),
            ("{name: a, file: a.txt, key: k, format: ndjson}", Ok(LookupFormat::Ndjson)),
            ("{name: a, file: a.csv}", Err("the table `a` needs a `key`")),
            ("{name: a, sql: SELECT 1, key: k, columns: {n: n}}", Ok(LookupFormat::Ndjson)),
            ("{name: a, key: k}", Err("the table `a` needs a `file` or `sql`")),
            (
                "{name: a, file: a.csv, sql: SELECT 1, key: k}",
                Err("the table `a` has both a `file` and `sql`"),
            ),
            (
                "{name: a, sql: SELECT 1, key: k, format: csv}",
                Err("the rows of `a` come from `sql` and have no `format`"),
            ),
            (
                "{name: a, sql: SELECT 1, key: k}",
                Err("the table `a` must name the `columns` of its query"),
            ),
            (
                "{name: a, file: a.txt, key: k}",
                Err("`a.txt` ends in no known way: say its `format`"),
            ),
            (
                "{name: a b, file: a.csv, key: k}",
                Err("`a b` is no name for a table: use letters, digits and `_`"),
            ),
            (
                "{name: a, file: a.mmdb, key: k}",
                Err("an MMDB file as `a` has neither `key` nor validity"),
            ),
        ] {
            let spec: LookupSpec = serde_saphyr::from_str(declaration).unwrap();
            let found = spec.check().map(|()| spec.format().unwrap());
            let expected = expected.map_err(str::to_owned);
            assert_eq!(found.map_err(|error| error.to_string()), expected, "{declaration}");
        }
    }
}
