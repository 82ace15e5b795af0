//! The program as a server: started on one core, watched while it is loaded, and ended in good order.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;

use super::{super::measure, quiet};
use crate::{Failure, process, say::Stopwatch};

/// How long a server may take to begin, and to store what it was sent.
const PATIENCE: Duration = Duration::from_secs(600);

/// Ports of loopback that nobody listens on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ports {
    pub(super) http: u16,
    pub(super) syslog: u16,
}

impl Ports {
    pub(super) fn free() -> Result<Self, Failure> {
        let open = || TcpListener::bind("127.0.0.1:0");
        // Both are held until both are known, so that they differ.
        let (http, syslog) = (open(), open());
        let port = |listener: std::io::Result<TcpListener>| {
            let address = listener.and_then(|listener| listener.local_addr());
            address.map(|address| address.port()).map_err(|error| format!("no free port: {error}"))
        };
        Ok(Self { http: port(http)?, syslog: port(syslog)? })
    }
}

/// A running server.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    folder: PathBuf,
}

impl Server {
    /// Starts it on the first core, and waits until it listens.
    pub(super) fn start(binary: &Path, folder: &Path, port: u16) -> Result<Self, Failure> {
        let log = folder.join("run.log");
        let file = fs::File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let mut command = process::command("taskset", folder);
        command.args(["--cpu-list", "0"]).arg(binary).arg("run");
        let child = command
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .map_err(|error| format!("`{}`: {error}", process::describe(&command)))?;
        let server = Self { child, folder: folder.to_owned() };
        server.until("it to listen", || TcpStream::connect(("127.0.0.1", port)).is_ok())?;
        Ok(server)
    }

    /// What it uses while `load` runs.
    pub(super) fn during(
        &self,
        load: impl FnOnce() -> Result<(), Failure>,
    ) -> Result<measure::Usage, Failure> {
        let before = self.cpu_seconds();
        let watch = Stopwatch::start();
        load()?;
        Ok(measure::Usage {
            seconds: watch.elapsed().as_secs_f64(),
            cpu_seconds: self.cpu_seconds() - before,
            memory_bytes: self.memory(),
        })
    }

    /// Waits until a source has stored so many events.
    pub(super) fn wait_for(&self, source: &str, events: usize) -> Result<(), Failure> {
        let path = self.folder.join("lake/status.json");
        let stored = || {
            let text = fs::read_to_string(&path).unwrap_or_default();
            let status: Value = serde_json::from_str(&text).unwrap_or_default();
            let rows = status.pointer(&format!("/sources/{source}/rows")).and_then(Value::as_u64);
            rows.unwrap_or(0) >= events as u64
        };
        self.until("all events to be stored", stored)
    }

    /// The most memory it has had, in bytes.
    pub(super) fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        measure::read_peak(&status.unwrap_or_default())
    }

    fn cpu_seconds(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()));
        measure::read_stat(&stat.unwrap_or_default()).1
    }

    fn until(&self, what: &str, mut look: impl FnMut() -> bool) -> Result<(), Failure> {
        let watch = Stopwatch::start();
        while !look() {
            if watch.elapsed() > PATIENCE {
                return Err(format!("waited in vain for {what}"));
            }
            measure::pause();
        }
        Ok(())
    }

    /// Ends it as an operator does.
    pub(super) fn end(mut self) -> Result<(), Failure> {
        quiet(Command::new("kill").args(["-TERM", &self.child.id().to_string()]))?;
        let status = self.child.wait().map_err(|error| error.to_string())?;
        if status.success() {
            return Ok(());
        }
        let said = fs::read_to_string(self.folder.join("run.log")).unwrap_or_default();
        Err(format!("the server ended with {status}\n{said}"))
    }
}

/// Whatever becomes of the measurement, no server is left behind.
impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }
}
