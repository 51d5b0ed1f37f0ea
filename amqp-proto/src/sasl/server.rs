//! The server's mechanisms of one message, and [`Credentials`], the server's users.

use core::fmt;

use alloc::boxed::Box;
#[cfg(target_has_atomic = "ptr")]
use alloc::sync::Arc;

use super::client::{ANONYMOUS, EXTERNAL, PLAIN};
use super::login::{Login, name, text};
use super::mechanism::{Identity, ServerMechanism, Step};
#[cfg(feature = "scram")]
use super::scram::{ScramHash, ScramVerifier};
use crate::types::{Str, Symbol};
use crate::wire::Secret;

/// The users of a server. Implement the methods of the mechanisms that the server offers.
///
/// The methods must return at once. A server that has to wait, for example for a directory, implements
/// [`ServerMechanism`] itself.
pub trait Credentials {
    /// Returns `true` if this is the user's password, for PLAIN.
    ///
    /// The time should be the same for an unknown user as for a wrong password.
    fn check_password(&self, user: &str, password: &str) -> bool {
        let _ = (user, password);
        false
    }

    /// Returns the stored verifier of the user's password, for SCRAM; `None` for an unknown user.
    ///
    /// The client cannot distinguish an unknown user from a wrong password.
    #[cfg(feature = "scram")]
    fn scram(&self, user: &str, hash: ScramHash) -> Option<ScramVerifier> {
        let _ = (user, hash);
        None
    }

    /// Returns `true` if an authenticated user may act as another identity. Default: only as itself.
    fn may_act_as(&self, user: &str, other: &str) -> bool {
        user == other
    }
}

macro_rules! through {
    ($($(#[$attribute:meta])* $pointer:ty;)*) => {$(
        $(#[$attribute])*
        impl<C: Credentials + ?Sized> Credentials for $pointer {
            fn check_password(&self, user: &str, password: &str) -> bool {
                (**self).check_password(user, password)
            }

            #[cfg(feature = "scram")]
            fn scram(&self, user: &str, hash: ScramHash) -> Option<ScramVerifier> {
                (**self).scram(user, hash)
            }

            fn may_act_as(&self, user: &str, other: &str) -> bool {
                (**self).may_act_as(user, other)
            }
        }
    )*};
}

through! {
    &C;
    Box<C>;
    #[cfg(target_has_atomic = "ptr")]
    Arc<C>;
}

/// Returns the identity of an authenticated user; `None` if the user may not act as the requested identity.
pub(super) fn identify<C: Credentials>(
    credentials: &C,
    user: Str,
    acting_as: Option<Str>,
) -> Option<Identity> {
    match acting_as {
        None => Some(Identity::of(user)),
        Some(other) if credentials.may_act_as(&user, &other) => {
            Some(Identity::of(user).with_acting_as(other))
        }
        Some(_) => None,
    }
}

/// Returns the last step of a dialogue.
pub(super) fn end(identity: Option<Identity>, additional_data: Option<Secret>) -> Step {
    match identity {
        Some(identity) => Step::Done { identity, additional_data },
        None => Step::Failed,
    }
}

/// The state of a server mechanism of one message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Turn {
    #[default]
    Init,
    Response,
    Over,
}

impl Turn {
    /// Returns the current state, and sets the state to `Over`.
    fn take(&mut self) -> Self {
        core::mem::replace(self, Self::Over)
    }
}

/// The two calls of a mechanism of one message, which `decide` checks. A client that sends no message with
/// its init is asked for it with an empty challenge (RFC 4422, section 5.1) [5.3.3.2].
macro_rules! one_message {
    () => {
        fn init(&mut self, initial_response: Option<&Secret>) -> Step {
            match (self.turn.take(), initial_response) {
                (Turn::Init, Some(message)) => end(self.decide(message.expose()), None),
                (Turn::Init, None) => {
                    self.turn = Turn::Response;
                    Step::Challenge(Secret::default())
                }
                (Turn::Response | Turn::Over, _) => Step::Failed,
            }
        }

        fn response(&mut self, response: &Secret) -> Step {
            match self.turn.take() {
                Turn::Response => end(self.decide(response.expose()), None),
                Turn::Init | Turn::Over => Step::Failed,
            }
        }
    };
}

/// Returns a name in a message; `Some(None)` for no octets.
fn optional_name(octets: &[u8]) -> Option<Option<Str>> {
    if octets.is_empty() {
        return Some(None);
    }
    let text = core::str::from_utf8(octets).ok()?;
    Some(Some(name(text.into()).ok()?))
}

/// ANONYMOUS (RFC 4505): every client may enter.
///
/// A malformed trace text, such as that of rhea, which begins with a zero octet, is dropped without an error.
#[derive(Debug, Default)]
pub struct AnonymousServer {
    turn: Turn,
}

impl AnonymousServer {
    /// Returns the mechanism for one client.
    pub fn new() -> Self {
        Self::default()
    }
}

impl ServerMechanism for AnonymousServer {
    fn name(&self) -> Symbol {
        ANONYMOUS
    }

    /// Accepts a missing initial response as an empty one, since clients omit the trace text.
    fn init(&mut self, initial_response: Option<&Secret>) -> Step {
        if self.turn.take() != Turn::Init {
            return Step::Failed;
        }
        let message = initial_response.map_or(&[][..], |message| message.expose());
        let identity = match optional_name(message).flatten() {
            Some(trace) => Identity::anonymous().with_trace(trace),
            None => Identity::anonymous(),
        };
        end(Some(identity), None)
    }

    fn response(&mut self, _: &Secret) -> Step {
        self.turn = Turn::Over;
        Step::Failed
    }
}

/// EXTERNAL (RFC 4422, appendix A): the layer below has authenticated the client, usually by a certificate.
pub struct ExternalServer<C> {
    user: Str,
    credentials: C,
    turn: Turn,
}

impl<C: Credentials> ExternalServer<C> {
    /// Returns the mechanism for a client that the layer below has authenticated as `user`. Do not offer it
    /// to other clients.
    pub fn new(user: impl Into<Str>, credentials: C) -> Self {
        Self { user: user.into(), credentials, turn: Turn::Init }
    }

    fn decide(&self, message: &[u8]) -> Option<Identity> {
        identify(&self.credentials, self.user.clone(), optional_name(message)?)
    }
}

impl<C: Credentials + Send> ServerMechanism for ExternalServer<C> {
    fn name(&self) -> Symbol {
        EXTERNAL
    }

    one_message!();
}

impl<C> fmt::Debug for ExternalServer<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExternalServer")
            .field("user", &self.user)
            .field("turn", &self.turn)
            .finish_non_exhaustive()
    }
}

/// PLAIN (RFC 4616): the client sends its password. Offer it on encrypted transports only.
pub struct PlainServer<C> {
    credentials: C,
    turn: Turn,
}

impl<C: Credentials> PlainServer<C> {
    /// Returns the mechanism for one client, with these users.
    pub fn new(credentials: C) -> Self {
        Self { credentials, turn: Turn::Init }
    }

    fn decide(&self, message: &[u8]) -> Option<Identity> {
        let mut parts = message.split(|octet| *octet == 0);
        let (acting_as, user, password) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let (acting_as, user) = (optional_name(acting_as)?, optional_name(user)??);
        let password = text(core::str::from_utf8(password).ok()?, Login::MAX_PASSWORD).ok()?;
        // Rights are checked last; otherwise a stranger could find out who may act as whom.
        let known = self.credentials.check_password(&user, password);
        known.then(|| identify(&self.credentials, user, acting_as))?
    }
}

impl<C: Credentials + Send> ServerMechanism for PlainServer<C> {
    fn name(&self) -> Symbol {
        PLAIN
    }

    one_message!();
}

impl<C> fmt::Debug for PlainServer<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlainServer").field("turn", &self.turn).finish_non_exhaustive()
    }
}
