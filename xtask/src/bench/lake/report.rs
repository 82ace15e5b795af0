//! Tables of figures, and whether they are what was aimed at.

use serde_json::{Value, json};

/// A figure that has an aim.
#[derive(Debug, Clone)]
pub(in crate::bench) struct Target {
    name: String,
    measured: f64,
    aim: f64,
    kind: Aim,
    unit: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aim {
    Most,
    Least,
}

impl Target {
    /// A figure that should be `aim` at most.
    pub(in crate::bench) fn most(name: &str, measured: f64, aim: f64, unit: &'static str) -> Self {
        Self { name: name.to_owned(), measured, aim, kind: Aim::Most, unit }
    }

    /// A figure that should be `aim` at least.
    pub(in crate::bench) fn least(name: &str, measured: f64, aim: f64, unit: &'static str) -> Self {
        Self { name: name.to_owned(), measured, aim, kind: Aim::Least, unit }
    }

    fn is_met(&self) -> bool {
        match self.kind {
            Aim::Most => self.measured <= self.aim,
            Aim::Least => self.measured >= self.aim,
        }
    }

    /// As data.
    pub(in crate::bench) fn json(&self) -> Value {
        json!({
            "name": self.name,
            "measured": self.measured,
            "aim": self.aim,
            "at": if self.kind == Aim::Most { "most" } else { "least" },
            "unit": self.unit,
            "met": self.is_met(),
        })
    }

    fn row(&self) -> Vec<String> {
        let sign = if self.kind == Aim::Most { "<=" } else { ">=" };
        let verdict = if self.is_met() { "met" } else { "MISSED" };
        vec![
            self.name.clone(),
            format!("{} {}", figure(self.measured), self.unit),
            format!("{sign} {} {}", figure(self.aim), self.unit),
            verdict.to_owned(),
        ]
    }
}

/// All targets, one a line.
pub(in crate::bench) fn targets(targets: &[Target]) -> String {
    table(&["aim", "measured", "at most, at least", ""], targets.iter().map(Target::row))
}

/// A number with as many digits as mean something.
pub(in crate::bench) fn figure(number: f64) -> String {
    match number.abs() {
        small if small < 0.1 => format!("{number:.4}"),
        small if small < 10.0 => format!("{number:.2}"),
        middle if middle < 1000.0 => format!("{number:.1}"),
        _ => format!("{number:.0}"),
    }
}

/// A table whose first column is text and whose others are numbers.
pub(in crate::bench) fn table(
    head: &[&str],
    rows: impl IntoIterator<Item = Vec<String>>,
) -> String {
    let head = head.iter().map(|&name| name.to_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(rows).collect();
    let mut widths: Vec<usize> = Vec::new();
    for row in &rows {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate();
        let cells = cells.map(|(at, (cell, width))| match at {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_plainly_what_is_missed() {
        let said = targets(&[
            Target::most("index of raw", 1.5, 2.0, "%"),
            Target::least("full scan", 0.5, 0.8, ""),
        ]);
        let lines: Vec<&str> = said.lines().collect();
        assert!(lines[1].ends_with("met") && lines[2].ends_with("MISSED"), "{said}");
        assert!(lines[1].starts_with("index of raw") && lines[1].contains("<= 2.00 %"), "{said}");
    }

    #[test]
    fn columns_are_lined_up() {
        let rows = [vec!["a".to_owned(), "100".to_owned()], vec!["bcd".to_owned(), "2".to_owned()]];
        assert_eq!(table(&["x", "n"], rows), "x      n\na    100\nbcd    2");
    }
}
