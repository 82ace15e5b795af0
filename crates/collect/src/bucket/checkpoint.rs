//! What is remembered of each object, and its stored form.
//!
//! The form is JSON with a version; an old sample of every version stays in `tests/checkpoints/`.
//! Version 1 has one entry for each object that was read or replaced, by its folder below the
//! location (with a slash at the end) and its name there.

use std::{collections::BTreeMap, sync::Arc};

use base::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::{decompress::Format, list::Listed, reader::Reader};

/// The version that is written.
const VERSION: u32 = 1;

/// How many raw bytes a print covers at most.
pub(crate) const PRINT_BYTES: u64 = 1024;

/// A hash of some raw bytes of an object, to see later whether they are still the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Print(u64, u64, u64);

impl Print {
    /// The print of `bytes`, which begin at `start`.
    pub(crate) fn of(start: u64, bytes: &[u8]) -> Self {
        // FNV-1a with 64 bits, folded to 48, which are short in JSON: part of the stored form.
        let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(start, bytes.len() as u64, (hash ^ (hash >> 48)) & 0xffff_ffff_ffff)
    }

    pub(crate) const fn start(self) -> u64 {
        self.0
    }

    pub(crate) const fn end(self) -> u64 {
        self.0 + self.1
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.1 == 0
    }
}

/// One state of an object's content, as the store tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Version {
    /// Raw bytes.
    pub(crate) size: u64,
    /// Microseconds since 1970.
    pub(crate) modified: i64,
    pub(crate) etag: Option<String>,
}

/// As a list, because there is one for each object.
impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.size, self.modified, &self.etag).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (size, modified, etag) = Deserialize::deserialize(deserializer)?;
        Ok(Self { size, modified, etag })
    }
}

impl Version {
    /// Both are the same content. Times count only where there are no tags: a listing and a
    /// response may round them differently.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.size == other.size
            && match (&self.etag, &other.etag) {
                (Some(one), Some(other)) => one == other,
                _ => self.modified == other.modified,
            }
    }

    pub(crate) fn modified(&self) -> Timestamp {
        Timestamp::from_micros(self.modified)
    }
}

/// What is remembered of an object.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// How often it was replaced.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) generation: u32,
    /// Up to where it is framed, decompressed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) offset: u64,
    /// The framer's state there.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub(crate) frame: Value,
    /// Nothing of this version is left to read.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) done: bool,
    /// The version last read.
    pub(crate) version: Version,
    /// How it is compressed, once that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) format: Option<Format>,
    /// Its first bytes.
    #[serde(default, skip_serializing_if = "Print::is_unset")]
    pub(crate) head: Print,
    /// The last bytes that were read of it.
    #[serde(default, skip_serializing_if = "Print::is_unset")]
    pub(crate) tail: Print,
    /// The decompressed size of `version`, once its end was reached; not kept once it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) end: Option<u64>,
    /// What only this process knows.
    #[serde(skip)]
    pub(crate) live: Live,
}

/// What a process knows of an object, beyond what is stored.
#[derive(Debug, Default)]
pub(crate) struct Live {
    /// The poll that saw it last.
    pub(crate) poll: u64,
    /// The version that was listed last, and when it was first.
    pub(crate) listed: Option<(Version, Timestamp)>,
    /// How the last reading ended.
    pub(crate) ended: Option<Ended>,
    /// It was found to be other content: read it as a new generation.
    pub(crate) is_replaced: bool,
}

/// How a reading ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// What was read.
    pub(crate) listed: Listed,
    /// The decompressed offset it came to.
    pub(crate) at: u64,
    /// It was complete or broken, not paused.
    pub(crate) is_final: bool,
    /// It was read with the wish to finish it.
    pub(crate) finish: bool,
}

impl Print {
    fn is_unset(&self) -> bool {
        self.is_empty()
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Entry {
    /// Forgets the content: what is there now is another.
    pub(crate) fn replace(&mut self) {
        *self = Self {
            generation: self.generation.saturating_add(1),
            live: Live { is_replaced: false, ended: None, ..std::mem::take(&mut self.live) },
            ..Self::default()
        };
    }

    /// Takes over what a reader learned.
    pub(crate) fn learn(&mut self, reader: &Reader) {
        self.version.clone_from(&reader.listed.version);
        self.format = reader.format;
        self.head = reader.head;
        self.tail = reader.tail;
        self.done = false;
    }

    pub(crate) fn is_worth_storing(&self) -> bool {
        self.offset > 0 || self.done || self.generation > 0
    }
}

#[derive(Deserialize)]
struct Stored {
    location: String,
    objects: BTreeMap<String, BTreeMap<String, Entry>>,
}

#[derive(Deserialize)]
struct StoredVersion {
    version: u32,
}

/// Reads a stored checkpoint: the address of its location, and its entries.
pub(crate) fn read(bytes: &[u8]) -> Result<(String, BTreeMap<Arc<str>, Entry>), String> {
    let StoredVersion { version } =
        serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if version != VERSION {
        return Err(format!("it has version {version}, this dab reads version {VERSION}"));
    }
    let stored: Stored = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let mut entries = BTreeMap::new();
    for (folder, objects) in stored.objects {
        for (name, entry) in objects {
            entries.insert(format!("{folder}{name}").into(), entry);
        }
    }
    Ok((stored.location, entries))
}

#[derive(Serialize)]
struct Storing<'a> {
    version: u32,
    location: &'a str,
    objects: BTreeMap<&'a str, Objects<'a>>,
}

/// The objects of one folder.
#[derive(Default)]
struct Objects<'a>(Vec<(&'a str, &'a Entry)>);

impl Serialize for Objects<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

/// The stored form.
pub(crate) fn write(location: &str, entries: &BTreeMap<Arc<str>, Entry>) -> Vec<u8> {
    let mut objects = BTreeMap::<&str, Objects<'_>>::new();
    for (path, entry) in entries.iter().filter(|(_, entry)| entry.is_worth_storing()) {
        let slash = path.rfind('/').map_or(0, |slash| slash + 1);
        let (folder, name) = path.split_at(slash);
        objects.entry(folder).or_default().0.push((name, entry));
    }
    // Maps with text as keys and plain values: JSON has a form for all of it.
    serde_json::to_vec(&Storing { version: VERSION, location, objects }).unwrap_or_default()
}
