//! How a lookup table is declared.

use std::collections::BTreeMap;

use base::Place;
use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

use super::error::{LookupError, LookupErrorKind};

/// The declaration of one table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LookupSpec {
    /// Its name in expressions.
    pub name: String,
    /// Its file, relative to the file that declares it.
    pub file: String,
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    lookups: Vec<Spanned<LookupSpec>>,
}

/// Reads the declarations of a YAML file: a list under the key `lookups`. `path` is shown in
/// problems.
///
/// # Errors
///
/// Fails if the file does not read as such, or a table's declaration contradicts itself.
pub fn read_lookups(path: &str, text: &str) -> Result<Vec<LookupSpec>, LookupError> {
    let file: File = serde_saphyr::from_str(text).map_err(|error| LookupError {
        place: error.location().map(|at| place(path, at)),
        kind: LookupErrorKind::Declaration(format!(
            "the lookup tables don't read: {}",
            error.without_snippet()
        )),
    })?;
    let mut specs: Vec<LookupSpec> = Vec::new();
    for spanned in file.lookups {
        let at = place(path, spanned.referenced);
        let error = |kind| LookupError { place: Some(at.clone()), kind };
        let spec = spanned.value;
        if specs.iter().any(|known| known.name == spec.name) {
            return Err(error(LookupErrorKind::Duplicate(spec.name)));
        }
        if let Some(message) = spec.contradiction() {
            return Err(error(LookupErrorKind::Declaration(message)));
        }
        specs.push(spec);
    }
    Ok(specs)
}

fn place(path: &str, at: Location) -> Place {
    let number = |number: u64| u32::try_from(number).unwrap_or(u32::MAX).max(1);
    Place::File { path: path.to_owned(), line: number(at.line()), column: number(at.column()) }
}

impl LookupSpec {
    /// What the file holds.
    #[must_use]
    pub fn format(&self) -> Option<LookupFormat> {
        self.format.or_else(|| match self.file.rsplit_once('.')?.1.to_ascii_lowercase().as_str() {
            "csv" => Some(LookupFormat::Csv),
            "json" => Some(LookupFormat::Json),
            "ndjson" | "jsonl" => Some(LookupFormat::Ndjson),
            "mmdb" => Some(LookupFormat::Mmdb),
            _ => None,
        })
    }

    fn contradiction(&self) -> Option<String> {
        let name = &self.name;
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if name.is_empty() || !name.chars().all(is_word) {
            return Some(format!("`{name}` is no name for a table: use letters, digits and `_`"));
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
    use base::Explain as _;

    #[test]
    fn reads_declarations_and_says_what_is_wrong() {
        let good = "lookups:\n  - name: tor_exits\n    file: tor.csv\n    key: ip\n    \
                    kind: network\n  - {name: geo, file: geo.mmdb, columns: {country: \
                    country.iso_code}}\n";
        let specs = read_lookups("lookups.yml", good).unwrap();
        assert_eq!(specs.len(), 2);
        assert_eq!(specs[0].kind, KeyKind::Network);
        assert_eq!(specs[1].format(), Some(LookupFormat::Mmdb));
        for (bad, code, line) in [
            ("lookups:\n  - name: a\n    file: a.csv\n", "DAB0284", 2),
            ("lookups:\n  - {name: a, file: a.txt, key: k}\n", "DAB0284", 2),
            ("lookups:\n  - {name: a b, file: a.csv, key: k}\n", "DAB0284", 2),
            ("lookups:\n  - {name: a, file: a.csv, key: k, colour: red}\n", "DAB0284", 2),
            ("lookups:\n  - {name: a, file: a.mmdb, key: k}\n", "DAB0284", 2),
            (
                "lookups:\n  - {name: a, file: a.csv, key: k}\n  - {name: a, file: b.csv, key: k}\n",
                "DAB0285",
                3,
            ),
        ] {
            let error = read_lookups("lookups.yml", bad).expect_err(bad);
            assert_eq!(error.code().0, code, "{bad}: {error}");
            let Some(Place::File { line: found, .. }) = error.place() else { panic!("{bad}") };
            assert_eq!(found, line, "{bad}");
        }
    }
}
