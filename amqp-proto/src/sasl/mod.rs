//! SASL mechanisms as pure state machines [5.3.3], and the choice among them [5.3.3.2].
//!
//! A mechanism turns the peer's octets into the next ones; frames, their order and the number of rounds are the
//! connection's business. [`ClientProfile`] says what a client may use and picks the strongest of what a server
//! offers. A server brings its users as [`Credentials`]. SCRAM comes with the feature `scram`; any other mechanism
//! is an implementation of [`ClientMechanism`] or [`ServerMechanism`], given by [`ClientProfile::with_mechanism`]
//! or [`ServerSasl::with_mechanism`].
//!
//! Randomness comes from outside, as a fresh [`Nonce`] for every dialogue. Passwords and the keys made from them
//! are overwritten when they are dropped, and no `Debug` or `Display` here tells them (threat E8).
//!
//! ```
//! use amqp_proto::sasl::{
//!     ClientProfile, Credentials, TransportSecurity, Login, Nonce, PlainServer, ServerMechanism, Step,
//! };
//! use amqp_proto::symbol;
//!
//! struct OneUser;
//!
//! impl Credentials for OneUser {
//!     fn check_password(&self, user: &str, password: &str) -> bool {
//!         user == "user" && password == "pencil" // a real one compares hashes, in constant time
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn core::error::Error>> {
//! let profile = ClientProfile::new().with_login(Login::new("user", "pencil")?);
//! let offered = [symbol!("PLAIN"), symbol!("ANONYMOUS")];
//! let nonce = Nonce::from_random(&[7; 16])?; // 16 octets of the system's randomness
//!
//! let mut client = profile.choose(&offered, TransportSecurity::Encrypted, nonce)?;
//! let mut server = PlainServer::new(OneUser);
//! assert_eq!(client.name(), server.name());
//!
//! let Step::Done { identity, additional_data } = server.init(client.initial_response().as_ref()) else {
//!     panic!("the password is right");
//! };
//! assert_eq!(identity.user().unwrap(), "user");
//! client.outcome(additional_data.as_ref())?;
//! # Ok(())
//! # }
//! ```

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

pub use client::{AnonymousClient, ClientProfile, ExternalClient, PlainClient, TransportSecurity};
pub(crate) use dialogue::{ClientDialogue, Next, ServerDialogue};
pub use dialogue::{ClientSasl, ServerSasl};
pub use failure::{Attempt, ChoiceError, SaslFailure};
pub use login::{BadCredential, Login};
pub use mechanism::{ClientMechanism, Failure, Identity, ServerMechanism, Step};
pub use nonce::{BadNonce, Nonce};
#[cfg(feature = "scram")]
pub use scram::{BadVerifier, Decoy, ScramClient, ScramHash, ScramLimits, ScramServer, ScramVerifier};
pub use server::{AnonymousServer, Credentials, ExternalServer, PlainServer};
