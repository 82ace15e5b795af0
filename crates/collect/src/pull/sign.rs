//! What proves who asks: signed tokens (RFC 7515), Duo's signatures.

use base::Timestamp;
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::{
    digest, hmac,
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};
use serde_json::json;

use super::template::encode;
use crate::hex::hex;

/// For how long an assertion is good, in seconds: an hour is the most that Google takes.
const ASSERTION_SECONDS: i64 = 300;

/// What an assertion says.
pub(super) struct Claims<'c> {
    pub(super) issuer: &'c str,
    pub(super) subject: Option<&'c str>,
    pub(super) audience: &'c str,
    pub(super) scope: Option<&'c str>,
    pub(super) key_id: Option<&'c str>,
}

/// A signed assertion (RFC 7523) with RS256.
pub(super) fn assertion(key: &str, claims: &Claims<'_>, now: Timestamp) -> Result<String, String> {
    let pair = rsa_key(key)?;
    let at = now.as_micros().div_euclid(1_000_000);
    let mut header = json!({"alg": "RS256", "typ": "JWT"});
    let mut body = json!({
        "iss": claims.issuer,
        "aud": claims.audience,
        "iat": at,
        "exp": at + ASSERTION_SECONDS,
        // One that is seen twice is refused by some servers.
        "jti": hex(digest::digest(&digest::SHA256, format!("{} {now}", claims.issuer).as_bytes())
            .as_ref().get(..16).unwrap_or_default()),
    });
    for (target, name, value) in
        [(&mut header, "kid", claims.key_id), (&mut body, "sub", claims.subject)]
    {
        if let (Some(members), Some(value)) = (target.as_object_mut(), value) {
            members.insert(name.to_owned(), value.into());
        }
    }
    if let (Some(members), Some(scope)) = (body.as_object_mut(), claims.scope) {
        members.insert("scope".to_owned(), scope.into());
    }
    let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", part(&header), part(&body));
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
        .map_err(|_| "it can't sign".to_owned())?;
    Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// Reads an RSA key: PEM of PKCS #8 (`PRIVATE KEY`) or PKCS #1 (`RSA PRIVATE KEY`).
pub(super) fn rsa_key(pem: &str) -> Result<RsaKeyPair, String> {
    let (_, from) = pem.split_once("-----BEGIN ").ok_or("it is no PEM")?;
    let (label, from) = from.split_once("-----").ok_or("it is no PEM")?;
    let (body, _) = from.split_once("-----END ").ok_or("its end is missing")?;
    // Variables of the environment often hold the line breaks as `\n`.
    let body = body.replace("\\n", "");
    let body: String = body.chars().filter(|c| !c.is_whitespace()).collect();
    let der = STANDARD.decode(body).map_err(|_| "it is no base64")?;
    let pair = match label {
        "PRIVATE KEY" => RsaKeyPair::from_pkcs8(&der),
        "RSA PRIVATE KEY" => RsaKeyPair::from_der(&der),
        "ENCRYPTED PRIVATE KEY" => return Err("it has a passphrase".to_owned()),
        other => return Err(format!("it is a `{other}`")),
    };
    pair.map_err(|error| error.to_string())
}

/// The header `Authorization` of Duo's signature, version 5, of a request without body.
///
/// The canonical form is that of Duo's own client for Python (`duo_client`, `sig_version` 5).
pub(super) fn duo(
    (integration_key, secret_key): (&str, &str),
    (method, host, path): (&str, &str, &str),
    query: &[(String, String)],
    date: &str,
) -> String {
    let mut parameters: Vec<_> =
        query.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    parameters.sort();
    let nothing = hex(digest::digest(&digest::SHA512, b"").as_ref());
    let canonical = [
        date,
        method,
        &host.to_ascii_lowercase(),
        path,
        &parameters.join("&"),
        // The body, and the headers that begin with `X-Duo-`.
        &nothing,
        &nothing,
    ]
    .join("\n");
    let key = hmac::Key::new(hmac::HMAC_SHA512, secret_key.as_bytes());
    let signature = hex(hmac::sign(&key, canonical.as_bytes()).as_ref());
    format!("Basic {}", STANDARD.encode(format!("{integration_key}:{signature}")))
}

/// The header `Authorization` of RFC 7617.
pub(super) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The signature was made with Python's `hmac`, in the form of Duo's client.
    #[test]
    fn signs_as_duo_asks_for() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let query = [
            pair("mintime", "1532951895000"),
            pair("maxtime", "1532952000000"),
            pair("sort", "ts:asc"),
            pair("limit", "1000"),
            pair("next_offset", "1532951920000,b40ba235-534d"),
        ];
        let header = duo(
            ("test_ikey", "gtdfxv9YgVBYcF6dl2Eq17KUQJN2PLM2ODVTkvoT"),
            ("GET", "API-xx.duosecurity.com", "/admin/v2/logs/authentication"),
            &query,
            "Fri, 07 Dec 2012 17:18:00 -0000",
        );
        let expected = "Basic dGVzdF9pa2V5OmQ1ZDFlMjM2MjYyNjYxMjA3NjY1MWU3NWJiZTZiMDY0YWFmYTljMzU0YTNiNGMx\
            YzMyOGNlNGYzYmNkNGQ5N2Q4YWIyNDM1MzNlZTI3N2ExZTcwYzlmZTY2MDA0ZGRiYzNjZTZhYmQxZGU5NDNhMGVhZGMw\
            Y2U3NWE0NmEyYTVj";
        assert_eq!(header, expected);
    }

    #[test]
    fn keys_that_are_none_say_why() {
        for (pem, why) in [
            ("hello", "it is no PEM"),
            ("-----BEGIN PRIVATE KEY-----\nAAAA", "its end is missing"),
            ("-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----", "it is no base64"),
            ("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ", "it has a passphrase"),
            ("-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END ", "it is a `EC PRIVATE KEY`"),
        ] {
            assert_eq!(rsa_key(pem).unwrap_err(), why);
        }
    }
}
