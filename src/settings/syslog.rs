//! The settings of listeners for syslog.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};

use base::{Problem, limits};
use collect::{SyslogTls, SyslogTransport};
use schemars::JsonSchema;
use serde::Deserialize;
use serve::SyslogSpec;

use super::{
    SecretRef, SettingsError,
    route::{self, RouteSettings},
};

/// A listener for syslog.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SyslogSettings {
    /// Its name: its source is called `syslog.` and this.
    name: String,
    /// Where it listens: `tcp://`, `tls://` or `udp://`, an address and a port, such as
    /// `tls://0.0.0.0:6514`; port 0 takes any that is free.
    listen: String,
    /// The log source that decodes its messages; with `route`, those that no route is for: `unclassified` if
    /// it is left out.
    #[serde(default)]
    log_source: Option<String>,
    /// Which messages are for which log source: the first whose condition holds.
    #[serde(default)]
    route: Vec<RouteSettings>,
    /// With `tls`: a file in PEM with the certificate, and those between it and its authority.
    #[serde(default)]
    certificate: Option<PathBuf>,
    /// With `tls`: where the certificate's key is, in PEM.
    #[serde(default)]
    key: Option<SecretRef>,
    /// With `tls`: a file in PEM with the authorities of which senders must have a certificate; senders
    /// need none if it is left out.
    #[serde(default)]
    client_ca: Option<PathBuf>,
    /// How many senders may be connected at once; others wait.
    #[serde(default = "connections")]
    connections_max: usize,
    /// How many bytes a message may have; longer ones are stored in pieces.
    #[serde(default = "message_bytes")]
    message_bytes_max: usize,
    /// For how long a connection may bring nothing before it is closed. Senders lose what they send before
    /// they notice.
    #[serde(default = "idle")]
    idle_seconds: u64,
    /// How many messages one address may send in a second: connections that bring more are read later,
    /// datagrams beyond it are dropped. No limit if it is left out.
    #[serde(default)]
    messages_per_second_max: Option<u64>,
    /// How many bytes one address may send in a second, likewise.
    #[serde(default)]
    bytes_per_second_max: Option<u64>,
}

const fn connections() -> usize {
    limits::SYSLOG_CONNECTIONS_MAX
}

const fn message_bytes() -> usize {
    limits::SYSLOG_MESSAGE_BYTES_MAX
}

const fn idle() -> u64 {
    limits::SYSLOG_IDLE_SECONDS
}

/// What is wrong with listeners, and how to put it right.
pub(super) fn mistake(listeners: &[SyslogSettings]) -> Option<(String, &'static str)> {
    let mut seen = BTreeSet::new();
    for listener in listeners {
        let name = &listener.name;
        if !super::can_name_a_source(name) {
            let help = "use 1 to 64 of the characters `A-Z a-z 0-9 _ -`";
            return Some((format!("`{name}` can't name a listener"), help));
        }
        if !seen.insert(name) {
            return Some((format!("two listeners are called `{name}`"), "rename one of them"));
        }
        if let Some(mistake) = listener.mistake() {
            return Some(mistake);
        }
    }
    None
}

impl SyslogSettings {
    fn mistake(&self) -> Option<(String, &'static str)> {
        let (name, listen) = (&self.name, &self.listen);
        let Some((scheme @ ("tcp" | "tls" | "udp"), _)) = listen.split_once("://") else {
            let help = "write `tcp://`, `tls://` or `udp://`, an address and a port";
            return Some((format!("`{listen}` is nowhere to listen for syslog"), help));
        };
        if self.log_source.is_none() && self.route.is_empty() {
            let help = "name the `log_source` of its messages, or a `route` for each kind";
            return Some((format!("the listener `{name}` is for no log source"), help));
        }
        if let Some(mistake) = route::mistake(&self.route, &format!("the listener `{name}`")) {
            return Some(mistake);
        }
        let has_both = self.certificate.is_some() && self.key.is_some();
        let has_any = self.certificate.is_some() || self.key.is_some() || self.client_ca.is_some();
        if scheme == "tls" && !has_both {
            let help = "name its `certificate` and `key`";
            return Some((format!("the listener `{name}` can't speak TLS"), help));
        }
        if scheme != "tls" && has_any {
            let help = "write `tls://`, or leave out `certificate`, `key` and `client_ca`";
            return Some((format!("the listener `{name}` has a certificate, but no TLS"), help));
        }
        let limits =
            [Some(self.idle_seconds), self.messages_per_second_max, self.bytes_per_second_max];
        let sizes = [self.connections_max, self.message_bytes_max];
        if limits.contains(&Some(0)) || sizes.contains(&0) {
            let help = "write how much it may be, or leave it out";
            return Some((format!("a limit of the listener `{name}` is 0"), help));
        }
        if self.message_bytes_max > limits::RECORD_BYTES_MAX {
            let help = "write at most 16777216";
            return Some((format!("`message_bytes_max` is {}", self.message_bytes_max), help));
        }
        None
    }

    fn spec(&self, base: &Path) -> Result<SyslogSpec, Problem> {
        let (scheme, address) = self.listen.split_once("://").unwrap_or(("tcp", &self.listen));
        let transport = match (scheme, &self.certificate, &self.key) {
            ("udp", _, _) => SyslogTransport::Udp,
            ("tls", Some(certificate), Some(key)) => SyslogTransport::Tls(SyslogTls {
                certificate: read(base, certificate)?,
                key: key.read(base)?.into_bytes(),
                client_ca: self.client_ca.as_ref().map(|path| read(base, path)).transpose()?,
            }),
            _ => SyslogTransport::Tcp,
        };
        let settings = collect::SyslogSettings {
            connections_max: self.connections_max,
            message_bytes_max: self.message_bytes_max,
            idle: Duration::from_secs(self.idle_seconds),
            messages_per_second_max: self.messages_per_second_max,
            bytes_per_second_max: self.bytes_per_second_max,
            ..collect::SyslogSettings::new(address, transport)
        };
        Ok(SyslogSpec {
            name: self.name.clone(),
            log_source: route::rest(self.log_source.as_ref()),
            routes: route::routes(&self.route)?,
            settings,
        })
    }
}

/// The listeners as the pipeline wants them. Files are relative to `base`.
pub(crate) fn specs(listeners: &[SyslogSettings], base: &Path) -> Result<Vec<SyslogSpec>, Problem> {
    listeners.iter().map(|listener| listener.spec(base)).collect()
}

fn read(base: &Path, path: &Path) -> Result<Vec<u8>, SettingsError> {
    let path = base.join(path.strip_prefix(".").unwrap_or(path));
    let shown = path.display().to_string();
    std::fs::read(&path).map_err(|source| SettingsError::File { path: shown, source })
}
