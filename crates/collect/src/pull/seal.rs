//! Tokens that a server gave in place of one of the settings, sealed for the state store.
//!
//! The key is made of the token that the settings give (HKDF with SHA-256), the seal is AES-256-GCM: whoever reads
//! the state and not the settings' secrets learns nothing, and once the settings give another token, what was
//! sealed with the old one no longer opens, and is no longer wanted.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf,
    rand::{SecureRandom as _, SystemRandom},
};

/// What the key is for: part of the stored form.
const PURPOSE: &[u8] = b"dab pull: refresh token, version 1";

fn key(secret: &str) -> Option<LessSafeKey> {
    let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, PURPOSE);
    let made = salt.extract(secret.as_bytes());
    let key: UnboundKey = made.expand(&[PURPOSE], &AES_256_GCM).ok()?.into();
    Some(LessSafeKey::new(key))
}

/// Seals a token; `None` if the system gives no random bytes.
pub(super) fn seal(token: &str, secret: &str) -> Option<String> {
    let mut nonce = [0; NONCE_LEN];
    SystemRandom::new().fill(&mut nonce).ok()?;
    let mut sealed = token.as_bytes().to_vec();
    key(secret)?
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(PURPOSE),
            &mut sealed,
        )
        .ok()?;
    Some(STANDARD.encode([nonce.as_slice(), &sealed].concat()))
}

/// Opens what was sealed with the same secret; `None` if it was not.
pub(super) fn open(sealed: &str, secret: &str) -> Option<String> {
    let bytes = STANDARD.decode(sealed).ok()?;
    let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN)?;
    let mut sealed = sealed.to_vec();
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let token = key(secret)?.open_in_place(nonce, Aad::from(PURPOSE), &mut sealed).ok()?;
    String::from_utf8(token.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_secret_opens_a_seal() {
        let sealed = seal("token-2", "token-1").unwrap();
        assert!(!sealed.contains("token"));
        assert_eq!(open(&sealed, "token-1").as_deref(), Some("token-2"));
        assert_eq!(open(&sealed, "token-2"), None);
        assert_ne!(seal("token-2", "token-1").unwrap(), sealed, "each seal has its own nonce");
        let (cut, _) = sealed.split_at(sealed.len() - 4);
        for broken in ["", "AAAA", "!", cut] {
            assert_eq!(open(broken, "token-1"), None, "{broken}");
        }
    }
}
