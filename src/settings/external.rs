//! Files of others that SQL may read: `external_tables`.

use std::collections::{BTreeMap, BTreeSet};

use lake::query::{ExternalFormat, ExternalTable, ExternalType};
use schemars::JsonSchema;
use serde::Deserialize;

use super::can_name_a_source;

/// Files of others as a table: SQL reads them, nothing writes them.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExternalSettings {
    /// The table's name.
    pub(crate) name: String,
    /// A file, or a folder with files of one format; for `delta` the table's folder. A path, or an address as
    /// those of `collect`.
    pub(crate) from: String,
    /// What the files are, if their names do not end in it.
    #[serde(default)]
    format: Option<Format>,
    /// What stands between the values of a CSV file: `,` if it is left out, a tab in files called `.tsv`.
    #[serde(default)]
    delimiter: Option<char>,
    /// The sheet of a workbook: the first if it is left out.
    #[serde(default)]
    sheet: Option<String>,
    /// What columns hold, by name. Columns of CSV and XLSX files are text without it.
    #[serde(default)]
    types: BTreeMap<String, Type>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Format {
    /// Parquet.
    Parquet,
    /// Values between commas, with a line of names.
    Csv,
    /// A JSON object on each line.
    Ndjson,
    /// A workbook of Excel.
    Xlsx,
    /// A Delta table.
    Delta,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Type {
    /// Text.
    Text,
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// `true` or `false`.
    Bool,
    /// A time, in UTC where it does not say.
    Time,
    /// A day.
    Date,
}

/// What is wrong with them, and how to put it right.
pub(super) fn mistake(tables: &[ExternalSettings]) -> Option<(String, &'static str)> {
    /// Tables of dab's own.
    const OWN: [&str; 3] = [serve::ALERTS_TABLE, serve::MATCHES_TABLE, serve::UNCLASSIFIED];
    let mut seen = BTreeSet::new();
    for table in tables {
        let name = &table.name;
        if !can_name_a_source(name) {
            let help = "use 1 to 64 of the characters `A-Z a-z 0-9 _ -`";
            return Some((format!("`{name}` can't name an external table"), help));
        }
        if OWN.contains(&name.as_str()) {
            let message =
                format!("the external table `{name}` has the name of a table of dab's own");
            return Some((message, "give it another `name`"));
        }
        if !seen.insert(name.to_ascii_lowercase()) {
            let message = format!("two external tables are called `{name}`");
            return Some((message, "rename one of them"));
        }
        if let Some((what, help)) = table.mistake() {
            return Some((format!("the external table `{name}` {what}"), help));
        }
    }
    None
}

impl ExternalSettings {
    fn mistake(&self) -> Option<(&'static str, &'static str)> {
        let Some(format) = self.format() else {
            return Some((
                "does not say what its files are",
                "add `format`: `parquet`, `csv`, `ndjson`, `xlsx` or `delta`",
            ));
        };
        if self.delimiter.is_some() && format != ExternalFormat::Csv {
            return Some(("has a `delimiter`, and is no CSV", "leave it out"));
        }
        if self.delimiter.is_some_and(|delimiter| !delimiter.is_ascii()) {
            return Some(("has a `delimiter` that is no ASCII character", "use one such as `;`"));
        }
        if self.sheet.is_some() && format != ExternalFormat::Xlsx {
            return Some(("has a `sheet`, and is no XLSX", "leave it out"));
        }
        None
    }

    /// What the files are.
    fn format(&self) -> Option<ExternalFormat> {
        match self.format {
            None => ExternalFormat::of_name(&self.from),
            Some(Format::Parquet) => Some(ExternalFormat::Parquet),
            Some(Format::Csv) => Some(ExternalFormat::Csv),
            Some(Format::Ndjson) => Some(ExternalFormat::Ndjson),
            Some(Format::Xlsx) => Some(ExternalFormat::Xlsx),
            Some(Format::Delta) => Some(ExternalFormat::Delta),
        }
    }

    /// The table, in the store where it is.
    pub(crate) fn table(&self, location: &collect::Location) -> Option<ExternalTable> {
        let is_tabbed = self.from.to_ascii_lowercase().ends_with(".tsv");
        let delimiter = self.delimiter.unwrap_or(if is_tabbed { '\t' } else { ',' });
        let types = self.types.iter().map(|(name, of)| {
            let of = match of {
                Type::Text => ExternalType::Text,
                Type::Int => ExternalType::Int,
                Type::Float => ExternalType::Float,
                Type::Bool => ExternalType::Bool,
                Type::Time => ExternalType::Time,
                Type::Date => ExternalType::Date,
            };
            (name.clone(), of)
        });
        Some(ExternalTable {
            name: self.name.clone(),
            format: self.format()?,
            address: location.address().to_owned(),
            store: location.store(),
            path: location.prefix().clone(),
            is_local: location.is_folder(),
            delimiter: u8::try_from(delimiter).ok()?,
            sheet: self.sheet.clone(),
            types: types.collect(),
        })
    }
}
