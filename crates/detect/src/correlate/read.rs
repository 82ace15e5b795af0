//! Reads correlation documents.

use base::limits;

use super::{
    Alias, Correlation, CorrelationKind,
    amount::Amount,
    condition::{Condition, Operator},
};
use crate::{
    error::{RuleError, RuleErrorKind},
    rule::{
        Reference,
        keys::{optional_text, read_info},
    },
    sigma::{
        condition,
        node::{Kind, Node, ScalarType},
    },
};

const KEYS: [&str; 7] =
    ["type", "rules", "group-by", "timespan", "condition", "aliases", "generate"];

const MICROS: i64 = 1_000_000;

fn wrong(node: &Node, message: impl Into<String>) -> RuleError {
    node.error(RuleErrorKind::Correlation(message.into()))
}

impl Correlation {
    /// Reads one document; `index` counts the documents of the file.
    pub(crate) fn read(path: &str, index: usize, node: &Node) -> Result<Self, RuleError> {
        let mut info = read_info(path, index, node)?;
        let (key, body) = node
            .get_entry("correlation")
            .map(|(key, body)| (key, body))
            .ok_or_else(|| node.shape("the document has no `correlation`"))?;
        let Some(entries) = body.as_map() else {
            return Err(wrong(
                body,
                format!("`correlation` must be a mapping, and is {}", body.kind_name()),
            ));
        };
        for (key, _) in entries {
            let name = key.as_str().unwrap_or_default();
            if !KEYS.contains(&name) {
                let error = wrong(key, format!("`correlation` has no key `{name}`"));
                return Err(error.with_help(format!("use one of {}", KEYS.join(", "))));
            }
        }
        let kind = read_kind(key, body)?;
        let (timespan, timespan_words) = read_timespan(key, body)?;
        let named = body.get("rules").map(Reference::read_all).transpose()?;
        let (references, condition) = read_condition(key, body, kind, named)?;
        let group_by = read_fields(body, "group-by")?;
        if node.get("dedup").is_none() {
            info.dedup.clone_from(&group_by);
        }
        let passed = info.dedup.iter().filter(|name| !group_by.contains(name)).cloned().collect();
        Ok(Self {
            info,
            name: optional_text(node, "name")?.filter(|name| !name.trim().is_empty()),
            description: optional_text(node, "description")?.unwrap_or_default(),
            status: optional_text(node, "status")?.unwrap_or_default(),
            line: node.line,
            kind,
            is_silent: false,
            references,
            generate: read_truth(body, "generate")?
                .or(read_truth(node, "generate")?)
                .unwrap_or(false),
            group_by,
            timespan,
            timespan_words,
            lateness: read_lateness(node)?,
            condition,
            aliases: read_aliases(body)?,
            members: Vec::new(),
            passed,
            is_correlated: false,
        })
    }
}

fn read_kind(key: &Node, body: &Node) -> Result<CorrelationKind, RuleError> {
    let names = CorrelationKind::ALL.map(CorrelationKind::as_str).join(", ");
    let Some(value) = body.get("type").filter(|value| !value.is_null()) else {
        let error = wrong(key, "the correlation has no `type`");
        return Err(error.with_help(format!("use one of {names}")));
    };
    let text = value.as_str().unwrap_or_default();
    let known = |kind: &CorrelationKind| kind.as_str().eq_ignore_ascii_case(text);
    CorrelationKind::ALL.into_iter().find(known).ok_or_else(|| {
        let error = wrong(value, format!("there is no correlation type `{text}`"));
        error.with_help(format!("use one of {names}"))
    })
}

/// Microseconds, and the text.
fn read_timespan(key: &Node, body: &Node) -> Result<(i64, String), RuleError> {
    let Some(value) = body.get("timespan").filter(|value| !value.is_null()) else {
        let error = wrong(key, "the correlation has no `timespan`");
        return Err(error.with_help("add one, such as `timespan: 5m`"));
    };
    let max = limits::CORRELATION_TIMESPAN_SECONDS_MAX;
    Ok((read_duration(value, "timespan", 1..=max)?, value.as_str().unwrap_or_default().to_owned()))
}

fn read_lateness(node: &Node) -> Result<i64, RuleError> {
    match node.get("lateness").filter(|value| !value.is_null()) {
        Some(value) => {
            read_duration(value, "lateness", 0..=limits::CORRELATION_LATENESS_SECONDS_MAX)
        }
        None => Ok(i64::try_from(limits::CORRELATION_LATENESS_SECONDS_DEFAULT)
            .unwrap_or(0)
            .saturating_mul(MICROS)),
    }
}

/// A whole number with one of pySigma's units; months and years have their average length.
fn read_duration(
    value: &Node,
    key: &str,
    range: std::ops::RangeInclusive<u64>,
) -> Result<i64, RuleError> {
    let text = value.as_str().unwrap_or_default().trim();
    let shown = value.as_str().unwrap_or_else(|| value.kind_name());
    let bad = |message: String| {
        let error = value.error(RuleErrorKind::Timespan(message));
        error
            .with_help("write a whole number and a unit: `30s`, `5m`, `1h`, `7d`, `1w`, `1M`, `1y`")
    };
    let unit = text.chars().next_back().and_then(|unit| match unit {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(3600),
        'd' => Some(86_400),
        'w' => Some(604_800),
        'M' => Some(2_629_746),
        'y' => Some(31_556_952),
        _ => None,
    });
    let digits = text.trim_end_matches(|char: char| char.is_ascii_alphabetic());
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let count = Some(digits).filter(|_| is_number && digits.len() + 1 == text.len());
    let (Some(unit), Some(count)) = (unit, count) else {
        return Err(bad(format!("`{key}` is `{shown}`, which is no duration")));
    };
    let seconds = count.parse::<u64>().ok().and_then(|count| count.checked_mul(unit));
    match seconds.filter(|seconds| range.contains(seconds)) {
        Some(seconds) => Ok(i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(MICROS)),
        None => {
            let (min, max) = (range.start(), range.end());
            Err(bad(format!("`{key}` is `{shown}`, which is not between {min} and {max} seconds")))
        }
    }
}

fn read_truth(node: &Node, key: &str) -> Result<Option<bool>, RuleError> {
    let Some(value) = node.get(key).filter(|value| !value.is_null()) else { return Ok(None) };
    match value.as_scalar().map(crate::sigma::node::Scalar::scalar_type) {
        Some(ScalarType::Bool(truth)) => Ok(Some(truth)),
        _ => Err(wrong(value, format!("`{key}` must be `true` or `false`"))),
    }
}

/// A name or a list of names.
fn read_fields(node: &Node, key: &str) -> Result<Vec<String>, RuleError> {
    let Some(value) = node.get(key).filter(|value| !value.is_null()) else { return Ok(Vec::new()) };
    let members = match &value.kind {
        Kind::List(members) => members.as_slice(),
        Kind::Scalar(_) | Kind::Map(_) => std::slice::from_ref(value),
    };
    let mut fields: Vec<String> = Vec::with_capacity(members.len());
    for member in members {
        let Some(name) = member.as_word() else {
            let message = format!("`{key}` must name fields, and holds {}", member.kind_name());
            return Err(wrong(member, message));
        };
        if fields.iter().any(|known| known == name) {
            return Err(wrong(member, format!("`{key}` names `{name}` twice")));
        }
        fields.push(name.to_owned());
    }
    if fields.len() > limits::CORRELATION_FIELDS_MAX {
        let max = limits::CORRELATION_FIELDS_MAX;
        let message = format!("`{key}` names {} fields, more than {max}", fields.len());
        return Err(value.error(RuleErrorKind::CorrelationLimit(message)));
    }
    Ok(fields)
}

fn read_aliases(body: &Node) -> Result<Vec<Alias>, RuleError> {
    let Some(value) = body.get("aliases").filter(|value| !value.is_null()) else {
        return Ok(Vec::new());
    };
    let help = "write `aliases: {name: {rule: field, other_rule: field}}`";
    let bad = |node: &Node, what: &str| {
        let message =
            format!("{what} must be a mapping of rules to fields, and is {}", node.kind_name());
        node.error(RuleErrorKind::Alias(message)).with_help(help)
    };
    let entries = value.as_map().ok_or_else(|| bad(value, "an alias in `aliases`"))?;
    let mut aliases = Vec::with_capacity(entries.len());
    for (name, fields) in entries {
        let shown = name.as_str().unwrap_or_default();
        let entries =
            fields.as_map().ok_or_else(|| bad(fields, &format!("the alias `{shown}`")))?;
        let mut alias = Alias {
            name: shown.to_owned(),
            line: name.line,
            column: name.column,
            fields: Vec::new(),
        };
        for (rule, field) in entries {
            let Some(field) = field.as_word() else {
                return Err(bad(field, &format!("a field of the alias `{shown}`")));
            };
            let text = rule.as_str().unwrap_or_default().to_owned();
            let reference = Reference { text, line: rule.line, column: rule.column };
            alias.fields.push((reference, field.to_owned()));
        }
        aliases.push(alias);
    }
    Ok(aliases)
}

/// The condition, and the rules it is about: those under `rules`, or else those that an expression
/// names.
fn read_condition(
    key: &Node,
    body: &Node,
    kind: CorrelationKind,
    named: Option<Vec<Reference>>,
) -> Result<(Vec<Reference>, Condition), RuleError> {
    let value = body.get("condition").filter(|value| !value.is_null());
    if let Some(value) = value.filter(|value| value.as_scalar().is_some()) {
        return read_expression(value, kind, named);
    }
    let Some(references) = named.filter(|named| !named.is_empty()) else {
        let error = wrong(key, "the correlation names no `rules`");
        return Err(error.with_help("list the rules whose matches it is about, by `id` or `name`"));
    };
    if references.len() > limits::CORRELATION_RULES_MAX {
        return Err(too_many(key, references.len(), limits::CORRELATION_RULES_MAX));
    }
    let condition = match value {
        None if kind.is_temporal() => Condition {
            limits: vec![(Operator::GreaterOrEqual, Amount::of_count(references.len()))],
            ..Condition::default()
        },
        None => {
            let error =
                wrong(key, format!("a correlation of type {} needs a `condition`", kind.as_str()));
            return Err(error.with_help("add one, such as `condition: {gte: 10}`"));
        }
        Some(value) => read_limits(value, kind)?,
    };
    Ok((references, condition))
}

fn too_many(node: &Node, count: usize, max: usize) -> RuleError {
    let message = format!("the correlation names {count} rules, more than {max}");
    let error = node.error(RuleErrorKind::CorrelationLimit(message));
    error.with_help("split it into correlations that a further one names")
}

fn read_limits(node: &Node, kind: CorrelationKind) -> Result<Condition, RuleError> {
    let bad =
        |node: &Node, message: String| node.error(RuleErrorKind::CorrelationCondition(message));
    let Some(entries) = node.as_map() else {
        return Err(bad(
            node,
            format!("`condition` must be a mapping or a text, and is {}", node.kind_name()),
        ));
    };
    let mut condition = Condition { percentile: 50_000, ..Condition::default() };
    for (key, value) in entries {
        let name = key.as_str().unwrap_or_default();
        let operator = Operator::ALL.iter().find(|(known, _)| *known == name);
        match (name, operator) {
            (_, Some((_, operator))) => {
                condition.limits.push((*operator, read_limit(value, name, kind, *operator)?));
            }
            ("field", _) if kind.needs_field() => condition.fields = read_fields(node, "field")?,
            ("percentile", _) if kind == CorrelationKind::ValuePercentile => {
                condition.percentile = read_percentile(value)?;
            }
            ("field" | "percentile", _) => {
                return Err(bad(key, format!("`{name}` makes no sense for {}", kind.as_str())));
            }
            _ => {
                let error = bad(key, format!("`condition` has no key `{name}`"));
                return Err(error.with_help("use gt, gte, lt, lte, eq or neq, and `field`"));
            }
        }
    }
    if condition.limits.is_empty() {
        let error = bad(node, "the condition compares with nothing".to_owned());
        return Err(error.with_help("add gt, gte, lt, lte, eq or neq, with a number"));
    }
    if kind.needs_field() && condition.fields.is_empty() {
        let error = bad(node, format!("a correlation of type {} needs a `field`", kind.as_str()));
        return Err(error.with_help("add `field` to the condition: the field whose values count"));
    }
    if condition.fields.len() > 1 && kind != CorrelationKind::ValueCount {
        let message = format!(
            "{} takes one `field`, and {} are given",
            kind.as_str(),
            condition.fields.len()
        );
        return Err(bad(node.get("field").unwrap_or(node), message));
    }
    Ok(condition)
}

fn read_limit(
    value: &Node,
    name: &str,
    kind: CorrelationKind,
    operator: Operator,
) -> Result<Amount, RuleError> {
    let text = value.as_str().unwrap_or_default();
    let Some(limit) = Amount::parse(text) else {
        let shown = value.as_str().unwrap_or_else(|| value.kind_name());
        let message = format!("`{name}` is `{shown}`, which is no number");
        return Err(value.error(RuleErrorKind::CorrelationCondition(message)));
    };
    let counts = matches!(kind, CorrelationKind::EventCount | CorrelationKind::ValueCount);
    let max = limits::CORRELATION_GROUP_EVENTS_MAX;
    let asks_for_more =
        !matches!(operator, Operator::Less | Operator::LessOrEqual | Operator::NotEqual);
    if counts && asks_for_more && limit >= Amount::of_count(max) {
        let message =
            format!("`{name}` is {limit}, and a correlation holds up to {max} events of a group");
        let error = value.error(RuleErrorKind::CorrelationLimit(message));
        return Err(error.with_help("count fewer in a shorter `timespan`"));
    }
    Ok(limit)
}

fn read_percentile(value: &Node) -> Result<u32, RuleError> {
    let text = value.as_str().unwrap_or_default();
    let hundred = Amount::of_count(100);
    let read = Amount::parse(text).filter(|amount| (Amount::default()..=hundred).contains(amount));
    read.and_then(|amount| u32::try_from(amount.0 / 1_000_000).ok()).ok_or_else(|| {
        let shown = value.as_str().unwrap_or_else(|| value.kind_name());
        let message = format!("`percentile` is `{shown}`, which is not between 0 and 100");
        value.error(RuleErrorKind::CorrelationCondition(message))
    })
}

fn read_expression(
    value: &Node,
    kind: CorrelationKind,
    named: Option<Vec<Reference>>,
) -> Result<(Vec<Reference>, Condition), RuleError> {
    let Some(scalar) = value.as_scalar().filter(|_| kind.is_temporal()) else {
        let message = format!("the condition of {} must be a mapping", kind.as_str());
        let error = value.error(RuleErrorKind::CorrelationCondition(message));
        return Err(error.with_help("write `condition: {gte: 10}`, or make the type temporal"));
    };
    let at = |error: condition::ConditionError| {
        let (line, column) = scalar.position_of(error.column);
        let kind = RuleErrorKind::CorrelationCondition(error.message);
        RuleError { help: error.help, ..RuleError::at(line, column, kind) }
    };
    let references = match named.filter(|named| !named.is_empty()) {
        Some(named) => named,
        None => condition::names(&scalar.text)
            .map_err(at)?
            .into_iter()
            .map(|(char, text)| {
                let (line, column) = scalar.position_of(char);
                Reference { text, line, column }
            })
            .collect(),
    };
    let max = match kind {
        CorrelationKind::TemporalOrdered => limits::CORRELATION_ORDERED_EXPRESSION_RULES_MAX,
        _ => limits::CORRELATION_RULES_MAX,
    };
    if references.len() > max {
        return Err(too_many(value, references.len(), max));
    }
    let names = references.iter().map(|reference| reference.text.as_str()).collect::<Vec<_>>();
    let expression = condition::parse(&scalar.text, &names).map_err(at)?;
    let used = expression.selections();
    for (at, reference) in references.iter().enumerate() {
        if !used.contains(&at) {
            let message = format!("the condition does not say what `{}` is for", reference.text);
            let error = reference.error(RuleErrorKind::CorrelationCondition(message));
            return Err(error.with_help("name the rule in `condition`, or drop it from `rules`"));
        }
    }
    let condition = Condition {
        expression: Some(expression),
        expression_words: scalar.text.trim().to_owned(),
        ..Condition::default()
    };
    Ok((references, condition))
}
