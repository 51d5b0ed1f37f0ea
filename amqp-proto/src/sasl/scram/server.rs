//! The server's end of SCRAM.

use core::fmt;
use core::mem;

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;

use base64ct::{Base64, Encoding};

use super::super::login::Wiped;
use super::super::mechanism::{Identity, MechanismError, ServerMechanism, Step};
use super::super::nonce::Nonce;
use super::super::server::{Credentials, end, identify};
use super::message::{ClientFinal, ClientFirst, readable};
use super::{ScramHash, ScramLimits, ScramVerifier};
use crate::types::{Str, Symbol};
use crate::wire::Secret;

/// SCRAM (RFC 5802, section 3): requires a proof that the client knows the password, and proves the same to
/// the client [5.3.3.5].
///
/// An unknown user gets a challenge, too, made by the [`Decoy`]. The dialogue then fails at the same step,
/// and after the same work, as with a wrong password.
pub struct ScramServer<C> {
    hash: ScramHash,
    credentials: C,
    nonce: Nonce,
    decoy: Decoy,
    limits: ScramLimits,
    state: State,
}

enum State {
    Start,
    /// An init without a message was answered with an empty challenge.
    Asked,
    Challenged(Box<Dialogue>),
    Over,
}

struct Dialogue {
    user: Str,
    acting_as: Option<Str>,
    binding: String,
    nonce: String,
    /// The first two messages, in the form that the signatures cover.
    messages: String,
    verifier: ScramVerifier,
    known: bool,
}

impl<C: Credentials> ScramServer<C> {
    /// Returns the mechanism for one client, with these users and a nonce that was never used before.
    pub fn new(hash: ScramHash, credentials: C, nonce: Nonce, decoy: Decoy) -> Self {
        Self { hash, credentials, nonce, decoy, limits: ScramLimits::DEFAULT, state: State::Start }
    }

    /// Sets the limits on the client's messages. The bounds on iterations and salt apply to clients only.
    #[must_use]
    pub fn with_limits(mut self, limits: ScramLimits) -> Self {
        self.limits = limits;
        self
    }

    fn first(&mut self, message: &Secret) -> Result<Step, MechanismError> {
        let client = ClientFirst::parse(readable(message.expose(), &self.limits)?, &self.limits)?;
        // Computed for known users, too, so that the time does not reveal who is known.
        let made_up = self.decoy.verifier(self.hash, &client.user);
        let found = self.credentials.scram(&client.user, self.hash).filter(|found| found.hash() == self.hash);
        let known = found.is_some();
        let verifier = found.unwrap_or(made_up);
        let nonce = format!("{}{}", client.nonce, self.nonce.as_str());
        let salt = Base64::encode_string(verifier.salt());
        let challenge = format!("r={nonce},s={salt},i={}", verifier.iterations());
        self.state = State::Challenged(Box::new(Dialogue {
            binding: Base64::encode_string(client.gs2_header.as_bytes()),
            nonce,
            messages: format!("{},{challenge},", client.bare),
            verifier,
            known,
            acting_as: client.acting_as,
            user: client.user,
        }));
        Ok(Step::Challenge(challenge.as_bytes().into()))
    }

    fn last(&self, dialogue: Dialogue, message: &Secret) -> Option<(Identity, Secret)> {
        let client = ClientFinal::parse(readable(message.expose(), &self.limits).ok()?).ok()?;
        let messages = [dialogue.messages.as_bytes(), client.without_proof.as_bytes()];
        let signature = dialogue.verifier.check(&messages, &client.proof);
        let same = client.binding == dialogue.binding && client.nonce == dialogue.nonce;
        let signature = signature.filter(|_| same && dialogue.known)?;
        // Rights are checked last; otherwise a stranger could find out who may act as whom.
        let identity = identify(&self.credentials, dialogue.user, dialogue.acting_as)?;
        let data = format!("v={}", Base64::encode_string(signature.as_ref()));
        Some((identity, data.as_bytes().into()))
    }
}

impl<C: Credentials + Send> ServerMechanism for ScramServer<C> {
    fn name(&self) -> Symbol {
        self.hash.mechanism()
    }

    fn init(&mut self, initial_response: Option<&Secret>) -> Step {
        match (mem::replace(&mut self.state, State::Over), initial_response) {
            (State::Start, Some(message)) => self.first(message).unwrap_or(Step::Failed),
            (State::Start, None) => {
                self.state = State::Asked;
                Step::Challenge(Secret::default())
            }
            (State::Asked | State::Challenged(_) | State::Over, _) => Step::Failed,
        }
    }

    fn response(&mut self, response: &Secret) -> Step {
        match mem::replace(&mut self.state, State::Over) {
            State::Asked => self.first(response).unwrap_or(Step::Failed),
            State::Challenged(dialogue) => {
                let (identity, data) = self.last(*dialogue, response).unzip();
                end(identity, data)
            }
            State::Start | State::Over => Step::Failed,
        }
    }
}

impl<C> fmt::Debug for ScramServer<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramServer")
            .field("hash", &self.hash)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start => "Start",
            Self::Asked => "Asked",
            Self::Challenged(_) => "Challenged",
            Self::Over => "Over",
        })
    }
}

/// Salts and iterations for unknown users. The same name always gets the same values, as a known user does.
#[derive(Clone)]
pub struct Decoy {
    secret: Wiped,
    salt_octets: usize,
    iterations: u32,
}

impl Decoy {
    /// Returns a decoy with a secret of the server, such as 32 random octets, that must not change while its
    /// users exist.
    ///
    /// Salts have 16 octets and there are 4,096 iterations; [`with_shape`](Self::with_shape) changes that.
    pub fn new(secret: &[u8]) -> Self {
        Self { secret: ScramHash::Sha256.digest(secret), salt_octets: 16, iterations: 4_096 }
    }

    /// Sets the length of salts, 1 to 64 octets, and the number of iterations.
    ///
    /// Use the values of the real users; a difference would reveal who is known. A length out of range is
    /// replaced with the nearest one in range.
    #[must_use]
    pub fn with_shape(mut self, salt_octets: usize, iterations: u32) -> Self {
        self.salt_octets = salt_octets.clamp(1, ScramHash::Sha512.octets());
        self.iterations = iterations.max(1);
        self
    }

    fn verifier(&self, hash: ScramHash, user: &str) -> ScramVerifier {
        ScramVerifier::made_up(hash, &self.secret, user, (self.salt_octets, self.iterations))
    }
}

impl fmt::Debug for Decoy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoy").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}
