//! TLS settings of clients and servers, by rustls, without IO. Needs the feature `tls`.

use std::fmt;
use std::io::{self, ErrorKind};
use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig, ServerConnection};
use x509_cert::Certificate;
use x509_cert::der::Decode;

use super::error::Result;
use super::peer::Peer;
use super::tls_provider::default_provider;
use crate::sasl::TransportSecurity;
use crate::types::Str;

/// The TLS settings of a client. Clones share the session cache.
///
/// For settings that [`builder`](Self::builder) does not have, convert an `Arc<ClientConfig>` of
/// [`rustls`](super::rustls).
#[derive(Clone)]
pub struct ClientTls {
    /// Trusts nobody if there is a `system`.
    config: Arc<ClientConfig>,
    /// The configuration that trusts the system's certificates, once they are read; `None` if it trusts others.
    system: Option<Arc<OnceLock<Arc<ClientConfig>>>>,
    server_name: Option<Str>,
}

/// The certificates that the operating system trusts, as an adapter reads them.
#[derive(Debug)]
pub struct SystemRoots {
    certificates: Vec<CertificateDer<'static>>,
    /// The first error while they were read.
    error: Option<String>,
}

impl SystemRoots {
    /// Returns the certificates that could be read, and keeps the first error for the case that none of them can
    /// be used.
    pub fn new(
        certificates: Vec<CertificateDer<'static>>,
        errors: impl IntoIterator<Item: fmt::Display>,
    ) -> Self {
        Self { certificates, error: errors.into_iter().next().map(|error| error.to_string()) }
    }

    fn into_store(self) -> io::Result<RootCertStore> {
        const NONE: &str = "this system has no trusted certificates";
        let mut roots = RootCertStore::empty();
        // Systems have some certificates that cannot be used.
        roots.add_parsable_certificates(self.certificates);
        match (roots.is_empty(), self.error) {
            (false, _) => Ok(roots),
            (true, Some(error)) => Err(bad(NONE, error)),
            (true, None) => Err(refused(NONE)),
        }
    }
}

impl ClientTls {
    /// Returns settings that trust the system's certificates and have no client certificate.
    ///
    /// The certificates are read for the first connection, which fails if there are none.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](super::Error::Io) if rustls refuses the settings.
    pub fn system() -> Result<Self> {
        Self::builder().build()
    }

    /// Returns a builder, to choose trusted certificates and a client certificate.
    pub fn builder() -> ClientTlsBuilder {
        ClientTlsBuilder::default()
    }

    /// Sets the server name, which is sent to the server and must be in its certificate. Default: the URL's
    /// host.
    #[must_use]
    pub fn with_server_name(mut self, name: impl Into<Str>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Makes settings that have to trust the system's certificates trust them. `read` reads them, once for all
    /// clones.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](super::Error::Io) if the system has no trusted certificates.
    pub fn with_system_roots(mut self, read: impl FnOnce() -> SystemRoots) -> Result<Self> {
        if let Some(system) = self.system.take() {
            let config = match system.get() {
                Some(config) => config,
                None => {
                    let config = trusting(&self.config, read().into_store()?)?;
                    system.get_or_init(|| config)
                }
            };
            self.config = Arc::clone(config);
        }
        Ok(self)
    }

    /// Returns `true` if a client certificate can be sent.
    pub fn has_certificate(&self) -> bool {
        self.config.client_auth_cert_resolver.has_certs()
    }

    /// Returns a new TLS connection to this host.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](super::Error::Io) if the host is no valid server name.
    pub fn connect(&self, host: &str) -> Result<rustls::ClientConnection> {
        let connection = rustls::ClientConnection::new(Arc::clone(&self.config), self.name(host)?);
        Ok(connection.map_err(refused)?)
    }

    /// Returns the server name that the certificate of this host must have.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](super::Error::Io) if the host is no valid server name.
    pub fn name(&self, host: &str) -> Result<ServerName<'static>> {
        let name = self.server_name.as_deref().unwrap_or(host);
        Ok(ServerName::try_from(name.to_owned()).map_err(refused)?)
    }

    /// Returns the rustls configuration. If the system's certificates are to be trusted, it trusts nobody before
    /// [`with_system_roots`](Self::with_system_roots).
    pub fn config(&self) -> &Arc<ClientConfig> {
        &self.config
    }
}

impl From<Arc<ClientConfig>> for ClientTls {
    fn from(config: Arc<ClientConfig>) -> Self {
        Self { config, system: None, server_name: None }
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

/// A builder of [`ClientTls`]: the trusted certificates and the client certificate.
#[derive(Debug, Default)]
pub struct ClientTlsBuilder {
    provider: Option<Arc<CryptoProvider>>,
    verifier: Option<Arc<dyn ServerCertVerifier>>,
    trusted: Vec<CertificateDer<'static>>,
    identity: Option<Shown>,
}

impl ClientTlsBuilder {
    /// Sets the provider of cryptography. Default: the one that the program has installed as rustls's default, else
    /// that of the feature `aws-lc-rs`, else that of the feature `ring`.
    #[must_use]
    pub fn with_provider(mut self, provider: Arc<CryptoProvider>) -> Self {
        self.provider = Some(provider);
        self
    }

    /// Sets what verifies the server's certificate, such as the operating system by the crate
    /// `rustls-platform-verifier`, in place of trusted certificates.
    #[must_use]
    pub fn with_verifier(mut self, verifier: Arc<dyn ServerCertVerifier>) -> Self {
        self.verifier = Some(verifier);
        self
    }

    /// Trusts the certificates in this PEM text, in place of the system's.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](super::Error::Io) if the text has no certificate.
    pub fn with_trusted_pem(mut self, pem: &[u8]) -> Result<Self> {
        self.trusted.extend(certificates(pem)?);
        Ok(self)
    }

    /// Trusts this certificate, in place of the system's.
    #[must_use]
    pub fn with_trusted(mut self, certificate: CertificateDer<'static>) -> Self {
        self.trusted.push(certificate);
        self
    }

    /// Sets the client certificate with its chain, and its private key, all in PEM.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](super::Error::Io) if a text has no certificate or no key.
    pub fn with_identity_pem(mut self, chain: &[u8], key: &[u8]) -> Result<Self> {
        self.identity = Some(Shown::from_pem(chain, key)?);
        Ok(self)
    }

    /// Sets the client certificate with its chain, and its private key, all decoded.
    #[must_use]
    pub fn with_identity(mut self, chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Self {
        self.identity = Some(Shown { chain, key });
        self
    }

    /// Builds the settings.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](super::Error::Io) if a trusted certificate is malformed, if the certificate and the key do not
    /// match, if there is no provider of cryptography, or if the provider has no cipher suite.
    pub fn build(self) -> Result<ClientTls> {
        let system = (self.trusted.is_empty() && self.verifier.is_none()).then(Arc::default);
        let config = ClientConfig::builder_with_provider(provider(self.provider)?)
            .with_safe_default_protocol_versions()
            .map_err(refused)?;
        let config = match self.verifier {
            // The application answers for its own verifier.
            Some(verifier) => config.dangerous().with_custom_certificate_verifier(verifier),
            None => config.with_root_certificates(roots(self.trusted)?),
        };
        let config = match self.identity {
            Some(shown) => config.with_client_auth_cert(shown.chain, shown.key).map_err(refused)?,
            None => config.with_no_client_auth(),
        };
        Ok(ClientTls { config: Arc::new(config), system, server_name: None })
    }
}

/// The TLS settings of a server.
///
/// For settings that [`builder`](Self::builder) does not have, convert an `Arc<ServerConfig>` of
/// [`rustls`](super::rustls).
#[derive(Clone)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
}

impl ServerTls {
    /// Returns a builder with the server certificate, its chain, and its private key, all in PEM.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](super::Error::Io) if a text has no certificate or no key.
    pub fn builder_pem(chain: &[u8], key: &[u8]) -> Result<ServerTlsBuilder> {
        let Shown { chain, key } = Shown::from_pem(chain, key)?;
        Ok(Self::builder(chain, key))
    }

    /// Returns a builder with the server certificate, its chain, and its private key, all decoded.
    pub fn builder(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> ServerTlsBuilder {
        ServerTlsBuilder { provider: None, shown: Shown { chain, key }, trusted: Vec::new(), optional: false }
    }

    /// Returns a new TLS connection of the server.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](super::Error::Io) if rustls refuses the configuration.
    pub fn accept(&self) -> Result<ServerConnection> {
        Ok(ServerConnection::new(Arc::clone(&self.config)).map_err(refused)?)
    }

    /// Returns the facts about a client that TLS has authenticated.
    ///
    /// The user is the subject of the client's certificate, as text such as `CN=meter-17,O=Example` (RFC
    /// 4514).
    pub fn peer(connection: &ServerConnection) -> Peer {
        let peer = Peer::new(TransportSecurity::Encrypted);
        let certificate = connection.peer_certificates().and_then(|chain| chain.first());
        match certificate.and_then(|certificate| Certificate::from_der(certificate).ok()) {
            Some(certificate) => peer.with_user(certificate.tbs_certificate.subject.to_string()),
            None => peer,
        }
    }

    /// Returns the rustls configuration.
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

/// A builder of [`ServerTls`]: the server certificate and the certificates trusted for clients.
#[derive(Debug)]
pub struct ServerTlsBuilder {
    provider: Option<Arc<CryptoProvider>>,
    shown: Shown,
    trusted: Vec<CertificateDer<'static>>,
    optional: bool,
}

impl ServerTlsBuilder {
    /// Sets the provider of cryptography. Default: the one that the program has installed as rustls's default, else
    /// that of the feature `aws-lc-rs`, else that of the feature `ring`.
    #[must_use]
    pub fn with_provider(mut self, provider: Arc<CryptoProvider>) -> Self {
        self.provider = Some(provider);
        self
    }

    /// Requires client certificates that the certificates in this PEM text have issued.
    ///
    /// By default, clients need no certificate.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](super::Error::Io) if the text has no certificate.
    pub fn with_trusted_clients_pem(mut self, pem: &[u8]) -> Result<Self> {
        self.trusted.extend(certificates(pem)?);
        Ok(self)
    }

    /// Requires client certificates that this certificate has issued.
    #[must_use]
    pub fn with_trusted_clients(mut self, certificate: CertificateDer<'static>) -> Self {
        self.trusted.push(certificate);
        self
    }

    /// Also accepts clients without a certificate.
    #[must_use]
    pub fn with_optional_certificate(mut self) -> Self {
        self.optional = true;
        self
    }

    /// Builds the settings.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](super::Error::Io) if the certificate and the key do not match, if a certificate is malformed, if
    /// there is no provider of cryptography, or if the provider has no cipher suite.
    pub fn build(self) -> Result<ServerTls> {
        let provider = provider(self.provider)?;
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

/// A certificate, its chain, and its private key. `Debug` does not show the key.
struct Shown {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Shown {
    fn from_pem(chain: &[u8], key: &[u8]) -> io::Result<Self> {
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| bad("invalid private key", error))?;
        Ok(Self { chain: certificates(chain)?, key })
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} certificates and a key", self.chain.len())
    }
}

/// Marks an error as an error of TLS.
pub fn tls_failure(error: io::Error) -> io::Error {
    let cause = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    let words = match cause {
        Some(rustls::Error::InvalidMessage(_)) => format!("TLS: the peer does not speak TLS: {error}"),
        None if error.kind() == ErrorKind::UnexpectedEof => "TLS: the peer closed the connection".to_owned(),
        _ => format!("TLS: {error}"),
    };
    io::Error::new(error.kind(), TlsFailure { words, is_ours: false })
}

/// Marks an error as an error of TLS of a client, and adds the URL and advice.
pub(super) fn failure_at(url: &str, error: io::Error) -> io::Error {
    let cause = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    let is_foreign = matches!(cause, Some(rustls::Error::InvalidMessage(_)));
    let hint = match is_foreign {
        false => "",
        true if url.starts_with("wss:") => "; is this the port for wss, mostly 443?",
        true => "; is this the port for amqps, mostly 5671?",
    };
    let failure = tls_failure(error);
    let words = format!("{failure} ({url}){hint}");
    io::Error::new(failure.kind(), TlsFailure { words, is_ours: false })
}

/// A failure of TLS, as text, inside an [`io::Error`].
#[derive(Debug)]
pub(super) struct TlsFailure {
    words: String,
    is_ours: bool,
}

impl TlsFailure {
    /// Returns the TLS failure inside an error, if it is one of TLS.
    pub(super) fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// Returns `true` if the settings of this end are wrong, and nothing was sent.
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

/// Returns the provider that is given, else the default one.
fn provider(given: Option<Arc<CryptoProvider>>) -> io::Result<Arc<CryptoProvider>> {
    given.or_else(default_provider).ok_or_else(|| {
        refused("no provider of cryptography: enable the feature `ring` or `aws-lc-rs`, or set a provider")
    })
}

fn certificates(pem: &[u8]) -> io::Result<Vec<CertificateDer<'static>>> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let certificates = certificates.map_err(|error| bad("invalid certificate", error))?;
    if certificates.is_empty() {
        Err(bad("no certificate", "the PEM text has none"))
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

/// Returns a configuration with its trusted certificates replaced.
fn trusting(config: &ClientConfig, roots: RootCertStore) -> io::Result<Arc<ClientConfig>> {
    let provider = Arc::clone(config.crypto_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
    let mut config = config.clone();
    // The verifier is the usual one, so this call is not dangerous.
    config.dangerous().set_certificate_verifier(verifier.build().map_err(refused)?);
    Ok(Arc::new(config))
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
