//! dab as one process: settings to a pipeline, and the signals that end it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use base::{Clock, Problem, Report, SystemClock};
use collect::{BucketSettings, Location, OidcSettings, OidcVerifier, PubsubQueue, SqsQueue};
use decode::Decoder;
use detect::Engine;
use lake::Lake;
use notify::{ReqwestClient, Webhook, WebhookSettings};
use serve::{
    Announced, BucketSpec, Detections, Ingest, IngestRoute, MixedSpec, Observer, Parts, Protocol,
    PullSpec, Secret, StopSwitch, Token,
};
use vet::Project;

use super::watch::Watch;
use crate::settings::{self, Collect, Notifications, SecretRef, Settings, SettingsError, Via};

/// The settings with the folder they are in.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) settings: Settings,
    base: PathBuf,
    clock: Arc<dyn Clock>,
}

impl Host {
    /// Reads the settings.
    pub(crate) fn open(config: &Path) -> Result<Self, Problem> {
        let settings = Settings::read(config)?;
        let base = config.parent().filter(|folder| !folder.as_os_str().is_empty());
        let base = base.unwrap_or(Path::new(".")).to_owned();
        Ok(Self { settings, base, clock: Arc::new(SystemClock) })
    }

    /// The lake, opened for reading or writing, with the files of others that its queries may read.
    pub(crate) fn lake(&self) -> Result<Arc<Lake>, Problem> {
        let mut external = Vec::new();
        for table in &self.settings.external_tables {
            external.extend(table.table(&self.location(&table.from)?));
        }
        Ok(Arc::new(self.bare_lake()?.with_external_tables(external)))
    }

    fn bare_lake(&self) -> Result<Lake, Problem> {
        let clock = Arc::clone(&self.clock);
        if !self.settings.lake.contains("://") {
            return Ok(Lake::in_folder(&self.base.join(&self.settings.lake), clock)?);
        }
        let location = self.location(&self.settings.lake)?;
        let wrong = |message: String| SettingsError::Value {
            message,
            help: "write a folder, or `s3://bucket/prefix`, `gs://…` or `az://…`".into(),
            path: "lake".into(),
        };
        let url = url::Url::parse(&self.settings.lake)
            .map_err(|error| wrong(format!("`lake` is no address: {error}")))?;
        let root = location.prefix().clone();
        Ok(Lake::on_store(location.store(), root, url, clock))
    }

    /// The rules and log sources.
    pub(crate) fn project(&self) -> Project {
        vet::load(&self.detections(), &self.log_sources(), true)
    }

    /// Where the detections are.
    pub(crate) fn detections(&self) -> Vec<PathBuf> {
        self.joined(&self.settings.detections)
    }

    /// Where the user's own log sources are.
    pub(crate) fn log_sources(&self) -> Vec<PathBuf> {
        self.joined(&self.settings.log_sources)
    }

    /// Where saved searches are.
    pub(crate) fn saved_searches(&self) -> Vec<PathBuf> {
        self.joined(&self.settings.saved_searches)
    }

    fn joined(&self, paths: &[PathBuf]) -> Vec<PathBuf> {
        let join = |path: &PathBuf| self.base.join(path.strip_prefix(".").unwrap_or(path));
        paths.iter().map(join).collect()
    }

    /// The folder that the settings are in.
    pub(crate) fn base(&self) -> &Path {
        &self.base
    }

    pub(crate) const fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Everything a pipeline needs.
    pub(crate) fn parts(
        &self,
        project: &Project,
        observer: Arc<dyn Observer>,
    ) -> Result<Parts, Problem> {
        self.parts_of(project, observer, self.pulls()?)
    }

    /// Everything a pipeline needs that has these pulls.
    pub(crate) fn parts_of(
        &self,
        project: &Project,
        observer: Arc<dyn Observer>,
        pulls: Vec<PullSpec>,
    ) -> Result<Parts, Problem> {
        self.check_external(project)?;
        let lake = self.lake()?;
        let state = lake.state()?;
        Ok(Parts {
            lake,
            state,
            decoders: Self::decoders(project)?,
            detections: detections(project),
            newer_detections: Some(Arc::new(Watch::new(
                self.detections(),
                self.log_sources(),
                project,
            ))),
            receivers: self.receivers()?,
            buckets: self.buckets()?,
            pulls,
            http: self.http()?,
            syslog: settings::syslog::specs(&self.settings.ingest.syslog, &self.base)?,
            maintenance: self.settings.maintenance.maintenance(&self.settings.retention),
            health: self.settings.health.health(),
            rule_matches_per_hour_max: self.settings.rule_matches_per_hour_max,
            rule_query_bytes_max: self.settings.rule_query_bytes_max,
            writer: None,
            clock: Arc::clone(&self.clock),
            observer,
            once: false,
            decode_only: false,
        })
    }

    /// An external table must not take the name of a log source's table.
    fn check_external(&self, project: &Project) -> Result<(), SettingsError> {
        let is_taken = |name: &str| {
            project.log_sources.iter().any(|source| source.name.eq_ignore_ascii_case(name))
        };
        let mut names = self.settings.external_tables.iter().map(|table| table.name.as_str());
        match names.find(|name| is_taken(name)) {
            None => Ok(()),
            Some(name) => Err(SettingsError::Value {
                message: format!("the external table `{name}` has the name of a log source"),
                help: "give it another `name`".into(),
                path: "external_tables".into(),
            }),
        }
    }

    /// The log sources, compiled.
    pub(crate) fn decoders(project: &Project) -> Result<Vec<Arc<Decoder>>, Problem> {
        let mut decoders = Vec::new();
        for source in &project.log_sources {
            match Decoder::new(source.clone()) {
                Ok(decoder) => {
                    decoder.use_lookups(Arc::clone(&project.lookups) as _);
                    decoders.push(Arc::new(decoder));
                }
                Err(mut errors) => {
                    if let Some(error) = errors.pop() {
                        return Err(error.into());
                    }
                }
            }
        }
        Ok(decoders)
    }

    fn location(&self, text: &str) -> Result<Location, Problem> {
        let scheme = text.split_once("://").map_or("", |(scheme, _)| scheme);
        let options = match scheme {
            "s3" => self.s3_options()?,
            "gs" => self.gcs_options()?,
            "az" => self.azure_options()?,
            _ => Vec::new(),
        };
        Ok(Location::parse(text, &self.base, &options)?)
    }

    fn s3_options(&self) -> Result<Vec<(String, String)>, Problem> {
        let s3 = &self.settings.s3;
        let secret = |secret: &Option<SecretRef>| self.secret(secret.as_ref());
        Ok(options([
            ("endpoint", s3.endpoint.clone()),
            ("region", s3.region.clone()),
            ("allow_http", s3.allow_http.then(|| "true".to_owned())),
            ("aws_access_key_id", secret(&s3.access_key_id)?),
            ("aws_secret_access_key", secret(&s3.secret_access_key)?),
        ]))
    }

    fn gcs_options(&self) -> Result<Vec<(String, String)>, Problem> {
        let gcs = &self.settings.gcs;
        Ok(options([
            ("base_url", gcs.endpoint.clone()),
            ("allow_http", gcs.allow_http.then(|| "true".to_owned())),
            ("skip_signature", gcs.anonymous.then(|| "true".to_owned())),
            ("service_account_key", self.secret(gcs.service_account_key.as_ref())?),
        ]))
    }

    fn azure_options(&self) -> Result<Vec<(String, String)>, Problem> {
        let azure = &self.settings.azure;
        Ok(options([
            ("account_name", azure.account.clone()),
            ("endpoint", azure.endpoint.clone()),
            ("allow_http", azure.allow_http.then(|| "true".to_owned())),
            ("access_key", self.secret(azure.access_key.as_ref())?),
        ]))
    }

    fn secret(&self, secret: Option<&SecretRef>) -> Result<Option<String>, Problem> {
        Ok(secret.map(|secret| secret.read(&self.base)).transpose()?)
    }

    fn buckets(&self) -> Result<Vec<BucketSpec>, Problem> {
        let mut specs = Vec::new();
        for source in &self.settings.collect {
            let defaults = BucketSettings::new(&source.name);
            let location = self.location(&source.from)?;
            specs.push(BucketSpec {
                name: source.name.clone(),
                log_source: settings::route::rest(source.log_source.as_ref()),
                routes: settings::route::routes(&source.route)?,
                settings: BucketSettings {
                    include: source.include.clone(),
                    exclude: source.exclude.clone(),
                    settle: Duration::from_secs(source.settle_seconds),
                    decompression_ratio_max: source
                        .decompression_ratio_max
                        .unwrap_or(defaults.decompression_ratio_max),
                    decompressed_bytes_max: source
                        .decompressed_bytes_max
                        .unwrap_or(defaults.decompressed_bytes_max),
                    ..defaults
                },
                poll: Duration::from_secs(source.poll_seconds()),
                announced: self.announced(source, &location)?,
                commit_every: Duration::from_secs(source.commit_seconds),
                location,
            });
        }
        Ok(specs)
    }

    /// How new objects of a source are announced.
    fn announced(
        &self,
        source: &Collect,
        location: &Location,
    ) -> Result<Option<Announced>, Problem> {
        let Some(notifications) = &source.notifications else { return Ok(None) };
        let http = Self::pull_client()?;
        let clock = Arc::clone(&self.clock);
        let Notifications { sqs, pubsub, push, endpoint } = notifications;
        if let Some(url) = sqs {
            let region = self.settings.s3.region.as_deref();
            let queue = SqsQueue::new(url, region, location, http, clock)?;
            return Ok(Some(Announced::Queue(Arc::new(queue))));
        }
        if let Some(subscription) = pubsub {
            let credentials = location.gcp_credentials();
            let queue = PubsubQueue::new(subscription, endpoint.as_deref(), credentials, http)?;
            return Ok(Some(Announced::Queue(Arc::new(queue))));
        }
        Ok(push.as_ref().map(|push| {
            let settings = OidcSettings {
                audience: push.audience.clone(),
                email: push.email.clone(),
                issuer: push.issuer.clone(),
                keys_url: push.keys_url.clone(),
            };
            Announced::Push(Arc::new(OidcVerifier::new(settings, http, clock)))
        }))
    }

    fn http(&self) -> Result<Option<Ingest>, Problem> {
        let Some(address) = &self.settings.listen else { return Ok(None) };
        let mut tokens = Vec::new();
        for token in &self.settings.ingest.tokens {
            tokens.push(Token {
                name: token.name.clone(),
                secret: Secret::new(token.token.read(&self.base)?),
                log_sources: token.log_sources.clone(),
                requests_per_second_max: token.requests_per_second_max,
                bytes_per_second_max: token.bytes_per_second_max,
            });
        }
        let via = |via| match via {
            Via::Hec => Protocol::Hec,
            Via::Elastic => Protocol::Elastic,
            Via::Otel => Protocol::Otel,
        };
        let routes = self.settings.ingest.routes.iter().map(|route| IngestRoute {
            via: route.via.map(via),
            names: route.names.clone(),
            log_source: route.log_source.clone(),
        });
        let routes = routes.collect();
        let mut mixed = Vec::new();
        for one in &self.settings.ingest.mixed {
            mixed.push(MixedSpec {
                name: one.name.clone(),
                log_source: settings::route::rest(one.log_source.as_ref()),
                routes: settings::route::routes(&one.route)?,
            });
        }
        Ok(Some(Ingest { address: address.clone(), tokens, routes, mixed }))
    }

    fn receivers(&self) -> Result<Vec<Arc<dyn notify::Receiver>>, Problem> {
        let mut receivers: Vec<Arc<dyn notify::Receiver>> = Vec::new();
        let client: Arc<dyn notify::HttpClient> = Arc::new(ReqwestClient::new()?);
        for receiver in &self.settings.receivers {
            let secret = &receiver.webhook.secret;
            let secret = secret.as_ref().map(|secret| secret.read(&self.base)).transpose()?;
            let settings = WebhookSettings {
                name: receiver.name.clone(),
                url: notify::Secret::new(&receiver.webhook.url),
                secret: secret.map(notify::Secret::new),
                headers: Vec::new(),
            };
            let webhook = Webhook::new(settings, Arc::clone(&client), Arc::clone(&self.clock))?;
            receivers.push(Arc::new(webhook));
        }
        Ok(receivers)
    }
}

/// What a pipeline detects with.
pub(crate) fn detections(project: &Project) -> Detections {
    let routes = project.log_sources.iter();
    let routes = routes.map(|source| (source.name.clone(), source.sigma.clone())).collect();
    Detections {
        matcher: Arc::new(Engine::new(project.rules.clone(), &routes)),
        correlations: project.correlations.clone(),
        lookups: Arc::clone(&project.lookups),
        problems: project.problems.clone(),
    }
}

/// Tells what is wrong with the rules and log sources. They do not stop the rest.
pub(crate) fn tell_problems(problems: &[Report], output: crate::output::Output) {
    /// More than this is a list to read, not a message: `dab rules` has them all.
    const SHOWN_MAX: usize = 10;
    for report in problems.iter().take(SHOWN_MAX) {
        crate::output::problem(report, output);
    }
    if problems.len() > SHOWN_MAX {
        let more = problems.len() - SHOWN_MAX;
        crate::output::error_line(&format!("and {more} more: `dab rules` lists them all"));
    }
}

/// Pulls the switch when the process is asked to end.
pub(crate) async fn stop_on_signal(switch: StopSwitch) {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminated) => {
                tokio::select! {
                    _ = interrupted => {}
                    _ = terminated.recv() => {}
                }
            }
            Err(_) => drop(interrupted.await),
        }
    }
    #[cfg(not(unix))]
    drop(interrupted.await);
    switch.stop();
}

/// Whether alerts are printed in color.
pub(crate) fn color() -> bool {
    settings::wants_color()
}

/// The options that are there.
fn options<const N: usize>(all: [(&str, Option<String>); N]) -> Vec<(String, String)> {
    all.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}
