//! What is there: every object below a location.
//!
//! Folders are walked here and not by `object_store`, whose listing ends at the first name or
//! subfolder that it can't read, and leaves out some names in silence. Here each of these is a
//! trouble, and the rest is listed.

use std::{
    fs::{self, DirEntry, Metadata},
    io,
    path::{Path as FilePath, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use base::limits;
use futures::TryStreamExt as _;
use glob::{MatchOptions, Pattern};
use object_store::{ObjectMeta, path::Path};

use super::{address::Location, checkpoint::Version};
use crate::CollectError;

/// An object as listed.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    /// Below the location.
    pub(crate) name: Arc<str>,
    /// In the store.
    pub(crate) path: Path,
    pub(crate) version: Version,
}

/// A listing.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) objects: Vec<Listed>,
    /// What could not be listed. If there is any, objects may be missing above.
    pub(crate) troubles: Vec<CollectError>,
}

/// Which names are read.
#[derive(Debug)]
pub(crate) struct Filter {
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
}

impl Filter {
    pub(crate) fn new(include: &[String], exclude: &[String]) -> Result<Self, CollectError> {
        let parse = |patterns: &[String]| {
            let parse = |text: &String| {
                Pattern::new(text).map_err(|error| CollectError::Setting {
                    what: "the pattern",
                    value: text.clone(),
                    reason: format!("{} (at character {})", error.msg, error.pos + 1),
                })
            };
            patterns.iter().map(parse).collect::<Result<Vec<_>, _>>()
        };
        Ok(Self { include: parse(include)?, exclude: parse(exclude)? })
    }

    pub(crate) fn admits(&self, name: &str) -> bool {
        let options = MatchOptions { require_literal_separator: true, ..MatchOptions::default() };
        let any = |patterns: &[Pattern]| {
            patterns.iter().any(|pattern| pattern.matches_with(name, options))
        };
        (self.include.is_empty() || any(&self.include)) && !any(&self.exclude)
    }
}

/// Lists everything that `filter` admits, in the order of names.
pub(crate) async fn list(
    location: &Location,
    filter: &Arc<Filter>,
) -> Result<Listing, CollectError> {
    let mut listing = match location.folder_path() {
        Some(folder) => {
            let (folder, location) = (folder.to_owned(), location.clone());
            let filter = Arc::clone(filter);
            let address = location.address().to_owned();
            tokio::task::spawn_blocking(move || walk(&folder, &location, &filter))
                .await
                .map_err(|error| unlisted(&address, error))?
                .map_err(|error| unlisted(&address, error))?
        }
        None => list_store(location, filter).await?,
    };
    listing.objects.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(listing)
}

fn unlisted(
    address: &str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> CollectError {
    CollectError::Unlisted { address: address.to_owned(), source: source.into() }
}

fn too_many(location: &Location) -> CollectError {
    let address = location.address().to_owned();
    CollectError::TooMany { address, objects_max: limits::OBJECTS_LISTED_MAX }
}

async fn list_store(location: &Location, filter: &Filter) -> Result<Listing, CollectError> {
    let prefix = Some(location.prefix()).filter(|prefix| !prefix.is_root());
    let store = location.store();
    let mut stream = store.list(prefix);
    let mut listing = Listing::default();
    loop {
        let next = stream.try_next().await.map_err(|error| unlisted(location.address(), error))?;
        let Some(meta) = next else { return Ok(listing) };
        let Some(name) = name_below(&meta.location, location.prefix()) else { continue };
        if !filter.admits(name) {
            continue;
        }
        if listing.objects.len() == limits::OBJECTS_LISTED_MAX {
            listing.troubles.push(too_many(location));
            return Ok(listing);
        }
        let (name, version) = (name.into(), Version::of(&meta));
        listing.objects.push(Listed { name, path: meta.location, version });
    }
}

fn name_below<'a>(path: &'a Path, prefix: &Path) -> Option<&'a str> {
    let path: &str = path.as_ref();
    if prefix.is_root() {
        return Some(path);
    }
    path.strip_prefix(prefix.as_ref())?.strip_prefix('/')
}

impl Version {
    /// What a store tells of an object.
    pub(crate) fn of(meta: &ObjectMeta) -> Self {
        Self {
            size: meta.size,
            modified: meta.last_modified.timestamp_micros(),
            etag: meta.e_tag.clone(),
        }
    }

    /// The same, for a file: `LocalFileSystem` gives an opened file the same tag.
    fn of_file(metadata: &Metadata) -> Self {
        let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let micros =
            modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_micros();
        let size = metadata.len();
        Self {
            size,
            modified: i64::try_from(micros).unwrap_or(i64::MAX),
            etag: Some(format!("{:x}-{micros:x}-{size:x}", inode(metadata))),
        }
    }
}

#[cfg(unix)]
fn inode(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn inode(_metadata: &Metadata) -> u64 {
    0
}

/// A folder still to be walked.
struct Folder {
    path: PathBuf,
    /// Its name below the location, with a slash at the end; empty for the location itself.
    name: String,
    depth: usize,
    /// Where the linked folders on the way here lead.
    links: Vec<PathBuf>,
}

struct Walk<'a> {
    location: &'a Location,
    filter: &'a Filter,
    listing: Listing,
    folders: Vec<Folder>,
}

fn walk(folder: &FilePath, location: &Location, filter: &Filter) -> io::Result<Listing> {
    let root = Folder {
        path: folder.to_owned(),
        name: String::new(),
        depth: 0,
        links: vec![fs::canonicalize(folder)?],
    };
    let entries = fs::read_dir(folder)?;
    let mut walk = Walk { location, filter, listing: Listing::default(), folders: Vec::new() };
    walk.read(&root, entries);
    while let Some(folder) = walk.folders.pop() {
        match fs::read_dir(&folder.path) {
            Ok(entries) => walk.read(&folder, entries),
            Err(error) => walk.trouble(&folder.name, error),
        }
        if walk.listing.objects.len() > limits::OBJECTS_LISTED_MAX {
            walk.listing.objects.truncate(limits::OBJECTS_LISTED_MAX);
            walk.listing.troubles.push(too_many(location));
            break;
        }
    }
    Ok(walk.listing)
}

impl Walk<'_> {
    fn read(&mut self, folder: &Folder, entries: fs::ReadDir) {
        for entry in entries {
            if let Err(error) = entry.and_then(|entry| self.take(folder, &entry)) {
                self.trouble(&folder.name, error);
            }
        }
    }

    fn take(&mut self, folder: &Folder, entry: &DirEntry) -> io::Result<()> {
        let file_name = entry.file_name();
        let Some(text) = file_name.to_str() else {
            let name = format!("{}{}", folder.name, file_name.to_string_lossy());
            self.bad_name(&name, "it is not UTF-8");
            return Ok(());
        };
        let name = format!("{}{text}", folder.name);
        let path = entry.path();
        let is_link = entry.file_type()?.is_symlink();
        let metadata = match if is_link { fs::metadata(&path) } else { entry.metadata() } {
            Ok(metadata) => metadata,
            // Gone since it was listed, or a link that leads nowhere.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => {
                self.trouble(&name, error);
                return Ok(());
            }
        };
        if metadata.is_dir() {
            return self.enter(folder, path, name, is_link);
        }
        // Pipes, sockets and devices have no content to come back to.
        if metadata.is_file() && self.filter.admits(&name) {
            self.add(&name, text, &metadata);
        }
        Ok(())
    }

    fn add(&mut self, name: &str, file_name: &str, metadata: &Metadata) {
        // `object_store` keeps the names of its unfinished uploads for itself.
        let is_upload = file_name.split_once('#').is_some_and(|(_, suffix)| {
            !suffix.is_empty() && suffix.bytes().all(|byte| byte.is_ascii_digit())
        });
        if is_upload {
            return self.bad_name(name, "it ends in `#` and digits, as unfinished uploads do");
        }
        match self.location.object_path(name) {
            Some(path) => self.listing.objects.push(Listed {
                name: name.into(),
                path,
                version: Version::of_file(metadata),
            }),
            None => self.bad_name(name, "it has control characters"),
        }
    }

    fn enter(
        &mut self,
        folder: &Folder,
        path: PathBuf,
        name: String,
        is_link: bool,
    ) -> io::Result<()> {
        let mut links = folder.links.clone();
        if is_link {
            let target = fs::canonicalize(&path)?;
            let here = fs::canonicalize(&folder.path)?;
            if here.starts_with(&target) || links.contains(&target) {
                return Ok(());
            }
            links.push(target);
        }
        let depth = folder.depth + 1;
        if depth > limits::FOLDER_DEPTH_MAX {
            self.trouble(&name, io::Error::other("folders are nested too deeply"));
            return Ok(());
        }
        self.folders.push(Folder { path, name: name + "/", depth, links });
        Ok(())
    }

    fn trouble(&mut self, name: &str, error: io::Error) {
        let address = self.location.object_address(name.trim_end_matches('/'));
        self.listing.troubles.push(unlisted(&address, error));
    }

    fn bad_name(&mut self, name: &str, reason: &'static str) {
        let address = self.location.object_address(&name.escape_debug().to_string());
        self.listing.troubles.push(CollectError::Name { address, reason });
    }
}
