//! TLS by rustls, which does no IO either: what connections are encrypted with, at both ends. Behind the feature `tls`.

use std::fmt;
use std::io::{self, ErrorKind};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig, ServerConnection};
use x509_cert::Certificate;
use x509_cert::der::Decode;

use super::error::Result;
use super::peer::Peer;
use crate::sasl::TransportSecurity;
use crate::types::Str;

/// How a client speaks TLS. Clones share what they remember of servers.
///
/// What [`builder`](Self::builder) does not offer can be had by making one from an `Arc<ClientConfig>` of
/// [`rustls`](super::rustls).
#[derive(Clone)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
    server_name: Option<Str>,
}

impl ClientTls {
    /// Trusts whom the system trusts, and shows no certificate. An error is that the system trusts nobody.
    pub fn system() -> Result<Self> {
        Self::builder().build()
    }

    /// Says whom to trust and what to show.
    pub fn builder() -> ClientTlsBuilder {
        ClientTlsBuilder::default()
    }

    /// Sets the name that the server's certificate has to be for, and that it is asked for. Default: the URL's host.
    #[must_use]
    pub fn with_server_name(mut self, name: impl Into<Str>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Returns whether there may be a certificate to show.
    pub fn has_certificate(&self) -> bool {
        self.config.client_auth_cert_resolver.has_certs()
    }

    /// Returns a fresh connection to this host.
    pub fn connect(&self, host: &str) -> Result<rustls::ClientConnection> {
        let connection = rustls::ClientConnection::new(Arc::clone(&self.config), self.name(host)?);
        Ok(connection.map_err(refused)?)
    }

    /// Returns the name that the certificate of this host has to be for.
    pub fn name(&self, host: &str) -> Result<ServerName<'static>> {
        let name = self.server_name.as_deref().unwrap_or(host);
        Ok(ServerName::try_from(name.to_owned()).map_err(refused)?)
    }

    /// Returns the configuration of rustls.
    pub fn config(&self) -> &Arc<ClientConfig> {
        &self.config
    }
}

impl From<Arc<ClientConfig>> for ClientTls {
    fn from(config: Arc<ClientConfig>) -> Self {
        Self { config, server_name: None }
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls")
            .field("server_name", &self.server_name)
            .field("has_certificate", &self.has_certificate())
            .finish_non_exhaustive()
    }
}

/// Whom a client trusts, and what it shows.
#[derive(Debug, Default)]
pub struct ClientTlsBuilder {
    trusted: Vec<CertificateDer<'static>>,
    identity: Option<Shown>,
}

impl ClientTlsBuilder {
    /// Trusts the certificates in this PEM text, and no longer those of the system.
    pub fn with_trusted_pem(mut self, pem: &[u8]) -> Result<Self> {
        self.trusted.extend(certificates(pem)?);
        Ok(self)
    }

    /// Trusts this certificate, and no longer those of the system.
    #[must_use]
    pub fn with_trusted(mut self, certificate: CertificateDer<'static>) -> Self {
        self.trusted.push(certificate);
        self
    }

    /// Shows this certificate, with those that lead to one that the server trusts, and has this key; both PEM.
    pub fn with_identity_pem(mut self, chain: &[u8], key: &[u8]) -> Result<Self> {
        self.identity = Some(Shown::from_pem(chain, key)?);
        Ok(self)
    }

    /// Sets the certificate chain and its key, not in PEM.
    #[must_use]
    pub fn with_identity(mut self, chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Self {
        self.identity = Some(Shown { chain, key });
        self
    }

    /// Makes it. An error is that nobody is trusted, or that certificate and key do not belong together.
    pub fn build(self) -> Result<ClientTls> {
        let provider = provider();
        let roots = if self.trusted.is_empty() { system_roots()? } else { roots(self.trusted)? };
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(refused)?
            .with_webpki_verifier(verifier.build().map_err(refused)?);
        let config = match self.identity {
            Some(shown) => config.with_client_auth_cert(shown.chain, shown.key).map_err(refused)?,
            None => config.with_no_client_auth(),
        };
        Ok(Arc::new(config).into())
    }
}

/// How a server speaks TLS.
///
/// What [`builder`](Self::builder) does not offer can be had by making one from an `Arc<ServerConfig>` of
/// [`rustls`](super::rustls).
#[derive(Clone)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
}

impl ServerTls {
    /// Shows this certificate, with those that lead to one that clients trust, and has this key; both PEM.
    pub fn builder_pem(chain: &[u8], key: &[u8]) -> Result<ServerTlsBuilder> {
        let Shown { chain, key } = Shown::from_pem(chain, key)?;
        Ok(Self::builder(chain, key))
    }

    /// Begins with a certificate chain and its key, not in PEM.
    pub fn builder(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> ServerTlsBuilder {
        ServerTlsBuilder { shown: Shown { chain, key }, trusted: Vec::new(), optional: false }
    }

    /// Returns a fresh connection.
    pub fn accept(&self) -> Result<ServerConnection> {
        Ok(ServerConnection::new(Arc::clone(&self.config)).map_err(refused)?)
    }

    /// Returns the facts about a client that TLS has shown: its certificate's subject is the user, as text such as
    /// `CN=meter-17,O=Example` [RFC 4514].
    pub fn peer(connection: &ServerConnection) -> Peer {
        let peer = Peer::new(TransportSecurity::Encrypted);
        let certificate = connection.peer_certificates().and_then(|chain| chain.first());
        match certificate.and_then(|certificate| Certificate::from_der(certificate).ok()) {
            Some(certificate) => peer.with_user(certificate.tbs_certificate.subject.to_string()),
            None => peer,
        }
    }

    /// Returns the configuration of rustls.
    pub fn config(&self) -> &Arc<ServerConfig> {
        &self.config
    }
}

impl From<Arc<ServerConfig>> for ServerTls {
    fn from(config: Arc<ServerConfig>) -> Self {
        Self { config }
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").finish_non_exhaustive()
    }
}

/// The certificate that a server shows, and the clients that it trusts; a builder.
#[derive(Debug)]
pub struct ServerTlsBuilder {
    shown: Shown,
    trusted: Vec<CertificateDer<'static>>,
    optional: bool,
}

impl ServerTlsBuilder {
    /// Wants certificates of clients, issued by those in this PEM text. Unless it is asked for them, a server takes all.
    pub fn with_trusted_clients_pem(mut self, pem: &[u8]) -> Result<Self> {
        self.trusted.extend(certificates(pem)?);
        Ok(self)
    }

    /// Wants certificates of clients, issued by this one.
    #[must_use]
    pub fn with_trusted_clients(mut self, certificate: CertificateDer<'static>) -> Self {
        self.trusted.push(certificate);
        self
    }

    /// Takes clients without a certificate, too.
    #[must_use]
    pub fn with_optional_certificate(mut self) -> Self {
        self.optional = true;
        self
    }

    /// Makes it. An error is that certificate and key do not belong together, or that a certificate is none.
    pub fn build(self) -> Result<ServerTls> {
        let provider = provider();
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(refused)?;
        let config = if self.trusted.is_empty() {
            config.with_no_client_auth()
        } else {
            let roots = Arc::new(roots(self.trusted)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
            let verifier = if self.optional { verifier.allow_unauthenticated() } else { verifier };
            config.with_client_cert_verifier(verifier.build().map_err(refused)?)
        };
        let config = config.with_single_cert(self.shown.chain, self.shown.key).map_err(refused)?;
        Ok(Arc::new(config).into())
    }
}

/// A certificate, those that lead to a trusted one, and its key. `Debug` does not tell the key.
struct Shown {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Shown {
    fn from_pem(chain: &[u8], key: &[u8]) -> io::Result<Self> {
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| bad("no private key", error))?;
        Ok(Self { chain: certificates(chain)?, key })
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} certificates and a key", self.chain.len())
    }
}

/// Makes an error of TLS say that it is one of TLS.
pub fn tls_failure(error: io::Error) -> io::Error {
    let cause = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    let words = match cause {
        Some(rustls::Error::InvalidMessage(_)) => format!("TLS: the peer does not speak it: {error}"),
        None if error.kind() == ErrorKind::UnexpectedEof => "TLS: the peer has hung up".to_owned(),
        _ => format!("TLS: {error}"),
    };
    io::Error::new(error.kind(), TlsFailure { words, is_ours: false })
}

/// A failure of TLS, in words; what an [`io::Error`] of TLS holds.
#[derive(Debug)]
pub(super) struct TlsFailure {
    words: String,
    is_ours: bool,
}

impl TlsFailure {
    /// Returns the failure that this error holds, if it is one of TLS.
    pub(super) fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// Returns whether the settings of this end are wrong, and nothing was tried.
    pub(super) fn is_ours(&self) -> bool {
        self.is_ours
    }
}

impl fmt::Display for TlsFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl std::error::Error for TlsFailure {}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn certificates(pem: &[u8]) -> io::Result<Vec<CertificateDer<'static>>> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let certificates = certificates.map_err(|error| bad("no certificate", error))?;
    if certificates.is_empty() {
        Err(bad("no certificate", "there is none in the text"))
    } else {
        Ok(certificates)
    }
}

fn roots(trusted: Vec<CertificateDer<'static>>) -> io::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in trusted {
        roots.add(certificate).map_err(refused)?;
    }
    Ok(roots)
}

fn system_roots() -> io::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    // Systems have some that are not fit for use.
    roots.add_parsable_certificates(found.certs);
    match (roots.is_empty(), found.errors.first()) {
        (false, _) => Ok(roots),
        (true, Some(error)) => Err(bad("the system trusts nobody", error)),
        (true, None) => Err(bad("the system trusts nobody", "it has no certificates")),
    }
}

fn bad(what: &str, why: impl fmt::Display) -> io::Error {
    unusable(format!("TLS: {what}: {why}"))
}

fn refused(error: impl fmt::Display) -> io::Error {
    unusable(format!("TLS: {error}"))
}

fn unusable(words: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, TlsFailure { words, is_ours: true })
}
