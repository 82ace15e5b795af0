//! Watches the pipeline for a person or a script at the console.

use base::{Alert, Report};
use serve::{Happening, Observer};

use crate::{
    host::process::tell_problems,
    output::{self, Output},
};

/// Prints alerts as data, and what else happens beside them.
#[derive(Debug)]
pub(crate) struct Console {
    pub(crate) output: Output,
    pub(crate) color: bool,
    /// Whether commits are told one by one.
    pub(crate) commits: bool,
}

impl Console {
    fn alert(&self, alert: &Alert) {
        match self.output {
            Output::Json => output::line(&serde_json::to_string(alert).unwrap_or_default()),
            Output::Table | Output::Csv => {
                let style = if self.color { notify::Style::Color } else { notify::Style::Plain };
                output::line(notify::render(alert, style).trim_end());
            }
        }
    }

    fn report(&self, what: &str, report: &Report) {
        match self.output {
            Output::Json => output::problem(report, self.output),
            Output::Table | Output::Csv => output::error_line(&format!("{what}: {report}")),
        }
    }
}

impl Observer for Console {
    fn happened(&self, happening: &Happening<'_>) {
        match happening {
            Happening::Alert(alert) => self.alert(alert),
            Happening::Trouble { source, report } => self.report(source, report),
            Happening::Quarantined { source, count, report } => {
                self.report(&format!("{source}: {count} in quarantine, the first"), report);
            }
            Happening::DeliveryGivenUp(report) => {
                self.report("a notification was given up", report)
            }
            Happening::DeliveryFailed(count) => output::error_line(&format!(
                "{count} notifications could not be delivered; they will be tried again"
            )),
            Happening::Listening(address) => {
                output::error_line(&format!("listening on http://{address}"));
            }
            Happening::SyslogListening { name, transport, address } => {
                output::error_line(&format!("{name}: listening on {transport}://{address}"));
            }
            Happening::Reloaded { rules, problems } => {
                output::error_line(&format!("{rules} detections are in place anew"));
                tell_problems(problems, self.output);
            }
            Happening::StandingBy { source } => output::error_line(&format!(
                "{source}: another process has it; this one takes over when that has ended"
            )),
            Happening::Ready => output::error_line("ready"),
            Happening::Committed { source, table, rows, quarantined, bytes } => {
                if self.commits {
                    output::error_line(&format!(
                        "{source}: {rows} events to `{table}`, {quarantined} to the quarantine, {bytes} bytes"
                    ));
                }
            }
        }
    }
}
