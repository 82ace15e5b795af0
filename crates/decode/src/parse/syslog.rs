//! Syslog: the header of RFC 5424 or of RFC 3164 and its relatives, and the message behind it, which
//! may have a format of its own.
//!
//! The header is the object `syslog`, so that it shares no names with what the message holds. Every
//! line is some kind of syslog: what can't be the part of a header is the message.

mod header;

use base::{Object, Value};
use regex::Regex;

use super::{Patterns, TextParser, parse_text};
use crate::{Layout, Reject, RejectKind, Syslog};
use header::Header;

/// What lumberjack and rsyslog write in front of JSON.
const CEE_COOKIE: &str = "@cee:";

/// Syslog, compiled.
#[derive(Debug)]
pub(crate) struct SyslogParser {
    payloads: Vec<Payload>,
    quarantine_unmatched: bool,
    keep_original: bool,
}

/// The format of some of the messages.
#[derive(Debug)]
struct Payload {
    appnames: Vec<String>,
    matching: Option<Regex>,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Json,
    Lines(Patterns),
    Text(Box<TextParser>),
}

impl SyslogParser {
    pub(crate) fn new(rule: &Syslog) -> Result<Self, regex::Error> {
        let mut payloads = Vec::new();
        for payload in &rule.payloads {
            let body = match &payload.layout {
                Layout::Lines(lines) => Body::Lines(Patterns::new(lines)?),
                Layout::Text(text) => Body::Text(Box::new(TextParser::new(text)?)),
                Layout::Ndjson | Layout::Json { .. } => Body::Json,
            };
            payloads.push(Payload {
                appnames: payload.appnames.clone(),
                matching: payload.matching.as_deref().map(Regex::new).transpose()?,
                body,
            });
        }
        Ok(Self {
            payloads,
            quarantine_unmatched: rule.quarantine_unmatched,
            keep_original: rule.keep_original,
        })
    }

    /// Reads one record.
    pub(crate) fn parse<'t>(&'t self, text: &'t str) -> Result<Object<'t>, Reject> {
        let Header { fields, appname, message } = header::read(text);
        let mut record = Object::with_capacity(8);
        if !fields.is_empty() {
            record.push("syslog", Value::Object(fields));
        }
        match self.payload(appname, message) {
            Ok(Some(payload)) => {
                for (name, value) in payload {
                    record.push(name, value);
                }
            }
            Err(reject) if self.quarantine_unmatched => {
                return Err(reject.behind(text, text.len() - message.len()));
            }
            Ok(None) | Err(_) => record.push("message", Value::text(message)),
        }
        if self.keep_original {
            record.push("original", Value::text(text));
        }
        Ok(record)
    }

    /// The message's own fields, by the first of the formats that it is in; `None` if none is meant
    /// for it.
    fn payload<'t>(
        &'t self,
        appname: Option<&str>,
        message: &'t str,
    ) -> Result<Option<Object<'t>>, Reject> {
        let mut first = None;
        let mut several = false;
        for payload in self.payloads.iter().filter(|payload| payload.is_for(appname, message)) {
            match payload.body.parse(message) {
                Ok(fields) => return Ok(Some(fields)),
                Err(reject) => {
                    several = first.is_some();
                    first.get_or_insert(reject);
                }
            }
        }
        match first {
            None => Ok(None),
            Some(_) if several => Err(unmatched("the message is in none of its formats")),
            Some(reject) => Err(reject),
        }
    }
}

impl Payload {
    fn is_for(&self, appname: Option<&str>, message: &str) -> bool {
        let is_named = self.appnames.is_empty()
            || appname.is_some_and(|name| self.appnames.iter().any(|known| known == name));
        is_named && self.matching.as_ref().is_none_or(|regex| regex.is_match(message))
    }
}

impl Body {
    fn parse<'t>(&'t self, message: &'t str) -> Result<Object<'t>, Reject> {
        match self {
            Self::Json => {
                let json = message.strip_prefix(CEE_COOKIE).unwrap_or(message);
                match parse_text(json, None)? {
                    Value::Object(object) => Ok(object),
                    other => Err(Reject::new(
                        RejectKind::NotAnObject,
                        format!("the message is {}, not an object", other.kind()),
                    )),
                }
            }
            Self::Lines(patterns) => {
                let line = patterns.parse(message.into())?;
                if line.matched {
                    Ok(line.fields)
                } else {
                    Err(unmatched("the message matches none of the patterns"))
                }
            }
            Self::Text(parser) => parser.parse(message.into(), None),
        }
    }
}

fn unmatched(message: &str) -> Reject {
    Reject::new(RejectKind::Unmatched, message)
        .help("correct `payload` in `format`, or remove `unmatched: quarantine` from it")
}

#[cfg(test)]
mod tests;
