//! Mixed streams, sorted by their log sources: the first route whose condition holds for a record says
//! which; where none does, it goes to one that takes all.
//!
//! Conditions are CEL over what can be known of any record: its syslog header (`syslog.…`), the fields
//! of a message that is JSON, else `message`; `original`, the whole record; and `syslog_sender`. One that
//! can't be evaluated, for want of a field, does not hold. A record that can't be read at all holds for
//! no route.

use std::sync::Arc;

use base::{ABOUT_MARK, ObjectHash, Problem, Timestamp};
use cel::{CelError, Program};
use collect::{PushQueue, Sorter, SyslogForm};
use decode::{At, Decoder, Format, Frame, FrameState, Framer, Layout, LogSource};

use crate::ServeError;

/// The log source of records that no route is for.
pub const UNCLASSIFIED: &str = "unclassified";

/// What any record is read as, to be looked at by conditions.
const CLASSIFIER: &str = "format:\n  type: syslog\n  original: true\n  \
    payload: [{match: '^\\s*(?:@cee:)?\\s*\\{', type: json}]\ntime: {missing: ingest_time}\n";

/// Says that records for which a condition holds are a log source's.
#[derive(Debug)]
pub struct SortingRoute {
    when: Program,
    log_source: String,
}

impl SortingRoute {
    /// Compiles the condition.
    ///
    /// # Errors
    /// If it is no expression.
    pub fn new(when: &str, log_source: &str) -> Result<Self, CelError> {
        Ok(Self { when: Program::compile(when)?, log_source: log_source.to_owned() })
    }

    /// The log source.
    #[must_use]
    pub fn log_source(&self) -> &str {
        &self.log_source
    }
}

/// A way to a log source.
#[derive(Debug)]
pub(crate) struct Outlet {
    pub(crate) queue: PushQueue,
    pub(crate) form: SyslogForm,
}

/// Says which outlet a record is for.
#[derive(Debug)]
pub(crate) struct Classifier {
    decoder: Decoder,
    /// Each with the number of its outlet.
    routes: Vec<(Arc<SortingRoute>, usize)>,
    /// That of records that no route is for.
    last: usize,
}

/// The log sources that routes name, each once, with `rest` as the last; and the routes with their numbers.
pub(crate) fn numbered(
    routes: &[Arc<SortingRoute>],
    rest: &str,
) -> (Vec<String>, Vec<(Arc<SortingRoute>, usize)>) {
    let mut names: Vec<String> = Vec::new();
    let mut all = Vec::with_capacity(routes.len());
    for route in routes {
        let known = names.iter().position(|name| name == route.log_source());
        all.push((Arc::clone(route), known.unwrap_or(names.len())));
        if known.is_none() {
            names.push(route.log_source().to_owned());
        }
    }
    names.push(rest.to_owned());
    (names, all)
}

impl Classifier {
    /// `last`: the outlet of what no route is for.
    pub(crate) fn new(
        routes: Vec<(Arc<SortingRoute>, usize)>,
        last: usize,
    ) -> Result<Self, Problem> {
        let unusable = |error: decode::DecodeError| ServeError::Task {
            task: "the classifier of records".to_owned(),
            reason: error.to_string(),
        };
        let source = LogSource::parse("classifier.yml", CLASSIFIER)
            .and_then(Decoder::new)
            .map_err(|errors| errors.into_iter().next().map(unusable));
        match source {
            Ok(decoder) => Ok(Self { decoder, routes, last }),
            Err(Some(error)) => Err(error.into()),
            Err(None) => Err(ServeError::Task {
                task: "the classifier of records".to_owned(),
                reason: "it can't be read".to_owned(),
            }
            .into()),
        }
    }

    /// How mixed records are cut: by lines, or by the lengths that stand before them.
    pub(crate) fn format(&self) -> &Format {
        &self.decoder.log_source().format
    }

    /// The number of the outlet that a record is for.
    pub(crate) fn outlet_of(&self, record: &[u8]) -> usize {
        let at = At {
            object: "",
            object_hash: ObjectHash::of(&[""]),
            offset: 0,
            // Conditions don't ask for it.
            ingest_time: Timestamp::from_seconds(0),
            header: None,
        };
        let Ok(event) = self.decoder.decode(record, &at) else { return self.last };
        let fits = |route: &SortingRoute| route.when.matches(&event).unwrap_or(false);
        let found = self.routes.iter().find(|(route, _)| fits(route));
        found.map_or(self.last, |(_, outlet)| *outlet)
    }
}

/// Sorts records into queues.
#[derive(Debug)]
pub(crate) struct Sorting {
    classifier: Classifier,
    /// The last is that of records that no route is for.
    outlets: Vec<Outlet>,
}

impl Sorting {
    /// `outlets`: by what `routes` name, and one more for what no route is for.
    pub(crate) fn new(
        routes: Vec<(Arc<SortingRoute>, usize)>,
        outlets: Vec<Outlet>,
    ) -> Result<Self, Problem> {
        let classifier = Classifier::new(routes, outlets.len().saturating_sub(1))?;
        Ok(Self { classifier, outlets })
    }

    fn put(&self, record: &[u8], bodies: &mut [Vec<u8>]) {
        let number = self.classifier.outlet_of(record);
        if let (Some(outlet), Some(body)) = (self.outlets.get(number), bodies.get_mut(number)) {
            let (about, message) = parts(record);
            outlet.form.write(about, message, body);
        }
    }

    fn parcels(&self, bodies: Vec<Vec<u8>>) -> Vec<(PushQueue, Vec<u8>)> {
        let queues = self.outlets.iter().map(|outlet| outlet.queue.clone());
        queues.zip(bodies).filter(|(_, body)| !body.is_empty()).collect()
    }

    /// Sorts the records of a body: lines, or the values of JSON where it is an array or says that it is JSON.
    pub(crate) fn sort_body(
        &self,
        content_type: Option<&str>,
        body: &[u8],
    ) -> Vec<(PushQueue, Vec<u8>)> {
        let mut bodies = vec![Vec::new(); self.outlets.len()];
        let mut record = Vec::new();
        let mut each = |form: SyslogForm, bytes: &[u8]| {
            record.clear();
            if form.write(shield(bytes), bytes, &mut record) {
                let end = record.len() - 1;
                self.put(record.get(..end).unwrap_or_default(), &mut bodies);
            }
        };
        let kind = content_type.unwrap_or_default().to_ascii_lowercase();
        let says_json =
            kind.contains("json") && !kind.contains("ndjson") && !kind.contains("lines");
        if body.trim_ascii_start().starts_with(b"[") || says_json {
            let layout = Layout::Json { records: None };
            let format = Format { layout, encoding: self.classifier.format().encoding };
            Framer::new(&format, FrameState::default(), 0).frame(body, true, &mut |frame| {
                each(SyslogForm::Json, bytes_of(&frame));
            });
        } else {
            let lines = SyslogForm::Lines { is_by_line: true };
            body.split(|byte| *byte == b'\n').for_each(|line| each(lines, line));
        }
        self.parcels(bodies)
    }
}

impl Sorter for Sorting {
    fn sort(&self, messages: Vec<u8>) -> Vec<(PushQueue, Vec<u8>)> {
        let mut bodies = vec![Vec::new(); self.outlets.len()];
        let mut framer = Framer::new(self.classifier.format(), FrameState::default(), 0);
        // Whoever wrote the messages wrote them so that each is a record.
        framer.frame(&messages, true, &mut |frame| self.put(bytes_of(&frame), &mut bodies));
        self.parcels(bodies)
    }
}

/// The bytes of a frame, whatever is wrong with them.
pub(crate) const fn bytes_of<'f>(frame: &Frame<'f>) -> &'f [u8] {
    match frame {
        Frame::Record { bytes, .. }
        | Frame::Malformed { bytes, .. }
        | Frame::Oversize { bytes, .. } => bytes,
    }
}

/// What stands before a record that looks as if something were said beside it: whoever sent it may not say so.
pub(crate) const fn shield(record: &[u8]) -> &'static [u8] {
    match record.first() {
        Some(&ABOUT_MARK) => &[ABOUT_MARK, b'{', b'}', ABOUT_MARK],
        _ => &[],
    }
}

/// What is said beside a record, with its marks, and the record.
fn parts(record: &[u8]) -> (&[u8], &[u8]) {
    let end = record
        .strip_prefix(&[ABOUT_MARK])
        .and_then(|inner| inner.iter().position(|byte| *byte == ABOUT_MARK));
    record.split_at(end.map_or(0, |end| end + 2))
}

#[cfg(test)]
mod tests {
    use collect::{PushLimits, SyslogCutter};

    use super::*;

    fn sorted(routes: &[(&str, usize)], forms: &[SyslogForm], stream: &[u8]) -> Vec<String> {
        let queues = forms.iter().map(|_| PushQueue::new(PushLimits::default()));
        let outlets = queues.zip(forms).map(|(queue, form)| Outlet { queue, form: *form });
        let routes = routes
            .iter()
            .map(|(when, outlet)| (Arc::new(SortingRoute::new(when, "x").unwrap()), *outlet));
        let sorting = Sorting::new(routes.collect(), outlets.collect()).unwrap();
        let mut written = Vec::new();
        SyslogCutter::new(SyslogForm::Messages, "192.0.2.1", 1000).cut(stream, true, &mut written);
        let mark = "\u{1e}{\"syslog_sender\":\"192.0.2.1\"}\u{1e}";
        let parcels = sorting.sort(written).into_iter();
        parcels.map(|(_, body)| String::from_utf8(body).unwrap().replace(mark, "|")).collect()
    }

    #[test]
    fn the_first_route_that_holds_says_where() {
        let forms = [SyslogForm::Messages, SyslogForm::Json, SyslogForm::Messages];
        let routes = [
            ("syslog.appname == 'sshd'", 0),
            ("original.contains('%ASA-')", 0),
            ("kind == 'audit' && n > 1", 1),
        ];
        let stream = b"<38>Nov 24 08:00:00 h sshd[1]: hello\n\
            <38>Nov 24 08:00:00 h cron[1]: hello\n\
            <166>%ASA-6-302013: Built\n\
            {\"kind\":\"audit\",\"n\":2}\n\
            {\"kind\":\"audit\",\"n\":1}\n\
            18 <38>two\nlines here\n";
        let expected = [
            "|<38>Nov 24 08:00:00 h sshd[1]: hello\n|<166>%ASA-6-302013: Built\n",
            "|{\"kind\":\"audit\",\"n\":2}\n",
            "|<38>Nov 24 08:00:00 h cron[1]: hello\n|{\"kind\":\"audit\",\"n\":1}\n\
             49 |<38>two\nlines here\n",
        ];
        assert_eq!(sorted(&routes, &forms, stream), expected);
    }

    #[test]
    fn what_was_said_beside_a_record_can_be_asked() {
        let forms = [SyslogForm::Lines { is_by_line: false }, SyslogForm::Messages];
        let routes =
            [("net.inCidr(syslog_sender, '192.0.2.0/24') && original.startsWith('<r')", 0)];
        assert_eq!(sorted(&routes, &forms, b"<r/>\n<38>x\n"), ["<r/>\n", "|<38>x\n"]);
    }

    #[test]
    fn bytes_that_are_no_text_are_for_no_route() {
        let forms = [SyslogForm::Messages, SyslogForm::Messages];
        let mut written = Vec::new();
        let sorting = |queue: PushQueue| {
            let outlets = forms.map(|form| Outlet { queue: queue.clone(), form });
            let route = Arc::new(SortingRoute::new("true", "x").unwrap());
            Sorting::new(vec![(route, 0)], outlets.into()).unwrap()
        };
        SyslogForm::Messages.write(b"", b"<38>\xff", &mut written);
        let sorting = sorting(PushQueue::new(PushLimits::default()));
        assert_eq!(sorting.classifier.outlet_of(b"<38>\xff"), 1);
        assert_eq!(sorting.sort(written).len(), 1);
    }

    #[test]
    fn a_body_is_lines_or_the_values_of_json() {
        let forms = [SyslogForm::Json, SyslogForm::Messages];
        let queues = forms.iter().map(|_| PushQueue::new(PushLimits::default()));
        let outlets: Vec<_> =
            queues.zip(forms).map(|(queue, form)| Outlet { queue, form }).collect();
        let route = Arc::new(SortingRoute::new("kind == 'audit'", "x").unwrap());
        let sorting = Sorting::new(vec![(route, 0)], outlets).unwrap();
        let sorted = |kind: Option<&str>, body: &str| {
            let parcels = sorting.sort_body(kind, body.as_bytes()).into_iter();
            let texts =
                parcels.map(|(_, body)| String::from_utf8(body).unwrap().replace('\x1e', "|"));
            texts.collect::<Vec<_>>()
        };
        let lines = "{\"kind\":\"audit\"}\r\n\n<38>x: y\n{\"kind\":\"other\"}";
        let expected = ["{\"kind\":\"audit\"}\n", "<38>x: y\n{\"kind\":\"other\"}\n"];
        assert_eq!(sorted(None, lines), expected);
        assert_eq!(sorted(Some("application/x-ndjson"), lines), expected);
        let array = " [{\"kind\":\n\"audit\"}, {\"kind\":\"other\"}]";
        let expected = ["{\"kind\": \"audit\"}\n", "{\"kind\":\"other\"}\n"];
        assert_eq!(sorted(None, array), expected);
        let spread = "{\n\"kind\": \"audit\"\n}";
        assert_eq!(
            sorted(Some("application/json; charset=utf-8"), spread),
            ["{ \"kind\": \"audit\" }\n"]
        );
        // What only the network may say is not believed.
        let forged = "\u{1e}{\"kind\":\"audit\"}\u{1e}x";
        assert_eq!(sorted(None, forged), ["|{}||{\"kind\":\"audit\"}|x\n"]);
        assert_eq!(sorted(None, " \n\n"), [""; 0]);
    }
}
