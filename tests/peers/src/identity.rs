//! Who a server is: a certificate that its clients trust.

use std::sync::Arc;

use anyhow::Context as _;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use quinn::{
    ClientConfig, ServerConfig,
    crypto::rustls::{QuicClientConfig, QuicServerConfig},
};
use rcgen::{Certificate, KeyPair, PublicKeyData as _};
use rustls::{
    RootCertStore,
    crypto::{CryptoProvider, ring},
    pki_types::PrivatePkcs8KeyDer,
    version::TLS13,
};
use sha2::{Digest as _, Sha256};

/// The name that clients ask for.
pub const NAME: &str = "quic.netweir.test";

/// The application protocol.
pub const ALPN: &str = "netweir-test";

/// A certificate and its key.
pub struct Identity {
    certificate: Certificate,
    key: KeyPair,
}

impl Identity {
    /// A new one, for [`NAME`].
    ///
    /// # Errors
    /// No certificate can be made.
    pub fn new() -> anyhow::Result<Self> {
        let made = rcgen::generate_simple_self_signed([NAME.to_owned()])?;
        Ok(Self {
            certificate: made.cert,
            key: made.signing_key,
        })
    }

    /// Certificate and key as PEM.
    pub fn pem(&self) -> [String; 2] {
        [self.certificate.pem(), self.key.serialize_pem()]
    }

    /// What a browser is told so that it trusts the key: Base64 of the SHA-256 of what is said of the
    /// public key in a certificate (`SubjectPublicKeyInfo`).
    pub fn fingerprint(&self) -> String {
        let key = self.key.subject_public_key_info();
        BASE64_STANDARD.encode(Sha256::digest(key))
    }

    pub(crate) fn server(&self) -> anyhow::Result<ServerConfig> {
        let key = PrivatePkcs8KeyDer::from(self.key.serialize_der());
        let mut config = rustls::ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])?
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.der().clone()], key.into())?;
        config.alpn_protocols = vec![ALPN.into()];
        let config = QuicServerConfig::try_from(config).context("a server's TLS for QUIC")?;
        Ok(ServerConfig::with_crypto(Arc::new(config)))
    }

    pub(crate) fn client(&self) -> anyhow::Result<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone())?;
        let mut config = rustls::ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![ALPN.into()];
        let config = QuicClientConfig::try_from(config).context("a client's TLS for QUIC")?;
        Ok(ClientConfig::new(Arc::new(config)))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
