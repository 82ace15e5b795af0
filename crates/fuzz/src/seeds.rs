//! What mutation starts from: samples, content and documentation of this repository, and real logs and rules
//! where they are at hand.
//!
//! The order is that of names, so that the same files make the same inputs everywhere.

mod files;
mod pieces;

use std::{io, path::PathBuf};

use crate::Target;
use files::{Folder, corpus};
use pieces::{choices, fenced, lines, strings};

/// Where seeds are read.
#[derive(Debug, Clone)]
pub struct Places {
    /// The repository.
    pub root: PathBuf,
    /// Real logs and rules.
    pub corpora: Option<PathBuf>,
}

/// A seed is cut to so many bytes.
const SEED_BYTES_MAX: usize = 8 << 10;
/// Event logs and indexes say where in them something is: cut off, they are worth little.
const BINARY_BYTES_MAX: usize = 16 << 10;
/// So many are taken of what there is, evenly.
const SEEDS_MAX: usize = 3000;

/// The seeds of a target: first those that were made for it, then what is like it.
///
/// # Errors
///
/// Fails if a folder or file can't be read.
pub fn seeds(target: &Target, places: &Places) -> io::Result<Vec<Vec<u8>>> {
    let own = Folder::of(&places.root, &format!("fuzz/seeds/{}", target.name))?;
    let found = derived(target.name, places)?;
    let step = found.len().div_ceil(SEEDS_MAX).max(1);
    let is_binary = ["binary", "index"].contains(&target.name);
    let bytes_max = if is_binary { BINARY_BYTES_MAX } else { SEED_BYTES_MAX };
    let mut seeds: Vec<Vec<u8>> = own.bytes().collect();
    seeds.extend(found.into_iter().step_by(step));
    for seed in &mut seeds {
        seed.truncate(bytes_max);
    }
    Ok(seeds)
}

fn derived(target: &str, places: &Places) -> io::Result<Vec<Vec<u8>>> {
    let samples = || Folder::of(&places.root, "crates/decode/tests/samples");
    let json = || -> io::Result<Vec<Vec<u8>>> {
        let samples = samples()?;
        let own = samples.texts(".log").flat_map(|(_, text)| lines(&text, 2));
        let mut found: Vec<Vec<u8>> = own.filter(|line| line.starts_with(b"{")).collect();
        found.extend(fenced(places, "json")?);
        found.extend(corpus(places, "json")?.iter().flat_map(|text| lines(text, 400)));
        Ok(found)
    };
    Ok(match target {
        "announce" | "json" => json()?,
        "lookup" => choices(&[1, 2], &json()?),
        "push" => choices(&[0, 1, 2, 4], &json()?),
        "frame" => choices(&[0, 1, 2, 3], &choices(&[100], &json()?)),
        "syslog" => choices(&[200], &text_lines(places)?),
        "text" => {
            let formats: Vec<u8> = (0..17).collect();
            let of_all = choices(&formats, &choices(&[100], &sample_pieces(&samples()?)));
            let found = text_lines(places)?.into_iter().zip(formats.into_iter().cycle());
            of_all
                .into_iter()
                .chain(found.map(|(line, format)| [vec![format, 100], line].concat()))
                .collect()
        }
        "decode" => of_log_sources(&samples()?),
        "log_source" => {
            let mut found: Vec<_> =
                Folder::of(&places.root, "content/log_sources")?.bytes().collect();
            found.extend(fenced(places, "yaml")?);
            found
        }
        "rule" => {
            let mut found: Vec<_> =
                Folder::of(&places.root, "content/detections")?.bytes().collect();
            found.extend(fenced(places, "yaml")?);
            found.extend(corpus(places, "rules")?.into_iter().map(String::into_bytes));
            found
        }
        "cel" => {
            let detections = Folder::of(&places.root, "content/detections")?;
            let mut found: Vec<_> = fenced(places, "cel")?;
            let of_files = detections
                .texts(".yml")
                .flat_map(|(_, text)| pieces::expressions(&text))
                .collect::<Vec<_>>();
            found.extend(of_files);
            found.extend(corpus(places, "cel")?.iter().flat_map(|text| strings(text, "expr")));
            found
        }
        "search" => fenced(places, "text")?
            .iter()
            .flat_map(|text| lines(&String::from_utf8_lossy(text), 50))
            .collect(),
        "binary" => event_log(places)?,
        #[cfg(feature = "lake")]
        "index" => indexes(&samples()?),
        _ => Vec::new(),
    })
}

/// Lines of logs: the beginnings of samples, and what the corpora have.
fn text_lines(places: &Places) -> io::Result<Vec<Vec<u8>>> {
    let mut found = sample_pieces(&Folder::of(&places.root, "crates/decode/tests/samples")?);
    found.extend(corpus(places, "text")?.iter().flat_map(|text| strings(text, "log")));
    Ok(found)
}

fn sample_pieces(samples: &Folder) -> Vec<Vec<u8>> {
    samples
        .texts(".log")
        .map(|(_, text)| text.chars().take(900).collect::<String>().into_bytes())
        .collect()
}

/// The samples, each with the number of its log source in front.
fn of_log_sources(samples: &Folder) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for (number, (file, _)) in decode::shipped().iter().enumerate() {
        let sample = file.replace(".yml", ".log");
        let Ok(number) = u8::try_from(number) else { continue };
        for (_, text) in samples.texts(&sample).filter(|(name, _)| *name == sample) {
            found.push([vec![number], text.as_bytes().to_vec()].concat());
            // By itself a record is quicker, and more of it is changed.
            found.extend(lines(&text, 6).into_iter().map(|line| [vec![number], line].concat()));
        }
    }
    found
}

/// The first chunk of an event log of the tests.
fn event_log(places: &Places) -> io::Result<Vec<Vec<u8>>> {
    let packed = std::fs::read(places.root.join("tests/scenarios/sample.evtx.zst"))?;
    let log = zstd::decode_all(packed.as_slice())?;
    let chunk = log.get(4096 + 8..).unwrap_or_default();
    // Its first records are enough, and much quicker.
    let cuts = [1200, 2400, 4800, 16_000];
    let pieces = cuts.iter().filter_map(|cut| chunk.get(..*cut));
    Ok(pieces.flat_map(|piece| [[&[1], piece].concat(), [&[2], piece].concat()]).collect())
}

/// Indexes of samples: as files, and from somewhere in the middle, for what is behind the sums.
#[cfg(feature = "lake")]
fn indexes(samples: &Folder) -> Vec<Vec<u8>> {
    let texts: Vec<String> = samples.texts(".log").map(|(_, text)| text).collect();
    let mut found = Vec::new();
    for texts in texts.chunks(4) {
        let texts: Vec<&str> = texts.iter().filter_map(|text| text.lines().next()).collect();
        let file = lake::index::sample(&texts);
        found.push(crate::targets::index_input(&[], "10.0.0.1", &file));
        // The header has the lengths of all segments, 3.5 KB.
        for part in 1..32 {
            let from = file.len() * part / 32;
            let piece = file.get(from..file.len().min(from + 300)).unwrap_or_default();
            found.push(crate::targets::index_input(&[3, 1, 2], "user@example.com", piece));
        }
    }
    found
}
