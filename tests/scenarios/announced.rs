//! Objects that S3 announces in a queue of SQS, by itself, through SNS and through `EventBridge`, on an emulation of
//! all of them.

use serde_json::{Value, json};

use crate::{
    harness::{Project, Running, events, gzip, until},
    s3::Emulation,
};

const ACCOUNT: &str = "000000000000";

/// A bucket that announces its objects.
struct Cloud {
    emulation: Emulation,
}

impl Cloud {
    fn start() -> Option<Self> {
        let cloud = Self { emulation: Emulation::start()? };
        cloud.emulation.put("/logs", b"");
        cloud.sqs("CreateQueue", &json!({"QueueName": "logs"}));
        Some(cloud)
    }

    fn url(&self) -> String {
        format!("http://{}/{ACCOUNT}/logs", self.emulation.address)
    }

    fn sqs(&self, action: &str, body: &Value) -> Value {
        let headers = [
            ("X-Amz-Target", &*format!("AmazonSQS.{action}")),
            ("Content-Type", "application/x-amz-json-1.0"),
            (
                "Authorization",
                "AWS4-HMAC-SHA256 Credential=test/20261130/us-east-1/sqs/aws4_request",
            ),
        ];
        let answer = self.emulation.ask("POST", "/", &headers, body.to_string().as_bytes());
        serde_json::from_str(&answer).unwrap_or_default()
    }

    /// Lets whoever it is put messages into the queue.
    fn open_queue(&self) {
        let policy = json!({"Statement": [{"Effect": "Allow", "Principal": "*",
            "Action": "sqs:SendMessage", "Resource": "*"}]});
        let attributes = json!({"Policy": policy.to_string()});
        self.sqs("SetQueueAttributes", &json!({"QueueUrl": self.url(), "Attributes": attributes}));
    }

    /// Lets the bucket announce objects, each kind of receiver for keys with a prefix of its own.
    fn announce(&self, configurations: &str) {
        let body =
            format!("<NotificationConfiguration>{configurations}</NotificationConfiguration>");
        self.emulation.put("/logs?notification", body.as_bytes());
    }

    fn send(&self, body: &str) {
        self.sqs("SendMessage", &json!({"QueueUrl": self.url(), "MessageBody": body}));
    }

    /// How many messages wait, and how many somebody works on.
    fn left(&self) -> (u64, u64) {
        let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
        let body = json!({"QueueUrl": self.url(), "AttributeNames": names});
        let answer = self.sqs("GetQueueAttributes", &body);
        let number = |name: &str| answer["Attributes"][name].as_str().unwrap().parse().unwrap();
        (number(names[0]), number(names[1]))
    }

    /// A project that hears of objects, and lists them at its start alone.
    fn project(&self) -> Project {
        let project = Project::new(&format!(
            "log_sources: [./sources]\ncollect:\n  \
             - {{name: s, log_source: plain, from: 's3://logs/app', settle_seconds: 0,\n     \
             commit_seconds: 1, poll_seconds: 86400, notifications: {{sqs: '{}'}}}}\ns3:\n  \
             endpoint: 'http://{}'\n  region: us-east-1\n  allow_http: true\n  \
             access_key_id: {{file: ./id}}\n  secret_access_key: {{file: ./secret}}",
            self.url(),
            self.emulation.address
        ));
        project.write("sources/plain.yml", b"format: {type: ndjson}\ntime: {field: t}\n");
        project.write("id", b"test");
        project.write("secret", b"test");
        project
    }
}

fn queue() -> String {
    format!(
        "<QueueConfiguration><Id>q</Id><Queue>arn:aws:sqs:us-east-1:{ACCOUNT}:logs</Queue>\
         <Event>s3:ObjectCreated:*</Event></QueueConfiguration>"
    )
}

fn rows_are(project: &Project, rows: u64) {
    until("the rows", || {
        let output = project.run(&["sql", "SELECT count(*) AS n FROM plain", "--output", "json"]);
        let row: Value = serde_json::from_slice(&output.stdout).ok()?;
        (row["n"].as_u64()? >= rows).then_some(())
    });
    assert_eq!(project.rows("plain"), rows);
}

#[test]
fn announced_objects_are_read_and_answered_after_the_commit() {
    let Some(cloud) = Cloud::start() else { return };
    cloud.open_queue();
    cloud.announce(&queue());
    let project = cloud.project();
    cloud.emulation.put("/logs/app/before.ndjson", &events(0, 10));
    let running = Running::start(&project, &[]);
    cloud.emulation.put("/logs/app/2026/a%20b+%C3%A9.ndjson.gz", &gzip(&events(10, 500)));
    cloud.emulation.put("/logs/app/b.ndjson", &events(510, 100));
    rows_are(&project, 610);
    // Uploaded again with more in it: only that is new.
    cloud.emulation.put("/logs/app/b.ndjson", &events(510, 150));
    rows_are(&project, 660);
    // What is not for this source, and what is no announcement, is told of and kept.
    cloud.emulation.put("/logs/other/c.ndjson", &events(9_000, 10));
    cloud.send("hello");
    until("the quarantine", || (project.quarantined().len() == 2).then_some(()));
    until("the answers", || (cloud.left() == (0, 0)).then_some(()));
    let quarantined = project.quarantined();
    let mut codes: Vec<&str> =
        quarantined.iter().map(|one| one["code"].as_str().unwrap()).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["DAB0338", "DAB0339"]);
    running.end();
    let requests = &project.json(&["status"])[0]["requests"]["s"];
    assert_eq!(requests["lists"], 1, "{requests}");
    assert_eq!(project.rows("plain"), 660);
    project.run(&["quarantine", "replay", "--all"]);
    assert_eq!(project.rows("plain"), 660, "a message of the queue is no record");
    project.ledger_adds_up();
}

#[test]
fn a_crash_before_the_commit_leaves_the_announcement_in_the_queue() {
    let Some(cloud) = Cloud::start() else { return };
    cloud.open_queue();
    cloud.announce(&queue());
    let project = cloud.project();
    let mut child = project
        .command(&["run", "--crash-at", "uploaded"])
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    until("the first listing", || project.path().join("lake/status.json").is_file().then_some(()));
    cloud.emulation.put("/logs/app/a.ndjson", &events(0, 100));
    until("the crash", || child.try_wait().unwrap());
    let (waiting, held) = cloud.left();
    assert!(waiting + held >= 1, "nobody has committed it: it is not deleted");
    let running = Running::start(&project, &[]);
    rows_are(&project, 100);
    running.end();
    assert_eq!(project.rows("plain"), 100);
    assert!(project.quarantined().is_empty());
}

#[test]
fn envelopes_of_sns_and_eventbridge_are_opened() {
    let Some(cloud) = Cloud::start() else { return };
    cloud.open_queue();
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let ask = |body: &str| cloud.emulation.ask("POST", "/", &form, body.as_bytes());
    ask("Action=CreateTopic&Name=logs&Version=2010-03-31");
    let topic = format!("arn:aws:sns:us-east-1:{ACCOUNT}:logs");
    let queue = format!("arn:aws:sqs:us-east-1:{ACCOUNT}:logs");
    ask(&format!(
        "Action=Subscribe&TopicArn={topic}&Protocol=sqs&Endpoint={queue}&Version=2010-03-31"
    ));
    cloud.announce(&format!(
        "<TopicConfiguration><Id>t</Id><Topic>{topic}</Topic><Event>s3:ObjectCreated:*</Event>\
         <Filter><S3Key><FilterRule><Name>prefix</Name><Value>app/sns/</Value></FilterRule></S3Key>\
         </Filter></TopicConfiguration><EventBridgeConfiguration/>"
    ));
    let events_of = |action: &str, body: &Value| {
        let headers = [
            ("X-Amz-Target", &*format!("AWSEvents.{action}")),
            ("Content-Type", "application/x-amz-json-1.1"),
            (
                "Authorization",
                "AWS4-HMAC-SHA256 Credential=test/20261130/us-east-1/events/aws4_request",
            ),
        ];
        cloud.emulation.ask("POST", "/", &headers, body.to_string().as_bytes())
    };
    let pattern = json!({"source": ["aws.s3"], "detail-type": ["Object Created"],
        "detail": {"object": {"key": [{"prefix": "app/bridge/"}]}}});
    events_of("PutRule", &json!({"Name": "logs", "EventPattern": pattern.to_string()}));
    events_of("PutTargets", &json!({"Rule": "logs", "Targets": [{"Id": "q", "Arn": queue}]}));
    let project = cloud.project();
    let running = Running::start(&project, &[]);
    cloud.emulation.put("/logs/app/sns/a%20b.ndjson", &events(0, 30));
    rows_are(&project, 30);
    cloud.emulation.put("/logs/app/bridge/c%20d.ndjson", &events(30, 20));
    rows_are(&project, 50);
    until("the answers", || (cloud.left() == (0, 0)).then_some(()));
    running.end();
    assert!(project.quarantined().is_empty(), "{:?}", project.quarantined());
}
