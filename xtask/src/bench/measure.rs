//! What a process used: time, processor time, memory. Linux only: it reads `/proc`.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{Failure, process, say::Stopwatch};

/// How long between two looks at a running process.
const LOOK: Duration = Duration::from_millis(20);

/// What a process used from start to end.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Usage {
    /// From start to end.
    pub(super) seconds: f64,
    /// Processor time of all threads, in the process and in the kernel for it, and that of what it
    /// started.
    pub(super) cpu_seconds: f64,
    /// The largest resident set.
    pub(super) memory_bytes: u64,
}

impl Usage {
    /// As data.
    pub(super) fn json(&self) -> Value {
        json!({
            "seconds": self.seconds,
            "cpu_seconds": self.cpu_seconds,
            "memory_bytes_max": self.memory_bytes,
        })
    }
}

/// Runs `command` on one core to its end.
///
/// # Errors
/// When it cannot be started or does not exit with 0; its stderr is in the error.
pub(super) fn run(command: &Command, folder: &Path) -> Result<Usage, Failure> {
    let mut pinned = process::command("taskset", folder);
    pinned.args(["--cpu-list", "0"]).arg(command.get_program()).args(command.get_args());
    let log = folder.join("run.log");
    let file = fs::File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
    let fail = |error: std::io::Error| format!("`{}`: {error}", process::describe(&pinned));
    let watch = Stopwatch::start();
    let mut child = process::command("taskset", folder)
        .args(pinned.get_args())
        .stdout(Stdio::null())
        .stderr(file)
        .spawn()
        .map_err(fail)?;
    let mut usage = Usage::default();
    // A process that has ended and was not yet waited for still shows its processor time.
    loop {
        let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap_or_default();
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let (ended, cpu_seconds) = read_stat(&stat);
        usage.cpu_seconds = cpu_seconds;
        usage.memory_bytes = usage.memory_bytes.max(read_peak(&status));
        if ended {
            break;
        }
        pause();
    }
    usage.seconds = watch.elapsed().as_secs_f64();
    let status = child.wait().map_err(fail)?;
    if status.success() {
        return Ok(usage);
    }
    let said = fs::read_to_string(&log).unwrap_or_default();
    Err(format!("`{}`: {status}\n{said}", process::describe(&pinned)))
}

#[expect(clippy::disallowed_methods, reason = "watches another process; there is nothing to await")]
pub(super) fn pause() {
    std::thread::sleep(LOOK);
}

/// Whether the process has ended, and its processor seconds, from `/proc/<pid>/stat` (proc(5)).
pub(super) fn read_stat(stat: &str) -> (bool, f64) {
    // The name in parentheses may itself contain blanks.
    let fields: Vec<&str> =
        stat.rsplit_once(") ").map(|(_, rest)| rest.split(' ').collect()).unwrap_or_default();
    let ended = fields.first().is_none_or(|state| matches!(*state, "Z" | "X"));
    let ticks = |index: usize| fields.get(index).and_then(|text| text.parse().ok()).unwrap_or(0.0);
    // Its own, and those of the processes that it started and waited for.
    let sum: f64 = ticks(11) + ticks(12) + ticks(13) + ticks(14);
    // USER_HZ is 100 on every Linux that Rust runs on.
    (ended, sum / 100.0)
}

/// The peak resident set from `/proc/<pid>/status`, in bytes; 0 once the process has ended.
pub(super) fn read_peak(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes =
        line.and_then(|rest| rest.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

/// What the numbers were measured on.
pub(super) fn machine() -> Value {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let after = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key));
        line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned())
    };
    json!({
        "processor": after(&cpus, "model name"),
        "cores": cpus.lines().filter(|line| line.starts_with("processor")).count(),
        "memory": after(&memory, "MemTotal"),
        "load_before": fs::read_to_string("/proc/loadavg").unwrap_or_default().trim(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_kernel_s_tables() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194304 1 0 0 0 200 100 50 50 20 0 9 0 1 1 1";
        assert_eq!(read_stat(stat), (false, 4.0));
        assert!(read_stat("7 (a) Z 1 7 7 0 -1 4194304 1 0 0 0 1 0 0 0").0);
        assert!(read_stat("").0);
        assert_eq!(read_peak("Name:\ta\nVmHWM:\t    2048 kB\n"), 2048 * 1024);
        assert_eq!(read_peak(""), 0);
    }

    #[test]
    fn measures_a_process() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"]);
        let usage = run(&command, folder.path()).unwrap();
        assert!(usage.cpu_seconds > 0.01 && usage.memory_bytes > 100_000, "{usage:?}");
        let mut command = Command::new("sh");
        command.args(["-c", "echo why >&2; exit 2"]);
        assert!(run(&command, folder.path()).unwrap_err().contains("why"));
    }
}
