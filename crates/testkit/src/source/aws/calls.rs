//! The calls: those of an ordinary day with their weights, and those of the story.

use super::{Call, Caller, Kind};

const NONE: &str = "null";

/// What happens every day. Some of it resembles an attack, so that rules must tell the two apart.
pub(super) const ORDINARY: &[(u32, Call)] = &[
    (
        90,
        Call {
            caller: Caller::Service,
            service: "sts",
            name: "AssumeRole",
            kind: Kind::Read,
            request: r#"{"roleArn":"arn:aws:iam::111122223333:role/fleet-api-task","roleSessionName":"<hex:32>"}"#,
            response: r#"{"credentials":{"accessKeyId":"ASIA<base32:16>","sessionToken":"IQoJb3JpZ2luX2VjE<hex:40>","expiration":"<iso>"},"assumedRoleUser":{"assumedRoleId":"AROA3XFRBF23TASK5ROLE:fleet","arn":"arn:aws:sts::111122223333:assumed-role/fleet-api-task/fleet"}}"#,
            more: r#","resources":[{"accountId":"111122223333","type":"AWS::IAM::Role","ARN":"arn:aws:iam::111122223333:role/fleet-api-task"}],"sharedEventID":"<uuid>""#,
        },
    ),
    (
        70,
        Call {
            caller: Caller::Task,
            service: "kms",
            name: "Decrypt",
            kind: Kind::Read,
            request: r#"{"encryptionContext":{"SecretARN":"arn:aws:secretsmanager:eu-west-1:111122223333:secret:fleet/database-<base32:6>"},"encryptionAlgorithm":"SYMMETRIC_DEFAULT"}"#,
            response: NONE,
            more: r#","resources":[{"accountId":"111122223333","type":"AWS::KMS::Key","ARN":"arn:aws:kms:eu-west-1:111122223333:key/6b1f0c1e-90a4-4be7-8a33-f1f6c4d6e9a2"}]"#,
        },
    ),
    (
        30,
        Call {
            caller: Caller::Task,
            service: "secretsmanager",
            name: "GetSecretValue",
            kind: Kind::Read,
            request: r#"{"secretId":"<pick:fleet/database|fleet/mqtt|fleet/signing>"}"#,
            response: NONE,
            more: "",
        },
    ),
    (
        110,
        Call {
            caller: Caller::Task,
            service: "s3",
            name: "GetObject",
            kind: Kind::DataRead,
            request: r#"{"bucketName":"larkspur-firmware","Host":"larkspur-firmware.s3.eu-west-1.amazonaws.com","key":"lr200/<below:40>/image-<hex:12>.bin"}"#,
            response: NONE,
            more: r#","additionalEventData":{"SignatureVersion":"SigV4","CipherSuite":"TLS_AES_128_GCM_SHA256","bytesTransferredIn":0,"SSEApplied":"SSE_KMS","AuthenticationMethod":"AuthHeader","x-amz-id-2":"<base32:64>","bytesTransferredOut":<below:9000000>},"resources":[{"type":"AWS::S3::Object","ARN":"arn:aws:s3:::larkspur-firmware/lr200"},{"accountId":"111122223333","type":"AWS::S3::Bucket","ARN":"arn:aws:s3:::larkspur-firmware"}]"#,
        },
    ),
    (
        80,
        Call {
            caller: Caller::Program,
            service: "s3",
            name: "PutObject",
            kind: Kind::DataWrite,
            request: r#"{"bucketName":"larkspur-telemetry","Host":"larkspur-telemetry.s3.eu-west-1.amazonaws.com","key":"site=<pick:utrecht|portland|rotterdam>/robot=<below:600>/<hex:16>.json.gz"}"#,
            response: r#"{"x-amz-server-side-encryption":"AES256"}"#,
            more: r#","additionalEventData":{"SignatureVersion":"SigV4","CipherSuite":"TLS_AES_128_GCM_SHA256","bytesTransferredIn":<below:400000>,"SSEApplied":"Default_SSE_S3","AuthenticationMethod":"AuthHeader","x-amz-id-2":"<base32:64>","bytesTransferredOut":0},"resources":[{"type":"AWS::S3::Object","ARN":"arn:aws:s3:::larkspur-telemetry/site"},{"accountId":"111122223333","type":"AWS::S3::Bucket","ARN":"arn:aws:s3:::larkspur-telemetry"}]"#,
        },
    ),
    (
        60,
        Call {
            caller: Caller::Console,
            service: "ec2",
            name: "DescribeInstances",
            kind: Kind::Read,
            request: r#"{"maxResults":100,"instancesSet":{},"filterSet":{"items":[{"name":"instance-state-name","valueSet":{"items":[{"value":"running"}]}}]}}"#,
            response: NONE,
            more: r#","sessionCredentialFromConsole":"true""#,
        },
    ),
    (
        40,
        Call {
            caller: Caller::Console,
            service: "cloudwatch",
            name: "DescribeAlarms",
            kind: Kind::Read,
            request: r#"{"stateValue":"ALARM","maxRecords":50}"#,
            response: NONE,
            more: r#","sessionCredentialFromConsole":"true""#,
        },
    ),
    (
        40,
        Call {
            caller: Caller::Cli,
            service: "logs",
            name: "FilterLogEvents",
            kind: Kind::Read,
            request: r#"{"logGroupName":"/ecs/fleet-api","limit":1000,"filterPattern":"<pick:ERROR|timeout|robot offline>"}"#,
            response: NONE,
            more: "",
        },
    ),
    (
        25,
        Call {
            caller: Caller::Cli,
            service: "s3",
            name: "ListBuckets",
            kind: Kind::Read,
            request: r#"{"Host":"s3.eu-west-1.amazonaws.com"}"#,
            response: NONE,
            more: "",
        },
    ),
    (
        30,
        Call {
            caller: Caller::Cli,
            service: "sts",
            name: "GetCallerIdentity",
            kind: Kind::Read,
            request: NONE,
            response: NONE,
            more: "",
        },
    ),
    (
        8,
        Call {
            caller: Caller::Console,
            service: "signin",
            name: "ConsoleLogin",
            kind: Kind::SignIn,
            request: NONE,
            response: r#"{"ConsoleLogin":"Success"}"#,
            more: r#","additionalEventData":{"LoginTo":"https://eu-west-1.console.aws.amazon.com/console/home","MobileVersion":"No","MFAUsed":"No"}"#,
        },
    ),
    (
        2,
        Call {
            caller: Caller::AdminConsole,
            service: "signin",
            name: "ConsoleLogin",
            kind: Kind::SignIn,
            request: NONE,
            response: r#"{"ConsoleLogin":"Success"}"#,
            more: r#","additionalEventData":{"LoginTo":"https://console.aws.amazon.com/console/home","MobileVersion":"No","MFAIdentifier":"arn:aws:iam::111122223333:mfa/mira-key","MFAUsed":"Yes"}"#,
        },
    ),
    (
        20,
        Call {
            caller: Caller::Pipeline,
            service: "ecs",
            name: "UpdateService",
            kind: Kind::Write,
            request: r#"{"cluster":"fleet","service":"fleet-api","taskDefinition":"fleet-api:<below:900>","desiredCount":4}"#,
            response: r#"{"service":{"serviceName":"fleet-api","clusterArn":"arn:aws:ecs:eu-west-1:111122223333:cluster/fleet","status":"ACTIVE","desiredCount":4,"runningCount":4,"pendingCount":0,"launchType":"FARGATE"}}"#,
            more: "",
        },
    ),
    (
        14,
        Call {
            caller: Caller::Pipeline,
            service: "iam",
            name: "GetRole",
            kind: Kind::Read,
            request: r#"{"roleName":"fleet-api-task"}"#,
            response: NONE,
            more: "",
        },
    ),
    (
        6,
        Call {
            caller: Caller::Pipeline,
            service: "iam",
            name: "AttachRolePolicy",
            kind: Kind::Write,
            request: r#"{"roleName":"<pick:fleet-api-task|report-builder>","policyArn":"arn:aws:iam::aws:policy/<pick:AmazonS3ReadOnlyAccess|CloudWatchAgentServerPolicy>"}"#,
            response: NONE,
            more: "",
        },
    ),
    (
        4,
        Call {
            caller: Caller::Pipeline,
            service: "s3",
            name: "PutBucketPolicy",
            kind: Kind::Write,
            request: r#"{"bucketName":"larkspur-telemetry","bucketPolicy":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/report-builder"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::larkspur-telemetry/*"}]},"Host":"larkspur-telemetry.s3.eu-west-1.amazonaws.com","policy":""}"#,
            response: NONE,
            more: "",
        },
    ),
    (
        2,
        Call {
            caller: Caller::AdminConsole,
            service: "iam",
            name: "CreateAccessKey",
            kind: Kind::Write,
            request: r#"{"userName":"mira.kovalenko"}"#,
            response: r#"{"accessKey":{"userName":"mira.kovalenko","accessKeyId":"AKIA<base32:16>","status":"Active","createDate":"<iso>"}}"#,
            more: r#","sessionCredentialFromConsole":"true""#,
        },
    ),
    (
        12,
        Call {
            caller: Caller::Pipeline,
            service: "ec2",
            name: "CreateSnapshot",
            kind: Kind::Write,
            request: r#"{"volumeId":"vol-0<hex:16>","description":"nightly"}"#,
            response: r#"{"requestId":"<uuid>","snapshotId":"snap-0<hex:16>","volumeId":"vol-0<hex:16>","status":"pending","startTime":1795507200000,"volumeSize":"80","encrypted":true}"#,
            more: "",
        },
    ),
    (
        3,
        Call {
            caller: Caller::Pipeline,
            service: "ec2",
            name: "ModifySnapshotAttribute",
            kind: Kind::Write,
            request: r#"{"snapshotId":"snap-0<hex:16>","createVolumePermission":{"remove":{"items":[{"userId":"444455556666"}]}},"attributeType":"CREATE_VOLUME_PERMISSION"}"#,
            response: r#"{"requestId":"<uuid>","_return":true}"#,
            more: "",
        },
    ),
    (
        10,
        Call {
            caller: Caller::Console,
            service: "cloudtrail",
            name: "LookupEvents",
            kind: Kind::Read,
            request: r#"{"maxResults":50,"lookupAttributes":[{"attributeKey":"ReadOnly","attributeValue":"false"}]}"#,
            response: NONE,
            more: r#","sessionCredentialFromConsole":"true""#,
        },
    ),
    (
        9,
        Call {
            caller: Caller::Cli,
            service: "iam",
            name: "ListUsers",
            kind: Kind::Read,
            request: r#"{"maxItems":100}"#,
            response: NONE,
            more: r#","errorCode":"AccessDenied","errorMessage":"User is not authorized to perform: iam:ListUsers on resource: arn:aws:iam::111122223333:user/""#,
        },
    ),
];

/// The calls of the story, in its order.
pub(crate) mod story {
    use super::{Call, Caller, Kind, NONE};

    pub(crate) const LOGIN: Call = Call {
        caller: Caller::AdminConsole,
        service: "signin",
        name: "ConsoleLogin",
        kind: Kind::SignIn,
        request: NONE,
        response: r#"{"ConsoleLogin":"Success"}"#,
        more: r#","additionalEventData":{"LoginTo":"https://console.aws.amazon.com/console/home?region=eu-west-1","MobileVersion":"No","MFAUsed":"No"}"#,
    };
    pub(crate) const CREATE_USER: Call = Call {
        caller: Caller::AdminConsole,
        service: "iam",
        name: "CreateUser",
        kind: Kind::Write,
        request: r#"{"userName":"svc-backup-sync","tags":[]}"#,
        response: r#"{"user":{"path":"/","userName":"svc-backup-sync","userId":"AIDA3XFRBF23QK4ZT7UVB","arn":"arn:aws:iam::111122223333:user/svc-backup-sync","createDate":"<iso>"}}"#,
        more: r#","sessionCredentialFromConsole":"true""#,
    };
    pub(crate) const CREATE_KEY: Call = Call {
        caller: Caller::AdminConsole,
        service: "iam",
        name: "CreateAccessKey",
        kind: Kind::Write,
        request: r#"{"userName":"svc-backup-sync"}"#,
        response: r#"{"accessKey":{"userName":"svc-backup-sync","accessKeyId":"AKIA3XFRBF23QK4ZT7UVB","status":"Active","createDate":"<iso>"}}"#,
        more: r#","sessionCredentialFromConsole":"true""#,
    };
    pub(crate) const ATTACH_ADMIN: Call = Call {
        caller: Caller::AdminConsole,
        service: "iam",
        name: "AttachUserPolicy",
        kind: Kind::Write,
        request: r#"{"userName":"svc-backup-sync","policyArn":"arn:aws:iam::aws:policy/AdministratorAccess"}"#,
        response: NONE,
        more: r#","sessionCredentialFromConsole":"true""#,
    };
    pub(crate) const STOP_LOGGING: Call = Call {
        caller: Caller::AdminKey,
        service: "cloudtrail",
        name: "StopLogging",
        kind: Kind::Write,
        request: r#"{"name":"arn:aws:cloudtrail:eu-west-1:111122223333:trail/organization"}"#,
        response: NONE,
        more: "",
    };
    pub(crate) const DELETE_TRAIL: Call = Call {
        caller: Caller::AdminKey,
        service: "cloudtrail",
        name: "DeleteTrail",
        kind: Kind::Write,
        request: r#"{"name":"arn:aws:cloudtrail:eu-west-1:111122223333:trail/organization"}"#,
        response: NONE,
        more: "",
    };
    pub(crate) const DELETE_DETECTOR: Call = Call {
        caller: Caller::AdminKey,
        service: "guardduty",
        name: "DeleteDetector",
        kind: Kind::Write,
        request: r#"{"detectorId":"a4c9f02be1d84f6f9c7d0b5be0a1c3d2"}"#,
        response: NONE,
        more: "",
    };
    pub(crate) const READ_SECRET: Call = Call {
        caller: Caller::MadeUser,
        service: "secretsmanager",
        name: "GetSecretValue",
        kind: Kind::Read,
        request: r#"{"secretId":"<pick:fleet/database|fleet/mqtt|fleet/signing|finance/bank-api|hr/payroll|ci/deploy-key>"}"#,
        response: NONE,
        more: "",
    };
    pub(crate) const SHARE_SNAPSHOT: Call = Call {
        caller: Caller::AdminKey,
        service: "ec2",
        name: "ModifySnapshotAttribute",
        kind: Kind::Write,
        request: r#"{"snapshotId":"snap-0f2c97a1b3d4e5a60","createVolumePermission":{"add":{"items":[{"userId":"999988887777"}]}},"attributeType":"CREATE_VOLUME_PERMISSION"}"#,
        response: r#"{"requestId":"<uuid>","_return":true}"#,
        more: "",
    };
    pub(crate) const OPEN_BUCKET: Call = Call {
        caller: Caller::AdminKey,
        service: "s3",
        name: "PutBucketPolicy",
        kind: Kind::Write,
        request: r#"{"bucketName":"larkspur-designs","bucketPolicy":{"Version":"2012-10-17","Statement":[{"Sid":"sync","Effect":"Allow","Principal":"*","Action":["s3:GetObject","s3:ListBucket"],"Resource":["arn:aws:s3:::larkspur-designs","arn:aws:s3:::larkspur-designs/*"]}]},"Host":"larkspur-designs.s3.eu-west-1.amazonaws.com","policy":""}"#,
        response: NONE,
        more: "",
    };
    pub(crate) const COPY_OBJECT: Call = Call {
        caller: Caller::MadeUser,
        service: "s3",
        name: "GetObject",
        kind: Kind::DataRead,
        request: r#"{"bucketName":"larkspur-designs","Host":"larkspur-designs.s3.eu-west-1.amazonaws.com","key":"lr300/<pick:gripper|drive|battery|vision>/assembly-<below:400>.step"}"#,
        response: NONE,
        more: r#","additionalEventData":{"SignatureVersion":"SigV4","CipherSuite":"TLS_AES_128_GCM_SHA256","bytesTransferredIn":0,"SSEApplied":"SSE_KMS","AuthenticationMethod":"AuthHeader","x-amz-id-2":"<base32:64>","bytesTransferredOut":<below:90000000>},"resources":[{"type":"AWS::S3::Object","ARN":"arn:aws:s3:::larkspur-designs/lr300"},{"accountId":"111122223333","type":"AWS::S3::Bucket","ARN":"arn:aws:s3:::larkspur-designs"}]"#,
    };
}
