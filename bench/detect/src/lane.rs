//! The lanes: events made from logs that others recorded, one JSON object a line.
//!
//! Both engines are handed the same lines: the fields that dab's decoder makes of a record, so that
//! Windows events are flat whichever collector wrote them.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use dab_base::{ObjectHash, Timestamp};
use dab_decode::{At, Decoder, LogSource};
use serde_json::{Value, json};

use crate::{Arguments, Failure, mutate::mutate, rules, witness};

/// How many lines each engine sees before it is measured: dab's chooses anew what its rules wait for after
/// 8,192 of them, which takes some 5 ms.
pub(crate) const WARM_LINES: usize = 10_000;

/// How many times over its events are measured, each time with others.
const LOTS: usize = 3;

/// The rules that a lane runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RuleSet {
    /// SigmaHQ's.
    SigmaHq,
    /// Our own that are written in CEL. RSigma has no CEL in this sense.
    OurCel,
}

/// What a lane is made of.
#[derive(Debug)]
struct Recipe {
    name: &'static str,
    log_source: &'static str,
    rules: RuleSet,
    /// Reads what was recorded.
    make: fn(&Path) -> Result<Vec<Value>, Failure>,
    /// Which events are taken, once they are decoded.
    keep: fn(&Value) -> bool,
}

const RECIPES: &[Recipe] = &[
    Recipe {
        name: "mordor",
        log_source: "windows_events",
        rules: RuleSet::SigmaHq,
        make: recorded_attacks,
        keep: all,
    },
    Recipe {
        name: "flat",
        log_source: "windows_events",
        rules: RuleSet::SigmaHq,
        make: without_message,
        keep: all,
    },
    Recipe {
        name: "evtx",
        log_source: "windows_events",
        rules: RuleSet::SigmaHq,
        make: regression_events,
        keep: all,
    },
    Recipe {
        name: "proc",
        log_source: "windows_events",
        rules: RuleSet::SigmaHq,
        make: process_creations,
        keep: is_process_creation,
    },
    Recipe {
        name: "cloudtrail",
        log_source: "aws_cloudtrail",
        rules: RuleSet::SigmaHq,
        make: cloudtrail,
        keep: all,
    },
    Recipe {
        name: "cel-aws",
        log_source: "aws_cloudtrail",
        rules: RuleSet::OurCel,
        make: cloudtrail,
        keep: all,
    },
    Recipe {
        name: "cel-okta",
        log_source: "okta_system",
        rules: RuleSet::OurCel,
        make: okta,
        keep: all,
    },
];

/// The lane whose events are made from the rules.
pub(crate) const MADE: &str = "rules";

/// It is there to be compared, not to be measured.
const MADE_RECIPE: Recipe = Recipe {
    name: MADE,
    log_source: "made_events",
    rules: RuleSet::SigmaHq,
    make: |_| Ok(Vec::new()),
    keep: all,
};

/// A lane, ready to be measured.
#[derive(Debug)]
pub(crate) struct Lane {
    /// Its log source, as dab ships it.
    pub(crate) source: LogSource,
    /// Which rules run on it.
    pub(crate) rules: RuleSet,
    text: String,
}

impl Lane {
    /// Reads a lane that [`make`] made.
    pub(crate) fn read(arguments: &Arguments) -> Result<Self, Failure> {
        let recipe = recipe(&arguments.lane)?;
        let path = file(arguments, recipe);
        let text =
            fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let source = match recipe.name {
            MADE => {
                let yaml = fs::read_to_string(path.with_extension("yml"))
                    .map_err(|error| format!("{}: {error}", path.display()))?;
                parse(recipe.log_source, &yaml)?
            }
            _ => shipped(recipe.log_source)?,
        };
        Ok(Self { source, rules: recipe.rules, text })
    }

    /// The lines to warm up with, no more than `take` either, and three lots to measure with, each of `take` at most.
    pub(crate) fn lots(&self, take: usize) -> [Vec<&str>; 4] {
        let lines: Vec<&str> = self.text.lines().collect();
        let (warm, rest) = lines.split_at(WARM_LINES.min(lines.len()));
        let mut lots = rest.chunks(rest.len().div_ceil(LOTS).max(1));
        let mut lot = || {
            let lot = lots.next().unwrap_or_default();
            lot.get(..take.min(lot.len())).unwrap_or_default().to_vec()
        };
        let warm = warm.get(..take.min(warm.len())).unwrap_or_default();
        [warm.to_vec(), lot(), lot(), lot()]
    }
}

/// Makes the lane asked for, or all, and answers what they are.
pub(crate) fn make(arguments: &Arguments) -> Result<String, Failure> {
    let mut facts = Vec::new();
    for recipe in RECIPES.iter().chain([&MADE_RECIPE]) {
        if !arguments.lane.is_empty() && arguments.lane != recipe.name {
            continue;
        }
        let path = file(arguments, recipe);
        let text = match recipe.name {
            MADE => made_lines(&path, arguments)?,
            _ => lines(recipe, arguments)?,
        };
        write(&path, &text)?;
        facts.push(json!({
            "lane": recipe.name,
            "log_source": recipe.log_source,
            "has_rsigma": recipe.rules == RuleSet::SigmaHq,
            "is_measured": recipe.name != MADE,
            "lines": text.lines().count(),
            "bytes": text.len(),
            "fnv1a": format!("{:016x}", rules::fnv(&text)),
            "path": path,
        }));
    }
    if facts.is_empty() {
        recipe(&arguments.lane)?;
    }
    Ok(Value::Array(facts).to_string())
}

fn recipe(name: &str) -> Result<&'static Recipe, Failure> {
    RECIPES.iter().chain([&MADE_RECIPE]).find(|recipe| recipe.name == name).ok_or_else(|| {
        let names: Vec<&str> = RECIPES.iter().map(|recipe| recipe.name).collect();
        format!("there is no lane `{name}`; there are: {}", names.join(", "))
    })
}

fn file(arguments: &Arguments, recipe: &Recipe) -> PathBuf {
    arguments.lanes.join(format!("{}-{}.ndjson", recipe.name, arguments.events))
}

/// A log source that comes with dab.
fn shipped(name: &str) -> Result<LogSource, Failure> {
    let file = format!("{name}.yml");
    let shipped = dab_decode::shipped().iter().find(|(known, _)| *known == file);
    let (_, yaml) = shipped.ok_or_else(|| format!("{file} is not shipped"))?;
    parse(name, yaml)
}

fn parse(name: &str, yaml: &str) -> Result<LogSource, Failure> {
    LogSource::parse(&format!("{name}.yml"), yaml).map_err(|errors| format!("{errors:?}"))
}

/// What the decoder makes of the records; those that it rejects are left out.
fn decoded(log_source: &str, records: &[Value]) -> Result<Vec<Value>, Failure> {
    let decoder = Decoder::new(shipped(log_source)?).map_err(|errors| format!("{errors:?}"))?;
    let at = At {
        object: "lane",
        object_hash: ObjectHash::of(&["lane"]),
        offset: 0,
        ingest_time: Timestamp::from_seconds(1_795_507_200),
        header: None,
    };
    let mut events = Vec::new();
    for record in records {
        if let Ok(event) = decoder.decode(record.to_string().as_bytes(), &at) {
            events.push(serde_json::from_str(&event.to_json()).map_err(|error| error.to_string())?);
        }
    }
    Ok(events)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let fail = |error: std::io::Error| format!("{}: {error}", path.display());
    // Under its name only once it is whole.
    let part = path.with_extension("part");
    fs::create_dir_all(path.parent().unwrap_or(path)).map_err(fail)?;
    fs::write(&part, text).and_then(|()| fs::rename(&part, path)).map_err(fail)
}

/// As many lines as are needed: events from all over what was recorded, or all of them and copies.
fn lines(recipe: &Recipe, arguments: &Arguments) -> Result<String, Failure> {
    let mut events = decoded(recipe.log_source, &(recipe.make)(&arguments.corpora)?)?;
    events.retain(recipe.keep);
    if events.is_empty() {
        return Err(format!("no events for the lane `{}`", recipe.name));
    }
    let wanted = WARM_LINES + LOTS * arguments.events;
    let mut text = String::new();
    for number in 0..wanted {
        let (index, copy) = if wanted <= events.len() {
            (number * events.len() / wanted, 0)
        } else {
            (number % events.len(), number / events.len())
        };
        let mut event = events.get(index).cloned().unwrap_or_default();
        mutate(&mut event, u64::try_from(copy).unwrap_or(0));
        text.push_str(&event.to_string());
        text.push('\n');
    }
    Ok(text)
}

/// Lines of events made from the rules; their log source goes beside the lane.
fn made_lines(path: &Path, arguments: &Arguments) -> Result<String, Failure> {
    let files = rules::read(MADE_RECIPE.rules, arguments)?;
    let (events, log_source) = witness::make(&files, WARM_LINES + LOTS * arguments.events);
    write(&path.with_extension("yml"), &log_source)?;
    Ok(events.iter().map(|event| format!("{event}\n")).collect())
}

fn recorded_attacks(corpora: &Path) -> Result<Vec<Value>, Failure> {
    let path = corpora.join("mordor/windows-attacks.ndjson.zst");
    let fail = |error: std::io::Error| format!("{}: {error}", path.display());
    let text = zstd::decode_all(fs::File::open(&path).map_err(fail)?).map_err(fail)?;
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).map_err(|error| error.to_string())).collect()
}

fn without_message(corpora: &Path) -> Result<Vec<Value>, Failure> {
    let mut events = recorded_attacks(corpora)?;
    for event in &mut events {
        for name in ["Message", "message"] {
            event.as_object_mut().and_then(|entries| entries.remove(name));
        }
    }
    Ok(events)
}

fn regression_events(corpora: &Path) -> Result<Vec<Value>, Failure> {
    let path = corpora.join("sigma-regression/sigma-regression.dev.ndjson");
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut events = Vec::new();
    for line in text.lines() {
        let case: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
        events.extend(case["events"].as_array().into_iter().flatten().cloned());
    }
    Ok(events)
}

/// Sysmon's event 1 alone: where most rules are.
fn process_creations(corpora: &Path) -> Result<Vec<Value>, Failure> {
    let mut events = without_message(corpora)?;
    events.extend(regression_events(corpora)?);
    Ok(events)
}

fn is_process_creation(event: &Value) -> bool {
    event["EventID"] == 1 && event["Channel"] == "Microsoft-Windows-Sysmon/Operational"
}

const fn all(_: &Value) -> bool {
    true
}

fn cloudtrail(corpora: &Path) -> Result<Vec<Value>, Failure> {
    let mut paths = Vec::new();
    for folder in ["cloudtrail/aws_dataset", "cloudtrail/stratus"] {
        let folder = corpora.join(folder);
        let entries =
            fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        paths.extend(entries.filter_map(Result::ok).map(|entry| entry.path()));
    }
    paths.sort();
    let mut events = Vec::new();
    for path in paths {
        let document: Value =
            serde_json::from_str(&unpacked(&path)?).map_err(|error| error.to_string())?;
        let records = document["Records"].as_array().or_else(|| document.as_array());
        events.extend(records.into_iter().flatten().cloned());
    }
    Ok(events)
}

fn okta(corpora: &Path) -> Result<Vec<Value>, Failure> {
    let mut events = Vec::new();
    for line in unpacked(&corpora.join("gen_seeds.ndjson.gz"))?.lines() {
        let seed: (String, String) =
            serde_json::from_str(line).map_err(|error| error.to_string())?;
        if seed.0 == "okta" {
            let mut event: Value =
                serde_json::from_str(&seed.1).map_err(|error| error.to_string())?;
            // Those that were published were stripped of their zone, which Okta writes, and some
            // of their time.
            if let Some(time) = event["published"].as_str() {
                event["published"] = json!(format!("{}Z", time.replace(' ', "T")));
                events.push(event);
            }
        }
    }
    Ok(events)
}

fn unpacked(path: &Path) -> Result<String, Failure> {
    let fail = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut text = String::new();
    let file = fs::File::open(path).map_err(fail)?;
    flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text).map_err(fail)?;
    Ok(text)
}
