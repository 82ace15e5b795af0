//! Shows why a rule matches an event, or why not: as an aligned tree for people, and as JSON.

use detect::explain::{Explanation, Outcome, Reach, Seen, Step};
use serde_json::{Map, Value as Json, json};

/// How a trace is laid out.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// How wide a line may be, in characters.
    pub width: usize,
    /// How far all lines are indented.
    pub indent: usize,
    /// Whether outcomes are colored.
    pub color: bool,
}

impl Default for Layout {
    /// What fits most terminals, without color.
    fn default() -> Self {
        Self { width: 100, indent: 0, color: false }
    }
}

/// How many parts of the same kind are shown of a test with more values.
const PARTS_SHOWN_MAX: usize = 6;

/// How many lines a trace has at most; the rest is counted.
const LINES_MAX: usize = 120;

/// How wide the first column, with the tests, may be: in percent of the line.
const LABEL_PERCENT: usize = 62;

/// One line of a trace.
struct Line {
    outcome: Outcome,
    label: String,
    seen: String,
}

/// The trace as text: a line for each part of the rule, with its outcome and the value it saw.
#[must_use]
pub fn text(explanation: &Explanation, log_source: &str, layout: &Layout) -> String {
    let mut out = String::new();
    let pad = " ".repeat(layout.indent);
    let mut lines = Vec::new();
    match &explanation.reach {
        Reach::Open => {}
        Reach::OtherLogSource => {
            out.push_str(&format!("{pad}the rule does not run on events of `{log_source}`\n"));
        }
        Reach::NoRoute => out.push_str(&format!(
            "{pad}`{log_source}` has no route with the `logsource` that the rule asks for\n"
        )),
        Reach::Closed(routes) => {
            out.push_str(&format!(
                "{pad}the event takes no route of `{log_source}` to the rule:\n"
            ));
            routes.iter().for_each(|route| flatten(route, 0, &mut lines));
        }
    }
    if let Some(step) = &explanation.step {
        flatten(step, 0, &mut lines);
    }
    let hidden = lines.len().saturating_sub(LINES_MAX);
    lines.truncate(LINES_MAX);
    write_lines(&lines, layout, &mut out);
    if hidden > 0 {
        out.push_str(&format!("{pad}…and {hidden} lines more: `--output json` has them all\n"));
    }
    out
}

fn flatten(step: &Step, depth: usize, lines: &mut Vec<Line>) {
    let seen = match (&step.seen, &step.outcome) {
        (_, Outcome::Error(message)) => message.clone(),
        (Seen::Nothing, _) => String::new(),
        (Seen::Absent, _) => "(absent)".to_owned(),
        (Seen::Values(values), _) if values.is_empty() => "(no values)".to_owned(),
        (Seen::Values(values), _) => values.join(", "),
    };
    let label = format!("{:1$}{2}", "", 2 * depth, step.label);
    lines.push(Line { outcome: step.outcome.clone(), label, seen });
    let is_list =
        step.steps.len() > PARTS_SHOWN_MAX && step.steps.iter().all(|inner| inner.steps.is_empty());
    if !is_list {
        return step.steps.iter().for_each(|inner| flatten(inner, depth + 1, lines));
    }
    // Of many values, those that decided are of interest.
    let (deciding, others): (Vec<&Step>, Vec<&Step>) =
        step.steps.iter().partition(|inner| inner.outcome == step.outcome);
    let shown = if deciding.is_empty() { &others } else { &deciding };
    for inner in shown.iter().take(PARTS_SHOWN_MAX) {
        flatten(inner, depth + 1, lines);
    }
    let more = step.steps.len() - shown.len().min(PARTS_SHOWN_MAX);
    let label = format!("{:1$}…and {more} more", "", 2 * (depth + 1));
    lines.push(Line { outcome: Outcome::Value, label, seen: String::new() });
}

fn write_lines(lines: &[Line], layout: &Layout, out: &mut String) {
    const OUTCOME_CHARS: usize = 7;
    let room = layout.width.saturating_sub(layout.indent + OUTCOME_CHARS).max(20);
    let label_max = room * LABEL_PERCENT / 100;
    let widest = lines.iter().filter(|line| !line.seen.is_empty());
    let widest = widest.map(|line| line.label.chars().count()).max().unwrap_or(0).min(label_max);
    for line in lines {
        let (word, color) = match line.outcome {
            Outcome::Holds => ("yes", "32"),
            Outcome::Fails => ("no", "31"),
            Outcome::Error(_) => ("error", "33"),
            Outcome::Value => ("", "0"),
        };
        let word = format!("{word:OUTCOME_CHARS$}");
        let word = if layout.color { format!("\x1b[{color}m{word}\x1b[0m") } else { word };
        let label_room = if line.seen.is_empty() { room } else { label_max };
        let label = cut(&line.label, label_room);
        let text = if line.seen.is_empty() {
            label
        } else {
            let seen = cut(&line.seen, room.saturating_sub(widest + 2));
            format!("{label:widest$}  {seen}")
        };
        let line = format!("{:1$}{word}{text}", "", layout.indent);
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

/// The text without control characters, cut to `room` characters.
pub(crate) fn cut(text: &str, room: usize) -> String {
    let mut plain = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c });
    let mut out: String = plain.by_ref().take(room).collect();
    if plain.next().is_some() {
        out.pop();
        out.push('…');
    }
    out
}

/// The trace as JSON, whole.
#[must_use]
pub fn json(explanation: &Explanation) -> Json {
    let reach = match &explanation.reach {
        Reach::Open => json!("open"),
        Reach::OtherLogSource => json!("other_log_source"),
        Reach::NoRoute => json!("no_route"),
        Reach::Closed(routes) => json!({ "closed": routes.iter().map(step).collect::<Vec<_>>() }),
    };
    json!({
        "match": explanation.holds,
        "reach": reach,
        "condition": explanation.step.as_ref().map(step),
    })
}

fn step(step: &Step) -> Json {
    let outcome = match &step.outcome {
        Outcome::Holds => "yes",
        Outcome::Fails => "no",
        Outcome::Error(_) => "error",
        Outcome::Value => "value",
    };
    let mut json = Map::new();
    let mut put = |key: &str, value: Json| {
        json.insert(key.to_owned(), value);
    };
    put("test", json!(step.label));
    put("outcome", json!(outcome));
    if let Outcome::Error(message) = &step.outcome {
        put("error", json!(message));
    }
    match &step.seen {
        Seen::Nothing => {}
        Seen::Absent => put("absent", json!(true)),
        Seen::Values(values) => put("values", json!(values)),
    }
    if !step.steps.is_empty() {
        put("parts", step.steps.iter().map(self::step).collect());
    }
    Json::Object(json)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(label: &str, outcome: Outcome, seen: Seen) -> Step {
        Step { label: label.into(), outcome, seen, steps: Vec::new() }
    }

    #[test]
    fn traces_are_aligned_and_bounded() {
        let values = (0..20)
            .map(|n| leaf(&format!("endswith '\\{n}.exe'"), (n == 17).into(), Seen::Nothing));
        let long = Seen::Values(vec!["x".repeat(300), "line\nbreak".into()]);
        let list = Step {
            label: "Image any of 20".into(),
            outcome: Outcome::Holds,
            seen: Seen::Values(vec!["C:\\17.exe".into()]),
            steps: values.collect(),
        };
        let all = Step {
            label: "all of".into(),
            outcome: Outcome::Fails,
            seen: Seen::Nothing,
            steps: vec![
                list,
                leaf("User equals 'x'", Outcome::Fails, Seen::Absent),
                leaf(&format!("CommandLine {}", "y".repeat(90)), Outcome::Fails, long),
                leaf("size(a)", Outcome::Error("no such overload".into()), Seen::Nothing),
            ],
        };
        let why = Explanation { holds: false, reach: Reach::Open, step: Some(all) };
        let text = text(&why, "windows", &Layout { width: 80, indent: 2, color: false });
        let expected = "\
\x20 no     all of
  yes      Image any of 20                             C:\\17.exe
  yes        endswith '\\17.exe'
             …and 19 more
  no       User equals 'x'                             (absent)
  no       CommandLine yyyyyyyyyyyyyyyyyyyyyyyyyyyyy…  xxxxxxxxxxxxxxxxxxxxxxxx…
  error    size(a)                                     no such overload
";
        assert_eq!(text, expected, "\n{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80));
    }
}
