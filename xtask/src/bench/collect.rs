//! Measuring how events come in: bodies over HTTP, messages over syslog, a thousand senders with TLS,
//! and one object that is larger than memory.
//!
//! The program itself is run, on one core, and loaded over loopback from the others. Everything is
//! measured until it is committed, so that parsing, storing and compressing are part of each figure;
//! beside it stands the same from a folder, which is what HTTP and syslog cost more than. A run counts
//! only if the lake has as many events as were sent.

mod load;
mod server;

use std::{
    fs,
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::{Map, Value, json};

use super::{
    lake::report::{self, Target},
    measure::{self, Usage},
    save,
};
use crate::{
    Failure, process,
    say::{Phase, say},
};
use server::{Ports, Server};

/// What to measure.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    megabytes: usize,
    messages: usize,
    senders: usize,
    gigabytes: usize,
    lanes: Vec<String>,
    binary: Option<PathBuf>,
}

const LANES: &[&str] = &["http", "syslog", "tls", "object"];

/// How many senders stand beside the thousand.
const FEW_SENDERS: usize = 100;

/// How many messages each of the thousand sends; the few send as many in all, so that what differs is
/// their number alone.
const MESSAGES_EACH: usize = 200;

impl Options {
    /// Reads the words after `bench collect`.
    ///
    /// # Errors
    /// When a word is not an option, a number is none, or there is no such lane.
    pub(crate) fn read(words: &[&str]) -> Result<Self, Failure> {
        let lanes = LANES.iter().map(|&lane| lane.to_owned()).collect();
        let mut options = Self {
            megabytes: 1000,
            messages: 3_000_000,
            senders: 1000,
            gigabytes: 10,
            lanes,
            binary: None,
        };
        let mut words = words.iter();
        while let Some(option) = words.next() {
            let value = words.next().ok_or_else(|| format!("`{option}` wants a value"))?;
            let number = || super::positive(option, value);
            match *option {
                "--megabytes" => options.megabytes = number()?,
                "--messages" => options.messages = number()?,
                "--senders" => options.senders = number()?,
                "--gigabytes" => options.gigabytes = number()?,
                "--lane" => options.lanes = super::lanes(value, LANES)?,
                "--binary" => options.binary = Some(PathBuf::from(value)),
                other => return Err(format!("`bench collect` has no option `{other}`")),
            }
        }
        Ok(options)
    }
}

/// Where everything is.
#[derive(Debug)]
struct Bench {
    /// The program that is measured.
    binary: PathBuf,
    scratch: PathBuf,
    root: PathBuf,
}

/// Builds, measures, prints, and writes `bench/results`.
///
/// # Errors
/// When something fails, or a run loses or doubles events.
pub(crate) fn run(root: &Path, options: &Options) -> Result<(), Failure> {
    let bench = Bench::prepare(root, options)?;
    let machine = measure::machine();
    let mut results = Map::new();
    let mut targets = Vec::new();
    for lane in &options.lanes {
        let (phase, measured) = match lane.as_str() {
            "http" => (Phase::begin("bodies over HTTP"), bench.http(options.megabytes)?),
            "syslog" => (Phase::begin("syslog"), bench.syslog(options.messages)?),
            "tls" => (Phase::begin("senders with TLS"), bench.tls(options.senders)?),
            _ => (Phase::begin("a large object"), bench.object(options.gigabytes)?),
        };
        phase.end();
        let (found, met) = measured;
        say(&format!("{lane}: {found}"));
        results.insert(lane.clone(), found);
        targets.extend(met);
    }
    say(&report::targets(&targets));
    let facts = json!({
        "machine": machine,
        "units": "bytes decompressed; processor time of one core; MB is 10^6 bytes",
        "targets": targets.iter().map(Target::json).collect::<Vec<_>>(),
        "measured": results,
    });
    say(&format!("written to {}", save(root, "collect", facts)?.display()));
    Ok(())
}

type Measured = (Value, Vec<Target>);

impl Bench {
    fn prepare(root: &Path, options: &Options) -> Result<Self, Failure> {
        let binary = match &options.binary {
            Some(binary) => {
                binary.canonicalize().map_err(|error| format!("{}: {error}", binary.display()))?
            }
            None => super::build(root)?,
        };
        let scratch = root.join("target/bench/collect");
        fs::create_dir_all(&scratch).map_err(|error| format!("{}: {error}", scratch.display()))?;
        Ok(Self { binary, scratch, root: root.to_owned() })
    }

    /// An empty project, whose settings also have these lines.
    fn project(&self, settings: &str) -> Result<PathBuf, Failure> {
        let folder = self.scratch.join("project");
        let lay = || {
            if folder.try_exists()? {
                fs::remove_dir_all(&folder)?;
            }
            fs::create_dir_all(folder.join("sources"))?;
            fs::create_dir_all(folder.join("in"))?;
            let source = "format: ndjson\ntime: t\nfields:\n  source.ip: ip\n  user.name: user\n  \
                event.action: action\nrelated: {ip: [ip], user: [user]}\n";
            fs::write(folder.join("sources/app.yml"), source)?;
            fs::write(folder.join("token"), "secret\n")?;
            let all = format!("version: 1\nlake: ./lake\nlog_sources: [./sources]\n{settings}");
            fs::write(folder.join("dab.yaml"), all)
        };
        lay().map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(folder)
    }

    /// What is stored must be what was sent.
    fn verify(&self, folder: &Path, table: &str, events: usize) -> Result<(), Failure> {
        let sql = format!("select count(*) as n from {table}");
        let mut command = process::command(&self.binary, folder);
        let said = process::output(command.args(["sql", &sql, "--output", "json"]))?;
        let rows = said.split(|char: char| !char.is_ascii_digit()).find(|text| !text.is_empty());
        match rows.and_then(|text| text.parse::<usize>().ok()) {
            Some(rows) if rows == events => Ok(()),
            rows => Err(format!("`{table}` has {rows:?} rows, but {events} events were sent")),
        }
    }

    /// The same from a folder: with everything, or decoded only.
    fn read_folder(&self, folder: &Path, decode_only: bool) -> Result<Usage, Failure> {
        let mut command = Command::new(&self.binary);
        command.args(["run", "--once"]);
        if decode_only {
            command.arg("--decode-only");
        }
        measure::run(&command, folder)
    }

    fn http(&self, megabytes: usize) -> Result<Measured, Failure> {
        let ports = Ports::free()?;
        let settings = format!(
            "listen: 127.0.0.1:{}\ningest: {{tokens: [{{name: t, token: {{file: ./token}}}}]}}\n",
            ports.http
        );
        let folder = self.project(&settings)?;
        let (body, events) = load::body(1_000_000);
        let bodies = (megabytes * 1_000_000).div_ceil(body.len());
        let server = Server::start(&self.binary, &folder, ports.http)?;
        let used = server.during(|| load::post(ports.http, &body, bodies))?;
        server.end()?;
        self.verify(&folder, "app", events * bodies)?;

        let folder = self.project("collect: [{name: s, log_source: app, from: ./in}]\n")?;
        let file = folder.join("in/all.ndjson");
        write_times(&file, &body, bodies)
            .map_err(|error| format!("{}: {error}", file.display()))?;
        let decoded = self.read_folder(&folder, true)?;
        let stored = self.read_folder(&folder, false)?;
        self.verify(&folder, "app", events * bodies)?;

        let sent = (body.len() * bodies) as f64 / 1e6;
        let rate = |usage: &Usage| sent / usage.cpu_seconds;
        let found = json!({
            "megabytes": sent,
            "events": events * bodies,
            "http": used.json(),
            "folder": stored.json(),
            "folder_decode_only": decoded.json(),
            "http_mb_per_cpu_second": rate(&used),
            "folder_mb_per_cpu_second": rate(&stored),
            "decode_mb_per_cpu_second": rate(&decoded),
            "http_over_folder": used.cpu_seconds / stored.cpu_seconds,
        });
        let beyond = used.cpu_seconds - stored.cpu_seconds;
        let targets = vec![
            Target::least("JSON bodies over HTTP, committed", rate(&used), 100.0, "MB/s a core"),
            Target::most(
                "what HTTP costs beyond a folder",
                beyond / used.cpu_seconds * 100.0,
                25.0,
                "% of the time",
            ),
        ];
        Ok((found, targets))
    }

    fn syslog(&self, messages: usize) -> Result<Measured, Failure> {
        let ports = Ports::free()?;
        let settings = format!(
            "ingest:\n  syslog: [{{name: net, listen: \"tcp://127.0.0.1:{}\", log_source: linux_syslog}}]\n",
            ports.syslog
        );
        let folder = self.project(&settings)?;
        let (stream, each) = load::messages(1000);
        let times = messages.div_ceil(each);
        let server = Server::start(&self.binary, &folder, ports.syslog)?;
        let used = server.during(|| {
            load::send(ports.syslog, &stream, times, 4)?;
            server.wait_for("syslog.net", each * times)
        })?;
        server.end()?;
        self.verify(&folder, "linux_syslog", each * times)?;

        let settings = "collect: [{name: s, log_source: linux_syslog, from: ./in}]\n";
        let folder = self.project(settings)?;
        let file = folder.join("in/all.log");
        write_times(&file, &stream, times)
            .map_err(|error| format!("{}: {error}", file.display()))?;
        let decoded = self.read_folder(&folder, true)?;
        let stored = self.read_folder(&folder, false)?;
        let count = (each * times) as f64;
        let rate = |usage: &Usage| count / usage.cpu_seconds;
        let found = json!({
            "messages": each * times,
            "bytes": stream.len() * times,
            "tcp": used.json(),
            "folder": stored.json(),
            "folder_decode_only": decoded.json(),
            "tcp_messages_per_cpu_second": rate(&used),
            "folder_messages_per_cpu_second": rate(&stored),
            "decode_messages_per_cpu_second": rate(&decoded),
            "tcp_over_folder": used.cpu_seconds / stored.cpu_seconds,
        });
        // What is received, beyond what the same messages cost that are read from a file.
        let received = used.cpu_seconds - stored.cpu_seconds + decoded.cpu_seconds;
        let targets = vec![
            Target::least("syslog over TCP, committed", rate(&used) / 1e3, 300.0, "k/s a core"),
            Target::least(
                "syslog over TCP, received and decoded",
                count / received.max(0.001) / 1e3,
                300.0,
                "k/s a core",
            ),
        ];
        Ok((found, targets))
    }

    fn tls(&self, senders: usize) -> Result<Measured, Failure> {
        let mut figures = Vec::new();
        for count in [FEW_SENDERS.min(senders), senders] {
            let each = MESSAGES_EACH * senders / count;
            let ports = Ports::free()?;
            let settings = format!(
                "ingest:\n  syslog: [{{name: net, listen: \"tls://127.0.0.1:{}\", \
                 log_source: linux_syslog, certificate: ./server.pem, key: {{file: ./server.key}}}}]\n",
                ports.syslog
            );
            let folder = self.project(&settings)?;
            load::make_certificate(&folder)?;
            let server = Server::start(&self.binary, &folder, ports.syslog)?;
            let before = server.memory();
            let used = server.during(|| {
                load::senders(&self.root, ports.syslog, count, each)?;
                server.wait_for("syslog.net", count * each)
            })?;
            server.end()?;
            self.verify(&folder, "linux_syslog", count * each)?;
            figures.push((count, before, used));
        }
        let found: Vec<Value> = figures
            .iter()
            .map(|(count, before, used)| {
                json!({ "senders": count, "memory_before": before, "used": used.json() })
            })
            .collect();
        let grown =
            |index: usize| figures.get(index).map_or(0.0, |(_, _, used)| used.memory_bytes as f64);
        let each = (grown(1) - grown(0)) / senders.saturating_sub(FEW_SENDERS).max(1) as f64;
        let targets = vec![Target::most("memory of a sender with TLS", each / 1e3, 100.0, "kB")];
        Ok((json!(found), targets))
    }

    fn object(&self, gigabytes: usize) -> Result<Measured, Failure> {
        let settings = "collect: [{name: s, log_source: app, from: ./in, \
            decompression_ratio_max: 100000}]\n";
        let folder = self.project(settings)?;
        let (body, events) = load::body(4_000_000);
        let times = (gigabytes * 1_000_000_000).div_ceil(body.len());
        load::packed(&folder.join("in/large.ndjson.zst"), &body, times)?;
        let used = self.read_folder(&folder, false)?;
        self.verify(&folder, "app", events * times)?;
        let bytes = (body.len() * times) as f64;
        let found = json!({
            "bytes": bytes,
            "events": events * times,
            "used": used.json(),
            "mb_per_cpu_second": bytes / 1e6 / used.cpu_seconds,
        });
        let memory = used.memory_bytes as f64 / 1e6;
        Ok((found, vec![Target::most("memory for one large object", memory, 512.0, "MB")]))
    }
}

fn write_times(path: &Path, part: &[u8], times: usize) -> std::io::Result<()> {
    let mut file = BufWriter::new(fs::File::create(path)?);
    for _ in 0..times {
        file.write_all(part)?;
    }
    file.flush()
}

/// A command whose output nobody reads.
fn quiet(command: &mut Command) -> Result<(), Failure> {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{}`: {status}", process::describe(command))),
        Err(error) => Err(format!("`{}`: {error}", process::describe(command))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_options() {
        let read = Options::read(&["--lane", "http,tls", "--megabytes", "50"]).unwrap();
        assert_eq!((read.lanes.len(), read.megabytes, read.senders), (2, 50, 1000));
        assert!(Options::read(&["--lane", "ftp"]).unwrap_err().contains("there are: http"));
        assert!(Options::read(&["--messages", "0"]).is_err());
        assert!(Options::read(&["--fast", "1"]).is_err());
    }
}
