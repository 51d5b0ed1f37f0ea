//! [`Users`]: who may use a broker.

use std::fmt;
use std::io;
use std::sync::Arc;

use amqp_proto::client::{Peer, Result};
use amqp_proto::sasl::{AnonymousServer, Credentials, ExternalServer, Login, PlainServer, ServerSasl};
#[cfg(feature = "scram")]
use amqp_proto::sasl::{Decoy, Nonce, ScramHash, ScramServer, ScramVerifier};

/// The users of a broker. Passwords are stored in clear, since the broker is for demonstrations.
#[derive(Clone, Default)]
pub(super) struct Users {
    users: Vec<(Arc<str>, Arc<str>)>,
    anonymous: bool,
    #[cfg(feature = "scram")]
    verifiers: Vec<(Arc<str>, ScramVerifier)>,
    /// The secret that makes challenges for unknown users.
    #[cfg(feature = "scram")]
    secret: [u8; 32],
}

/// The smallest number of iterations that clients accept.
#[cfg(feature = "scram")]
const ITERATIONS: u32 = 4_096;

impl Users {
    pub(super) fn add(&mut self, name: &str, password: &str) -> Result<()> {
        Login::new(name, password)?;
        #[cfg(feature = "scram")]
        {
            self.secret = random()?;
            for hash in ScramHash::STRONGEST_FIRST {
                let verifier = ScramVerifier::derive(hash, password, &random::<16>()?, ITERATIONS)?;
                self.verifiers.push((name.into(), verifier));
            }
        }
        self.users.push((name.into(), password.into()));
        Ok(())
    }

    pub(super) fn allow_anonymous(&mut self) {
        self.anonymous = true;
    }

    /// Returns the SASL mechanisms for a client.
    pub(super) fn offer(self: &Arc<Self>, peer: &Peer) -> ServerSasl {
        let mut sasl = ServerSasl::new(peer.security());
        if let Some(user) = peer.user() {
            sasl = sasl.with_mechanism(ExternalServer::new(user.clone(), Arc::clone(self)));
        }
        if !self.users.is_empty() {
            #[cfg(feature = "scram")]
            for hash in ScramHash::STRONGEST_FIRST {
                // Without randomness, SCRAM cannot be offered.
                let Some(nonce) = nonce() else { break };
                let decoy = Decoy::new(&self.secret);
                sasl = sasl.with_mechanism(ScramServer::new(hash, Arc::clone(self), nonce, decoy));
            }
            sasl = sasl.with_mechanism(PlainServer::new(Arc::clone(self)));
        }
        if self.users.is_empty() || self.anonymous {
            sasl = sasl.with_mechanism(AnonymousServer::new()).with_optional();
        }
        sasl
    }
}

/// Returns unpredictable octets.
pub(super) fn random<const OCTETS: usize>() -> io::Result<[u8; OCTETS]> {
    let mut octets = [0; OCTETS];
    getrandom::fill(&mut octets)?;
    Ok(octets)
}

#[cfg(feature = "scram")]
fn nonce() -> Option<Nonce> {
    Nonce::from_random(&random::<24>().ok()?).ok()
}

/// Compares in constant time.
fn is_same(one: &str, other: &str) -> bool {
    let differences = one.bytes().zip(other.bytes()).map(|(a, b)| a ^ b);
    one.len() == other.len() && differences.fold(0, |all, difference| all | difference) == 0
}

impl Credentials for Users {
    fn check_password(&self, user: &str, password: &str) -> bool {
        let known = self.users.iter().map(|(name, secret)| is_same(name, user) & is_same(secret, password));
        known.fold(false, |any, this| any | this)
    }

    #[cfg(feature = "scram")]
    fn scram(&self, user: &str, hash: ScramHash) -> Option<ScramVerifier> {
        let mut known =
            self.verifiers.iter().filter(|(name, verifier)| &**name == user && verifier.hash() == hash);
        known.next().map(|(_, verifier)| verifier.clone())
    }
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Users")
            .field("names", &self.users.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("anonymous", &self.anonymous)
            .finish()
    }
}
