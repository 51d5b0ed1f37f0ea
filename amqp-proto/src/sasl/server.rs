//! The server's mechanisms of one message, and [`Credentials`], where a server looks its users up.

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

/// The users of a server. What a server does not offer it need not implement.
///
/// The answers are wanted at once. A server that has to wait for them, say for a directory, implements
/// [`ServerMechanism`] itself.
pub trait Credentials {
    /// Returns whether this is the user's password, for PLAIN. It should take the same time for a user that does
    /// not exist as for a wrong password.
    fn check_password(&self, user: &str, password: &str) -> bool {
        let _ = (user, password);
        false
    }

    /// What is stored of the user's password, for SCRAM. None for an unknown user, who will not be told from one
    /// with another password.
    #[cfg(feature = "scram")]
    fn scram(&self, user: &str, hash: ScramHash) -> Option<ScramVerifier> {
        let _ = (user, hash);
        None
    }

    /// Returns whether a user, who has been authenticated, may have the rights of another identity. Unless
    /// implemented, it may be asked for nobody else.
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

/// Who the user is, once authenticated; `None` when it asks for rights that it may not have.
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

/// The step that ends a dialogue.
pub(super) fn end(identity: Option<Identity>, additional_data: Option<Secret>) -> Step {
    match identity {
        Some(identity) => Step::Done { identity, additional_data },
        None => Step::Failed,
    }
}

/// What a server of a mechanism with one message waits for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Turn {
    #[default]
    Init,
    Response,
    Over,
}

impl Turn {
    /// Whose turn it is; from now on it is over, unless set again.
    fn take(&mut self) -> Self {
        core::mem::replace(self, Self::Over)
    }
}

/// The two calls of a mechanism with one message, which `decide` looks at. A client that sends none with its init
/// is asked for it by an empty challenge [RFC 4422, 5.1] [5.3.3.2].
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

/// Returns a name in a message, or none where there are no octets.
fn optional_name(octets: &[u8]) -> Option<Option<Str>> {
    if octets.is_empty() {
        return Some(None);
    }
    let text = core::str::from_utf8(octets).ok()?;
    Some(Some(name(text.into()).ok()?))
}

/// ANONYMOUS [RFC 4505]: everybody may enter. A trace that is none, such as that of rhea, which begins with a zero,
/// keeps nobody out: it is dropped.
#[derive(Debug, Default)]
pub struct AnonymousServer {
    turn: Turn,
}

impl AnonymousServer {
    /// For one client.
    pub fn new() -> Self {
        Self::default()
    }
}

impl ServerMechanism for AnonymousServer {
    fn name(&self) -> Symbol {
        ANONYMOUS
    }

    /// Clients leave the trace out, so no initial response is taken for an empty one.
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

/// EXTERNAL [RFC 4422, A]: the server knows the client already, usually by its certificate.
pub struct ExternalServer<C> {
    user: Str,
    credentials: C,
    turn: Turn,
}

impl<C: Credentials> ExternalServer<C> {
    /// For the client that the layer below has found to be `user`. Do not offer it when there is none.
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

/// PLAIN [RFC 4616]: the client sends the password. Offer it on encrypted links only.
pub struct PlainServer<C> {
    credentials: C,
    turn: Turn,
}

impl<C: Credentials> PlainServer<C> {
    /// For one client, who is one of these users.
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
        // Rights are looked at last, or a stranger could ask who may act as whom.
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
