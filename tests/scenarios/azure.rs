//! Containers: logs in one, the lake in another, on Azurite, which stands for Azure's Blob Storage.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::hmac;
use tempfile::TempDir;

use crate::harness::{Project, events, gzip, npm, until};

/// The one account that Azurite has, with the key that its documentation names.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq\
                   /K1SZFPTOtr/KBHBeksoGMGw==";

/// A running Azurite, ended when it goes out of scope.
struct Azurite {
    child: Child,
    address: String,
    _folder: TempDir,
}

impl Azurite {
    fn start() -> Option<Self> {
        let program = npm("azurite-blob")?;
        let folder = tempfile::tempdir().unwrap();
        // Whoever takes the port in between makes the start fail, not the test pass.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(program)
            .args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string(), "--silent"])
            .args(["--skipApiVersionCheck", "--disableTelemetry", "--location"])
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let azurite = Self { child, address: format!("127.0.0.1:{port}"), _folder: folder };
        until("Azurite", || TcpStream::connect(&azurite.address).ok());
        Some(azurite)
    }

    fn container(&self, name: &str) {
        self.put(&format!("/{name}"), Some("restype=container"), b"");
    }

    fn blob(&self, path: &str, body: &[u8]) {
        self.put(path, None, body);
    }

    /// A `PUT` that is signed with the account's key ("Authorize with Shared Key" in Azure's reference).
    fn put(&self, path: &str, query: Option<&str>, body: &[u8]) {
        let format = ["-u", "+%a, %d %b %Y %H:%M:%S GMT"];
        let date = Command::new("date").args(format).env("LC_ALL", "C").output().unwrap();
        let date = String::from_utf8(date.stdout).unwrap();
        let mut headers = vec![("x-ms-date", date.trim()), ("x-ms-version", "2021-08-06")];
        if query.is_none() {
            headers.insert(0, ("x-ms-blob-type", "BlockBlob"));
        }
        let length = if body.is_empty() { String::new() } else { body.len().to_string() };
        let signed: String =
            headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let parameters =
            query.map_or(String::new(), |query| format!("\n{}", query.replace('=', ":")));
        // The emulation has the account in its path, and so twice in what is signed.
        let text = format!(
            "PUT\n\n\n{length}\n\n\n\n\n\n\n\n\n{signed}/{ACCOUNT}/{ACCOUNT}{path}{parameters}"
        );
        let key = hmac::Key::new(hmac::HMAC_SHA256, &STANDARD.decode(KEY).unwrap());
        let signature = STANDARD.encode(hmac::sign(&key, text.as_bytes()));
        let headers: String =
            headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let query = query.map_or(String::new(), |query| format!("?{query}"));
        let head = format!(
            "PUT /{ACCOUNT}{path}{query} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\
             Content-Length: {}\r\n{headers}Authorization: SharedKey {ACCOUNT}:{signature}\r\n\r\n",
            self.address,
            body.len()
        );
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        assert!(reply.starts_with("HTTP/1.1 201"), "{path}: {reply}");
    }

    /// A project that reads `az://logs/app` into a lake in another container.
    fn project(&self) -> Project {
        let project = Project::on(
            "az://lake/siem",
            &format!(
                "log_sources: [./sources]\ncollect:\n  \
                 - {{name: s, log_source: plain, from: 'az://logs/app', settle_seconds: 0}}\n\
                 azure:\n  account: {ACCOUNT}\n  endpoint: 'http://{}/{ACCOUNT}'\n  \
                 allow_http: true\n  access_key: {{file: ./key}}",
                self.address
            ),
        );
        project.write("sources/plain.yml", b"format: {type: ndjson}\ntime: {field: t}\n");
        project.write("key", KEY.as_bytes());
        project
    }
}

impl Drop for Azurite {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn logs_and_lake_in_containers_are_read_written_and_looked_after() {
    let Some(azurite) = Azurite::start() else { return };
    azurite.container("logs");
    azurite.container("lake");
    azurite.blob("/logs/app/2026/a.ndjson.gz", &gzip(&events(0, 500)));
    azurite.blob("/logs/app/b.ndjson", &events(500, 100));
    azurite.blob("/logs/other/c.ndjson", &events(9_000, 100));
    let project = azurite.project();
    project.ok(&["run", "--once"]);
    assert_eq!(project.rows("plain"), 600);

    // One has grown, one is new, and a commit dies half-way.
    azurite.blob("/logs/app/b.ndjson", &events(500, 150));
    azurite.blob("/logs/app/d.ndjson", &events(650, 10));
    let crashed = project.run(&["run", "--once", "--crash-at", "uploaded"]);
    assert_eq!(crashed.status.code(), None, "it died by a signal");
    project.ok(&["run", "--once"]);
    project.ok(&["run", "--once"]);
    assert_eq!(project.number("SELECT count(DISTINCT n) FROM plain"), 660);
    assert_eq!(project.rows("plain"), 660, "what was read is not read again");
    project.ok(&["lake", "reconcile", "--unpack"]);

    let done = project.json(&["lake", "compact"]);
    assert_eq!((&done[0]["rows"], &done[0]["files_after"]), (&660.into(), &1.into()));
    let replayed = project.json(&["lake", "replay"]);
    assert_eq!((&replayed[0]["renewed"], &replayed[0]["left"]), (&660.into(), &0.into()));
    assert_eq!(project.rows("plain"), 660);
    project.ok(&["lake", "check"]);
    assert!(project.quarantined().is_empty());
}
