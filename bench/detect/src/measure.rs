//! One engine on one lane: what loading, parsing and evaluating cost.
//!
//! Events to evaluate alone are parsed before, a few at a time: enough that reading the clock
//! costs nothing, and so few that they stay in the caches, as those do that are parsed just before
//! they are evaluated. Parsing with evaluating is measured over other events than evaluating alone,
//! so that no value is remembered from the one for the other.

use std::{hint::black_box, time::Duration};

use dab_detect::{Engine, FullScan};
use serde_json::json;

use crate::{
    Arguments, Failure,
    clock::{processor_time, resident_bytes},
    dab::Dab,
    lane::Lane,
    rsigma::Rsigma,
    rules,
    side::{Depth, Side},
};

/// How many parsed events live at a time while evaluation alone is measured.
const BATCH: usize = 64;

/// Measures, and answers with figures.
pub(crate) fn run(arguments: &Arguments) -> Result<String, Failure> {
    match arguments.engine.as_str() {
        "dab" => measure::<Dab<Engine>>(arguments),
        "full_scan" => measure::<Dab<FullScan>>(arguments),
        "rsigma" => measure::<Rsigma>(arguments),
        engine => Err(format!("there is no engine `{engine}`")),
    }
}

fn measure<S: Side>(arguments: &Arguments) -> Result<String, Failure> {
    let lane = Lane::read(arguments)?;
    let files = rules::read(lane.rules, arguments)?;
    let (memory, start) = (resident_bytes(), processor_time());
    let (side, refused) = S::load(&lane, &files)?;
    let load = processor_time().saturating_sub(start);
    let memory = resident_bytes().saturating_sub(memory);

    let [warm, one, other, third] = lane.lots(arguments.take);
    parse_and_evaluate(&side, &warm, Depth::Event)?;
    let fields = parse(&side, &one, Depth::Fields)?;
    let evaluate = evaluate(&side, &one);
    let both = parse_and_evaluate(&side, &other, Depth::Fields)?;
    let (mut event, mut all) = (None, None);
    if S::HAS_EVENTS {
        event = Some(parse(&side, &one, Depth::Event)?);
        all = Some(parse_and_evaluate(&side, &third, Depth::Event)?);
    }
    let micros = |time: Duration| time.as_secs_f64() * 1e6 / one.len() as f64;
    Ok(json!({
        "engine": arguments.engine,
        "lane": arguments.lane,
        "rules": side.rules(),
        "refused": refused.len(),
        "events": one.len(),
        "bytes_an_event": one.iter().map(|line| line.len() + 1).sum::<usize>() as f64 / one.len() as f64,
        "load_seconds": load.as_secs_f64(),
        "memory_bytes": memory,
        "memory_bytes_at_end": resident_bytes(),
        "fields_micros": micros(fields),
        "evaluate_micros": micros(evaluate.0),
        "fields_and_evaluate_micros": micros(both.0),
        "event_micros": event.map(micros),
        "event_and_evaluate_micros": all.map(|(time, _)| micros(time)),
        "known_percent": side.known_percent(),
        "matches_an_event": evaluate.1 as f64 / one.len() as f64,
    })
    .to_string())
}

fn parse<S: Side>(side: &S, lines: &[&str], depth: Depth) -> Result<Duration, Failure> {
    let start = processor_time();
    let (mut parsed, mut room) = (0, S::Room::default());
    for line in lines {
        parsed += usize::from(black_box(side.parse(line, depth, &mut room)).is_some());
    }
    let took = processor_time().saturating_sub(start);
    whole(parsed, lines).map(|()| took)
}

fn evaluate<S: Side>(side: &S, lines: &[&str]) -> (Duration, usize) {
    let (mut took, mut matches) = (Duration::ZERO, 0);
    let mut scratch = S::Scratch::default();
    let mut rooms: Vec<S::Room> = std::iter::repeat_with(S::Room::default).take(BATCH).collect();
    for batch in lines.chunks(BATCH) {
        let events: Vec<S::Event<'_>> = (batch.iter().zip(&mut rooms))
            .filter_map(|(line, room)| side.parse(line, Depth::Event, room))
            .collect();
        let start = processor_time();
        for event in &events {
            matches += side.evaluate(black_box(event), &mut scratch);
        }
        took += processor_time().saturating_sub(start);
    }
    (took, matches)
}

fn parse_and_evaluate<S: Side>(
    side: &S,
    lines: &[&str],
    depth: Depth,
) -> Result<(Duration, usize), Failure> {
    let start = processor_time();
    let (mut scratch, mut room) = (S::Scratch::default(), S::Room::default());
    let (mut parsed, mut matches) = (0, 0);
    for line in lines {
        if let Some(event) = side.parse(line, depth, &mut room) {
            parsed += 1;
            matches += side.evaluate(&event, &mut scratch);
        }
    }
    let took = processor_time().saturating_sub(start);
    whole(parsed, lines).map(|()| (took, matches))
}

/// No event may be missing from a figure.
fn whole(parsed: usize, lines: &[&str]) -> Result<(), Failure> {
    if parsed == lines.len() && parsed > 0 {
        return Ok(());
    }
    Err(format!("{parsed} of {} events were parsed", lines.len()))
}
