//! The settings: `dab.yaml`, and the only place that reads the environment.

mod external;
mod notifications;
mod pull;
pub(crate) mod route;
pub(crate) mod syslog;
mod upkeep;

use std::path::{Path, PathBuf};

use base::{Code, Explain, Place, Problem};
use schemars::JsonSchema;
use serde::Deserialize;

pub(crate) use self::{
    external::ExternalSettings, notifications::Notifications, pull::PullSettings,
};
use self::{
    route::{MixedSettings, RouteSettings},
    syslog::SyslogSettings,
    upkeep::{HealthSettings, MaintenanceSettings, RetentionSettings},
};

/// What `dab.yaml` holds. Paths are relative to the file.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// The version of this form: 1.
    pub(crate) version: u32,
    /// Where everything is stored: a folder, `s3://bucket/prefix`, `gs://bucket/prefix` or
    /// `az://container/prefix`.
    pub(crate) lake: String,
    /// Files and folders with log sources of your own; those that come with dab are there anyway,
    /// and one of the same name replaces them.
    #[serde(default)]
    pub(crate) log_sources: Vec<PathBuf>,
    /// Files and folders with detections.
    #[serde(default)]
    pub(crate) detections: Vec<PathBuf>,
    /// Files and folders with saved searches.
    #[serde(default)]
    pub(crate) saved_searches: Vec<PathBuf>,
    /// Files of others that SQL may read as tables.
    #[serde(default)]
    pub(crate) external_tables: Vec<ExternalSettings>,
    /// Where HTTP listens, such as `127.0.0.1:8514`; port 0 takes any that is free. Nowhere if it
    /// is left out.
    #[serde(default)]
    pub(crate) listen: Option<String>,
    /// What is read from folders and buckets.
    #[serde(default)]
    pub(crate) collect: Vec<Collect>,
    /// The APIs whose events are pulled.
    #[serde(default)]
    pub(crate) pull: Vec<PullSettings>,
    /// What is taken in by HTTP.
    #[serde(default)]
    pub(crate) ingest: Ingest,
    /// How many matches of one detection become alerts, for each source and hour of event time. One alert
    /// more says how many were held back; their events are stored all the same.
    #[serde(default = "rule_matches")]
    pub(crate) rule_matches_per_hour_max: u64,
    /// How many bytes of data files the query of a lookup table may read each time it is run. One that may
    /// read more is told of and not begun; its table stays as it was, and others go on.
    #[serde(default = "rule_query_bytes")]
    pub(crate) rule_query_bytes_max: u64,
    /// Who is told of alerts.
    #[serde(default)]
    pub(crate) receivers: Vec<Receiver>,
    /// How long what is stored is kept.
    #[serde(default)]
    pub(crate) retention: RetentionSettings,
    /// How `dab run` looks after the lake.
    #[serde(default)]
    pub(crate) maintenance: MaintenanceSettings,
    /// How `dab run` watches sources.
    #[serde(default)]
    pub(crate) health: HealthSettings,
    /// How S3 is reached, where it is used.
    #[serde(default)]
    pub(crate) s3: S3,
    /// How Google Cloud Storage is reached, where it is used.
    #[serde(default)]
    pub(crate) gcs: Gcs,
    /// How Azure's Blob Storage is reached, where it is used.
    #[serde(default)]
    pub(crate) azure: Azure,
}

/// A folder or a prefix of a bucket.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Collect {
    /// The source's name: how far it is read is kept under it.
    pub(crate) name: String,
    /// The log source that decodes it; with `route`, what no route is for: `unclassified` if it is left out.
    #[serde(default)]
    pub(crate) log_source: Option<String>,
    /// Which records are for which log source: the first whose condition holds. A record is a line.
    #[serde(default)]
    pub(crate) route: Vec<RouteSettings>,
    /// A folder, `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`.
    pub(crate) from: String,
    /// Which files are read, as patterns such as `**/*.json.gz`; all if empty.
    #[serde(default)]
    pub(crate) include: Vec<String>,
    /// Which of these are not.
    #[serde(default)]
    pub(crate) exclude: Vec<String>,
    /// The time between two listings: 1, or 3600 where `notifications` say what is new.
    #[serde(default)]
    poll_seconds: Option<u64>,
    /// How the bucket says which objects are new.
    #[serde(default)]
    pub(crate) notifications: Option<Notifications>,
    /// How long a file must be unchanged before its last line counts without a line end.
    #[serde(default = "five")]
    pub(crate) settle_seconds: u64,
    /// How long events may wait to be committed together. Shorter means smaller files.
    #[serde(default = "five")]
    pub(crate) commit_seconds: u64,
    /// How many times larger than its compressed form a file may become, past its first 64 MiB.
    #[serde(default)]
    pub(crate) decompression_ratio_max: Option<u64>,
    /// The most bytes a compressed file may unpack to.
    #[serde(default)]
    pub(crate) decompressed_bytes_max: Option<u64>,
}

const fn rule_matches() -> u64 {
    base::limits::RULE_MATCHES_PER_HOUR_MAX
}

impl Collect {
    /// What is wrong with it, and how to put it right.
    fn mistake(&self) -> Option<(String, &'static str)> {
        let name = &self.name;
        if self.log_source.is_none() && self.route.is_empty() {
            let help = "name the `log_source` of its records, or a `route` for each kind";
            return Some((format!("the source `{name}` is for no log source"), help));
        }
        route::mistake(&self.route, &format!("the source `{name}`"))
    }

    /// The time between two listings.
    pub(crate) fn poll_seconds(&self) -> u64 {
        let default =
            if self.notifications.is_some() { base::limits::ANNOUNCED_LIST_SECONDS } else { 1 };
        self.poll_seconds.unwrap_or(default)
    }
}

const fn rule_query_bytes() -> u64 {
    base::limits::RULE_QUERY_BYTES_MAX
}

const fn five() -> u64 {
    5
}

/// What is taken in by HTTP.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ingest {
    /// Who may send events. Without one, nobody.
    #[serde(default)]
    pub(crate) tokens: Vec<Token>,
    /// Where syslog is taken in.
    #[serde(default)]
    pub(crate) syslog: Vec<SyslogSettings>,
    /// Which log sources the records of others' protocols are for, by what their clients call them. The
    /// first that fits counts.
    #[serde(default)]
    pub(crate) routes: Vec<Route>,
    /// Addresses for records of several log sources.
    #[serde(default)]
    pub(crate) mixed: Vec<MixedSettings>,
}

/// Records with such names are a log source's.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Route {
    /// Their sourcetype or index (`hec`), index or data set (`elastic`), or `service.name` (`otel`); `*`
    /// stands for anything. Upper and lower case are the same.
    pub(crate) names: Vec<String>,
    /// The protocol they come by; any if it is left out.
    #[serde(default)]
    pub(crate) via: Option<Via>,
    /// The log source.
    pub(crate) log_source: String,
}

/// A protocol of others.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Via {
    /// Splunk's HTTP Event Collector.
    Hec,
    /// Elasticsearch's documents.
    Elastic,
    /// OpenTelemetry's logs.
    Otel,
}

/// A token.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Token {
    /// Its name, for the log.
    pub(crate) name: String,
    /// Where the token is.
    pub(crate) token: SecretRef,
    /// The log sources it is for; all if empty.
    #[serde(default)]
    pub(crate) log_sources: Vec<String>,
    /// How many requests it may send in a second; no limit if it is left out.
    #[serde(default)]
    pub(crate) requests_per_second_max: Option<u32>,
    /// How many bytes of bodies it may send in a second, as sent; no limit if it is left out.
    #[serde(default)]
    pub(crate) bytes_per_second_max: Option<u64>,
}

/// Where a secret is: settings never hold one themselves.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum SecretRef {
    /// In a variable of the environment.
    Env(String),
    /// In a file; white space around it does not count.
    File(PathBuf),
    /// What a command prints, such as that of a secret manager: the program and its arguments, run
    /// without a shell.
    Command(Vec<String>),
}

/// Who is told of alerts.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Receiver {
    /// Its name.
    pub(crate) name: String,
    /// A generic webhook.
    pub(crate) webhook: Webhook,
}

/// An address that alerts are posted to.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Webhook {
    /// The address.
    pub(crate) url: String,
    /// The key that bodies are signed with; unsigned without one.
    #[serde(default)]
    pub(crate) secret: Option<SecretRef>,
}

/// How S3, or a store that speaks its language, is reached.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct S3 {
    /// The address of a store that is not AWS's.
    #[serde(default)]
    pub(crate) endpoint: Option<String>,
    /// The region.
    #[serde(default)]
    pub(crate) region: Option<String>,
    /// Whether plain HTTP will do: for tests on this machine.
    #[serde(default)]
    pub(crate) allow_http: bool,
    /// The access key's id.
    #[serde(default)]
    pub(crate) access_key_id: Option<SecretRef>,
    /// The access key's secret.
    #[serde(default)]
    pub(crate) secret_access_key: Option<SecretRef>,
}

/// How Google Cloud Storage is reached. Without an account's key, the machine's own role is asked for.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Gcs {
    /// The address of a store that is not Google's.
    #[serde(default)]
    pub(crate) endpoint: Option<String>,
    /// Whether plain HTTP will do: for tests on this machine.
    #[serde(default)]
    pub(crate) allow_http: bool,
    /// Whether requests are not signed: for public buckets and for tests.
    #[serde(default)]
    pub(crate) anonymous: bool,
    /// The service account's key, as JSON.
    #[serde(default)]
    pub(crate) service_account_key: Option<SecretRef>,
}

/// How Azure's Blob Storage is reached. Without a key, the machine's managed identity is asked for.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Azure {
    /// The storage account.
    #[serde(default)]
    pub(crate) account: Option<String>,
    /// The address of a store that is not Azure's, with the account's name in its path.
    #[serde(default)]
    pub(crate) endpoint: Option<String>,
    /// Whether plain HTTP will do: for tests on this machine.
    #[serde(default)]
    pub(crate) allow_http: bool,
    /// The account's key.
    #[serde(default)]
    pub(crate) access_key: Option<SecretRef>,
}

/// What is wrong with the settings.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error("the settings `{path}` can't be read")]
    Unreadable {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{message}")]
    Form { message: String, help: Option<String>, place: Place },
    #[error("{message}")]
    Value { message: String, help: String, path: String },
    #[error("the file `{path}` that the settings name can't be read")]
    File {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("the file `{path}` can't be read")]
    Sample {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("the secret in {place} can't be read: {reason}")]
    Secret { place: String, reason: String },
}

impl Explain for SettingsError {
    fn code(&self) -> Code {
        Code(match self {
            Self::Unreadable { .. } | Self::File { .. } | Self::Sample { .. } => "DAB0101",
            Self::Form { .. } => "DAB0102",
            Self::Value { .. } => "DAB0103",
            Self::Secret { .. } => "DAB0104",
        })
    }

    fn place(&self) -> Option<Place> {
        match self {
            Self::Form { place, .. } => Some(place.clone()),
            Self::Value { path, .. } => Some(Place::Object(path.clone())),
            Self::Unreadable { .. }
            | Self::File { .. }
            | Self::Sample { .. }
            | Self::Secret { .. } => None,
        }
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::Unreadable { .. } => {
                Some("name the file with `--config`, or begin with `dab demo`".into())
            }
            Self::File { .. } | Self::Sample { .. } => {
                Some("correct its path, or make it readable".into())
            }
            Self::Form { help, .. } => help.clone(),
            Self::Value { help, .. } => Some(help.clone()),
            Self::Secret { .. } => Some("set the variable, or make the file readable".into()),
        }
    }
}

impl Settings {
    /// Reads and checks a file of settings. Connects to nothing.
    pub(crate) fn read(path: &Path) -> Result<Self, Problem> {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|source| SettingsError::Unreadable { path: shown.clone(), source })?;
        let settings: Self =
            serde_saphyr::from_str(&text).map_err(|error| form_error(&shown, &error))?;
        settings.check(&shown)?;
        Ok(settings)
    }

    fn check(&self, path: &str) -> Result<(), SettingsError> {
        let wrong = |message: String, help: &str| {
            Err(SettingsError::Value { message, help: help.to_owned(), path: path.to_owned() })
        };
        if self.version != 1 {
            return wrong(format!("`version` is {}", self.version), "write `version: 1`");
        }
        if self.rule_matches_per_hour_max == 0 {
            let help = "write how many may become alerts, or leave it out";
            return wrong("`rule_matches_per_hour_max` can't be 0".into(), help);
        }
        if self.rule_query_bytes_max == 0 {
            let help = "write how many bytes a query may read, or leave it out";
            return wrong("`rule_query_bytes_max` can't be 0".into(), help);
        }
        for token in &self.ingest.tokens {
            let is_none =
                token.requests_per_second_max == Some(0) || token.bytes_per_second_max == Some(0);
            if is_none {
                let help = "write how much it may send in a second, or leave it out";
                return wrong(format!("the token `{}` may send nothing", token.name), help);
            }
        }
        let mistake = self.retention.mistake().or_else(|| self.maintenance.mistake());
        let mistake = mistake.or_else(|| self.health.mistake());
        let mistake = mistake.or_else(|| syslog::mistake(&self.ingest.syslog));
        let mistake = mistake.or_else(|| external::mistake(&self.external_tables));
        let mistake = mistake
            .or_else(|| notifications::mistake(&self.collect, self.listen.is_some()))
            .or_else(|| route::mistake_in_mixed(&self.ingest.mixed))
            .or_else(|| self.collect.iter().find_map(Collect::mistake));
        if let Some((message, help)) = mistake {
            return wrong(message, help);
        }
        if let Some((message, help)) = self.pull.iter().find_map(PullSettings::mistake) {
            return wrong(message, help);
        }
        let mut seen = std::collections::BTreeSet::new();
        let names = self.collect.iter().map(|source| &source.name);
        for name in names.chain(self.pull.iter().map(|pull| &pull.name)) {
            if !can_name_a_source(name) {
                let help = "use 1 to 64 of the characters `A-Z a-z 0-9 _ -`";
                return wrong(format!("`{name}` can't name a source"), help);
            }
            if !seen.insert(name) {
                return wrong(format!("two sources are called `{name}`"), "rename one of them");
            }
        }
        Ok(())
    }
}

/// A saved search from its file.
pub(crate) fn saved_search(path: &Path) -> Result<lake::query::SavedSearch, SettingsError> {
    let shown = path.to_string_lossy();
    let file = std::fs::File::open(path);
    let mut text = String::new();
    let read = file.and_then(|file| {
        let most = base::limits::SAVED_SEARCH_BYTES_MAX;
        std::io::Read::read_to_string(&mut std::io::Read::take(file, most + 1), &mut text)
    });
    let problem = |message: String, help: Option<String>| SettingsError::Form {
        message,
        help,
        place: Place::File { path: shown.clone().into_owned(), line: 1, column: 1 },
    };
    let most = usize::try_from(base::limits::SAVED_SEARCH_BYTES_MAX).unwrap_or(usize::MAX);
    match read {
        Err(error) => return Err(problem(format!("it can't be read: {error}"), None)),
        Ok(bytes) if bytes > most => {
            let help = Some("leave one search in it".to_owned());
            return Err(problem(format!("it has more than {most} bytes"), help));
        }
        Ok(_) => {}
    }
    serde_saphyr::from_str(&text).map_err(|error| form_error(&shown, &error))
}

/// Whether a source can be called so: its name is part of paths.
fn can_name_a_source(name: &str) -> bool {
    let ok = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    !name.is_empty() && name.len() <= 64 && name.chars().all(ok)
}

/// What to write where a key is missing.
fn missing_help(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("missing field `")?;
    let (key, _) = rest.split_once('`')?;
    Some(match key {
        "version" => "begin the file with `version: 1`".to_owned(),
        "lake" => "write where the events are kept: `lake: ./lake`, or `lake: s3://bucket/prefix`"
            .to_owned(),
        key => format!("write `{key}: …`; `dab schema` says what it may be"),
    })
}

fn form_error(path: &str, error: &serde_saphyr::Error) -> SettingsError {
    let at = error.location().unwrap_or(serde_saphyr::Location::UNKNOWN);
    let number = |number: u64| u32::try_from(number).unwrap_or(u32::MAX).max(1);
    let (line, column) = (number(at.line()), number(at.column()));
    let place = Place::File { path: path.to_owned(), line, column };
    let text = error.without_snippet().to_string();
    let first = text.lines().next().unwrap_or_default();
    match first.split_once("unknown field `").and_then(|(_, rest)| rest.split_once('`')) {
        Some((key, rest)) => {
            let (_, keys) = rest.split_once("expected ").unwrap_or(("", rest));
            let keys = keys.trim_start_matches("one of ");
            let keys = keys.rsplit_once(" at line").map_or(keys, |(keys, _)| keys);
            let help = Some(format!("use one of: {keys}"));
            SettingsError::Form { message: format!("unknown key `{key}`"), help, place }
        }
        None => {
            let help = missing_help(first);
            SettingsError::Form { message: first.to_owned(), help, place }
        }
    }
}

impl SecretRef {
    /// Reads the secret. Files are relative to `base`.
    #[expect(
        clippy::disallowed_methods,
        reason = "this module is the one that reads the environment"
    )]
    pub(crate) fn read(&self, base: &Path) -> Result<String, SettingsError> {
        let (place, read) = match self {
            Self::Env(name) => {
                (format!("the variable `{name}`"), std::env::var(name).map_err(|e| e.to_string()))
            }
            Self::File(path) => {
                let path = base.join(path);
                let read = std::fs::read_to_string(&path).map_err(|error| error.to_string());
                (format!("`{}`", path.display()), read)
            }
            Self::Command(words) => {
                let program = words.first().map(String::as_str).unwrap_or_default();
                // Its arguments may say more than should be shown.
                (format!("what `{program}` prints"), printed(words, base))
            }
        };
        match read {
            Ok(secret) if secret.trim().is_empty() => {
                Err(SettingsError::Secret { place, reason: "it is empty".into() })
            }
            Ok(secret) => Ok(secret.trim().to_owned()),
            Err(reason) => Err(SettingsError::Secret { place, reason }),
        }
    }
}

/// What a command prints, run in `base` without a shell.
fn printed(words: &[String], base: &Path) -> Result<String, String> {
    /// The longest secrets are JSON keys of 3 KiB.
    const BYTES_MAX: usize = 64 << 10;
    let Some((program, arguments)) = words.split_first() else {
        return Err("it names no program".to_owned());
    };
    let mut command = std::process::Command::new(program);
    let run = command.args(arguments).current_dir(base).stdin(std::process::Stdio::null()).output();
    let done = run.map_err(|error| error.to_string())?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        let said: String = said.lines().next().unwrap_or_default().chars().take(200).collect();
        return Err(format!("{}: {said}", done.status));
    }
    if done.stdout.len() > BYTES_MAX {
        return Err(format!("it prints more than {BYTES_MAX} bytes"));
    }
    String::from_utf8(done.stdout).map_err(|_| "it is no text".to_owned())
}

/// What the environment says about the terminal.
#[expect(clippy::disallowed_methods, reason = "this module is the one that reads the environment")]
pub(crate) fn wants_color() -> bool {
    let no_color = std::env::var("NO_COLOR").is_ok_and(|value| !value.is_empty());
    !no_color && crate::output::is_terminal()
}

/// How wide the terminal is, if the environment knows.
#[expect(clippy::disallowed_methods, reason = "this module is the one that reads the environment")]
pub(crate) fn terminal_width() -> Option<usize> {
    if !crate::output::is_terminal() {
        return None;
    }
    std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok()).or(Some(120))
}

/// Logs go to the standard error; `DAB_LOG` says which, in the syntax of `tracing`'s `EnvFilter`.
#[expect(clippy::disallowed_methods, reason = "this module is the one that reads the environment")]
pub(crate) fn init_log() {
    /// The Delta library logs as errors what dab expects, such as a table that is not there yet;
    /// what matters of it comes back as an error anyway.
    const DEFAULT: &str = "error,buoyant_kernel=off,deltalake_core=off";
    let filter = std::env::var("DAB_LOG").unwrap_or_else(|_| DEFAULT.to_owned());
    let filter = tracing_subscriber::EnvFilter::try_new(filter)
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(DEFAULT));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
}

/// The JSON schema of the settings.
pub(crate) fn schema() -> String {
    let schema = schemars::schema_for!(Settings);
    serde_json::to_string_pretty(&schema).unwrap_or_default()
}
