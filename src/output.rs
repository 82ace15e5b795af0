//! What is printed: data to the standard output, everything else to the standard error.

use std::{
    io::{self, IsTerminal as _, Write},
    time::Duration,
};

use base::{Clock as _, Report, SystemClock};
use lake::query::csv;

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Table,
    /// One JSON object on each line.
    Json,
    /// Comma-separated values with a header; for searches and SQL.
    Csv,
}

/// Writes a line to the standard error. If nobody listens, nobody is told.
pub(crate) fn error_line(text: &str) {
    writeln!(io::stderr().lock(), "{text}").unwrap_or_default();
}

/// Writes a line of data. A reader that has gone away (`dab … | head`) is no error.
pub(crate) fn line(text: &str) {
    writeln!(io::stdout().lock(), "{text}").unwrap_or_default();
}

/// Tells of a problem: for people, or as JSON.
pub(crate) fn problem(report: &Report, output: Output) {
    match output {
        Output::Json => error_line(&serde_json::to_string(report).unwrap_or_default()),
        Output::Table | Output::Csv => error_line(&report.to_string()),
    }
}

/// Prints rows: a table for people, objects with the header's names as JSON.
pub(crate) fn rows<const N: usize>(header: [&str; N], rows: &[[String; N]], output: Output) {
    match output {
        Output::Table => table(&header, rows),
        Output::Json => {
            for row in rows {
                let object: serde_json::Map<String, serde_json::Value> = header
                    .iter()
                    .zip(row)
                    .map(|(name, value)| (name.replace(' ', "_"), json_value(value)))
                    .collect();
                line(&serde_json::Value::Object(object).to_string());
            }
        }
        Output::Csv => {
            line(&header.map(|name| name.replace(' ', "_")).join(","));
            for row in rows {
                line(&row.clone().map(|value| csv(&value)).join(","));
            }
        }
    }
}

fn json_value(text: &str) -> serde_json::Value {
    match text.parse::<i64>() {
        Ok(number) => number.into(),
        Err(_) if text == "-" => serde_json::Value::Null,
        Err(_) => text.into(),
    }
}

fn table<const N: usize>(header: &[&str; N], rows: &[[String; N]]) {
    let mut widths = header.map(|name| name.chars().count());
    for row in rows {
        for (width, value) in widths.iter_mut().zip(row) {
            *width = (*width).max(value.chars().count()).min(80);
        }
    }
    let print = |values: Vec<String>| {
        let cells = values.iter().zip(widths).map(|(value, width)| format!("{value:width$}"));
        line(cells.collect::<Vec<_>>().join("  ").trim_end());
    };
    print(header.map(str::to_uppercase).to_vec());
    for row in rows {
        print(row.iter().map(|value| plain(value)).collect());
    }
}

/// Text from a log, without the control characters that would drive a terminal.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Whether what is printed goes to a person.
pub(crate) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// How far something has come: a line on the standard error that writes over itself, only for a
/// person at a terminal who has waited for a while.
#[derive(Debug)]
pub(crate) struct Progress {
    what: &'static str,
    total: usize,
    done: usize,
    /// When it is told next; never where nobody looks.
    next: Option<Duration>,
    is_shown: bool,
}

impl Progress {
    /// How long nothing is said, and how long between two lines.
    const QUIET: Duration = Duration::from_secs(1);
    const BETWEEN: Duration = Duration::from_millis(100);

    pub(crate) fn new(what: &'static str, total: usize) -> Self {
        let next = io::stderr().is_terminal().then(|| SystemClock.monotonic() + Self::QUIET);
        Self { what, total, done: 0, next, is_shown: false }
    }

    /// One more is done.
    pub(crate) fn step(&mut self) {
        self.done += 1;
        let Self { what, total, done, .. } = *self;
        self.tell(|| format!("{done} of {total} {what}"));
    }

    /// Of several things, each with its own total: how far one of them has come.
    pub(crate) fn at(&mut self, of: &str, done: u64, total: u64) {
        let what = self.what;
        // A file may not say how many events it has.
        let total = count(total.max(done));
        self.tell(|| format!("{of}: {} of {total} {what}", count(done)));
    }

    fn tell(&mut self, text: impl FnOnce() -> String) {
        let Some(next) = self.next else { return };
        let now = SystemClock.monotonic();
        if now < next {
            return;
        }
        self.next = Some(now + Self::BETWEEN);
        self.is_shown = true;
        write!(io::stderr().lock(), "\r{}\x1b[K", text()).unwrap_or_default();
    }

    /// Makes room for other lines.
    pub(crate) fn clear(&mut self) {
        if std::mem::take(&mut self.is_shown) {
            write!(io::stderr().lock(), "\r\x1b[K").unwrap_or_default();
        }
    }
}

/// A count with thousands separated, for people.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
