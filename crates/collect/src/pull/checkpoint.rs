//! How far a pull is, and which events it has: what is stored with each batch.

use std::collections::{BTreeMap, HashMap};

use base::{Timestamp, limits};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use ring::digest;
use serde::{Deserialize, Serialize};

use super::PullError;

/// The version of the form that is written.
const VERSION: u32 = 1;

/// What tells one event from another: 128 bits of SHA-256 of its id. With 10⁹ events, the odds that any
/// two share one are below 10⁻²⁰, and nobody can make two that do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventKey([u8; Self::BYTES]);

impl EventKey {
    const BYTES: usize = 16;

    /// From the kind of thing that is told from others of its kind, and its id.
    pub(super) fn of(kind: &str, id: &[u8]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(kind.as_bytes());
        context.update(&[0]);
        context.update(id);
        let mut key = [0; Self::BYTES];
        for (to, from) in key.iter_mut().zip(context.finish().as_ref()) {
            *to = *from;
        }
        Self(key)
    }

    /// From an event's id, in the parts that the pull's file names.
    #[must_use]
    pub fn of_id(parts: &[&str]) -> Self {
        Self::of("id", parts.join("\u{1f}").as_bytes())
    }

    pub(super) const fn bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

/// How far one partition is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// Everything up to this time was pulled.
    pub(super) through: Timestamp,
    /// The token to go on from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cursor: Option<String>,
    /// When the API last named it, where it is asked for its partitions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) listed: Option<Timestamp>,
}

/// How far a pull is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Places {
    /// From when on it has pulled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) began: Option<Timestamp>,
    pub(super) partitions: BTreeMap<String, Place>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    kind: Kind,
    version: u32,
    places: Places,
    #[serde(default)]
    ids: Ids,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Pull,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Ids {
    /// They are all that the pull knows; else those of the batch alone.
    whole: bool,
    groups: Vec<Group>,
}

/// Ids that were seen alike.
#[derive(Debug, Serialize, Deserialize)]
struct Group {
    partition: String,
    until: Timestamp,
    keys: String,
}

/// When an id was seen, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tag {
    /// The partition's place among the pull's.
    pub(super) partition: usize,
    /// The end of the window in which it was found: later windows that begin after it can't have it.
    pub(super) until: Timestamp,
}

/// The events that a pull has.
#[derive(Debug, Default)]
pub(super) struct Seen {
    keys: HashMap<EventKey, Tag>,
    /// Those since the last checkpoint.
    recent: Vec<(EventKey, Tag)>,
    /// Some had to be forgotten before their time.
    pub(super) is_over: bool,
}

impl Seen {
    pub(super) fn has(&self, key: &EventKey) -> bool {
        self.keys.contains_key(key)
    }

    pub(super) fn insert(&mut self, key: EventKey, tag: Tag) {
        self.keys.insert(key, tag);
        self.recent.push((key, tag));
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Forgets what can't come again: `needed` says from when on for each partition.
    pub(super) fn forget(&mut self, needed: &[Timestamp]) {
        let is_needed =
            |tag: &Tag| needed.get(tag.partition).is_some_and(|from| tag.until >= *from);
        self.keys.retain(|_, tag| is_needed(tag));
        if self.keys.len() <= limits::PULL_IDS_MAX {
            return;
        }
        self.is_over = true;
        let mut times: Vec<_> = self.keys.values().map(|tag| tag.until).collect();
        times.sort_unstable();
        let surplus = times.len() - limits::PULL_IDS_MAX;
        let Some(last) = times.get(surplus).copied() else { return };
        self.keys.retain(|_, tag| tag.until >= last);
    }

    /// Forgets all of a partition.
    pub(super) fn forget_partition(&mut self, partition: usize) {
        self.keys.retain(|_, tag| tag.partition != partition);
        self.recent.retain(|(_, tag)| tag.partition != partition);
    }

    /// What was noted is stored.
    pub(super) fn stored(&mut self) {
        self.recent.clear();
    }
}

/// What is stored with a batch. `whole`: every id that is known, so that no earlier batch need be read.
pub(super) fn write(places: &Places, seen: &Seen, partitions: &[String], whole: bool) -> String {
    let whole = whole || seen.len() <= limits::PULL_IDS_WHOLE_MAX;
    let groups = if whole {
        groups(seen.keys.iter().map(|(key, tag)| (*key, *tag)), partitions)
    } else {
        groups(seen.recent.iter().copied(), partitions)
    };
    let ids = Ids { whole, groups };
    json(&Stored { kind: Kind::Pull, version: VERSION, places: places.clone(), ids })
}

/// How far it is, without its ids: what is stored when there was nothing new.
pub(super) fn write_places(places: &Places) -> String {
    json(&Stored {
        kind: Kind::Pull,
        version: VERSION,
        places: places.clone(),
        ids: Ids::default(),
    })
}

fn json(stored: &Stored) -> String {
    // Texts, numbers and maps with texts as keys: it always serializes.
    serde_json::to_string(stored).unwrap_or_default()
}

fn groups(ids: impl Iterator<Item = (EventKey, Tag)>, partitions: &[String]) -> Vec<Group> {
    let mut by_tag: BTreeMap<Tag, Vec<EventKey>> = BTreeMap::new();
    for (key, tag) in ids {
        by_tag.entry(tag).or_default().push(key);
    }
    let group = |(tag, mut keys): (Tag, Vec<EventKey>)| {
        // In order, so that the same state is the same text.
        keys.sort_unstable();
        let bytes: Vec<u8> = keys.iter().flat_map(|key| key.0).collect();
        let partition = partitions.get(tag.partition)?.clone();
        Some(Group { partition, until: tag.until, keys: STANDARD_NO_PAD.encode(bytes) })
    };
    by_tag.into_iter().filter_map(group).collect()
}

/// What was stored, newest first, put together again. `more` is asked for the batch before until one has
/// all ids.
#[derive(Debug)]
pub(super) struct Restored {
    pub(super) places: Places,
    pub(super) seen: Seen,
    /// An earlier checkpoint is needed for the ids.
    pub(super) is_partial: bool,
    /// The partitions that the ids are of.
    pub(super) partitions: Vec<String>,
}

impl Restored {
    /// `learns`: partitions are those that are stored, too.
    pub(super) fn new(
        name: &str,
        text: &str,
        partitions: &[String],
        learns: bool,
    ) -> Result<Self, PullError> {
        let stored = read(name, text)?;
        let mut partitions = partitions.to_vec();
        if learns {
            learn(&mut partitions, &stored.places);
        }
        let mut seen = Seen::default();
        let is_partial = !stored.ids.whole;
        add(name, &stored.ids, &partitions, &mut seen)?;
        Ok(Self { places: stored.places, seen, is_partial, partitions })
    }

    /// Takes the ids of the batch before.
    pub(super) fn earlier(&mut self, name: &str, text: &str) -> Result<(), PullError> {
        let stored = read(name, text)?;
        self.is_partial = !stored.ids.whole;
        add(name, &stored.ids, &self.partitions, &mut self.seen)
    }
}

/// Adds the partitions that have a place; those that are there stay where they are.
pub(super) fn learn(partitions: &mut Vec<String>, places: &Places) {
    for name in places.partitions.keys() {
        if !partitions.contains(name) {
            partitions.push(name.clone());
        }
    }
}

/// Reads how far a pull is.
pub(super) fn read_places(name: &str, text: &str) -> Result<Places, PullError> {
    read(name, text).map(|stored| stored.places)
}

fn read(name: &str, text: &str) -> Result<Stored, PullError> {
    let wrong = |reason: String| PullError::Checkpoint { name: name.to_owned(), reason };
    let stored: Stored = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
    if stored.version != VERSION {
        let version = stored.version;
        return Err(wrong(format!("it has version {version}, this dab reads version {VERSION}")));
    }
    Ok(stored)
}

fn add(name: &str, ids: &Ids, partitions: &[String], seen: &mut Seen) -> Result<(), PullError> {
    for group in &ids.groups {
        // A partition that the settings no longer have is not asked again.
        let Some(partition) = partitions.iter().position(|own| *own == group.partition) else {
            continue;
        };
        let bytes = STANDARD_NO_PAD.decode(&group.keys).map_err(|_| PullError::Checkpoint {
            name: name.to_owned(),
            reason: "its ids are no base64".to_owned(),
        })?;
        let tag = Tag { partition, until: group.until };
        for key in bytes.chunks_exact(EventKey::BYTES) {
            if let Ok(key) = key.try_into() {
                seen.keys.insert(EventKey(key), tag);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn names() -> Vec<String> {
        vec!["a".to_owned(), "b".to_owned()]
    }

    #[test]
    fn a_checkpoint_of_version_1_is_read() {
        // A stored form: this text must be read for ever.
        let text = r#"{"kind":"pull","version":1,"places":{"began":"2026-11-01T00:00:00Z",
            "partitions":{"a":{"through":"2026-11-24T08:00:00Z","cursor":"c1"}}},
            "ids":{"whole":true,"groups":[{"partition":"a","until":"2026-11-24T08:00:00Z",
            "keys":"AAECAwQFBgcICQoLDA0ODw"}]}}"#;
        let restored = Restored::new("x", text, &names(), false).unwrap();
        assert!(!restored.is_partial);
        assert_eq!(restored.places.partitions["a"].cursor.as_deref(), Some("c1"));
        let key = EventKey([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
        assert!(restored.seen.has(&key));
        assert_eq!(
            write(&restored.places, &restored.seen, &names(), true),
            text.replace("\n            ", "")
        );
        let newer = text.replace("\"version\":1", "\"version\":2");
        let error = Restored::new("x", &newer, &names(), false).unwrap_err();
        assert!(
            error.to_string().ends_with("it has version 2, this dab reads version 1"),
            "{error}"
        );
        assert!(Restored::new("x", r#"{"objects":[]}"#, &names(), false).is_err());
        // Part of the stored form too.
        assert_eq!(
            EventKey::of_id(&["a", "b"]).0,
            *b"\xf7\x6a\xa3\x46\x8a\x01\x08\x8c\x51\x4a\xc7\x58\xe4\x9f\x39\xe4",
        );
    }

    #[test]
    fn ids_come_together_from_several_batches_and_are_forgotten_in_time() {
        let mut seen = Seen::default();
        let many = limits::PULL_IDS_WHOLE_MAX + 10;
        for n in 0..many {
            let tag = Tag { partition: n % 2, until: at(100) };
            seen.insert(EventKey::of("id", &n.to_le_bytes()), tag);
        }
        let first = write(&Places::default(), &seen, &names(), true);
        seen.stored();
        let late = EventKey::of("id", b"late");
        seen.insert(late, Tag { partition: 1, until: at(200) });
        let second = write(&Places::default(), &seen, &names(), false);
        assert!(second.len() < 300, "only what is new: {second}");

        let mut restored = Restored::new("x", &second, &names(), false).unwrap();
        assert!(restored.is_partial);
        restored.earlier("x", &first).unwrap();
        assert!(!restored.is_partial);
        assert_eq!(restored.seen.len(), many + 1);

        let mut seen = restored.seen;
        seen.forget(&[at(101), at(100)]);
        assert_eq!(seen.len(), many / 2 + 1);
        seen.forget(&[at(101), at(150)]);
        assert!(seen.has(&late) && seen.len() == 1);
    }
}
