//! The settings of how buckets say which objects are new.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Collect;

/// How a bucket says which objects are new: one of `sqs`, `pubsub` and `push`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Notifications {
    /// The URL of a queue of SQS, into which S3 (or SNS, or `EventBridge`) puts what is new. It is reached with the
    /// credentials of `s3`.
    #[serde(default)]
    pub(crate) sqs: Option<String>,
    /// A subscription of Pub/Sub that is pulled: `projects/acme/subscriptions/logs`. It is reached with the
    /// credentials of `gcs`.
    #[serde(default)]
    pub(crate) pubsub: Option<String>,
    /// A subscription of Pub/Sub that pushes to `/announcements/NAME`, with the source's name.
    #[serde(default)]
    pub(crate) push: Option<Push>,
    /// With `pubsub`: the address of a server that is not Google's, such as the emulator.
    #[serde(default)]
    pub(crate) endpoint: Option<String>,
}

/// What the tokens of a subscription that pushes must say.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Push {
    /// The subscription's audience (`--push-auth-token-audience`).
    pub(crate) audience: String,
    /// The account that it pushes as (`--push-auth-service-account`).
    pub(crate) email: String,
    /// Who gives the tokens; Google if it is left out.
    #[serde(default)]
    pub(crate) issuer: Option<String>,
    /// Where the issuer's keys are, as a JWK set; Google's if it is left out.
    #[serde(default)]
    pub(crate) keys_url: Option<String>,
}

/// What is wrong with them, and how to put it right.
pub(super) fn mistake(sources: &[Collect], listens: bool) -> Option<(String, &'static str)> {
    for Collect { name, from, notifications, .. } in sources {
        let Some(Notifications { sqs, pubsub, push, endpoint }) = notifications else { continue };
        let said = [sqs.is_some(), pubsub.is_some(), push.is_some()];
        if said.into_iter().filter(|is_there| *is_there).count() != 1 {
            let message = format!("`notifications` of `{name}` say no one way");
            return Some((message, "write one of `sqs`, `pubsub` and `push`"));
        }
        if endpoint.is_some() && pubsub.is_none() {
            let message = format!("`notifications` of `{name}` have an `endpoint` of nothing");
            return Some((message, "write it with `pubsub`, or leave it out"));
        }
        let (scheme, help) = match sqs {
            Some(_) => ("s3://", "SQS tells of objects in `s3://`"),
            None => ("gs://", "Pub/Sub tells of objects in `gs://`"),
        };
        if !from.starts_with(scheme) {
            return Some((format!("nothing notifies of objects of `{from}` so"), help));
        }
        if push.is_some() && !listens {
            let message = format!("nobody can push to `{name}`");
            return Some((message, "write where HTTP listens (`listen`)"));
        }
    }
    None
}
