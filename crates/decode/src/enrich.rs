//! Fields that the event does not say and a lookup table knows: the country of an address, the owner of a
//! network card, the list of threats that a domain is on.
//!
//! A table that has no row, is not there, or has a value of another type leaves the field absent, and the
//! event as it is: it is counted, never refused. What the event says itself is not replaced.

use std::sync::{
    Arc, PoisonError, RwLock,
    atomic::{AtomicU64, Ordering},
};

use base::{FieldPath, Object, Timestamp, Value, limits::ENRICH_KEYS_MAX};
use cel::Lookups;

use crate::{Enrich, normalize};

/// What became of the questions that a log source asked lookup tables.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Enriched {
    /// There was a row.
    pub found: u64,
    /// There was none.
    pub absent: u64,
    /// There was no such table.
    pub without_table: u64,
}

/// A log source's enrichment, compiled.
#[derive(Debug)]
pub(crate) struct Enricher {
    rules: Vec<Enrich>,
    lookups: RwLock<Option<Arc<dyn Lookups>>>,
    found: AtomicU64,
    absent: AtomicU64,
    without_table: AtomicU64,
}

impl Enricher {
    pub(crate) fn new(rules: &[Enrich]) -> Self {
        Self {
            rules: rules.to_vec(),
            lookups: RwLock::default(),
            found: AtomicU64::default(),
            absent: AtomicU64::default(),
            without_table: AtomicU64::default(),
        }
    }

    /// From now on these tables are asked.
    pub(crate) fn use_lookups(&self, lookups: Arc<dyn Lookups>) {
        *self.lookups.write().unwrap_or_else(PoisonError::into_inner) = Some(lookups);
    }

    pub(crate) fn counts(&self) -> Enriched {
        Enriched {
            found: self.found.load(Ordering::Relaxed),
            absent: self.absent.load(Ordering::Relaxed),
            without_table: self.without_table.load(Ordering::Relaxed),
        }
    }

    /// Adds to the normalized fields what tables know as of `time`.
    pub(crate) fn apply<'a>(
        &'a self,
        fields: &Object<'a>,
        normalized: &mut Object<'a>,
        time: Timestamp,
    ) {
        if self.rules.is_empty() {
            return;
        }
        let lookups = self.lookups.read().unwrap_or_else(PoisonError::into_inner).clone();
        for rule in &self.rules {
            let keys = keys(rule, fields, normalized);
            if keys.is_empty() {
                continue;
            }
            let asked = lookups.as_deref().filter(|lookups| lookups.has(&rule.lookup));
            let Some(lookups) = asked else {
                self.without_table.fetch_add(1, Ordering::Relaxed);
                continue;
            };
            let row = keys.iter().find_map(|key| lookups.find(&rule.lookup, key, Some(time)));
            let Some(row) = row else {
                self.absent.fetch_add(1, Ordering::Relaxed);
                continue;
            };
            self.found.fetch_add(1, Ordering::Relaxed);
            for field in &rule.fields {
                let value = row.get(&field.column).and_then(normalize::said);
                let value = value.and_then(|value| normalize::cast(value, field.column_type));
                if let Some(value) = value.filter(|_| normalized.get_path(&field.name).is_none()) {
                    // A value in the way was ruled out when the log source was read.
                    normalized.set_path(&field.name, value.into_owned());
                }
            }
        }
    }
}

/// What a table is asked for: the values at the paths, in order, of normalized fields or the source's own.
fn keys(rule: &Enrich, fields: &Object<'_>, normalized: &Object<'_>) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    for path in &rule.key {
        let mut add = |value: &Value<'_>| {
            let text = normalize::said(value).and_then(Value::display);
            if let Some(text) = text.filter(|text| !keys.iter().any(|known| known == text)) {
                keys.push(text.into_owned());
            }
            keys.len() >= ENRICH_KEYS_MAX
        };
        if any(normalized, path, &mut add) || any(fields, path, &mut add) {
            break;
        }
    }
    keys
}

fn any(object: &Object<'_>, path: &FieldPath, add: &mut dyn FnMut(&Value<'_>) -> bool) -> bool {
    object.any(path, &mut |value| add(value))
}

#[cfg(test)]
mod tests {
    use base::ObjectHash;
    use cel::{LookupSpec, Tables};

    use super::*;
    use crate::{At, Decoder, LogSource};

    const SOURCE: &str = "format: ndjson\ntime: t\nfields: {source.ip: src, source.geo.city_name: city}\n\
        enrich:\n  \
        - {lookup: geo, key: source.ip, fields: {source.geo.country_iso_code: country, \
           source.geo.city_name: city, source.as.number: asn}}\n  \
        - {lookup: bad, key: [dst, source.ip], fields: {threat.indicator.name: name}}\n  \
        - {lookup: gone, key: source.ip, fields: {source.geo.name: name}}\n";

    fn tables(folder: &std::path::Path) -> Tables {
        let geo = "net,country,city,asn\n192.0.2.0/24,DE,Berlin,64500\n198.51.100.0/24,FR,,x\n";
        let bad = "ip,name,from,until\n203.0.113.9,old,2026-01-01T00:00:00Z,2026-02-01T00:00:00Z\n\
            203.0.113.9,new,2026-11-01T00:00:00Z,\n";
        std::fs::write(folder.join("geo.csv"), geo).unwrap();
        std::fs::write(folder.join("bad.csv"), bad).unwrap();
        let specs = [
            "{name: geo, file: geo.csv, key: net, kind: network}",
            "{name: bad, file: bad.csv, key: ip, valid_from: from, valid_until: until}",
        ];
        let specs = specs.map(|spec| serde_saphyr::from_str::<LookupSpec>(spec).unwrap());
        let (tables, problems) = Tables::open(folder, specs.into(), Timestamp::from_seconds(0));
        assert_eq!(problems, []);
        tables
    }

    fn decoded(decoder: &Decoder, record: &str) -> String {
        let at = At {
            object: "o",
            object_hash: ObjectHash::of(&["o"]),
            offset: 0,
            ingest_time: Timestamp::from_seconds(1_796_500_000),
            header: None,
        };
        let event = decoder.decode(record.as_bytes(), &at).unwrap();
        let mut json = String::new();
        event.normalized.write_json(&mut json);
        json
    }

    #[test]
    fn what_tables_know_becomes_fields_and_what_they_do_not_loses_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let decoder = Decoder::new(LogSource::parse("s.yml", SOURCE).unwrap()).unwrap();
        let day =
            |month: u32, rest: &str| format!("{{\"t\":\"2026-{month:02}-20T08:00:00Z\",{rest}}}");
        let known = day(11, "\"src\":\"192.0.2.7\",\"dst\":[\"203.0.113.1\",\"203.0.113.9\"]");
        assert_eq!(decoded(&decoder, &known), r#"{"source":{"ip":"192.0.2.7"}}"#, "no tables yet");
        decoder.use_lookups(Arc::new(tables(folder.path())));
        let expected = r#"{"source":{"ip":"192.0.2.7","geo":{"country_iso_code":"DE","city_name":"Berlin"},"as":{"number":64500}},"threat":{"indicator":{"name":"new"}}}"#;
        assert_eq!(decoded(&decoder, &known), expected);
        // What the event says stays; what is empty or of another type is absent; a row counts by time.
        let own = day(1, "\"src\":\"192.0.2.7\",\"city\":\"Bonn\",\"dst\":\"203.0.113.9\"");
        let expected = r#"{"source":{"ip":"192.0.2.7","geo":{"city_name":"Bonn","country_iso_code":"DE"},"as":{"number":64500}},"threat":{"indicator":{"name":"old"}}}"#;
        assert_eq!(decoded(&decoder, &own), expected);
        let other = day(5, "\"src\":\"198.51.100.7\",\"dst\":\"203.0.113.9\"");
        let expected = r#"{"source":{"ip":"198.51.100.7","geo":{"country_iso_code":"FR"}}}"#;
        assert_eq!(decoded(&decoder, &other), expected);
        assert_eq!(decoded(&decoder, &day(5, "\"src\":\"-\"")), "{}");
        let counts = Enriched { found: 5, absent: 1, without_table: 6 };
        assert_eq!(decoder.enriched(), counts);
    }

    #[test]
    fn mistakes_are_told_with_their_places() {
        let mistakes = |enrich: &str| {
            let text =
                format!("format: ndjson\ntime: t\nfields: {{source.ip: src}}\nenrich: {enrich}\n");
            let errors = LogSource::parse("s.yml", &text).unwrap_err();
            errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        };
        for (enrich, expected) in [
            ("geo", "`enrich` is a text, not a list"),
            ("[{key: a, fields: {a.b: c}}]", "`lookup` is missing"),
            ("[{lookup: geo, fields: {a.b: c}}]", "`key` is missing"),
            ("[{lookup: geo, key: a}]", "`fields` is missing"),
            (
                "[{lookup: geo, key: a, fields: {source.ip.x: c}}]",
                "`source.ip.x` and `source.ip` can't both be fields",
            ),
            ("[{lookup: geo, key: a, fields: {related.ip: c}}]", "`related.ip` is a list"),
            ("[{lookup: geo, key: a, fields: {b: {type: int}}}]", "`column` is missing"),
            (
                "[{lookup: g, key: a, fields: {b: c}, x: 1}]",
                "unknown key `x` in a member of `enrich`",
            ),
        ] {
            assert_eq!(mistakes(enrich), expected, "{enrich}");
        }
    }
}
