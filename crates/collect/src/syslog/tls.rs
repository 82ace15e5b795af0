//! TLS for syslog, as [RFC 5425](https://www.rfc-editor.org/rfc/rfc5425) has it: 1.2 and 1.3, with the
//! server's certificate, and the senders' where an authority for them is given.

use std::sync::Arc;

use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};
use tokio_rustls::TlsAcceptor;

/// What TLS needs, in PEM.
#[derive(Clone)]
pub struct SyslogTls {
    /// The server's certificate, and those between it and its authority.
    pub certificate: Vec<u8>,
    /// Its key.
    pub key: Vec<u8>,
    /// The authorities whose certificates senders must have; `None`: senders need none.
    pub client_ca: Option<Vec<u8>>,
}

impl std::fmt::Debug for SyslogTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let asks_for_certificates = self.client_ca.is_some();
        f.debug_struct("SyslogTls")
            .field("asks_for_certificates", &asks_for_certificates)
            .finish_non_exhaustive()
    }
}

/// # Errors
/// What is wrong with the certificates or the key.
pub(super) fn acceptor(tls: &SyslogTls) -> Result<TlsAcceptor, String> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = match &tls.client_ca {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates("client_ca", pem)? {
                roots.add(certificate).map_err(|error| format!("`client_ca`: {error}"))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|error| format!("`client_ca`: {error}"))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let key = PrivateKeyDer::from_pem_slice(&tls.key)
        .map_err(|error| format!("`key` holds no private key in PEM: {error}"))?;
    let chain = certificates("certificate", &tls.certificate)?;
    let config = builder
        .with_single_cert(chain, key)
        .map_err(|error| format!("`certificate` and `key` can't be used: {error}"))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn certificates(name: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let read = read.map_err(|error| format!("`{name}` is no PEM: {error}"))?;
    if read.is_empty() {
        return Err(format!("`{name}` holds no certificate in PEM"));
    }
    Ok(read)
}
