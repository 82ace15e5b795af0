//! The figures of `bench detect` as people and programs read them.

use serde_json::{Value, json};

use crate::Failure;

/// One engine on one lane with one number of rules, measured several times.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) lane: String,
    pub(super) rules: String,
    pub(super) engine: String,
    /// How many events at most.
    pub(super) take: usize,
    /// What each run answered.
    pub(super) runs: Vec<Value>,
}

/// The figures that runs answer with, and medians are made of.
const FIGURES: &[&str] = &[
    "fields_micros",
    "evaluate_micros",
    "fields_and_evaluate_micros",
    "event_micros",
    "event_and_evaluate_micros",
    "load_seconds",
    "memory_bytes",
    "memory_bytes_at_end",
    "known_percent",
];

impl Measured {
    pub(super) fn new(lane: &str, rules: &str, engine: &str, take: usize) -> Self {
        let (lane, rules, engine) = (lane.to_owned(), rules.to_owned(), engine.to_owned());
        Self { lane, rules, engine, take, runs: Vec::new() }
    }

    /// Whether it is measured only to see how far the others are from it.
    pub(super) const fn is_for_scale(&self) -> bool {
        self.take < usize::MAX
    }

    /// A figure's values in all runs, in order.
    fn values(&self, figure: &str) -> Vec<f64> {
        let value = |run: &Value| run.get(figure).and_then(Value::as_f64);
        let mut values: Vec<f64> = self.runs.iter().filter_map(value).collect();
        values.sort_by(f64::total_cmp);
        values
    }

    /// A figure's median. Not there if the engine has no such figure.
    fn median(&self, figure: &str) -> Option<f64> {
        let values = self.values(figure);
        values.get(values.len() / 2).copied()
    }

    /// By how much the slowest run took longer than the fastest, in percent.
    fn spread(&self, figure: &str) -> f64 {
        let values = self.values(figure);
        match (values.first(), values.last()) {
            (Some(least), Some(most)) if *least > 0.0 => (most / least - 1.0) * 100.0,
            _ => 0.0,
        }
    }

    pub(super) fn json(&self) -> Value {
        let median: serde_json::Map<String, Value> = FIGURES
            .iter()
            .filter_map(|figure| Some(((*figure).to_owned(), json!(self.median(figure)?))))
            .collect();
        json!({
            "lane": self.lane,
            "rules": self.rules,
            "engine": self.engine,
            "runs": self.runs,
            "median": median,
        })
    }

    fn row(&self, base: Option<&Self>) -> String {
        let both = self.median("fields_and_evaluate_micros").unwrap_or_default();
        let number = |figure| self.median(figure).map_or("-".to_owned(), |it| format!("{it:.2}"));
        let ratio = |figure| match (base.and_then(|base| base.median(figure)), self.median(figure))
        {
            (Some(base), Some(mine)) if mine > 0.0 => format!("{:.1}x", base / mine),
            _ => "-".to_owned(),
        };
        let bytes = self.median("bytes_an_event").unwrap_or_default();
        format!(
            "{:<10} {:>5} {:<9} {:>7} {:>8} {:>8} {:>4.0}% {:>9} {:>5.0} {:>6} {:>6} {:>7} {:>8} {:>6} {:>6.0} {:>6}",
            self.lane,
            self.rules,
            self.engine,
            number("fields_micros"),
            number("evaluate_micros"),
            number("fields_and_evaluate_micros"),
            self.spread("fields_and_evaluate_micros"),
            format!("{:.0}", 1e6 / both),
            bytes / both,
            ratio("evaluate_micros"),
            ratio("fields_and_evaluate_micros"),
            number("event_micros"),
            number("event_and_evaluate_micros"),
            number("load_seconds"),
            self.median("memory_bytes").unwrap_or_default() / 1e6,
            self.median("known_percent").map_or("-".to_owned(), |it| format!("{it:.0}%")),
        )
    }
}

/// What was measured last, for whoever waits.
pub(super) fn progress(measured: &[Measured]) -> String {
    rows(measured).join("\n")
}

/// All of it.
pub(super) fn table(measured: &[Measured]) -> String {
    let head = format!(
        "{:<10} {:>5} {:<9} {:>7} {:>8} {:>8} {:>5} {:>9} {:>5} {:>6} {:>6} {:>7} {:>8} {:>6} {:>6} {:>6}",
        "lane",
        "rules",
        "engine",
        "parse",
        "eval",
        "p+eval",
        "±",
        "events/s",
        "MB/s",
        "eval:",
        "p+e:",
        "decode",
        "d+eval",
        "load s",
        "MB",
        "known"
    );
    let legend = "µs an event on one core; `:` is RSigma's time over this one's; `decode` is all \
                  that dab makes of a record; `known`: texts of fields \
                  that were seen before";
    std::iter::once(head)
        .chain(rows(measured))
        .chain([legend.to_owned()])
        .collect::<Vec<_>>()
        .join("\n")
}

fn rows(measured: &[Measured]) -> Vec<String> {
    let base = |row: &Measured| {
        measured.iter().find(|other| {
            other.engine == "rsigma" && other.lane == row.lane && other.rules == row.rules
        })
    };
    measured.iter().map(|row| row.row(base(row).filter(|base| base.engine != row.engine))).collect()
}

/// Says in which lanes the engines agree.
///
/// # Errors
/// When they do not, with the rules.
pub(super) fn verdict(compared: &[Value]) -> Result<(), Failure> {
    let mut disputed = Vec::new();
    for lane in compared {
        let text = |key| lane.get(key).and_then(Value::as_str).unwrap_or_default();
        let name = format!("{} with {}", text("lane"), text("with"));
        let number = |key| lane.get(key).and_then(Value::as_u64).unwrap_or_default();
        crate::say::say(&format!(
            "{name}: {} matches of {} rules in {} events agreed on",
            number("agreed"),
            number("rules_fired"),
            number("events")
        ));
        for key in ["only_dab", "only_other"] {
            for rule in lane.get(key).and_then(Value::as_array).into_iter().flatten() {
                disputed.push(format!("{name}: {key}: {rule}"));
            }
        }
    }
    if disputed.is_empty() {
        return Ok(());
    }
    Err(format!("the engines find different matches:\n  {}", disputed.join("\n  ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(engine: &str, micros: &[f64]) -> Measured {
        let mut measured = Measured::new("proc", "all", engine, usize::MAX);
        measured.runs = micros
            .iter()
            .map(|it| json!({"fields_and_evaluate_micros": it, "bytes_an_event": 1000.0}))
            .collect();
        measured
    }

    #[test]
    fn the_ratio_is_that_of_medians() {
        let rows = rows(&[measured("rsigma", &[90.0, 50.0, 60.0]), measured("dab", &[6.0])]);
        assert!(rows[0].contains("60.00   80%     16667    17"), "{}", rows[0]);
        assert!(rows[1].contains("10.0x"), "{}", rows[1]);
        assert!(!rows[0].contains("1.0x"), "{}", rows[0]);
    }

    #[test]
    fn a_dispute_is_a_failure() {
        let agreed = json!({"lane": "proc", "with": "rsigma", "only_dab": [], "only_other": []});
        assert_eq!(verdict(std::slice::from_ref(&agreed)), Ok(()));
        let other = json!({"lane": "evtx", "with": "rsigma", "only_dab": [], "only_other": [{"rule": "r"}]});
        let failure = verdict(&[agreed, other]).unwrap_err();
        assert!(failure.contains("evtx with rsigma: only_other: {\"rule\":\"r\"}"), "{failure}");
    }
}
