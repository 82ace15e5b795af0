//! Evaluates rules over data as it comes, and says of each event why it matches, or why not.
//!
//! Holds no more than one record, and what was read beyond it.

use std::sync::Arc;

use base::{ObjectHash, Timestamp};
use decode::{
    At, Decoder, Format, Frame, FrameState, Framer, Header, Layout as FormatLayout, Reject,
};
use detect::{
    Rule,
    explain::{Explanation, explain},
};
use serde_json::{Value as Json, json};

use crate::{
    Project,
    mistake::{Kind, Mistake, nearest},
    trace::{self, Layout, cut},
};

/// Rules, with the decoder that reads the data.
#[derive(Debug)]
pub struct Evaluator {
    decoder: Decoder,
    /// Takes events without a time, too.
    lenient: Decoder,
    rules: Vec<Arc<Rule>>,
    now: Timestamp,
    framer: Option<Framer>,
    pending: Vec<u8>,
    records: usize,
}

/// What came of one record.
#[derive(Debug)]
pub struct Evaluated {
    /// Its number, from 1.
    pub number: usize,
    /// The log source that it was read as.
    pub log_source: String,
    /// The event's time and its own fields as JSON, or why there is no event.
    pub event: Result<(Timestamp, String), String>,
    /// Whether it has no time and its log source wants one: it is taken as if it happened now.
    pub has_no_time: bool,
    /// What each rule makes of it.
    pub explanations: Vec<(Arc<Rule>, Explanation)>,
}

impl Evaluator {
    /// Prepares rules for data of a log source: the one named, or the only one whose events reach
    /// the first rule. Data is taken in as if it arrived at `now`; an event without a time happened
    /// then, too.
    ///
    /// # Errors
    /// If there is no such log source.
    pub fn new(
        project: &Project,
        rules: Vec<Arc<Rule>>,
        log_source: Option<&str>,
        now: Timestamp,
    ) -> Result<Self, Mistake> {
        let wrong = |message: String, help: String| {
            let (path, line) =
                rules.first().map_or(("", 1), |rule| (rule.info.file.as_str(), rule.line));
            Mistake::placed(Kind::TestLogSource, path, (line, 1), message).help(help)
        };
        let names = || project.log_sources.iter().map(|source| source.name.as_str());
        let name = match (log_source, rules.first()) {
            (Some(name), _) => name.to_owned(),
            (None, None) => return Err(wrong("there is no rule".to_owned(), String::new())),
            (None, Some(rule)) => {
                crate::only_log_source(project, rule).map_err(|(message, reaching)| {
                    let all = names().map(str::to_owned).collect::<Vec<_>>();
                    let known = if reaching.is_empty() { all } else { reaching };
                    wrong(message, format!("add `--log-source`: one of {}", known.join(", ")))
                })?
            }
        };
        let source = project.log_sources.iter().find(|source| source.name == name);
        let Some(source) = source else {
            let help = match nearest(&name, names()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("use one of: {}", names().collect::<Vec<_>>().join(", ")),
            };
            return Err(wrong(format!("there is no log source `{name}`"), help));
        };
        let decoder = |source| {
            let decoder = Decoder::new(source).map_err(|_| {
                wrong(format!("the log source `{name}` can't be used"), String::new())
            })?;
            decoder.use_lookups(Arc::clone(&project.lookups) as _);
            Ok(decoder)
        };
        let lenient = decoder(crate::without_times(source))?;
        Ok(Self {
            decoder: decoder(source.clone())?,
            lenient,
            rules,
            now,
            framer: None,
            pending: Vec::new(),
            records: 0,
        })
    }

    /// Takes in bytes that follow on those before; `last`: nothing will follow. Calls `each` for
    /// every record that is complete.
    pub fn read(&mut self, bytes: &[u8], last: bool, each: &mut dyn FnMut(Evaluated)) {
        self.pending.extend_from_slice(bytes);
        if self.framer.is_none() {
            let begins = self.pending.contains(&b'\n') || last;
            if !begins && self.pending.len() < base::limits::RECORD_BYTES_MAX {
                return;
            }
            let format = format(&self.decoder, &self.pending);
            self.framer = Some(Framer::new(&format, FrameState::default(), 0));
        }
        let Some(mut framer) = self.framer.take() else { return };
        let pending = std::mem::take(&mut self.pending);
        let consumed = framer.frame(&pending, last, &mut |frame| match frame {
            Frame::Record { offset, bytes, header } => {
                each(self.record(offset, bytes, header.as_ref()));
            }
            Frame::Malformed { problem, .. } => each(self.rejected(&problem)),
            Frame::Oversize { last: true, .. } => each(self.rejected(&Reject::oversize())),
            Frame::Oversize { .. } => {}
        });
        self.pending = pending.get(consumed..).unwrap_or_default().to_vec();
        self.framer = Some(framer);
    }

    fn rejected(&mut self, reject: &Reject) -> Evaluated {
        self.records += 1;
        Evaluated {
            number: self.records,
            log_source: self.decoder.log_source().name.clone(),
            event: Err(reject.to_string()),
            has_no_time: false,
            explanations: Vec::new(),
        }
    }

    fn record(&mut self, offset: u64, bytes: &[u8], header: Option<&Header>) -> Evaluated {
        let at = At {
            object: "stdin",
            object_hash: ObjectHash::of(&["stdin"]),
            offset,
            ingest_time: self.now,
            header,
        };
        let (event, has_no_time) = match self.decoder.decode(bytes, &at) {
            Ok(event) => (event, false),
            Err(reject) => match self.lenient.decode(bytes, &at) {
                Ok(event) => (event, true),
                Err(_) => return self.rejected(&reject),
            },
        };
        self.records += 1;
        let routes = &self.decoder.log_source().sigma;
        let explanations = self
            .rules
            .iter()
            .map(|rule| (Arc::clone(rule), explain(rule, routes, &event)))
            .collect();
        Evaluated {
            number: self.records,
            log_source: event.log_source.to_owned(),
            event: Ok((event.time, event.to_json())),
            has_no_time,
            explanations,
        }
    }
}

/// How the data is written: as its log source delivers it, or, where that is documents with many
/// records inside, perhaps as one record a line.
fn format(decoder: &Decoder, begins: &[u8]) -> Format {
    let format = &decoder.log_source().format;
    let FormatLayout::Json { records: Some(path) } = &format.layout else { return format.clone() };
    let first = begins.split(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty());
    let first = first.and_then(|line| decode::parse_json(line).ok());
    match first {
        Some(base::Value::Object(object)) if object.get_path(path).is_none() => {
            Format { layout: FormatLayout::Ndjson, encoding: format.encoding }
        }
        _ => format.clone(),
    }
}

impl Evaluated {
    /// How many rules match.
    #[must_use]
    pub fn matches(&self) -> usize {
        self.explanations.iter().filter(|(_, explanation)| explanation.holds).count()
    }

    /// For people: the event, and for each rule why it matches it or why not.
    #[must_use]
    pub fn text(&self, layout: &Layout) -> String {
        let (time, json) = match &self.event {
            Ok(event) => event,
            Err(reason) => {
                return format!("event {}: can't be decoded: {reason}\n", self.number);
            }
        };
        let says = if self.has_no_time { " (it has no time: now)" } else { "" };
        let mut out = format!("event {} of `{}`, {time}{says}\n", self.number, self.log_source);
        out.push_str(&format!("  {}\n", cut(json, layout.width.saturating_sub(2))));
        for (rule, explanation) in &self.explanations {
            let says = if explanation.holds { "matches" } else { "does not match" };
            out.push_str(&format!("  {says}: {}\n", cut(&rule.info.title, layout.width)));
            let layout = Layout { indent: layout.indent + 4, ..*layout };
            out.push_str(&trace::text(explanation, &self.log_source, &layout));
        }
        out
    }

    /// As JSON.
    #[must_use]
    pub fn json(&self) -> Json {
        let rules = self.explanations.iter().map(|(rule, explanation)| {
            json!({
                "rule": rule.info.id,
                "title": rule.info.title,
                "why": trace::json(explanation),
                "match": explanation.holds,
            })
        });
        let (time, event, error) = match &self.event {
            Ok((time, json)) => {
                (Some(time.to_string()), serde_json::from_str::<Json>(json).ok(), None)
            }
            Err(reason) => (None, None, Some(reason)),
        };
        json!({
            "event": self.number,
            "log_source": self.log_source,
            "time": time,
            "has_no_time": self.has_no_time,
            "fields": event,
            "error": error,
            "rules": rules.collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn evaluator(rule: &str, log_source: Option<&str>) -> Result<Evaluator, Mistake> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rule.yml");
        fs::write(&path, rule).unwrap();
        let project = crate::load(&[path], &[], true);
        assert_eq!(project.problems, []);
        let now = Timestamp::parse("2026-11-24T09:00:00Z").unwrap();
        Evaluator::new(&project, project.rules.clone(), log_source, now)
    }

    const RULE: &str = "title: Root\nlogsource: {product: aws, service: cloudtrail}\ndetection: \
                        {s: {userIdentity.type: Root}, condition: s}\n";
    const EVENT: &str = r#"{"eventTime":"2026-11-24T08:00:00Z","userIdentity":{"type":"Root"}}"#;

    /// All that is told when the data comes in pieces of a size.
    fn told(evaluator: &mut Evaluator, data: &str, size: usize) -> String {
        let mut out = String::new();
        let mut each = |found: Evaluated| {
            assert_eq!(found.json()["event"], found.number);
            out.push_str(&found.text(&Layout { width: 70, ..Layout::default() }));
        };
        for piece in data.as_bytes().chunks(size) {
            evaluator.read(piece, false, &mut each);
        }
        evaluator.read(&[], true, &mut each);
        out
    }

    #[test]
    fn documents_and_lines_are_read_in_any_pieces() {
        let lines = format!("{EVENT}\nnothing\n{}\n", EVENT.replace("Root", "IAMUser"));
        let expected = "\
event 1 of `aws_cloudtrail`, 2026-11-24T08:00:00Z
  {\"eventTime\":\"2026-11-24T08:00:00Z\",\"userIdentity\":{\"type\":\"Root\"}}
  matches: Root
    yes    s
    yes      userIdentity.type equals 'Root'  Root
event 2: can't be decoded: expected a JSON value, found `n`, at byte 0 of the record
event 3 of `aws_cloudtrail`, 2026-11-24T08:00:00Z
  {\"eventTime\":\"2026-11-24T08:00:00Z\",\"userIdentity\":{\"type\":\"IAMUser…
  does not match: Root
    no     s
    no       userIdentity.type equals 'Root'  IAMUser
";
        for size in [1, 7, 10_000] {
            let found = told(&mut evaluator(RULE, None).unwrap(), &lines, size);
            assert_eq!(found, expected, "pieces of {size}\n{found}");
        }
        let document = format!("{{\"Records\": [{EVENT},\n{EVENT}]}}");
        for size in [1, 10_000] {
            let found = told(&mut evaluator(RULE, None).unwrap(), &document, size);
            assert_eq!(found.matches("  matches: Root").count(), 2, "{found}");
        }
    }

    #[test]
    fn an_event_without_a_time_happens_now() {
        let lines = "{\"userIdentity\":{\"type\":\"Root\"}}\n{\"eventTime\":\"soon\"}\n";
        let found = told(&mut evaluator(RULE, None).unwrap(), lines, 10_000);
        let expected = "\
event 1 of `aws_cloudtrail`, 2026-11-24T09:00:00Z (it has no time: now)
  {\"userIdentity\":{\"type\":\"Root\"}}
  matches: Root
    yes    s
    yes      userIdentity.type equals 'Root'  Root
event 2: can't be decoded: ";
        assert!(found.starts_with(expected) && found.contains("soon"), "{found}");
    }

    #[test]
    fn text_is_read_by_the_log_source_named() {
        let rule = "title: T\ncel: user.name == 'mira'\n";
        let mut read = evaluator(rule, Some("linux_sshd")).unwrap();
        let line = "2026-11-24T08:00:00Z host sshd[1]: Accepted password for mira from 203.0.113.9 \
                    port 22 ssh2";
        let found = told(&mut read, line, 10);
        assert!(found.contains("  matches: T\n"), "{found}");
        let error = evaluator(rule, None).unwrap_err();
        assert_eq!(error.to_string(), "events of several log sources reach the rule");
        let error = evaluator(rule, Some("linux_sshdd")).unwrap_err();
        assert_eq!(base::Explain::help(&error).as_deref(), Some("did you mean `linux_sshd`?"));
    }
}
