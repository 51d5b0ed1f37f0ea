//! [`ScramVerifier`]: the keys that a server stores in place of a password (RFC 5802, section 3).

use core::fmt;

use bytes::Bytes;
use subtle::ConstantTimeEq;

use super::super::login::{BadCredential, Login, Wiped, text};
use super::ScramHash;
use super::hash::xor;

/// The keys that a server stores in place of a user's password.
///
/// A thief of the keys can impersonate the server and try passwords, but cannot log in.
///
/// ```
/// use amqp_proto::sasl::{ScramHash, ScramVerifier};
///
/// let salt = [7; 16]; // random, and different for every user
/// let hash = ScramHash::Sha256;
/// let stored = ScramVerifier::derive(hash, "pencil", &salt, 4_096).unwrap();
/// assert_eq!(stored.stored_key().len(), 32);
/// ```
#[derive(Clone)]
pub struct ScramVerifier {
    hash: ScramHash,
    salt: Bytes,
    iterations: u32,
    stored_key: Wiped,
    server_key: Wiped,
}

impl ScramVerifier {
    /// Returns the verifier of stored values.
    ///
    /// # Errors
    ///
    /// [`BadVerifier`] if a key is not as long as the hash's digests, or if there is no salt or no iteration.
    pub fn new(
        hash: ScramHash,
        salt: &[u8],
        iterations: u32,
        stored_key: &[u8],
        server_key: &[u8],
    ) -> Result<Self, BadVerifier> {
        let keys_fit = [stored_key, server_key].iter().all(|key| key.len() == hash.octets());
        if !keys_fit || salt.is_empty() || iterations == 0 {
            return Err(BadVerifier);
        }
        Ok(Self {
            hash,
            salt: Bytes::copy_from_slice(salt),
            iterations,
            stored_key: stored_key.into(),
            server_key: server_key.into(),
        })
    }

    /// Derives the verifier of a new user's password. Clients require at least 4,096 iterations.
    ///
    /// # Errors
    ///
    /// [`BadCredential`] if the password is empty, too long, or has control characters.
    pub fn derive(
        hash: ScramHash,
        password: &str,
        salt: &[u8],
        iterations: u32,
    ) -> Result<Self, BadCredential> {
        let password = text(password, Login::MAX_PASSWORD)?;
        let keys = ClientKeys::derive(hash, password.as_bytes(), salt, iterations);
        Ok(Self {
            hash,
            salt: Bytes::copy_from_slice(salt),
            iterations,
            stored_key: keys.stored_key,
            server_key: keys.server_key,
        })
    }

    /// Returns the verifier of an unknown user, made from the server's secret.
    pub(super) fn made_up(hash: ScramHash, secret: &Wiped, user: &str, shape: (usize, u32)) -> Self {
        let name = hash.mechanism();
        let part = |made_with: ScramHash, what: &[u8]| {
            made_with.hmac(secret, &[name.as_bytes(), b"\0", what, b"\0", user.as_bytes()])
        };
        // From the longest digest any usual length of salt can be cut.
        let salt = part(ScramHash::Sha512, b"salt");
        let octets = salt.as_ref().get(..shape.0).unwrap_or(salt.as_ref());
        Self {
            hash,
            salt: Bytes::copy_from_slice(octets),
            iterations: shape.1,
            stored_key: part(hash, b"stored key"),
            server_key: part(hash, b"server key"),
        }
    }

    /// Returns the hash function.
    pub fn hash(&self) -> ScramHash {
        self.hash
    }

    /// Returns the salt, for storing.
    pub fn salt(&self) -> &[u8] {
        &self.salt
    }

    /// Returns the iterations, for storing.
    pub fn iterations(&self) -> u32 {
        self.iterations
    }

    /// Returns the key that checks the client's proof, for storing.
    pub fn stored_key(&self) -> &[u8] {
        self.stored_key.as_ref()
    }

    /// Returns the key of the server's signature, for storing.
    pub fn server_key(&self) -> &[u8] {
        self.server_key.as_ref()
    }

    /// Returns `true` if the verifier was derived from this password, for PLAIN with the same store.
    ///
    /// Compares in constant time.
    pub fn matches(&self, password: &str) -> bool {
        let keys = ClientKeys::derive(self.hash, password.as_bytes(), &self.salt, self.iterations);
        keys.stored_key.as_ref().ct_eq(self.stored_key.as_ref()).into()
    }

    /// Returns the server's signature of the messages if the client's proof is right. Compares in constant
    /// time.
    pub(super) fn check(&self, messages: &[&[u8]], proof: &[u8]) -> Option<Wiped> {
        let signature = self.hash.hmac(&self.stored_key, messages);
        let client_key = xor(signature.as_ref(), proof);
        let stored_key = self.hash.digest(client_key.as_ref());
        let same: bool = stored_key.as_ref().ct_eq(self.stored_key.as_ref()).into();
        // Without this check, a proof with additional octets would pass.
        (same && proof.len() == self.hash.octets()).then(|| self.hash.hmac(&self.server_key, messages))
    }
}

impl fmt::Debug for ScramVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramVerifier")
            .field("hash", &self.hash)
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}

/// The error of stored values that do not form a verifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadVerifier;

impl fmt::Display for BadVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the keys do not have the hash's length, or there is no salt or no iteration")
    }
}

impl core::error::Error for BadVerifier {}

/// The keys derived from a password.
pub(super) struct ClientKeys {
    hash: ScramHash,
    client_key: Wiped,
    stored_key: Wiped,
    server_key: Wiped,
}

impl ClientKeys {
    /// Derives the keys, the expensive step.
    pub(super) fn derive(hash: ScramHash, password: &[u8], salt: &[u8], iterations: u32) -> Self {
        let salted = hash.salted(password, salt, iterations);
        let client_key = hash.hmac(&salted, &[b"Client Key"]);
        let stored_key = hash.digest(client_key.as_ref());
        Self { hash, client_key, stored_key, server_key: hash.hmac(&salted, &[b"Server Key"]) }
    }

    /// Returns the client's proof, which does not reveal the keys.
    pub(super) fn proof(&self, messages: &[&[u8]]) -> Wiped {
        let signature = self.hash.hmac(&self.stored_key, messages);
        xor(self.client_key.as_ref(), signature.as_ref())
    }

    /// Returns the signature that the server must send.
    pub(super) fn server_signature(&self, messages: &[&[u8]]) -> Wiped {
        self.hash.hmac(&self.server_key, messages)
    }
}
