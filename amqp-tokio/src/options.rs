//! [`ConnectionOptions`]: how a connection is opened.

use std::net::SocketAddr;
use std::time::Duration;

use amqp_proto::Connection as Engine;
use amqp_proto::config::Options;
use amqp_proto::endpoint::observe;
use amqp_proto::machine::sasl::{
    AnonymousClient, ClientProfile, ClientSasl, ExternalClient, LinkSecurity, Login, Nonce,
};
use amqp_proto::types::{Fields, Limits, Many, Moment, Str, Symbol};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::address::{Address, AddressError};
use crate::connection::Connection;
use crate::error::Result;

/// How a connection is opened; a builder.
///
/// Who the client is comes from the URL, or is said here. A client that says nothing is ANONYMOUS. A password is shown
/// in the clear to this machine only, unless [`plain_in_clear`](Self::plain_in_clear) says otherwise.
///
/// ```no_run
/// use amqp_tokio::Connection;
/// use std::time::Duration;
///
/// # async fn open() -> amqp_tokio::Result<()> {
/// let connection = Connection::builder()
///     .container_id("meter-17")
///     .idle_timeout(Duration::from_secs(60))
///     .login("meter", "secret")?
///     .open("amqp://broker.example")
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ConnectionOptions {
    pub(crate) container_id: Option<Str>,
    pub(crate) hostname: Option<Str>,
    pub(crate) limits: Limits,
    pub(crate) idle_timeout: Duration,
    pub(crate) open_timeout: Duration,
    pub(crate) close_timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) offered_capabilities: Many<Symbol>,
    pub(crate) desired_capabilities: Many<Symbol>,
    pub(crate) properties: Fields,
    pub(crate) sasl: Sasl,
    pub(crate) plain_in_clear: bool,
    pub(crate) only: Option<Vec<Symbol>>,
    pub(crate) accept_offers: bool,
}

/// What the client authenticates with.
#[derive(Debug, Clone)]
pub(crate) enum Sasl {
    /// What the URL says, else ANONYMOUS.
    Url,
    Profile(Box<ClientProfile>),
    /// Not at all: AMQP begins at once.
    None,
}

impl Default for ConnectionOptions {
    fn default() -> Self {
        Self {
            container_id: None,
            hostname: None,
            limits: Limits::DEFAULT,
            idle_timeout: Duration::ZERO,
            open_timeout: Duration::from_secs(30),
            close_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(30),
            offered_capabilities: Many::new(),
            desired_capabilities: Many::new(),
            properties: Fields::new(),
            sasl: Sasl::Url,
            plain_in_clear: false,
            only: None,
            accept_offers: false,
        }
    }
}

macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $type:ty;)*) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name(mut self, $name: $type) -> Self {
            self.$name = $name;
            self
        }
    )*};
}

impl ConnectionOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the name of this container, unique among those that speak to each other. Default: a random one.
    #[must_use]
    pub fn container_id(mut self, name: impl Into<Str>) -> Self {
        self.container_id = Some(name.into());
        self
    }

    /// Sets the host that the peer is told it is taken for. Default: that of the URL (C-OPEN-07).
    #[must_use]
    pub fn hostname(mut self, name: impl Into<Str>) -> Self {
        self.hostname = Some(name.into());
        self
    }

    setters! {
        /// Sets all bounds on what the peer can make this end hold or do.
        limits: Limits;
        /// Sets after what silence the peer is given up (C-IDLE-02). Default zero: never.
        idle_timeout: Duration;
        /// Sets how long the peer may take until the connection is open. Default 30 seconds; zero: any time.
        open_timeout: Duration;
        /// Sets how long the peer may take to answer a close. Default 10 seconds; zero: any time.
        close_timeout: Duration;
        /// Sets how long it may take to reach the host. Default 30 seconds.
        connect_timeout: Duration;
        /// Sets the extensions that this end supports.
        offered_capabilities: Many<Symbol>;
        /// Sets the extensions that this end may use if the peer offers them.
        desired_capabilities: Many<Symbol>;
        /// Sets the properties of the connection.
        properties: Fields;
        /// Sets whether sessions and links that the peer begins are kept for
        /// [`Connection::next_session`] and [`Session::next_link`](crate::Session::next_link). Otherwise, which is
        /// the default for clients, they are refused.
        accept_offers: bool;
    }

    /// Sets the largest frame that this end takes, in octets. Default 65,536.
    #[must_use]
    pub fn frame_size(mut self, octets: u32) -> Self {
        self.limits = self.limits.with_frame_size(octets);
        self
    }

    /// Sets the highest channel that this end takes: there can be one session more than that. Default 255.
    #[must_use]
    pub fn channel_max(mut self, channel: u16) -> Self {
        self.limits = self.limits.with_channel_max(channel);
        self
    }

    /// Sets the highest handle that this end takes: there can be one link more than that on a session.
    #[must_use]
    pub fn handle_max(mut self, handle: u32) -> Self {
        self.limits = self.limits.with_handle_max(handle);
        self
    }

    /// Authenticates as this user, by SCRAM if the feature `scram` is on and the server offers it, else by PLAIN.
    pub fn login(self, user: &str, password: &str) -> Result<Self> {
        let login = Login::new(user, password)?;
        Ok(self.sasl(ClientProfile::new().with_login(login)))
    }

    /// Authenticates as nobody in particular, also where the URL has a user.
    #[must_use]
    pub fn anonymous(self) -> Self {
        self.sasl(ClientProfile::new().with_anonymous(AnonymousClient::new()))
    }

    /// Authenticates as whom the layer below says, usually the holder of a certificate.
    #[must_use]
    pub fn external(self) -> Self {
        self.sasl(ClientProfile::new().with_external(ExternalClient::new()))
    }

    /// Authenticates by whatever the profile allows.
    #[must_use]
    pub fn sasl(mut self, profile: ClientProfile) -> Self {
        self.sasl = Sasl::Profile(Box::new(profile));
        self
    }

    /// Does not authenticate at all: the peer must not ask for it.
    #[must_use]
    pub fn no_sasl(mut self) -> Self {
        self.sasl = Sasl::None;
        self
    }

    /// Allows no SASL mechanism but these, where the login comes from the URL.
    #[must_use]
    pub fn only_mechanisms(mut self, mechanisms: impl IntoIterator<Item = Symbol>) -> Self {
        self.only = Some(mechanisms.into_iter().collect());
        self
    }

    /// Lets PLAIN show the password of the URL, or of [`login`](Self::login), to whoever listens on the way.
    #[must_use]
    pub fn plain_in_clear(mut self) -> Self {
        self.plain_in_clear = true;
        self
    }

    /// Connects to a broker and opens the connection.
    pub async fn open(self, url: &str) -> Result<Connection> {
        let address: Address = url.parse()?;
        self.connect(&address).await
    }

    /// The same, to an address that was parsed before.
    pub async fn connect(mut self, address: &Address) -> Result<Connection> {
        let (stream, security) = self.reach(address).await?;
        Connection::client(stream, self, security).await
    }

    /// A stream to an address, and what is known of it.
    pub(crate) async fn reach(&mut self, address: &Address) -> Result<(TcpStream, Security)> {
        if address.is_encrypted() {
            return Err(AddressError::NoTls.into());
        }
        if self.hostname.is_none() {
            self.hostname = Some(address.host().into());
        }
        let connecting = TcpStream::connect((address.host(), address.port()));
        let stream = match tokio::time::timeout(self.connect_timeout, connecting).await {
            Ok(stream) => stream?,
            Err(_) => return Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
        };
        stream.set_nodelay(true)?;
        let peer = stream.peer_addr().ok();
        Ok((stream, Security { is_private: address.is_local(), peer, login: login(address)? }))
    }

    /// An engine for a client.
    pub(crate) fn client(&mut self, security: Security, now: Moment) -> Result<Engine> {
        let peer = security.peer;
        let mut engine = self.unobserved(security, now)?;
        observe(&mut engine, peer);
        Ok(engine)
    }

    fn unobserved(&mut self, security: Security, now: Moment) -> Result<Engine> {
        let options = self.to_engine()?;
        let Some(profile) = self.profile(security.login) else { return Ok(Engine::client(options, now)) };
        let link = if security.is_private { LinkSecurity::Encrypted } else { LinkSecurity::Clear };
        let nonce =
            Nonce::from_random(&random::<24>()?).map_err(|error| std::io::Error::other(error.to_string()))?;
        Ok(Engine::client_with_sasl(options, ClientSasl::new(profile, link, nonce), now))
    }

    /// Opens a connection over any stream. It is taken for one that others can listen to.
    pub async fn over<S>(self, stream: S) -> Result<Connection>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        Connection::client(stream, self, Security::default()).await
    }

    /// The options as the engine has them.
    pub(crate) fn to_engine(&self) -> Result<Options> {
        let container_id = match &self.container_id {
            Some(name) => name.clone(),
            None => format!("amqp-tokio-{:032x}", u128::from_ne_bytes(random()?)).into(),
        };
        let options = Options::new(container_id)
            .with_limits(self.limits.clone())
            .with_idle_time_out(millis(self.idle_timeout))
            .with_open_time_out(millis(self.open_timeout))
            .with_close_time_out(millis(self.close_timeout))
            .with_offered_capabilities(self.offered_capabilities.clone())
            .with_desired_capabilities(self.desired_capabilities.clone())
            .with_properties(self.properties.clone());
        Ok(match &self.hostname {
            Some(hostname) => options.with_hostname(hostname.clone()),
            None => options,
        })
    }

    /// What to authenticate with; `None` for not at all.
    fn profile(&mut self, login: Option<Login>) -> Option<ClientProfile> {
        let mut profile = match std::mem::replace(&mut self.sasl, Sasl::None) {
            Sasl::None => return None,
            Sasl::Profile(profile) => *profile,
            Sasl::Url => match login {
                Some(login) => ClientProfile::new().with_login(login),
                None => ClientProfile::new().with_anonymous(AnonymousClient::new()),
            },
        };
        if self.plain_in_clear {
            profile = profile.with_plain_in_clear();
        }
        Some(match self.only.take() {
            Some(only) => profile.with_only(only),
            None => profile,
        })
    }
}

/// What is known of a stream from outside.
#[derive(Debug, Default)]
pub(crate) struct Security {
    /// Whether nobody on the way can listen.
    pub(crate) is_private: bool,
    /// Where it leads.
    pub(crate) peer: Option<SocketAddr>,
    /// The login of the URL.
    pub(crate) login: Option<Login>,
}

fn login(address: &Address) -> Result<Option<Login>> {
    let Some(user) = address.user() else { return Ok(None) };
    Ok(Some(Login::new(user, address.password().unwrap_or_default())?))
}

/// A span in the engine's unit; what is not zero stays so.
fn millis(span: Duration) -> u32 {
    let millis = u32::try_from(span.as_millis()).unwrap_or(u32::MAX);
    if span.is_zero() { 0 } else { millis.max(1) }
}

/// Octets of the system's randomness.
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut octets = [0; N];
    getrandom::fill(&mut octets).map_err(|error| std::io::Error::other(error.to_string()))?;
    Ok(octets)
}
