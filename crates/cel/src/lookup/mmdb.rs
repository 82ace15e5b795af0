//! An MMDB file as a lookup table: asked as it is, since it holds millions of networks.

use std::{collections::BTreeMap, fmt, net::IpAddr, sync::Arc};

use base::{FieldPath, Object, Value};
use maxminddb::Reader;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};

use super::Row;

/// An opened database.
pub(super) struct Database {
    reader: Reader<Vec<u8>>,
    /// The columns to keep, and where they are; all, if there are none.
    columns: Vec<(String, FieldPath)>,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("columns", &self.columns).finish_non_exhaustive()
    }
}

impl Database {
    /// Opens a database and checks that it is whole.
    pub(super) fn open(bytes: Vec<u8>, columns: &BTreeMap<String, String>) -> Result<Self, String> {
        let reader = Reader::from_source(bytes).map_err(|error| error.to_string())?;
        reader.verify().map_err(|error| error.to_string())?;
        let columns =
            columns.iter().map(|(name, path)| (name.clone(), FieldPath::new(path.clone())));
        Ok(Self { columns: columns.collect(), reader })
    }

    pub(super) fn find(&self, address: IpAddr) -> Option<Row> {
        // The whole file was checked when it was opened: an error here is an absent record.
        let found = self.reader.lookup(address).ok()?;
        let Any(Value::Object(record)) = found.decode().ok()?? else { return None };
        if self.columns.is_empty() {
            return Some(Arc::new(record));
        }
        let mut row = Object::new();
        for (name, path) in &self.columns {
            if let Some(value) = record.get_path(path) {
                row.push(name.clone(), value.clone());
            }
        }
        Some(Arc::new(row))
    }
}

/// Any value that a record or a JSON text may hold.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Any(pub(crate) Value<'static>);

impl<'de> Deserialize<'de> for Any {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyVisitor)
    }
}

struct AnyVisitor;

impl<'de> Visitor<'de> for AnyVisitor {
    type Value = Any;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Any, E> {
        Ok(Any(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Any, E> {
        Ok(Any(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Any, E> {
        Ok(Any(Value::Int(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Any, E> {
        Ok(Any(i64::try_from(value)
            .map_or_else(|_| Value::Number(value.to_string().into()), Value::Int)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Any, E> {
        Ok(Any(Value::Float(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Any, E> {
        Ok(Any(Value::text(value.to_owned())))
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<Any, E> {
        Ok(Any(Value::text(String::from_utf8_lossy(value).into_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut members: A) -> Result<Any, A::Error> {
        let mut list = Vec::new();
        while let Some(Any(member)) = members.next_element()? {
            list.push(member);
        }
        Ok(Any(Value::List(list)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Any, A::Error> {
        let mut object = Object::new();
        while let Some((key, Any(value))) = entries.next_entry::<String, Any>()? {
            object.push(key, value);
        }
        Ok(Any(Value::Object(object)))
    }
}
