//! Alerts as text for people.
//!
//! What events say is never trusted to be printed: characters that move the cursor, change colors
//! or reorder text come out escaped. Color is added only when asked for, and never says anything
//! that the words do not.

use std::{
    fmt::{self, Write as _},
    io::Write,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use base::{Alert, Level, limits};

use crate::{Notification, Receiver, SendError};

/// How text is dressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Style {
    /// Nothing but text.
    #[default]
    Plain,
    /// With ANSI colors.
    Color,
}

/// Renders an alert as a few lines, the last one ended.
///
/// ```text
/// HIGH  Access to LSASS memory
///   rule   5ef9853e (credentials/lsass.yml)
///   time   2026-11-24T08:00:00Z in windows_sysmon
///   why    TargetImage endswith '\lsass.exe': C:\Windows\system32\lsass.exe
///   for    User = CORP\jdoe
///   event  1be95bb0619b3fd1a025-1000
///   alert  5f0c4e6b
/// ```
#[must_use]
pub fn render(alert: &Alert, style: Style) -> String {
    let hit = &alert.first_match;
    let mut out = String::with_capacity(512);
    let level = hit.rule.level.as_str().to_ascii_uppercase();
    let (on, bold, off) = match style {
        Style::Plain => ("", "", ""),
        Style::Color => (color(hit.rule.level), "\x1b[1m", "\x1b[0m"),
    };
    line(&mut out, format_args!("{on}{level}{off}  {bold}{}{off}", Safe(&hit.rule.title)));
    let rule = Safe(&hit.rule.id);
    if hit.rule.file.is_empty() || hit.rule.file == hit.rule.id {
        line(&mut out, format_args!("  rule   {rule}"));
    } else {
        line(&mut out, format_args!("  rule   {rule} ({})", Safe(&hit.rule.file)));
    }
    line(&mut out, format_args!("  time   {} in {}", hit.time, Safe(&hit.log_source)));
    for (at, reason) in hit.reasons.iter().enumerate() {
        let label = if at == 0 { "why" } else { "" };
        let field = if reason.field.is_empty() { "any field" } else { &reason.field };
        let (field, test, value) = (Safe(field), Safe(&reason.test), Safe(&reason.value));
        line(&mut out, format_args!("  {label:<5}  {field} {test}: {value}"));
    }
    for (at, (field, value)) in hit.rule.dedup.iter().zip(&hit.dedup_values).enumerate() {
        let label = if at == 0 { "for" } else { "" };
        line(&mut out, format_args!("  {label:<5}  {} = {}", Safe(field), Safe(value)));
    }
    line(&mut out, format_args!("  event  {}", Safe(&hit.event_id)));
    line(&mut out, format_args!("  alert  {}", Safe(&alert.id)));
    out
}

fn line(out: &mut String, text: fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    writeln!(out, "{text}").unwrap_or_default();
}

const fn color(level: Level) -> &'static str {
    match level {
        Level::Informational => "\x1b[2m",
        Level::Low => "\x1b[36m",
        Level::Medium => "\x1b[33m",
        Level::High => "\x1b[31m",
        Level::Critical => "\x1b[1;37;41m",
    }
}

/// Text from events or rules: one line, cut, with everything escaped that is not plainly visible.
struct Safe<'a>(&'a str);

impl fmt::Display for Safe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut chars = self.0.chars();
        for char in chars.by_ref().take(limits::REASON_VALUE_CHARS_MAX) {
            if is_unsafe(char) {
                write!(f, "{}", char.escape_default())?;
            } else {
                f.write_char(char)?;
            }
        }
        if chars.next().is_some() { f.write_char('…') } else { Ok(()) }
    }
}

/// Controls (C0, DEL, C1), line and paragraph separators, and what hides or reorders text: zero
/// width, directional marks, embeddings, overrides and isolates (UAX #9), and tags.
fn is_unsafe(char: char) -> bool {
    char.is_control()
        || matches!(char,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// A receiver that prints alerts.
#[derive(Clone)]
pub struct PrintReceiver {
    name: String,
    style: Style,
    out: Arc<Mutex<dyn Write + Send>>,
}

impl PrintReceiver {
    /// Prints to `out`, such as the process's standard output.
    pub fn new(name: impl Into<String>, style: Style, out: Arc<Mutex<dyn Write + Send>>) -> Self {
        Self { name: name.into(), style, out }
    }
}

impl fmt::Debug for PrintReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrintReceiver").field("name", &self.name).finish_non_exhaustive()
    }
}

#[async_trait]
impl Receiver for PrintReceiver {
    fn name(&self) -> &str {
        &self.name
    }

    async fn send(&self, notification: &Notification) -> Result<(), SendError> {
        let text = render(&notification.alert, self.style);
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        out.write_all(text.as_bytes())
            .and_then(|()| out.flush())
            .map_err(|error| SendError::Retry { message: error.to_string(), after: None })
    }
}

#[cfg(test)]
mod tests;
