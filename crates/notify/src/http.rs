//! The house HTTP client: time limits, size limits, no redirects, and errors without secrets.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use base::limits;
use reqwest::{
    header::{HeaderMap, HeaderName, HeaderValue},
    redirect,
};
use url::Url;

use crate::NotifyError;

/// What a server answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpReply {
    /// The status code.
    pub status: u16,
    /// Names in lower case with their values; values that are no text are left out.
    pub headers: Vec<(String, String)>,
    /// The body, up to [`limits::HTTP_CLIENT_REPLY_BYTES_MAX`]; the rest is not read.
    pub body: Vec<u8>,
}

impl HttpReply {
    /// The first value of a header; `name` in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Why there is no answer. No message holds the URL: its path or query may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpFailure {
    /// No answer in time. The request may have been carried out.
    #[error("no answer within {} seconds", limits::HTTP_CLIENT_TIMEOUT_SECONDS)]
    Timeout,
    /// The server could not be reached.
    #[error("can't connect: {0}")]
    Unreachable(String),
    /// The connection broke. The request may have been carried out.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The request can't be made, such as a header with a line break in it: a mistake here.
    #[error("the request can't be made: {0}")]
    Invalid(String),
}

/// Sends requests. A trait so that tests need no network.
#[async_trait]
pub trait HttpClient: Send + Sync + fmt::Debug {
    /// Posts a body and reads the answer, whatever its status. Redirects are answers too.
    ///
    /// # Errors
    /// If there is no answer.
    async fn post(
        &self,
        url: &Url,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Result<HttpReply, HttpFailure>;
}

/// The real client. Cheap to clone, keeps connections open between requests.
#[derive(Debug, Clone)]
pub struct ReqwestClient(reqwest::Client);

impl ReqwestClient {
    /// Sets it up with the limits of [`limits`] and the system's root certificates.
    ///
    /// # Errors
    /// [`NotifyError::Client`] if TLS can't be set up.
    pub fn new() -> Result<Self, NotifyError> {
        Self::with_timeout(Duration::from_secs(limits::HTTP_CLIENT_TIMEOUT_SECONDS))
    }

    /// As [`Self::new`], with another limit on the time from connecting to the end of the answer.
    ///
    /// # Errors
    /// [`NotifyError::Client`] if TLS can't be set up.
    pub fn with_timeout(timeout: Duration) -> Result<Self, NotifyError> {
        reqwest::Client::builder()
            .user_agent(concat!("dab/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(limits::HTTP_CLIENT_CONNECT_SECONDS))
            .timeout(timeout)
            // A redirect could lead to a host that nobody configured, and would turn most posts
            // into reads.
            .redirect(redirect::Policy::none())
            .build()
            .map(Self)
            .map_err(|error| NotifyError::Client { message: say(error) })
    }
}

#[async_trait]
impl HttpClient for ReqwestClient {
    async fn post(
        &self,
        url: &Url,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Result<HttpReply, HttpFailure> {
        let request =
            self.0.post(url.clone()).headers(header_map(headers)?).body(body.to_vec()).send();
        let mut response = request.await.map_err(failure)?;
        let mut reply = HttpReply {
            status: response.status().as_u16(),
            headers: text_headers(response.headers()),
            body: Vec::new(),
        };
        while reply.body.len() < limits::HTTP_CLIENT_REPLY_BYTES_MAX {
            match response.chunk().await {
                Ok(Some(chunk)) => {
                    let room = limits::HTTP_CLIENT_REPLY_BYTES_MAX - reply.body.len();
                    reply.body.extend(chunk.iter().take(room));
                }
                Ok(None) => break,
                // The status is known, and that is what decides.
                Err(_) => break,
            }
        }
        Ok(reply)
    }
}

fn header_map(headers: &[(String, String)]) -> Result<HeaderMap, HttpFailure> {
    let mut map = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        // The value may be a secret: the message names the header only.
        let invalid = || HttpFailure::Invalid(format!("header `{}`", name.escape_debug()));
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid())?;
        let mut value = HeaderValue::from_str(value).map_err(|_| invalid())?;
        value.set_sensitive(true);
        map.append(header, value);
    }
    Ok(map)
}

fn text_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let texts = headers.iter().filter_map(|(name, value)| {
        value.to_str().ok().map(|value| (name.as_str().to_owned(), value.to_owned()))
    });
    texts.collect()
}

fn failure(error: reqwest::Error) -> HttpFailure {
    if error.is_timeout() {
        return HttpFailure::Timeout;
    }
    if error.is_connect() {
        return HttpFailure::Unreachable(say(error));
    }
    if error.is_builder() {
        return HttpFailure::Invalid(say(error));
    }
    HttpFailure::Broken(say(error))
}

/// The innermost cause, which is the one that helps (`connection refused`), without the URL.
fn say(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests;
