//! [`ConnectionOptions`]: the options for opening a connection.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::address::Address;
use super::address_error::AddressError;
use super::dial_plan::DialPlan;
use super::error::Result;
use super::frame_log::log_frames;
use super::host::Host;
use super::peer::Peer;
use super::terminus_store::TerminusStore;
#[cfg(feature = "tls")]
use super::tls::{ClientTls, SystemRoots};
#[cfg(feature = "tls")]
use super::tls_headers::TlsHeaders;
#[cfg(feature = "websocket")]
use super::websocket::WebSocketOptions;
use crate::config::Options;
use crate::connection::Connection;
use crate::policy::Reconnect;
use crate::sasl::{
    AnonymousClient, ClientProfile, ClientSasl, ExternalClient, Login, Nonce, Token, TransportSecurity,
};
use crate::types::{Fields, Limits, Many, Moment, Str, Symbol, Value};

/// The options for opening a connection; a builder.
///
/// The URL or these options name the user. Without a user, the client authenticates by ANONYMOUS. A password
/// is sent unencrypted to this machine only, unless [`with_plain_in_clear`](Self::with_plain_in_clear) allows
/// it.
///
/// ```
/// use amqp_proto::client::ConnectionOptions;
/// use std::time::Duration;
///
/// let options = ConnectionOptions::new()
///     .with_container_id("meter-17")
///     .with_idle_timeout(Duration::from_secs(60))
///     .with_login("meter", "secret")?;
/// # Ok::<(), amqp_proto::client::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct ConnectionOptions {
    container_id: Option<Str>,
    hostname: Option<Str>,
    /// The peer's URL, for error texts.
    url: Option<Str>,
    limits: Limits,
    idle_timeout: Option<Duration>,
    open_timeout: Option<Duration>,
    close_timeout: Option<Duration>,
    sasl_send_size: u32,
    lenient_credit: bool,
    connect_timeout: Option<Duration>,
    reply_timeout: Option<Duration>,
    offered_capabilities: Many<Symbol>,
    desired_capabilities: Many<Symbol>,
    properties: Fields,
    sasl: Sasl,
    plain_in_clear: bool,
    only: Option<Vec<Symbol>>,
    accept_offers: bool,
    reconnect: Option<Reconnect>,
    plan: Option<Box<DialPlan>>,
    /// Of a server: the store of its ends of links.
    termini: Option<Arc<TerminusStore>>,
    #[cfg(feature = "tls")]
    tls: Option<ClientTls>,
    #[cfg(feature = "tls")]
    tls_header: bool,
    #[cfg(feature = "websocket")]
    websocket: WebSocketOptions,
}

/// The time between a drain request and the return of unused credit: enough for tasks and threads to
/// wake up and send their next message.
const DRAIN_PAUSE: Duration = Duration::from_millis(5);

/// The client's authentication.
#[derive(Debug, Clone)]
enum Sasl {
    /// By the user of the URL, else ANONYMOUS.
    Url,
    Profile(Box<ClientProfile>),
    /// Without SASL: the client speaks AMQP at once.
    None,
}

impl Default for ConnectionOptions {
    fn default() -> Self {
        Self {
            container_id: None,
            hostname: None,
            url: None,
            limits: Limits::DEFAULT,
            idle_timeout: None,
            open_timeout: Some(Duration::from_secs(30)),
            close_timeout: Some(Duration::from_secs(10)),
            sasl_send_size: 512,
            lenient_credit: false,
            connect_timeout: Some(Duration::from_secs(30)),
            reply_timeout: Some(Duration::from_secs(30)),
            offered_capabilities: Many::new(),
            desired_capabilities: Many::new(),
            properties: product(),
            sasl: Sasl::Url,
            plain_in_clear: false,
            only: None,
            accept_offers: false,
            reconnect: None,
            plan: None,
            termini: None,
            #[cfg(feature = "tls")]
            tls: None,
            #[cfg(feature = "tls")]
            tls_header: false,
            #[cfg(feature = "websocket")]
            websocket: WebSocketOptions::new(),
        }
    }
}

macro_rules! setters {
    ($($(#[$doc:meta])* $with:ident($name:ident: $type:ty) $(= $wrap:expr)?;)*) => {$(
        $(#[$doc])*
        pub fn $with(mut self, $name: $type) -> Self {
            self.$name = setters!(@wrap $name $(, $wrap)?);
            self
        }
    )*};
    (@wrap $value:ident) => { $value };
    (@wrap $value:ident, $wrap:expr) => { $wrap($value) };
}

impl ConnectionOptions {
    /// Returns the default options.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the store of a server's ends of links.
    pub(super) fn with_termini(mut self, termini: Arc<TerminusStore>) -> Self {
        self.termini = Some(termini);
        self
    }

    /// Returns the store of a server's ends of links.
    pub(crate) fn termini(&self) -> Option<&Arc<TerminusStore>> {
        self.termini.as_ref()
    }

    /// Sets the container id, unique among the containers that communicate. Default: a random one.
    pub fn with_container_id(mut self, name: impl Into<Str>) -> Self {
        self.container_id = Some(name.into());
        self
    }

    /// Sets `open.hostname`, the virtual host to connect to [2.7.1]. Default: the host of the URL.
    ///
    /// If a peer has named the server, such as by a redirect, its hostname takes the place of this one [2.8.16].
    pub fn with_hostname(mut self, name: impl Into<Str>) -> Self {
        self.hostname = Some(name.into());
        self
    }

    setters! {
        /// Sets all bounds on the memory and work that the peer can cause at this end.
        with_limits(limits: Limits);
        /// Sets the time without a received frame after which the connection is closed [2.4.5]. Default `None`,
        /// or zero: no timeout. The shortest is 2 milliseconds.
        with_idle_timeout(idle_timeout: impl Into<Option<Duration>>) = Into::into;
        /// Sets the time within which the connection must be open. Default 30 seconds; `None`: no bound.
        with_open_timeout(open_timeout: impl Into<Option<Duration>>) = Into::into;
        /// Sets the time for writing sent messages before a close, and the time for the peer's answer.
        /// Default 10 seconds; `None`: no bound.
        with_close_timeout(close_timeout: impl Into<Option<Duration>>) = Into::into;
        /// Sets whether a sender may add renewed credit to the credit that it had, and so send more than was
        /// granted.
        ///
        /// Default `false`, since the standard forbids it [2.6.7]. RabbitMQ up to 3.13 sends in this way.
        with_lenient_credit(lenient_credit: bool);
        /// Sets the size of the largest SASL frame that is sent, in octets. Default 512, which every peer
        /// accepts [5.3.1].
        ///
        /// A password that is a long token needs more; many peers accept 8 KiB and more.
        with_sasl_send_size(sasl_send_size: u32);
        /// Sets the time within which the host must be reached. Default 30 seconds; `None`: as long as the
        /// system tries.
        with_connect_timeout(connect_timeout: impl Into<Option<Duration>>) = Into::into;
        /// Sets the time within which the peer must answer. Default 30 seconds; `None`: no bound.
        ///
        /// The timeout applies to begin and end of a session, to attach, detach and drain of a link, and to
        /// the settlement of a delivery by the sender. The call then returns
        /// [`TimedOut`](super::Error::TimedOut). A session or link that is not ready in time is given up;
        /// nothing else is undone.
        with_reply_timeout(reply_timeout: impl Into<Option<Duration>>) = Into::into;
        /// Sets the extensions that this end supports.
        with_offered_capabilities(offered_capabilities: impl Into<Many<Symbol>>) = Into::into;
        /// Sets the extensions that this end may use if the peer offers them.
        with_desired_capabilities(desired_capabilities: impl Into<Many<Symbol>>) = Into::into;
        /// Sets the properties of the connection, in place of the default ones: `product`, `version` and `platform`.
        with_properties(properties: Fields);
        /// Sets whether sessions and links that the peer begins are kept until the application accepts or
        /// refuses them.
        ///
        /// Default `false`, for clients: they are refused.
        with_accept_offers(accept_offers: bool);
        /// Sets the rules by which the connection is opened again after it was lost, with its sessions and
        /// links.
        ///
        /// By the same rules, a session or a link that the peer ends for a reason that passes is begun or attached
        /// again while the connection stays open.
        ///
        /// Default `None`: the end of the transport is the end of the connection. A program that is not
        /// written for it would wait where it now gets an error, and could process a message twice.
        ///
        /// The rules hold for connections that are opened by URL. The first connection is opened once with
        /// each server, and its failure is an error. [Outcomes](crate::guide::outcomes) says what becomes of
        /// messages.
        ///
        /// ```
        /// use amqp_proto::client::ConnectionOptions;
        /// use amqp_proto::policy::Reconnect;
        ///
        /// let options = ConnectionOptions::new().with_reconnect(Reconnect::new());
        /// ```
        with_reconnect(reconnect: impl Into<Option<Reconnect>>) = Into::into;
    }

    /// Sets the size of the largest frame that this end accepts, in octets. Default 65,536.
    pub fn with_frame_size(mut self, octets: u32) -> Self {
        self.limits = self.limits.with_frame_size(octets);
        self
    }

    /// Sets the highest channel that this end accepts; the number of sessions can be one more. Default 255.
    pub fn with_channel_max(mut self, channel: u16) -> Self {
        self.limits = self.limits.with_channel_max(channel);
        self
    }

    /// Sets the highest handle that this end accepts; the number of links of a session can be one more.
    pub fn with_handle_max(mut self, handle: u32) -> Self {
        self.limits = self.limits.with_handle_max(handle);
        self
    }

    /// Authenticates as this user: by SCRAM if the feature `scram` is on and the server offers it, else by
    /// PLAIN.
    ///
    /// # Errors
    ///
    /// [`Error::Credential`](super::Error::Credential) if the user name or the password cannot be sent.
    pub fn with_login(self, user: &str, password: &str) -> Result<Self> {
        let login = Login::new(user, password)?;
        Ok(self.with_sasl(ClientProfile::new().with_login(login)))
    }

    /// Authenticates by a bearer token: by OAUTHBEARER or, if the token has a user, by XOAUTH2 or PLAIN; on
    /// encrypted transports only.
    ///
    /// Most tokens need a larger [`with_sasl_send_size`](Self::with_sasl_send_size) than the default.
    pub fn with_token(self, token: Token) -> Self {
        self.with_sasl(ClientProfile::new().with_token(token))
    }

    /// Authenticates by ANONYMOUS, even if the URL has a user.
    pub fn with_anonymous(self) -> Self {
        self.with_sasl(ClientProfile::new().with_anonymous(AnonymousClient::new()))
    }

    /// Authenticates by EXTERNAL: as the user that the layer below has authenticated, usually by a client
    /// certificate.
    pub fn with_external(self) -> Self {
        self.with_sasl(ClientProfile::new().with_external(ExternalClient::new()))
    }

    /// Authenticates by the mechanisms of a profile, which may include mechanisms of the application.
    ///
    /// Default: the URL's user and password, else ANONYMOUS.
    pub fn with_sasl(mut self, profile: ClientProfile) -> Self {
        self.sasl = Sasl::Profile(Box::new(profile));
        self
    }

    /// Connects without SASL. The peer must not require it.
    pub fn without_sasl(mut self) -> Self {
        self.sasl = Sasl::None;
        self
    }

    /// Allows only these SASL mechanisms.
    pub fn with_only_mechanisms(mut self, mechanisms: impl IntoIterator<Item = Symbol>) -> Self {
        self.only = Some(mechanisms.into_iter().collect());
        self
    }

    /// Allows PLAIN, and mechanisms of the application, to send their secret over an unencrypted transport.
    pub fn with_plain_in_clear(mut self) -> Self {
        self.plain_in_clear = true;
        self
    }

    /// Sets the TLS configuration for connections that use TLS, such as `amqps://`. Other URLs stay
    /// unencrypted.
    ///
    /// Default: the system's trusted certificates, and no client certificate.
    #[cfg(feature = "tls")]
    pub fn with_tls(mut self, tls: ClientTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Sets whether a client asks for TLS by a protocol header [5.2], as servers take it that speak AMQP with TLS and
    /// without on one port: `amqps://localhost:5672`. Default `false`: the first octet is one of TLS [5.2.1], as port
    /// 5671 has it.
    ///
    /// Only connections that use TLS have such a header, and none over a WebSocket. If the server answers with another
    /// header, the connection fails; it never goes on unencrypted.
    #[cfg(feature = "tls")]
    pub fn with_tls_header(mut self, tls_header: bool) -> Self {
        self.tls_header = tls_header;
        self
    }

    /// Sets the options of WebSockets, for `ws://` and `wss://`. Other URLs use no WebSocket.
    #[cfg(feature = "websocket")]
    pub fn with_websocket(mut self, websocket: WebSocketOptions) -> Self {
        self.websocket = websocket;
        self
    }

    /// Returns the options of WebSockets.
    #[cfg(feature = "websocket")]
    pub fn websocket(&self) -> &WebSocketOptions {
        &self.websocket
    }

    /// Returns the TLS configuration. `read` reads the certificates that the system trusts, if they are needed.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](super::Error::Io) if the system has no trusted certificates, but they are needed.
    #[cfg(feature = "tls")]
    pub fn client_tls(&self, read: impl FnOnce() -> SystemRoots) -> Result<ClientTls> {
        self.tls.clone().map_or_else(ClientTls::system, Ok)?.with_system_roots(read)
    }

    /// Returns the exchange of headers before TLS.
    #[cfg(feature = "tls")]
    pub fn tls_headers(&self) -> TlsHeaders {
        if self.tls_header { TlsHeaders::client() } else { TlsHeaders::none() }
    }

    /// Marks an error as an error of TLS, and adds the URL, if there is one, and advice.
    #[cfg(feature = "tls")]
    pub fn tls_failure(&self, error: io::Error) -> io::Error {
        match &self.url {
            Some(url) => super::tls::failure_at(url, error),
            None => super::tls::tls_failure(error),
        }
    }

    /// Returns the options with everything that the URL adds: the host and the user.
    ///
    /// Over TLS with a client certificate and without a user, the client authenticates by EXTERNAL if the
    /// server offers it.
    ///
    /// # Errors
    ///
    /// [`Error::Address`](super::Error::Address) if the URL requires TLS or WebSocket and this build has none,
    /// [`Error::Credential`](super::Error::Credential) if the user name or the password cannot be sent.
    pub fn for_address(mut self, address: &Address) -> Result<Self> {
        if address.is_websocket() && !cfg!(feature = "websocket") {
            return Err(AddressError::NoWebSocket.into());
        }
        if address.is_encrypted() && !cfg!(feature = "tls") {
            return Err(AddressError::NoTls.into());
        }
        self.url = Some(address.to_string().into());
        if address.has_hostname() {
            self.hostname = Some(address.hostname().into());
        }
        if let (Sasl::Url, Some(user)) = (&self.sasl, address.user()) {
            self = self.with_login(user, address.password().unwrap_or_default())?;
        }
        #[cfg(feature = "tls")]
        if address.is_encrypted() {
            self.tls_header &= !address.is_websocket();
            return Ok(self.for_tls(address.hostname()));
        }
        self.hostname.get_or_insert_with(|| address.host().into());
        Ok(self)
    }

    /// Returns the options with everything that a TLS connection to this host adds, if there is no URL.
    #[cfg(feature = "tls")]
    pub fn for_tls(mut self, host: &str) -> Self {
        let has_certificate = self.tls.as_ref().is_some_and(ClientTls::has_certificate);
        if has_certificate && matches!(self.sasl, Sasl::Url) {
            let profile = ClientProfile::new().with_external(ExternalClient::new());
            self = self.with_sasl(profile.with_anonymous(AnonymousClient::new()));
        }
        self.hostname.get_or_insert_with(|| host.into());
        self
    }

    /// Returns the engine of a client for this server, with the frame log of [`log_frames`].
    ///
    /// # Errors
    ///
    /// [`Error::Credential`](super::Error::Credential) if the credentials cannot be used over this transport,
    /// [`Error::Io`](super::Error::Io) if the system has no random numbers for a container id.
    pub fn client(&self, host: &Host, peer: &Peer, now: Moment) -> Result<Connection> {
        let options = self.to_engine(host)?;
        let mut connection = match self.client_sasl(host, peer.security())? {
            Some(sasl) => Connection::client_with_sasl(options, sasl, now),
            None => Connection::client(options, now),
        };
        log_frames(&mut connection, host, peer.address());
        Ok(connection)
    }

    /// Returns the limits, which also bound the decoding of messages.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Returns the time within which the host must be reached; `None` for as long as the system tries.
    pub fn connect_timeout(&self) -> Option<Duration> {
        self.connect_timeout
    }

    /// Returns the time within which the connection must be open; `None` for no bound.
    pub fn open_timeout(&self) -> Option<Duration> {
        self.open_timeout
    }

    /// Returns the time for writing a close and for its answer; `None` for no bound.
    pub fn close_timeout(&self) -> Option<Duration> {
        self.close_timeout
    }

    /// Returns the time within which the peer must answer; `None` for no bound.
    pub fn reply_timeout(&self) -> Option<Duration> {
        self.reply_timeout
    }

    /// Returns the URL that this end connects to, without user, password and path, for error texts; `None`
    /// before [`for_address`](Self::for_address).
    pub fn url(&self) -> Option<&Str> {
        self.url.as_ref()
    }

    /// Returns `true` if sessions and links that the peer begins are kept until the application accepts or
    /// refuses them.
    pub fn accept_offers(&self) -> bool {
        self.accept_offers
    }

    /// Returns the rules by which a lost connection is opened again.
    pub fn reconnect(&self) -> Option<&Reconnect> {
        self.reconnect.as_ref()
    }

    /// Returns the plan by which this connection is opened again, if it is opened by URL and has rules.
    #[cfg(feature = "driver")]
    pub(crate) fn plan(&self) -> Option<&DialPlan> {
        self.plan.as_deref()
    }

    /// Returns `true` if a lost connection is opened again: it is opened by URL, and has rules.
    #[doc(hidden)]
    pub fn is_redialled(&self) -> bool {
        self.plan.is_some()
    }

    pub(super) fn set_plan(&mut self, plan: DialPlan) {
        self.plan = Some(Box::new(plan));
    }

    fn client_sasl(&self, host: &Host, security: TransportSecurity) -> Result<Option<ClientSasl>> {
        let mut profile = match &self.sasl {
            Sasl::None => return Ok(None),
            Sasl::Url => ClientProfile::new().with_anonymous(AnonymousClient::new()),
            Sasl::Profile(profile) => (**profile).clone(),
        };
        if self.plain_in_clear {
            profile = profile.with_plain_in_clear();
        }
        if let Some(only) = &self.only {
            profile = profile.with_only(only.iter().cloned());
        }
        let nonce = Nonce::from_random(&host.random::<24>()?).map_err(io::Error::other)?;
        Ok(Some(ClientSasl::new(profile, security, nonce)))
    }

    /// Returns the options of the engine.
    pub(super) fn to_engine(&self, host: &Host) -> Result<Options> {
        let container_id = match &self.container_id {
            Some(name) => name.clone(),
            None => host.random_name()?.into(),
        };
        let options = Options::new(container_id)
            .with_limits(self.limits.clone())
            .with_idle_timeout(self.idle_timeout)
            .with_open_timeout(self.open_timeout)
            .with_close_timeout(self.close_timeout)
            .with_sasl_send_size(self.sasl_send_size)
            .with_lenient_credit(self.lenient_credit)
            .with_drain_pause(DRAIN_PAUSE)
            .with_offered_capabilities(self.offered_capabilities.clone())
            .with_desired_capabilities(self.desired_capabilities.clone())
            .with_properties(self.properties.clone());
        Ok(match &self.hostname {
            Some(hostname) => options.with_hostname(hostname.clone()),
            None => options,
        })
    }
}

/// Returns the default properties of the open: brokers show them, and some peers require them.
fn product() -> Fields {
    let platform = format!("Rust, {} {}", std::env::consts::OS, std::env::consts::ARCH);
    let properties: [(&'static str, Str); 3] = [
        ("product", Str::from_static("amqp-proto")),
        ("version", Str::from_static(env!("CARGO_PKG_VERSION"))),
        ("platform", platform.into()),
    ];
    properties.into_iter().map(|(name, text)| (Symbol::from(name), Value::from(text))).collect()
}

#[cfg(test)]
mod tests {
    use super::{Address, ConnectionOptions};
    use crate::policy::{Dialable, Referral};
    use crate::types::Fields;
    use crate::wire::{AmqpError, Condition};

    #[test]
    fn the_hostname_of_a_redirect_is_that_of_the_open() {
        let info: Fields = [("hostname", "b.example"), ("network-host", "10.0.0.2")].into();
        let error = AmqpError::new(Condition::ConnectionRedirect).with_info(info);
        let here: Address = "amqp://a.example".parse().unwrap();
        let there = here.referred(&Referral::of_redirect(&error).unwrap()).unwrap();
        let options = ConnectionOptions::new().with_hostname("vhost:a");
        let hostname = |address| options.clone().for_address(address).unwrap().hostname.unwrap();
        assert_eq!((hostname(&here).as_str(), hostname(&there).as_str()), ("vhost:a", "b.example"));
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn a_build_without_tls_does_not_connect_in_the_clear_instead() {
        let address: Address = "amqps://user:secret@localhost".parse().unwrap();
        let error = ConnectionOptions::new().for_address(&address).unwrap_err();
        assert!(matches!(error, crate::client::Error::Address(super::AddressError::NoTls)), "{error:?}");
        assert_eq!(error.to_string(), "amqps:// and wss:// require TLS, which this build does not have");
    }

    #[cfg(not(feature = "websocket"))]
    #[test]
    fn a_build_without_websocket_says_so() {
        for url in ["ws://localhost", "wss://localhost/amqp"] {
            let error = ConnectionOptions::new().for_address(&url.parse().unwrap()).unwrap_err();
            assert!(
                matches!(error, crate::client::Error::Address(super::AddressError::NoWebSocket)),
                "{error:?}"
            );
            assert_eq!(
                error.to_string(),
                "ws:// and wss:// require WebSocket, which this build does not have"
            );
        }
    }
}
