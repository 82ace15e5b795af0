//! Pub/Sub: pulled from a subscription by its REST interface, or pushed by it.
//!
//! <https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions>

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use base::{HttpExchange, HttpFailure, HttpReply, HttpRequest};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use object_store::gcp::GcpCredentialProvider;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{AnnounceError, AnnounceQueue, Delivery, body};
use crate::CollectError;

/// Where subscriptions of Google's are.
const ENDPOINT: &str = "https://pubsub.googleapis.com";

/// How many messages a call may bring or name.
const BATCH_MAX: usize = 100;

/// How large an answer may be: a hundred messages of some KiB; Pub/Sub itself sends no more than 10 MB at once.
const REPLY_BYTES_MAX: usize = 32 << 20;

/// A subscription that is pulled.
#[derive(Debug)]
pub struct PubsubQueue {
    subscription: String,
    url: String,
    /// `None`: nobody asks who we are, as with the emulator.
    credentials: Option<GcpCredentialProvider>,
    http: Arc<dyn HttpExchange>,
}

#[derive(Deserialize)]
struct Received {
    #[serde(rename = "receivedMessages", default)]
    messages: Vec<ReceivedMessage>,
}

#[derive(Deserialize)]
struct ReceivedMessage {
    #[serde(rename = "ackId")]
    ack_id: String,
    message: Message,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    data: String,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    #[serde(rename = "messageId", default)]
    id: String,
}

#[derive(Deserialize)]
struct Pushed {
    message: Message,
    #[serde(default)]
    subscription: String,
}

impl PubsubQueue {
    /// A subscription by its full name. `endpoint` is Google's unless it says otherwise. Connects to nothing.
    ///
    /// # Errors
    ///
    /// [`CollectError::Setting`] if it is no name of a subscription.
    pub fn new(
        subscription: &str,
        endpoint: Option<&str>,
        credentials: Option<GcpCredentialProvider>,
        http: Arc<dyn HttpExchange>,
    ) -> Result<Self, CollectError> {
        let parts: Vec<&str> = subscription.split('/').collect();
        let is_part = |part: &str| {
            let ok = |c: char| c.is_ascii_alphanumeric() || "-._~+%:".contains(c);
            !part.is_empty() && part.chars().all(ok)
        };
        let is_name = matches!(parts.as_slice(), ["projects", project, "subscriptions", name]
            if is_part(project) && is_part(name));
        if !is_name {
            return Err(CollectError::Setting {
                what: "the subscription",
                value: subscription.to_owned(),
                reason: "write it as `projects/acme/subscriptions/logs`".to_owned(),
            });
        }
        let endpoint = endpoint.unwrap_or(ENDPOINT).trim_end_matches('/');
        let url = format!("{endpoint}/v1/{subscription}");
        Ok(Self { subscription: subscription.to_owned(), url, credentials, http })
    }

    async fn call(&self, verb: &str, body: &Value) -> Result<Option<HttpReply>, AnnounceError> {
        let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        if let Some(credentials) = &self.credentials {
            let credential = credentials.get_credential().await.map_err(|error| {
                let (queue, reason) = (self.subscription.clone(), error.to_string());
                AnnounceError::Unavailable { queue, reason }
            })?;
            headers.push(("authorization".to_owned(), format!("Bearer {}", credential.bearer)));
        }
        let body = body.to_string();
        let request = HttpRequest {
            method: "POST",
            url: &format!("{}:{verb}", self.url),
            headers: &headers,
            body: body.as_bytes(),
            reply_bytes_max: REPLY_BYTES_MAX,
        };
        match self.http.exchange(request).await {
            Ok(reply) if reply.status == 200 => Ok(Some(reply)),
            Ok(reply) => Err(AnnounceError::of_reply(&self.subscription, &reply)),
            Err(HttpFailure::Timeout) => Ok(None),
            Err(failure) => Err(AnnounceError::no_answer(&self.subscription, &failure)),
        }
    }

    /// As [`Self::call`], where an answer is needed.
    async fn done(&self, verb: &str, body: &Value) -> Result<(), AnnounceError> {
        match self.call(verb, body).await? {
            Some(_) => Ok(()),
            None => Err(AnnounceError::no_answer(&self.subscription, &HttpFailure::Timeout)),
        }
    }
}

#[async_trait]
impl AnnounceQueue for PubsubQueue {
    fn name(&self) -> &str {
        &self.subscription
    }

    fn batch_max(&self) -> usize {
        BATCH_MAX
    }

    async fn receive(&self, lease: Duration) -> Result<Vec<Delivery>, AnnounceError> {
        // An empty subscription is waited for longer than our patience: no answer is none.
        let Some(reply) = self.call("pull", &json!({"maxMessages": BATCH_MAX})).await? else {
            return Ok(Vec::new());
        };
        let received: Received = serde_json::from_slice(&reply.body).map_err(|error| {
            let reason = format!("its answer can't be read: {error}");
            AnnounceError::Unavailable { queue: self.subscription.clone(), reason }
        })?;
        let deliveries: Vec<Delivery> = received
            .messages
            .into_iter()
            .map(|ReceivedMessage { ack_id, message }| {
                delivery(message, ack_id, &self.subscription)
            })
            .collect();
        // A subscription's own time to answer may be as short as 10 s.
        let handles: Vec<String> = deliveries.iter().map(|one| one.handle.clone()).collect();
        if !handles.is_empty() {
            self.extend(&handles, lease).await?;
        }
        Ok(deliveries)
    }

    async fn settle(&self, handles: &[String]) -> Result<(), AnnounceError> {
        self.done("acknowledge", &json!({"ackIds": handles})).await
    }

    async fn extend(&self, handles: &[String], lease: Duration) -> Result<(), AnnounceError> {
        let body = json!({"ackIds": handles, "ackDeadlineSeconds": lease.as_secs()});
        self.done("modifyAckDeadline", &body).await
    }
}

/// What a request says that Pub/Sub pushes. One that is none of Pub/Sub's says that it names nothing.
#[must_use]
pub fn pushed(body: &Bytes, fallback_id: &str) -> Delivery {
    match serde_json::from_slice::<Pushed>(body) {
        Ok(Pushed { message, subscription }) => delivery(message, String::new(), &subscription),
        Err(error) => Delivery {
            handle: String::new(),
            origin: format!("pushed, request {fallback_id}"),
            id: fallback_id.to_owned(),
            body: body.clone(),
            says: Err(format!("it is not what Pub/Sub pushes: {error}")),
        },
    }
}

fn delivery(message: Message, handle: String, subscription: &str) -> Delivery {
    let data = STANDARD.decode(&message.data);
    let says = match &data {
        Ok(data) => body::of_gcs(&message.attributes, data),
        Err(_) => Err("its data is no base64".to_owned()),
    };
    // For the quarantine: what it says is in the attributes.
    let kept = json!({"attributes": message.attributes, "data": message.data});
    Delivery {
        handle,
        origin: format!("{subscription}, message {}", message.id),
        id: message.id,
        body: Bytes::from(kept.to_string()),
        says,
    }
}
