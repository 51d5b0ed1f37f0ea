//! [`Token`] and the client's mechanisms for it: OAUTHBEARER and XOAUTH2.
// Threat E8.

use core::fmt;

use alloc::boxed::Box;
use alloc::string::String;

use super::client::PlainClient;
use super::login::{BadCredential, Login, Wiped, name};
use super::mechanism::{ClientMechanism, MechanismError};
use crate::types::{Str, Symbol};
use crate::wire::Secret;

pub(super) const OAUTHBEARER: Symbol = Symbol::known("OAUTHBEARER");
pub(super) const XOAUTH2: Symbol = Symbol::known("XOAUTH2");

/// A bearer token of OAuth 2, checked once and wiped at the end as a [`Login`]'s password is.
///
/// ```
/// use amqp_proto::sasl::{BadCredential, ClientProfile, Token};
///
/// let token = Token::bearer("eyJhbGciOi.eyJzdWIiOi.SflKxwRJSM").unwrap();
/// assert_eq!(format!("{token:?}"), "Token { user: None, .. }");
/// let profile = ClientProfile::new().with_token(token);
/// let refused = Token::bearer("two words").unwrap_err();
/// assert_eq!(refused, BadCredential::Token);
/// ```
#[derive(Clone)]
pub struct Token {
    user: Option<Str>,
    token: Wiped,
}

impl Token {
    /// Returns a bearer token without a user.
    ///
    /// A connection that is opened again sends the same token. A mechanism of the application, added by
    /// [`ClientProfile::with_mechanism`](super::ClientProfile::with_mechanism), can get a fresh one each time.
    ///
    /// Most tokens need a larger
    /// [`Options::with_sasl_send_size`](crate::config::Options::with_sasl_send_size) than the default.
    ///
    /// # Errors
    ///
    /// [`BadCredential`] if the token is empty, too long, or has other characters than printable ASCII
    /// without spaces.
    pub fn bearer(token: &str) -> Result<Self, BadCredential> {
        if token.is_empty() {
            return Err(BadCredential::Empty);
        }
        if token.len() > Login::MAX_PASSWORD {
            return Err(BadCredential::TooLong);
        }
        if !token.bytes().all(|octet| octet.is_ascii_graphic()) {
            return Err(BadCredential::Token);
        }
        Ok(Self { user: None, token: Wiped::from(token.as_bytes()) })
    }

    /// Sets the user. OAUTHBEARER requests this user's rights; XOAUTH2 and PLAIN are not used without one.
    ///
    /// # Errors
    ///
    /// [`BadCredential`] if the name is empty, too long, or has control characters.
    pub fn with_user(mut self, user: impl Into<Str>) -> Result<Self, BadCredential> {
        self.user = Some(name(user.into())?);
        Ok(self)
    }

    /// Returns the user, if one is set.
    pub fn user(&self) -> Option<&Str> {
        self.user.as_ref()
    }

    /// Returns the mechanisms that the token can be sent by, the preferred one first.
    pub(super) fn mechanisms(&self) -> &'static [Symbol] {
        static ALL: [Symbol; 3] = [OAUTHBEARER, XOAUTH2, super::client::PLAIN];
        if self.user.is_some() { &ALL } else { ALL.split_at(1).0 }
    }

    /// Returns the mechanism of this name with the token.
    pub(super) fn mechanism(&self, mechanism: &Symbol) -> Option<Box<dyn ClientMechanism>> {
        if *mechanism == OAUTHBEARER {
            return Some(Box::new(TokenClient::oauthbearer(self.clone())));
        }
        if *mechanism == XOAUTH2 {
            return Some(Box::new(TokenClient::xoauth2(self.clone())));
        }
        let login = Login::of_token(self.user.clone()?, self.token.clone());
        Some(Box::new(PlainClient::new(login)))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("user", &self.user).finish_non_exhaustive()
    }
}

/// OAUTHBEARER (RFC 7628) and XOAUTH2: the client sends its token.
///
/// [`ClientProfile`](super::ClientProfile) uses both on encrypted transports only. Code that makes a
/// `TokenClient` itself must do the same.
#[derive(Debug, Clone)]
pub struct TokenClient {
    token: Token,
    form: Form,
    turn: Turn,
    error: Option<Str>,
}

/// The form of the client's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    OauthBearer,
    Xoauth2,
}

/// The state of the exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Ours,
    Servers,
    /// The server has sent an error, and was answered.
    Refused,
    Over,
}

impl TokenClient {
    /// The greatest number of octets of the server's error that are kept.
    const MAX_ERROR: usize = 512;

    /// The number of octets of a part of the token that is looked for in the server's error.
    const PART: usize = 16;

    /// Returns the mechanism OAUTHBEARER with this token.
    pub fn oauthbearer(token: Token) -> Self {
        Self { token, form: Form::OauthBearer, turn: Turn::Ours, error: None }
    }

    /// Returns the mechanism XOAUTH2 with this token, which needs a user.
    pub fn xoauth2(token: Token) -> Self {
        Self { token, form: Form::Xoauth2, turn: Turn::Ours, error: None }
    }

    /// Returns the error in a challenge as text, for people. A server that returns a part of the token is not quoted.
    fn error_in(&self, challenge: &[u8]) -> Option<Str> {
        let head = challenge.get(..Self::MAX_ERROR).unwrap_or(challenge);
        let token = self.token.token.as_ref();
        // Twice as many octets of the token in a row have one of these parts.
        let mut parts = token.chunks_exact(token.len().min(Self::PART));
        if parts.any(|part| head.windows(part.len()).any(|said| said == part)) {
            return None;
        }
        let text = String::from_utf8_lossy(head);
        (!text.is_empty()).then(|| text.as_ref().into())
    }
}

impl ClientMechanism for TokenClient {
    fn name(&self) -> Symbol {
        match self.form {
            Form::OauthBearer => OAUTHBEARER,
            Form::Xoauth2 => XOAUTH2,
        }
    }

    fn user(&self) -> Option<&Str> {
        self.token.user()
    }

    fn server_error(&self) -> Option<&Str> {
        self.error.as_ref()
    }

    fn initial_response(&mut self) -> Option<Secret> {
        if core::mem::replace(&mut self.turn, Turn::Servers) != Turn::Ours {
            self.turn = Turn::Over;
            return None;
        }
        let user = self.token.user().map_or("", Str::as_str);
        // In the header of OAUTHBEARER, a comma ends the name (RFC 5801, section 4).
        let escaped = user.replace('=', "=3D").replace(',', "=2C");
        let head: [&[u8]; 3] = match (self.form, user.is_empty()) {
            (Form::OauthBearer, true) => [b"n,", b"", b","],
            (Form::OauthBearer, false) => [b"n,a=", escaped.as_bytes(), b","],
            (Form::Xoauth2, _) => [b"user=", user.as_bytes(), b""],
        };
        let [begin, name, end] = head;
        let parts = [begin, name, end, b"\x01auth=Bearer ", self.token.token.as_ref(), b"\x01\x01"];
        Some(Secret::from(Wiped::concat(&parts).into_bytes()))
    }

    /// Keeps the server's error. The exchange goes on, since only the outcome ends it.
    fn challenge(&mut self, challenge: &Secret) -> Result<Secret, MechanismError> {
        if core::mem::replace(&mut self.turn, Turn::Refused) != Turn::Servers {
            self.turn = Turn::Over;
            return Err(MechanismError::Order);
        }
        self.error = self.error_in(challenge.expose());
        Ok(match self.form {
            Form::OauthBearer => Secret::from(b"\x01"),
            Form::Xoauth2 => Secret::default(),
        })
    }

    fn outcome(&mut self, _: Option<&Secret>) -> Result<(), MechanismError> {
        match core::mem::replace(&mut self.turn, Turn::Over) {
            Turn::Servers => Ok(()),
            Turn::Refused => Err(MechanismError::Refused),
            Turn::Ours | Turn::Over => Err(MechanismError::Order),
        }
    }
}
