//! SQS, spoken in its JSON protocol.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use base::{Clock, HttpExchange, HttpRequest};
use bytes::Bytes;
use object_store::aws::AwsCredentialProvider;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::{AnnounceError, AnnounceQueue, Delivery, body, sigv4::Signer};
use crate::{CollectError, Location};

/// For how long an empty queue is waited for, in seconds: SQS allows 20, as long as the client waits longer.
const WAIT_SECONDS: u64 = 20;

/// How many messages a call may bring or name.
const BATCH_MAX: usize = 10;

/// How large an answer may be: ten messages of a mebibyte, with their escapes.
const REPLY_BYTES_MAX: usize = 32 << 20;

/// A queue of SQS.
#[derive(Debug)]
pub struct SqsQueue {
    url: String,
    endpoint: String,
    host: String,
    region: String,
    credentials: AwsCredentialProvider,
    http: Arc<dyn HttpExchange>,
    clock: Arc<dyn Clock>,
}

#[derive(Deserialize)]
struct Received {
    #[serde(rename = "Messages", default)]
    messages: Option<Vec<Message>>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(rename = "MessageId")]
    id: String,
    #[serde(rename = "ReceiptHandle")]
    handle: String,
    #[serde(rename = "Body")]
    body: String,
}

#[derive(Deserialize)]
struct Batch {
    #[serde(rename = "Failed", default)]
    failed: Option<Vec<Failed>>,
}

#[derive(Deserialize)]
struct Failed {
    #[serde(rename = "Code", default)]
    code: String,
    #[serde(rename = "Message", default)]
    message: Option<String>,
}

impl SqsQueue {
    /// A queue by its URL, reached with the credentials of the bucket that it is for. Connects to nothing.
    ///
    /// # Errors
    ///
    /// [`CollectError::Setting`] if it is no URL of a queue, its region is not known, or the location is no bucket
    /// of S3.
    pub fn new(
        url: &str,
        region: Option<&str>,
        location: &Location,
        http: Arc<dyn HttpExchange>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, CollectError> {
        let wrong = |reason: &str| CollectError::Setting {
            what: "the queue",
            value: url.to_owned(),
            reason: reason.to_owned(),
        };
        let credentials =
            location.aws_credentials().ok_or_else(|| wrong("SQS announces objects of `s3://`"))?;
        let parsed = Url::parse(url).map_err(|_| wrong("it is no URL"))?;
        let host = parsed.host_str().unwrap_or_default();
        if !matches!(parsed.scheme(), "https" | "http") || parsed.path().len() < 2 {
            return Err(wrong(
                "write it as `https://sqs.eu-central-1.amazonaws.com/123456789012/logs`",
            ));
        }
        let own = host.strip_prefix("sqs.").and_then(|rest| rest.split_once(".amazonaws."));
        let region = own
            .map(|(region, _)| region)
            .or(region)
            .ok_or_else(|| wrong("its region is not known: set `s3.region`"))?
            .to_owned();
        let host = parsed.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let endpoint = format!("{}/", parsed.origin().ascii_serialization());
        Ok(Self { url: url.to_owned(), endpoint, host, region, credentials, http, clock })
    }

    async fn call<T: for<'de> Deserialize<'de>>(
        &self,
        action: &str,
        body: &Value,
    ) -> Result<T, AnnounceError> {
        let unavailable =
            |reason: String| AnnounceError::Unavailable { queue: self.url.clone(), reason };
        let credential = self.credentials.get_credential().await;
        let credential = credential.map_err(|error| unavailable(error.to_string()))?;
        let signer = Signer {
            key_id: &credential.key_id,
            secret: &credential.secret_key,
            token: credential.token.as_deref(),
            region: &self.region,
            service: "sqs",
        };
        let body = body.to_string();
        let headers = vec![
            ("content-type".to_owned(), "application/x-amz-json-1.0".to_owned()),
            ("x-amz-target".to_owned(), format!("AmazonSQS.{action}")),
        ];
        let headers = signer.sign(&self.host, headers, body.as_bytes(), self.clock.now());
        let request = HttpRequest {
            method: "POST",
            url: &self.endpoint,
            headers: &headers,
            body: body.as_bytes(),
            reply_bytes_max: REPLY_BYTES_MAX,
        };
        let reply = self.http.exchange(request).await;
        let reply = reply.map_err(|failure| AnnounceError::no_answer(&self.url, &failure))?;
        if reply.status != 200 {
            return Err(AnnounceError::of_reply(&self.url, &reply));
        }
        serde_json::from_slice(&reply.body)
            .map_err(|error| unavailable(format!("its answer can't be read: {error}")))
    }

    /// A call over some messages, each of which may fail by itself.
    async fn batch(
        &self,
        action: &str,
        handles: &[String],
        more: impl Fn(&mut Value),
    ) -> Result<(), AnnounceError> {
        let entry = |(number, handle): (usize, &String)| {
            let mut entry = json!({"Id": number.to_string(), "ReceiptHandle": handle});
            more(&mut entry);
            entry
        };
        let entries: Vec<Value> = handles.iter().enumerate().map(entry).collect();
        let body = json!({"QueueUrl": self.url, "Entries": entries});
        let answer: Batch = self.call(action, &body).await?;
        match answer.failed.unwrap_or_default().first() {
            None => Ok(()),
            Some(failed) => {
                let said = failed.message.as_deref().unwrap_or_default();
                let reason = format!("{action} of a message failed: {} {said}", failed.code);
                let reason = reason.trim_end().to_owned();
                Err(AnnounceError::Unavailable { queue: self.url.clone(), reason })
            }
        }
    }
}

#[async_trait]
impl AnnounceQueue for SqsQueue {
    fn name(&self) -> &str {
        &self.url
    }

    fn batch_max(&self) -> usize {
        BATCH_MAX
    }

    async fn receive(&self, lease: Duration) -> Result<Vec<Delivery>, AnnounceError> {
        let body = json!({
            "QueueUrl": self.url,
            "MaxNumberOfMessages": BATCH_MAX,
            "WaitTimeSeconds": WAIT_SECONDS,
            "VisibilityTimeout": lease.as_secs(),
        });
        let received: Received = self.call("ReceiveMessage", &body).await?;
        let delivery = |message: Message| Delivery {
            origin: format!("{}, message {}", self.url, message.id),
            id: message.id,
            handle: message.handle,
            says: body::of_s3(message.body.as_bytes()),
            body: Bytes::from(message.body),
        };
        Ok(received.messages.unwrap_or_default().into_iter().map(delivery).collect())
    }

    async fn settle(&self, handles: &[String]) -> Result<(), AnnounceError> {
        self.batch("DeleteMessageBatch", handles, |_| {}).await
    }

    async fn extend(&self, handles: &[String], lease: Duration) -> Result<(), AnnounceError> {
        let seconds = lease.as_secs();
        let more = |entry: &mut Value| {
            if let Some(entry) = entry.as_object_mut() {
                entry.insert("VisibilityTimeout".to_owned(), seconds.into());
            }
        };
        self.batch("ChangeMessageVisibilityBatch", handles, more).await
    }
}
