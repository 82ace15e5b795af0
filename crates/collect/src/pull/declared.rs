//! An API as a file declares it.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use base::{HttpReply, limits};
use serde_json::value::RawValue;
use url::Url;

use super::{
    PullError,
    api::{Ask, Batch, Checked, Found, Item, Next, Page, PullApi},
    exchange::{Built, Exchange},
    json,
    rows::rows,
    spec::{File, Form, Json, NextUrl, Numbered, Paging, Path, Records, Request, Token},
    template::Names,
};

/// Stands between the parts of an id: no API has it in one.
const BETWEEN: char = '\u{1f}';

/// An API as a file declares it, with what the settings say.
#[derive(Debug)]
pub struct Declared {
    file: Arc<File>,
    /// How it is asked for its partitions.
    list: Option<Arc<File>>,
    exchange: Exchange,
}

impl Declared {
    pub(super) fn new(file: File, exchange: Exchange) -> Self {
        let list = file.of_list().map(Arc::new);
        Self { file: Arc::new(file), list, exchange }
    }

    fn names(&self, ask: Ask<'_>) -> Names {
        let mut names = self.exchange.names.clone();
        let form = self.file.window.format;
        names.set("from", form.write(ask.from));
        names.set("to", form.write(ask.to));
        if let Some(partitions) = &self.file.partitions {
            names.set(&partitions.name, ask.partition.to_owned());
        }
        names
    }

    fn build(&self, request: &Request, names: &Names) -> Result<Built, PullError> {
        let text = request.url.fill_url(names);
        let mut url = Url::parse(&text).map_err(|error| PullError::Settings {
            name: self.file.log_source.clone(),
            message: format!("its address can't be used: {error}"),
            help: "write addresses as `https://host`".into(),
        })?;
        let host = url.host_str().unwrap_or_default();
        let is_here = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
        if url.scheme() != "https" && !(url.scheme() == "http" && is_here) {
            return Err(PullError::Settings {
                name: self.file.log_source.clone(),
                message: format!(
                    "`{}://{host}` would send the credential in the clear",
                    url.scheme()
                ),
                help: "write an address that begins with `https://`".into(),
            });
        }
        url.set_fragment(None);
        let header = |(name, value): (&String, &super::template::Template)| {
            (name.to_ascii_lowercase(), value.fill(names))
        };
        let mut headers: Vec<_> = request.headers.iter().map(header).collect();
        if !headers.iter().any(|(name, _)| name == "accept") {
            headers.push(("accept".to_owned(), "application/json".to_owned()));
        }
        let mut built = Built { method: request.method, url, headers, body: Vec::new() };
        for (name, value) in &request.query {
            let value = value.fill(names);
            // What the settings leave empty is not asked for.
            if !value.is_empty() {
                built.set_query(name, &value);
            }
        }
        if let Some(json) = &request.json {
            built.headers.push(("content-type".to_owned(), "application/json".to_owned()));
            built.body = body(json, names);
        }
        Ok(built)
    }

    /// The request for a page: the first one's, with the place put where it belongs.
    fn page_request(&self, file: &File, ask: Ask<'_>) -> Result<Built, PullError> {
        let names = self.names(ask);
        let mut built = self.build(&file.request, &names)?;
        match (ask.next, &file.paging) {
            (None, Paging::Page(own) | Paging::Offset(own)) => {
                put_number(&mut built, file, (own, own.first), &names);
            }
            (Some(Next::Url(url)), _) => built.url = self.own_url(&built, url)?,
            (Some(Next::Number(number)), Paging::Page(own) | Paging::Offset(own)) => {
                put_number(&mut built, file, (own, *number), &names);
            }
            (Some(Next::Key(key)), Paging::Keyset(own)) => built.set_query(&own.query, key),
            (Some(Next::Token(token)), Paging::Token(own)) => {
                put_token(&mut built, file, (own, token), &names);
            }
            _ => {}
        }
        Ok(built)
    }

    /// An address that an answer gave. The credential goes to no other server than the file names.
    fn own_url(&self, asked: &Built, text: &str) -> Result<Url, PullError> {
        let url = asked.url.join(text).map_err(|error| PullError::Answer {
            request: self.exchange.shown(asked),
            reason: format!("the next address can't be used: {error}"),
        })?;
        if url.origin() != asked.url.origin() {
            let reason =
                format!("it leads to another server, `{}`", url.origin().ascii_serialization());
            return Err(PullError::Answer { request: self.exchange.shown(asked), reason });
        }
        Ok(url)
    }

    /// Whether an element of the list of partitions is one that is asked.
    fn is_wanted(&self, element: &Found) -> bool {
        let list = self.file.partitions.as_ref().and_then(|own| own.list.as_ref());
        let Some(only) = list.and_then(|list| list.only.as_ref()) else { return true };
        let value = parse(&element.bytes).ok().and_then(|value| json::text_at(value, only));
        value.as_deref() == Some("true")
    }

    async fn page_with(&mut self, file: &File, ask: Ask<'_>) -> Result<Page, PullError> {
        let built = self.page_request(file, ask)?;
        let reply = self.ask(&built).await?;
        self.page_of(file, &reply, &built, ask)
    }

    async fn ask(&mut self, built: &Built) -> Result<HttpReply, PullError> {
        let expired = self.file.expired.clone();
        let is_expired =
            move |status, body: &[u8]| expired.as_ref().is_some_and(|how| how.is(status, body));
        let reply = self.exchange.send(built, is_expired).await?;
        if (200..300).contains(&reply.status) {
            return Ok(reply);
        }
        Err(PullError::Expired { request: self.exchange.shown(built) })
    }

    /// An answer in JSON, and the list in it.
    fn page_of(
        &self,
        file: &File,
        reply: &HttpReply,
        built: &Built,
        ask: Ask<'_>,
    ) -> Result<Page, PullError> {
        let answer =
            |reason: String| PullError::Answer { request: self.exchange.shown(built), reason };
        let records = &file.records;
        let mut page = Page::default();
        let (count, last);
        if records.format == Form::Json {
            let root = parse(&reply.body).map_err(answer)?;
            let list = list(root, records).map_err(answer)?;
            count = list.len() as u64;
            last = list.last().copied();
            match &file.fetch {
                Some(fetch) => {
                    let items = list.iter().map(|record| item(record, &fetch.id, &fetch.values));
                    page.items = items.collect::<Result<_, _>>().map_err(answer)?;
                }
                None => page.batch.records = list.iter().map(|one| found(one, records)).collect(),
            }
            page.next = next(file, reply, Some(root), count, last, ask).map_err(answer)?;
            if file.window.cursor
                && let Paging::Token(token) = &file.paging
            {
                page.cursor = json::text_at(root, &token.at);
            }
        } else {
            page.batch = batch(&reply.body, records).map_err(answer)?;
            count = page.batch.records.len() as u64;
            page.next = next(file, reply, None, count, None, ask).map_err(answer)?;
        }
        // A server may keep the place in its pages to itself, under one token for all of them.
        let is_kept_there = matches!(page.next, Some(Next::Token(_))) && count > 0;
        if page.next.is_some() && page.next.as_ref() == ask.next && !is_kept_there {
            let request = self.exchange.shown(built);
            let reason = "a page names itself as the next".to_owned();
            return Err(PullError::Endless { request, reason });
        }
        Ok(page)
    }
}

fn next(
    file: &File,
    reply: &HttpReply,
    root: Option<&RawValue>,
    count: u64,
    last: Option<&RawValue>,
    ask: Ask<'_>,
) -> Result<Option<Next>, String> {
    let text = |path: &Path| root.and_then(|root| json::text_at(root, path));
    Ok(match &file.paging {
        Paging::None => None,
        Paging::Link(link) => linked(reply, &link.rel).map(Next::Url),
        Paging::NextUrl(NextUrl::Header(name)) => {
            reply.header(&name.to_ascii_lowercase()).map(|url| Next::Url(url.to_owned()))
        }
        Paging::NextUrl(NextUrl::Body(path)) => text(path).map(Next::Url),
        Paging::Token(token) => {
            let more = token.more.as_ref().map(|path| text(path).as_deref() == Some("true"));
            let next = text(&token.at);
            if more == Some(true) && next.is_none() {
                return Err("there is more, and no token for it".to_owned());
            }
            next.filter(|_| more != Some(false)).map(Next::Token)
        }
        Paging::Page(own) => numbered(own, count, ask.next, 1),
        Paging::Offset(own) => numbered(own, count, ask.next, count),
        Paging::Keyset(own) => {
            if count < own.size {
                return Ok(None);
            }
            let key = last.and_then(|last| json::text_at(last, &own.at));
            let key = key.ok_or("the last record has no key for the next page")?;
            let next = Next::Key(key);
            if ask.next == Some(&next) {
                return Err(format!("a page of {count} records has one key in all of them"));
            }
            Some(next)
        }
    })
}

fn put_number(built: &mut Built, file: &File, put: (&Numbered, u64), names: &Names) {
    let (own, number) = put;
    if let Some(query) = &own.query {
        built.set_query(query, &number.to_string());
    }
    if let Some(member) = &own.json {
        let json = file.request.json.clone().unwrap_or_default();
        let mut object = object(&json, names);
        object.insert(member.clone(), number.into());
        built.body = serde_json::Value::Object(object).to_string().into_bytes();
    }
}

fn put_token(built: &mut Built, file: &File, put: (&Token, &str), names: &Names) {
    let (own, token) = put;
    for name in &own.first_only {
        built.drop_query(name);
    }
    if let Some(query) = &own.query {
        built.set_query(query, token);
    }
    if let Some(member) = &own.json {
        let mut json = file.request.json.clone().unwrap_or_default();
        json.retain(|name, _| !own.first_only.contains(name));
        let mut object = object(&json, names);
        object.insert(member.clone(), token.into());
        built.body = serde_json::Value::Object(object).to_string().into_bytes();
    }
}

/// The next number after a full page.
fn numbered(own: &Numbered, count: u64, asked: Option<&Next>, step: u64) -> Option<Next> {
    let at = match asked {
        Some(Next::Number(number)) => *number,
        _ => own.first,
    };
    (count >= own.size).then(|| Next::Number(at + step))
}

#[async_trait]
impl PullApi for Declared {
    async fn partitions(&mut self) -> Result<Vec<String>, PullError> {
        let Some(list) = self.list.clone() else { return Ok(Vec::new()) };
        let now = self.exchange.clock.now();
        let mut found = Vec::new();
        let mut next = None;
        for _ in 0..limits::PULL_LIST_PAGES_MAX {
            let ask = Ask { partition: "", from: now, to: now, next: next.as_ref() };
            let page = self.page_with(&list, ask).await?;
            for one in page.batch.records {
                if !self.is_wanted(&one) {
                    continue;
                }
                found.push(one.id.ok_or_else(|| PullError::Answer {
                    request: self.file.log_source.clone(),
                    reason: "an element of the list of partitions has no value".to_owned(),
                })?);
            }
            next = page.next;
            if next.is_none() {
                return Ok(found);
            }
        }
        let reason = format!("its partitions fill more than {} pages", limits::PULL_LIST_PAGES_MAX);
        Err(PullError::Endless { request: self.file.log_source.clone(), reason })
    }

    async fn prepare(&mut self, partition: &str) -> Result<(), PullError> {
        let Some(prepare) = self.file.prepare.clone() else { return Ok(()) };
        let now = self.exchange.clock.now();
        let ask = Ask { partition, from: now, to: now, next: None };
        let built = self.build(&prepare.request, &self.names(ask))?;
        let is_done =
            |status, body: &[u8]| prepare.done.as_ref().is_some_and(|how| how.is(status, body));
        self.exchange.send(&built, is_done).await.map(drop)
    }

    async fn page(&mut self, ask: Ask<'_>) -> Result<Page, PullError> {
        self.page_with(&Arc::clone(&self.file), ask).await
    }

    async fn fetch(&mut self, ask: Ask<'_>, item: &Item) -> Result<Batch, PullError> {
        let Some(fetch) = self.file.fetch.clone() else { return Ok(Batch::default()) };
        let mut names = self.names(ask);
        for (name, value) in &item.values {
            names.set(&format!("item.{name}"), value.clone());
        }
        let list = self.build(&self.file.request, &names)?;
        let mut built = self.build(&fetch.request, &names)?;
        built.url = self.own_url(&list, built.url.as_str())?;
        let reply = self.exchange.send(&built, |_, _| false).await?;
        batch(&reply.body, &fetch.records)
            .map_err(|reason| PullError::Answer { request: self.exchange.shown(&built), reason })
    }

    fn renewed(&mut self) -> Option<String> {
        self.exchange.renewed()
    }

    fn restore_renewed(&mut self, sealed: &str) {
        self.exchange.restore_renewed(sealed);
    }

    fn checked(&self) -> Checked {
        Checked {
            found: 0,
            ahead_seconds: self.exchange.ahead_seconds(),
            credential_ends: self.exchange.credential_ends(),
        }
    }
}

fn object(
    json: &BTreeMap<String, Json>,
    names: &Names,
) -> serde_json::Map<String, serde_json::Value> {
    let members = json.iter().filter_map(|(name, value)| {
        let value = match value {
            Json::Text(template) => {
                let text = template.fill(names);
                (!text.is_empty()).then(|| text.into())
            }
            Json::Whole(number) => Some((*number).into()),
            Json::Truth(truth) => Some((*truth).into()),
        };
        value.map(|value| (name.clone(), value))
    });
    members.collect()
}

fn body(json: &BTreeMap<String, Json>, names: &Names) -> Vec<u8> {
    serde_json::Value::Object(object(json, names)).to_string().into_bytes()
}

fn parse(body: &[u8]) -> Result<&RawValue, String> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    // What the parser says names a line and a column, and no content.
    serde_json::from_slice(body).map_err(|error| format!("it is no JSON: {error}"))
}

fn list<'j>(root: &'j RawValue, records: &Records) -> Result<Vec<&'j RawValue>, String> {
    let shown = || if records.at.0.is_empty() { "the top".into() } else { records.at.0.join(".") };
    let value = match json::at(root, &records.at) {
        Some(value) if value.get() != "null" => value,
        _ if records.optional => return Ok(Vec::new()),
        _ => return Err(format!("there is no list at `{}`", shown())),
    };
    json::elements(value).ok_or_else(|| format!("what is at `{}` is no list", shown()))
}

/// The records of an answer in any format.
fn batch(body: &[u8], records: &Records) -> Result<Batch, String> {
    match records.format {
        Form::Json => {
            let list = list(parse(body)?, records)?;
            let records = list.iter().map(|one| found(one, records)).collect();
            Ok(Batch { header: None, records })
        }
        Form::Ndjson => {
            let lines =
                body.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
            let parsed = lines.map(|line| parse(line).map(|one| found(one, records)));
            Ok(Batch { header: None, records: parsed.collect::<Result<_, _>>()? })
        }
        Form::Csv => {
            let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
            let mut rows = rows(body).into_iter();
            let header = rows.next().map(<[u8]>::to_vec);
            let record = |row: &[u8]| Found { id: None, time: None, bytes: row.to_vec() };
            Ok(Batch { header, records: rows.map(record).collect() })
        }
    }
}

fn found(record: &RawValue, records: &Records) -> Found {
    let time = records.time.as_ref().and_then(|path| json::text_at(record, path));
    Found {
        id: id(record, &records.id),
        time: time.and_then(|text| records.time_format.read(&text)),
        bytes: json::on_one_line(record),
    }
}

/// The fields of an id; `None` if one is missing, so that the whole record tells it from others.
fn id(record: &RawValue, paths: &[Path]) -> Option<String> {
    let parts = paths.iter().map(|path| json::text_at(record, path));
    let parts = parts.collect::<Option<Vec<_>>>()?;
    (!parts.is_empty()).then(|| parts.join(&BETWEEN.to_string()))
}

fn item(
    record: &RawValue,
    paths: &[Path],
    values: &BTreeMap<String, Path>,
) -> Result<Item, String> {
    let id = id(record, paths).ok_or("an item of the list has no id")?;
    let value = |(name, path): (&String, &Path)| {
        let value = json::text_at(record, path);
        value
            .map(|value| (name.clone(), value))
            .ok_or(format!("an item of the list has no `{name}`"))
    };
    Ok(Item { id, values: values.iter().map(value).collect::<Result<_, _>>()? })
}

/// The address of a `Link` header (RFC 8288) with this relation. There may be several headers, and
/// several links in one.
fn linked(reply: &HttpReply, rel: &str) -> Option<String> {
    let headers = reply.headers.iter().filter(|(name, _)| name == "link");
    headers.flat_map(|(_, value)| links(value)).find(|(_, own)| own == rel).map(|(url, _)| url)
}

fn links(header: &str) -> Vec<(String, String)> {
    let mut links = Vec::new();
    let mut rest = header;
    while let Some((url, after)) = rest.split_once('<').and_then(|(_, inner)| inner.split_once('>'))
    {
        // The parameters go up to the next link: an address has no `<` in it.
        let (parameters, next) = after.split_at(after.find('<').unwrap_or(after.len()));
        for parameter in parameters.split([';', ',']) {
            let Some((name, value)) = parameter.split_once('=') else { continue };
            if name.trim().eq_ignore_ascii_case("rel") {
                let value = value.trim().trim_matches('"');
                links.extend(value.split(' ').map(|rel| (url.to_owned(), rel.to_owned())));
            }
        }
        rest = next;
    }
    links
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_in_one_header_or_several() {
        let reply = |values: &[&str]| HttpReply {
            status: 200,
            headers: values.iter().map(|&v| ("link".to_owned(), v.to_owned())).collect(),
            body: Vec::new(),
        };
        let next = "<https://a/x?after=1,2;3>; rel=\"next\"";
        for values in [
            &[next][..],
            &["<https://a/x>; rel=\"self\"", next],
            &["<https://a/x>; rel=\"self\", <https://a/x?after=1,2;3>; title=\"a, b\"; rel=next"],
            &["<https://a/x?after=1,2;3>; REL=\"last next\""],
        ] {
            let found = linked(&reply(values), "next");
            assert_eq!(found.as_deref(), Some("https://a/x?after=1,2;3"), "{values:?}");
        }
        for values in [&[][..], &["<https://a>; rel=prev"], &["https://a; rel=next"], &["<a"]] {
            assert_eq!(linked(&reply(values), "next"), None, "{values:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_header_panics(text in "\\PC{0,60}") {
            links(&text);
        }
    }
}
