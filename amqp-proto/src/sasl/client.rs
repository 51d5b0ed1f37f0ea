//! The client's mechanisms of one message, and [`ClientProfile`], which chooses [5.3.3.2].

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::failure::ChoiceError;
use super::login::{BadCredential, Login, Wiped, name};
use super::mechanism::{ClientMechanism, Failure};
use super::nonce::Nonce;
use super::own::OwnMechanism;
#[cfg(feature = "scram")]
use super::scram::{ScramClient, ScramHash, ScramLimits};
use crate::types::{Str, Symbol};
use crate::wire::Secret;

pub(super) const ANONYMOUS: Symbol = Symbol::known("ANONYMOUS");
pub(super) const EXTERNAL: Symbol = Symbol::known("EXTERNAL");
pub(super) const PLAIN: Symbol = Symbol::known("PLAIN");

/// The mechanisms that a client may authenticate with.
///
/// Nothing is allowed that was not asked for: a login is never given up for ANONYMOUS, unless
/// [`with_anonymous`](Self::with_anonymous) says so, and PLAIN never shows the password to a link that is not
/// encrypted, unless [`with_plain_in_clear`](Self::with_plain_in_clear) says so. An attacker who can strip stronger
/// mechanisms from what a server offers gains nothing by it beyond what [`with_only`](Self::with_only) leaves.
/// There is one choice for each connection; when it fails, no weaker one is tried.
///
/// ```
/// use amqp_proto::sasl::{ChoiceError, ClientProfile, TransportSecurity, Login, Nonce};
/// use amqp_proto::symbol;
///
/// let profile = ClientProfile::new().with_login(Login::new("user", "pencil").unwrap());
/// let nonce = Nonce::from_random(&[7; 16]).unwrap();
/// let refused = profile.choose(&[symbol!("PLAIN")], TransportSecurity::Clear, nonce).unwrap_err();
/// assert_eq!(refused, ChoiceError::PlainInClear);
/// ```
#[derive(Debug, Clone, Default)]
pub struct ClientProfile {
    /// The best first.
    own: Vec<OwnMechanism>,
    external: Option<ExternalClient>,
    login: Option<Login>,
    anonymous: Option<AnonymousClient>,
    plain_in_clear: bool,
    only: Option<Vec<Symbol>>,
    #[cfg(feature = "scram")]
    scram_limits: ScramLimits,
}

impl ClientProfile {
    /// Returns a profile that allows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Allows SCRAM, when the feature `scram` is on, and PLAIN.
    #[must_use]
    pub fn with_login(mut self, login: Login) -> Self {
        self.login = Some(login);
        self
    }

    /// Allows EXTERNAL: the server knows the client by other means, usually its certificate.
    #[must_use]
    pub fn with_external(mut self, external: ExternalClient) -> Self {
        self.external = Some(external);
        self
    }

    /// Allows ANONYMOUS, beside a login too.
    #[must_use]
    pub fn with_anonymous(mut self, anonymous: AnonymousClient) -> Self {
        self.anonymous = Some(anonymous);
        self
    }

    /// Allows a mechanism of the application's own, which is liked better than all others but those that were given
    /// so before. Each connection gets a copy of it, which has not been called yet: what is to be fresh, such as a
    /// token or a nonce, it gets when it is asked for its
    /// [`initial_response`](ClientMechanism::initial_response).
    ///
    /// What [`with_only`](Self::with_only) leaves out is not used. Nor is, on a link that is not encrypted, what
    /// [shows its secret](ClientMechanism::shows_secret), unless
    /// [`with_plain_in_clear`](Self::with_plain_in_clear) says so. The profile's `Debug` tells the name alone.
    #[must_use]
    pub fn with_mechanism(mut self, mechanism: impl ClientMechanism + Clone + Sync + 'static) -> Self {
        self.own.push(OwnMechanism::new(mechanism));
        self
    }

    /// Lets PLAIN, and what is like it, show the secret to whoever listens on a link that is not encrypted.
    #[must_use]
    pub fn with_plain_in_clear(mut self) -> Self {
        self.plain_in_clear = true;
        self
    }

    /// Allows no mechanism but these.
    #[must_use]
    pub fn with_only(mut self, mechanisms: impl IntoIterator<Item = Symbol>) -> Self {
        self.only = Some(mechanisms.into_iter().collect());
        self
    }

    /// Sets what SCRAM takes from a server.
    #[cfg(feature = "scram")]
    #[must_use]
    pub fn with_scram_limits(mut self, limits: ScramLimits) -> Self {
        self.scram_limits = limits;
        self
    }

    /// The strongest mechanism that is both offered and allowed: the application's own in their order, EXTERNAL, then
    /// SCRAM by the size of its hash, then PLAIN, then ANONYMOUS. The server's order does not matter.
    pub fn choose(
        &self,
        offered: &[Symbol],
        link: TransportSecurity,
        nonce: Nonce,
    ) -> Result<Box<dyn ClientMechanism>, ChoiceError> {
        let open = |name: &Symbol| offered.contains(name) && self.allows(name);
        let may_show = link == TransportSecurity::Encrypted || self.plain_in_clear;
        let mut shows = false;
        for own in self.own.iter().map(OwnMechanism::begin).filter(|own| open(&own.name())) {
            if may_show || !own.shows_secret() {
                return Ok(own);
            }
            shows = true;
        }
        if let Some(external) = self.external.as_ref().filter(|_| open(&EXTERNAL)) {
            return Ok(Box::new(external.clone()));
        }
        if let Some(login) = &self.login {
            #[cfg(feature = "scram")]
            if let Some(hash) = ScramHash::STRONGEST_FIRST.into_iter().find(|hash| open(&hash.mechanism())) {
                let limits = self.scram_limits.clone();
                return Ok(Box::new(ScramClient::new(hash, login.clone(), nonce, limits)));
            }
            if open(&PLAIN) && may_show {
                return Ok(Box::new(PlainClient::new(login.clone())));
            }
            shows |= open(&PLAIN);
        }
        // Only SCRAM has a use for it.
        #[cfg(not(feature = "scram"))]
        drop(nonce);
        match self.anonymous.as_ref().filter(|_| open(&ANONYMOUS)) {
            Some(anonymous) => Ok(Box::new(anonymous.clone())),
            None if shows => Err(ChoiceError::PlainInClear),
            None => Err(ChoiceError::NoneInCommon { offered: offered.to_vec(), allowed: self.allowed() }),
        }
    }

    /// The mechanisms that may be used, the strongest first.
    fn allowed(&self) -> Vec<Symbol> {
        let mut names: Vec<_> = self.own.iter().map(|own| own.begin().name()).collect();
        names.extend(self.external.as_ref().map(|_| EXTERNAL));
        if self.login.is_some() {
            #[cfg(feature = "scram")]
            names.extend(ScramHash::STRONGEST_FIRST.into_iter().map(ScramHash::mechanism));
            names.push(PLAIN);
        }
        names.extend(self.anonymous.as_ref().map(|_| ANONYMOUS));
        names.retain(|name| self.allows(name));
        names
    }

    fn allows(&self, name: &Symbol) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(name))
    }
}

/// Says if somebody on the way can read the octets. Only the maker of the transport knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransportSecurity {
    /// Anybody can.
    Clear,
    /// TLS or its like is below, or the link does not leave the machine.
    Encrypted,
}

/// How far a mechanism of one message has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Turn {
    #[default]
    Ours,
    Servers,
    Over,
}

impl Turn {
    /// Ours is over; false when it was not ours.
    fn speak(&mut self) -> bool {
        core::mem::replace(self, if *self == Self::Ours { Self::Servers } else { Self::Over }) == Self::Ours
    }

    /// The server's is over. What comes with its *ok* means nothing to these mechanisms.
    fn end(&mut self) -> Result<(), Failure> {
        match core::mem::replace(self, Self::Over) {
            Self::Servers => Ok(()),
            Self::Ours | Self::Over => Err(Failure::Order),
        }
    }
}

/// What follows the one message: no challenge, and an outcome [5.3.2].
macro_rules! one_message {
    (public) => {
        fn shows_secret(&self) -> bool {
            false
        }

        one_message!();
    };
    () => {
        fn challenge(&mut self, _: &Secret) -> Result<Secret, Failure> {
            self.turn = Turn::Over;
            Err(Failure::Order)
        }

        fn outcome(&mut self, _: Option<&Secret>) -> Result<(), Failure> {
            self.turn.end()
        }
    };
}

/// ANONYMOUS [RFC 4505]: the client does not say who it is.
#[derive(Debug, Clone, Default)]
pub struct AnonymousClient {
    trace: Option<Str>,
    turn: Turn,
}

impl AnonymousClient {
    /// Without a trace.
    pub fn new() -> Self {
        Self::default()
    }

    /// With a text for the server's logs, such as an e-mail address. Everybody on the way can read it.
    pub fn with_trace(mut self, trace: impl Into<Str>) -> Result<Self, BadCredential> {
        self.trace = Some(name(trace.into())?);
        Ok(self)
    }
}

impl ClientMechanism for AnonymousClient {
    fn name(&self) -> Symbol {
        ANONYMOUS
    }

    fn initial_response(&mut self) -> Option<Secret> {
        let trace = self.trace.as_ref().map_or("", Str::as_str);
        self.turn.speak().then(|| Secret::from(trace.as_bytes()))
    }

    one_message!(public);
}

/// EXTERNAL [RFC 4422, A]: the server knows the client already.
#[derive(Debug, Clone, Default)]
pub struct ExternalClient {
    acting_as: Option<Str>,
    turn: Turn,
}

impl ExternalClient {
    /// As whom the server knows the client to be.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for the rights of this identity, which the server has to allow.
    pub fn with_acting_as(mut self, authorization: impl Into<Str>) -> Result<Self, BadCredential> {
        self.acting_as = Some(name(authorization.into())?);
        Ok(self)
    }
}

impl ClientMechanism for ExternalClient {
    fn name(&self) -> Symbol {
        EXTERNAL
    }

    /// Empty when nobody is asked for, which is not the same as none [5.3.3.2].
    fn initial_response(&mut self) -> Option<Secret> {
        let acting_as = self.acting_as.as_ref().map_or("", Str::as_str);
        self.turn.speak().then(|| Secret::from(acting_as.as_bytes()))
    }

    one_message!(public);
}

/// PLAIN [RFC 4616]: the password itself.
///
/// [`ClientProfile`] keeps it off links that are not encrypted; who makes one by hand has to.
#[derive(Debug, Clone)]
pub struct PlainClient {
    login: Login,
    turn: Turn,
}

impl PlainClient {
    /// With this password.
    pub fn new(login: Login) -> Self {
        Self { login, turn: Turn::Ours }
    }
}

impl ClientMechanism for PlainClient {
    fn name(&self) -> Symbol {
        PLAIN
    }

    fn user(&self) -> Option<&Str> {
        Some(self.login.user())
    }

    fn initial_response(&mut self) -> Option<Secret> {
        let acting_as = self.login.acting_as().map_or("", Str::as_str);
        let parts = [acting_as.as_bytes(), b"\0", self.login.user().as_bytes(), b"\0", self.login.password()];
        self.turn.speak().then(|| Secret::from(Wiped::concat(&parts).into_bytes()))
    }

    one_message!();
}
