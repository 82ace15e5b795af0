//! Signatures of AWS, version 4, for posts to `/`.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use base::Timestamp;
use ring::{digest, hmac};

use crate::hex::hex;

/// Who signs.
pub(super) struct Signer<'s> {
    pub(super) key_id: &'s str,
    pub(super) secret: &'s str,
    pub(super) token: Option<&'s str>,
    pub(super) region: &'s str,
    pub(super) service: &'s str,
}

impl Signer<'_> {
    /// The headers with those that sign the request added. Names are in lower case.
    pub(super) fn sign(
        &self,
        host: &str,
        mut headers: Vec<(String, String)>,
        body: &[u8],
        now: Timestamp,
    ) -> Vec<(String, String)> {
        let (date, time) = stamp(now);
        headers.push(("x-amz-date".to_owned(), time.clone()));
        if let Some(token) = self.token {
            headers.push(("x-amz-security-token".to_owned(), token.to_owned()));
        }
        let mut signed: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        signed.push(("host", host));
        signed.sort_unstable();
        let lines: String =
            signed.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
        let names = signed.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let request = format!("POST\n/\n\n{lines}\n{names}\n{}", sha256(body));
        let scope = format!("{date}/{}/{}/aws4_request", self.region, self.service);
        let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", sha256(request.as_bytes()));
        let mut key = format!("AWS4{}", self.secret).into_bytes();
        for part in [date.as_str(), self.region, self.service, "aws4_request"] {
            key = mac(&key, part);
        }
        let signature = hex(&mac(&key, &text));
        let id = self.key_id;
        headers.push((
            "authorization".to_owned(),
            format!(
                "AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}"
            ),
        ));
        headers
    }
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// The day and the second, as signatures have them.
fn stamp(now: Timestamp) -> (String, String) {
    let (year, month, day) = now.day().to_civil();
    let date = format!("{year:04}{month:02}{day:02}");
    let second = now.as_micros().div_euclid(1_000_000).rem_euclid(86_400);
    let time = format!("{date}T{:02}{:02}{:02}Z", second / 3600, second / 60 % 60, second % 60);
    (date, time)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `post-vanilla` and `post-x-www-form-urlencoded` of AWS's test suite for signatures.
    #[test]
    fn signs_as_the_test_suite_does() {
        let signer = Signer {
            key_id: "AKIDEXAMPLE",
            secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            token: None,
            region: "us-east-1",
            service: "service",
        };
        let now = Timestamp::parse("2015-08-30T12:36:00Z").unwrap();
        let signature = |headers, body: &[u8]| {
            let headers = signer.sign("example.amazonaws.com", headers, body, now);
            let (_, value) = headers.iter().find(|(name, _)| name == "authorization").unwrap();
            value.clone()
        };
        assert_eq!(
            signature(Vec::new(), b""),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
        );
        let form = ("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned());
        assert!(signature(vec![form], b"Param1=value1").ends_with(
            "Signature=ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"
        ));
    }
}
