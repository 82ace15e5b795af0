//! Who pushes: the tokens that Pub/Sub sends along, proven by Google's keys.
//!
//! <https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions>. A token counts if it is signed with
//! RS256 by a key of the issuer's, has not ended, is meant for us, and names the account that the subscription
//! pushes as. Keys are fetched when one is asked for that is not known, and anew every six hours.

use std::{collections::HashMap, sync::Arc, time::Duration};

use base::{Clock, HttpExchange, HttpRequest, Timestamp};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;

use super::AnnounceError;

/// Where Google's keys are.
const KEYS_URL: &str = "https://www.googleapis.com/oauth2/v3/certs";

/// How Google is called in its tokens.
const ISSUERS: [&str; 2] = ["https://accounts.google.com", "accounts.google.com"];

/// How far clocks may be apart.
const LEEWAY_SECONDS: i64 = 60;

/// The longest token that is looked at; Google's have about 1 KiB.
const TOKEN_BYTES_MAX: usize = 8 << 10;

/// How large the list of keys may be; Google's has 2 KiB.
const KEYS_BYTES_MAX: usize = 256 << 10;

/// When keys are fetched anew.
const KEYS_AGE_MAX: Duration = Duration::from_secs(6 * 3600);

/// For how long keys are good while they can't be fetched anew.
const KEYS_AGE_LIMIT: Duration = Duration::from_secs(24 * 3600);

/// How often keys are fetched because of one that is not known: whoever sends nonsense asks for that.
const FETCH_EVERY: Duration = Duration::from_secs(10);

/// What tokens must say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcSettings {
    /// Whom they are for: what the subscription says as its audience.
    pub audience: String,
    /// The account that the subscription pushes as.
    pub email: String,
    /// Who gives them; Google where nobody says.
    pub issuer: Option<String>,
    /// Where the issuer's keys are; Google's where nobody says.
    pub keys_url: Option<String>,
}

/// Proves tokens.
#[derive(Debug)]
pub struct OidcVerifier {
    settings: OidcSettings,
    http: Arc<dyn HttpExchange>,
    clock: Arc<dyn Clock>,
    keys: Mutex<Keys>,
}

#[derive(Debug, Default)]
struct Keys {
    by_id: HashMap<String, Key>,
    /// When they were fetched last.
    fetched: Option<Timestamp>,
    /// When that was tried last.
    tried: Option<Timestamp>,
}

#[derive(Debug, Clone)]
struct Key {
    n: Vec<u8>,
    e: Vec<u8>,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<StoredKey>,
}

#[derive(Deserialize)]
struct StoredKey {
    kty: String,
    #[serde(default)]
    kid: String,
    #[serde(default)]
    n: String,
    #[serde(default)]
    e: String,
}

#[derive(Deserialize)]
struct Head {
    alg: String,
    #[serde(default)]
    kid: String,
}

#[derive(Deserialize)]
struct Claims {
    #[serde(default)]
    iss: String,
    #[serde(default)]
    aud: Value,
    #[serde(default)]
    email: String,
    #[serde(default)]
    email_verified: Value,
    exp: i64,
    #[serde(default)]
    iat: Option<i64>,
    #[serde(default)]
    nbf: Option<i64>,
}

fn unproven(reason: impl Into<String>) -> AnnounceError {
    AnnounceError::Unproven { reason: reason.into() }
}

impl OidcVerifier {
    /// A verifier that knows no key yet. Connects to nothing.
    #[must_use]
    pub fn new(settings: OidcSettings, http: Arc<dyn HttpExchange>, clock: Arc<dyn Clock>) -> Self {
        Self { settings, http, clock, keys: Mutex::default() }
    }

    /// Proves what a request carries as `Authorization: Bearer`.
    ///
    /// # Errors
    ///
    /// [`AnnounceError::Unproven`] if it proves nothing, [`AnnounceError::NoKeys`] if that can't be known now.
    pub async fn verify(&self, token: Option<&str>) -> Result<(), AnnounceError> {
        let token = token.ok_or_else(|| unproven("it has no bearer token"))?;
        if token.len() > TOKEN_BYTES_MAX {
            return Err(unproven("its token is too long"));
        }
        let (signed, signature) = token.rsplit_once('.').ok_or_else(|| unproven("no token"))?;
        let (head, claims) = signed.split_once('.').ok_or_else(|| unproven("no token"))?;
        let part = |text: &str| {
            URL_SAFE_NO_PAD.decode(text).map_err(|_| unproven("its token is no base64"))
        };
        let head: Head = serde_json::from_slice(&part(head)?)
            .map_err(|_| unproven("its token has no readable header"))?;
        if head.alg != "RS256" {
            return Err(unproven("its token is not signed with RS256"));
        }
        let key = self.key(&head.kid).await?;
        RsaPublicKeyComponents { n: &key.n, e: &key.e }
            .verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &part(signature)?)
            .map_err(|_| unproven("the signature of its token is wrong"))?;
        let claims: Claims = serde_json::from_slice(&part(claims)?)
            .map_err(|_| unproven("its token has no readable claims"))?;
        self.check(&claims)
    }

    fn check(&self, claims: &Claims) -> Result<(), AnnounceError> {
        let OidcSettings { audience, email, issuer, .. } = &self.settings;
        let now = self.clock.now().as_micros().div_euclid(1_000_000);
        let is_theirs = match issuer {
            Some(issuer) => claims.iss == *issuer,
            None => ISSUERS.contains(&claims.iss.as_str()),
        };
        if !is_theirs {
            return Err(unproven(format!("its token is from `{}`", claims.iss)));
        }
        if claims.exp.saturating_add(LEEWAY_SECONDS) <= now {
            return Err(unproven("its token has ended"));
        }
        let begins = claims.nbf.into_iter().chain(claims.iat).max();
        if begins.is_some_and(|begins| begins.saturating_sub(LEEWAY_SECONDS) > now) {
            return Err(unproven("its token is not good yet"));
        }
        let is_ours = match &claims.aud {
            Value::String(one) => one == audience,
            Value::Array(several) => several.iter().any(|one| one.as_str() == Some(audience)),
            _ => false,
        };
        if !is_ours {
            return Err(unproven(format!("its token is for {}", claims.aud)));
        }
        let is_verified = claims.email_verified == Value::Bool(true)
            || claims.email_verified.as_str() == Some("true");
        if claims.email != *email || !is_verified {
            return Err(unproven(format!("its token is of `{}`", claims.email)));
        }
        Ok(())
    }

    /// The key of that name, fetched where that is due. One request at a time.
    async fn key(&self, id: &str) -> Result<Key, AnnounceError> {
        let mut keys = self.keys.lock().await;
        let now = self.clock.now();
        let age = keys.fetched.map(|fetched| now.since(fetched));
        let is_fresh = age.is_some_and(|age| age < KEYS_AGE_MAX);
        if let Some(key) = keys.by_id.get(id).filter(|_| is_fresh) {
            return Ok(key.clone());
        }
        let may_fetch = keys.tried.is_none_or(|tried| now.since(tried) >= FETCH_EVERY);
        let mut failure = None;
        if may_fetch {
            keys.tried = Some(now);
            match self.fetch().await {
                Ok(by_id) => (keys.by_id, keys.fetched) = (by_id, Some(now)),
                Err(reason) => failure = Some(reason),
            }
        }
        let is_good = keys.fetched.is_some_and(|fetched| now.since(fetched) < KEYS_AGE_LIMIT);
        match (keys.by_id.get(id).filter(|_| is_good), failure) {
            (Some(key), _) => Ok(key.clone()),
            (None, Some(reason)) => Err(AnnounceError::NoKeys { reason }),
            (None, None) if !is_good => {
                Err(AnnounceError::NoKeys { reason: "it was tried a moment ago".to_owned() })
            }
            (None, None) => {
                Err(unproven("its token is signed with a key that the issuer does not have"))
            }
        }
    }

    async fn fetch(&self) -> Result<HashMap<String, Key>, String> {
        let request = HttpRequest {
            method: "GET",
            url: self.settings.keys_url.as_deref().unwrap_or(KEYS_URL),
            headers: &[("accept".to_owned(), "application/json".to_owned())],
            body: b"",
            reply_bytes_max: KEYS_BYTES_MAX,
        };
        let reply = self.http.exchange(request).await.map_err(|failure| failure.to_string())?;
        if reply.status != 200 {
            return Err(format!("the answer is {}", reply.status));
        }
        let set: KeySet = serde_json::from_slice(&reply.body)
            .map_err(|error| format!("the answer is no set of keys: {error}"))?;
        let mut by_id = HashMap::new();
        for key in set.keys.into_iter().filter(|key| key.kty == "RSA") {
            let (n, e) = (URL_SAFE_NO_PAD.decode(key.n), URL_SAFE_NO_PAD.decode(key.e));
            if let (Ok(n), Ok(e)) = (n, e) {
                by_id.insert(key.kid, Key { n, e });
            }
        }
        if by_id.is_empty() {
            return Err("the answer has no RSA key".to_owned());
        }
        Ok(by_id)
    }
}
