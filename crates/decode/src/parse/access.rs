//! Access logs in the common and combined formats, as Apache and nginx write them:
//! `192.0.2.1 - anna [24/Nov/2026:08:00:00 +0000] "GET / HTTP/1.1" 200 12 "referer" "agent"`.
//!
//! Names are nginx's. What follows the combined format is kept in `extra`.

use std::borrow::Cow;

use base::{ColumnType, Object, Value};

use super::{
    cast_text,
    quoted::{closing_quote, unescape},
};
use crate::{Escapes, Reject, RejectKind};

/// Reads a line.
pub(crate) fn parse<'t>(
    types: &[(String, ColumnType)],
    text: &'t str,
) -> Result<Object<'t>, Reject> {
    let mut line = Line { text, at: 0, types, fields: Object::with_capacity(16) };
    line.client()?;
    let open = line.at;
    let close = memchr::memchr(b']', line.rest().as_bytes());
    let Some(close) = close else { return Err(line.expected("`]` behind the time", open)) };
    let time = text.get(open + 1..open + close).unwrap_or_default();
    line.push("time_local", Cow::Borrowed(time));
    line.at = open + close + 1;
    let request = line.quoted("the request")?;
    line.request(request);
    line.number("status");
    line.number("body_bytes_sent");
    for name in ["http_referer", "http_user_agent"] {
        line.skip_spaces();
        if line.rest().starts_with('"') {
            let value = line.quoted(name)?;
            line.push(name, value);
        }
    }
    let extra = line.rest().trim_ascii();
    if !extra.is_empty() {
        line.push("extra", Cow::Borrowed(extra));
    }
    Ok(line.fields)
}

struct Line<'t, 'r> {
    text: &'t str,
    at: usize,
    types: &'r [(String, ColumnType)],
    fields: Object<'t>,
}

impl<'t> Line<'t, '_> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_spaces(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start_matches(' ').len();
    }

    fn push(&mut self, name: &'static str, text: Cow<'t, str>) {
        self.fields.push(name, super::gather::typed(self.types, name, text));
    }

    /// All that stands in front of the time: perhaps the virtual host, then address, identity and
    /// user, whose name may have spaces.
    fn client(&mut self) -> Result<(), Reject> {
        let rest = self.rest();
        let Some(open) = memchr::memmem::find(rest.as_bytes(), b" [") else {
            return Err(self.expected("` [` in front of the time", rest.len()));
        };
        let client = rest.get(..open).unwrap_or_default();
        let mut words = client.splitn(3, ' ');
        let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let Some(third) = words.next().filter(|_| !first.is_empty()) else {
            let message = "an address, an identity and a user in front of the time";
            return Err(self.expected(message, 0));
        };
        // `host:80 192.0.2.1 - anna`. Where there is no host, the second word is `-` or an identity,
        // which is no address.
        let is_address = |word: &str| word.parse::<std::net::IpAddr>().is_ok();
        match third.split_once(' ') {
            Some((identity, user)) if is_address(second) || (identity == "-" && second != "-") => {
                self.push("host", Cow::Borrowed(first));
                self.push("remote_addr", Cow::Borrowed(second));
                self.push("remote_ident", Cow::Borrowed(identity));
                self.push("remote_user", Cow::Borrowed(user));
            }
            _ => {
                self.push("remote_addr", Cow::Borrowed(first));
                self.push("remote_ident", Cow::Borrowed(second));
                self.push("remote_user", Cow::Borrowed(third));
            }
        }
        self.at += open + 1;
        Ok(())
    }

    /// What stands in quotes here.
    fn quoted(&mut self, what: &str) -> Result<Cow<'t, str>, Reject> {
        self.skip_spaces();
        let open = self.at;
        if !self.rest().starts_with('"') {
            return Err(self.expected(&format!("`\"` in front of {what}"), open));
        }
        let Some(close) = closing_quote(self.text, open, b'"', Escapes::All) else {
            return Err(self.expected(&format!("`\"` behind {what}"), open));
        };
        self.at = close + 1;
        let value = self.text.get(open + 1..close).unwrap_or_default();
        Ok(unescape(value, b'"', Escapes::All))
    }

    /// The request, and its parts if it is one of HTTP.
    fn request(&mut self, request: Cow<'t, str>) {
        let parts = match &request {
            Cow::Borrowed(request) => parts(request)
                .map(|(method, uri, protocol)| (method.into(), uri.into(), protocol.into())),
            Cow::Owned(request) => parts(request).map(|(method, uri, protocol)| {
                let owned = |text: &str| Cow::Owned(text.to_owned());
                (owned(method), owned(uri), owned(protocol))
            }),
        };
        self.push("request", request);
        let Some((method, uri, protocol)): Option<(_, Cow<'t, str>, Cow<'t, str>)> = parts else {
            return;
        };
        self.push("method", method);
        let (path, query) = match &uri {
            Cow::Borrowed(uri) => split_query(uri, Cow::Borrowed),
            Cow::Owned(uri) => split_query(uri, |text| Cow::Owned(text.to_owned())),
        };
        self.push("uri", uri);
        self.push("path", path);
        if let Some(query) = query {
            self.push("query", query);
        }
        if !protocol.is_empty() {
            self.push("protocol", protocol);
        }
    }

    /// A number; `-` stands for none.
    fn number(&mut self, name: &'static str) {
        self.skip_spaces();
        let rest = self.rest();
        let end = rest.find(' ').unwrap_or(rest.len());
        let word = rest.get(..end).unwrap_or_default();
        let value = if word == "-" {
            Value::Null
        } else {
            cast_text(word, ColumnType::Int).unwrap_or(Value::text(word))
        };
        if !word.is_empty() {
            self.fields.push(name, value);
        }
        self.at += end;
    }

    fn expected(&self, what: &str, at: usize) -> Reject {
        Reject::new(RejectKind::Syntax, format!("expected {what}"))
            .at(self.text.as_bytes(), at)
            .help(
                "check whether the source writes another format: `lines` with `patterns` reads any",
            )
    }
}

/// Method, URI and protocol; HTTP/0.9 has no protocol.
fn parts(request: &str) -> Option<(&str, &str, &str)> {
    let (method, rest) = request.split_once(' ')?;
    let is_method = !method.is_empty()
        && method.bytes().all(|byte| byte.is_ascii_uppercase() || matches!(byte, b'-' | b'_'));
    is_method.then_some(())?;
    let (uri, protocol) = match rest.rsplit_once(' ') {
        Some((uri, protocol)) if protocol.starts_with("HTTP/") => (uri, protocol),
        _ => (rest, ""),
    };
    (!uri.is_empty()).then_some((method, uri, protocol))
}

fn split_query<'u, 't>(
    uri: &'u str,
    text: impl Fn(&'u str) -> Cow<'t, str>,
) -> (Cow<'t, str>, Option<Cow<'t, str>>) {
    match uri.split_once('?') {
        Some((path, query)) => (text(path), Some(text(query))),
        None => (text(uri), None),
    }
}

#[cfg(test)]
mod tests;
