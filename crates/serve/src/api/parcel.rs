//! Pushed records as the bytes of requests, one for each log source they are for; and what became of
//! each.

use std::{
    collections::{BTreeMap, HashMap},
    sync::atomic::Ordering,
};

use base::{ABOUT_MARK, Report};
use bytes::Bytes;
use collect::{Members, PushError, PushForm, PushOutcome, PushRequest, Pushed, Record, Rejected};
use decode::Layout;
use tokio::sync::oneshot;

use super::{Api, Protocol, Refusal, route, token::Token};

/// What a log source asks of the bytes of its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Its records are lines of text, not JSON objects.
    is_text: bool,
    /// What is said beside a record may stand before it.
    is_by_line: bool,
}

impl Shape {
    pub(crate) const fn of(layout: &Layout) -> Self {
        Self { is_text: layout.is_text(), is_by_line: layout.is_by_line() }
    }
}

/// The records of one request for one log source.
#[derive(Debug, Default)]
struct Parcel {
    body: Vec<u8>,
    /// The offset at which each record begins, and its number in the request.
    begins: Vec<(u64, usize)>,
}

/// A request's records, ready to be queued.
#[derive(Debug)]
pub(super) struct Parcels {
    parcels: BTreeMap<String, Parcel>,
    records: usize,
}

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is stored.
    Stored,
    /// It is in the quarantine, for this reason.
    Quarantined(Report),
    /// It is not stored, or that is not certain: it is to be sent again.
    Failed(Report),
    /// It is not stored, as too much waits.
    Busy,
}

impl Api {
    /// Sorts records by their log sources.
    ///
    /// # Errors
    /// If the token is not for one of these, or it does not exist.
    pub(super) fn pack(
        &self,
        token: &Token,
        via: Protocol,
        records: &[Pushed<'_>],
    ) -> Result<Parcels, Refusal> {
        let mut parcels = BTreeMap::<String, Parcel>::new();
        let mut chosen = HashMap::<&[String], (String, Shape)>::new();
        for (number, record) in records.iter().enumerate() {
            if !chosen.contains_key(record.names.as_slice()) {
                let is_log_source = |name: &str| self.queues.contains_key(name);
                let name = route::choose((via, &record.names), &self.routes, token, is_log_source);
                let shape = self.may_send(token, &name)?.shape;
                chosen.insert(&record.names, (name, shape));
            }
            let Some((name, shape)) = chosen.get(record.names.as_slice()) else { continue };
            let is_own = *name == via.log_source();
            if !parcels.contains_key(name) {
                parcels.insert(name.clone(), Parcel::default());
            }
            if let Some(parcel) = parcels.get_mut(name) {
                parcel.begins.push((parcel.body.len() as u64, number));
                write(&mut parcel.body, *shape, (via, is_own), record);
            }
        }
        Ok(Parcels { parcels, records: records.len() })
    }

    /// Queues the parcels and waits for their commits. Answers what became of each record.
    pub(super) async fn deliver(&self, parcels: Parcels) -> Result<Vec<Fate>, Refusal> {
        let mut fates = vec![Fate::Stored; parcels.records];
        let queue = |name: &String| self.queues.get(name);
        for (name, parcel) in &parcels.parcels {
            // Before anything is queued: what is sent again would be stored twice.
            queue(name).map_or(Ok(()), |to| to.queue.room_for(parcel.body.len()))?;
        }
        let mut waiting = Vec::new();
        for (name, parcel) in parcels.parcels {
            let Some(to) = queue(&name) else { continue };
            let (done, outcome) = oneshot::channel();
            let request = PushRequest {
                id: self.request_id(),
                form: PushForm::Lines,
                body: Bytes::from(parcel.body),
                received: self.clock.now(),
                done,
            };
            if to.queue.offer(request).is_ok() {
                waiting.push((parcel.begins, outcome));
            } else {
                set(&mut fates, &parcel.begins, &Fate::Busy);
            }
        }
        for (begins, outcome) in waiting {
            match outcome.await {
                Ok(PushOutcome::Committed { rejected, .. }) => {
                    quarantined(&mut fates, &begins, rejected);
                }
                Ok(PushOutcome::Failed(report)) => {
                    set(&mut fates, &begins, &Fate::Failed(report));
                }
                Err(_) => return Err(Refusal::Stopping),
            }
        }
        Ok(fates)
    }

    /// As [`Self::deliver`], for protocols that can answer for all records only: how many are in the
    /// quarantine, and why the first of them.
    pub(super) async fn deliver_all(
        &self,
        parcels: Parcels,
    ) -> Result<Option<(usize, Report)>, Refusal> {
        let mut first = None;
        let mut count = 0;
        for fate in self.deliver(parcels).await? {
            match fate {
                Fate::Stored => {}
                Fate::Quarantined(report) => {
                    count += 1;
                    first.get_or_insert(report);
                }
                Fate::Failed(report) => return Err(Refusal::Failed(report.into())),
                Fate::Busy => return Err(Refusal::busy()),
            }
        }
        Ok(first.map(|report| (count, report)))
    }

    pub(super) fn request_id(&self) -> String {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        format!("{}-{number}", self.started)
    }
}

fn set(fates: &mut [Fate], begins: &[(u64, usize)], fate: &Fate) {
    for (_, number) in begins {
        if let Some(place) = fates.get_mut(*number) {
            place.clone_from(fate);
        }
    }
}

fn quarantined(fates: &mut [Fate], begins: &[(u64, usize)], rejected: Vec<Rejected>) {
    for Rejected { offset, problem } in rejected {
        let after = begins.partition_point(|(begin, _)| *begin <= offset);
        let number = after.checked_sub(1).and_then(|at| begins.get(at));
        if let Some(place) = number.and_then(|(_, number)| fates.get_mut(*number)) {
            *place = Fate::Quarantined(problem);
        }
    }
}

/// Writes a record as its log source reads it. `is_own`: the log source is the protocol's own, which
/// takes records with what is said beside them.
fn write(out: &mut Vec<u8>, shape: Shape, (via, is_own): (Protocol, bool), pushed: &Pushed<'_>) {
    if let Some(member) = via.member().filter(|_| is_own && !shape.is_text) {
        let record = match &pushed.record {
            Record::None => None,
            Record::Text(text) => serde_json::to_string(text).ok(),
            Record::Json(json) => Some(json.clone().into_owned()),
        };
        let record = record.map(|json| format!("\"{member}\":{json}"));
        let members: Vec<&str> = [Some(pushed.about.as_str()), record.as_deref()]
            .into_iter()
            .flatten()
            .filter(|text| !text.is_empty())
            .collect();
        let object = format!("{{{}}}", members.join(","));
        let nested = via.is_nested().then(|| format!("{{\"{}\":{object}}}", via.name()));
        return json_line(out, "", &nested.unwrap_or(object));
    }
    let about = if pushed.about.is_empty() || !shape.is_by_line {
        String::new()
    } else {
        format!("\"{}\":{{{}}}", via.name(), pushed.about)
    };
    match (&pushed.record, shape.is_text) {
        (Record::None, _) => json_line(out, &about, "{}"),
        (Record::Json(json), false) => json_line(out, &about, json),
        (Record::Json(json), true) => match message_of(json, &about, shape) {
            Some((message, about)) => text_lines(out, shape, &about, &message),
            None => json_line(out, &about, json),
        },
        (Record::Text(text), true) => text_lines(out, shape, &about, text),
        // A text that is an object is what a log source of JSON wants; any other goes to the quarantine
        // as it is.
        (Record::Text(text), false) => json_line(out, &about, text),
    }
}

/// The line that an object holds of a log source of text, and what else it holds.
fn message_of(json: &str, about: &str, shape: Shape) -> Option<(String, String)> {
    let Members(members) = serde_json::from_str(json).ok()?;
    let text = |name: &str| {
        let (_, value) = members.iter().find(|(key, _)| key == name)?;
        Some((name.to_owned(), serde_json::from_str::<String>(value.get()).ok()?))
    };
    let (name, message) =
        ["message", "_raw", "log", "MESSAGE", "msg"].iter().find_map(|n| text(n))?;
    if !shape.is_by_line {
        return Some((message, String::new()));
    }
    let mut others: Vec<String> = Vec::new();
    others.extend((!about.is_empty()).then(|| about.to_owned()));
    for (key, value) in members.iter().filter(|(key, _)| *key != name) {
        others.push(format!("{}:{}", serde_json::to_string(key).ok()?, value.get()));
    }
    Some((message, others.join(",")))
}

/// One line of JSON. Line ends in it can only stand between its parts.
fn json_line(out: &mut Vec<u8>, about: &str, json: &str) {
    mark(out, about, json);
    let space = |byte: u8| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte };
    out.extend(json.bytes().map(space));
    out.push(b'\n');
}

/// Text as it would stand in a file: each line of it is a record.
fn text_lines(out: &mut Vec<u8>, shape: Shape, about: &str, text: &str) {
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        if shape.is_by_line {
            mark(out, about, line);
        }
        out.extend_from_slice(line.as_bytes());
        out.push(b'\n');
    }
}

/// Writes what is said beside a record. A record that looks as if something were is shielded.
fn mark(out: &mut Vec<u8>, about: &str, record: &str) {
    if about.is_empty() && !record.as_bytes().starts_with(&[ABOUT_MARK]) {
        return;
    }
    out.push(ABOUT_MARK);
    out.push(b'{');
    out.extend(about.bytes().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }));
    out.extend_from_slice(&[b'}', ABOUT_MARK]);
}

impl From<PushError> for Refusal {
    fn from(error: PushError) -> Self {
        Self::Push(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: Shape = Shape { is_text: false, is_by_line: true };
    const TEXT: Shape = Shape { is_text: true, is_by_line: true };
    const XML: Shape = Shape { is_text: true, is_by_line: false };

    fn written(shape: Shape, is_own: bool, about: &str, record: Record<'_>) -> String {
        let mut out = Vec::new();
        let pushed = Pushed { names: Vec::new(), about: about.to_owned(), record };
        write(&mut out, shape, (Protocol::Hec, is_own), &pushed);
        String::from_utf8(out).unwrap().replace('\x1e', "|")
    }

    #[test]
    fn records_are_written_as_their_log_source_reads_them() {
        let about = "\"host\":\"h\"";
        for (shape, is_own, record, expected) in [
            (
                JSON,
                true,
                Record::Text("a\nb".into()),
                "{\"hec\":{\"host\":\"h\",\"event\":\"a\\nb\"}}\n",
            ),
            (JSON, true, Record::Json("{\n}".into()), "{\"hec\":{\"host\":\"h\",\"event\":{ }}}\n"),
            (JSON, true, Record::None, "{\"hec\":{\"host\":\"h\"}}\n"),
            (JSON, false, Record::Json("{\n}".into()), "|{\"hec\":{\"host\":\"h\"}}|{ }\n"),
            (JSON, false, Record::Text("{}".into()), "|{\"hec\":{\"host\":\"h\"}}|{}\n"),
            (
                TEXT,
                false,
                Record::Text("a\r\n\nb".into()),
                "|{\"hec\":{\"host\":\"h\"}}|a\n|{\"hec\":{\"host\":\"h\"}}|b\n",
            ),
            (
                TEXT,
                false,
                Record::Json(r#"{"a":1.0,"message":"m"}"#.into()),
                "|{\"hec\":{\"host\":\"h\"},\"a\":1.0}|m\n",
            ),
            (TEXT, false, Record::Json("[1]".into()), "|{\"hec\":{\"host\":\"h\"}}|[1]\n"),
            (XML, false, Record::Text("<a/>".into()), "<a/>\n"),
        ] {
            assert_eq!(written(shape, is_own, about, record.clone()), expected, "{record:?}");
        }
        assert_eq!(written(TEXT, false, "", Record::Text("a".into())), "a\n");
        assert_eq!(written(TEXT, false, "", Record::Text("\x1ea".into())), "|{}||a\n");
    }

    #[test]
    fn what_is_rejected_is_told_of_the_right_record() {
        let report = |code: &str| Report {
            code: code.to_owned(),
            message: String::new(),
            place: None,
            causes: Vec::new(),
            help: None,
        };
        let mut fates = vec![Fate::Stored; 4];
        let rejected =
            [(25, "b"), (10, "a")].map(|(offset, code)| Rejected { offset, problem: report(code) });
        quarantined(&mut fates, &[(0, 0), (10, 2), (20, 3)], rejected.to_vec());
        assert_eq!(
            fates,
            [
                Fate::Stored,
                Fate::Stored,
                Fate::Quarantined(report("a")),
                Fate::Quarantined(report("b"))
            ]
        );
    }
}
