//! Buckets: logs in one, the lake in another, on an S3 emulation that runs on this machine.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
};

use crate::{
    harness::{Project, Running, events, gzip, tool, until},
    http::post,
};

/// A running S3 emulation, ended when it goes out of scope.
pub(crate) struct Emulation {
    child: Child,
    pub(crate) address: String,
}

impl Emulation {
    pub(crate) fn start() -> Option<Self> {
        let program = tool("ministack")?;
        // Whoever takes the port in between makes the start fail, not the test pass.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(program)
            .envs([("BIND_HOST", "127.0.0.1"), ("GATEWAY_PORT", &port.to_string())])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let emulation = Self { child, address: format!("127.0.0.1:{port}") };
        until("the S3 emulation", || TcpStream::connect(&emulation.address).ok());
        Some(emulation)
    }

    /// Makes a bucket (`/name`) or an object (`/bucket/key`).
    pub(crate) fn put(&self, path: &str, body: &[u8]) {
        self.ask("PUT", path, &[], body);
    }

    /// Sends a request, and answers the body of what comes back.
    pub(crate) fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let (host, length) = (&self.address, body.len());
        let headers: String =
            headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
             Content-Length: {length}\r\n{headers}\r\n"
        );
        stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        assert!(reply.starts_with("HTTP/1.1 200"), "{method} {path}: {reply}");
        let (_, body) = reply.split_once("\r\n\r\n").unwrap();
        body.to_owned()
    }

    /// A project that reads `s3://logs/app` into this lake.
    fn project(&self, lake: &str) -> Project {
        let project = Project::on(
            lake,
            &format!(
                "log_sources: [./sources]\ncollect:\n  \
                 - {{name: s, log_source: plain, from: 's3://logs/app', settle_seconds: 0}}\ns3:\n  \
                 endpoint: 'http://{}'\n  region: us-east-1\n  allow_http: true\n  \
                 access_key_id: {{file: ./id}}\n  secret_access_key: {{file: ./secret}}",
                self.address
            ),
        );
        project.write("sources/plain.yml", b"format: {type: ndjson}\ntime: {field: t}\n");
        project.write("id", b"test");
        project.write("secret", b"test");
        project
    }
}

impl Drop for Emulation {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Reads a bucket twice, with an object that is new the second time, one that has grown, and one
/// outside the prefix.
fn read_a_bucket(lake: &str) {
    let Some(emulation) = Emulation::start() else { return };
    emulation.put("/logs", b"");
    emulation.put("/lake", b"");
    emulation.put("/logs/app/2026/a.ndjson.gz", &gzip(&events(0, 500)));
    emulation.put("/logs/app/b.ndjson", &events(500, 100));
    emulation.put("/logs/other/c.ndjson", &events(9_000, 100));
    let project = emulation.project(lake);
    project.ok(&["run", "--once"]);
    assert_eq!(project.rows("plain"), 600);

    emulation.put("/logs/app/b.ndjson", &events(500, 150));
    emulation.put("/logs/app/d.ndjson", &events(650, 10));
    project.ok(&["run", "--once"]);
    project.ok(&["run", "--once"]);
    assert_eq!(project.number("SELECT count(DISTINCT n) FROM plain"), 660);
    assert_eq!(project.number("SELECT max(n) FROM plain"), 659);
    assert_eq!(project.rows("plain"), 660, "what was read is not read again");
    assert!(project.quarantined().is_empty());
    // Dying in the middle is no different on a bucket.
    emulation.put("/logs/app/e.ndjson", &events(660, 40));
    let crashed = project.run(&["run", "--once", "--crash-at", "uploaded"]);
    assert_eq!(crashed.status.code(), None, "it died by a signal");
    project.ok(&["run", "--once"]);
    assert_eq!(project.rows("plain"), 700);
    project.ok(&["lake", "reconcile", "--unpack"]);
    let requests = &project.json(&["status"])[0]["requests"];
    let of_source = requests.as_object().unwrap().iter().find(|(name, _)| *name != "lake").unwrap();
    let count = |key: &str| of_source.1[key].as_u64().unwrap();
    assert!(count("lists") >= 1 && count("bytes_read") >= 40, "{requests}");
    assert_eq!((count("writes"), count("errors")), (0, 0), "{requests}");
}

#[test]
fn logs_in_a_bucket_are_read_once() {
    read_a_bucket("./lake");
}

#[test]
fn the_lake_can_be_a_bucket_too() {
    read_a_bucket("s3://lake/siem");
}

#[test]
fn several_processes_write_to_a_lake_in_a_bucket() {
    let Some(emulation) = Emulation::start() else { return };
    emulation.put("/logs", b"");
    emulation.put("/lake", b"");
    emulation.put("/logs/app/a.ndjson", &events(0, 100));
    let project = emulation.project("s3://lake/siem");
    let doors = b"listen: 127.0.0.1:0\ningest:\n  tokens: [{name: all, token: {file: ./secret}}]\n";
    project.append("dab.yaml", doors);
    let rows = |count: u64| {
        until("rows", || {
            // There is no table at first.
            let found =
                project.run(&["sql", "SELECT count(*) AS n FROM plain", "--output", "json"]);
            let found = String::from_utf8(found.stdout).unwrap();
            found.contains(&format!("\"n\":{count}}}")).then_some(())
        });
    };
    let one = Running::start(&project, &["--writer", "one"]);
    let two = Running::start(&project, &["--writer", "two"]);
    rows(100);
    let mut expected = 100;
    for at in [&one.address, &two.address, &one.address] {
        let (status, reply) =
            post(at, "/ingest/plain", "Authorization: Bearer test\r\n", &events(expected, 50));
        assert_eq!((status, &reply["accepted"]), (200, &50.into()), "{reply}");
        expected += 50;
    }
    rows(250);
    let writers = project.json(&["status"]);
    let writers: Vec<_> = writers.iter().filter_map(|status| status["writer"].as_str()).collect();
    assert_eq!(writers, ["one", "two"]);
    // The bucket is the first one's, until that ends.
    let refused = project.run(&["run", "--once"]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && said.contains("DAB0723"), "{said}");
    one.end();
    emulation.put("/logs/app/b.ndjson", &events(250, 30));
    rows(280);
    two.end();
    assert_eq!(project.number("SELECT count(DISTINCT n) FROM plain"), 280);
    project.ok(&["lake", "reconcile", "--unpack"]);
}

#[test]
fn a_lake_in_a_bucket_is_looked_after_too() {
    let Some(emulation) = Emulation::start() else { return };
    emulation.put("/logs", b"");
    emulation.put("/lake", b"");
    let project = emulation.project("s3://lake/siem");
    for batch in 0..3 {
        emulation.put(&format!("/logs/app/{batch}.ndjson"), &events(batch * 100, 100));
        project.ok(&["run", "--once"]);
    }
    let crashed = project.run(&["lake", "compact", "--crash-at", "rewritten"]);
    assert_eq!(crashed.status.code(), None, "it died by a signal");
    let done = project.json(&["lake", "compact"]);
    assert_eq!((&done[0]["files_before"], &done[0]["files_after"]), (&3.into(), &1.into()));
    assert_eq!(project.rows("plain"), 300);
    let replayed = project.json(&["lake", "replay"]);
    assert_eq!((&replayed[0]["renewed"], &replayed[0]["left"]), (&300.into(), &0.into()));
    assert_eq!(project.rows("plain"), 300);
    project.ok(&["lake", "reconcile", "--unpack"]);
    let checked = project.ok(&["lake", "check"]);
    assert!(
        checked.starts_with("1 tables with 1 files and 0 search indexes, 3 batches"),
        "{checked}"
    );
    assert_eq!(project.ok(&["lake", "retain"]), "nothing is too old, or unused\n");
    project.write("dab.yaml", settings_with_retention(&project).as_bytes());
    let dropped = project.json(&["lake", "retain"]);
    let tiers: Vec<_> = dropped.iter().map(|one| one["tier"].as_str().unwrap()).collect();
    assert_eq!(tiers, ["warm"], "what came in today stays in the cold tier");
    assert_eq!(project.rows("plain"), 0);
    project.ok(&["lake", "check"]);
}

fn settings_with_retention(project: &Project) -> String {
    let settings = std::fs::read_to_string(project.path().join("dab.yaml")).unwrap();
    format!("{settings}retention: {{warm_days: 1, cold_days: 1}}\n")
}
