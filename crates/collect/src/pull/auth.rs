//! The credentials of a pull: put into each request, fetched and renewed where they end.

use std::time::Duration;

use base::{HttpExchange, HttpReply, HttpRequest, Timestamp, limits};
use serde::Deserialize;
use url::Url;

use super::{
    PullError,
    exchange::{Built, answer},
    seal::{open, seal},
    sign::{Claims, assertion, basic, duo},
    spec::{Auth, Google, Jwt, Oauth2},
    template::{Names, PullSecret, encode, without},
};

/// How long a token is good if its answer does not say.
const TOKEN_SECONDS: u64 = 300;

/// A token is renewed so long before its end, so that it does not end on its way.
const MARGIN: Duration = Duration::from_secs(60);

/// How large the answer of a token's server may be.
const TOKEN_BYTES_MAX: usize = 256 << 10;

/// Proves who asks.
#[derive(Debug)]
pub(super) struct Authenticator {
    auth: Auth,
    token: Option<Token>,
    /// The refresh token that the server gave in place of the settings' own.
    refresh: Option<PullSecret>,
    /// It is not kept yet.
    is_new: bool,
}

#[derive(Debug)]
struct Token {
    text: PullSecret,
    until: Timestamp,
    /// What is to be used next time.
    refresh: Option<PullSecret>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    #[serde(default)]
    refresh_token: Option<String>,
    #[serde(default)]
    expires_in: serde_json::Value,
}

/// The key file of a service account.
#[derive(Deserialize)]
struct ServiceAccount {
    client_email: String,
    private_key: String,
    private_key_id: Option<String>,
    #[serde(default = "google_token_url")]
    token_uri: String,
}

fn google_token_url() -> String {
    "https://oauth2.googleapis.com/token".to_owned()
}

/// A request for a token.
struct Grant {
    url: String,
    form: Vec<(String, String)>,
    header: Option<String>,
}

impl Authenticator {
    pub(super) const fn new(auth: Auth) -> Self {
        Self { auth, token: None, refresh: None, is_new: false }
    }

    /// The refresh token of the settings, if there is one.
    fn own_refresh(&self, names: &Names) -> Option<String> {
        let Auth::Oauth2(oauth) = &self.auth else { return None };
        oauth.refresh_token.as_ref().map(|token| token.fill(names)).filter(|own| !own.is_empty())
    }

    /// A refresh token that the server gave since this was last asked, sealed.
    pub(super) fn renewed(&mut self, names: &Names) -> Option<String> {
        if !std::mem::take(&mut self.is_new) {
            return None;
        }
        seal(self.refresh.as_ref()?.reveal(), &self.own_refresh(names)?)
    }

    /// Takes in what was kept of [`Self::renewed`]. What is not of the settings' token is none.
    pub(super) fn restore(&mut self, sealed: &str, names: &Names) {
        let own = self.own_refresh(names);
        self.refresh = own.and_then(|own| open(sealed, &own)).map(PullSecret::new);
    }

    /// Forgets a token that was refused; whether another may be had.
    pub(super) fn renew(&mut self) -> bool {
        self.token.take().is_some()
    }

    /// Takes the token out of a text that is to be shown.
    pub(super) fn redact(&self, text: &str) -> String {
        let secrets = self.token.iter().map(|token| &token.text).chain(&self.refresh);
        secrets.fold(text.to_owned(), |text, secret| without(&text, secret.reveal()))
    }

    /// Puts the credential into a request.
    pub(super) async fn prove(
        &mut self,
        request: &mut Built,
        http: &dyn HttpExchange,
        now: Timestamp,
        names: &Names,
    ) -> Result<(), PullError> {
        let mut header = |name: &str, value: String| request.headers.push((name.to_owned(), value));
        match &self.auth {
            Auth::None => {}
            Auth::Bearer(token) => header("authorization", bearer(&token.fill(names))),
            Auth::Basic(own) => {
                header("authorization", basic(&own.user.fill(names), &own.password.fill(names)));
            }
            Auth::Header(named) => {
                header(&named.name.to_ascii_lowercase(), named.value.fill(names))
            }
            Auth::Query(named) => request.set_query(&named.name, &named.value.fill(names)),
            Auth::Duo(keys) => {
                let date = now.http_date("-0000");
                let query: Vec<_> = request.url.query_pairs().map(own).collect();
                let host = request.url.host_str().unwrap_or_default();
                let line = (request.method.name(), host, request.url.path());
                let keys = (keys.integration_key.fill(names), keys.secret_key.fill(names));
                let signature = duo((&keys.0, &keys.1), line, &query, &date);
                request.headers.push(("date".to_owned(), date));
                request.headers.push(("authorization".to_owned(), signature));
            }
            Auth::Oauth2(_) | Auth::Jwt(_) | Auth::Google(_) => {
                let token = self.token(http, now, names).await?;
                request.headers.push(("authorization".to_owned(), bearer(&token)));
            }
        }
        Ok(())
    }

    async fn token(
        &mut self,
        http: &dyn HttpExchange,
        now: Timestamp,
        names: &Names,
    ) -> Result<String, PullError> {
        if let Some(token) = self.token.as_ref().filter(|token| token.until > now) {
            return Ok(token.text.reveal().to_owned());
        }
        let grant = match &self.auth {
            Auth::Oauth2(oauth) => client_grant(oauth, self.refresh.as_ref(), names),
            Auth::Jwt(jwt) => jwt_grant(jwt, names, now)?,
            Auth::Google(google) => google_grant(google, names, now)?,
            _ => return Ok(String::new()),
        };
        let token = match fetch(&grant, http, now, names).await {
            Ok(token) => token,
            // What the server gave once is no longer good: the settings' own may be.
            Err(PullError::NoToken { .. }) if self.refresh.take().is_some() => {
                let Auth::Oauth2(oauth) = &self.auth else { return Ok(String::new()) };
                fetch(&client_grant(oauth, None, names), http, now, names).await?
            }
            Err(error) => return Err(error),
        };
        let text = token.text.reveal().to_owned();
        if let Some(refresh) = &token.refresh
            && self.own_refresh(names).is_some()
            && self.refresh.as_ref() != Some(refresh)
        {
            (self.refresh, self.is_new) = (Some(refresh.clone()), true);
        }
        self.token = Some(token);
        Ok(text)
    }
}

fn own((name, value): (std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)) -> (String, String) {
    (name.into_owned(), value.into_owned())
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

fn client_grant(oauth: &Oauth2, refresh: Option<&PullSecret>, names: &Names) -> Grant {
    let grant = oauth.grant.clone().unwrap_or_else(|| "client_credentials".to_owned());
    let mut form = vec![("grant_type".to_owned(), grant)];
    let (id, secret) = (oauth.client_id.fill(names), oauth.client_secret.fill(names));
    let header = oauth.client_in_header.then(|| basic(&id, &secret));
    if header.is_none() {
        form.push(("client_id".to_owned(), id));
        form.push(("client_secret".to_owned(), secret));
    }
    form.extend(oauth.scope.iter().map(|scope| ("scope".to_owned(), scope.clone())));
    let own = || oauth.refresh_token.as_ref().map(|token| token.fill(names));
    let refresh = refresh.map(|token| token.reveal().to_owned()).or_else(own);
    form.extend(refresh.map(|token| ("refresh_token".to_owned(), token)));
    form.extend(oauth.form.iter().map(|(name, value)| (name.clone(), value.fill(names))));
    Grant { url: oauth.token_url.fill_url(names), form, header }
}

fn jwt_grant(jwt: &Jwt, names: &Names, now: Timestamp) -> Result<Grant, PullError> {
    let url = jwt.token_url.fill_url(names);
    let fill = |template: &Option<super::template::Template>| {
        template.as_ref().map(|template| template.fill(names)).filter(|text| !text.is_empty())
    };
    let issuer = jwt.issuer.fill(names);
    let (subject, audience) = (fill(&jwt.subject), fill(&jwt.audience));
    let key_id = fill(&jwt.key_id);
    let claims = Claims {
        issuer: &issuer,
        subject: subject.as_deref(),
        audience: audience.as_deref().unwrap_or(&url),
        scope: jwt.scope.as_deref().filter(|_| !jwt.as_client),
        key_id: key_id.as_deref(),
    };
    let assertion = assertion(&jwt.key.fill(names), &claims, now)
        .map_err(|reason| PullError::Key { input: key_name(&jwt.key), reason })?;
    let text = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut form = if jwt.as_client {
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        vec![
            text("grant_type", "client_credentials"),
            text("client_id", &issuer),
            text("client_assertion_type", kind),
            text("client_assertion", &assertion),
        ]
    } else {
        let kind = "urn:ietf:params:oauth:grant-type:jwt-bearer";
        vec![text("grant_type", kind), text("assertion", &assertion)]
    };
    if let Some(scope) = jwt.scope.as_ref().filter(|_| jwt.as_client) {
        form.push(text("scope", scope));
    }
    form.extend(jwt.form.iter().map(|(name, value)| (name.clone(), value.fill(names))));
    Ok(Grant { url, form, header: None })
}

fn google_grant(google: &Google, names: &Names, now: Timestamp) -> Result<Grant, PullError> {
    let wrong = |reason: String| PullError::Key { input: key_name(&google.key), reason };
    let account: ServiceAccount = serde_json::from_str(&google.key.fill(names))
        // What the parser says may quote the key.
        .map_err(|_| wrong("it is not the JSON of a service account's key".into()))?;
    let scope = google.scopes.join(" ");
    let subject = google.subject.fill(names);
    let claims = Claims {
        issuer: &account.client_email,
        subject: Some(&subject),
        audience: &account.token_uri,
        scope: Some(&scope),
        key_id: account.private_key_id.as_deref(),
    };
    let assertion = assertion(&account.private_key, &claims, now).map_err(wrong)?;
    let kind = "urn:ietf:params:oauth:grant-type:jwt-bearer".to_owned();
    let form = vec![("grant_type".to_owned(), kind), ("assertion".to_owned(), assertion)];
    Ok(Grant { url: account.token_uri, form, header: None })
}

fn key_name(template: &super::template::Template) -> String {
    template.names().next().unwrap_or("key").to_owned()
}

async fn fetch(
    grant: &Grant,
    http: &dyn HttpExchange,
    now: Timestamp,
    names: &Names,
) -> Result<Token, PullError> {
    let url = Url::parse(&grant.url).ok();
    let shown = url.as_ref().map_or_else(String::new, |url| {
        format!("POST {}{}", url.origin().ascii_serialization(), url.path())
    });
    let shown = names.redact(&shown);
    let pairs =
        grant.form.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value)));
    let body = pairs.collect::<Vec<_>>().join("&");
    let mut headers = vec![
        ("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned()),
        ("accept".to_owned(), "application/json".to_owned()),
    ];
    headers.extend(grant.header.clone().map(|value| ("authorization".to_owned(), value)));
    let request = HttpRequest {
        method: "POST",
        url: &grant.url,
        headers: &headers,
        body: body.as_bytes(),
        reply_bytes_max: TOKEN_BYTES_MAX,
    };
    let reply = http.exchange(request).await.map_err(|failure| PullError::NoAnswer {
        request: shown.clone(),
        reason: names.redact(&failure.to_string()),
    })?;
    token_of(&reply, shown, grant, now, names)
}

fn token_of(
    reply: &HttpReply,
    request: String,
    grant: &Grant,
    now: Timestamp,
    names: &Names,
) -> Result<Token, PullError> {
    let status = reply.status;
    if status == 429 || status >= 500 {
        return Err(PullError::Broken { request, status, answer: String::new() });
    }
    if !(200..300).contains(&status) {
        let mut said = names.redact(&answer(&reply.body));
        for (_, value) in &grant.form {
            said = if value.len() > 40 { without(&said, value) } else { said };
        }
        return Err(PullError::NoToken { request, reason: format!("it answered {status}{said}") });
    }
    let Ok(token) = serde_json::from_slice::<TokenAnswer>(&reply.body) else {
        return Err(PullError::NoToken { request, reason: "the answer has none".into() });
    };
    // Some write the number as a text.
    let seconds = match &token.expires_in {
        serde_json::Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    };
    let life =
        Duration::from_secs(seconds.unwrap_or(TOKEN_SECONDS).min(limits::PULL_EVERY_SECONDS_MAX));
    // A token that is good for less than the margin is used once.
    let until = now.plus(life.saturating_sub(MARGIN));
    let refresh = token.refresh_token.filter(|token| !token.is_empty()).map(PullSecret::new);
    Ok(Token { text: PullSecret::new(token.access_token), until, refresh })
}
