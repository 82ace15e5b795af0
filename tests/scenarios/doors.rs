//! Events by the protocols of others, from their own clients where those can be installed.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::{
    harness::{Project, Running, gzip, tool, until},
    http::post,
};

/// A token for all, one for nginx alone, and one that may send one request a second.
fn project() -> Project {
    let project = Project::new(
        "listen: 127.0.0.1:0\nlog_sources: [./sources]\ningest:\n  routes:\n    \
         - {names: [\"web-*\"], via: elastic, log_source: nginx_access}\n    \
         - {names: [plain], log_source: plain}\n  tokens:\n    \
         - {name: all, token: {file: ./token}}\n    \
         - {name: nginx, token: {file: ./nginx-token}, log_sources: [nginx_access]}\n    \
         - {name: slow, token: {file: ./slow-token}, requests_per_second_max: 1}",
    );
    project.write("sources/plain.yml", b"format: {type: ndjson}\ntime: {field: t}\n");
    project.write("token", b"secret\n");
    project.write("nginx-token", b"nginx-secret\n");
    project.write("slow-token", b"slow-secret\n");
    project
}

const SPLUNK: &str = "Authorization: Splunk secret\r\n";
const BEARER: &str = "Authorization: Bearer secret\r\n";
const NGINX_LINE: &str =
    r#"192.0.2.1 - kim [20/Nov/2026:08:00:00 +0000] "GET / HTTP/1.1" 200 612 "-" "curl/8""#;

#[test]
fn splunks_collector_takes_events_raw_lines_and_channels() {
    let project = project();
    let mut running = Running::start(&project, &[]);
    let at = &running.address;
    let event = json!({"time": 1_795_507_200, "host": "h", "sourcetype": "app", "event": "done"});
    let routed = json!({"host": "web1", "sourcetype": "plain",
        "event": {"t": "2026-11-20T08:00:00Z", "n": 1}});
    let bad = json!({"sourcetype": "plain", "event": {"n": 2}});
    let body = format!("{event}{routed}\n{bad}");
    let channel = format!("{SPLUNK}X-Splunk-Request-Channel: c1\r\n");
    let (status, reply) = post(at, "/services/collector/event", &channel, body.as_bytes());
    assert_eq!((status, &reply["text"], &reply["code"]), (200, &"Success".into(), &0.into()));
    assert_eq!((&reply["ackId"], &reply["quarantined"]), (&0.into(), &1.into()), "{reply}");
    let path = "/services/collector/ack?channel=c1";
    let (_, reply) = post(at, path, SPLUNK, br#"{"acks":[0,1]}"#);
    assert_eq!(reply["acks"], json!({"0": true, "1": false}));

    let lines = format!("{NGINX_LINE}\n{NGINX_LINE}\n");
    let nginx = "Authorization: Splunk nginx-secret\r\nContent-Encoding: gzip\r\n";
    let path = "/services/collector/raw?host=web1";
    assert_eq!(post(at, path, nginx, &gzip(lines.as_bytes())).0, 200);
    assert_eq!(post(at, "/services/collector", SPLUNK, br#"{"event":"x"}"#).0, 200);
    running.kill();
    assert_eq!(project.rows("splunk_hec"), 2);
    assert_eq!(project.rows("plain"), 1);
    assert_eq!(project.rows("nginx_access"), 2);
    let sql = "SELECT host.name AS h, hec.event AS e FROM splunk_hec WHERE hec.sourcetype = 'app'";
    assert_eq!(project.json(&["sql", sql]), [json!({"h": "h", "e": "done"})]);
    let sql = "SELECT hec.host AS h, n FROM plain";
    assert_eq!(project.json(&["sql", sql]), [json!({"h": "web1", "n": 1})]);
    let sql = "SELECT count(*) AS n FROM nginx_access WHERE hec.host = 'web1'";
    assert_eq!(project.number(sql), 2, "what is said beside a line is kept");
    assert_eq!(project.quarantined().len(), 1);
    project.ledger_adds_up();
}

#[test]
fn splunks_collector_says_why_in_splunks_numbers() {
    let project = project();
    let running = Running::start(&project, &[]);
    let at = &running.address;
    for (headers, body, status, code, number) in [
        ("", "{}", 401, 2, Value::Null),
        ("Authorization: Splunk wrong\r\n", "{}", 401, 4, Value::Null),
        (SPLUNK, "", 400, 5, Value::Null),
        (SPLUNK, "{\"event\":1}{\"event\"", 400, 6, 1.into()),
        (SPLUNK, "{\"event\":1}{\"host\":\"h\"}", 400, 12, 1.into()),
        (SPLUNK, "{\"event\":\"\"}", 400, 13, 0.into()),
    ] {
        let (got, reply) = post(at, "/services/collector/event", headers, body.as_bytes());
        assert_eq!((got, &reply["code"]), (status, &code.into()), "{body}: {reply}");
        assert_eq!(reply["invalid-event-number"], number, "{reply}");
        assert!(reply["problem"]["code"].is_string(), "{reply}");
    }
    assert!(project.json(&["tables"]).is_empty(), "nothing of it was stored");
}

#[test]
fn bulk_requests_are_answered_item_by_item() {
    let project = project();
    let mut running = Running::start(&project, &[]);
    let at = &running.address;
    let document = json!({"@timestamp": "2026-11-20T08:00:00Z", "message": "m"});
    let line = json!({"message": NGINX_LINE, "agent": "a"});
    let body = format!(
        "{{\"index\":{{\"_index\":\"app\",\"_id\":\"7\"}}}}\n{document}\n\
         {{\"create\":{{\"_index\":\"web-1\"}}}}\n{line}\n\
         {{\"delete\":{{\"_index\":\"app\",\"_id\":\"7\"}}}}\n\
         {{\"index\":{{\"_index\":\"app\"}}}}\nno JSON\n\
         {{\"index\":{{\"_index\":\"plain\"}}}}\n{{\"t\":\"2026-11-20T08:00:00Z\"}}\n\n"
    );
    let (status, reply) = post(at, "/_bulk", BEARER, body.as_bytes());
    assert_eq!((status, &reply["errors"]), (200, &true.into()), "{reply}");
    let items = reply["items"].as_array().unwrap();
    let item = |n: usize| items[n].as_object().unwrap().iter().next().unwrap();
    let statuses: Vec<_> =
        (0..5).map(|n| (item(n).0.as_str(), item(n).1["status"].clone())).collect();
    let expected =
        [("index", 201), ("create", 201), ("delete", 400), ("index", 400), ("index", 201)];
    assert_eq!(statuses, expected.map(|(name, status)| (name, status.into())), "{reply}");
    assert_eq!(item(0).1["_id"], "7");
    assert_eq!(item(3).1["error"]["type"], "document_parsing_exception");
    assert_eq!(post(at, "/plain/_bulk", BEARER, b"rubbish\n").0, 400);
    let (status, reply) = post(at, "/app/_doc", BEARER, document.to_string().as_bytes());
    assert_eq!((status, &reply["result"]), (201, &"created".into()));
    running.kill();
    assert_eq!(project.rows("elastic_bulk"), 2);
    assert_eq!(project.rows("plain"), 1);
    let sql = "SELECT agent, elastic.index AS i FROM nginx_access WHERE source.ip = '192.0.2.1'";
    assert_eq!(project.json(&["sql", sql]), [json!({"agent": "a", "i": "web-1"})]);
    assert_eq!(project.quarantined().len(), 1);
    project.ledger_adds_up();
}

#[test]
fn opentelemetrys_records_and_journald_entries_are_taken() {
    let project = project();
    let mut running = Running::start(&project, &[]);
    let at = &running.address;
    let record =
        |body: &str| json!({"timeUnixNano": "1795507200000000000", "body": {"stringValue": body}});
    let logs = |service: &str, body: &str| {
        json!({"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]},
            "scopeLogs": [{"logRecords": [record(body)]}]})
    };
    let body = json!({"resourceLogs": [
        logs("shop", "paid"),
        logs("plain", r#"{"t":"2026-11-20T08:00:00Z"}"#),
        logs("plain", "rubbish"),
    ]});
    let json = format!("{BEARER}Content-Type: application/json\r\n");
    let (status, reply) = post(at, "/v1/logs", &json, body.to_string().as_bytes());
    assert_eq!((status, &reply["partialSuccess"]["rejectedLogRecords"]), (200, &"1".into()));
    assert_eq!(post(at, "/v1/logs", &json, b"{").1["code"], 3);
    assert_eq!(post(at, "/v1/logs", BEARER, b"{}").0, 415);
    let entry =
        b"__REALTIME_TIMESTAMP=1795507200000000\nMESSAGE=hi\nRAW\n\x02\0\0\0\0\0\0\0\x00\xff\n\n";
    assert_eq!(post(at, "/upload", BEARER, entry).0, 202);
    assert_eq!(post(at, "/upload", BEARER, b"A=1\n\nB\n").0, 400);
    running.kill();
    let sql = "SELECT body, resource['service.name'] AS s FROM otel_logs";
    assert_eq!(project.json(&["sql", sql]), [json!({"body": "paid", "s": "shop"})]);
    assert_eq!((project.rows("plain"), project.rows("journald")), (1, 1));
    project.ledger_adds_up();
}

#[test]
fn a_token_that_sends_too_much_is_told_to_wait() {
    let project = project();
    let running = Running::start(&project, &[]);
    let slow = "Authorization: Bearer slow-secret\r\n";
    let body = b"{\"t\":\"2026-11-20T08:00:00Z\"}";
    assert_eq!(post(&running.address, "/ingest/plain", slow, body).0, 200);
    // Commits take a quarter of a second: one of the next few comes too soon.
    let refused = (0..20).map(|_| post(&running.address, "/ingest/plain", slow, body));
    let (_, reply) = refused.into_iter().find(|(status, _)| *status == 429).unwrap();
    assert_eq!(reply["code"], "DAB0326");
}

/// Runs a Python program that sends logs with a client of others.
fn python(script: &str, address: &str) -> Option<()> {
    let python: PathBuf = tool("python")?;
    let output = Command::new(python)
        .args(["-c", script, address])
        .env("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "all")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    Some(())
}

#[test]
fn elasticsearchs_own_client_stores_documents() {
    let project = project();
    let mut running = Running::start(&project, &[]);
    let script = r#"
import sys
from elasticsearch import Elasticsearch, helpers
for auth in ({"api_key": "secret"}, {"api_key": ("id", "secret")}, {"basic_auth": ("any", "secret")}):
    client = Elasticsearch("http://" + sys.argv[1], **auth)
    assert client.info()["version"]["number"].startswith("8."), client.info()
    assert client.cluster.health()["status"] == "green"
    client.indices.put_index_template(name="app", index_patterns=["app*"])
    documents = ({"_index": "app", "@timestamp": "2026-11-20T08:00:00Z", "n": n} for n in range(100))
    assert helpers.bulk(client, documents) == (100, [])
    assert client.index(index="app", document={"n": 100})["result"] == "created"
"#;
    if python(script, &running.address).is_none() {
        return;
    }
    running.kill();
    assert_eq!(project.rows("elastic_bulk"), 303);
}

#[test]
fn a_handler_for_splunk_sends_log_lines() {
    let project = project();
    let running = Running::start(&project, &[]);
    let script = r#"
import logging, sys
from splunk_handler import SplunkHandler
host, port = sys.argv[1].split(":")
handler = SplunkHandler(host=host, port=port, token="secret", index="main", sourcetype="app",
    protocol="http", verify=False, flush_interval=1)
logger = logging.getLogger("shop")
logger.addHandler(handler)
for n in range(50):
    logger.warning("order %d", n)
logging.shutdown()
"#;
    if python(script, &running.address).is_none() {
        return;
    }
    until("the lines", || (project.rows("splunk_hec") == 50).then_some(()));
    let sql = "SELECT count(DISTINCT hec.event) AS n FROM splunk_hec WHERE hec.index = 'main'";
    assert_eq!(project.number(sql), 50);
}

/// The beginning of a program that sends the same fifty log records twice by an exporter of
/// OpenTelemetry's: with either form of the token, compressed and plain.
const OPENTELEMETRY: &str = r#"
import logging, sys
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
def send(exporter, endpoint, options, authorization, gzip, plain):
    provider = LoggerProvider(resource=Resource.create({"service.name": "shop"}))
    for headers, compression in (({authorization: "Bearer secret"}, gzip),
            ({"x-api-key": "secret"}, plain)):
        sender = exporter(endpoint=endpoint, headers=headers, compression=compression, **options)
        provider.add_log_record_processor(BatchLogRecordProcessor(sender))
    logger = logging.getLogger("shop")
    logger.addHandler(LoggingHandler(logger_provider=provider))
    for n in range(50):
        logger.warning("order %d", n, extra={"n": n})
    assert provider.force_flush()
    provider.shutdown()
"#;

#[test]
fn opentelemetrys_exporter_sends_log_records() {
    let project = project();
    let mut running = Running::start(&project, &[]);
    let script = r#"
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
send(OTLPLogExporter, "http://" + sys.argv[1] + "/v1/logs", {}, "Authorization",
    Compression.Gzip, Compression.NoCompression)
"#;
    if python(&(OPENTELEMETRY.to_owned() + script), &running.address).is_none() {
        return;
    }
    running.kill();
    assert_eq!(project.rows("otel_logs"), 100);
    let sql = "SELECT count(DISTINCT body) AS n FROM otel_logs \
        WHERE resource['service.name'] = 'shop' AND severity_text = 'WARN'";
    assert_eq!(project.number(sql), 50);
}

#[test]
fn opentelemetrys_exporter_sends_log_records_by_grpc() {
    let project = project();
    let mut running = Running::start(&project, &[]);
    let script = r#"
import grpc
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
send(OTLPLogExporter, "http://" + sys.argv[1], {"insecure": True}, "authorization",
    grpc.Compression.Gzip, grpc.Compression.NoCompression)

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import LogsServiceStub
with grpc.insecure_channel(sys.argv[1]) as channel:
    try:
        LogsServiceStub(channel).Export(ExportLogsServiceRequest(), timeout=20)
        raise AssertionError("it was let in without a token")
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.UNAUTHENTICATED, error
        assert "DAB0711" in error.details(), error
    metadata = (("authorization", "Bearer secret"),)
    LogsServiceStub(channel).Export(ExportLogsServiceRequest(), timeout=20, metadata=metadata)
"#;
    if python(&(OPENTELEMETRY.to_owned() + script), &running.address).is_none() {
        return;
    }
    running.kill();
    assert_eq!(project.rows("otel_logs"), 100);
    let sql = "SELECT count(DISTINCT body) AS n FROM otel_logs \
        WHERE resource['service.name'] = 'shop' AND severity_text = 'WARN'";
    assert_eq!(project.number(sql), 50);
}
