//! The house HTTP client: time limits, size limits, no redirects, and errors without secrets.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use base::{HttpExchange, HttpFailure, HttpReply, HttpRequest, limits};
use reqwest::{
    Method,
    header::{HeaderMap, HeaderName, HeaderValue},
    redirect,
};
use url::Url;

use crate::NotifyError;

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
        let reply_bytes_max = limits::HTTP_CLIENT_REPLY_BYTES_MAX;
        let request =
            HttpRequest { method: "POST", url: url.as_str(), headers, body, reply_bytes_max };
        // The status is known, and that is what decides: whether the body is whole does not matter.
        self.send(request).await.map(|(reply, _)| reply)
    }
}

#[async_trait]
impl HttpExchange for ReqwestClient {
    async fn exchange(&self, request: HttpRequest<'_>) -> Result<HttpReply, HttpFailure> {
        match self.send(request).await? {
            (reply, None) => Ok(reply),
            (_, Some(broken)) => Err(broken),
        }
    }
}

impl ReqwestClient {
    /// The answer, and what broke its body off.
    async fn send(
        &self,
        request: HttpRequest<'_>,
    ) -> Result<(HttpReply, Option<HttpFailure>), HttpFailure> {
        let method = Method::from_bytes(request.method.as_bytes())
            .map_err(|_| HttpFailure::Invalid("its method".into()))?;
        let url = Url::parse(request.url)
            .map_err(|error| HttpFailure::Invalid(format!("its address: {error}")))?;
        let mut sending = self.0.request(method, url).headers(header_map(request.headers)?);
        if !request.body.is_empty() || request.method == "POST" {
            sending = sending.body(request.body.to_vec());
        }
        let mut response = sending.send().await.map_err(failure)?;
        let mut reply = HttpReply {
            status: response.status().as_u16(),
            headers: text_headers(response.headers()),
            body: Vec::new(),
        };
        let mut broken = None;
        while reply.body.len() < request.reply_bytes_max {
            match response.chunk().await {
                Ok(Some(chunk)) => {
                    let room = request.reply_bytes_max - reply.body.len();
                    reply.body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
                }
                Ok(None) => break,
                Err(error) => {
                    broken = Some(failure(error));
                    break;
                }
            }
        }
        Ok((reply, broken))
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
