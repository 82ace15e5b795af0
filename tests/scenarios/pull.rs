//! APIs pulled by the real binary, from servers on loopback that behave as their vendors'.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::Duration,
};

use base::{Clock as _, SystemClock};
use serde_json::Value;

use crate::{
    harness::{Project, Running, until},
    vendors::{Event, Request, SECRET, Server, Vendor},
};

/// A vendor's server on loopback, for as long as the test runs.
struct Loopback {
    url: String,
    server: Arc<Mutex<Server>>,
}

impl Loopback {
    fn start(vendor: Vendor, events: Vec<Event>) -> Self {
        Self::limited(vendor, events, 0)
    }

    /// One that asks for a second's pause at its second request, so many times.
    fn limited(vendor: Vendor, events: Vec<Event>, times: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = Arc::new(Mutex::new(Server::new(vendor, events, 0, 1)));
        let (own, base) = (Arc::clone(&server), url.clone());
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let is_limited = (1..=times).contains(&number);
                answer(&stream.unwrap(), &base, &own, is_limited);
            }
        });
        Self { url, server }
    }

    fn requests(&self) -> u64 {
        self.server.lock().unwrap().requests
    }
}

/// Reads one request and answers it. A client that goes away in between is none of its business.
fn answer(stream: &TcpStream, base: &str, server: &Mutex<Server>, is_limited: bool) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(0, |(_, value)| value.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    if is_limited {
        let pause = b"HTTP/1.1 429 Slow\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        let mut stream = stream;
        return stream.write_all(pause).ok();
    }
    let request = Request::new(&method, &format!("{base}{target}"), &headers, &body);
    let reply = server.lock().unwrap().answer(&request, SystemClock.now());
    let mut text = format!("HTTP/1.1 {} Said\r\nconnection: close\r\n", reply.status);
    for (name, value) in &reply.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str(&format!("content-length: {}\r\n\r\n", reply.body.len()));
    let mut stream = stream;
    stream.write_all(text.as_bytes()).ok()?;
    stream.write_all(&reply.body).ok()
}

/// So many events, evenly over the hours before now but for the last minutes.
fn events(count: u64, hours: u64) -> Vec<Event> {
    let begin = SystemClock.now().minus(Duration::from_secs(hours * 3600));
    let step = (hours * 3600 - 300) * 1_000_000 / count;
    let event = |n: u64| {
        let time = begin.plus(Duration::from_micros(n * step));
        Event { n, id: n, time, visible: time }
    };
    (0..count).map(event).collect()
}

fn project(pull: &str) -> Project {
    let project = Project::new(&format!("detections: [./rules]\n{pull}"));
    project.write("secret", format!("{SECRET}\n").as_bytes());
    project.write("rules/seventh.yml", SEVENTH.as_bytes());
    project
}

const SEVENTH: &str = "title: Every seventh\nid: seventh\nlog_source: okta_system\n\
    cel: n % 7 == 0\nlevel: high\ndedup: [n]\n";

fn okta(url: &str) -> String {
    format!(
        "pull:\n  - {{name: okta, from: okta, settings: {{url: '{url}'}}, \
         secrets: {{token: {{file: ./secret}}}}, begin: 8h}}\n"
    )
}

#[test]
fn a_pause_that_a_server_asked_for_is_no_failure() {
    let vendor = Loopback::limited(Vendor::Okta, events(210, 6), 2);
    let project = project(&okta(&vendor.url));
    let told = project.ok(&["pull", "okta"]);
    assert!(told.contains("DAB0356"), "it is told of: {told}");
    assert_eq!(project.rows("okta_system"), 210);
    let status = &project.json(&["status"])[0]["sources"]["okta"];
    assert_eq!((&status["errors"], &status["recovered"]), (&1.into(), &1.into()), "{status}");
    // One that refuses is another matter.
    project.write("secret", b"wrong\n");
    assert_eq!(project.run(&["pull", "okta"]).status.code(), Some(1));
}

#[test]
fn dying_at_every_point_of_a_commit_stores_each_event_of_an_api_once() {
    for point in ["begin", "staged", "uploaded", "committed", "enqueued", "alerted", "done"] {
        let vendor = Loopback::start(Vendor::Okta, events(210, 6));
        let project = project(&okta(&vendor.url));
        let crashed = project.run(&["pull", "okta", "--crash-at", point]);
        assert_eq!(crashed.status.code(), None, "{point}: it died by a signal");
        // Again, where that was not stored yet.
        project.run(&["pull", "okta", "--crash-at", point]);
        project.ok(&["pull", "okta"]);
        assert_eq!(project.rows("okta_system"), 210, "{point}");
        let before = vendor.requests();
        project.ok(&["run", "--once"]);
        assert!(vendor.requests() > before, "`dab run` asks too");
        assert_eq!(project.rows("okta_system"), 210, "{point}");
        let distinct = project.number("SELECT count(DISTINCT uuid) AS n FROM okta_system");
        assert_eq!(distinct, 210, "{point}");
        assert_eq!(project.json(&["alerts"]).len(), 30, "{point}");
        assert_eq!(project.quarantined(), [] as [Value; 0]);
        project.ledger_adds_up();
    }
}

#[test]
fn files_that_an_api_lists_are_fetched_and_decoded() {
    let vendor = Loopback::start(Vendor::Salesforce, events(40, 12));
    let url = &vendor.url;
    let project = project(&format!(
        "pull:\n  - {{name: sf, from: salesforce_events, settings: {{url: '{url}', \
         client_id: client}}, secrets: {{client_secret: {{command: [cat, secret]}}}}, begin: 2d}}\n"
    ));
    project.ok(&["pull", "sf"]);
    project.ok(&["pull", "sf"]);
    // A file with two rows that are alike, and one with one, in turn.
    assert_eq!(project.rows("salesforce_events"), 60);
    let sql = "SELECT count(*) AS n FROM salesforce_events WHERE \"REMARK\" LIKE 'two%lines, and \"quotes\"'";
    assert_eq!(project.number(sql), 40);
    assert_eq!(project.quarantined(), [] as [Value; 0]);
    project.ledger_adds_up();
}

#[test]
fn a_range_is_filled_and_nothing_is_stored_twice() {
    let vendor = Loopback::start(Vendor::Okta, events(300, 30));
    let project = project(&okta(&vendor.url));
    project.ok(&["pull", "okta"]);
    let first = project.rows("okta_system");
    assert!((70..90).contains(&first), "the last 8 of 30 hours: {first}");
    let dry = project.json(&["pull", "okta", "--dry-run"]);
    assert_eq!((&dry[0]["records"], &dry[0]["is_whole"]), (&0.into(), &true.into()), "{dry:?}");
    let day = Duration::from_secs(40 * 3600);
    let from = SystemClock.now().minus(day).to_string();
    let dry = project.json(&["pull", "okta", "--dry-run", "--from", &from]);
    assert!(dry[0]["events"].as_u64().unwrap() > 200, "{dry:?}");
    assert_eq!(project.rows("okta_system"), first, "a dry run stores nothing");
    let crashed = project.run(&["pull", "okta", "--from", &from, "--crash-at", "committed"]);
    assert_eq!(crashed.status.code(), None);
    project.ok(&["pull", "okta", "--from", &from]);
    assert_eq!(project.rows("okta_system"), 300);
    project.ok(&["pull", "okta"]);
    project.ok(&["pull", "okta", "--from", &from]);
    assert_eq!(project.rows("okta_system"), 300);
    let distinct = project.number("SELECT count(DISTINCT uuid) AS n FROM okta_system");
    assert_eq!(distinct, 300);
    project.ledger_adds_up();
}

#[test]
fn a_running_pipeline_pulls_and_says_how_it_is() {
    let vendor = Loopback::start(Vendor::Okta, events(50, 4));
    let project = project(&okta(&vendor.url));
    let running = Running::start(&project, &[]);
    let rows = || {
        let status = project.json(&["status"]);
        let rows = status.first()?["sources"]["okta"]["rows"].as_u64()?;
        (rows == 50).then_some(())
    };
    until("the events in the status", rows);
    drop(running);
    assert_eq!(project.rows("okta_system"), 50);
}

#[test]
fn a_check_says_in_clear_words_what_is_wrong() {
    let vendor = Loopback::start(Vendor::Okta, events(50, 4));
    let project = project(&okta(&vendor.url));
    let found = project.json(&["pull", "check"]);
    assert_eq!((&found[0]["result"], &found[0]["what"]), (&"fine".into(), &Value::Null));
    project.write("secret", b"another one");
    let output = project.run(&["pull", "check", "okta"]);
    let (said, help) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.contains("DAB0355") && said.contains("/api/v1/logs: the server answered 401"),
        "{said}"
    );
    assert!(help.contains("see that the credential is right"), "{help}");
    assert!(!said.contains("another one") && !help.contains("another one"));
    let output = project.run(&["pull", "okta"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("error[DAB0355]"), "{said}");

    let output = project.run(&["pull", "nothing"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("there is no pull `nothing`") && said.contains("use one of: okta"),
        "{said}"
    );
}

#[test]
fn a_file_of_ones_own_is_begun_listed_and_pulled() {
    let vendor = Loopback::start(Vendor::Okta, events(50, 4));
    let project = project("");
    let said = project.ok(&["pull", "new", "mine", "--like", "okta"]);
    assert!(said.contains("token: {env: MINE_TOKEN}"), "{said}");
    let again = project.run(&["pull", "new", "mine"]);
    assert_eq!(again.status.code(), Some(3), "it is there already");
    let settings = okta(&vendor.url).replace("from: okta", "from: ./pull/mine.yml");
    let text = format!("version: 1\nlake: ./lake\n{settings}");
    project.write("dab.yaml", text.as_bytes());
    let list = project.json(&["pull", "list"]);
    let own = list.iter().find(|row| row["used_as"] == "okta").unwrap();
    assert_eq!(own["pull"], "./pull/mine.yml");
    assert!(list.iter().any(|row| row["pull"] == "m365"), "{list:?}");
    project.ok(&["pull", "okta"]);
    assert_eq!(project.rows("okta_system"), 50);

    project.write("pull/mine.yml", b"description: x\nlog_source: okta_system\nrequests: 1\n");
    let output = project.run(&["pull", "okta"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(said.contains("unknown key `requests`") && said.contains("mine.yml:3:1"), "{said}");
}

const INTEL: &str = "lookups:\n  - name: bad\n    sql: >\n      SELECT threat.indicator.ip AS ip, name, \
    valid_from FROM (SELECT *, row_number() OVER (PARTITION BY id ORDER BY time DESC) AS version FROM \
    stix_indicators) WHERE version = 1 AND threat.indicator.ip IS NOT NULL\n    key: ip\n    kind: network\n    \
    columns: {name: name}\n    valid_from: valid_from\n";

const MEETS: &str = "title: A known bad address\nid: bad\nlog_source: plain\n\
    cel: list.contains(\"bad\", ip)\nlevel: high\ndedup: [ip]\n";

#[test]
fn indicators_of_a_taxii_server_are_a_lookup_table() {
    let vendor = Loopback::start(Vendor::Taxii, events(40, 5));
    let url = &vendor.url;
    let project = Project::ndjson(&format!(
        "detections: [./rules]\npull:\n  - {{name: intel, from: taxii, settings: {{url: '{url}', user: robot}}, \
         secrets: {{password: {{file: ./secret}}}}, begin: 2d}}\n"
    ));
    project.write("secret", SECRET.as_bytes());
    project.write("rules/intel.yml", INTEL.as_bytes());
    project.write("rules/bad.yml", MEETS.as_bytes());
    project.ok(&["pull", "intel"]);
    assert_eq!(project.rows("stix_indicators"), 40);
    let line = |ip: &str| format!("{{\"t\":\"2026-11-20T08:00:00Z\",\"ip\":\"{ip}\"}}\n");
    let lines = [line("203.0.113.7"), line("198.51.100.1"), line("203.0.113.39")].concat();
    project.write("in/a.ndjson", lines.as_bytes());
    project.ok(&["run", "--once"]);
    let mut met: Vec<_> =
        project.json(&["alerts"]).iter().map(|one| one["dedup"].clone()).collect();
    met.sort_by_key(ToString::to_string);
    assert_eq!(met.len(), 2, "{met:?}");
    assert!(met[0].to_string().contains("203.0.113.39"), "{met:?}");
    assert_eq!(project.rows("stix_indicators"), 40);
}

/// What the settings say twice, or what can't be.
#[test]
fn wrong_settings_are_refused() {
    for (settings, words) in [
        ("pull: [{name: list, from: okta}]", "can't name a pull"),
        ("pull: [{name: a, from: okta, every: 10s}]", "is not between 1 minute and 1 day"),
        ("pull: [{name: a, from: okta, begin: soon}]", "is no length of time"),
        ("pull: [{name: a, from: okta}, {name: a, from: okta}]", "two sources are called `a`"),
        ("pull: [{name: a, from: okta}]", "its input `token` is missing"),
        ("pull: [{name: a, from: okta, settings: {token: x}}]", "its input `token` is a secret"),
        ("pull: [{name: a, from: none}]", "there is no pull `none`"),
    ] {
        let output = project(settings).run(&["run", "--once"]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(words), "{settings}: {said}");
        assert!(!output.status.success());
    }
}
