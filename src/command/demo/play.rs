//! Plays the scenario: files that grow, files that are dropped, and events that are posted.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::{self, Write as _},
    net::SocketAddr,
    path::Path,
    time::Duration,
};

use base::{Problem, Timestamp};
use flate2::{Compression, write::GzEncoder};
use notify::{HttpClient as _, ReqwestClient};
use serve::{ServeError, Stop};
use testkit::{Generated, Scenario};

use super::{PLAY, STORY, project::Project, show::Watch};

/// How often something is written.
const TICK: Duration = Duration::from_millis(200);

/// What was played.
#[derive(Debug, Default)]
pub(super) struct Played {
    pub(super) records: u64,
    pub(super) bytes: u64,
}

/// Plays it all, at the pace of the demo.
pub(super) async fn play(
    scenario: Scenario,
    start: Timestamp,
    project: &Project,
    address: SocketAddr,
    watch: &Watch,
    mut stop: Stop,
) -> Result<Played, Problem> {
    let client = ReqwestClient::new()?;
    let mut played = Played::default();
    let mut records = scenario.peekable();
    let ticks = u32::try_from(PLAY.as_millis() / TICK.as_millis()).unwrap_or(1);
    for tick in 1..=ticks {
        if stop.is_stopped() {
            break;
        }
        let until = start.plus(STORY.saturating_mul(tick) / ticks);
        let mut lines: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        while let Some(record) = records.next_if(|r: &Generated| tick == ticks || r.time < until) {
            played.records += 1;
            played.bytes += record.line.len() as u64 + 1;
            lines.entry(record.log_source).or_default().push(record.line);
        }
        for (log_source, lines) in lines {
            deliver(log_source, &lines, tick, project, (&client, address)).await?;
        }
        watch.progress(played.records);
        tokio::select! {
            () = tokio::time::sleep(TICK) => {}
            () = stop.stopped() => {}
        }
    }
    Ok(played)
}

async fn deliver(
    log_source: &str,
    lines: &[String],
    tick: u32,
    project: &Project,
    (client, address): (&ReqwestClient, SocketAddr),
) -> Result<(), Problem> {
    let incoming = &project.incoming;
    let written = match log_source {
        "okta_system" => return post(client, address, &project.token, lines).await,
        "aws_cloudtrail" => drop_file(&incoming.join("cloudtrail"), tick, lines),
        "windows_events" => append(&incoming.join("windows/events.ndjson"), lines),
        "nginx_access" => append(&incoming.join("nginx/access.log"), lines),
        _ => append(&incoming.join("sshd/auth.log"), lines),
    };
    Ok(written.map_err(|error| failed(&error))?)
}

fn failed(error: &dyn std::error::Error) -> ServeError {
    ServeError::Task { task: "the demo's player".into(), reason: error.to_string() }
}

fn append(path: &Path, lines: &[String]) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all((lines.join("\n") + "\n").as_bytes())
}

/// As CloudTrail does: a gzipped file that appears whole.
fn drop_file(folder: &Path, tick: u32, lines: &[String]) -> io::Result<()> {
    let path = folder.join(format!("larkspur_CloudTrail_{tick:04}.json.gz"));
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    write!(encoder, "{{\"Records\":[{}]}}", lines.join(","))?;
    let hidden = path.with_extension("part");
    fs::write(&hidden, encoder.finish()?)?;
    fs::rename(hidden, path)
}

async fn post(
    client: &ReqwestClient,
    address: SocketAddr,
    token: &str,
    lines: &[String],
) -> Result<(), Problem> {
    let text = format!("http://{address}/ingest/okta_system");
    let url = url::Url::parse(&text).map_err(|error| failed(&error))?;
    let headers = [
        ("authorization".to_owned(), format!("Bearer {token}")),
        ("content-type".to_owned(), "application/x-ndjson".to_owned()),
    ];
    let reply = client.post(&url, &headers, lines.join("\n").as_bytes()).await;
    let reply = reply.map_err(|error| failed(&error))?;
    if reply.status == 200 {
        return Ok(());
    }
    let reason = format!("posting events was answered with {}", reply.status);
    Err(ServeError::Task { task: "the demo's player".into(), reason }.into())
}
