//! HTTP as the stages ask for it: one request, one answer. The client itself is elsewhere, so that
//! tests need no network and no stage chooses a library.

use std::fmt;

use async_trait::async_trait;

use crate::limits;

/// What is asked of a server.
#[derive(Debug, Clone, Copy)]
pub struct HttpRequest<'r> {
    /// The method, in capitals.
    pub method: &'r str,
    /// The whole address. May hold a secret: never to be printed.
    pub url: &'r str,
    /// Names and values.
    pub headers: &'r [(String, String)],
    /// The body; empty for none.
    pub body: &'r [u8],
    /// How many bytes of the answer are read; the rest is not.
    pub reply_bytes_max: usize,
}

/// What a server answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpReply {
    /// The status code.
    pub status: u16,
    /// Names in lower case with their values; values that are no text are left out.
    pub headers: Vec<(String, String)>,
    /// The body, up to the limit that was asked for; the rest is not read.
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

/// Sends requests.
#[async_trait]
pub trait HttpExchange: Send + Sync + fmt::Debug {
    /// Sends a request and reads the answer, whatever its status. Redirects are answers too.
    ///
    /// # Errors
    /// If there is no answer, or its body breaks off.
    async fn exchange(&self, request: HttpRequest<'_>) -> Result<HttpReply, HttpFailure>;
}
