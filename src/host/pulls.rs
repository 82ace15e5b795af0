//! Pulls: settings and files joined.

use std::{sync::Arc, time::Duration};

use base::{HttpExchange, Problem, limits};
use collect::{PullChoices, PullDefinition, PullSecret, PullValue};
use notify::ReqwestClient;
use serve::PullSpec;

use super::process::Host;
use crate::settings::{PullSettings, SettingsError};

impl Host {
    /// The client that asks APIs.
    pub(crate) fn pull_client() -> Result<Arc<dyn HttpExchange>, Problem> {
        let timeout = Duration::from_secs(limits::PULL_TIMEOUT_SECONDS);
        Ok(Arc::new(ReqwestClient::with_timeout(timeout)?))
    }

    /// How a pull of the settings is pulled.
    pub(crate) fn pull_definition(&self, pull: &PullSettings) -> Result<PullDefinition, Problem> {
        let first = |mistakes: Vec<collect::PullError>| mistakes.into_iter().next();
        let opened = match pull.file() {
            None => PullDefinition::shipped(&pull.from),
            Some(file) => {
                let path = self.base().join(file.strip_prefix(".").unwrap_or(&file));
                let shown = file.display().to_string();
                let unreadable = |source| SettingsError::Unreadable { path: shown.clone(), source };
                let size = std::fs::metadata(&path).map_err(unreadable)?.len();
                if size > limits::CONFIG_FILE_BYTES_MAX {
                    let most = limits::CONFIG_FILE_BYTES_MAX;
                    return Err(SettingsError::Value {
                        message: format!("`{shown}` has {size} bytes, more than {most}"),
                        help: "see whether it is the right file".into(),
                        path: shown,
                    }
                    .into());
                }
                let text = std::fs::read_to_string(&path).map_err(unreadable)?;
                PullDefinition::parse(&text, &shown)
            }
        };
        opened.map_err(|mistakes| match first(mistakes) {
            Some(mistake) => mistake.into(),
            None => {
                collect::PullError::Unknown { name: pull.from.clone(), known: String::new() }.into()
            }
        })
    }

    /// A pull of the settings, ready to ask.
    pub(crate) fn pull(
        &self,
        pull: &PullSettings,
        http: &Arc<dyn HttpExchange>,
    ) -> Result<PullSpec, Problem> {
        let definition = self.pull_definition(pull)?;
        let plain = pull.settings.iter();
        let mut values: std::collections::BTreeMap<_, _> =
            plain.map(|(name, text)| (name.clone(), PullValue::Plain(text.clone()))).collect();
        for (name, secret) in &pull.secrets {
            let secret = PullSecret::new(secret.read(self.base())?);
            values.insert(name.clone(), PullValue::Secret(secret));
        }
        let choices = PullChoices {
            name: pull.name.clone(),
            values,
            partitions: pull.partitions.clone(),
            begin: pull.begin(),
            overlap: pull.overlap(),
        };
        let (api, plan) = definition.open(choices, Arc::clone(http), Arc::clone(self.clock()))?;
        let own = || definition.log_source().to_owned();
        Ok(PullSpec {
            log_source: pull.log_source.clone().unwrap_or_else(own),
            every: pull.every().unwrap_or_else(|| definition.every()),
            is_csv: definition.is_csv(),
            api,
            plan,
            range: None,
        })
    }

    /// All pulls of the settings.
    pub(crate) fn pulls(&self) -> Result<Vec<PullSpec>, Problem> {
        if self.settings.pull.is_empty() {
            return Ok(Vec::new());
        }
        let http = Self::pull_client()?;
        self.settings.pull.iter().map(|pull| self.pull(pull, &http)).collect()
    }
}
