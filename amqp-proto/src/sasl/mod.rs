//! SASL mechanisms as pure state machines [5.3.3], and the choice among them [5.3.3.2].
//!
//! A mechanism turns the peer's message into the next message. The connection handles the frames, their order
//! and the number of rounds. [`ClientProfile`] holds the mechanisms that a client allows, and chooses the
//! strongest one that the server offers. A server looks up its users in [`Credentials`]. SCRAM needs the
//! feature `scram`. Any other mechanism is an implementation of [`ClientMechanism`] or [`ServerMechanism`],
//! added by [`ClientProfile::with_mechanism`] or [`ServerSasl::with_mechanism`].
//!
//! The caller provides the random numbers, as a fresh [`Nonce`] for every dialogue. Passwords and the keys
//! derived from them are overwritten on drop, and no `Debug` or `Display` of this module shows them.
//!
//! ```
//! use amqp_proto::sasl::{
//!     ClientProfile, Credentials, Login, Nonce, PlainServer,
//!     ServerMechanism, Step, TransportSecurity,
//! };
//! use amqp_proto::symbol;
//!
//! struct OneUser;
//!
//! impl Credentials for OneUser {
//!     fn check_password(&self, user: &str, password: &str) -> bool {
//!         // A real server compares hashes, in constant time.
//!         user == "user" && password == "pencil"
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn core::error::Error>> {
//! let login = Login::new("user", "pencil")?;
//! let profile = ClientProfile::new().with_login(login);
//! let offered = [symbol!("PLAIN"), symbol!("ANONYMOUS")];
//! let nonce = Nonce::from_random(&[7; 16])?; // 16 random octets
//!
//! let security = TransportSecurity::Encrypted;
//! let mut client = profile.choose(&offered, security, nonce)?;
//! let mut server = PlainServer::new(OneUser);
//! assert_eq!(client.name(), server.name());
//!
//! let step = server.init(client.initial_response().as_ref());
//! let Step::Done { identity, additional_data } = step else {
//!     panic!("the password is right");
//! };
//! assert_eq!(identity.user().unwrap(), "user");
//! client.outcome(additional_data.as_ref())?;
//! # Ok(())
//! # }
//! ```
// Threat E8 is about secrets in memory and in logs.

mod client;
mod dialogue;
mod failure;
mod login;
mod mechanism;
mod nonce;
mod own;
#[cfg(feature = "scram")]
mod scram;
mod server;
mod token;

pub use client::{AnonymousClient, ClientProfile, ExternalClient, PlainClient, TransportSecurity};
pub(crate) use dialogue::{ClientDialogue, Next, ServerDialogue};
pub use dialogue::{ClientSasl, ServerSasl};
pub use failure::{ChoiceError, LoginAttempt, SaslFailure};
pub use login::{BadCredential, Login};
pub use mechanism::{ClientMechanism, Identity, MechanismError, ServerMechanism, Step};
pub use nonce::{BadNonce, Nonce};
#[cfg(feature = "scram")]
pub use scram::{BadVerifier, Decoy, ScramClient, ScramHash, ScramLimits, ScramServer, ScramVerifier};
pub use server::{AnonymousServer, Credentials, ExternalServer, PlainServer};
pub use token::{Token, TokenClient};
