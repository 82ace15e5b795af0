//! Compares ten expressions with closures written by hand, over one CloudTrail event of 25 fields.
//!
//! `cargo run --release -p dab-cel --example closures` prints the nanoseconds of one evaluation of
//! each: the median of 501 rounds, in which both take turns. The closures find fields by
//! [`Event::get`], as every stage of dab does, with their paths prepared.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a measurement, not part of the program"
)]

use std::{borrow::Cow, hint::black_box, net::Ipv4Addr};

use base::{
    Clock as _, Event, EventId, FieldPath, Object, ObjectHash, Origin, SystemClock, Timestamp,
    Value,
};
use dab_cel::{Program, Verdict};
use regex::Regex;

const ROUNDS: usize = 501;
/// Few enough that a round is over before another process wants the processor.
const EVALUATIONS: u32 = 1000;

type Closure = Box<dyn Fn(&Event<'_>) -> bool>;

fn main() {
    let event = event();
    let mut worst: f64 = 0.0;
    println!("{:>9} {:>9} {:>6}  expression", "closure", "dab", "ratio");
    for (source, closure) in cases() {
        let program = Program::compile(source).unwrap();
        let expected = closure(&event);
        assert_eq!(program.judge(&event) == Verdict::True, expected, "{source}");
        let (by_hand, ours) = measure(&event, &closure, &program);
        worst = worst.max(ours / by_hand);
        println!("{by_hand:>6.1} ns {ours:>6.1} ns {:>6.2}  {source}", ours / by_hand);
    }
    println!("worst ratio {worst:.2}");
}

fn measure(event: &Event<'_>, closure: &Closure, program: &Program) -> (f64, f64) {
    let (mut by_hand, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        by_hand.push(time(|| closure(black_box(event))));
        ours.push(time(|| program.judge(black_box(event)) == Verdict::True));
    }
    (median(by_hand), median(ours))
}

fn time(mut evaluate: impl FnMut() -> bool) -> f64 {
    let clock = SystemClock;
    let start = clock.monotonic();
    for _ in 0..EVALUATIONS {
        black_box(evaluate());
    }
    (clock.monotonic() - start).as_nanos() as f64 / f64::from(EVALUATIONS)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap()
}

fn text<'e>(value: Option<&'e Value<'e>>) -> Option<&'e str> {
    value?.as_str()
}

fn in_ten(address: &str) -> bool {
    address.parse::<Ipv4Addr>().is_ok_and(|address| address.octets()[0] == 10)
}

/// The fields that the closures read, prepared once, as the expressions' are.
struct Paths {
    event_name: FieldPath,
    event_source: FieldPath,
    user_agent: FieldPath,
    source_address: FieldPath,
    error_code: FieldPath,
    read_only: FieldPath,
    resources: FieldPath,
    latency: FieldPath,
    aws_region: FieldPath,
    user_identity_type: FieldPath,
    user_identity_arn: FieldPath,
    request_parameters_secret_id: FieldPath,
    user_identity_user_name: FieldPath,
    bytes_in: FieldPath,
}

impl Paths {
    fn new() -> Self {
        Self {
            event_name: FieldPath::new("eventName"),
            event_source: FieldPath::new("eventSource"),
            user_agent: FieldPath::new("userAgent"),
            source_address: FieldPath::new("sourceIPAddress"),
            error_code: FieldPath::new("errorCode"),
            read_only: FieldPath::new("readOnly"),
            resources: FieldPath::new("resources"),
            latency: FieldPath::new("latency"),
            aws_region: FieldPath::new("awsRegion"),
            user_identity_type: FieldPath::new("userIdentity.type"),
            user_identity_arn: FieldPath::new("userIdentity.arn"),
            request_parameters_secret_id: FieldPath::new("requestParameters.secretId"),
            user_identity_user_name: FieldPath::new("userIdentity.userName"),
            bytes_in: FieldPath::new("bytesIn"),
        }
    }
}

#[expect(clippy::too_many_lines, reason = "a table of ten cases")]
fn cases() -> Vec<(&'static str, Closure)> {
    let p: &'static Paths = Box::leak(Box::new(Paths::new()));
    let command = Regex::new("(?i)(?:get|list|describe)[a-z]*secret").unwrap();
    let agent = Regex::new(r"^aws-cli/\d+\.\d+").unwrap();
    vec![
        (
            r#"eventName == "GetSecretValue""#,
            Box::new(move |e| text(e.get(&p.event_name)) == Some("GetSecretValue")),
        ),
        (
            r#"userIdentity.type == "AssumedRole" && userIdentity.arn.contains("/admin-")"#,
            Box::new(move |e| {
                text(e.get(&p.user_identity_type)) == Some("AssumedRole")
                    && text(e.get(&p.user_identity_arn)).is_some_and(|v| v.contains("/admin-"))
            }),
        ),
        (
            r#"eventSource.startsWith("secrets") && userAgent.endsWith("command/get-secret-value")"#,
            Box::new(move |e| {
                text(e.get(&p.event_source)).is_some_and(|v| v.starts_with("secrets"))
                    && text(e.get(&p.user_agent))
                        .is_some_and(|v| v.ends_with("command/get-secret-value"))
            }),
        ),
        (
            r#"eventName in ["GetSecretValue", "PutSecretValue", "DeleteSecret", "RestoreSecret", "CancelRotateSecret", "ListSecrets"]"#,
            Box::new(move |e| {
                text(e.get(&p.event_name)).is_some_and(|v| {
                    [
                        "GetSecretValue",
                        "PutSecretValue",
                        "DeleteSecret",
                        "RestoreSecret",
                        "CancelRotateSecret",
                        "ListSecrets",
                    ]
                    .contains(&v)
                })
            }),
        ),
        (
            r#"eventName.matches("(?i)(?:get|list|describe)[a-z]*secret") && userAgent.matches(r"^aws-cli/\d+\.\d+")"#,
            Box::new(move |e| {
                text(e.get(&p.event_name)).is_some_and(|v| command.is_match(v))
                    && text(e.get(&p.user_agent)).is_some_and(|v| agent.is_match(v))
            }),
        ),
        (
            r#"net.inCidr(sourceIPAddress, "10.0.0.0/8")"#,
            Box::new(move |e| text(e.get(&p.source_address)).is_some_and(in_ten)),
        ),
        (
            r#"!has(errorCode) && has(requestParameters.secretId) && readOnly"#,
            Box::new(move |e| {
                e.get(&p.error_code).is_none()
                    && e.get(&p.request_parameters_secret_id).is_some()
                    && matches!(e.get(&p.read_only), Some(Value::Bool(true)))
            }),
        ),
        (
            r#"resources.exists(r, r.type == "AWS::SecretsManager::Secret" && r.accountId != "111122223333")"#,
            Box::new(move |e| {
                let Some(Value::List(members)) = e.get(&p.resources) else { return false };
                members.iter().any(|member| {
                    let Value::Object(member) = member else { return false };
                    text(member.get("type")) == Some("AWS::SecretsManager::Secret")
                        && text(member.get("accountId")).is_some_and(|v| v != "111122223333")
                })
            }),
        ),
        (
            r#"bytesIn > 1000 && bytesIn <= 100000 && latency < 0.5"#,
            Box::new(move |e| {
                matches!(e.get(&p.bytes_in), Some(Value::Int(n)) if *n > 1000)
                    && matches!(e.get(&p.bytes_in), Some(Value::Int(n)) if *n <= 100_000)
                    && matches!(e.get(&p.latency), Some(Value::Float(n)) if *n < 0.5)
            }),
        ),
        (
            r#"(eventName == "ConsoleLogin" || eventName.startsWith("GetSecret")) && awsRegion in ["eu-west-1", "us-east-1"] && !net.inCidr(sourceIPAddress, "192.168.0.0/16") && userIdentity.userName != "backup""#,
            Box::new(move |e| {
                (text(e.get(&p.event_name)) == Some("ConsoleLogin")
                    || text(e.get(&p.event_name)).is_some_and(|v| v.starts_with("GetSecret")))
                    && text(e.get(&p.aws_region))
                        .is_some_and(|v| ["eu-west-1", "us-east-1"].contains(&v))
                    && text(e.get(&p.source_address)).is_some_and(|v| {
                        v.parse::<Ipv4Addr>().is_ok_and(|v| !v.octets().starts_with(&[192, 168]))
                    })
                    && text(e.get(&p.user_identity_user_name)).is_some_and(|v| v != "backup")
            }),
        ),
    ]
}

fn object<const N: usize>(entries: [(&'static str, Value<'static>); N]) -> Object<'static> {
    entries.into_iter().map(|(key, value)| (Cow::Borrowed(key), value)).collect()
}

fn event() -> Event<'static> {
    let text = Value::text;
    let identity = object([
        ("type", text("AssumedRole")),
        ("principalId", text("AROAEXAMPLEID0000000:build")),
        ("arn", text("arn:aws:sts::123456789012:assumed-role/admin-build/build")),
        ("accountId", text("123456789012")),
        ("accessKeyId", text("ASIAEXAMPLE000000000")),
        ("userName", text("admin-build")),
    ]);
    let secret = object([
        ("accountId", text("123456789012")),
        ("type", text("AWS::SecretsManager::Secret")),
        ("ARN", text("arn:aws:secretsmanager:eu-west-1:123456789012:secret:db-x1y2z3")),
    ]);
    let key = object([
        ("accountId", text("123456789012")),
        ("type", text("AWS::KMS::Key")),
        ("ARN", text("arn:aws:kms:eu-west-1:123456789012:key/1234")),
    ]);
    let fields = object([
        ("eventVersion", text("1.09")),
        ("userIdentity", Value::Object(identity)),
        ("eventTime", text("2026-11-24T08:00:00Z")),
        ("eventSource", text("secretsmanager.amazonaws.com")),
        ("eventName", text("GetSecretValue")),
        ("awsRegion", text("eu-west-1")),
        ("sourceIPAddress", text("10.20.30.40")),
        (
            "userAgent",
            text("aws-cli/2.15.0 Python/3.11.6 Linux/6.1 exe/x86_64 command/get-secret-value"),
        ),
        ("requestParameters", Value::Object(object([("secretId", text("db"))]))),
        ("responseElements", Value::Null),
        ("requestID", text("6b1d3c5e-0000-4000-8000-000000000001")),
        ("eventID", text("6b1d3c5e-0000-4000-8000-000000000002")),
        ("readOnly", Value::Bool(true)),
        ("resources", Value::List(vec![Value::Object(key), Value::Object(secret)])),
        ("eventType", text("AwsApiCall")),
        ("managementEvent", Value::Bool(true)),
        ("recipientAccountId", text("123456789012")),
        ("eventCategory", text("Management")),
        ("bytesIn", Value::Int(4096)),
        ("bytesOut", Value::Int(512)),
        ("latency", Value::Float(0.125)),
        ("tlsDetails", Value::Object(object([("tlsVersion", text("TLSv1.3"))]))),
        ("sessionCredentialFromConsole", text("false")),
        ("vpcEndpointId", text("vpce-0123")),
        ("apiVersion", Value::Null),
    ]);
    let normalized = object([
        ("source", Value::Object(object([("ip", text("10.20.30.40"))]))),
        ("user", Value::Object(object([("name", text("build"))]))),
        ("event", Value::Object(object([("action", text("GetSecretValue"))]))),
    ]);
    Event {
        time: Timestamp::default(),
        ingest_time: Timestamp::default(),
        id: EventId { object: ObjectHash::of(&["example"]), offset: 0 },
        log_source: "aws_cloudtrail",
        origin: Origin { object: Cow::Borrowed("file:example"), offset: 0 },
        fields,
        normalized,
        json: None,
    }
}
