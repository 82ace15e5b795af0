//! The settings of what is pulled from APIs.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use collect::{parse_span, pull_every};
use schemars::JsonSchema;
use serde::Deserialize;

use super::SecretRef;

/// Names that the command line needs for itself.
const RESERVED: [&str; 4] = ["list", "new", "check", "help"];

/// An API whose events are pulled.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PullSettings {
    /// The source's name: how far it is pulled is kept under it.
    pub(crate) name: String,
    /// How it is pulled: the name of a pull that comes with dab (`dab pull list`), or a file of your
    /// own, which ends in `.yml`.
    pub(crate) from: String,
    /// What its file asks for, by name.
    #[serde(default)]
    pub(crate) settings: BTreeMap<String, String>,
    /// Where the secrets are that its file asks for, by name.
    #[serde(default)]
    pub(crate) secrets: BTreeMap<String, SecretRef>,
    /// The log source that decodes its events; what its file says if it is left out.
    #[serde(default)]
    pub(crate) log_source: Option<String>,
    /// Its partitions; those of its file if they are left out.
    #[serde(default)]
    pub(crate) partitions: Vec<String>,
    /// How often it asks: `1m` to `1d`; what its file says if it is left out.
    #[serde(default)]
    every: Option<String>,
    /// How far back the first round goes, such as `7d`; `1d` if it is left out.
    #[serde(default)]
    begin: Option<String>,
    /// How much of what was read is asked for again, for events that come late, such as `4h`; what its
    /// file says if it is left out.
    #[serde(default)]
    overlap: Option<String>,
}

impl PullSettings {
    /// What is wrong with them, and how to put it right.
    pub(super) fn mistake(&self) -> Option<(String, &'static str)> {
        let name = &self.name;
        if RESERVED.contains(&name.as_str()) {
            let message = format!("`{name}` can't name a pull: it is a word of `dab pull`");
            return Some((message, "choose another name"));
        }
        if let Some(Err(reason)) = self.every.as_deref().map(pull_every) {
            return Some((format!("`every` of `{name}`: {reason}"), "write `1m` to `1d`"));
        }
        for (key, text) in [("begin", &self.begin), ("overlap", &self.overlap)] {
            let span = text.as_deref().map(parse_span);
            if matches!(span, Some(None | Some(Duration::ZERO))) {
                let text = text.as_deref().unwrap_or_default();
                let message = format!("`{key}` of `{name}`: `{text}` is no length of time");
                return Some((message, "write it as `30m`, `4h` or `7d`"));
            }
        }
        let both = self.settings.keys().find(|key| self.secrets.contains_key(*key))?;
        let message = format!("`{both}` of `{name}` stands under `settings` and `secrets`");
        Some((message, "leave one of them out"))
    }

    pub(crate) fn every(&self) -> Option<Duration> {
        self.every.as_deref().and_then(parse_span)
    }

    pub(crate) fn begin(&self) -> Option<Duration> {
        self.begin.as_deref().and_then(parse_span)
    }

    pub(crate) fn overlap(&self) -> Option<Duration> {
        self.overlap.as_deref().and_then(parse_span)
    }

    /// The file that says how it is pulled, if it is the user's own.
    pub(crate) fn file(&self) -> Option<PathBuf> {
        let is_file = self.from.ends_with(".yml") || self.from.ends_with(".yaml");
        is_file.then(|| PathBuf::from(&self.from))
    }
}
