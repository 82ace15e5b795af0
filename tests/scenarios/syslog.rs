//! Syslog over the network, from sockets and from the daemons that send it in earnest.

use std::{
    fs::File,
    io::Write as _,
    net::{TcpStream, UdpSocket},
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::json;

use crate::harness::{Project, Running, debian, gzip, lacking, until};

const LISTENERS: &str = "ingest:\n  syslog:\n    \
    - {name: plain, listen: \"tcp://127.0.0.1:0\", log_source: linux_syslog}\n    \
    - {name: datagrams, listen: \"udp://127.0.0.1:0\", log_source: linux_syslog}\n";

const TLS_LISTENERS: &str = "    \
    - {name: tls, listen: \"tls://127.0.0.1:0\", log_source: linux_syslog, certificate: ./server.pem, \
       key: {file: ./server.key}}\n    \
    - {name: mutual, listen: \"tls://127.0.0.1:0\", log_source: linux_syslog, certificate: ./server.pem, \
       key: {file: ./server.key}, client_ca: ./ca.pem}\n";

/// How many messages daemons are given to send.
const COUNT: usize = 300;

fn count(project: &Project, condition: &str) -> u64 {
    project.number(&format!("SELECT count(*) AS n FROM linux_syslog WHERE {condition}"))
}

fn has_table(project: &Project) -> bool {
    !project.json(&["tables"]).is_empty()
}

#[test]
fn what_was_sent_is_stored_when_it_ends_in_good_order() {
    let project = Project::new(LISTENERS);
    let running = Running::start(&project, &[]);
    let mut stream = TcpStream::connect(&running.listeners["plain"]).unwrap();
    let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
    for n in 0..COUNT {
        let message = format!("<38>1 2026-11-24T08:00:00Z web shop {n} - - order {n}\nis paid");
        if n % 2 == 0 {
            write!(stream, "{} {message}", message.len()).unwrap();
        } else {
            writeln!(stream, "<38>Nov 24 08:00:00 web shop[{n}]: order {n}").unwrap();
        }
        datagrams.send_to(message.as_bytes(), &running.listeners["datagrams"]).unwrap();
    }
    running.end();
    assert_eq!(project.rows("linux_syslog"), 2 * COUNT as u64);
    assert_eq!(count(&project, "message LIKE 'order %\nis paid'"), 3 * COUNT as u64 / 2);
    let one = "SELECT syslog.procid AS id, syslog_sender AS s FROM linux_syslog \
        WHERE message = 'order 7'";
    assert_eq!(project.json(&["sql", one]), [json!({"id": "7", "s": "127.0.0.1"})]);
    project.ledger_adds_up();
}

#[test]
fn a_record_without_a_time_goes_to_the_quarantine_and_back() {
    let settings = "log_sources: [./sources]\ningest:\n  syslog:\n    \
        - {name: s, listen: \"tcp://127.0.0.1:0\", log_source: strict}\n";
    let project = Project::new(settings);
    let source = "format: syslog\ntime: {field: syslog.timestamp, format: syslog, timezone: UTC}\n";
    project.write("sources/strict.yml", source.as_bytes());
    let running = Running::start(&project, &[]);
    let mut stream = TcpStream::connect(&running.listeners["s"]).unwrap();
    stream.write_all(b"18 <38>no time\nat all<38>Nov 24 08:00:00 h p: fine\n").unwrap();
    running.end();
    assert_eq!(project.rows("strict"), 1);
    let quarantined = project.quarantined();
    assert_eq!(quarantined.len(), 1, "{quarantined:?}");
    let lenient = format!("{}, missing: ingest_time}}\n", source.trim_end().trim_end_matches('}'));
    project.write("sources/strict.yml", lenient.as_bytes());
    project.ok(&["quarantine", "replay", "--all"]);
    let lines = project.json(&["sql", "SELECT message AS m FROM strict ORDER BY m"]);
    assert_eq!(lines, [json!({"m": "fine"}), json!({"m": "no time\nat all"})]);
    project.ledger_adds_up();
}

#[test]
fn a_mixed_stream_is_sorted_and_the_rest_is_kept_whole() {
    let settings = "ingest:\n  syslog:\n    - name: net\n      listen: tcp://127.0.0.1:0\n      route:\n        \
        - {when: 'syslog.appname == \"sshd\"', log_source: linux_syslog}\n        \
        - {when: 'original.contains(\"%ASA-\")', log_source: cisco_asa}\n        \
        - {when: 'eventType.startsWith(\"user.\")', log_source: okta_system}\n";
    let project = Project::new(settings);
    let running = Running::start(&project, &[]);
    let mut stream = TcpStream::connect(&running.listeners["net"]).unwrap();
    let lines = "<38>Nov 24 08:00:00 web sshd[1]: Accepted publickey for anna from 192.0.2.1 port 1 ssh2\n\
        <166>Nov 24 2026 08:00:00 fw : %ASA-6-302014: Teardown TCP connection 1 for outside:192.0.2.1/1 to inside:10.0.0.1/2 duration 0:00:01 bytes 3 TCP FINs\n\
        {\"eventType\":\"user.session.start\",\"published\":\"2026-11-24T08:00:00Z\",\"uuid\":\"u\"}\n\
        <38>Nov 24 08:00:00 web shop: order 1\n\
        14 <38>any\nthing?";
    stream.write_all(lines.as_bytes()).unwrap();
    running.end();
    for table in ["linux_syslog", "cisco_asa", "okta_system"] {
        assert_eq!(project.rows(table), 1, "{table}");
    }
    let sql = "SELECT original AS o FROM unclassified ORDER BY o";
    let expected = ["<38>Nov 24 08:00:00 web shop: order 1", "<38>any\nthing?"];
    assert_eq!(project.json(&["sql", sql]), expected.map(|line| json!({"o": line})));
    let words = ["sources", "suggest", "--unclassified", "--where", "syslog.appname = 'shop'"];
    let yaml = project.json(&words)[0]["yaml"].as_str().unwrap().to_owned();
    assert!(
        yaml.contains("\nformat: syslog\ntime: {field: syslog.timestamp, format: syslog"),
        "{yaml}"
    );
    assert!(project.quarantined().is_empty());
    project.ledger_adds_up();
}

#[test]
fn a_suggested_log_source_reads_the_file() {
    let project = Project::ndjson("");
    let line =
        "{\"at\":\"2026-11-24T08:00:00Z\",\"action\":\"export\",\"client\":\"203.0.113.9\"}\n";
    let file = project.write("in/shop.ndjson.gz", &gzip(line.repeat(3).as_bytes()));
    let yaml = project.ok(&["sources", "suggest", &file.display().to_string()]);
    project.write("sources/plain.yml", yaml.as_bytes());
    project.ok(&["run", "--once"]);
    assert_eq!(project.rows("plain"), 3);
    let sql = "SELECT count(*) AS n FROM plain WHERE source.ip = '203.0.113.9'";
    assert_eq!(project.number(sql), 3);
}

/// A project with certificates of its own, in the names that listeners and senders use; `None` where
/// there is no `openssl`.
fn certified() -> Option<Project> {
    let project = Project::new(&format!("{LISTENERS}{TLS_LISTENERS}"));
    let openssl = |words: &str| {
        let words = words.split_whitespace();
        let output = Command::new("openssl").args(words).current_dir(project.path()).output();
        let output = output.ok()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        Some(())
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    let made = openssl(&format!("req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=ca -days 2"));
    if made.is_none() {
        lacking("openssl");
        return None;
    }
    project.write("names", b"subjectAltName=DNS:localhost,IP:127.0.0.1\n");
    for name in ["server", "client"] {
        let subject = if name == "server" { "/CN=localhost" } else { "/CN=sender" };
        openssl(&format!("req {key} -keyout {name}.key -out {name}.csr -subj {subject}"))?;
        openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out {name}.pem \
             -days 2 -extfile names"
        ))?;
    }
    Some(project)
}

/// A daemon, ended when it goes out of scope.
struct Daemon(Child);

impl Daemon {
    fn start(mut command: Command, log: &Path) -> Self {
        let log = File::create(log).unwrap();
        let command = command.stdout(Stdio::null()).stderr(log);
        Self(command.spawn().unwrap())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.0.kill().unwrap_or(());
        assert!(self.0.wait().is_ok());
    }
}

/// What the guide tells people to write for a daemon, with this test's addresses and files.
fn guide(daemon: &str, port: &str, authority: &str) -> String {
    let guide = include_str!("../../docs/guides/sending-logs.md");
    let (_, after) = guide.split_once(&format!("\n{daemon}")).unwrap();
    let (_, block) = after.split_once("```text\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    for part in ["6514", "\"dab\"", "/etc/ssl/dab-ca.pem"] {
        assert!(block.contains(part), "the guide no longer has {part}");
    }
    let named = block.replace("PermittedPeers=\"dab\"", "PermittedPeers=\"localhost\"");
    let named = named.replace("queue.filename=\"dab\"", "queue.filename=\"waiting\"");
    let named = named.replace("\"dab\"", "\"127.0.0.1\"").replace("6514", port);
    named.replace("/etc/ssl/dab-ca.pem", authority)
}

/// Lines for a daemon to read and send.
fn lines(project: &Project) {
    let lines: String = (0..COUNT).map(|n| format!("order {n} is paid\n")).collect();
    project.write("orders.log", lines.as_bytes());
}

fn port(running: &Running, listener: &str) -> String {
    running.listeners[listener].rsplit_once(':').unwrap().1.to_owned()
}

/// Waits until the messages of all four ways are there.
fn all_arrive(project: &Project, running: Running, log: &Path) {
    let all = ["tls", "mutual", "plain", "datagrams"];
    let distinct = |tag: &str| {
        let sql = format!(
            "SELECT count(DISTINCT message) AS n FROM linux_syslog WHERE syslog.appname = '{tag}'"
        );
        project.number(&sql)
    };
    let arrived = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        until("the messages", || {
            let is_there = |tag: &&str| distinct(tag) == COUNT as u64;
            (has_table(project) && all.iter().all(is_there)).then_some(())
        });
    }));
    let counts: Vec<u64> = all.iter().map(|tag| distinct(tag)).collect();
    let said = std::fs::read_to_string(log).unwrap_or_default();
    assert!(arrived.is_ok(), "{counts:?}\n{said}");
    running.end();
    assert_eq!(count(project, "message LIKE 'order % is paid'"), 4 * COUNT as u64);
    assert!(project.quarantined().is_empty());
    project.ledger_adds_up();
}

#[test]
fn rsyslog_sends_by_tls_tcp_and_udp() {
    let Some((mut command, folder)) = debian("usr/sbin/rsyslogd") else { return };
    let Some(project) = certified() else { return };
    let running = Running::start(&project, &[]);
    lines(&project);
    let at = |name: &str| project.path().join(name).display().to_string();
    let input = |tag: &str| {
        format!(
            "input(type=\"imfile\" file=\"{}\" tag=\"{tag}:\" ruleset=\"{tag}\" \
             reopenOnTruncate=\"on\")\n",
            at(&format!("{tag}.log"))
        )
    };
    let action = |tag: &str, more: &str| {
        std::fs::copy(at("orders.log"), at(&format!("{tag}.log"))).unwrap();
        let port = port(&running, tag);
        format!(
            "ruleset(name=\"{tag}\") {{ action(type=\"omfwd\" target=\"127.0.0.1\" port=\"{port}\" {more}) }}\n{}",
            input(tag)
        )
    };
    let guided = guide("rsyslog", &port(&running, "tls"), &at("ca.pem"));
    let (global, tls) = guided.split_once("action(").unwrap();
    let certificate = format!(
        " defaultNetstreamDriverCertFile=\"{}\" defaultNetstreamDriverKeyFile=\"{}\")",
        at("client.pem"),
        at("client.key")
    );
    let global = global.trim_end().replace(')', &certificate);
    let global = global.replace("/var/spool/rsyslog", &project.path().display().to_string());
    std::fs::copy(at("orders.log"), at("tls.log")).unwrap();
    let mutual = "protocol=\"tcp\" tcp_framing=\"octet-counted\" \
        template=\"RSYSLOG_SyslogProtocol23Format\" streamDriver=\"gtls\" streamDriverMode=\"1\" \
        streamDriverAuthMode=\"x509/name\" streamDriverPermittedPeers=\"localhost\"";
    let config = format!(
        "{global}\nmodule(load=\"imfile\")\nruleset(name=\"tls\") {{ action({tls} }}\n{}{}{}{}",
        input("tls"),
        action("mutual", mutual),
        action("plain", "protocol=\"tcp\" template=\"RSYSLOG_TraditionalForwardFormat\""),
        action("datagrams", "protocol=\"udp\" template=\"RSYSLOG_SyslogProtocol23Format\""),
    );
    project.write("rsyslog.conf", config.as_bytes());
    let modules = modules(&folder, "rsyslog");
    command.args(["-n", "-i", &at("rsyslog.pid"), "-f", &at("rsyslog.conf"), "-M", &modules]);
    let log = project.path().join("rsyslog.log");
    let daemon = Daemon::start(command, &log);
    all_arrive(&project, running, &log);
    drop(daemon);
}

#[test]
fn syslog_ng_sends_by_tls_tcp_and_udp() {
    let Some((mut command, folder)) = debian("usr/sbin/syslog-ng") else { return };
    let Some(project) = certified() else { return };
    let running = Running::start(&project, &[]);
    lines(&project);
    let at = |name: &str| project.path().join(name).display().to_string();
    let path = |tag: &str, destination: &str| {
        std::fs::copy(at("orders.log"), at(&format!("{tag}.log"))).unwrap();
        let port = port(&running, tag);
        let destination = destination.replace("PORT", &format!("port({port})"));
        format!(
            "log {{ source {{ file(\"{}\" program-override(\"{tag}\") flags(no-parse)); }}; \
             destination {{ {destination} }}; }};\n",
            at(&format!("{tag}.log"))
        )
    };
    let mutual = format!(
        "syslog(\"127.0.0.1\" transport(tls) PORT tls(ca-file(\"{}\") cert-file(\"{}\") \
         key-file(\"{}\") peer-verify(required-trusted)));",
        at("ca.pem"),
        at("client.pem"),
        at("client.key")
    );
    std::fs::copy(at("orders.log"), at("tls.log")).unwrap();
    let guided = format!(
        "source s_src {{ file(\"{}\" program-override(\"tls\") flags(no-parse)); }};\n{}",
        at("tls.log"),
        guide("syslog-ng", &port(&running, "tls"), &at("ca.pem"))
    );
    let config = format!(
        "@version: 3.38\n{guided}{}{}{}",
        path("mutual", &mutual),
        path("plain", "network(\"127.0.0.1\" transport(tcp) PORT);"),
        path("datagrams", "syslog(\"127.0.0.1\" transport(udp) PORT);"),
    );
    project.write("syslog-ng.conf", config.as_bytes());
    let modules = folder.join("usr/lib/syslog-ng/3.38").display().to_string();
    command.args(["-F", "--no-caps", "-e", "-f", &at("syslog-ng.conf"), "-R", &at("persist")]);
    command.args(["-p", &at("syslog-ng.pid"), "-c", &at("control"), "--module-path", &modules]);
    let log = project.path().join("syslog-ng.log");
    let daemon = Daemon::start(command, &log);
    all_arrive(&project, running, &log);
    drop(daemon);
}

/// The folder of a daemon's modules.
fn modules(folder: &Path, name: &str) -> String {
    let libraries = std::fs::read_dir(folder.join("usr/lib")).unwrap();
    let mut candidates = libraries.map(|entry| entry.unwrap().path().join(name));
    candidates.find(|path| path.is_dir()).unwrap().display().to_string()
}

#[test]
fn senders_without_a_certificate_are_turned_away() {
    let Some(project) = certified() else { return };
    let running = Running::start(&project, &[]);
    let send = |listener: &str, more: &[&str]| {
        let mut child = Command::new("openssl")
            .args([
                "s_client",
                "-quiet",
                "-no_ign_eof",
                "-CAfile",
                "ca.pem",
                "-verify_return_error",
            ])
            .args(["-connect", &running.listeners[listener]])
            .args(more)
            .current_dir(project.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let line = format!("<38>1 2026-11-24T08:00:00Z web {listener} - - - {}\n", more.len());
        let mut input = child.stdin.take().unwrap();
        // One that is turned away may be gone already.
        input.write_all(line.as_bytes()).unwrap_or(());
        drop(input);
        child.wait().unwrap();
    };
    let own = ["-cert", "client.pem", "-key", "client.key"];
    send("mutual", &[]);
    send("mutual", &own);
    send("tls", &[]);
    running.end();
    let sql = "SELECT syslog.appname AS a, message AS m FROM linux_syslog ORDER BY a";
    let expected = [json!({"a": "mutual", "m": "4"}), json!({"a": "tls", "m": "0"})];
    assert_eq!(project.json(&["sql", sql]), expected);
    let status = project.ok(&["status"]);
    assert!(status.contains("peer sent no certificates"), "{status}");
}

#[test]
fn journald_uploads_its_entries() {
    let Some((mut remote, _)) = debian("lib/systemd/systemd-journal-remote") else { return };
    let Some((mut upload, _)) = debian("lib/systemd/systemd-journal-upload") else { return };
    let project = Project::new(
        "listen: 127.0.0.1:0\ningest: {tokens: [{name: all, token: {file: ./token}}]}\n",
    );
    project.write("token", b"secret\n");
    let entry = |n: usize| {
        format!(
            "__CURSOR=s=0;i={n}\n__REALTIME_TIMESTAMP={}\n__MONOTONIC_TIMESTAMP={n}\n\
             _BOOT_ID=f2b5a6c8a8b34d0c9d3e8f7a6b5c4d3e\n_HOSTNAME=web\nSYSLOG_IDENTIFIER=shop\nPRIORITY=6\n\
             MESSAGE=order {n} is paid\n\n",
            1_795_507_200_000_000_u64 + n as u64
        )
    };
    let entries: String = (1..=COUNT).map(entry).collect();
    let export = project.write("entries.export", entries.as_bytes());
    let journal = project.path().join("shop.journal");
    let export = File::open(export).unwrap();
    let made = remote.arg("--output").arg(&journal).arg("-").stdin(export).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut running = Running::start(&project, &[]);
    let state = project.path().join("state");
    upload.arg(format!("--url=http://any:secret@{}", running.address));
    upload.arg(format!("--file={}", journal.display()));
    upload.arg(format!("--save-state={}", state.display()));
    let log = project.path().join("upload.log");
    let daemon = Daemon::start(upload, &log);
    // It notes how far it was when it is answered, and waits for more.
    until("the upload", || {
        let noted = std::fs::read_to_string(&state).unwrap_or_default();
        noted.contains("LAST_CURSOR=").then_some(())
    });
    drop(daemon);
    running.kill();
    assert_eq!(project.rows("journald"), COUNT as u64);
    let sql = "SELECT count(DISTINCT MESSAGE) AS n FROM journald WHERE SYSLOG_IDENTIFIER = 'shop'";
    assert_eq!(project.number(sql), COUNT as u64);
}
