//! From one record to one event.

use std::{borrow::Cow, sync::Arc};

use base::{Event, EventId, Object, ObjectHash, Origin, Place, RecordJson, Timestamp, Value};

use cel::Lookups;

use crate::{
    DecodeError, Enriched, Header, Layout, LogSource, Reject, RejectKind, about,
    enrich::Enricher,
    lift::Lifter,
    normalize::Normalizer,
    parse::{self, Patterns, Scratch, TextParser},
    remap::Program,
    time::EventTime,
};

/// A log source, compiled: decodes its records. Has no state but the tables it asks, so that one serves all
/// threads.
#[derive(Debug)]
pub struct Decoder {
    source: LogSource,
    parser: Parser,
    lifter: Lifter,
    program: Option<Program>,
    time: EventTime,
    normalizer: Normalizer,
    enricher: Enricher,
}

/// What makes fields of a record.
#[derive(Debug)]
enum Parser {
    Json,
    Lines(Patterns),
    Text(Box<TextParser>),
}

/// Where a record was read, and when.
#[derive(Debug, Clone, Copy)]
pub struct At<'a> {
    /// The address of the object.
    pub object: &'a str,
    /// The hash of the object's address and generation.
    pub object_hash: ObjectHash,
    /// The offset of the record's first byte in the decompressed object.
    pub offset: u64,
    /// When the record was taken in.
    pub ingest_time: Timestamp,
    /// The header that it stands below, if its object has one.
    pub header: Option<&'a Header>,
}

impl Decoder {
    /// Compiles a log source.
    ///
    /// # Errors
    /// If a regular expression or the program does not compile, which [`LogSource::parse`] has ruled out.
    pub fn new(source: LogSource) -> Result<Self, Vec<DecodeError>> {
        let failed = |error: regex::Error| {
            vec![DecodeError::pattern(&error, Place::Object(format!("log source {}", source.name)))]
        };
        let parser = match &source.format.layout {
            Layout::Lines(lines) => Parser::Lines(Patterns::new(lines).map_err(failed)?),
            Layout::Ndjson | Layout::Json { .. } => Parser::Json,
            Layout::Text(text) => Parser::Text(Box::new(TextParser::new(text).map_err(failed)?)),
        };
        let normalizer = Normalizer::new(&source).map_err(failed)?;
        let time = EventTime::new(source.time.clone());
        let lifter = Lifter::new(&source.lift);
        let program = source.vrl.as_deref().map(Program::new).transpose();
        let program = program.map_err(|mistakes| DecodeError::program(mistakes, &source.name))?;
        let enricher = Enricher::new(&source.enrich);
        Ok(Self { source, parser, lifter, program, time, normalizer, enricher })
    }

    /// From now on the log source's `enrich` asks these tables. Before the first time there are none.
    pub fn use_lookups(&self, lookups: Arc<dyn Lookups>) {
        self.enricher.use_lookups(lookups);
    }

    /// What became of the questions to lookup tables so far.
    #[must_use]
    pub fn enriched(&self) -> Enriched {
        self.enricher.counts()
    }

    /// The log source.
    #[must_use]
    pub const fn log_source(&self) -> &LogSource {
        &self.source
    }

    /// Makes an event of a record. The event borrows the record's text.
    ///
    /// # Errors
    /// Says why the record is no event of this log source, where, and what to do.
    pub fn decode<'a>(&'a self, record: &'a [u8], at: &At<'a>) -> Result<Event<'a>, Reject> {
        self.event(record, at, None)
    }

    /// As [`Self::decode`], but what is unescaped is put into `scratch` and borrowed as well: for
    /// one record after another this is faster.
    ///
    /// # Errors
    /// Says why the record is no event of this log source, where, and what to do.
    pub fn decode_in<'a>(
        &'a self,
        record: &'a [u8],
        at: &At<'a>,
        scratch: &'a mut Scratch,
    ) -> Result<Event<'a>, Reject> {
        self.event(record, at, Some(scratch))
    }

    fn event<'a>(
        &'a self,
        record: &'a [u8],
        at: &At<'a>,
        scratch: Option<&'a mut Scratch>,
    ) -> Result<Event<'a>, Reject> {
        if let Some(reject) = Reject::of_damage(record) {
            return Err(reject);
        }
        let (about, record) = about::split(record);
        let text = parse::text_of(record, self.source.format.encoding)?;
        let json = match (&self.parser, &text) {
            (Parser::Json, Cow::Borrowed(text)) if about.is_none() => Some(*text),
            _ => None,
        };
        let (fields, known_time) = match &self.parser {
            Parser::Json => (json_object(text, record, scratch)?, None),
            Parser::Lines(patterns) => self.line(patterns, text, at.ingest_time)?,
            Parser::Text(parser) => (parser.parse(text, at.header)?, None),
        };
        let (mut fields, is_lifted) = self.lifter.apply(fields);
        for (key, value) in about.into_iter().flatten() {
            fields.push(key, value);
        }
        if let Some(program) = &self.program {
            fields = program.apply(fields)?;
        }
        let time = match known_time {
            Some(time) => time,
            None => self.time.of(&fields, at.ingest_time)?,
        };
        let mut normalized = self.normalizer.apply(&fields);
        self.enricher.apply(&fields, &mut normalized, time);
        Ok(Event {
            time,
            ingest_time: at.ingest_time,
            id: EventId { object: at.object_hash, offset: at.offset },
            log_source: &self.source.name,
            origin: Origin { object: Cow::Borrowed(at.object), offset: at.offset },
            normalized,
            // A program makes texts that the record does not have.
            json: json
                .filter(|_| self.program.is_none())
                .map(|text| RecordJson { text, is_same: !is_lifted }),
            fields,
        })
    }

    /// The normalized fields of an event with these fields of the source's own.
    #[must_use]
    pub fn normalize<'a>(&'a self, fields: &Object<'a>) -> Object<'a> {
        self.normalizer.apply(fields)
    }

    /// A line that matches no pattern has no time of its own: it gets the time it was taken in, so
    /// that it can be found, unless the log source says `unmatched: quarantine`.
    fn line<'a>(
        &'a self,
        patterns: &'a Patterns,
        text: Cow<'a, str>,
        ingest_time: Timestamp,
    ) -> Result<(Object<'a>, Option<Timestamp>), Reject> {
        let line = patterns.parse(text)?;
        Ok((line.fields, (!line.matched).then_some(ingest_time)))
    }
}

fn json_object<'a>(
    text: Cow<'a, str>,
    record: &[u8],
    scratch: Option<&'a mut Scratch>,
) -> Result<Object<'a>, Reject> {
    let value = match text {
        Cow::Borrowed(text) => parse::parse_text(text, scratch)?,
        Cow::Owned(text) => parse::parse_text(&text, None)?.into_owned(),
    };
    match value {
        Value::Object(object) => Ok(object),
        other => Err(Reject::new(
            RejectKind::NotAnObject,
            format!("the record is {}, not an object", other.kind()),
        )
        .at(record, 0)
        .help("an event is a JSON object with named fields")),
    }
}
