//! The keys that documents of all kinds share.

use std::{path::Path, sync::Arc, time::Duration};

use base::{Level, RuleInfo, limits};
use cel::{Declarations, Schema, Type};

use super::LogSourceSelector;
use crate::{
    definitions::KnownLogSource,
    error::{RuleError, RuleErrorKind},
    sigma::node::{Kind, Node},
};

pub(crate) fn read_info(path: &str, index: usize, node: &Node) -> Result<RuleInfo, RuleError> {
    let Some(title) = optional_text(node, "title")?.filter(|title| !title.trim().is_empty()) else {
        return Err(node.shape("the rule has no `title`").with_help("add a `title`"));
    };
    let id = match optional_text(node, "id")?.filter(|id| !id.trim().is_empty()) {
        Some(id) => id,
        None => file_id(path, index),
    };
    let window = match node.get("dedup_window").filter(|value| !value.is_null()) {
        None => limits::DEDUP_WINDOW_SECONDS_DEFAULT,
        Some(value) => value
            .as_str()
            .and_then(parse_duration)
            .ok_or_else(|| {
                let shown = value.as_str().unwrap_or_else(|| value.kind_name());
                let error =
                    value.shape(format!("`dedup_window` is `{shown}`, which is no duration"));
                error.with_help("write it as `30m`, `1h` or `2d`")
            })?
            .as_secs(),
    };
    Ok(RuleInfo {
        id,
        title,
        level: read_level(node)?,
        tags: texts(node, "tags")?,
        dedup: texts(node, "dedup")?,
        dedup_window_seconds: window,
        file: path.to_owned(),
    })
}

fn read_level(node: &Node) -> Result<Level, RuleError> {
    let Some(value) = node.get("level").filter(|value| !value.is_null()) else {
        return Ok(Level::default());
    };
    let levels = [Level::Informational, Level::Low, Level::Medium, Level::High, Level::Critical];
    let text = value.as_str().unwrap_or_default();
    let level = levels.into_iter().find(|level| level.as_str().eq_ignore_ascii_case(text));
    level.ok_or_else(|| {
        let error = value.shape(format!("there is no level `{text}`"));
        let names = levels.map(Level::as_str).join(", ");
        error.with_help(format!("use one of {names}"))
    })
}

pub(crate) fn read_log_source(node: &Node) -> Result<LogSourceSelector, RuleError> {
    let names = texts(node, "log_source")?;
    if let Some(value) = node.get("log_source").filter(|_| names.iter().any(String::is_empty)) {
        let error = value.shape("`log_source` names a log source without a name");
        return Err(error.with_help("drop the key to run the rule on all log sources"));
    }
    let mut selector = LogSourceSelector { names, ..LogSourceSelector::default() };
    let Some(value) = node.get("logsource").filter(|value| !value.is_null()) else {
        return Ok(selector);
    };
    if value.as_map().is_none() {
        let message = format!("`logsource` must be a mapping, and is {}", value.kind_name());
        let error = value.shape(message);
        return Err(error.with_help("add `product`, `category` or `service` to `logsource`"));
    }
    let lower = |key| -> Result<Option<String>, RuleError> {
        Ok(optional_text(value, key)?.map(|text| text.to_lowercase()))
    };
    selector.product = lower("product")?;
    selector.category = lower("category")?;
    selector.service = lower("service")?;
    Ok(selector)
}

/// Compiles an expression and checks it: by itself, and with the types of each log source whose
/// events it meets.
pub(crate) fn read_cel<'d>(
    value: &Node,
    environment: &cel::Environment,
    log_sources: impl Iterator<Item = &'d KnownLogSource>,
) -> Result<cel::Program, RuleError> {
    let Some(scalar) = value.as_scalar().filter(|_| !value.is_null()) else {
        let message = format!("`cel` must be an expression, and is {}", value.kind_name());
        return Err(value.shape(message));
    };
    let placed = |error: cel::CelError| {
        let (line, column) = scalar.position_of(char_at(&scalar.text, error.line, error.column));
        RuleError::at(line, column, RuleErrorKind::Cel(Box::new(error)))
    };
    let program = cel::Program::compile_using(&scalar.text, environment).map_err(placed)?;
    let macros = environment.macros.clone().unwrap_or_default();
    let check = |schema: Schema| {
        let declarations = Declarations::of(schema).with_macros(Arc::clone(&macros));
        cel::check(&scalar.text, &declarations.wanting(Type::Bool)).problems.into_iter().next()
    };
    if let Some(problem) = check(Schema::open()) {
        return Err(placed(problem));
    }
    for log_source in log_sources {
        if let Some(problem) = check(log_source.schema.clone()) {
            let problem = problem.in_events_of(&log_source.name);
            return Err(placed(problem));
        }
    }
    Ok(program)
}

/// The number of characters before a line and column, both from 1.
fn char_at(text: &str, line: u32, column: u32) -> usize {
    let lines = usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX);
    let before = text.split_inclusive('\n').take(lines).map(|line| line.chars().count());
    before.sum::<usize>() + usize::try_from(column.saturating_sub(1)).unwrap_or(0)
}

/// The file's name without its extension, and for all but the first document its number.
fn file_id(path: &str, index: usize) -> String {
    let stem = Path::new(path).file_stem().map_or(path.into(), |stem| stem.to_string_lossy());
    if index == 0 { stem.into_owned() } else { format!("{stem}-{}", index + 1) }
}

pub(crate) fn optional_text(node: &Node, key: &str) -> Result<Option<String>, RuleError> {
    match node.get(key) {
        None => Ok(None),
        Some(value) if value.is_null() => Ok(None),
        Some(value) => match value.as_str() {
            Some(text) => Ok(Some(text.to_owned())),
            None => Err(value.shape(format!("`{key}` must be text, and is {}", value.kind_name()))),
        },
    }
}

/// A list of texts, or a single one.
pub(crate) fn texts(node: &Node, key: &str) -> Result<Vec<String>, RuleError> {
    let Some(value) = node.get(key).filter(|value| !value.is_null()) else {
        return Ok(Vec::new());
    };
    let members = match &value.kind {
        Kind::List(members) => members.as_slice(),
        Kind::Scalar(_) | Kind::Map(_) => std::slice::from_ref(value),
    };
    let text = |member: &Node| match member.as_str() {
        Some(text) => Ok(text.to_owned()),
        None => {
            let message =
                format!("`{key}` must be a list of texts, and holds {}", member.kind_name());
            Err(member.shape(message))
        }
    };
    members.iter().map(text).collect()
}

/// Reads `45s`, `30m`, `1h`, `2d`.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let unit = text.chars().next_back()?;
    let number = text.strip_suffix(unit)?.trim_end().parse::<u64>().ok()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}
