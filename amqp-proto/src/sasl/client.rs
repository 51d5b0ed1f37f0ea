//! The client's mechanisms of one message, and [`ClientProfile`], which chooses a mechanism [5.3.3.2].

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::failure::ChoiceError;
use super::login::{BadCredential, Login, Wiped, name};
use super::mechanism::{ClientMechanism, MechanismError};
use super::nonce::Nonce;
use super::own::OwnMechanism;
#[cfg(feature = "scram")]
use super::scram::{ScramClient, ScramHash, ScramLimits};
use super::token::Token;
use crate::types::{Str, Symbol};
use crate::wire::Secret;

pub(super) const ANONYMOUS: Symbol = Symbol::known("ANONYMOUS");
pub(super) const EXTERNAL: Symbol = Symbol::known("EXTERNAL");
pub(super) const PLAIN: Symbol = Symbol::known("PLAIN");

/// The mechanisms that a client allows, and the choice among them.
///
/// The profile never uses a mechanism that it does not allow. With a login, it uses ANONYMOUS only after
/// [`with_anonymous`](Self::with_anonymous), and PLAIN over an unencrypted transport only after
/// [`with_plain_in_clear`](Self::with_plain_in_clear). An attacker who removes stronger mechanisms from the
/// server's offer gains only the mechanisms that [`with_only`](Self::with_only) leaves. A connection makes
/// one choice; if it fails, no weaker mechanism is tried.
///
/// ```
/// use amqp_proto::sasl::{
///     ChoiceError, ClientProfile, Login, Nonce, TransportSecurity,
/// };
/// use amqp_proto::symbol;
///
/// let login = Login::new("user", "pencil").unwrap();
/// let profile = ClientProfile::new().with_login(login);
/// let nonce = Nonce::from_random(&[7; 16]).unwrap();
/// let offered = [symbol!("PLAIN")];
/// let choice = profile.choose(&offered, TransportSecurity::Clear, nonce);
/// assert_eq!(choice.unwrap_err(), ChoiceError::PlainInClear);
/// ```
#[derive(Debug, Clone, Default)]
pub struct ClientProfile {
    /// The mechanisms of the application, the preferred one first.
    own: Vec<OwnMechanism>,
    external: Option<OwnMechanism>,
    /// The token, and the function that makes its mechanisms: a program without a token is linked without them.
    token: Option<(Token, TokenMechanism)>,
    login: Option<Login>,
    anonymous: Option<OwnMechanism>,
    plain_in_clear: bool,
    only: Option<Vec<Symbol>>,
    #[cfg(feature = "scram")]
    scram_limits: ScramLimits,
}

impl ClientProfile {
    /// Returns a profile that allows no mechanism.
    pub fn new() -> Self {
        Self::default()
    }

    /// Allows SCRAM, if the feature `scram` is on, and PLAIN.
    #[must_use]
    pub fn with_login(mut self, login: Login) -> Self {
        self.login = Some(login);
        self
    }

    /// Allows OAUTHBEARER, and XOAUTH2 and PLAIN if the token has a user, on encrypted transports only.
    #[must_use]
    pub fn with_token(mut self, token: Token) -> Self {
        self.token = Some((token, Token::mechanism));
        self
    }

    /// Allows EXTERNAL: the layer below has authenticated the client, usually by a certificate.
    #[must_use]
    pub fn with_external(mut self, external: ExternalClient) -> Self {
        self.external = Some(OwnMechanism::new(external));
        self
    }

    /// Allows ANONYMOUS, in addition to other mechanisms.
    #[must_use]
    pub fn with_anonymous(mut self, anonymous: AnonymousClient) -> Self {
        self.anonymous = Some(OwnMechanism::new(anonymous));
        self
    }

    /// Allows a mechanism of the application, which is preferred to all others except those added before.
    ///
    /// Each connection gets its own copy of the mechanism. A mechanism should make fresh values, such as a
    /// token or a nonce, when its [`initial_response`](ClientMechanism::initial_response) is called.
    ///
    /// The mechanism is not used if [`with_only`](Self::with_only) excludes it, nor if it [reveals its
    /// secret](ClientMechanism::shows_secret) on an unencrypted transport, unless
    /// [`with_plain_in_clear`](Self::with_plain_in_clear) allows that. The profile's `Debug` prints only its
    /// name.
    #[must_use]
    pub fn with_mechanism(mut self, mechanism: impl ClientMechanism + Clone + Sync + 'static) -> Self {
        self.own.push(OwnMechanism::new(mechanism));
        self
    }

    /// Allows PLAIN, and mechanisms that also reveal their secret, on an unencrypted transport.
    #[must_use]
    pub fn with_plain_in_clear(mut self) -> Self {
        self.plain_in_clear = true;
        self
    }

    /// Allows only these mechanisms.
    #[must_use]
    pub fn with_only(mut self, mechanisms: impl IntoIterator<Item = Symbol>) -> Self {
        self.only = Some(mechanisms.into_iter().collect());
        self
    }

    /// Sets the limits of SCRAM on the server's messages.
    #[cfg(feature = "scram")]
    #[must_use]
    pub fn with_scram_limits(mut self, limits: ScramLimits) -> Self {
        self.scram_limits = limits;
        self
    }

    /// Returns the strongest mechanism that is both offered and allowed.
    ///
    /// The order is: mechanisms of the application as they were added, EXTERNAL, those of a token
    /// (OAUTHBEARER, XOAUTH2, PLAIN), SCRAM by the size of its hash, PLAIN, ANONYMOUS. The server's order does
    /// not matter.
    ///
    /// # Errors
    ///
    /// [`ChoiceError::NoneInCommon`] if no offered mechanism is allowed; [`ChoiceError::PlainInClear`] and
    /// [`ChoiceError::TokenInClear`] if the only ones would reveal the secret on an unencrypted transport.
    pub fn choose(
        &self,
        offered: &[Symbol],
        link: TransportSecurity,
        nonce: Nonce,
    ) -> Result<Box<dyn ClientMechanism>, ChoiceError> {
        let open = |name: &Symbol| offered.contains(name) && self.allows(name);
        let may_show = link == TransportSecurity::Encrypted || self.plain_in_clear;
        let mut shows = false;
        let first = self.own.iter().chain(&self.external).map(OwnMechanism::begin);
        for own in first.filter(|own| open(&own.name())) {
            if may_show || !own.shows_secret() {
                return Ok(own);
            }
            shows = true;
        }
        let token = self.token.as_ref().and_then(|(token, mechanism)| {
            mechanism(token, token.mechanisms().iter().find(|name| open(name))?)
        });
        let has_token = token.is_some();
        if let Some(token) = token.filter(|_| link == TransportSecurity::Encrypted) {
            return Ok(token);
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
        // Only SCRAM uses the nonce.
        #[cfg(not(feature = "scram"))]
        drop(nonce);
        match self.anonymous.as_ref().filter(|_| open(&ANONYMOUS)) {
            Some(anonymous) => Ok(anonymous.begin()),
            None if shows => Err(ChoiceError::PlainInClear),
            None if has_token => Err(ChoiceError::TokenInClear),
            None => Err(ChoiceError::NoneInCommon { offered: offered.to_vec(), allowed: self.allowed() }),
        }
    }

    /// Returns the allowed mechanisms, strongest first.
    fn allowed(&self) -> Vec<Symbol> {
        let first = self.own.iter().chain(&self.external);
        let mut names: Vec<_> = first.map(|own| own.begin().name()).collect();
        names.extend(self.token.iter().flat_map(|(token, _)| token.mechanisms()).cloned());
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

/// Returns the mechanism of a token with this name.
type TokenMechanism = fn(&Token, &Symbol) -> Option<Box<dyn ClientMechanism>>;

/// The security of a transport against eavesdroppers. Only the maker of the transport knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransportSecurity {
    /// Eavesdroppers can read the octets.
    Clear,
    /// The octets are encrypted, by TLS or similar, or do not leave the machine.
    Encrypted,
}

/// The state of a mechanism of one message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Turn {
    #[default]
    Ours,
    Servers,
    Over,
}

impl Turn {
    /// Ends this end's turn; returns `false` if it was not its turn.
    fn speak(&mut self) -> bool {
        core::mem::replace(self, if *self == Self::Ours { Self::Servers } else { Self::Over }) == Self::Ours
    }

    /// Ends the server's turn. Additional data in the outcome *ok* has no meaning for these mechanisms.
    fn end(&mut self) -> Result<(), MechanismError> {
        match core::mem::replace(self, Self::Over) {
            Self::Servers => Ok(()),
            Self::Ours | Self::Over => Err(MechanismError::Order),
        }
    }
}

/// The calls after the one message: no challenge, and an outcome [5.3.2].
macro_rules! one_message {
    (public) => {
        fn shows_secret(&self) -> bool {
            false
        }

        one_message!();
    };
    () => {
        fn challenge(&mut self, _: &Secret) -> Result<Secret, MechanismError> {
            self.turn = Turn::Over;
            Err(MechanismError::Order)
        }

        fn outcome(&mut self, _: Option<&Secret>) -> Result<(), MechanismError> {
            self.turn.end()
        }
    };
}

/// ANONYMOUS (RFC 4505): the client does not authenticate.
#[derive(Debug, Clone, Default)]
pub struct AnonymousClient {
    trace: Option<Str>,
    turn: Turn,
}

impl AnonymousClient {
    /// Returns the mechanism without a trace text.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a text for the server's logs, such as an e-mail address. Eavesdroppers can read it.
    ///
    /// # Errors
    ///
    /// [`BadCredential`] if the text is empty, too long, or has control characters.
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

/// EXTERNAL (RFC 4422, appendix A): the layer below has authenticated the client.
#[derive(Debug, Clone, Default)]
pub struct ExternalClient {
    acting_as: Option<Str>,
    turn: Turn,
}

impl ExternalClient {
    /// Returns the mechanism; the client acts as the authenticated user.
    pub fn new() -> Self {
        Self::default()
    }

    /// Requests the rights of another identity, which the server must allow.
    ///
    /// # Errors
    ///
    /// [`BadCredential`] if the name is empty, too long, or has control characters.
    pub fn with_acting_as(mut self, authorization: impl Into<Str>) -> Result<Self, BadCredential> {
        self.acting_as = Some(name(authorization.into())?);
        Ok(self)
    }
}

impl ClientMechanism for ExternalClient {
    fn name(&self) -> Symbol {
        EXTERNAL
    }

    /// Returns the other identity, or an empty response, which differs from an absent one [5.3.3.2].
    fn initial_response(&mut self) -> Option<Secret> {
        let acting_as = self.acting_as.as_ref().map_or("", Str::as_str);
        self.turn.speak().then(|| Secret::from(acting_as.as_bytes()))
    }

    one_message!(public);
}

/// PLAIN (RFC 4616): the client sends its password.
///
/// [`ClientProfile`] uses PLAIN only on encrypted transports. Code that makes a `PlainClient` itself must do
/// the same.
#[derive(Debug, Clone)]
pub struct PlainClient {
    login: Login,
    turn: Turn,
}

impl PlainClient {
    /// Returns the mechanism with this login.
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
