//! The client's end of SCRAM.

use core::fmt;
use core::mem;

use alloc::format;
use alloc::string::String;

use base64ct::{Base64, Encoding};
use subtle::ConstantTimeEq;

use super::super::login::{Login, Wiped};
use super::super::mechanism::{ClientMechanism, MechanismError};
use super::super::nonce::Nonce;
use super::message::{ServerFirst, escape, readable, server_final};
use super::verifier::ClientKeys;
use super::{ScramHash, ScramLimits};
use crate::types::{Str, Symbol};
use crate::wire::Secret;

/// SCRAM (RFC 5802, section 3): proves that the client knows the password, and requires the same proof of the
/// server.
///
/// The server's signature is in the outcome's additional data [5.3.3.5]. Some servers send it in a last
/// challenge instead, which is accepted, too. An *ok* without the signature is a failure.
pub struct ScramClient {
    hash: ScramHash,
    login: Login,
    nonce: Nonce,
    limits: ScramLimits,
    state: State,
}

enum State {
    Start,
    SentFirst { gs2_header: String, bare: String },
    SentFinal { server_signature: Wiped },
    Verified,
    Over,
}

impl ScramClient {
    /// Returns the mechanism with this login, and with a nonce that was never used before.
    pub fn new(hash: ScramHash, login: Login, nonce: Nonce, limits: ScramLimits) -> Self {
        Self { hash, login, nonce, limits, state: State::Start }
    }

    fn answer(
        &self,
        gs2_header: &str,
        bare: &str,
        challenge: &Secret,
    ) -> Result<(Secret, Wiped), MechanismError> {
        let message = readable(challenge.expose(), &self.limits)?;
        if message.starts_with("e=") {
            return Err(MechanismError::Refused);
        }
        let server = ServerFirst::parse(message, &self.limits)?;
        let added = server.nonce.strip_prefix(self.nonce.as_str()).ok_or(MechanismError::Nonce)?;
        if added.is_empty() {
            return Err(MechanismError::Nonce);
        }
        let keys = ClientKeys::derive(self.hash, self.login.password(), &server.salt, server.iterations);
        let binding = Base64::encode_string(gs2_header.as_bytes());
        let without_proof = format!("c={binding},r={}", server.nonce);
        let messages = [bare.as_bytes(), b",", message.as_bytes(), b",", without_proof.as_bytes()];
        let proof = Base64::encode_string(keys.proof(&messages).as_ref());
        let response = format!("{without_proof},p={proof}");
        Ok((response.as_bytes().into(), keys.server_signature(&messages)))
    }

    fn verify(&self, signature: &Wiped, message: &Secret) -> Result<(), MechanismError> {
        let shown = server_final(readable(message.expose(), &self.limits)?)?;
        let same: bool = shown.ct_eq(signature.as_ref()).into();
        if same { Ok(()) } else { Err(MechanismError::ServerSignature) }
    }
}

impl ClientMechanism for ScramClient {
    fn name(&self) -> Symbol {
        self.hash.mechanism()
    }

    /// Returns `false`: the exchange reveals neither the password nor a substitute for it.
    fn shows_secret(&self) -> bool {
        false
    }

    fn user(&self) -> Option<&Str> {
        Some(self.login.user())
    }

    fn initial_response(&mut self) -> Option<Secret> {
        if !matches!(mem::replace(&mut self.state, State::Over), State::Start) {
            return None;
        }
        let gs2_header = match self.login.acting_as() {
            Some(other) => format!("n,a={},", escape(other)),
            None => String::from("n,,"),
        };
        let bare = format!("n={},r={}", escape(self.login.user()), self.nonce.as_str());
        let message = format!("{gs2_header}{bare}");
        self.state = State::SentFirst { gs2_header, bare };
        Some(message.as_bytes().into())
    }

    /// Computes the server's number of iterations, which [`ScramLimits`] bounds.
    fn challenge(&mut self, challenge: &Secret) -> Result<Secret, MechanismError> {
        match mem::replace(&mut self.state, State::Over) {
            State::SentFirst { gs2_header, bare } => {
                let (response, server_signature) = self.answer(&gs2_header, &bare, challenge)?;
                self.state = State::SentFinal { server_signature };
                Ok(response)
            }
            State::SentFinal { server_signature } => {
                self.verify(&server_signature, challenge)?;
                self.state = State::Verified;
                Ok(Secret::default())
            }
            State::Start | State::Verified | State::Over => Err(MechanismError::Order),
        }
    }

    fn outcome(&mut self, additional_data: Option<&Secret>) -> Result<(), MechanismError> {
        let data = additional_data.filter(|data| !data.expose().is_empty());
        match (mem::replace(&mut self.state, State::Over), data) {
            (State::SentFinal { server_signature }, Some(data)) => self.verify(&server_signature, data),
            (State::SentFinal { .. }, None) => Err(MechanismError::ServerSignature),
            (State::Verified, None) => Ok(()),
            (State::Verified, Some(_)) => Err(MechanismError::Order),
            (State::Start | State::SentFirst { .. } | State::Over, _) => Err(MechanismError::Order),
        }
    }
}

impl fmt::Debug for ScramClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramClient")
            .field("hash", &self.hash)
            .field("login", &self.login)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start => "Start",
            Self::SentFirst { .. } => "SentFirst",
            Self::SentFinal { .. } => "SentFinal",
            Self::Verified => "Verified",
            Self::Over => "Over",
        })
    }
}
