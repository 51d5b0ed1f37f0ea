//! [`ConnectionOptions`]: how a connection is made.

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use amqp_proto::config::Options;
use amqp_proto::endpoint::observe;
use amqp_proto::machine::sasl::{
    AnonymousClient, ClientProfile, ClientSasl, ExternalClient, LinkSecurity, Login, Nonce,
};
use amqp_proto::types::{Fields, Limits, Many, Moment, Str, Symbol};

use crate::address::{Address, AddressError};
use crate::connection::Connection;
use crate::error::Result;
use crate::shared::Shared;
use crate::transport::Transport;

/// What a connection is made with. Setters take and give it back; [`open`](Self::open) uses it.
///
/// ```no_run
/// use std::time::Duration;
///
/// use amqp_blocking::Connection;
///
/// let options = Connection::builder().container_id("meter-17").idle_timeout(Duration::from_secs(30));
/// let connection = options.open("amqp://localhost")?;
/// # Ok::<(), amqp_blocking::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct ConnectionOptions {
    container_id: Option<Str>,
    hostname: Option<Str>,
    limits: Limits,
    idle_timeout: Duration,
    open_timeout: Duration,
    close_timeout: Duration,
    connect_timeout: Duration,
    pub(crate) reply_timeout: Duration,
    offered_capabilities: Many<Symbol>,
    desired_capabilities: Many<Symbol>,
    properties: Fields,
    sasl: Sasl,
    plain_in_clear: bool,
}

/// How the client shows who it is.
#[derive(Debug, Clone)]
enum Sasl {
    /// As the URL says, or as nobody.
    Url,
    Profile(Box<ClientProfile>),
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
            reply_timeout: Duration::from_secs(30),
            offered_capabilities: Many::new(),
            desired_capabilities: Many::new(),
            properties: Fields::new(),
            sasl: Sasl::Url,
            plain_in_clear: false,
        }
    }
}

macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $type:ty;)*) => {$(
        $(#[$doc])*
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

    /// Sets the name of this container, unique among those that speak to each other. Default: one made up at random.
    pub fn container_id(mut self, name: impl Into<Str>) -> Self {
        self.container_id = Some(name.into());
        self
    }

    /// Sets whom the client wants to speak to. Default: the URL's host.
    pub fn hostname(mut self, name: impl Into<Str>) -> Self {
        self.hostname = Some(name.into());
        self
    }

    setters! {
        /// Sets all bounds on what the peer can make this end hold or do.
        limits: Limits;
        /// Sets after what silence the peer is given up. Default zero: never.
        idle_timeout: Duration;
        /// Sets how long the peer may take until the connection is open. Default 30 s; zero: any time.
        open_timeout: Duration;
        /// Sets how long the peer may take to answer a close. Default 10 s; zero: any time.
        close_timeout: Duration;
        /// Sets how long it may take to reach the host. Default 30 s; zero: as long as the system tries.
        connect_timeout: Duration;
        /// Sets how long the peer may take to answer when a session is begun or ended, or a link attached, detached
        /// or drained. Default 30 s; zero: any time.
        reply_timeout: Duration;
        /// Sets the extensions that this end supports.
        offered_capabilities: Many<Symbol>;
        /// Sets the extensions that this end may use if the peer offers them.
        desired_capabilities: Many<Symbol>;
        /// Sets the properties of the connection.
        properties: Fields;
    }

    /// Sets the largest frame that this end takes, in octets. Default 65,536.
    pub fn frame_size(mut self, octets: u32) -> Self {
        self.limits = self.limits.with_frame_size(octets);
        self
    }

    /// Sets the highest channel that this end takes: there can be one session more than that. Default 255.
    pub fn channel_max(mut self, channel: u16) -> Self {
        self.limits = self.limits.with_channel_max(channel);
        self
    }

    /// Sets the highest handle that this end takes: there can be one link more than that on a session.
    pub fn handle_max(mut self, handle: u32) -> Self {
        self.limits = self.limits.with_handle_max(handle);
        self
    }

    /// Authenticates as this user, by SCRAM if the feature `scram` is on and the server has it, else by PLAIN.
    pub fn login(self, user: &str, password: &str) -> Result<Self> {
        let login = Login::new(user, password)?;
        Ok(self.sasl(ClientProfile::new().with_login(login)))
    }

    /// Authenticates as nobody, also where the URL has a user.
    pub fn anonymous(self) -> Self {
        self.sasl(ClientProfile::new().with_anonymous(AnonymousClient::new()))
    }

    /// Authenticates as whom the server knows the client to be already.
    pub fn external(self) -> Self {
        self.sasl(ClientProfile::new().with_external(ExternalClient::new()))
    }

    /// Authenticates by what the profile allows. Default: the URL's user and password, else ANONYMOUS.
    pub fn sasl(mut self, profile: ClientProfile) -> Self {
        self.sasl = Sasl::Profile(Box::new(profile));
        self
    }

    /// Does without authentication, and without the layer for it.
    pub fn no_sasl(mut self) -> Self {
        self.sasl = Sasl::None;
        self
    }

    /// Lets the password be sent as it is, should the server want that, where others can read it on the way.
    pub fn plain_in_clear(mut self) -> Self {
        self.plain_in_clear = true;
        self
    }

    /// Connects to where the URL leads, and opens the connection.
    pub fn open(self, url: &str) -> Result<Connection> {
        self.connect(&url.parse()?)
    }

    /// The same for a URL that was parsed already.
    pub fn connect(self, address: &Address) -> Result<Connection> {
        let options = self.for_address(address)?;
        let stream = options.reach(address)?;
        options.over(stream)
    }

    /// Opens a connection over a transport that is there already.
    pub fn over(self, transport: impl Transport) -> Result<Connection> {
        let connection = self.client(&transport, Moment::START)?;
        Connection::opened(Shared::start(transport, self.reply_timeout, connection)?)
    }

    /// An engine for a client.
    pub(crate) fn client(&self, over: &impl Transport, now: Moment) -> Result<amqp_proto::Connection> {
        let options = self.to_engine()?;
        let mut connection = match self.client_sasl(over.security())? {
            Some(sasl) => amqp_proto::Connection::client_with_sasl(options, sasl, now),
            None => amqp_proto::Connection::client(options, now),
        };
        observe(&mut connection, over.peer_addr());
        Ok(connection)
    }

    /// With what the URL says and the options leave open.
    pub(crate) fn for_address(mut self, address: &Address) -> Result<Self> {
        if address.is_encrypted() {
            return Err(AddressError::NoTls.into());
        }
        if let (Sasl::Url, Some(user)) = (&self.sasl, address.user()) {
            self = self.login(user, address.password().unwrap_or_default())?;
        }
        self.hostname.get_or_insert_with(|| address.host().into());
        Ok(self)
    }

    /// Connects to the first of the host's addresses that answers.
    pub(crate) fn reach(&self, address: &Address) -> Result<TcpStream> {
        let host = (address.host(), address.port());
        self.reach_any(host).map_err(|error| {
            let words = format!("{}:{}: {error}", address.host(), address.port());
            io::Error::new(error.kind(), words).into()
        })
    }

    fn reach_any(&self, host: (&str, u16)) -> io::Result<TcpStream> {
        let by = Instant::now().checked_add(self.connect_timeout).filter(|_| !self.connect_timeout.is_zero());
        let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
        for socket in host.to_socket_addrs()? {
            let reached = match by.map(|by| by.saturating_duration_since(Instant::now())) {
                None => TcpStream::connect(socket),
                Some(Duration::ZERO) => return Err(io::ErrorKind::TimedOut.into()),
                Some(left) => TcpStream::connect_timeout(&socket, left),
            };
            match reached {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    fn client_sasl(&self, security: LinkSecurity) -> Result<Option<ClientSasl>> {
        let mut profile = match &self.sasl {
            Sasl::None => return Ok(None),
            Sasl::Url => ClientProfile::new().with_anonymous(AnonymousClient::new()),
            Sasl::Profile(profile) => (**profile).clone(),
        };
        if self.plain_in_clear {
            profile = profile.with_plain_in_clear();
        }
        let nonce = Nonce::from_random(&random::<24>()?).map_err(io::Error::other)?;
        Ok(Some(ClientSasl::new(profile, security, nonce)))
    }

    /// The options as the engine has them.
    pub(crate) fn to_engine(&self) -> Result<Options> {
        let container_id = match &self.container_id {
            Some(name) => name.clone(),
            None => random_name()?.into(),
        };
        let mut options = Options::new(container_id)
            .with_limits(self.limits.clone())
            .with_idle_time_out(millis(self.idle_timeout))
            .with_open_time_out(millis(self.open_timeout))
            .with_close_time_out(millis(self.close_timeout))
            .with_offered_capabilities(self.offered_capabilities.clone())
            .with_desired_capabilities(self.desired_capabilities.clone())
            .with_properties(self.properties.clone());
        if let Some(hostname) = &self.hostname {
            options = options.with_hostname(hostname.clone());
        }
        Ok(options)
    }
}

/// Whole milliseconds, at least one of what is not zero.
fn millis(span: Duration) -> u32 {
    let millis = span.as_micros().div_ceil(1_000);
    u32::try_from(millis).unwrap_or(u32::MAX)
}

/// Octets that nobody can guess.
fn random<const OCTETS: usize>() -> io::Result<[u8; OCTETS]> {
    let mut octets = [0; OCTETS];
    getrandom::fill(&mut octets).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(octets)
}

/// A name that nobody else has.
pub(crate) fn random_name() -> io::Result<String> {
    Ok(format!("amqp-blocking-{:032x}", u128::from_ne_bytes(random()?)))
}
