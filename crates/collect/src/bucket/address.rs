//! Where a source reads: a local folder, or a prefix in a bucket of S3, Google Cloud Storage or Azure.

use std::{
    path::{Component, Path as FilePath, PathBuf},
    sync::Arc,
    time::Duration,
};

use object_store::{
    ObjectStore, RetryConfig,
    aws::{AmazonS3Builder, AmazonS3ConfigKey, AwsCredentialProvider},
    azure::{AzureConfigKey, MicrosoftAzureBuilder},
    gcp::{GcpCredentialProvider, GoogleCloudStorageBuilder, GoogleConfigKey},
    local::LocalFileSystem,
    path::Path,
};
use url::Url;

use crate::CollectError;

/// How often a request to a bucket is tried again before the object is left for the next poll.
const RETRIES_MAX: usize = 3;
/// For how long a request to a bucket is tried again.
const RETRY_TIMEOUT: Duration = Duration::from_secs(30);

/// A folder or a prefix of a bucket, not yet connected to.
#[derive(Debug, Clone)]
pub struct Location {
    address: String,
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    folder: Option<PathBuf>,
    credentials: Credentials,
}

/// What a bucket is reached with, for services beside it.
#[derive(Debug, Clone, Default)]
enum Credentials {
    #[default]
    None,
    Aws(AwsCredentialProvider),
    Gcp(GcpCredentialProvider),
}

impl Location {
    /// Reads `./folder`, `/abs/folder`, `file:///abs/folder`, `s3://bucket/prefix`, `gs://bucket/prefix`
    /// or `az://container/prefix`. Relative folders are below `base_dir`. Connects to nothing, and the
    /// folder need not exist yet.
    ///
    /// The options are those of `object_store`'s client for the scheme by name; for S3: `endpoint`, `region`,
    /// `allow_http`, `aws_access_key_id`, `aws_secret_access_key`, `aws_session_token` and so on.
    /// Buckets are addressed by path (`endpoint/bucket/key`) unless `virtual_hosted_style_request`
    /// says otherwise. Without credentials, those of the machine's role are asked for when the
    /// first request is made.
    ///
    /// # Errors
    ///
    /// [`CollectError::Location`] if `text` is none of these, [`CollectError::Setting`] if an
    /// option is unknown or has no such value.
    pub fn parse(
        text: &str,
        base_dir: &FilePath,
        options: &[(String, String)],
    ) -> Result<Self, CollectError> {
        let wrong =
            |reason: &str| CollectError::Location { text: text.to_owned(), reason: reason.into() };
        let Some((scheme, rest)) = text.split_once("://") else {
            if text.is_empty() {
                return Err(wrong("it is empty"));
            }
            return Self::folder(text, &base_dir.join(text), base_dir);
        };
        match scheme {
            "s3" => Self::bucket(text, rest, |bucket| s3(bucket, options)),
            "gs" => Self::bucket(text, rest, |bucket| gcs(bucket, options)),
            "az" => Self::bucket(text, rest, |container| azure(container, options)),
            "file" => {
                let path = Url::parse(text)
                    .ok()
                    .and_then(|url| url.to_file_path().ok())
                    .ok_or_else(|| wrong("a file address has three slashes and a full path"))?;
                Self::folder(text, &path, base_dir)
            }
            _ => Err(wrong("its scheme is none of `s3`, `gs`, `az`, `file`")),
        }
    }

    /// A location in a store of the caller's own. `address` is what its objects' addresses begin
    /// with.
    #[must_use]
    pub fn with_store(address: &str, store: Arc<dyn ObjectStore>, prefix: Path) -> Self {
        let credentials = Credentials::None;
        Self { address: address.to_owned(), store, prefix, folder: None, credentials }
    }

    fn folder(text: &str, path: &FilePath, base_dir: &FilePath) -> Result<Self, CollectError> {
        let wrong = |reason: String| CollectError::Location { text: text.to_owned(), reason };
        let absolute = |path: &FilePath| std::path::absolute(path).map(|path| without_dots(&path));
        let folder = absolute(path).map_err(|error| wrong(error.to_string()))?;
        let base_dir = absolute(base_dir).map_err(|error| wrong(error.to_string()))?;
        let prefix = Path::from_absolute_path(&folder).map_err(|error| wrong(error.to_string()))?;
        let shown = folder.strip_prefix(&base_dir).unwrap_or(&folder);
        // The address is part of event ids: the same on every system.
        let address = match shown.to_str() {
            Some("") => "file:.".to_owned(),
            Some(shown) => format!("file:{}", shown.replace(std::path::MAIN_SEPARATOR, "/")),
            None => return Err(wrong("it is not UTF-8".to_owned())),
        };
        let (store, credentials) = (Arc::new(LocalFileSystem::new()), Credentials::None);
        Ok(Self { address, store, prefix, folder: Some(folder), credentials })
    }

    fn bucket(
        text: &str,
        rest: &str,
        build: impl FnOnce(&str) -> Result<Opened, Built>,
    ) -> Result<Self, CollectError> {
        let wrong = |reason: String| CollectError::Location { text: text.to_owned(), reason };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if bucket.is_empty() || !bucket.chars().all(is_name) {
            return Err(wrong(format!("`{bucket}` is no name of a bucket")));
        }
        let prefix = Path::parse(prefix).map_err(|error| wrong(error.to_string()))?;
        let (store, credentials) = build(bucket).map_err(|built| match built {
            Built::UnknownOption(key, of) => CollectError::Setting {
                what: "the option",
                value: key,
                reason: format!("{of} has no such option"),
            },
            // The client names the option and what it can be, not a secret's value.
            Built::Refused(reason) => {
                CollectError::Setting { what: "an option of", value: text.to_owned(), reason }
            }
        })?;
        let scheme = text.split_once("://").map_or("", |(scheme, _)| scheme);
        let address = if prefix.is_root() {
            format!("{scheme}://{bucket}")
        } else {
            format!("{scheme}://{bucket}/{prefix}")
        };
        Ok(Self { address, store, prefix, folder: None, credentials })
    }

    /// What the addresses of its objects begin with: `file:incoming/okta` (below `base_dir` where
    /// possible) or `s3://bucket/prefix`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The same location, with its store inside another.
    #[must_use]
    pub fn map_store(self, map: impl FnOnce(Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore>) -> Self {
        Self { store: map(self.store), ..self }
    }

    /// Whether it is a folder of this machine.
    #[must_use]
    pub const fn is_folder(&self) -> bool {
        self.folder.is_some()
    }

    /// The store that holds it.
    #[must_use]
    pub fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.store)
    }

    /// The prefix inside [`Self::store`].
    #[must_use]
    pub fn prefix(&self) -> &Path {
        &self.prefix
    }

    /// What the bucket is reached with, if it is one of S3.
    #[must_use]
    pub fn aws_credentials(&self) -> Option<AwsCredentialProvider> {
        match &self.credentials {
            Credentials::Aws(provider) => Some(Arc::clone(provider)),
            Credentials::None | Credentials::Gcp(_) => None,
        }
    }

    /// What the bucket is reached with, if it is one of Google's and asks for it.
    #[must_use]
    pub fn gcp_credentials(&self) -> Option<GcpCredentialProvider> {
        match &self.credentials {
            Credentials::Gcp(provider) => Some(Arc::clone(provider)),
            Credentials::None | Credentials::Aws(_) => None,
        }
    }

    /// What an object of a bucket is called below it; `None` if it is not below it.
    #[must_use]
    pub fn name_below(&self, bucket: &str, key: &str) -> Option<String> {
        let (_, rest) = self.address.split_once("://")?;
        let (own, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let name = match prefix {
            "" => key,
            prefix => key.strip_prefix(prefix)?.strip_prefix('/')?,
        };
        (own == bucket && !name.is_empty()).then(|| name.to_owned())
    }

    /// The folder, if it is one on this machine.
    pub(crate) fn folder_path(&self) -> Option<&FilePath> {
        self.folder.as_deref()
    }

    /// The address of the object at `path` below it.
    pub(crate) fn object_address(&self, path: &str) -> String {
        match self.address.as_str() {
            "file:." => format!("file:{path}"),
            "file:/" => format!("file:/{path}"),
            address => format!("{address}/{path}"),
        }
    }

    /// The place in the store of the object at `path` below it; `None` if the store takes no such
    /// name.
    pub(crate) fn object_path(&self, path: &str) -> Option<Path> {
        if self.prefix.is_root() {
            Path::parse(path)
        } else {
            Path::parse(format!("{}/{path}", self.prefix))
        }
        .ok()
    }
}

/// Why there is no client.
enum Built {
    UnknownOption(String, &'static str),
    Refused(String),
}

impl From<object_store::Error> for Built {
    fn from(error: object_store::Error) -> Self {
        Self::Refused(error.to_string())
    }
}

fn retry() -> RetryConfig {
    RetryConfig { max_retries: RETRIES_MAX, retry_timeout: RETRY_TIMEOUT, ..RetryConfig::default() }
}

type Options<'o> = &'o [(String, String)];

type Opened = (Arc<dyn ObjectStore>, Credentials);

fn s3(bucket: &str, options: Options<'_>) -> Result<Opened, Built> {
    let mut builder =
        AmazonS3Builder::new().with_virtual_hosted_style_request(false).with_retry(retry());
    for (key, value) in options {
        let unknown = |_| Built::UnknownOption(key.clone(), "S3");
        builder = builder.with_config(key.parse::<AmazonS3ConfigKey>().map_err(unknown)?, value);
    }
    let store = builder.with_bucket_name(bucket).build()?;
    let credentials = Credentials::Aws(Arc::clone(store.credentials()));
    Ok((Arc::new(store), credentials))
}

fn gcs(bucket: &str, options: Options<'_>) -> Result<Opened, Built> {
    let mut builder = GoogleCloudStorageBuilder::new().with_retry(retry());
    let is_anonymous = |(key, value): &(String, String)| key == "skip_signature" && value == "true";
    let is_anonymous = options.iter().any(is_anonymous);
    for (key, value) in options {
        let unknown = |_| Built::UnknownOption(key.clone(), "Google Cloud Storage");
        builder = builder.with_config(key.parse::<GoogleConfigKey>().map_err(unknown)?, value);
    }
    let store = builder.with_bucket_name(bucket).build()?;
    let provider = Arc::clone(store.credentials());
    let credentials = if is_anonymous { Credentials::None } else { Credentials::Gcp(provider) };
    Ok((Arc::new(store), credentials))
}

fn azure(container: &str, options: Options<'_>) -> Result<Opened, Built> {
    let mut builder = MicrosoftAzureBuilder::new().with_retry(retry());
    for (key, value) in options {
        let unknown = |_| Built::UnknownOption(key.clone(), "Azure");
        builder = builder.with_config(key.parse::<AzureConfigKey>().map_err(unknown)?, value);
    }
    Ok((Arc::new(builder.with_container_name(container).build()?), Credentials::None))
}

/// Resolves `.` and `..` by their spelling, without asking the file system.
fn without_dots(path: &FilePath) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            part => clean.push(part),
        }
    }
    clean
}

#[cfg(test)]
mod tests;
