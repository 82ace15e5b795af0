//! How fast records are framed, parsed and decoded, on one core.
//!
//! `cargo run --release -p dab-decode --example throughput -- LOG_SOURCE.yml FILE…` reads each file
//! into memory (decompressed by then) and prints the best of thirty runs over all of them. What
//! counts is the time on the processor, so that a busy machine tells nearly the same.

#![expect(clippy::print_stdout, reason = "an example prints what it measures")]

use std::{error::Error, time::Duration};

use base::{ObjectHash, Timestamp};
use dab_decode::{At, Decoder, Frame, FrameState, Framer, Header, LogSource, Scratch, parse_json};

const RUNS: usize = 30;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: throughput LOG_SOURCE.yml FILE…")?;
    let source = LogSource::parse(&path, &std::fs::read_to_string(&path)?)
        .map_err(|errors| format!("{errors:?}"))?;
    let decoder = Decoder::new(source).map_err(|errors| format!("{errors:?}"))?;
    let objects = arguments.map(std::fs::read).collect::<Result<Vec<_>, _>>()?;
    let megabytes = objects.iter().map(Vec::len).sum::<usize>() / 1_000;
    let megabytes = f64::from(u32::try_from(megabytes)?) / 1e3;
    let best = |work: &dyn Fn(&Decoder, &[u8]) -> usize| {
        let mut best = f64::INFINITY;
        let mut count = 0;
        for _ in 0..RUNS {
            let start = processor_time();
            count = objects.iter().map(|object| work(&decoder, object)).sum();
            best = best.min((processor_time() - start).as_secs_f64());
        }
        (count, megabytes / best)
    };
    for (name, work) in [
        ("frame", frame as fn(&Decoder, &[u8]) -> usize),
        ("frame and parse", parse),
        ("frame and decode", decode),
    ] {
        let (count, speed) = best(&work);
        println!("{name:<18} {count:>8} of {megabytes:.1} MB at {speed:>6.0} MB/s");
    }
    Ok(())
}

/// How long this thread has been on a processor.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

type Each<'f> = &'f mut dyn FnMut(u64, &[u8], Option<&Header>) -> bool;

fn records(decoder: &Decoder, object: &[u8], each: Each<'_>) -> usize {
    let mut framer = Framer::new(&decoder.log_source().format, FrameState::default(), 0);
    let mut count = 0;
    framer.frame(object, true, &mut |frame| {
        if let Frame::Record { offset, bytes, header } = frame {
            count += usize::from(each(offset, bytes, header.as_ref()));
        }
    });
    count
}

fn frame(decoder: &Decoder, object: &[u8]) -> usize {
    records(decoder, object, &mut |_, _, _| true)
}

fn parse(decoder: &Decoder, object: &[u8]) -> usize {
    records(decoder, object, &mut |_, bytes, _| parse_json(bytes).is_ok())
}

fn decode(decoder: &Decoder, object: &[u8]) -> usize {
    let ingest_time = Timestamp::from_seconds(1_795_507_200);
    let object_hash = ObjectHash::of(&["o"]);
    let mut scratch = Scratch::default();
    records(decoder, object, &mut |offset, bytes, header| {
        let at = At { object: "o", object_hash, offset, ingest_time, header };
        decoder.decode_in(bytes, &at, &mut scratch).is_ok()
    })
}
