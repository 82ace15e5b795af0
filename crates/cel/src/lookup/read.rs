//! From a table's bytes to the table.

use base::{FieldPath, Object, Place, Timestamp, Value, limits};

use super::{
    error::{LookupError, LookupErrorKind},
    mmdb::{Any, Database},
    spec::{LookupFormat, LookupSpec},
    table::{Keyed, Table, key_text},
};

/// Reads a table. `path` is shown in problems.
pub(super) fn read(spec: &LookupSpec, path: &str, bytes: Vec<u8>) -> Result<Table, LookupError> {
    let reader = Reading { spec, path };
    let version = hash(&bytes);
    if bytes.len() > limits::LOOKUP_FILE_BYTES_MAX {
        return Err(reader.too_large("bytes"));
    }
    let records = match spec.format() {
        Some(LookupFormat::Mmdb) => {
            let database = Database::open(bytes, &spec.columns)
                .map_err(|reason| reader.malformed(None, reason))?;
            let columns = spec.columns.keys().cloned().collect();
            return Ok(Table::of_database(columns, version, Box::new(database)));
        }
        Some(LookupFormat::Json) => reader.json(&bytes)?,
        Some(LookupFormat::Ndjson) => reader.ndjson(&bytes)?,
        Some(LookupFormat::Csv) | None => reader.csv(&bytes)?,
    };
    reader.table(version, records)
}

/// A hash of the content: FNV-1a with 64 bits.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The columns that a declaration picks.
fn picked_of(record: &Object<'static>, picked: &[(String, FieldPath)]) -> Object<'static> {
    let mut row = Object::new();
    for (name, path) in picked {
        if let Some(value) = record.get_path(path) {
            row.push(name.clone(), value.clone());
        }
    }
    row
}

/// A record and the line it stands in, where the format has lines.
type Record = (Option<u64>, Object<'static>);

struct Reading<'s> {
    spec: &'s LookupSpec,
    path: &'s str,
}

impl Reading<'_> {
    fn malformed(&self, line: Option<u64>, reason: impl Into<String>) -> LookupError {
        let line = line.map(|line| u32::try_from(line).unwrap_or(u32::MAX));
        let place = Place::File { path: self.path.to_owned(), line: line.unwrap_or(1), column: 1 };
        let (table, reason) = (self.spec.name.clone(), reason.into());
        LookupError { place: Some(place), kind: LookupErrorKind::Malformed { table, reason } }
    }

    fn too_large(&self, what: &'static str) -> LookupError {
        let place = Place::File { path: self.path.to_owned(), line: 1, column: 1 };
        let table = self.spec.name.clone();
        LookupError { place: Some(place), kind: LookupErrorKind::TooLarge { table, what } }
    }

    fn csv(&self, bytes: &[u8]) -> Result<Vec<Record>, LookupError> {
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::Headers).from_reader(bytes);
        let failed = |error: csv::Error| {
            self.malformed(error.position().map(csv::Position::line), error.to_string())
        };
        let names = reader.headers().map_err(failed)?.clone();
        let mut records = Vec::new();
        for record in reader.records() {
            let record = record.map_err(failed)?;
            let cells = names.iter().zip(&record);
            let row =
                cells.map(|(name, cell)| (name.to_owned().into(), Value::text(cell.to_owned())));
            records.push((record.position().map(csv::Position::line), row.collect()));
            self.count(&records)?;
        }
        Ok(records)
    }

    fn json(&self, bytes: &[u8]) -> Result<Vec<Record>, LookupError> {
        let failed = |error: serde_json::Error| {
            self.malformed(u64::try_from(error.line()).ok(), error.to_string())
        };
        let values: Vec<Any> = serde_json::from_slice(bytes).map_err(failed)?;
        let mut records = Vec::with_capacity(values.len());
        for (at, Any(value)) in values.into_iter().enumerate() {
            let Value::Object(object) = value else {
                let reason = format!("member {} of the array is {}", at + 1, value.kind());
                return Err(self.malformed(None, reason));
            };
            records.push((None, object));
            self.count(&records)?;
        }
        Ok(records)
    }

    fn ndjson(&self, bytes: &[u8]) -> Result<Vec<Record>, LookupError> {
        let mut records = Vec::new();
        for (line, text) in (1_u64..).zip(bytes.split(|byte| *byte == b'\n')) {
            if text.trim_ascii().is_empty() {
                continue;
            }
            match serde_json::from_slice(text) {
                Ok(Any(Value::Object(object))) => records.push((Some(line), object)),
                Ok(Any(other)) => {
                    return Err(self.malformed(Some(line), format!("the line is {}", other.kind())));
                }
                Err(error) => return Err(self.malformed(Some(line), error.to_string())),
            }
            self.count(&records)?;
        }
        Ok(records)
    }

    fn count(&self, records: &[Record]) -> Result<(), LookupError> {
        if records.len() > limits::LOOKUP_ROWS_MAX {
            return Err(self.too_large("rows"));
        }
        Ok(())
    }

    fn table(&self, version: u64, records: Vec<Record>) -> Result<Table, LookupError> {
        let key = FieldPath::new(self.spec.key.clone().unwrap_or_default());
        let picked: Vec<(String, FieldPath)> = self
            .spec
            .columns
            .iter()
            .map(|(name, path)| (name.clone(), FieldPath::new(path.clone())))
            .collect();
        let mut columns: Vec<String> = picked.iter().map(|(name, _)| name.clone()).collect();
        let mut keyed = Vec::with_capacity(records.len());
        let mut lines = Vec::with_capacity(records.len());
        for (line, record) in records {
            let Some(text) = record.get_path(&key).and_then(key_text) else {
                let reason = format!("a row has no key `{}`", key.as_str());
                return Err(self.malformed(line, reason));
            };
            let from = self.time(&record, self.spec.valid_from.as_deref(), line)?;
            let until = self.time(&record, self.spec.valid_until.as_deref(), line)?;
            let row = if picked.is_empty() { record } else { picked_of(&record, &picked) };
            for (name, _) in row.iter().filter(|_| picked.is_empty()) {
                if !columns.iter().any(|known| known == name) {
                    columns.push(name.to_string());
                }
            }
            lines.push(line);
            keyed.push(Keyed { key: text, from, until, row });
        }
        Table::build(self.spec.kind, columns, version, keyed)
            .map_err(|(at, reason)| self.malformed(lines.get(at).copied().flatten(), reason))
    }

    /// The time in a column; an empty one sets no bound.
    fn time(
        &self,
        record: &Object<'_>,
        column: Option<&str>,
        line: Option<u64>,
    ) -> Result<Option<Timestamp>, LookupError> {
        let Some(column) = column else { return Ok(None) };
        let value = record.get_path(&FieldPath::new(column));
        let text = match value {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Text(text)) if text.is_empty() => return Ok(None),
            Some(value) => value.display().unwrap_or_default(),
        };
        match Timestamp::parse(&text) {
            Some(time) => Ok(Some(time)),
            None => {
                Err(self.malformed(line, format!("`{text}` in `{column}` is no RFC 3339 time")))
            }
        }
    }
}
