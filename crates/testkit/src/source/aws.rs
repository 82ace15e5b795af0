//! AWS CloudTrail: records as the trail writes them, one a line.
//!
//! The fields and their order follow "CloudTrail record contents" of the AWS CloudTrail User Guide,
//! event version 1.09.

use super::Record;
use crate::{
    cast::{self, Address},
    text::Scene,
};

mod calls;

pub(crate) use calls::story;

/// One kind of API call.
#[derive(Debug)]
pub(crate) struct Call {
    caller: Caller,
    /// The service's name before `.amazonaws.com`.
    service: &'static str,
    name: &'static str,
    kind: Kind,
    request: &'static str,
    response: &'static str,
    /// More fields, beginning with a comma; `""` for none.
    more: &'static str,
}

/// What kind of event a call is recorded as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Read,
    Write,
    /// An access to data rather than to the account's setup, reading or writing.
    DataRead,
    DataWrite,
    SignIn,
}

/// Who calls.
#[derive(Debug, Clone, Copy)]
enum Caller {
    /// A person through single sign-on, in the console.
    Console,
    /// A person through single sign-on, on the command line.
    Cli,
    /// A container's role.
    Task,
    /// Terraform in the build pipeline.
    Pipeline,
    /// A service of AWS that assumes a role.
    Service,
    /// A program that still has a user with an access key.
    Program,
    /// The administrator's IAM user in the console; it ought to be used in emergencies only.
    AdminConsole,
    /// The same user's access key, in the attacker's hands.
    AdminKey,
    /// The user that the attacker makes.
    MadeUser,
}

const TEMPLATE: &str = concat!(
    r#"{"eventVersion":"1.09","userIdentity":<identity>,"eventTime":"<iso>","#,
    r#""eventSource":"<service>.amazonaws.com","eventName":"<event>","awsRegion":"<region>","#,
    r#""sourceIPAddress":"<from>","userAgent":"<agent>","requestParameters":<request>,"#,
    r#""responseElements":<response><more>,"requestID":"<uuid>","eventID":"<uuid>","#,
    r#""readOnly":<read_only>,"eventType":"<type>","managementEvent":<management>,"#,
    r#""recipientAccountId":"<account>","eventCategory":"<category>"<tls>}"#,
);

const TLS: &str = concat!(
    r#","tlsDetails":{"tlsVersion":"TLSv1.3","cipherSuite":"TLS_AES_128_GCM_SHA256","#,
    r#""clientProvidedHostHeader":"<service>.<region>.amazonaws.com"}"#,
);

const SSO: &str = concat!(
    r#"{"type":"AssumedRole","principalId":"AROA3XFRBF23LPK7QSDEV:<email>","#,
    r#""arn":"arn:aws:sts::<account>:assumed-role/AWSReservedSSO_Developer_4c1be9c2b6a3d05f/<email>","#,
    r#""accountId":"<account>","accessKeyId":"ASIA<base32:16>","sessionContext":{"sessionIssuer":{"#,
    r#""type":"Role","principalId":"AROA3XFRBF23LPK7QSDEV","arn":"arn:aws:iam::<account>:role/"#,
    r#"aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Developer_4c1be9c2b6a3d05f","#,
    r#""accountId":"<account>","userName":"AWSReservedSSO_Developer_4c1be9c2b6a3d05f"},"#,
    r#""attributes":{"creationDate":"<session_iso>","mfaAuthenticated":"false"}}}"#,
);

const ROLE: &str = concat!(
    r#"{"type":"AssumedRole","principalId":"AROA3XFRBF23<key>:<session>","#,
    r#""arn":"arn:aws:sts::<account>:assumed-role/<role>/<session>","accountId":"<account>","#,
    r#""accessKeyId":"ASIA<base32:16>","sessionContext":{"sessionIssuer":{"type":"Role","#,
    r#""principalId":"AROA3XFRBF23<key>","arn":"arn:aws:iam::<account>:role/<role>","#,
    r#""accountId":"<account>","userName":"<role>"},"#,
    r#""attributes":{"creationDate":"<session_iso>","mfaAuthenticated":"false"}}}"#,
);

const SERVICE: &str = r#"{"type":"AWSService","invokedBy":"<invoker>"}"#;

const USER: &str = concat!(
    r#"{"type":"IAMUser","principalId":"AIDA3XFRBF23<key>","#,
    r#""arn":"arn:aws:iam::<account>:user/<user>","accountId":"<account>","#,
    r#""accessKeyId":"AKIA3XFRBF23<key>","userName":"<user>"}"#,
);

/// The console's sign-in event has neither an access key nor a session.
const USER_AT_SIGN_IN: &str = concat!(
    r#"{"type":"IAMUser","principalId":"AIDA3XFRBF23<key>","#,
    r#""arn":"arn:aws:iam::<account>:user/<user>","accountId":"<account>","userName":"<user>"}"#,
);

const BROWSER: &str = concat!(
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) ",
    "Chrome/142.0.0.0 Safari/537.36",
);
const CLI: &str = concat!(
    "aws-cli/2.31.<below:30> md/awscrt#0.27.6 ua/2.1 os/macos#24.6.0 md/arch#arm64 lang/python#3.13.7 ",
    "md/pyimpl#CPython cfg/retry-mode#standard md/installer#exe md/prompt#off",
);
const SDK: &str = concat!(
    "aws-sdk-go-v2/1.39.2 ua/2.1 os/linux lang/go#1.25.1 md/GOOS#linux md/GOARCH#arm64 ",
    "api/dynamodb#1.51.0 exec-env/AWS_ECS_FARGATE",
);
const TERRAFORM: &str = concat!(
    "APN/1.0 HashiCorp/1.0 Terraform/1.13.3 (+https://www.terraform.io) ",
    "terraform-provider-aws/6.15.0 (+https://registry.terraform.io/providers/hashicorp/aws) ",
    "aws-sdk-go-v2/1.39.2 ua/2.1 os/linux lang/go#1.25.1",
);

/// Where the company's networks in AWS leave it.
const NAT: Address = [192, 0, 2, 50];
/// Production; people work in it with the developers' permission set.
const PRODUCTION: &str = "111122223333";

/// Picks a call of an ordinary day.
pub(crate) fn ordinary(scene: &mut Scene<'_>) -> Record {
    let call = scene.random.pick_weighted(calls::ORDINARY);
    match call.caller {
        Caller::Task | Caller::Program => scene.address = NAT,
        Caller::Pipeline => scene.address = [192, 0, 2, 51],
        // The program's administrator logs in from her own desk.
        Caller::AdminConsole | Caller::AdminKey => {
            scene.person = &cast::ADMIN;
            scene.address = cast::ADMIN.egress();
        }
        Caller::Console | Caller::Cli | Caller::Service | Caller::MadeUser => {}
    }
    Record::Aws(call)
}

/// Writes one record.
pub(crate) fn write(call: &'static Call, scene: &mut Scene<'_>, out: &mut String) {
    let (identity, agent, key) = call.caller.identity(call.kind);
    let (invoker, from) = match call.caller {
        Caller::Service => ("ecs-tasks.amazonaws.com", "ecs-tasks.amazonaws.com"),
        _ => ("", "<ip>"),
    };
    let (role, session, user) = call.caller.names();
    let (read_only, category, kind) = match call.kind {
        Kind::Read => ("true", "Management", "AwsApiCall"),
        Kind::Write => ("false", "Management", "AwsApiCall"),
        Kind::DataRead => ("true", "Data", "AwsApiCall"),
        Kind::DataWrite => ("false", "Data", "AwsApiCall"),
        Kind::SignIn => ("false", "Management", "AwsConsoleSignIn"),
    };
    let management = if category == "Management" { "true" } else { "false" };
    // What a service does inside AWS is recorded without TLS details.
    let tls = if matches!(call.caller, Caller::Service) { "" } else { TLS };
    let region = if matches!(call.service, "iam" | "signin") { "us-east-1" } else { "eu-west-1" };
    let values = [
        ("identity", identity),
        ("service", call.service),
        ("event", call.name),
        ("region", region),
        ("from", from),
        ("agent", agent),
        ("request", call.request),
        ("response", call.response),
        ("more", call.more),
        ("read_only", read_only),
        ("type", kind),
        ("management", management),
        ("account", PRODUCTION),
        ("category", category),
        ("tls", tls),
        ("key", key),
        ("role", role),
        ("session", session),
        ("user", user),
        ("invoker", invoker),
    ];
    scene.write(TEMPLATE, &values, out);
}

impl Caller {
    /// The identity's template, the user agent and what is particular to its ids.
    const fn identity(self, kind: Kind) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Console => (SSO, BROWSER, ""),
            Self::Cli => (SSO, CLI, ""),
            Self::Task => (ROLE, SDK, "TASK5ROLE"),
            Self::Pipeline => (ROLE, TERRAFORM, "PIPE2LINE"),
            Self::Service => (SERVICE, "ecs-tasks.amazonaws.com", ""),
            Self::Program => {
                (USER, "Boto3/1.40.45 md/Botocore#1.40.45 lang/python#3.12.3", "MQTT7LEGA")
            }
            Self::AdminConsole if matches!(kind, Kind::SignIn) => {
                (USER_AT_SIGN_IN, BROWSER, "BREAKGLAS")
            }
            Self::AdminConsole => (USER, BROWSER, "BREAKGLAS"),
            Self::AdminKey => (USER, CLI, "BREAKGLAS"),
            Self::MadeUser => (USER, "rclone/v1.71.0", "QK4ZT7UVB"),
        }
    }

    /// The role, the session and the user.
    const fn names(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Task => ("fleet-api-task", "<hex:32>", ""),
            Self::Pipeline => ("pipeline-deploy", "run-1876<below:90>", ""),
            Self::Program => ("", "", "telemetry-relay"),
            Self::AdminConsole | Self::AdminKey => ("", "", "mira.kovalenko"),
            Self::MadeUser => ("", "", "svc-backup-sync"),
            Self::Console | Self::Cli | Self::Service => ("", "", ""),
        }
    }
}
