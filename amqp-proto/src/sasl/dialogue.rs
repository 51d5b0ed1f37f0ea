//! The SASL dialogue: the frames, their order and their number [5.3.2] [5.3.3].

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::client::{ClientProfile, PLAIN, TransportSecurity};
use super::failure::{LoginAttempt, SaslFailure};
use super::mechanism::{ClientMechanism, Identity, MechanismError, ServerMechanism, Step};
use super::nonce::Nonce;
use crate::types::{Many, Str, Symbol};
use crate::wire::{SaslBody, SaslChallenge, SaslCode, SaslInit, SaslMechanisms, SaslOutcome, SaslResponse};

/// The client's SASL settings for one connection.
///
/// ```
/// use amqp_proto::sasl::{
///     AnonymousClient, ClientProfile, ClientSasl, Nonce, TransportSecurity,
/// };
///
/// let anonymous = AnonymousClient::new();
/// let profile = ClientProfile::new().with_anonymous(anonymous);
/// let nonce = Nonce::from_random(&[7; 16])?; // 16 random octets
/// let sasl = ClientSasl::new(profile, TransportSecurity::Clear, nonce);
/// # Ok::<(), amqp_proto::sasl::BadNonce>(())
/// ```
#[derive(Debug)]
pub struct ClientSasl {
    profile: ClientProfile,
    link: TransportSecurity,
    nonce: Nonce,
}

impl ClientSasl {
    /// Returns the settings for a transport of this security, with a nonce that was never used before.
    pub fn new(profile: ClientProfile, link: TransportSecurity, nonce: Nonce) -> Self {
        Self { profile, link, nonce }
    }
}

/// The server's SASL settings for one connection.
///
/// ```
/// use amqp_proto::sasl::{AnonymousServer, ServerSasl, TransportSecurity};
///
/// let sasl = ServerSasl::new(TransportSecurity::Clear)
///     .with_mechanism(AnonymousServer::new());
/// ```
#[derive(Debug)]
pub struct ServerSasl {
    link: TransportSecurity,
    mechanisms: Vec<Box<dyn ServerMechanism>>,
    optional: bool,
    plain_in_clear: bool,
}

impl ServerSasl {
    /// Returns settings without mechanisms, for a transport of this security.
    pub fn new(link: TransportSecurity) -> Self {
        Self { link, mechanisms: Vec::new(), optional: false, plain_in_clear: false }
    }

    /// Adds a mechanism; earlier ones are preferred [5.3.3.1].
    #[must_use]
    pub fn with_mechanism(mut self, mechanism: impl ServerMechanism + 'static) -> Self {
        self.mechanisms.push(Box::new(mechanism));
        self
    }

    /// Also accepts clients that do not use SASL.
    #[must_use]
    pub fn with_optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// Offers PLAIN on an unencrypted transport, too: eavesdroppers can read the passwords.
    #[must_use]
    pub fn with_plain_in_clear(mut self) -> Self {
        self.plain_in_clear = true;
        self
    }
}

/// The action after a SASL frame.
pub(crate) enum Next {
    /// Send this body, and wait for the peer.
    Send(SaslBody),
    /// Authenticated: the next protocol header follows. The server first sends an outcome.
    Done(Option<SaslBody>, Identity),
    /// Failed. The server first sends an outcome.
    Failed(Option<SaslBody>, SaslFailure),
}

/// The client's side of the dialogue.
#[derive(Debug)]
pub(crate) struct ClientDialogue {
    state: ClientState,
    hostname: Option<Str>,
    rounds: u32,
}

#[derive(Debug)]
enum ClientState {
    /// Waiting for the server's mechanisms.
    Offered(Box<ClientSasl>),
    /// Waiting for a challenge or the outcome.
    Chosen(Box<dyn ClientMechanism>),
    Over,
}

impl ClientDialogue {
    pub(crate) fn new(sasl: ClientSasl) -> Self {
        Self { state: ClientState::Offered(Box::new(sasl)), hostname: None, rounds: 0 }
    }

    /// Sets the host that the client names, and the most challenges that it answers.
    pub(crate) fn begin(&mut self, hostname: Option<Str>, rounds: u32) {
        (self.hostname, self.rounds) = (hostname, rounds);
    }

    /// Handles a frame of the server.
    pub(crate) fn on_frame(&mut self, body: SaslBody) -> Next {
        let failed = |failure| Next::Failed(None, failure);
        match (core::mem::replace(&mut self.state, ClientState::Over), body) {
            (ClientState::Offered(sasl), SaslBody::Mechanisms(offer)) => {
                let ClientSasl { profile, link, nonce } = *sasl;
                match profile.choose(&offer.sasl_server_mechanisms, link, nonce) {
                    Ok(mechanism) => self.init(mechanism),
                    Err(error) => failed(SaslFailure::Choice(error)),
                }
            }
            (ClientState::Chosen(_), SaslBody::Challenge(_)) if self.rounds == 0 => {
                failed(SaslFailure::Rounds)
            }
            (ClientState::Chosen(mut mechanism), SaslBody::Challenge(challenge)) => {
                self.rounds -= 1;
                match mechanism.challenge(&challenge.challenge) {
                    Ok(response) => {
                        self.state = ClientState::Chosen(mechanism);
                        Next::Send(SaslResponse::new(response).into())
                    }
                    Err(failure) => failed(gave_up(&*mechanism, failure)),
                }
            }
            (ClientState::Chosen(mut mechanism), SaslBody::Outcome(outcome)) => match outcome.code {
                SaslCode::Ok => match mechanism.outcome(outcome.additional_data.as_ref()) {
                    Ok(()) => Next::Done(None, Identity::anonymous()),
                    Err(failure) => failed(gave_up(&*mechanism, failure)),
                },
                code => failed(SaslFailure::Outcome { code, attempt: LoginAttempt::of(&*mechanism) }),
            },
            _ => failed(SaslFailure::Order),
        }
    }

    /// Returns the failure of a response that does not fit in a frame.
    pub(crate) fn unsendable(&self) -> SaslFailure {
        match &self.state {
            ClientState::Chosen(mechanism) => gave_up(&**mechanism, MechanismError::TooLong),
            ClientState::Offered(_) | ClientState::Over => SaslFailure::Order,
        }
    }

    fn init(&mut self, mut mechanism: Box<dyn ClientMechanism>) -> Next {
        let mut init = SaslInit::new(mechanism.name());
        init.initial_response = mechanism.initial_response();
        init.hostname = self.hostname.take();
        self.state = ClientState::Chosen(mechanism);
        Next::Send(init.into())
    }
}

fn gave_up(mechanism: &dyn ClientMechanism, failure: MechanismError) -> SaslFailure {
    SaslFailure::Mechanism { failure, attempt: LoginAttempt::of(mechanism) }
}

/// The server's side of the dialogue.
#[derive(Debug)]
pub(crate) struct ServerDialogue {
    state: ServerState,
    is_optional: bool,
    rounds: u32,
}

#[derive(Debug)]
enum ServerState {
    /// Waiting for the client's choice.
    Offering(Vec<Box<dyn ServerMechanism>>),
    /// Waiting for the client's response.
    Asking(Box<dyn ServerMechanism>),
    Over,
}

impl ServerDialogue {
    pub(crate) fn new(mut sasl: ServerSasl) -> Self {
        if sasl.link == TransportSecurity::Clear && !sasl.plain_in_clear {
            sasl.mechanisms.retain(|mechanism| mechanism.name() != PLAIN);
        }
        Self { state: ServerState::Offering(sasl.mechanisms), is_optional: sasl.optional, rounds: 0 }
    }

    /// Returns `true` if clients may skip SASL.
    pub(crate) fn is_optional(&self) -> bool {
        self.is_optional
    }

    /// Sets the most challenges that are sent. Returns the first frame.
    pub(crate) fn begin(&mut self, rounds: u32) -> SaslMechanisms {
        self.rounds = rounds;
        let names: Many<Symbol> = match &self.state {
            ServerState::Offering(mechanisms) => {
                mechanisms.iter().map(|mechanism| mechanism.name()).collect()
            }
            ServerState::Asking(_) | ServerState::Over => Many::new(),
        };
        SaslMechanisms::new(names)
    }

    /// Handles a frame of the client.
    pub(crate) fn on_frame(&mut self, body: SaslBody) -> Next {
        match (core::mem::replace(&mut self.state, ServerState::Over), body) {
            (ServerState::Offering(mechanisms), SaslBody::Init(init)) => {
                match mechanisms.into_iter().find(|mechanism| mechanism.name() == init.mechanism) {
                    Some(mut mechanism) => {
                        let step = mechanism.init(init.initial_response.as_ref());
                        self.step(mechanism, step)
                    }
                    None => refused(SaslFailure::NotOffered),
                }
            }
            (ServerState::Asking(mut mechanism), SaslBody::Response(response)) => {
                let step = mechanism.response(&response.response);
                self.step(mechanism, step)
            }
            _ => refused(SaslFailure::Order),
        }
    }

    fn step(&mut self, mechanism: Box<dyn ServerMechanism>, step: Step) -> Next {
        match step {
            Step::Challenge(_) if self.rounds == 0 => refused(SaslFailure::Rounds),
            Step::Challenge(challenge) => {
                self.rounds -= 1;
                self.state = ServerState::Asking(mechanism);
                Next::Send(SaslChallenge::new(challenge).into())
            }
            Step::Done { identity, additional_data } => {
                let outcome = SaslOutcome { code: SaslCode::Ok, additional_data };
                Next::Done(Some(outcome.into()), identity)
            }
            Step::Failed => refused(SaslFailure::Credentials),
        }
    }
}

/// Returns a failure with the outcome *auth*. The peer does not get the reason.
fn refused(failure: SaslFailure) -> Next {
    Next::Failed(Some(SaslOutcome::new(SaslCode::Auth).into()), failure)
}
