//! A project in a temporary folder, and the binary run on it.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use flate2::{Compression, write::GzEncoder};
use serde_json::Value;
use tempfile::TempDir;

/// A project.
pub(crate) struct Project {
    folder: TempDir,
}

impl Project {
    /// A project with these lines of settings after `version` and `lake`.
    pub(crate) fn new(settings: &str) -> Self {
        Self::on("./lake", settings)
    }

    /// The same, with its lake elsewhere.
    pub(crate) fn on(lake: &str, settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!("version: 1\nlake: {lake}\n{settings}\n");
        fs::write(folder.path().join("dab.yaml"), text).unwrap();
        Self { folder }
    }

    /// A project that reads NDJSON files in `in/` with the time in `t`.
    pub(crate) fn ndjson(more_settings: &str) -> Self {
        let settings = "log_sources: [./sources]\n\
            collect: [{name: s, log_source: plain, from: ./in, settle_seconds: 0}]\n";
        let project = Self::new(&format!("{settings}{more_settings}"));
        let source = "format: {type: ndjson}\ntime: {field: t}\n";
        project.write("sources/plain.yml", source.as_bytes());
        project
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn append(&self, name: &str, bytes: &[u8]) {
        let mut file = fs::OpenOptions::new().append(true).open(self.path().join(name)).unwrap();
        file.write_all(bytes).unwrap();
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        self.command_of(&self.path().join("dab.yaml").to_string_lossy(), args)
    }

    /// The binary on another project's settings.
    pub(crate) fn command_of(&self, config: &str, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dab"));
        command.args(args).args(["--config", config]).current_dir(self.path());
        command.env_remove("DAB_LOG").stdin(Stdio::null());
        command
    }

    /// Runs the binary to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(args).stdin(Stdio::null()).output().unwrap()
    }

    /// Runs it, and expects success.
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {:?}\n{errors}", output.status);
        format!("{}{errors}", String::from_utf8_lossy(&output.stdout))
    }

    /// The JSON lines that a subcommand prints.
    pub(crate) fn json(&self, args: &[&str]) -> Vec<Value> {
        self.json_of(&self.path().join("dab.yaml").to_string_lossy(), args)
    }

    /// The same on another project's settings.
    pub(crate) fn json_of(&self, config: &str, args: &[&str]) -> Vec<Value> {
        let args = [args, &["--output", "json"]].concat();
        let output = self.command_of(config, &args).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {:?}\n{errors}", output.status);
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The one number that an SQL query answers.
    pub(crate) fn number(&self, sql: &str) -> u64 {
        let rows = self.json(&["sql", sql]);
        rows[0].as_object().unwrap().values().next().unwrap().as_u64().unwrap()
    }

    /// How many rows a table has, and that no event is in it twice.
    pub(crate) fn rows(&self, table: &str) -> u64 {
        let all = self.number(&format!("SELECT count(*) AS n FROM {table}"));
        let distinct = self.number(&format!("SELECT count(DISTINCT event_id) AS n FROM {table}"));
        assert_eq!(all, distinct, "an event is doubled in {table}");
        all
    }

    pub(crate) fn quarantined(&self) -> Vec<Value> {
        self.json(&["quarantine", "list"])
    }

    /// Reads what is there. Answers the most memory that took, in bytes.
    pub(crate) fn run_once_measured(&self) -> u64 {
        let mut command = self.command(&["run", "--once"]);
        let log = fs::File::create(self.path().join("run.log")).unwrap();
        let output = (Stdio::null(), Stdio::null(), log);
        let command = command.stdin(output.0).stdout(output.1).stderr(output.2);
        let mut child = command.spawn().unwrap();
        let mut peak = 0;
        let status = until("the end of the run", || {
            peak = peak.max(peak_memory(child.id()).unwrap_or(0));
            child.try_wait().unwrap()
        });
        let said = fs::read_to_string(self.path().join("run.log")).unwrap();
        assert!(status.success(), "{said}");
        peak
    }

    /// Every batch's ledger line adds up, by itself and with what is stored.
    pub(crate) fn ledger_adds_up(&self) {
        self.ok(&["lake", "reconcile", "--unpack"]);
        let batches = self.path().join("lake/batches");
        for source in fs::read_dir(batches).unwrap() {
            for file in fs::read_dir(source.unwrap().path()).unwrap() {
                let path = file.unwrap().path();
                if path.to_string_lossy().ends_with(".matches.json") {
                    continue;
                }
                let manifest: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
                let count = |key: &str| manifest[key].as_u64().unwrap();
                assert_eq!(count("records"), count("rows") + count("quarantined"), "{manifest}");
            }
        }
    }
}

/// A running `dab run`, ended with `kill -9` when it goes out of scope.
pub(crate) struct Running {
    child: Child,
    pub(crate) address: String,
    /// The addresses of listeners for syslog, by their names.
    pub(crate) listeners: BTreeMap<String, String>,
    // Held so that the process can go on writing.
    _errors: BufReader<std::process::ChildStderr>,
}

impl Running {
    /// Starts it and waits until it is ready.
    pub(crate) fn start(project: &Project, args: &[&str]) -> Self {
        let mut child = project
            .command(&[&["run"], args].concat())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        let (mut address, mut line) = (String::new(), String::new());
        let mut listeners = BTreeMap::new();
        while line.trim() != "ready" {
            line.clear();
            assert!(errors.read_line(&mut line).unwrap() > 0, "it ended before it was ready");
            if let Some(at) = line.trim().strip_prefix("listening on http://") {
                at.clone_into(&mut address);
            } else if let Some((name, at)) = line.trim().split_once(": listening on ") {
                let (_, at) = at.split_once("://").unwrap();
                listeners.insert(name.to_owned(), at.to_owned());
            }
        }
        Self { child, address, listeners, _errors: errors }
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn end(mut self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            self.kill();
        }
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// `count` events, one a line, numbered from `from`.
pub(crate) fn events(from: usize, count: usize) -> Vec<u8> {
    let line =
        |n| format!("{{\"t\":\"2026-11-20T08:00:00Z\",\"n\":{n},\"user\":\"u{}\"}}\n", n % 7);
    (from..from + count).map(line).collect::<String>().into_bytes()
}

/// Looks again and again until `look` finds something; gives up after two minutes.
#[expect(clippy::disallowed_methods, reason = "watches a process from outside, in real time")]
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..6_000 {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("{what}: not within two minutes");
}

/// The most memory that a process has held so far, in bytes; `None` once it has ended.
pub(crate) fn peak_memory(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// A program that `cargo xtask test` installs; `None`, said aloud, where it is not.
pub(crate) fn tool(name: &str) -> Option<PathBuf> {
    tool_in("python/bin", name)
}

/// The same for a program that comes as a package of npm's.
pub(crate) fn npm(name: &str) -> Option<PathBuf> {
    tool_in("npm/node_modules/.bin", name)
}

fn tool_in(inside: &str, name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("DAB_TOOLS").map(PathBuf::from);
    let program = folder.map(|folder| folder.join(inside).join(name));
    if let Some(program) = program.filter(|program| program.is_file()) {
        return Some(program);
    }
    lacking(name);
    None
}

/// Says that a test is skipped for want of a program; on a build server that is an error.
pub(crate) fn lacking(name: &str) {
    let is_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(!is_ci, "CI needs `{name}`: `cargo xtask test` installs it and sets DAB_TOOLS");
    eprintln!("skipped: `{name}` is not there (`cargo xtask test` installs it)");
}

/// A program of Debian's that `cargo xtask test` unpacks, with the libraries and modules that came along;
/// `None`, said aloud, where it is not.
pub(crate) fn debian(program: &str) -> Option<(Command, PathBuf)> {
    let folder = std::env::var_os("DAB_TOOLS").map(|folder| PathBuf::from(folder).join("debian"));
    let Some(folder) = folder.filter(|folder| folder.join(program).is_file()) else {
        lacking(program);
        return None;
    };
    let mut libraries = vec![folder.join("usr/lib/syslog-ng")];
    for parent in ["usr/lib", "lib"] {
        let Ok(entries) = fs::read_dir(folder.join(parent)) else { continue };
        let is_theirs = |path: &PathBuf| path.to_string_lossy().ends_with("-linux-gnu");
        libraries.extend(entries.map(|entry| entry.unwrap().path()).filter(is_theirs));
    }
    let mut command = Command::new(folder.join(program));
    command.env("LD_LIBRARY_PATH", std::env::join_paths(libraries).unwrap());
    command.stdin(Stdio::null());
    Some((command, folder))
}

/// The corpora's folder; `None`, said aloud, where there is none.
pub(crate) fn corpora() -> Option<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora");
    let folder = std::env::var_os("DAB_CORPORA").map_or(default, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    let is_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(!is_ci, "CI needs the corpora: {} is no folder", folder.display());
    eprintln!("skipped: no corpora (set DAB_CORPORA)");
    None
}
